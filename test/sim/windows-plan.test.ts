import assert from 'node:assert/strict';
import { checkGraph } from '../../src/kinds/index.ts';
import { planOnce } from '../../src/reconcile/plan-once.ts';
import { Life } from '../fakes/life.ts';
import { seededRandom } from '../fakes/random.ts';
import { deployment } from './blueprints.ts';
import { simulation } from './harness.ts';
import { resolver } from './resolver.ts';

const NIGHT = { days: [0, 1, 2, 3, 4, 5, 6], fromMinute: 22 * 60, toMinute: 23 * 60, utc: true } as const;

simulation(
  'a plan without an agent says what waits for its window, and would touch nothing',
  async (sim) => {
    sim.deploy(deployment('web', [{ name: 'web', image: 'app:1' }]));
    sim.start();
    await sim.settle();
    await sim.run(10_000);
    await sim.stopAgent();
    sim.directory.write('web.json', deployment('web', [{ name: 'web', image: 'app:2' }]));
    const life = new Life();
    const planned = planOnce(
      {
        engine: sim.engine.open(life),
        prober: sim.prober.inLife(life),
        relays: sim.relays.open(life),
        store: sim.openStore(life),
        source: sim.directory.open(life),
        resolver: async () => resolver(),
        crossCheck: checkGraph,
        clock: life.clock(sim.clock),
        random: seededRandom(1),
        log: sim.log,
        settings: sim.settings,
      },
      new AbortController().signal,
    );
    let report: Awaited<typeof planned> | undefined;
    void planned.then((done) => {
      report = done;
    });
    await sim.run(30_000);
    life.end();
    assert.deepEqual(report?.actions, []);
    assert.deepEqual(
      report?.holds.map(({ reason, nextTryAt }) => [reason, nextTryAt]),
      [['OutsideWindow', '2026-03-01T22:00:00Z']],
    );
  },
  { settings: { windows: { update: [NIGHT] } } },
);
