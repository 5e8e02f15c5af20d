import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reset } from '../../build/lib/reset.mjs';
import { systemClock } from '../../src/base/clock.ts';
import { Secret } from '../../src/base/secret.ts';
import { createColonyClient } from '../../src/colony/client.ts';
import { recoverId } from '../../src/colony/crypto.ts';
import { deriveId } from '../../src/colony/identity.ts';
import { getExecutors } from '../../src/colony/messages-executor.ts';
import { assign, heartbeat } from '../../src/colony/messages-process.ts';
import { getVersion } from '../../src/colony/messages-server.ts';
import { answer, clientTo, httpServer, KEY, rawServer, refusal } from './support/colony-server.ts';

const never = new AbortController().signal;
const VERSION = { buildversion: 'v', buildtime: '' };

test('a request goes to /api, signed by the key, and its answer comes decoded', async (t) => {
  let seen: { method?: string; url?: string; type?: string; body: string } = { body: '' };
  const port = await httpServer(t, (request, response) => {
    const { method = '', url = '' } = request;
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      seen = { method, url, type: request.headers['content-type'] ?? '', body };
      response.end(answer(null));
    });
  });
  const client = clientTo(t, `http://127.0.0.1:${port}/`);
  assert.deepEqual(await client.send(getExecutors('dev'), never), []);
  const { payload, signature } = JSON.parse(seen.body);
  assert.deepEqual([seen.method, seen.url, seen.type], ['POST', '/api', 'application/json']);
  assert.equal(recoverId(payload, signature), deriveId(KEY.reveal()));
  const { registration } = client.traffic();
  assert.equal(registration?.requests, 1);
  assert.ok((registration?.sentBytes ?? 0) > seen.body.length + 60);
  assert.ok((registration?.receivedBytes ?? 0) > answer(null).length);
});

test('the server is reached by an IPv6 literal, and below a path', async (t) => {
  const port = await httpServer(
    t,
    (request, response) =>
      response.end(answer({ ...VERSION, buildversion: `${request.headers.host}${request.url}` })),
    '::1',
  );
  const client = clientTo(t, `http://[::1]:${port}/colony/`);
  assert.equal((await client.send(getVersion(), never)).buildversion, `[::1]:${port}/colony/api`);
});

test('a refusal inside a good HTTP status is a refusal, and the connection is used again', async (t) => {
  const ports = new Set<number | undefined>();
  const port = await httpServer(t, (request, response) => {
    ports.add(request.socket.remotePort);
    response.end(refusal(404, 'No process available for assignment'));
  });
  const client = clientTo(t, `http://127.0.0.1:${port}`);
  for (let round = 0; round < 3; round++)
    await assert.rejects(client.send(assign('dev', 0), never), { code: 'COLONY_NO_PROCESS' });
  assert.equal(ports.size, 1);
});

test('long polls have connections of their own, and hold up nothing else', async (t) => {
  const POLLS = 4;
  let begun = 0;
  let allBegun = () => {};
  const polling = new Promise<void>((resolve) => {
    allBegun = resolve;
  });
  const port = await httpServer(t, (request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      if (JSON.parse(body).payloadtype !== 'assignprocessmsg') response.end(answer(VERSION));
      else if (++begun === POLLS) allBegun();
    });
  });
  const client = clientTo(t, `http://127.0.0.1:${port}`, { deadlines: { answerMs: 10_000 } });
  const caller = new AbortController();
  const polls = Array.from({ length: POLLS }, () =>
    assert.rejects(client.send(assign('dev', 55), caller.signal), { code: 'CANCELLED' }),
  );
  await polling;
  assert.deepEqual(await client.send(getVersion(), never), VERSION);
  caller.abort();
  await Promise.all(polls);
  assert.equal(client.traffic().poll?.requests, POLLS);
});

test('a call that was given up while it waited for a connection is never sent', async (t) => {
  const held: (() => void)[] = [];
  let requests = 0;
  let enough = () => {};
  const full = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const port = await httpServer(t, (_request, response) => {
    requests += 1;
    held.push(() => response.end(refusal(404, 'No process available for assignment')));
    if (requests === 4) enough();
    if (requests > 4) held.at(-1)?.();
  });
  const client = clientTo(t, `http://127.0.0.1:${port}`);
  const poll = (signal: AbortSignal) => client.send(assign('dev', 50), signal);
  const polls = Array.from({ length: 4 }, () => assert.rejects(poll(never), { code: 'COLONY_NO_PROCESS' }));
  await full;
  const caller = new AbortController();
  const queued = assert.rejects(poll(caller.signal), { code: 'CANCELLED' });
  caller.abort();
  await queued;
  for (const release of held) release();
  await Promise.all(polls);
  await assert.rejects(poll(never), { code: 'COLONY_NO_PROCESS' });
  assert.equal(requests, 5);
});

test('a long poll may take the time it waits on purpose, and a little more', async (t) => {
  const port = await httpServer(t, () => undefined);
  const client = clientTo(t, `http://127.0.0.1:${port}`, { deadlines: { pollSlackMs: 50, answerMs: 10 } });
  const started = performance.now();
  await assert.rejects(client.send(assign('dev', 1), never), { code: 'COLONY_TIMEOUT' });
  assert.ok(performance.now() - started >= 1_040);
});

test('a heartbeat is given up early, so that the next one can find the link', async (t) => {
  const port = await httpServer(t, () => undefined);
  const deadlines = { heartbeatMs: 40, answerMs: 600_000 };
  const client = clientTo(t, `http://127.0.0.1:${port}`, { deadlines });
  await assert.rejects(client.send(heartbeat('dev'), never), { code: 'COLONY_TIMEOUT' });
});

test('a caller that gives up is told so at once, and an aborted signal sends nothing', async (t) => {
  let requests = 0;
  const caller = new AbortController();
  const port = await httpServer(t, () => {
    requests += 1;
    caller.abort(new Error('enough'));
  });
  const client = clientTo(t, `http://127.0.0.1:${port}`);
  await assert.rejects(client.send(getVersion(), caller.signal), { code: 'CANCELLED', retry: 'cancelled' });
  await assert.rejects(client.send(getVersion(), caller.signal), { code: 'CANCELLED' });
  assert.equal(requests, 1);
});

test('a server that never answers, or sends one byte at a time, runs into the deadline', async (t) => {
  const silent = await rawServer(t, () => undefined);
  const slow = await rawServer(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n');
    const timer = setInterval(() => socket.write('x'), 20);
    socket.on('close', () => clearInterval(timer));
  });
  for (const port of [silent, slow]) {
    const client = clientTo(t, `http://127.0.0.1:${port}`, { deadlines: { answerMs: 200 } });
    await assert.rejects(client.send(getVersion(), never), { code: 'COLONY_TIMEOUT', retry: 'transient' });
  }
});

test('a connection that breaks before or within the answer is a broken connection, never an answer', async (t) => {
  const acts: Parameters<typeof rawServer>[1][] = [
    reset,
    (socket) => socket.end(),
    (socket) => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n${answer(VERSION)}`),
    (socket) => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"pay\r\n'),
  ];
  for (const act of acts) {
    const port = await rawServer(t, act);
    const client = clientTo(t, `http://127.0.0.1:${port}`);
    await assert.rejects(client.send(getVersion(), never), { code: 'COLONY_RESET' }, String(act));
  }
});

test('an answer cut short without a length, or no HTTP at all, breaks the protocol', async (t) => {
  for (const text of [`HTTP/1.1 200 OK\r\n\r\n${answer(VERSION).slice(0, -9)}`, 'SSH-2.0-OpenSSH_9.2\r\n']) {
    const port = await rawServer(t, (socket) => socket.end(text));
    const client = clientTo(t, `http://127.0.0.1:${port}`);
    await assert.rejects(client.send(getVersion(), never), { code: 'COLONY_PROTOCOL' }, text);
  }
});

test('an answer past the limit is given up while it comes', async (t) => {
  const long = { ...VERSION, buildtime: 'x'.repeat(60_000) };
  const port = await httpServer(t, (_request, response) => response.end(answer(long)));
  const narrow = clientTo(t, `http://127.0.0.1:${port}`, { maxBodyBytes: 50_000 });
  await assert.rejects(narrow.send(getVersion(), never), { code: 'COLONY_PROTOCOL' });
  const wide = clientTo(t, `http://127.0.0.1:${port}`);
  assert.deepEqual(await wide.send(getVersion(), never), long);
});

test('captive portals and gateways are told apart, with the time they ask for', async (t) => {
  const answers = [
    { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>log in</html>' },
    { status: 302, headers: { location: 'http://portal.example/' }, body: '' },
    { status: 503, headers: { 'retry-after': '17' }, body: '<html>busy</html>' },
    { status: 502, headers: {}, body: 'bad gateway' },
  ];
  const port = await httpServer(t, (_request, response) => {
    const next = answers.shift();
    response.writeHead(next?.status ?? 500, next?.headers).end(next?.body);
  });
  const client = clientTo(t, `http://127.0.0.1:${port}`);
  const send = () => client.send(getVersion(), never);
  await assert.rejects(send, { code: 'COLONY_CAPTIVE_PORTAL' });
  await assert.rejects(send, { code: 'COLONY_CAPTIVE_PORTAL', status: 302 });
  await assert.rejects(send, { code: 'COLONY_GATEWAY', retryAfterMs: 17_000 });
  await assert.rejects(send, { code: 'COLONY_GATEWAY', retryAfterMs: undefined });
});

test('nobody listening and a name without an address have codes of their own', async (t) => {
  const refused = clientTo(t, 'http://127.0.0.1:1');
  await assert.rejects(refused.send(getVersion(), never), { code: 'COLONY_REFUSED_CONNECTION' });
  // Longer than any label may be, so that no resolver is asked.
  const nameless = clientTo(t, `http://${'x'.repeat(70)}.invalid`);
  await assert.rejects(nameless.send(getVersion(), never), { code: 'COLONY_DNS', retry: 'transient' });
});

test('closing the client ends calls under way', async (t) => {
  let asked = () => {};
  const asking = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const port = await httpServer(t, () => asked());
  const client = clientTo(t, `http://127.0.0.1:${port}`);
  const ended = assert.rejects(client.send(getVersion(), never), { code: 'CANCELLED' });
  await asking;
  await client.close();
  await ended;
});

test('a key that is missing or wrong, or a bad address, fails before anything is sent', async (t) => {
  const make = (server: string) => () => createColonyClient({ server, clock: systemClock });
  for (const server of ['colony:8080', 'ftp://x', '', 'http://u:p@host', 'http://host/?q'])
    assert.throws(make(server), { code: 'BAD_ENDPOINT' }, server);
  const keyless = createColonyClient({ server: 'http://127.0.0.1:1', clock: systemClock });
  await assert.rejects(keyless.send(getExecutors('dev'), never), { code: 'KEY_MISSING' });
  const wrong = clientTo(t, 'http://127.0.0.1:1', { key: new Secret('nope') });
  await assert.rejects(wrong.send(getExecutors('dev'), never), { code: 'KEY_INVALID' });
  assert.deepEqual(keyless.traffic(), {});
  await keyless.close();
});
