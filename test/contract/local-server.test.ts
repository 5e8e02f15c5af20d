import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { errorCode } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/log.ts';
import { createAgentClient } from '../../src/local/client.ts';
import { type LocalServerOptions, startLocalServer } from '../../src/local/server.ts';
import { fakeView } from '../fakes/agent-view.ts';
import { sampleLinkStatus } from '../fakes/link-status.ts';
import { NOW } from '../fakes/sample-status.ts';

const signal = AbortSignal.timeout(20_000);

interface Cleanup {
  after(fn: () => unknown): void;
}

async function folder(t: Cleanup): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'ce-local-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function started(t: Cleanup, options: Partial<LocalServerOptions> = {}, ringSize = 100) {
  const path = options.path ?? join(await folder(t), 'run', 'agent.sock');
  const view = fakeView(ringSize);
  const server = await startLocalServer({ path, view, log: silentLogger, ...options });
  t.after(() => server.close());
  return { path, view, server, client: createAgentClient(path) };
}

/** Sends text as it is and gives back all that comes until the other side closes. */
async function raw(path: string, text: string): Promise<string> {
  const socket = createConnection({ path });
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString();
  });
  const closed = closeOf(socket);
  socket.write(text);
  await closed;
  return answer;
}

/** Resolves when the connection is gone, with an error or without. */
function closeOf(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Waits until the condition holds; fails after five seconds. */
async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Leaves the socket file of a server whose process ended without closing it. */
async function staleSocket(path: string): Promise<void> {
  const { spawn } = await import('node:child_process');
  const script = `require('net').createServer().listen(${JSON.stringify(path)},()=>process.kill(process.pid,'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', script]), 'close');
  assert.ok((await stat(path)).isSocket());
}

test('status, plan and events come back as the agent gave them', async (t) => {
  const { view, client } = await started(t);
  view.push('container started');
  assert.deepEqual(await client.status({ signal }), view.current);
  assert.deepEqual(await client.plan({ signal }), view.plan());
  const lines = [];
  for await (const line of client.events(0, { signal, follow: false })) lines.push(line);
  assert.deepEqual(lines, [{ event: view.events(0)[0] }]);
});

test('the socket is made with its directory, for owner and group only', async (t) => {
  const { path } = await started(t);
  assert.equal((await stat(path)).mode & 0o777, 0o660);
});

test('the socket file of a dead agent is replaced', async (t) => {
  const path = join(await folder(t), 'agent.sock');
  await staleSocket(path);
  const { client, view } = await started(t, { path });
  assert.deepEqual(await client.status({ signal }), view.current);
});

test('the socket of a living agent is respected', async (t) => {
  const { path, client } = await started(t);
  await assert.rejects(
    startLocalServer({ path, view: fakeView(), log: silentLogger }),
    (error) => errorCode(error) === 'SOCKET_IN_USE',
  );
  await client.status({ signal });
});

test('a file that is no socket is not removed', async (t) => {
  const path = join(await folder(t), 'agent.sock');
  await writeFile(path, 'precious');
  await assert.rejects(
    startLocalServer({ path, view: fakeView(), log: silentLogger }),
    (error) => errorCode(error) === 'SOCKET_PATH_TAKEN',
  );
  assert.equal((await stat(path)).size, 8);
});

test('closing removes the socket file and ends followers', async (t) => {
  const { path, server, client } = await started(t);
  const follower = client.events(0, { signal, follow: true });
  const first = follower.next().catch(() => ({ done: true }));
  await client.status({ signal });
  await server.close();
  assert.equal((await first).done, true);
  await assert.rejects(stat(path), (error) => errorCode(error) === 'ENOENT');
});

test('unknown paths and other methods get a JSON error', async (t) => {
  const { path } = await started(t);
  const missing = await raw(path, 'GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match(missing, /^HTTP\/1\.1 404 [\s\S]*\r\n\r\n\{"error":"there is no \/v2; there are /);
  const post = await raw(path, 'POST /v1/status HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}');
  assert.match(post, /^HTTP\/1\.1 405 [\s\S]*allow: GET, HEAD\r\n[\s\S]*only reads/i);
  const after = await raw(path, 'GET /v1/events?after=x HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match(after, /^HTTP\/1\.1 400 [\s\S]*after must be a whole number, got \\"x\\"/);
});

test('a removal is confirmed by a POST and by nothing else', async (t) => {
  const { path, view, client } = await started(t);
  view.suspects = ['c1-db', 'c1-web'];
  const get = await raw(path, 'GET /v1/confirm-removal HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match(get, /^HTTP\/1\.1 405 [\s\S]*allow: POST\r\n/i);
  assert.equal(view.suspects.length, 2);
  assert.deepEqual(await client.confirmRemoval({ signal }), ['c1-db', 'c1-web']);
  assert.deepEqual(await client.confirmRemoval({ signal }), []);
});

test('a roll-out is changed by a POST that names a command and a blueprint', async (t) => {
  const { path, view, client } = await started(t);
  const ask = (method: string, query: string) =>
    raw(path, `${method} /v1/rollout${query} HTTP/1.1\r\nHost: a\r\n\r\n`);
  assert.match(await ask('GET', '?command=pause&name=web'), /^HTTP\/1\.1 405 /);
  assert.match(
    await ask('POST', '?command=stop&name=web'),
    /^HTTP\/1\.1 400 [\s\S]*rollback, retry, pause, resume/,
  );
  assert.match(await ask('POST', '?command=pause'), /^HTTP\/1\.1 400 [\s\S]*name of a blueprint/);
  assert.deepEqual(view.commands, []);
  const answer = await client.commandRollout('rollback', 'a b/c', { signal });
  assert.deepEqual(answer, { ok: true, text: 'a b/c: rollback' });
  assert.deepEqual(view.commands, ['rollback a b/c']);
});

test('the link class is switched by a POST that names one, where there is a link', async (t) => {
  const { path, view, client } = await started(t);
  const post = (to: string) => raw(path, `POST /v1/link-class${to} HTTP/1.1\r\nHost: a\r\n\r\n`);
  assert.match(await post('?to=metered'), /^HTTP\/1\.1 409 [\s\S]*no server is configured/);
  view.linkClass = 'normal';
  assert.match(await post('?to=cheap'), /^HTTP\/1\.1 400 [\s\S]*normal or metered/);
  assert.equal(view.linkClass, 'normal');
  await client.setLinkClass('metered', { signal });
  assert.equal(view.linkClass, 'metered');
});

test('garbage is collected by a POST, and words of why not reach the caller', async (t) => {
  const { path, view, client } = await started(t, { idleMs: 100 });
  const get = await raw(path, 'GET /v1/gc HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match(get, /^HTTP\/1\.1 405 [\s\S]*allow: POST\r\n/i);
  assert.equal((await client.collectGarbage(true, { signal })).dryRun, true);
  const report = await client.collectGarbage(false, { signal });
  assert.deepEqual(report, view.garbage);
  // It may take longer than a connection may be silent.
  const { collectGarbage } = view;
  view.collectGarbage = async (dryRun) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    return collectGarbage.call(view, dryRun);
  };
  assert.deepEqual(await client.collectGarbage(false, { signal }), view.garbage);
  view.garbage = new Error('nothing was removed: the engine is away');
  await assert.rejects(client.collectGarbage(false, { signal }), {
    code: 'AGENT_REFUSED',
    message: 'nothing was removed: the engine is away',
  });
});

test('metrics name the blueprints, with dangerous names escaped', async (t) => {
  const { path, view } = await started(t);
  const report = view.current.blueprints[0];
  assert.ok(report);
  view.current = { ...view.current, blueprints: [{ ...report, name: 'a"b\\c\nd' }] };
  const text = await raw(path, 'GET /v1/metrics HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match(text, /colonies_edge_desired_containers\{blueprint="a\\"b\\\\c\\nd"\} 1\n/);
  assert.match(text, /colonies_edge_engine_up 1\n/);
  for (const line of (text.split('\r\n\r\n')[1] ?? '').trim().split('\n'))
    assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{.*\})? [\d.e+-]+)$/);
});

test('metrics of the link are there with a server, well formed, and absent without one', async (t) => {
  const { path, view } = await started(t);
  const ask = async () =>
    (await raw(path, 'GET /v1/metrics HTTP/1.1\r\nHost: a\r\n\r\n')).split('\r\n\r\n')[1] ?? '';
  assert.doesNotMatch(await ask(), /link_|server_/);
  const server = sampleLinkStatus({
    state: 'Offline',
    cause: 'dns',
    unsentStatuses: 3,
    openProcesses: 1,
    claims: { held: 2, others: 1 },
    listing: { blueprints: 0 },
  });
  view.current = { ...view.current, server };
  const text = await ask();
  for (const line of [
    'link_state{state="Offline"} 1',
    'link_state{state="Connected"} 0',
    'link_state{state="UnknownKey"} 0',
    'link_metered 0',
    `link_contact_timestamp_seconds ${NOW / 1000 - 12}`,
    'unsent_statuses 3',
    'open_processes 1',
    'claims{held="true"} 2',
    'claims{held="false"} 1',
    'server_requests_total{purpose="poll"} 20',
    'server_sent_bytes_total{purpose="listing"} 2000',
    'server_received_bytes_total{purpose="listing"} 60000',
  ])
    assert.ok(text.includes(`\ncolonies_edge_${line}\n`), line);
  // Never listed: no sample, rather than the year 1970.
  assert.doesNotMatch(text, /^colonies_edge_listing_timestamp_seconds/m);
  const names = new Set<string>();
  for (const line of text.trim().split('\n')) {
    assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{.*\})? [\d.e+-]+)$/);
    const [, type] = /^# TYPE (\w+) /.exec(line) ?? [];
    if (type === undefined) continue;
    assert.ok(!names.has(type), `${type} is there once`);
    names.add(type);
  }
});

test('half a request is closed, and meanwhile others are served', async (t) => {
  const { path, client } = await started(t, { idleMs: 200 });
  const half = raw(path, 'GET /v1/sta');
  await client.status({ signal });
  await half;
});

test('a request that trickles in is closed although bytes keep coming', async (t) => {
  const { path } = await started(t, { idleMs: 200 });
  const socket = createConnection({ path });
  const closed = closeOf(socket);
  const drip = setInterval(() => socket.write('x'), 50);
  t.after(() => clearInterval(drip));
  socket.write('GET /v1/status HTTP/1.1\r\nX-Long: ');
  socket.resume();
  await closed;
});

test('a view that throws gives 500 and the server lives on', async (t) => {
  const { path, view, client } = await started(t);
  const good = view.status;
  view.status = () => {
    throw new Error('broken');
  };
  assert.match(await raw(path, 'GET /v1/status HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 500 /);
  view.status = good;
  await client.status({ signal });
});

test('a follower gets what is kept and then each event as it happens', async (t) => {
  const { view, client } = await started(t);
  view.push('one');
  view.push('two');
  const follower = client.events(1, { signal, follow: true });
  const messageOf = async () => {
    const { value } = await follower.next();
    return value && 'event' in value ? `${value.event.seq} ${value.event.message}` : value;
  };
  assert.equal(await messageOf(), '2 two');
  const third = messageOf();
  view.push('three');
  assert.equal(await third, '3 three');
  await follower.return(undefined);
  await until(() => view.listening() === 0, 'nobody listens any more');
});

test('a slow follower costs no memory: it catches up from the ring and is told what it missed', async (t) => {
  const { path, view } = await started(t, {}, 50);
  const socket: Socket = createConnection({ path });
  socket.write('GET /v1/events?follow=1 HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => view.listening() === 1, 'the follower is known');
  socket.pause();
  const big = 'x'.repeat(10_000);
  for (let i = 0; i < 1000; i += 1) view.push(`${i} ${big}`);
  view.push('last');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  socket.resume();
  await until(() => text.includes('"last"'), 'the last event arrived');
  socket.destroy();
  assert.ok(text.length < 3_000_000, `${text.length} of 10000000 signs were sent`);
  assert.match(text, /\{"dropped":\d+\}/);
});

test('a follower that reads nothing is dropped', async (t) => {
  const { path, view } = await started(t, { idleMs: 100 });
  const socket = createConnection({ path });
  socket.on('error', () => {});
  socket.write('GET /v1/events?follow=1 HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => view.listening() === 1, 'the follower is known');
  socket.pause();
  for (let i = 0; i < 200; i += 1) view.push('y'.repeat(10_000));
  await until(() => view.listening() === 0, 'the follower was dropped');
  socket.destroy();
});

test('a quiet follower stays connected', async (t) => {
  const { view, client } = await started(t, { idleMs: 100 });
  const follower = client.events(0, { signal, follow: true });
  const first = follower.next();
  await until(() => view.listening() === 1, 'the follower is known');
  await new Promise((resolve) => setTimeout(resolve, 350));
  view.push('late');
  const { value } = await first;
  assert.ok(value && 'event' in value && value.event.message === 'late');
  await follower.return(undefined);
});

test('followers are bounded', async (t) => {
  const { path, view } = await started(t, { maxFollowers: 1 });
  const socket = createConnection({ path });
  socket.write('GET /v1/events?follow=1 HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => view.listening() === 1, 'the follower is known');
  const second = await raw(path, 'GET /v1/events?follow=1 HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match(second, /^HTTP\/1\.1 503 /);
  socket.destroy();
});

test('the client tells a missing agent, a dead one, a forbidden one, a silent one and a stranger apart', async (t) => {
  const dir = await folder(t);
  const codeOf = (path: string) =>
    createAgentClient(path)
      .status({ signal, timeoutMs: 200 })
      .then(() => 'none', errorCode);
  assert.equal(await codeOf(join(dir, 'missing.sock')), 'AGENT_NOT_RUNNING');
  const dead = join(dir, 'dead.sock');
  await staleSocket(dead);
  assert.equal(await codeOf(dead), 'AGENT_NOT_RUNNING');
  const answers = (name: string, onSocket: (socket: Socket) => void) =>
    new Promise<string>((resolve) => {
      const server = createServer(onSocket);
      t.after(() => server.close());
      server.listen(join(dir, name), () => resolve(join(dir, name)));
    });
  assert.equal(
    await codeOf(await answers('silent', (s) => setTimeout(() => s.destroy(), 1000))),
    'AGENT_SILENT',
  );
  assert.equal(await codeOf(await answers('reset', (s) => s.destroy())), 'AGENT_ANSWER');
  const stranger = (body: string) => (socket: Socket) =>
    socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  assert.equal(await codeOf(await answers('json', stranger('{"hello":1}'))), 'AGENT_ANSWER');
  assert.equal(await codeOf(await answers('text', stranger('hello'))), 'AGENT_ANSWER');
});
