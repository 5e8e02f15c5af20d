import assert from 'node:assert/strict';
import { image, normalReference } from '../fakes/engine-types.ts';
import { deployment } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

const MB = 1_000_000;
const HOUR_MS = 3_600_000;
/** app:1, app:2 and db:1 of the harness take 30 MB. */
const DISK = { diskBytes: 1_000 * MB };

const web = (reference: string) => deployment('web', [{ name: 'web', image: reference }]);

/** Brings the blueprint `web` to this image, which a registry offers. */
async function roll(sim: Harness, reference: string, imageBytes = 100 * MB): Promise<void> {
  sim.offer(reference, { imageBytes });
  sim.deploy(web(reference));
  await sim.settle();
}

const has = (sim: Harness, reference: string) => sim.world.findImage(reference) !== undefined;
const removals = (sim: Harness) =>
  sim.engine.calls.filter(({ kind }) => kind === 'removeImage').map(({ target }) => target);

simulation(
  'an update that cannot fit is refused with numbers before anything is touched, and comes when there is room',
  async (sim) => {
    sim.deploy(web('app:1'));
    sim.start();
    await sim.settle();
    const { id, run } = sim.box('web');
    sim.disk.otherBytes = 700 * MB;
    sim.offer('big:1', { imageBytes: 300 * MB });
    sim.deploy(web('big:1'));
    const { seq } = sim.mark();
    await sim.until(() => sim.waits('web').includes('DiskFull'), 'it is refused');
    const [waiting] = sim.report('web').waiting;
    assert.match(
      waiting?.message ?? '',
      /image big:1 needs 287 MiB .*257 MiB are free on \/var\/lib\/docker, of which 48 MiB stay free; nothing was touched/,
    );
    assert.ok(waiting?.nextTryAt !== undefined, 'it says when it is tried again');
    assert.equal(sim.report('web').phase, 'Degraded');
    await sim.run(HOUR_MS);
    sim.expectMutations(seq, []);
    assert.deepEqual([sim.box('web').id, sim.box('web').run], [id, run]);
    sim.byHand.kill('web');
    await sim.until(() => sim.isRunning('web'), 'the old version is healed meanwhile', 5_000);
    sim.disk.otherBytes = 100 * MB;
    const took = await sim.settle();
    assert.ok(took <= 95_000, `it came ${took} ms after there was room`);
    assert.equal(sim.box('web').imageRef, 'big:1');
  },
  DISK,
);

simulation(
  'layers that are there already do not count against an update',
  async (sim) => {
    sim.disk.otherBytes = 700 * MB;
    sim.disk.shared.set('big:1', 250 * MB);
    sim.offer('big:1', { imageBytes: 300 * MB });
    sim.deploy(web('big:1'));
    sim.start();
    await sim.settle();
    assert.deepEqual(sim.disk.asked, ['big:1', 'big:1 exactly']);
  },
  DISK,
);

for (const [what, blind] of [
  ['no registry tells a size', (sim: Harness) => Object.assign(sim.disk, { isMute: true })],
  ['the disk cannot be seen', (sim: Harness) => Object.assign(sim.disk, { isHidden: true })],
] as const)
  simulation(
    `when ${what} the pull goes on`,
    async (sim) => {
      blind(sim);
      sim.disk.otherBytes = 900 * MB;
      sim.offer('big:1', { imageBytes: 300 * MB });
      sim.deploy(web('big:1'));
      sim.start();
      await sim.settle();
      assert.deepEqual(removals(sim), []);
    },
    DISK,
  );

simulation(
  'two pulls that only fit one after the other are not begun together',
  async (sim) => {
    sim.disk.otherBytes = 400 * MB;
    for (const name of ['one', 'two']) {
      sim.offer(`${name}:1`, { imageBytes: 300 * MB, takesMs: 20_000 });
      sim.deploy(deployment(name, [{ name, image: `${name}:1` }]));
    }
    for (const name of ['one', 'two']) sim.goal.excused.add(name);
    sim.start();
    await sim.until(() => sim.isRunning('one') || sim.isRunning('two'), 'one runs', 60_000);
    const refused = ['one', 'two'].filter((name) => sim.waits(name).includes('DiskFull'));
    assert.equal(refused.length, 1);
    assert.match(sim.report(refused[0] ?? '').waiting[0]?.message ?? '', /other pulls need the rest/);
  },
  DISK,
);

simulation(
  'a pull that fails for want of space is DiskFull, and the old version runs on',
  async (sim) => {
    sim.disk.isMute = true;
    sim.deploy(web('app:1'));
    sim.start();
    await sim.settle();
    sim.offer('big:1', { code: 'DISK_FULL' });
    sim.deploy(web('big:1'));
    await sim.until(() => sim.waits('web').includes('DiskFull'), 'it is told');
    assert.ok(sim.isRunning('web'));
  },
  DISK,
);

simulation(
  'over the start threshold the images used longest ago go until the target is met, and nothing else does',
  async (sim) => {
    sim.world.setTag('loaded:1', image('loaded', { sizeBytes: 50 * MB }));
    sim.start();
    for (const version of [1, 2, 3, 4]) await roll(sim, `own:${version}`);
    await sim.run(2 * HOUR_MS);
    assert.deepEqual(removals(sim), [], 'below the threshold nothing goes');
    // 480 MB of images, 380 of others: 86 %.
    sim.disk.otherBytes = 380 * MB;
    await sim.until(() => removals(sim).length > 0, 'it is noticed', 700_000);
    await sim.run(HOUR_MS);
    assert.deepEqual(removals(sim), ['own:1', 'own:2']);
    assert.ok((sim.disk.use()?.usedPercent ?? 100) < 75);
    for (const kept of ['loaded:1', 'app:1', 'app:2', 'db:1', 'own:3', 'own:4'])
      assert.ok(has(sim, kept), `${kept} is there`);
    const events = sim.agent.events(0).filter(({ message }) => message === 'image removed');
    assert.match(events[0]?.detail ?? '', /own:1/);
    assert.match(events[0]?.cause ?? '', /unused for .* the disk is 86 % full/);
    await sim.settle();
  },
  DISK,
);

simulation(
  'what is young, stopped, tagged by hand, or there before, stays also on a full disk',
  async (sim) => {
    const staged = image('image-of-staged:1', { sizeBytes: 50 * MB });
    sim.world.setTag('elsewhere/staged:1', staged);
    sim.start();
    await roll(sim, 'stopped:1');
    sim.byHand.addForeign('somebody', { spec: { image: 'stopped:1' }, start: false });
    await roll(sim, 'named:1');
    sim.byHand.retag('backup:1', sim.offer('named:1'));
    // The same image as one that had been brought under another name.
    await roll(sim, 'staged:1');
    await roll(sim, 'young:1');
    sim.disk.otherBytes = 800 * MB;
    await sim.run(2 * HOUR_MS);
    await roll(sim, 'app:1');
    // The version before the present one is kept to go back to.
    await roll(sim, 'app:2');
    await sim.run(HOUR_MS - 120_000);
    assert.deepEqual(removals(sim), []);
    await sim.run(600_000);
    assert.deepEqual(removals(sim), ['young:1']);
    assert.equal(sim.status().disk?.isCollecting, true, 'it still is too full, and says so');
    const { images, kept } = await sim.agent.collectGarbage(true);
    assert.deepEqual(images, []);
    assert.deepEqual(
      kept.map(({ name, why }) => `${name}: ${why}`),
      ['named:1: somebody named it backup:1', 'stopped:1: container somebody was made of it'],
    );
  },
  DISK,
);

simulation(
  'a pull that waits for room is given the room of unused images, below the threshold too',
  async (sim) => {
    sim.start();
    await roll(sim, 'own:1', 200 * MB);
    await roll(sim, 'own:2', 200 * MB);
    await sim.run(2 * HOUR_MS);
    sim.disk.otherBytes = 300 * MB;
    await roll(sim, 'own:3', 300 * MB);
    assert.deepEqual(removals(sim), ['own:1']);
    assert.equal(sim.box('web').imageRef, 'own:3');
  },
  DISK,
);

simulation(
  'what the agent pulled is known after SIGKILL, its age counts anew, and an idle agent writes nothing',
  async (sim) => {
    sim.start();
    await roll(sim, 'own:1');
    await roll(sim, 'own:2');
    await sim.run(50 * 60_000);
    const { writes } = sim.store;
    const { callCount } = sim.engine;
    await sim.run(9 * 60_000);
    assert.equal(sim.store.writes, writes);
    assert.ok(sim.engine.callCount - callCount <= 12, 'only the looks');
    await sim.restartAgent('crash');
    sim.disk.otherBytes = 800 * MB;
    await sim.run(50 * 60_000);
    assert.deepEqual(removals(sim), []);
    await sim.run(20 * 60_000);
    assert.deepEqual(removals(sim), ['own:1']);
    assert.doesNotMatch(sim.store.disk.get('memory') ?? '', /own:1/, 'it is not remembered any more');
  },
  DISK,
);

simulation(
  'a dry run changes nothing and says what would go; asked for, it goes however empty the disk is',
  async (sim) => {
    sim.start();
    await roll(sim, 'own:1');
    await roll(sim, 'own:2');
    await roll(sim, 'own:3');
    // The version before the present one is kept to go back to.
    await roll(sim, 'own:4');
    const early = await sim.agent.collectGarbage(true);
    assert.deepEqual(early.images, []);
    assert.match(early.kept.map(({ why }) => why).join('; '), /less than 1h/);
    await sim.run(2 * HOUR_MS);
    const { seq } = sim.mark();
    const dry = await sim.agent.collectGarbage(true);
    assert.deepEqual(
      dry.images.map(({ name, sizeBytes }) => [name, sizeBytes]),
      [
        ['own:1', 100 * MB],
        ['own:2', 100 * MB],
      ],
    );
    await sim.run(HOUR_MS);
    sim.expectMutations(seq, []);
    sim.engine.fail({
      code: 'ENGINE_FAILED',
      when: ({ kind, target }) => kind === 'removeImage' && target === 'own:2',
    });
    let report: Awaited<ReturnType<typeof sim.agent.collectGarbage>> | undefined;
    void sim.agent.collectGarbage(false).then((answer) => {
      report = answer;
    });
    await sim.until(() => report !== undefined, 'it answers', 30_000);
    assert.deepEqual(
      report?.images.map(({ name }) => name),
      ['own:1'],
    );
    assert.deepEqual(
      report?.failed.map(({ name }) => name),
      ['own:2'],
    );
    assert.ok(!has(sim, 'own:1') && has(sim, 'own:2'));
    await sim.settle();
  },
  DISK,
);

simulation(
  'while the engine is away a collection is refused at once, in words',
  async (sim) => {
    sim.deploy(web('app:1'));
    sim.start();
    await sim.settle();
    sim.engine.outage();
    await sim.until(() => sim.status().engine.state === 'away', 'it is away');
    await assert.rejects(sim.agent.collectGarbage(false), {
      code: 'GC_IMPOSSIBLE',
      message: /cannot be reached/,
    });
  },
  DISK,
);

simulation(
  'an image that an Always pull has replaced goes too, by its id',
  async (sim) => {
    sim.start();
    await roll(sim, 'own:1');
    const first = sim.world.findImage('own:1')?.id;
    sim.engine.registry.set(normalReference('own:1'), { image: image('newer', { sizeBytes: 100 * MB }) });
    sim.deploy(
      deployment('web', [{ name: 'web', image: 'own:1', pullPolicy: 'Always', labels: { v: '2' } }]),
    );
    await sim.settle();
    assert.notEqual(sim.box('web').image.id, first);
    sim.disk.otherBytes = 800 * MB;
    await sim.run(2 * HOUR_MS);
    assert.deepEqual(
      sim.engine.calls.filter(({ kind }) => kind === 'removeImage').map(({ id }) => id),
      [first],
    );
    await sim.expectQuiet();
  },
  DISK,
);
