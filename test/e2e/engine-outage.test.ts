import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { eventually } from '../fakes/engine-fixture.ts';
import type { AgentUnderTest } from './support/agent.ts';
import { deployment } from './support/blueprints.ts';
import { Ground } from './support/ground.ts';
import { healed, livesOf, running } from './support/healing.ts';
import { PrivateEngine } from './support/private-engine.ts';

/** Longest wait for anything after the engine's return; the measured time is printed. */
const BACK_WITHIN_MS = 30_000;
/** Growth of private memory over many refused looks that is still noise, MiB. */
const NOISE_MIB = 12;

const privateEngine = new PrivateEngine(mkdtempSync(join(tmpdir(), 'ce-o-')));
const ground = new Ground('out', privateEngine.socket);
const { engine, prefix } = ground;
const names = ['a', 'b', 'c'].map((letter) => `${prefix}-${letter}`);
const [first = ''] = names;
let agent: AgentUnderTest;

before(async () => {
  await privateEngine.start();
  const image = await ground.plainImage();
  const instances = names.map((name) => ({ name, image, networkMode: 'none' }));
  agent = await ground.startAgent({
    // A hung engine tells nothing: only a look shows it.
    flags: ['--resync', '5s'],
    // A large heap hides what is kept behind what is not collected yet.
    env: { NODE_OPTIONS: '--max-semi-space-size=1 --max-old-space-size=32', MALLOC_ARENA_MAX: '1' },
    blueprints: { 'three.json': deployment('three', instances) },
  });
  await agent.converged();
});

after(async () => {
  await privateEngine.signal('SIGCONT');
  await ground.close().finally(() => privateEngine.close());
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function idsOf(): Promise<string[]> {
  return [...(await livesOf(engine, names)).values()].map(({ id }) => id);
}

/** Waits until the status says that the engine is away, why, and since when. */
async function away(): Promise<void> {
  const before = Date.now();
  const status = await agent.until(({ engine }) => engine.state === 'away', 'the outage is noticed');
  assert.ok((status.engine.lastError ?? '').length > 0, 'no cause is given');
  const since = Date.parse(status.engine.since);
  assert.ok(since > before - 60_000 && since <= Date.now(), status.engine.since);
  assert.equal(status.converged, false);
  assert.equal(status.blueprints.length, 1, 'what is wanted is still known');
}

/** Waits until all is well again, and prints how long after the engine's first answer that was. */
async function back(t: TestContext): Promise<void> {
  await eventually('the engine answers', () => engine.answers(), 60_000);
  const began = performance.now();
  for (const name of names) await running(engine, name, BACK_WITHIN_MS);
  const runs = performance.now();
  await agent.converged(BACK_WITHIN_MS);
  t.diagnostic(
    `after the engine's return: all run after ${Math.round(runs - began)} ms, as wanted after ${Math.round(performance.now() - began)} ms`,
  );
  assert.equal((await agent.status()).engine.state, 'ok');
}

test('an engine that is stopped for 20 s is an outage; all is well soon after its return, in the same containers', async (t) => {
  const ids = await idsOf();
  await privateEngine.signal('SIGTERM');
  await away();
  await pause(20_000);
  await privateEngine.start();
  await back(t);
  assert.deepEqual(await idsOf(), ids);
});

test('an engine that hangs for 30 s is an outage; nothing is done meanwhile, and what died is healed after it', async (t) => {
  const lives = await livesOf(engine, names);
  const { State } = await engine.container(first);
  await privateEngine.signal('SIGSTOP');
  const began = performance.now();
  agent.relay.reset();
  process.kill(State.Pid, 'SIGKILL');
  await agent.ask('/v1/status');
  await away();
  await pause(Math.max(0, 30_000 - (performance.now() - began)));
  assert.deepEqual(
    agent.relay.mutating.filter((name) => name !== 'POST /containers/{id}/start'),
    [],
  );
  await privateEngine.signal('SIGCONT');
  await back(t);
  const now = await livesOf(engine, names);
  for (const name of names) {
    assert.equal(now.get(name)?.id, lives.get(name)?.id);
    if (name !== first) assert.deepEqual(now.get(name), lives.get(name), 'another container was touched');
  }
});

test('an engine that is killed and started again has the same containers, running', async (t) => {
  const ids = await idsOf();
  await privateEngine.signal('SIGKILL');
  await away();
  await privateEngine.start();
  await back(t);
  assert.deepEqual(await idsOf(), ids);
});

test('a slow engine is only slow: one start heals one container', async (t) => {
  const life = await running(engine, first);
  agent.relay.delayMs = 800;
  agent.relay.reset();
  await engine.kill(life.id);
  const again = await healed(engine, first, life, BACK_WITHIN_MS);
  agent.relay.delayMs = 0;
  assert.equal(again.id, life.id);
  t.diagnostic(`healed after ${again.tookMs} ms, with 800 ms on every answer`);
  await agent.converged();
  assert.deepEqual(agent.relay.mutating, ['POST /containers/{id}/start']);
});

test('listings that break off in the middle remove and make nothing; healing follows when they are whole', async (t) => {
  const lives = await livesOf(engine, names);
  agent.relay.reset();
  agent.relay.resetAfterBytes = 700;
  agent.relay.cut();
  const life = await running(engine, first);
  await engine.kill(life.id);
  await away();
  await pause(3_000);
  assert.deepEqual(agent.relay.mutating, []);
  agent.relay.resetAfterBytes = 0;
  await back(t);
  assert.deepEqual(agent.relay.mutating, ['POST /containers/{id}/start']);
  const now = await livesOf(engine, names);
  for (const name of names.slice(1)) assert.deepEqual(now.get(name), lives.get(name));
});

test('connections cut again and again leave everything as it is', async () => {
  const lives = await livesOf(engine, names);
  agent.relay.reset();
  for (let cuts = 0; cuts < 20; cuts += 1) {
    agent.relay.cut();
    await pause(100);
  }
  await agent.converged();
  assert.deepEqual(await livesOf(engine, names), lives);
  assert.deepEqual(agent.relay.mutating, []);
});

/** Private memory of the agent, MiB: what the kernel cannot take back. */
function privateMiB(): number {
  const status = readFileSync(`/proc/${agent.pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

/** Has the agent look so many times more: each new refusal in its directory is a reason, and nothing is saved for it. */
async function look(times: number): Promise<void> {
  for (let turn = 0; turn < times; turn += 1) {
    const { ticks } = (await agent.status()).counters;
    agent.write('turn.json', { kind: ticks });
    await agent.until(({ counters }) => counters.ticks > ticks, 'it looks again');
  }
}

test('memory does not grow over 200 looks at an engine that refuses', async (t) => {
  agent.relay.refuses = true;
  agent.relay.cut();
  await away();
  await look(30);
  const before = privateMiB();
  await look(200);
  const growth = privateMiB() - before;
  t.diagnostic(`private memory ${before.toFixed(1)} MiB, ${growth.toFixed(1)} MiB more after 200 looks`);
  assert.ok(growth < NOISE_MIB, `it grew by ${growth.toFixed(1)} MiB`);
  agent.relay.refuses = false;
  agent.remove('turn.json');
  await agent.until(({ engine }) => engine.state === 'ok', 'the engine is back');
  await agent.converged();
});

test('an agent that starts while the engine is away says so, and deploys when it comes', async () => {
  await agent.stop();
  const life = await running(engine, first);
  await engine.remove(life.id);
  agent.relay.refuses = true;
  await agent.start();
  await away();
  agent.relay.refuses = false;
  await healed(engine, first, life, BACK_WITHIN_MS);
  await agent.converged();
  await agent.stop();
});
