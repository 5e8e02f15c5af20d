import assert from 'node:assert/strict';
import { deployment } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

const web = (image: string, generation: number) =>
  deployment('web', [{ name: 'web', image }], { generation, update: { healthyAfter: '5m' } });

/** Milliseconds from now to a time of the first thing that a blueprint waits for. */
function first(sim: Harness, blueprint: string) {
  const [waiting] = sim.report(blueprint).waiting;
  assert.ok(waiting !== undefined, sim.account());
  const inMs = (time: string | undefined) => Date.parse(time ?? '') - sim.clock.now();
  return { reason: waiting.reason, sinceMs: -inMs(waiting.since), leftMs: inMs(waiting.decidedAt) };
}

/** Times are told to the second. */
function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 3_000, `${actual} ms, expected ${expected}`);
}

simulation('an update that is watched says since when, and when it is decided', async (sim) => {
  sim.deploy(web('app:1', 1));
  sim.start();
  await sim.settle();
  sim.directory.write('web.json', web('app:2', 2));
  await sim.until(() => sim.report('web').waiting[0]?.decidedAt !== undefined, 'it is watched', 10_000);
  await sim.run(120_000);
  const { reason, sinceMs, leftMs } = first(sim, 'web');
  assert.equal(reason, 'Working');
  near(sinceMs, 120_000);
  near(leftMs, 180_000);
});

simulation('what waits for another says since when, and when that is overdue', async (sim) => {
  sim.directory.write(
    'web.json',
    deployment('web', [{ name: 'web' }], { dependsOn: [{ name: 'db', timeout: '5m' }] }),
  );
  sim.start();
  await sim.until(() => sim.waits('web').includes('WaitingForDependency'), 'it waits', 10_000);
  await sim.run(60_000);
  const { sinceMs, leftMs } = first(sim, 'web');
  near(sinceMs, 60_000);
  near(leftMs, 240_000);
  await sim.until(() => sim.report('web').phase === 'Degraded', 'it is overdue', 300_000);
  near(first(sim, 'web').sinceMs, 300_000);
});

simulation('what fails again and again says since when it does', async (sim) => {
  sim.directory.write('web.json', deployment('web', [{ name: 'web', image: 'none:1' }]));
  sim.start();
  await sim.until(() => sim.waits('web').includes('ImageNotFound'), 'it fails', 10_000);
  await sim.run(240_000);
  const [waiting] = sim.report('web').waiting;
  assert.ok(waiting?.nextTryAt !== undefined && waiting.since !== undefined, sim.account());
  near(sim.clock.now() - Date.parse(waiting.since), 240_000);
});
