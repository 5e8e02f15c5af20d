import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createFaultProxy, type FaultProxy } from '../fakes/fault-proxy/proxy.ts';
import type { AgentUnderTest } from './support/agent.ts';
import { deployment, executor } from './support/blueprints.ts';
import { openFakeColony } from './support/colony-grounds.ts';
import { otherTime } from './support/fast-life.ts';
import { Ground } from './support/ground.ts';
import { livesOf, running } from './support/healing.ts';
import { PrivateEngine } from './support/private-engine.ts';

/** Longest wait for anything after the engine's return; the measured time is printed. */
const BACK_WITHIN_MS = 40_000;

const privateEngine = new PrivateEngine(mkdtempSync(join(tmpdir(), 'ce-w-')));
const ground = new Ground('pw', privateEngine.socket);
const { engine, prefix } = ground;
const names = ['a', 'b', 'c'].map((letter) => `${prefix}-${letter}`);
const worker = `${prefix}-worker`;
let colony: Awaited<ReturnType<typeof openFakeColony>>;
let proxy: FaultProxy;
let env: Record<string, string>;
let agent: AgentUnderTest;

before(async () => {
  await privateEngine.start();
  const image = await ground.plainImage();
  colony = await openFakeColony(prefix, { cronEveryMs: 4_000 });
  proxy = await createFaultProxy({ target: { host: '127.0.0.1', port: colony.fake.port } });
  env = { ...colony.ground.env, COLONIES_SERVER_PORT: String(proxy.port) };
  const ownerKey = ['--owner-key-file', colony.ground.ownerKeyFile(ground.dir)];
  const flags = ['--location', colony.ground.location, '--blueprints', 'none', '--resync', '2s', ...ownerKey];
  agent = await ground.agent({ flags, env });
  const { code, stdout, stderr } = await agent.cli('register', ...agent.flags());
  assert.equal(code, 0, stdout + stderr);
  await colony.ground.add(
    deployment(
      `${prefix}-three`,
      // The engine is not to bring them back by itself.
      names.map((name) => ({ name, type: 'container', image, networkMode: 'none', restartPolicy: 'no' })),
    ),
  );
  const spec = { image, executorType: `${prefix}-type`, networkMode: 'none' };
  await colony.ground.add(executor(worker, spec));
  await agent.start();
  for (const name of names) await running(engine, name);
  await agent.until(({ blueprints }) => blueprints.length === 2, 'both blueprints are known');
  await agent.converged();
});

after(async () => {
  await proxy?.close();
  await ground.close().finally(() => privateEngine.close());
  await colony?.close();
});

/** Names of this node's containers, and whether each runs. */
async function boxes(): Promise<Map<string, boolean>> {
  const all = await engine.containers({ label: [`colonies.node=${agent.node}`] });
  return new Map(all.map(({ Names, State }) => [Names[0]?.slice(1) ?? '', State === 'running']));
}

test('after a power cut while offline, in 1970, everything is back from the checkpoint', async (t) => {
  const before = await boxes();
  assert.equal(before.size, 4, [...before.keys()].join());
  await proxy.set({ mode: 'blackHole' });
  await agent.kill('SIGKILL');
  const all = await engine.containers({ label: [`colonies.node=${agent.node}`] });
  const pids = await Promise.all(all.map(async ({ Id }) => (await engine.container(Id)).State.Pid as number));
  await privateEngine.signal('SIGKILL');
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  // A link that is down after a power cut mostly refuses at first.
  await proxy.set({ mode: 'refuse' });
  agent.changeEnvironment({ ...env, NODE_OPTIONS: otherTime(ground.dir, { wallMs: 5_000 }) });
  await privateEngine.start();
  const began = performance.now();
  await agent.start();
  const status = await agent.until(
    ({ converged, blueprints }) => converged && blueprints.length === 2,
    'everything is as wanted again',
    BACK_WITHIN_MS,
  );
  t.diagnostic(`all was back ${Math.round(performance.now() - began)} ms after the agent's start`);
  assert.deepEqual(await boxes(), before);
  assert.equal(status.checkpoint.state, 'loaded');
  assert.match(status.agent.startedAt, /^1970-01-01T00:00/);
  await agent.until(
    ({ server }) => server?.state === 'Offline' && server.cause === 'refused',
    'it says that the server refuses connections',
  );
  const lives = await livesOf(engine, names);
  assert.deepEqual(await agent.quiet(), []);
  assert.deepEqual(await livesOf(engine, names), lives);
});

test('when the link is back the server learns of it, still in 1970, and nothing is restarted', async () => {
  const lives = await livesOf(engine, names);
  await proxy.set({ mode: 'pass' });
  agent.signal('SIGHUP');
  await agent.until(({ server }) => server?.state === 'Connected', 'the link is up', 40_000);
  for (const name of names)
    await colony.ground.reported(`${prefix}-three`, `${name} runs in its new life`, ({ instances }) =>
      (instances ?? []).some(
        (one) => one.name === name && one.state === 'running' && one.startedAt === lives.get(name)?.startedAt,
      ),
    );
  await agent.until(({ server }) => server?.unsentStatuses === 0, 'the agent owes the server no status');
  assert.deepEqual(await livesOf(engine, names), lives);
  await agent.stop();
});
