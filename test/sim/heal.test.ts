import assert from 'node:assert/strict';
import { deployment } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

const WEB = deployment('web', [{ name: 'web-a' }, { name: 'web-b', environment: { COLOR: 'blue' } }]);
const DB = deployment('db', [
  { name: 'db-main', image: 'db:1', volumes: [{ type: 'named', name: 'db-data', mountPath: '/data' }] },
]);

/** Two blueprints, three containers, converged. */
async function deployed(sim: Harness): Promise<void> {
  sim.deploy(WEB, DB);
  sim.start();
  await sim.settle();
}

/** Runs until converged again and asserts that it did not take a resync. */
async function healsAtOnce(sim: Harness): Promise<void> {
  const took = await sim.settle();
  assert.ok(took < 5_000, `healed after ${took} ms`);
}

simulation('a directory of blueprints becomes containers, and further looks change nothing', async (sim) => {
  sim.deploy(WEB, DB);
  sim.start();
  const took = await sim.settle();
  assert.ok(took < 5_000, `deployed after ${took} ms`);
  assert.deepEqual(sim.byHand.names(), ['db-main', 'web-a', 'web-b']);
  assert.equal(sim.report('web').phase, 'Running');
  assert.equal(sim.report('web').ready, 2);
  await sim.expectQuiet();
});

simulation('a converged agent writes nothing to its state directory', async (sim) => {
  await deployed(sim);
  await sim.run(5_000);
  const before = sim.store.writes;
  await sim.run(3_600_000);
  assert.equal(sim.store.writes, before);
});

simulation(
  'a killed container runs again without waiting for the resync, and is the same one',
  async (sim) => {
    await deployed(sim);
    const { id } = sim.box('web-a');
    const mark = sim.mark();
    sim.byHand.kill('web-a');
    await healsAtOnce(sim);
    assert.equal(sim.box('web-a').id, id);
    sim.expectMutations(mark, ['startContainer web-a']);
  },
);

simulation('a removed container is made again without waiting for the resync', async (sim) => {
  await deployed(sim);
  sim.byHand.remove('db-main');
  await healsAtOnce(sim);
  assert.deepEqual([...sim.world.volumes], ['db-data']);
  assert.deepEqual(sim.world.removedVolumes, []);
});

simulation('a paused container goes on without waiting for the resync', async (sim) => {
  await deployed(sim);
  const mark = sim.mark();
  sim.byHand.pause('web-b');
  await healsAtOnce(sim);
  sim.expectMutations(mark, ['unpauseContainer web-b']);
});

simulation('a change that the engine tells before its own listing shows it is seen', async (sim) => {
  await deployed(sim);
  const box = sim.box('web-b');
  // Docker 20.10 sends the event of a pause first and stores the state afterwards.
  sim.world.onEvent({ type: 'container', action: 'pause', id: box.id, name: box.name });
  await sim.run(200);
  box.state = 'paused';
  await healsAtOnce(sim);
  assert.ok(sim.isRunning('web-b'));
});

simulation('a container stopped by hand is started again', async (sim) => {
  await deployed(sim);
  void sim.byHand.stop('web-a');
  await sim.until(() => !sim.isRunning('web-a'), 'stopped');
  await healsAtOnce(sim);
});

simulation('a container that its engine restarts by policy is left to the engine', async (sim) => {
  await deployed(sim);
  const mark = sim.mark();
  sim.byHand.crash('web-a', 3);
  await sim.until(() => sim.isRunning('web-a'), 'restarted by the engine', 5_000);
  await sim.settle();
  sim.expectMutations(mark, []);
});

simulation('a container without restart policy that fails is started by the agent', async (sim) => {
  sim.deploy(deployment('job', [{ name: 'job-1', restartPolicy: 'no' }]));
  sim.start();
  await sim.settle();
  await sim.run(60_000);
  sim.byHand.crash('job-1', 3);
  const took = await sim.settle();
  assert.ok(took < 10_000, `took ${took} ms`);
});

simulation('what happens while events are lost is healed by the resync', async (sim) => {
  await deployed(sim);
  sim.engine.losesEvents = true;
  await sim.run(1_000);
  sim.byHand.kill('web-a');
  sim.byHand.remove('web-b');
  const took = await sim.settle();
  assert.ok(took <= sim.settings.resyncMs * 1.5, `healed after ${took} ms`);
});

simulation('settings changed by hand are changed back in place, without a restart', async (sim) => {
  sim.deploy(deployment('web', [{ name: 'web-a', resources: { memory: '64Mi' } }]));
  sim.start();
  await sim.settle();
  const { id, run } = sim.box('web-a');
  sim.byHand.update('web-a', {
    limits: { memoryBytes: 2 ** 29, memorySwapBytes: 2 ** 30 },
    restart: { name: 'no', maxRetries: 0 },
  });
  await healsAtOnce(sim);
  assert.equal(sim.box('web-a').id, id);
  assert.equal(sim.box('web-a').run, run);
  await sim.expectQuiet();
});

simulation('a container made anew by hand with other variables is replaced', async (sim) => {
  await deployed(sim);
  sim.byHand.recreate('web-a', { env: { COLOR: 'red' } });
  await sim.settle();
  await sim.expectQuiet();
});

simulation('a container taken off its network is attached again with its names', async (sim) => {
  await deployed(sim);
  const { id } = sim.box('web-a');
  sim.byHand.disconnect('web-a', 'colonies_default');
  await healsAtOnce(sim);
  assert.equal(sim.box('web-a').id, id);
  assert.deepEqual([...(sim.box('web-a').networks.get('colonies_default')?.aliases ?? [])].sort(), [
    'web',
    'web-a',
  ]);
  await sim.expectQuiet();
});

simulation('a network removed by hand is made again and everybody is back in it', async (sim) => {
  await deployed(sim);
  sim.byHand.removeNetwork('colonies_default');
  await healsAtOnce(sim);
  await sim.expectQuiet();
});

simulation('a container renamed by hand gets its name back', async (sim) => {
  await deployed(sim);
  const { id } = sim.box('web-a');
  sim.byHand.rename('web-a', 'precious');
  await healsAtOnce(sim);
  assert.equal(sim.box('web-a').id, id);
});

simulation('an image that lost its name does not disturb the container that runs it', async (sim) => {
  await deployed(sim);
  const mark = sim.mark();
  sim.byHand.removeImage('db:1');
  await sim.run(300_000);
  assert.ok(sim.isRunning('db-main'));
  assert.deepEqual(
    sim.mutations(mark).filter((call) => !call.startsWith('pullImage')),
    [],
  );
});

simulation('with the directory gone a killed container is healed from the checkpoint', async (sim) => {
  await deployed(sim);
  sim.directory.takeAway();
  await sim.run(120_000);
  sim.byHand.kill('web-a');
  sim.byHand.remove('db-main');
  await healsAtOnce(sim);
  assert.equal(sim.status().source.state, 'away');
});

simulation('with the directory gone a restarted agent heals everything from the checkpoint', async (sim) => {
  await deployed(sim);
  sim.directory.takeAway();
  await sim.stopAgent();
  sim.byHand.kill('web-a');
  sim.byHand.remove('web-b');
  sim.start();
  await healsAtOnce(sim);
  assert.equal(sim.status().checkpoint.state, 'loaded');
  await sim.expectQuiet();
});

simulation('without directory and checkpoint nothing is known, and nothing is touched', async (sim) => {
  await deployed(sim);
  await sim.stopAgent();
  sim.store.lose('checkpoint.a: checksum does not match');
  sim.directory.takeAway();
  const mark = sim.mark();
  sim.start();
  await sim.run(600_000);
  sim.expectMutations(mark, []);
  assert.deepEqual(sim.byHand.names(), ['db-main', 'web-a', 'web-b']);
});

simulation(
  'a blueprint whose file is deleted is stopped gracefully and removed, its volume stays',
  async (sim) => {
    await deployed(sim);
    const mark = sim.mark();
    sim.undeploy('db');
    await healsAtOnce(sim);
    sim.expectMutations(mark, ['stopContainer db-main', 'removeContainer db-main']);
    assert.deepEqual([...sim.world.volumes], ['db-data']);
    assert.equal(
      sim.status().blueprints.some(({ name }) => name === 'db'),
      false,
    );
  },
);

simulation('a directory that is emptied in place removes everything', async (sim) => {
  await deployed(sim);
  sim.goal.drop('web');
  sim.goal.drop('db');
  sim.directory.clear();
  await sim.settle();
  assert.deepEqual(sim.byHand.names(), []);
});

simulation(
  'another, empty directory in the place of the first removes nothing until it is confirmed',
  async (sim) => {
    await deployed(sim);
    const mark = sim.mark();
    sim.directory.swapForEmpty();
    await sim.run(600_000);
    sim.expectMutations(mark, []);
    assert.ok((sim.status().source.suspect ?? '') !== '', 'status says what is suspected');
    sim.byHand.kill('web-a');
    await sim.until(() => sim.isRunning('web-a'), 'healed in the meantime', 10_000);
    sim.goal.drop('web');
    sim.goal.drop('db');
    sim.directory.confirmedEmpty = true;
    sim.directory.clear();
    await sim.settle();
    assert.deepEqual(sim.byHand.names(), []);
  },
);

simulation('the suspicion of an unmounted disk survives a restart of the agent', async (sim) => {
  await deployed(sim);
  await sim.stopAgent();
  sim.directory.swapForEmpty();
  const mark = sim.mark();
  sim.start();
  await sim.run(600_000);
  sim.expectMutations(mark, []);
});

simulation('a clock that jumps by years in either direction changes nothing', async (sim) => {
  await deployed(sim);
  const mark = sim.mark();
  sim.clock.jumpWall(-10 * 365 * 86_400_000);
  await sim.run(300_000);
  sim.clock.jumpWall(20 * 365 * 86_400_000);
  await sim.run(300_000);
  sim.expectMutations(mark, []);
  sim.byHand.kill('web-a');
  await healsAtOnce(sim);
});

simulation('a state directory that takes no writes does not keep the agent from its work', async (sim) => {
  sim.store.refuseWrites = 'STORE_FULL';
  await deployed(sim);
  sim.byHand.remove('web-a');
  await healsAtOnce(sim);
  assert.equal(sim.status().checkpoint.state, 'failed');
  sim.store.refuseWrites = undefined;
  await sim.run(600_000);
  assert.equal(sim.store.checkpoint()?.blueprints.length, 2);
});
