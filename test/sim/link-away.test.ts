import assert from 'node:assert/strict';
import { type LinkBench, linkSimulation } from './link-bench.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const WEB = [{ name: 'web-a' }, { name: 'web-b' }];

/** Two blueprints of the server running here. */
async function deployed(sim: LinkBench): Promise<void> {
  sim.publish('web', WEB);
  sim.publish('db', [{ name: 'db', image: 'db:1' }]);
  sim.start();
  await sim.caughtUp();
}

linkSimulation(
  'containers are healed while the server is away, and none is touched because of it',
  async (sim) => {
    await deployed(sim);
    const before = sim.bodies();
    for (const way of ['refused', 'silent'] as const) {
      sim.node.lose(way);
      await sim.run(3 * MINUTE);
      assert.equal(sim.link.state, 'Offline');
      assert.deepEqual(sim.bodies(), before);
      sim.node.restore();
      await sim.connected();
      await sim.run(MINUTE);
      assert.deepEqual(sim.bodies(), before);
    }
    sim.node.lose('silent');
    await sim.run(2 * MINUTE);
    sim.byHand.kill('web-a');
    await sim.until(() => sim.isRunning('web-a'), 'healed offline', 5_000);
  },
);

linkSimulation('what changed while away arrives after the return, each process closed', async (sim) => {
  await deployed(sim);
  sim.node.lose('refused');
  await sim.run(5 * MINUTE);
  const { db } = { db: sim.box('db').id };
  for (let n = 1; n <= 5; n += 1)
    sim.republish('web', [{ name: 'web-a', environment: { N: String(n) } }, { name: 'web-b' }]);
  sim.publish('new', [{ name: 'new' }]);
  await sim.run(MINUTE);
  sim.node.restore();
  await sim.connected();
  const took = await sim.caughtUp();
  assert.ok(took <= 15_000, `took ${took} ms after the link was back`);
  assert.equal(sim.box('db').id, db);
});

linkSimulation('a sweep is survived: containers run on, and an approval brings all back', async (sim) => {
  await deployed(sim);
  const before = sim.bodies();
  sim.node.lose('silent');
  await sim.run(20 * MINUTE);
  assert.equal(sim.colony.executor('gw-1')?.state, 3);
  sim.node.restore();
  await sim.until(() => sim.link.state === 'Unregistered', 'unregistered');
  await sim.run(HOUR / 2);
  assert.deepEqual(sim.bodies(), before);
  sim.byHand.kill('db');
  await sim.until(() => sim.isRunning('db'), 'healed while unregistered', 5_000);
  sim.republish('web', [{ name: 'web-a' }]);
  // Just after a sweep: a later approval may be swept away before the next attempt, and has to be repeated then.
  const { clock } = sim;
  await sim.run(MINUTE - ((clock.monoMs() - 1_000) % MINUTE) + 1_000);
  sim.colony.approve('gw-1');
  await sim.connected(21_000);
  await sim.caughtUp();
  await sim.run(HOUR);
  assert.equal(sim.colony.executor('gw-1')?.state, 1, 'the approval sticks');
  assert.deepEqual(
    sim.colony
      .functions()
      .map(({ name }) => name)
      .sort(),
    ['cleanup', 'reconcile'],
    'its functions are there again, once',
  );
});

linkSimulation(
  'with the owner key on the node it revives itself',
  async (sim) => {
    await deployed(sim);
    sim.node.lose('refused');
    await sim.run(HOUR);
    assert.equal(sim.colony.executor('gw-1')?.state, 3);
    sim.node.restore();
    await sim.connected();
    assert.equal(sim.colony.executor('gw-1')?.state, 1);
    await sim.run(HOUR);
    assert.equal(sim.colony.executor('gw-1')?.state, 1);
  },
  { withOwner: true },
);

linkSimulation(
  'a node that nobody registered waits with its containers untouched, and starts with the approval',
  async (sim) => {
    sim.publish('web', WEB);
    sim.start();
    await sim.until(() => sim.link.state === 'UnknownKey', 'unknown');
    await sim.run(HOUR);
    sim.colony.addExecutor({
      id: sim.node.key.id,
      name: 'gw-1',
      type: 'docker-reconciler',
      location: 'default',
    });
    await sim.until(() => sim.link.state === 'PendingApproval', 'pending');
    sim.colony.approve('gw-1');
    await sim.connected(61_000);
    await sim.caughtUp();
  },
  { isRegistered: false },
);

linkSimulation('a train: forty outages, killed containers, and all is as it should be after', async (sim) => {
  await deployed(sim);
  let seed = 1;
  const random = (limit: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % limit;
  };
  const kept = sim.box('db').id;
  for (let round = 0; round < 40; round += 1) {
    await sim.run(MINUTE + random(5 * MINUTE));
    sim.node.lose(round % 2 === 0 ? 'silent' : 'refused');
    if (round % 10 === 3)
      sim.republish('web', [{ name: 'web-a', environment: { ROUND: String(round) } }, { name: 'web-b' }]);
    await sim.run(30_000 + random(4 * MINUTE));
    if (round % 4 === 0) {
      sim.byHand.kill('web-b');
      await sim.until(() => sim.isRunning('web-b'), 'healed', 15_000);
    }
    sim.node.address = `wwan0 10.64.1.${round}`;
    sim.node.restore();
  }
  await sim.connected();
  await sim.caughtUp();
  assert.equal(sim.box('db').id, kept);
  await sim.run(2 * MINUTE);
  assert.equal(sim.link.unsentStatuses, 0);
  assert.equal(sim.link.openProcesses, 0);
});
