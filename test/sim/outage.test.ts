import assert from 'node:assert/strict';
import { deployment } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

const WEB = deployment('web', [{ name: 'web-a' }, { name: 'web-b' }]);

async function deployed(sim: Harness): Promise<void> {
  sim.deploy(WEB);
  sim.start();
  await sim.settle();
}

simulation(
  'while the engine is away nothing is changed and nothing forgotten; soon after its return all is well',
  async (sim) => {
    await deployed(sim);
    sim.engine.outage();
    sim.world.kill(sim.box('web-a'));
    sim.byHand.remove('web-b');
    const mark = sim.mark();
    await sim.run(1_800_000);
    sim.expectMutations(mark, []);
    assert.equal(sim.status().engine.state, 'away');
    sim.engine.recover();
    const took = await sim.settle();
    assert.ok(took <= 10_000, `healed ${took} ms after the return`);
    assert.equal(sim.status().engine.state, 'ok');
  },
);

simulation('a hung engine makes no container look missing, and is noticed', async (sim) => {
  await deployed(sim);
  const mark = sim.mark();
  sim.engine.hang();
  await sim.run(300_000);
  sim.expectMutations(mark, []);
  assert.equal(sim.status().engine.state, 'away');
  sim.engine.recover();
  sim.byHand.kill('web-a');
  const took = await sim.settle();
  assert.ok(took <= 15_000, `healed ${took} ms after the return`);
});

simulation(
  'an engine that hangs in the middle of a deployment is waited for, and the rest follows',
  async (sim) => {
    sim.deploy(WEB);
    sim.start();
    await sim.until(() => sim.engine.mutationCount >= 2, 'some calls made');
    sim.engine.hang();
    await sim.run(200_000);
    sim.engine.recover();
    await sim.settle();
    await sim.expectQuiet();
  },
);

simulation('a listing that fails removes nothing and makes nothing', async (sim) => {
  await deployed(sim);
  const mark = sim.mark();
  const end = sim.engine.fail({
    code: 'ENGINE_FAILED',
    when: (call) => call.kind === 'snapshot',
    times: 1e9,
  });
  sim.byHand.kill('web-a');
  await sim.run(300_000);
  sim.expectMutations(mark, []);
  end();
  const took = await sim.settle();
  assert.ok(took <= 10_000, `healed ${took} ms after`);
});

simulation('a slow engine is only slow', async (sim) => {
  sim.engine.slowMs = 5_000;
  await deployed(sim);
  sim.byHand.kill('web-a');
  await sim.settle();
  await sim.run(30_000);
  await sim.expectQuiet();
});

simulation('a hung inspection of one container does not delay the restart of another', async (sim) => {
  await deployed(sim);
  sim.engine.hungInspections.add('web-a');
  await sim.run(60_000);
  const before = sim.clock.monoMs();
  sim.byHand.kill('web-b');
  await sim.until(() => sim.isRunning('web-b'), 'web-b runs', 10_000);
  assert.ok(sim.clock.monoMs() - before < 2_000, `took ${sim.clock.monoMs() - before} ms`);
});

simulation(
  'a container that is not inspected yet is not judged, but is started when it is down',
  async (sim) => {
    await deployed(sim);
    sim.engine.hungInspections.add('web-a');
    const { id } = sim.box('web-a');
    sim.byHand.kill('web-a');
    await sim.until(() => sim.isRunning('web-a'), 'web-a runs', 10_000);
    assert.equal(sim.box('web-a').id, id);
    sim.engine.unhang('web-a');
    await sim.settle();
    assert.equal(sim.box('web-a').id, id);
  },
);

simulation('calls whose answers are lost leave no double and no leftovers', async (sim) => {
  sim.engine.fail({
    code: 'ENGINE_RESET',
    afterEffect: true,
    when: (call) => call.mutating,
    times: 6,
  });
  await deployed(sim);
  sim.byHand.remove('web-a');
  sim.engine.fail({ code: 'ENGINE_RESET', afterEffect: true, when: (call) => call.mutating, times: 3 });
  await sim.settle();
  await sim.expectQuiet();
});

simulation('after a restart of the engine everything runs again', async (sim) => {
  sim.deploy(WEB, deployment('job', [{ name: 'job-1', restartPolicy: 'no' }]));
  sim.start();
  await sim.settle();
  await sim.engine.restart(5_000, 143);
  const took = await sim.settle();
  assert.ok(took <= 10_000, `took ${took} ms`);
});

simulation(
  'after a power cut without directory everything runs again, volumes and containers are the same',
  async (sim) => {
    sim.deploy(
      deployment('db', [
        {
          name: 'db-main',
          image: 'db:1',
          restartPolicy: 'no',
          volumes: [{ type: 'named', name: 'data', mountPath: '/d' }],
        },
      ]),
      WEB,
    );
    sim.start();
    await sim.settle();
    const ids = ['db-main', 'web-a', 'web-b'].map((name) => sim.box(name).id);
    sim.crashAgent();
    sim.directory.takeAway();
    sim.engine.outage();
    sim.world.shutDown(255);
    await sim.run(3_600_000);
    sim.start();
    await sim.run(20_000);
    sim.world.boot();
    sim.engine.recover();
    const took = await sim.settle();
    assert.ok(took <= 10_000, `took ${took} ms`);
    assert.deepEqual(
      ['db-main', 'web-a', 'web-b'].map((name) => sim.box(name).id),
      ids,
    );
    assert.deepEqual(sim.world.removedVolumes, []);
  },
);

simulation('an engine that comes and goes every few seconds ends up with everything running', async (sim) => {
  sim.deploy(WEB);
  sim.start();
  for (let round = 0; round < 30; round += 1) {
    await sim.run(700 + round * 130);
    sim.engine.outage();
    await sim.run(300 + round * 70);
    sim.engine.recover();
  }
  await sim.settle();
  await sim.expectQuiet();
});
