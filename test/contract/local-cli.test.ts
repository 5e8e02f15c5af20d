import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../../src/base/log.ts';
import { dispatch } from '../../src/cli/dispatch.ts';
import { startLocalServer } from '../../src/local/server.ts';
import { fakeView } from '../fakes/agent-view.ts';
import { fakeIo } from '../fakes/io.ts';
import { sampleLinkStatus } from '../fakes/link-status.ts';

interface Cleanup {
  after(fn: () => unknown): void;
}

async function folder(t: Cleanup): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'ce-cli-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function agentAt(t: Cleanup) {
  const path = join(await folder(t), 'agent.sock');
  const view = fakeView();
  const server = await startLocalServer({ path, view, log: silentLogger });
  t.after(() => server.close());
  const call = async (...argv: string[]) => {
    const { io, written } = fakeIo({ env: { COLONIES_EDGE_CONFIG: 'none', COLONIES_EDGE_SOCKET: path } });
    return { code: await dispatch(argv, io), ...written };
  };
  return { path, view, call };
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('status ends with 0 when converged and with 3 otherwise', async (t) => {
  const { view, call } = await agentAt(t);
  const good = await call('status');
  assert.equal(good.code, 0);
  assert.match(good.out, /^c1-database +Running/m);
  view.current = { ...view.current, converged: false };
  assert.equal((await call('status')).code, 3);
  assert.deepEqual(JSON.parse((await call('status', '--json')).out), view.current);
});

test('status of one blueprint shows it in full, and suggests a name for one it does not know', async (t) => {
  const { call } = await agentAt(t);
  assert.match((await call('status', 'c1-database')).out, /^Blueprint: +c1-database/);
  const { code, err } = await call('status', 'c1-databse');
  assert.equal(code, 1);
  assert.match(err, /did you mean c1-database\?/);
});

test('confirm-removal prints what will be removed, and ends well when nothing waits for it', async (t) => {
  const { view, call } = await agentAt(t);
  view.suspects = ['c1-db', 'c1-web'];
  const { code, out } = await call('confirm-removal');
  assert.equal(code, 0);
  assert.match(out, /^these will be removed, .*:\n {2}c1-db\n {2}c1-web\n$/);
  assert.equal((await call('confirm-removal')).out, 'nothing waits for a confirmation\n');
  assert.deepEqual(JSON.parse((await call('confirm-removal', '--json')).out), { names: [] });
});

test('rollback, retry, pause and resume name a blueprint, and say what came of it', async (t) => {
  const { view, call } = await agentAt(t);
  for (const command of ['rollback', 'retry', 'pause', 'resume']) {
    const { code, out } = await call(command, 'c1 db');
    assert.deepEqual([code, out], [0, `c1 db: ${command}\n`]);
    assert.equal((await call(command)).code, 2, 'a name is needed');
  }
  assert.deepEqual(view.commands, ['rollback c1 db', 'retry c1 db', 'pause c1 db', 'resume c1 db']);
  const unknown = await call('rollback', 'unknown');
  assert.deepEqual([unknown.code, unknown.err], [1, 'unknown is not in force on this node\n']);
  assert.deepEqual(JSON.parse((await call('pause', 'web', '--json')).out), { ok: true, text: 'web: pause' });
});

test('link-class shows and switches what the link may cost, where there is a link', async (t) => {
  const { view, call } = await agentAt(t);
  const without = await call('link-class', 'metered');
  assert.deepEqual([without.code, /no server is configured/.test(without.err)], [1, true]);
  const { server, ...rest } = view.current;
  view.current = { ...rest, server: server ?? sampleLinkStatus() };
  view.linkClass = 'normal';
  assert.equal((await call('link-class')).out, 'normal\n');
  assert.equal((await call('link-class', 'metered')).out, 'metered\n');
  assert.equal(view.linkClass, 'metered');
  assert.equal((await call('link-class', 'cheap')).code, 2);
});

test('gc says what went or would go, what stays and why, and how much is free', async (t) => {
  const { view, call } = await agentAt(t);
  const nothing = await call('gc');
  assert.deepEqual([nothing.code, nothing.out.split('\n')[0]], [0, 'there is nothing that may go']);
  const image = (name: string) => ({ id: `sha256:${name}`, name, sizeBytes: 2 ** 20 });
  view.garbage = {
    dryRun: false,
    disk: { path: '/var/lib/docker', totalBytes: 2 ** 30, freeBytes: 2 ** 29, usedPercent: 50.5 },
    startPercent: 85,
    targetPercent: 75,
    images: [image('app:1'), image('app:\u001b[2J2')],
    containers: ['web-old'],
    kept: [{ ...image('app:3'), why: 'blueprint web asks for it' }],
    failed: [],
  };
  const dry = await call('gc', '--dry-run');
  assert.deepEqual(dry.out.trimEnd().split('\n'), [
    'these would go, at most 2 MiB:',
    '  container web-old',
    '  image app:1, 1 MiB',
    '  image app:?[2J2, 1 MiB',
    'these stay:',
    '  image app:3, 1 MiB: blueprint web asks for it',
    'disk 50% used, 512 MiB free at /var/lib/docker (unasked from 85% on)',
  ]);
  assert.match((await call('gc')).out, /^removed, at most 2 MiB:\n/);
  assert.equal(JSON.parse((await call('gc', '--dry-run', '--json')).out).dryRun, true);
  view.garbage = { ...view.garbage, failed: [{ name: 'app:4', message: 'the engine says no' }] };
  const { code, out } = await call('gc');
  assert.equal(code, 1);
  assert.match(out, /could not be removed:\n {2}app:4: the engine says no\n/);
  view.garbage = new Error('nothing was removed: the engine is away');
  const refused = await call('gc');
  assert.equal(refused.code, 1);
  assert.match(refused.err, /the engine is away/);
  assert.equal((await call('gc', 'app:1')).code, 2);
});

test('plan asks the running agent', async (t) => {
  const { view, call } = await agentAt(t);
  assert.equal((await call('plan')).code, 0);
  view.plan = () => ({
    converged: false,
    actions: [],
    holds: [],
    text: 'start a: it is\u001b[2J not running',
  });
  const { code, out } = await call('plan');
  assert.deepEqual([code, out], [3, 'start a: it is?[2J not running\n']);
});

test('events shows the last ones, newest last', async (t) => {
  const { view, call } = await agentAt(t);
  for (const message of ['one', 'two', 'three']) view.push(message);
  const { out } = await call('events', '-n', '2', '--json');
  const messages = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).message);
  assert.deepEqual(messages, ['two', 'three']);
  assert.equal((await call('events', '-n', 'x')).code, 2);
});

test('following events and watching end with 0 when interrupted', async (t) => {
  const { path, view } = await agentAt(t);
  const env = { COLONIES_EDGE_CONFIG: 'none', COLONIES_EDGE_SOCKET: path };
  const stop = new AbortController();
  t.after(() => stop.abort());
  const follow = fakeIo({ env, signal: stop.signal });
  const watch = fakeIo({ env, signal: stop.signal });
  const codes = Promise.all([
    dispatch(['events', '-f'], follow.io),
    dispatch(['status', '--watch'], watch.io),
  ]);
  await until(() => view.listening() === 1, 'the follower is known');
  view.push('container started');
  await until(() => follow.written.out.includes('container started'), 'the event is shown');
  await until(() => watch.written.out.includes('c1-database'), 'the status is shown');
  stop.abort();
  assert.deepEqual(await codes, [0, 0]);
});

test('run goes without an engine, answers, guards its state, and ends with 0', async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, 'a.json'), '{"kind":"DockerDeployment","metadata":{"name":"aa"},"spec":{}}');
  const env = {
    COLONIES_EDGE_CONFIG: 'none',
    COLONIES_EDGE_BLUEPRINTS: dir,
    COLONIES_EDGE_STATE_DIR: join(dir, 'state'),
    COLONIES_EDGE_SOCKET: join(dir, 'run', 'agent.sock'),
    DOCKER_HOST: `unix://${join(dir, 'no-engine.sock')}`,
  };
  const stop = new AbortController();
  t.after(() => stop.abort());
  const agent = fakeIo({ env, signal: stop.signal });
  const running = dispatch(['run'], agent.io);
  const status = async () => {
    const { io, written } = fakeIo({ env });
    const code = await dispatch(['status'], io);
    return { code, ...written };
  };
  await until(
    async () => (await status()).out.includes('engine away'),
    'the agent tells that the engine is away',
  );
  const { code, out } = await status();
  assert.equal(code, 3);
  assert.match(out, /^aa +Failed/m);
  assert.match(out, /refused \(.*a\.json\): spec\.instances/);

  const second = fakeIo({ env });
  assert.equal(await dispatch(['run'], second.io), 1);
  assert.match(second.written.err, /in use by another agent/);
  const third = fakeIo({ env: { ...env, COLONIES_EDGE_STATE_DIR: join(dir, 'other') } });
  assert.equal(await dispatch(['run'], third.io), 1);
  assert.match(third.written.err, /another agent listens on/);

  stop.abort();
  assert.equal(await running, 0);
  await assert.rejects(stat(join(dir, 'run', 'agent.sock')));
  for (const line of agent.written.err.trim().split('\n'))
    assert.equal(typeof JSON.parse(line).message, 'string');
});

test('run goes on without its socket when that cannot be made', async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, 'agent.sock'), 'no socket');
  const stop = new AbortController();
  t.after(() => stop.abort());
  const { io, written } = fakeIo({
    env: {
      COLONIES_EDGE_CONFIG: 'none',
      COLONIES_EDGE_BLUEPRINTS: dir,
      COLONIES_EDGE_STATE_DIR: join(dir, 'state'),
      COLONIES_EDGE_SOCKET: join(dir, 'agent.sock'),
      DOCKER_HOST: `unix://${join(dir, 'no-engine.sock')}`,
    },
    signal: stop.signal,
  });
  const running = dispatch(['run'], io);
  await until(() => written.err.includes('local socket cannot be made'), 'the failure is logged');
  await until(() => written.err.includes('agent starts'), 'the agent runs');
  stop.abort();
  assert.equal(await running, 0);
});

test('a hang-up reads everything anew, also what nobody watches', async (t) => {
  const dir = await folder(t);
  const policy = join(dir, 'policy.json');
  await writeFile(policy, '{}');
  const stop = new AbortController();
  t.after(() => stop.abort());
  const listeners: (() => void)[] = [];
  const { io, written } = fakeIo({
    env: {
      COLONIES_EDGE_CONFIG: 'none',
      COLONIES_EDGE_BLUEPRINTS: 'none',
      COLONIES_EDGE_POLICY: policy,
      COLONIES_EDGE_STATE_DIR: join(dir, 'state'),
      COLONIES_EDGE_SOCKET: join(dir, 'agent.sock'),
      DOCKER_HOST: `unix://${join(dir, 'no-engine.sock')}`,
    },
    signal: stop.signal,
    onHangup: (listener) => listeners.push(listener),
  });
  const running = dispatch(['run'], io);
  await until(() => written.err.includes('engine is away'), 'the agent runs');
  await writeFile(policy, '{"allowPriviledged": false}');
  for (const listener of listeners) listener();
  await until(() => written.err.includes('configuration file refused'), 'the policy was read anew');
  assert.match(written.err, /allowPriviledged/);
  stop.abort();
  assert.equal(await running, 0);
});
