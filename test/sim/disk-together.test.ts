import assert from 'node:assert/strict';
import { deployment } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

const MB = 1_000_000;
/** app:1, app:2 and db:1 of the harness take 30 MB, and 50 MB stay free. */
const DISK = { diskBytes: 1_000 * MB };

const shop = (web: string, api: string, generation = 1) =>
  deployment(
    'shop',
    [
      { name: 'web', image: web },
      { name: 'api', image: api },
    ],
    { generation },
  );

const pulls = (sim: Harness) =>
  sim.engine.calls.filter(({ kind }) => kind === 'pullImage').map(({ target }) => target);

/** The shop runs in its first version; new images of 200 MB each are offered, and 400 MB are free. */
async function open(sim: Harness): Promise<void> {
  sim.deploy(shop('app:1', 'db:1'));
  sim.start();
  await sim.settle();
  sim.disk.otherBytes = 570 * MB;
  for (const reference of ['web:2', 'api:2']) sim.offer(reference, { imageBytes: 200 * MB, takesMs: 20_000 });
}

simulation(
  'images of one change that fit alone and not together are refused with the sum, before anything is touched',
  async (sim) => {
    await open(sim);
    const mark = sim.mark();
    sim.deploy(shop('web:2', 'api:2', 2));
    await sim.until(() => sim.waits('shop').includes('DiskFull'), 'it is refused');
    assert.match(
      sim.report('shop').waiting.find(({ name }) => name === 'web')?.message ?? '',
      /image web:2 needs 191 MiB \(64 MiB to load, and unpacked\), and with api:2, which the same change has still to pull, 382 MiB in all, 381 MiB are free on \/var\/lib\/docker, of which 48 MiB stay free; nothing was touched/,
    );
    await sim.run(3_600_000);
    assert.deepEqual(pulls(sim), []);
    sim.expectMutations(mark, []);
    sim.disk.otherBytes = 500 * MB;
    await sim.settle();
    assert.equal(sim.box('web').imageRef, 'web:2');
  },
  DISK,
);

simulation(
  'layers that both images of a change have count once',
  async (sim) => {
    await open(sim);
    for (const reference of ['web:2', 'api:2']) sim.disk.common.set(reference, 100 * MB);
    sim.deploy(shop('web:2', 'api:2', 2));
    await sim.settle();
    assert.deepEqual(pulls(sim).sort(), ['api:2', 'web:2']);
  },
  DISK,
);

simulation(
  'an image that another blueprint needs by itself is not refused for a change that is too large',
  async (sim) => {
    await open(sim);
    sim.goal.excused.add('web').add('api');
    sim.deploy(shop('web:2', 'api:2', 2), deployment('other', [{ name: 'other', image: 'web:2' }]));
    await sim.until(() => sim.isRunning('other'), 'the other one runs');
    assert.equal(sim.box('api').imageRef, 'db:1');
  },
  DISK,
);

simulation(
  'a lost container gets its image back while a change beside it is too large',
  async (sim) => {
    await open(sim);
    sim.offer('db:1', { imageBytes: 10 * MB });
    sim.offer('huge:2', { imageBytes: 900 * MB });
    sim.goal.excused.add('web');
    sim.deploy(shop('huge:2', 'db:1', 2));
    await sim.until(() => sim.waits('shop').includes('DiskFull'), 'it is refused');
    sim.byHand.remove('api');
    sim.byHand.removeImage('db:1');
    await sim.until(() => sim.isRunning('api'), 'it is back', 10_000);
    assert.equal(sim.box('web').imageRef, 'app:1');
  },
  DISK,
);

simulation(
  'what is being pulled keeps its room from other blueprints',
  async (sim) => {
    await open(sim);
    sim.disk.otherBytes = 450 * MB;
    sim.goal.excused.add('late');
    sim.deploy(shop('web:2', 'api:2', 2));
    await sim.until(() => sim.status().pulls.length > 0, 'it has begun', 5_000);
    sim.offer('late:1', { imageBytes: 100 * MB });
    sim.deploy(deployment('late', [{ name: 'late', image: 'late:1' }]));
    await sim.until(() => sim.waits('late').includes('DiskFull'), 'the other one is refused', 10_000);
    assert.match(sim.report('late').waiting[0]?.message ?? '', /other pulls need the rest/);
    await sim.until(() => sim.world.byName('api')?.imageRef === 'api:2', 'the change is through', 120_000);
  },
  { ...DISK, settings: { pullLanes: 4 } },
);
