import assert from 'node:assert/strict';
import { deployment, type UpdateInput } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

const BUSY = '/data/busy';

const version = (value: string, update: UpdateInput = {}) =>
  deployment('web', [{ name: 'web', environment: { V: value }, update: { healthyAfter: '1s', ...update } }]);

async function deployed(sim: Harness, update: UpdateInput = {}): Promise<string> {
  sim.deploy(version('1', update));
  sim.start();
  await sim.settle();
  await sim.run(3_000);
  return sim.box('web').id;
}

const lock = (sim: Harness, more: { name?: string; ttlMs?: number; isHeld?: true; id?: string } = {}) =>
  sim.agent.commandLock({ command: 'lock', name: 'web', owner: 'root', reason: 'shift change', ...more });

/** Puts a lock file into a container, as the one in there does. */
function busy(sim: Harness, name = 'web', head = 'backup runs\nsecond line'): void {
  sim.box(name).files.set(BUSY, { changedAt: sim.clock.now(), head });
}

const messageOf = (sim: Harness) => sim.report('web').waiting[0]?.message ?? '';
const looks = (sim: Harness) => sim.engine.calls.filter(({ kind }) => kind === 'readFile').length;

simulation('an operator holds off an update until the lock is taken away', async (sim) => {
  const id = await deployed(sim);
  assert.equal(lock(sim, { ttlMs: 3_600_000 }).ok, true);
  sim.deploy(version('2'));
  await sim.run(600_000);
  assert.equal(sim.box('web').id, id);
  assert.deepEqual(sim.waits('web'), ['UpdateLocked']);
  assert.match(messageOf(sim), /^locked by root since .* until .*: shift change; colonies-edge unlock web/);
  assert.equal(sim.status().locks[0]?.name, 'web');
  assert.equal(sim.report('web').phase, 'Reconciling');
  assert.match(sim.agent.commandLock({ command: 'unlock', name: 'web' }).text, /1 lock ended/);
  await sim.settle();
  assert.notEqual(sim.box('web').id, id);
  assert.deepEqual(sim.status().locks, []);
});

simulation('what is locked is healed all the same', async (sim) => {
  const id = await deployed(sim);
  lock(sim, { ttlMs: 3_600_000 });
  sim.deploy(version('2'));
  await sim.run(5_000);
  sim.world.kill(sim.box('web'));
  await sim.until(() => sim.isRunning('web'), 'it is back', 5_000);
  assert.equal(sim.box('web').id, id);
});

simulation('a lock ends by its TTL, which counts on over restarts of the agent', async (sim) => {
  const id = await deployed(sim);
  lock(sim, { ttlMs: 600_000 });
  sim.deploy(version('2'));
  await sim.run(200_000);
  sim.crashAgent();
  await sim.run(200_000);
  sim.start();
  await sim.run(190_000);
  assert.equal(sim.box('web').id, id, 'it holds over the restart');
  const took = await sim.settle();
  assert.ok(took < 25_000, `took ${took} ms`);
});

simulation('a wall clock that jumps while the agent runs neither ends nor lengthens a lock', async (sim) => {
  const id = await deployed(sim);
  lock(sim, { ttlMs: 600_000 });
  sim.deploy(version('2'));
  sim.clock.jumpWall(40 * 365 * 86_400_000);
  await sim.run(100_000);
  await sim.restartAgent();
  await sim.run(480_000);
  assert.equal(sim.box('web').id, id);
  const took = await sim.settle();
  assert.ok(took < 40_000, `took ${took} ms`);
});

simulation('a lock that is held ends with its holder, and has half a minute to come back', async (sim) => {
  const id = await deployed(sim);
  const first = lock(sim, { isHeld: true });
  sim.deploy(version('2'));
  await sim.run(3_600_000);
  await sim.restartAgent();
  await sim.run(20_000);
  assert.equal(sim.box('web').id, id);
  assert.ok(first.id !== undefined);
  assert.equal(lock(sim, { isHeld: true, id: first.id }).id, first.id);
  await sim.run(60_000);
  assert.equal(sim.box('web').id, id, 'it came back');
  await sim.restartAgent();
  await sim.run(20_000);
  assert.equal(sim.box('web').id, id);
  await sim.settle(30_000);
  lock(sim, { isHeld: true, id: first.id });
  sim.deploy(version('3'));
  await sim.run(20_000);
  assert.deepEqual(sim.waits('web'), ['UpdateLocked']);
  sim.agent.commandLock({ command: 'release', id: first.id });
  await sim.settle(30_000);
});

simulation(
  'a lock on an instance holds only that one, and what is not there cannot be locked',
  async (sim) => {
    const of = (value: string) =>
      deployment('web', [
        { name: 'left', environment: { V: value } },
        { name: 'right', environment: { V: value } },
      ]);
    sim.deploy(of('1'));
    sim.start();
    await sim.settle();
    const before = sim.box('left').id;
    assert.equal(lock(sim, { name: 'web/left', ttlMs: 60_000 }).ok, true);
    assert.match(lock(sim, { name: 'web/c', ttlMs: 60_000 }).text, /web\/c is not in force/);
    const other = sim.box('right').id;
    sim.deploy(of('2'));
    await sim.until(
      () => sim.world.byName('right')?.id !== other && sim.isRunning('right'),
      'the other is replaced',
      30_000,
    );
    assert.equal(sim.box('left').id, before);
    await sim.settle();
  },
);

simulation('nothing holds off the way back to the last good version', async (sim) => {
  const id = await deployed(sim, { strategy: 'recreate' });
  sim.world.tag('bad:1', { ...sim.offer('bad:1'), program: () => ({ exitsAfterMs: 60_000, exitCode: 1 }) });
  const bad = deployment('web', [
    {
      name: 'web',
      image: 'bad:1',
      healthcheck: { test: 'false' },
      update: { strategy: 'recreate', deadline: '20s', lockFile: BUSY },
    },
  ]);
  sim.directory.write('web.json', bad);
  await sim.until(() => sim.world.byName('web') !== undefined && sim.box('web').id !== id, 'it is tried');
  lock(sim, { ttlMs: 3_600_000 });
  await sim.until(() => sim.goal.met() && sim.waits('web').includes('RolledBack'), 'it is back', 120_000);
});

simulation('a container holds off its own replacement by a file, and is asked only then', async (sim) => {
  const id = await deployed(sim, { lockFile: BUSY });
  busy(sim);
  await sim.run(300_000);
  assert.equal(looks(sim), 0, 'nobody looks while nothing is to be replaced');
  sim.deploy(version('2', { lockFile: BUSY }));
  await sim.run(120_000);
  assert.equal(sim.box('web').id, id);
  assert.deepEqual(sim.waits('web'), ['UpdateLocked']);
  assert.match(messageOf(sim), /^web is locked by \/data\/busy since .* until .*: backup runs; /);
  assert.equal(sim.status().locks[0]?.owner, BUSY);
  assert.ok(looks(sim) <= 7, `${looks(sim)} looks in two minutes`);
  sim.box('web').files.clear();
  const took = await sim.settle();
  assert.ok(took < 45_000, `took ${took} ms`);
});

simulation('a lock file is void after its TTL, and when the container was started after it', async (sim) => {
  const id = await deployed(sim, { lockFile: BUSY, lockTtl: '5m' });
  busy(sim);
  await sim.run(200_000);
  sim.deploy(version('2', { lockFile: BUSY, lockTtl: '5m' }));
  await sim.run(90_000);
  assert.equal(sim.box('web').id, id);
  await sim.settle(30_000);
  busy(sim);
  await sim.run(10_000);
  sim.world.kill(sim.box('web'));
  await sim.until(() => sim.isRunning('web'), 'it is healed');
  sim.deploy(version('3', { lockFile: BUSY }));
  await sim.settle(20_000);
});

simulation('a lock file from the future holds for its TTL from when it is seen', async (sim) => {
  const id = await deployed(sim, { lockFile: BUSY, lockTtl: '5m' });
  sim.box('web').files.set(BUSY, { changedAt: sim.clock.now() + 10 * 365 * 86_400_000, head: '' });
  sim.deploy(version('2', { lockFile: BUSY, lockTtl: '5m' }));
  await sim.run(280_000);
  assert.equal(sim.box('web').id, id);
  await sim.settle(40_000);
});

simulation('what became busy while the new one proved itself is not stopped', async (sim) => {
  const update = { lockFile: BUSY, healthyAfter: '30s' };
  await deployed(sim, update);
  sim.deploy(version('2', update));
  await sim.until(() => sim.world.boxes.size === 2, 'both are there');
  await sim.run(15_000);
  busy(sim);
  await sim.run(60_000);
  assert.ok(sim.isRunning('web'), 'the old one goes on');
  assert.deepEqual(sim.waits('web'), ['UpdateLocked']);
  sim.box('web').files.clear();
  await sim.settle();
});

simulation('an engine that cannot tell whether a container is busy leaves it alone', async (sim) => {
  const id = await deployed(sim, { lockFile: BUSY });
  const end = sim.engine.fail({ code: 'ENGINE_FAILED', when: ({ kind }) => kind === 'readFile', times: 1e9 });
  sim.deploy(version('2', { lockFile: BUSY }));
  await sim.run(300_000);
  assert.equal(sim.box('web').id, id);
  assert.match(messageOf(sim), /whether \/data\/busy locks it cannot be told/);
  assert.ok(looks(sim) < 20, `${looks(sim)} looks`);
  end();
  await sim.settle();
});

simulation('an operator passes over locks, once', async (sim) => {
  const id = await deployed(sim, { lockFile: BUSY });
  busy(sim);
  lock(sim, { ttlMs: 86_400_000 });
  sim.deploy(version('2', { lockFile: BUSY }));
  await sim.run(30_000);
  assert.equal(sim.box('web').id, id);
  assert.match(sim.agent.commandLock({ command: 'override', name: 'web' }).text, /web may be replaced once/);
  await sim.settle(30_000);
  const next = sim.box('web').id;
  sim.deploy(version('3', { lockFile: BUSY }));
  await sim.run(60_000);
  assert.equal(sim.box('web').id, next, 'the lock still counts for the new one');
  sim.agent.commandLock({ command: 'unlock', name: 'web' });
  await sim.settle();
});

simulation('a replica that is busy does not keep the others from their turn', async (sim) => {
  const of = (value: string) =>
    deployment('web', [{ name: 'web', environment: { V: value }, update: { lockFile: BUSY } }], {
      replicas: 3,
    });
  sim.deploy(of('1'));
  sim.start();
  await sim.settle();
  const before = ['web-0', 'web-1', 'web-2'].map((name) => sim.box(name).id);
  busy(sim, 'web-0');
  sim.deploy(of('2'));
  await sim.run(120_000);
  const now = ['web-0', 'web-1', 'web-2'].map((name) => sim.box(name).id);
  assert.deepEqual(
    now.map((id, index) => id === before[index]),
    [true, false, false],
  );
  sim.box('web-0').files.clear();
  await sim.settle();
});
