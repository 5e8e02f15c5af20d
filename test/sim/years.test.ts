import assert from 'node:assert/strict';
import { deployment } from './blueprints.ts';
import { simulation } from './harness.ts';

const DAY_MS = 86_400_000;

simulation(
  'thirty days with a service that cannot be made: never given up, the others fine, nothing grows',
  async (sim) => {
    const volumes = [{ type: 'bind', hostPath: '/etc/late', mountPath: '/late', readOnly: true }] as const;
    sim.goal.excused.add('broken-1');
    sim.deploy(deployment('broken', [{ name: 'broken-1', volumes }]), deployment('web', [{ name: 'web-a' }]));
    sim.start();
    await sim.until(() => sim.isRunning('web-a'), 'web runs');
    for (let day = 1; day <= 30; day += 1) {
      sim.byHand.kill('web-a');
      const before = sim.engine.mutationCount;
      await sim.run(DAY_MS);
      assert.ok(sim.isRunning('web-a'));
      const tries = sim.engine.mutationCount - before;
      assert.ok(tries >= 250, `tried ${tries} times on day ${day}`);
    }
    assert.ok(sim.agent.events(0).length <= 2_000, `${sim.agent.events(0).length} events are kept`);
    assert.ok(sim.clock.sleeping < 100, `${sim.clock.sleeping} timers wait`);
    assert.ok(JSON.stringify(sim.status()).length < 20_000);
    assert.ok(sim.log.total < 100, `${sim.log.total} lines in the log`);
    assert.ok(sim.store.writes < 40, `${sim.store.writes} writes`);
    sim.world.hostPaths.add('/etc/late');
    sim.goal.excused.clear();
    await sim.settle();
  },
  { settings: { resyncMs: 600_000 } },
);

simulation(
  'a service that never starts fills no log: a row of failures is told when it begins and ends',
  async (sim) => {
    sim.world.tag('broken:1', { ...sim.offer('broken:1'), program: () => ({ startFails: 'ENGINE_FAILED' }) });
    sim.goal.excused.add('broken-1');
    sim.deploy(deployment('broken', [{ name: 'broken-1', image: 'broken:1' }]));
    sim.start();
    await sim.run(DAY_MS);
    const tries = sim.engine.calls.filter((call) => call.kind === 'startContainer').length;
    assert.ok(tries >= 200, `tried ${tries} times`);
    assert.ok(sim.log.total < 30, sim.log.text());
    sim.world.tag('broken:1', sim.offer('broken:1'));
    sim.goal.excused.clear();
    await sim.settle();
    assert.match(sim.log.text(), /after failures/);
  },
);

simulation(
  'three hundred blueprints that came and went leave nothing in status and state',
  async (sim) => {
    sim.deploy(deployment('web', [{ name: 'web-a' }]));
    sim.start();
    await sim.settle();
    for (let round = 0; round < 300; round += 1) {
      const name = `fleeting-${round}`;
      sim.directory.write('fleeting.json', deployment(name, [{ name, image: `none-${round}:1` }]));
      await sim.run(1_500);
    }
    sim.directory.remove('fleeting.json');
    await sim.settle();
    assert.equal(sim.status().blueprints.length, 1);
    assert.equal(sim.store.checkpoint()?.blueprints.length, 1);
    assert.ok([...sim.store.disk.values()].join('').length < 10_000);
    assert.ok(sim.clock.sleeping < 100, `${sim.clock.sleeping} timers wait`);
  },
  { settings: { resyncMs: 600_000 } },
);
