import assert from 'node:assert/strict';
import { linkSimulation } from './link-bench.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const WEB = [{ name: 'web-a' }, { name: 'web-b' }];

linkSimulation(
  'a blueprint added on the server runs here, and its process is closed with a line on it',
  async (sim) => {
    sim.start();
    await sim.connected(6_000);
    await sim.run(5_000);
    const before = sim.clock.monoMs();
    sim.publish('web', WEB);
    await sim.until(() => sim.isRunning('web-a') && sim.isRunning('web-b'), 'web runs', 5_000);
    assert.ok(sim.clock.monoMs() - before <= 1_500, `took ${sim.clock.monoMs() - before} ms`);
    await sim.caughtUp();
    const [process] = sim.colony.processes().filter(({ spec }) => spec.kwargs.blueprintName === 'web');
    assert.match(String(process?.out[0]), /^accepted: generation \d+, \d of 2 running/);
    const lines = sim.colony.logs().filter(({ processId }) => processId === process?.id);
    assert.match(lines[0]?.message ?? '', /taken by gw-1: reading web/);
  },
);

linkSimulation('an update, a forced run and a removal arrive, each process closed', async (sim) => {
  sim.publish('web', WEB);
  sim.publish('db', [{ name: 'db', image: 'db:1' }]);
  sim.start();
  await sim.caughtUp();
  sim.republish('web', [{ name: 'web-a', image: 'app:2' }, { name: 'web-b' }]);
  await sim.caughtUp();
  const kept = sim.box('db').id;
  const replaced = sim.box('web-b').id;
  sim.offer('app:1');
  sim.offer('app:2');
  sim.colony.reconcile('web', { force: true });
  await sim.until(() => sim.openWork().length === 0, 'the forced run is closed');
  await sim.until(() => sim.isRunning('web-b') && sim.box('web-b').id !== replaced, 'web-b is another one');
  assert.equal(sim.box('db').id, kept);
  await sim.caughtUp();
  sim.unpublish('web');
  await sim.until(() => sim.world.byName('web-a') === undefined, 'web is removed', MINUTE);
  await sim.caughtUp();
  assert.equal(sim.box('db').id, kept);
});

linkSimulation(
  "the schedules' processes are held for a while and closed, for six hours, and no schedule stops",
  async (sim) => {
    sim.publish('web', WEB);
    sim.start();
    await sim.caughtUp();
    await sim.run(6 * HOUR);
    const ends = sim.colony.processes().filter(({ graphId }) => graphId !== '');
    const late = ends.filter(
      ({ endedAt, submittedAt }) => endedAt > 0 && endedAt - submittedAt > 11 * MINUTE,
    );
    assert.deepEqual(late, []);
    assert.ok(ends.length >= 6 * 5 && ends.length <= 15 + 6 * 8, `${ends.length} processes in six hours`);
    assert.equal(sim.colony.executor('gw-1')?.state, 1);
    assert.ok(sim.store.writes < 20, `${sim.store.writes} writes in six hours`);
  },
);

linkSimulation(
  'a metered link stays registered for twelve hours, and changes still arrive',
  async (sim) => {
    sim.publish('web', WEB);
    sim.start();
    await sim.caughtUp();
    await sim.run(12 * HOUR);
    assert.equal(sim.colony.executor('gw-1')?.state, 1);
    sim.republish('web', [{ name: 'web-a' }]);
    const took = await sim.caughtUp(HOUR);
    assert.ok(took <= 34 * MINUTE, `took ${took} ms`);
  },
  { settings: { linkClass: 'metered' } },
);

linkSimulation(
  'an assignment whose answer is lost is found, done and closed; schedules go on',
  async (sim) => {
    sim.publish('web', WEB);
    sim.start();
    await sim.caughtUp();
    for (let round = 0; round < 10; round += 1) {
      sim.colony.faults.dropReply('assignprocessmsg', 1);
      sim.republish('web', [{ name: 'web-a' }, { name: 'web-b', environment: { ROUND: String(round) } }]);
      await sim.run(30_000);
      assert.deepEqual(sim.openWork(), [], `round ${round}`);
    }
    sim.colony.faults.dropReply('closesuccessfulmsg', 3);
    await sim.run(10 * MINUTE);
    await sim.caughtUp();
    const before = sim.colony.processes().length;
    await sim.run(HOUR);
    assert.ok(sim.colony.processes().length >= before + 4, 'the schedule still comes');
  },
);

linkSimulation(
  'an orderly stop takes no longer than five seconds and keeps the registration',
  async (sim) => {
    sim.publish('web', WEB);
    sim.start();
    await sim.caughtUp();
    const before = sim.clock.monoMs();
    await sim.stopAgent();
    assert.ok(sim.clock.monoMs() - before <= 5_000, `took ${sim.clock.monoMs() - before} ms`);
    assert.equal(sim.colony.executor('gw-1')?.state, 1);
    sim.start();
    await sim.caughtUp();
  },
);
