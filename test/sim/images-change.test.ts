import assert from 'node:assert/strict';
import { deployment } from './blueprints.ts';
import { simulation } from './harness.ts';

/** Two instances and the images of one generation. */
const pair = (first: string, second: string) =>
  deployment('pair', [
    { name: 'pair-a', image: first },
    { name: 'pair-b', image: second },
  ]);

simulation('a change of two instances touches neither until both images are there', async (sim) => {
  sim.deploy(pair('app:1', 'db:1'));
  sim.start();
  await sim.settle();
  const before = ['pair-a', 'pair-b'].map((name) => sim.box(name).id);
  sim.offer('app:9');
  sim.deploy(pair('app:9', 'db:9'));
  await sim.run(3_600_000);
  assert.deepEqual(
    ['pair-a', 'pair-b'].map((name) => sim.box(name).id),
    before,
  );
  assert.ok(
    sim.engine.world.findImage('app:9') !== undefined,
    'the image that can be had is loaded meanwhile',
  );
  assert.deepEqual([...new Set(sim.waits('pair'))], ['ImageNotFound']);
  sim.byHand.kill('pair-a');
  await sim.until(() => sim.isRunning('pair-a'), 'the old version is healed meanwhile', 10_000);
  assert.equal(sim.box('pair-a').id, before[0]);
  sim.offer('db:9');
  await sim.settle();
  assert.notEqual(sim.box('pair-a').id, before[0]);
  assert.notEqual(sim.box('pair-b').id, before[1]);
});

simulation('a slow image holds the change of its blueprint, and of no other', async (sim) => {
  sim.deploy(pair('app:1', 'db:1'), deployment('web', [{ name: 'web-a' }]));
  sim.start();
  await sim.settle();
  const { id } = sim.box('pair-a');
  sim.offer('app:9');
  sim.offer('db:9', { takesMs: 600_000 });
  sim.deploy(pair('app:9', 'db:9'), deployment('web', [{ name: 'web-a', image: 'app:9' }]));
  sim.goal.excused.add('pair-a').add('pair-b');
  await sim.until(
    () => sim.isRunning('web-a') && sim.box('web-a').imageRef === 'app:9',
    'web changed',
    60_000,
  );
  await sim.run(300_000);
  assert.equal(sim.box('pair-a').id, id);
  assert.match(JSON.stringify(sim.report('pair')), /waits for image db:9 of pair-b, which changes too/);
  sim.goal.excused.clear();
  await sim.settle();
});

simulation('a sibling that does not change needs no image, even when its own is gone', async (sim) => {
  sim.deploy(pair('app:1', 'db:1'));
  sim.start();
  await sim.settle();
  const { id } = sim.box('pair-b');
  sim.world.tags.delete('db:1');
  sim.offer('app:9');
  sim.goal.excused.add('pair-b');
  sim.deploy(pair('app:9', 'db:1'));
  await sim.until(() => sim.isRunning('pair-a') && sim.box('pair-a').imageRef === 'app:9', 'changed', 60_000);
  assert.equal(sim.box('pair-b').id, id);
});

simulation('what is lost is made anew while another image of the blueprint is missing', async (sim) => {
  sim.deploy(pair('app:1', 'none:1'));
  sim.goal.excused.add('pair-b');
  sim.start();
  await sim.until(() => sim.isRunning('pair-a'), 'the one that can run runs', 10_000);
  sim.byHand.remove('pair-a');
  await sim.until(() => sim.isRunning('pair-a'), 'it is made anew', 10_000);
});

simulation(
  'a new version with an instance whose image never comes leaves the old one as it is',
  async (sim) => {
    sim.deploy(deployment('pair', [{ name: 'pair-a', image: 'app:1' }]));
    sim.start();
    await sim.settle();
    const { id } = sim.box('pair-a');
    sim.deploy(pair('app:2', 'none:1'));
    sim.goal.excused.add('pair-a').add('pair-b');
    await sim.run(600_000);
    assert.equal(sim.box('pair-a').id, id);
    sim.deploy(deployment('pair', [{ name: 'pair-a', image: 'app:2' }]));
    sim.goal.excused.clear();
    await sim.settle();
    assert.notEqual(sim.box('pair-a').id, id);
  },
);
