import assert from 'node:assert/strict';
import { parseWindows, type Window } from '../../src/model/window.ts';
import type { WindowSettings } from '../../src/reconcile/update-windows.ts';
import { image } from '../fakes/engine-types.ts';
import { type DeploymentInput, deployment } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

function windows(text: string): readonly Window[] {
  const parsed = parseWindows([text]);
  assert.ok(parsed.ok);
  return parsed.windows;
}

/** Simulated time begins on 2026-03-01, a Sunday, at 12:00 UTC. */
const NIGHT = windows('daily 22:00-23:00 UTC');
const HOUR_MS = 3_600_000;

const web = (ref: string, input: DeploymentInput = {}) =>
  deployment('web', [{ name: 'web', image: ref }], input);

function windowed(
  title: string,
  settings: WindowSettings,
  body: (sim: Harness) => Promise<void>,
  images?: readonly string[],
): void {
  simulation(title, body, { settings: { windows: settings }, ...(images === undefined ? {} : { images }) });
}

/** Starts the agent, whose first version proves good. */
async function proven(sim: Harness, document = web('app:1')): Promise<string> {
  sim.deploy(document);
  sim.start();
  await sim.settle();
  await sim.run(10_000);
  return sim.world.byName('web')?.id ?? '';
}

const timeOf = (sim: Harness) => new Date(sim.clock.now()).toISOString().slice(11, 16);

windowed('a new version waits for its window, its image does not', { update: NIGHT }, async (sim) => {
  const id = await proven(sim);
  sim.offer('app:9');
  sim.deploy(web('app:9', { generation: 2 }));
  await sim.run(HOUR_MS);
  assert.equal(sim.box('web').id, id);
  assert.ok(sim.world.findImage('app:9') !== undefined, 'the image is there before the window opens');
  const { phase, ready, waiting } = sim.report('web');
  assert.deepEqual([phase, ready, waiting.length], ['Reconciling', 1, 1]);
  assert.match(
    waiting[0]?.message ?? '',
    /^generation 2 \(spec \w{8}\) waits since 2026-03-01T12:00:\d\dZ for the update window \(daily 22:00-23:00 UTC\); colonies-edge retry web does not wait$/,
  );
  assert.deepEqual(
    [waiting[0]?.reason, waiting[0]?.nextTryAt, sim.status().converged],
    ['OutsideWindow', '2026-03-01T22:00:00Z', false],
  );
  await sim.settle(10 * HOUR_MS);
  assert.equal(timeOf(sim), '22:00');
});

windowed('what is lost meanwhile comes back at once, as it was', { update: NIGHT }, async (sim) => {
  const id = await proven(sim);
  sim.directory.write('web.json', web('app:2'));
  await sim.run(60_000);
  sim.byHand.kill('web');
  await sim.until(() => sim.isRunning('web'), 'started again', 5_000);
  assert.equal(sim.box('web').id, id);
  sim.byHand.remove('web');
  await sim.until(() => sim.isRunning('web'), 'made anew', 5_000);
  assert.equal(sim.box('web').imageRef, 'app:1', 'the version that waits is not brought in through a loss');
  sim.byHand.removeImage('app:1');
  sim.byHand.remove('web');
  sim.offer('app:1');
  await sim.until(() => sim.isRunning('web'), 'pulled and made anew', 30_000);
  assert.equal(sim.box('web').imageRef, 'app:1');
  sim.byHand.recreate('web', { env: { CHANGED: 'by hand' } });
  await sim.until(
    () => sim.isRunning('web') && !('CHANGED' in sim.box('web').spec.env),
    'a change by hand is undone',
    60_000,
  );
  await sim.restartAgent();
  await sim.run(HOUR_MS);
  assert.equal(sim.box('web').imageRef, 'app:1', 'it waits over a restart too');
});

/** The simulated wall clock is set; monotonic time goes on. */
function setClock(sim: Harness, iso: string): void {
  sim.clock.jumpWall(Date.parse(iso) - sim.clock.now());
}

const GATED = { update: { healthyAfter: '10m' } };

/** A new version begins a minute before its window closes. */
async function beginLate(sim: Harness): Promise<void> {
  await proven(sim, web('app:1', GATED));
  await sim.run(600_000);
  setClock(sim, '2026-03-02T22:59:00Z');
  sim.directory.write('web.json', web('app:2', GATED));
  await sim.until(() => sim.world.boxes.size === 2 && sim.isRunning('web'), 'begun', 50_000);
  await sim.run(5 * 60_000);
}

windowed('what has begun when the window closes is carried to its end', { update: NIGHT }, async (sim) => {
  await beginLate(sim);
  await sim.restartAgent();
  sim.goal.want(web('app:2', GATED));
  await sim.settle(HOUR_MS);
  assert.equal(timeOf(sim), '23:09');
});

windowed('and goes back at any time when it fails', { update: NIGHT }, async (sim) => {
  await beginLate(sim);
  const next = [...sim.world.boxes.values()].find(({ imageRef }) => imageRef === 'app:2');
  sim.byHand.crash(next?.name ?? '');
  await sim.until(() => sim.waits('web').includes('RolledBack'), 'rolled back', 60_000);
  await sim.until(() => sim.world.boxes.size === 1 && sim.isRunning('web'), 'back', 60_000);
  assert.equal(sim.box('web').imageRef, 'app:1');
});

windowed('an operator goes back at any time', { update: NIGHT }, async (sim) => {
  await proven(sim);
  setClock(sim, '2026-03-01T22:10:00Z');
  sim.directory.write('web.json', web('app:2'));
  await sim.until(() => sim.isRunning('web') && sim.box('web').imageRef === 'app:2', 'changed', 30_000);
  await sim.run(10_000);
  setClock(sim, '2026-03-02T12:00:00Z');
  assert.ok(sim.agent.commandRollout('rollback', 'web').ok);
  await sim.until(() => sim.isRunning('web') && sim.box('web').imageRef === 'app:1', 'back', 30_000);
});

windowed(
  'images come in their window; what heals is pulled at any time',
  { download: NIGHT },
  async (sim) => {
    sim.offer('app:8');
    const other = deployment('other', [{ name: 'other', image: 'app:8' }]);
    sim.directory.write('other.json', other);
    sim.deploy(web('app:1'));
    sim.start();
    await sim.until(() => sim.goal.met(), 'what has its image starts', 10_000);
    await sim.run(10_000);
    assert.equal(sim.world.findImage('app:8'), undefined, 'a first start waits for its image');
    assert.deepEqual([sim.report('other').phase, sim.waits('other')], ['Pending', ['OutsideWindow']]);
    sim.offer('app:9');
    const { id } = sim.box('web');
    const limited = deployment('web', [
      { name: 'web', image: 'app:9' },
      { name: 'side', image: 'app:2' },
    ]);
    sim.directory.write('web.json', limited);
    await sim.run(HOUR_MS);
    assert.equal(sim.world.findImage('app:9'), undefined);
    assert.equal(sim.world.byName('side'), undefined, 'all of a version waits for all of its images');
    assert.match(
      sim.report('web').waiting[0]?.message ?? '',
      /, for its images for the download window \(daily 22:00-23:00 UTC\)/,
    );
    sim.byHand.removeImage('app:1');
    sim.byHand.remove('web');
    sim.offer('app:1');
    await sim.until(() => sim.isRunning('web'), 'healed, with its image', 30_000);
    assert.equal(sim.box('web').imageRef, 'app:1');
    assert.notEqual(sim.box('web').id, id);
    sim.goal.want(limited);
    sim.goal.want(other);
    await sim.settle(10 * HOUR_MS);
    assert.equal(timeOf(sim), '22:00');
  },
);

windowed(
  'a download window and an update window that never meet: pulled in one, replaced in the other',
  { download: windows('daily 02:00-03:00 UTC'), update: NIGHT },
  async (sim) => {
    await proven(sim);
    sim.offer('app:9');
    const next = deployment('web', [{ name: 'web', image: 'app:9', pullPolicy: 'Always' }]);
    sim.deploy(next);
    await sim.run(14 * HOUR_MS - 60_000);
    assert.equal(sim.world.findImage('app:9'), undefined);
    assert.equal(sim.waits('web').length, 2);
    const { seq } = sim.mark();
    await sim.run(HOUR_MS);
    assert.deepEqual(sim.mutations(seq), ['pullImage app:9'], 'once, and not again and again');
    await sim.until(() => sim.goal.met(), 'replaced', 24 * HOUR_MS);
    assert.equal(timeOf(sim), '22:00');
    sim.expectMutations(sim.mark(), []);
  },
);

windowed(
  'retry: this version goes now, also after a restart',
  { update: NIGHT, download: NIGHT },
  async (sim) => {
    sim.deploy(web('app:1'));
    await proven(sim);
    sim.offer('app:9', { takesMs: 600_000 });
    sim.deploy(web('app:9'));
    await sim.run(HOUR_MS);
    assert.equal(sim.world.findImage('app:9'), undefined);
    assert.match(sim.agent.commandRollout('retry', 'web').text, /is tried now, and waits for no window$/);
    await sim.run(60_000);
    await sim.restartAgent();
    await sim.settle(HOUR_MS);
    assert.equal(sim.box('web').imageRef, 'app:9');
    sim.directory.write('web.json', web('app:2'));
    await sim.run(HOUR_MS);
    assert.equal(sim.box('web').imageRef, 'app:9', 'the next version waits again');
  },
);

windowed("a blueprint's own windows count in the place of the node's", { update: NIGHT }, async (sim) => {
  await proven(sim);
  const own = { update: { windows: { update: ['daily 13:00-13:10 UTC'] } } } as DeploymentInput;
  sim.deploy(web('app:2', own));
  await sim.settle(2 * HOUR_MS);
  assert.equal(timeOf(sim), '13:00');
  sim.deploy(web('app:1', { update: { windows: { update: 'always' } } } as unknown as DeploymentInput));
  await sim.settle(60_000);
});

const NEXT_YEAR = Date.parse('2027-01-01T00:00:00Z');

windowed(
  'a clock that cannot be right opens no window, until it is set',
  { update: windows('daily 00:00-23:59 UTC'), clockFrom: NEXT_YEAR },
  async (sim) => {
    const id = await proven(sim);
    sim.directory.write('web.json', web('app:2'));
    await sim.run(3 * HOUR_MS);
    assert.equal(sim.box('web').id, id);
    const [waiting] = sim.report('web').waiting;
    assert.deepEqual([waiting?.reason, waiting?.nextTryAt], ['ClockNotSet', undefined]);
    assert.match(
      waiting?.message ?? '',
      /until the clock is set, for the update window: it shows 2026-03-01T1[45]:.*, before this program was built \(2027-01-01/,
    );
    sim.goal.want(web('app:2'));
    setClock(sim, '2027-03-01T12:00:00Z');
    const tookMs = await sim.settle();
    assert.ok(tookMs < 20_000, `long before the next regular look, took ${tookMs} ms`);
  },
);

windowed('a clock that is set is noticed, into the window and out of it', { update: NIGHT }, async (sim) => {
  const id = await proven(sim);
  sim.directory.write('web.json', web('app:2'));
  await sim.run(60_000);
  setClock(sim, '2026-03-01T21:00:00Z');
  await sim.run(60_000);
  assert.deepEqual([sim.box('web').id, sim.waits('web')], [id, ['OutsideWindow']]);
  setClock(sim, '2026-03-01T10:00:00Z');
  await sim.run(60_000);
  assert.equal(sim.report('web').waiting[0]?.nextTryAt, '2026-03-01T22:00:00Z');
  sim.goal.want(web('app:2'));
  setClock(sim, '2026-03-01T22:30:00Z');
  assert.ok((await sim.settle()) < 20_000);
});

windowed('limits wait, replicas do not, and what is removed goes', { update: NIGHT }, async (sim) => {
  const three = (replicas: number, memory: string) =>
    deployment('web', [{ name: 'web', resources: { memory } }], { replicas });
  await proven(sim, three(2, '64Mi'));
  const before = [...sim.world.boxes.keys()];
  sim.deploy(three(3, '64Mi'));
  await sim.settle(60_000);
  assert.deepEqual([...sim.world.boxes.keys()].slice(0, 2), before);
  await sim.run(10_000);
  const { seq } = sim.mark();
  sim.directory.write('web.json', three(3, '128Mi'));
  await sim.run(HOUR_MS);
  sim.expectMutations(seq, []);
  assert.deepEqual(sim.waits('web'), ['OutsideWindow']);
  sim.directory.write('web.json', three(0, '128Mi'));
  await sim.until(() => sim.world.boxes.size === 0, 'none are wanted', 60_000);
});

windowed('an image that has moved is a new version', { update: NIGHT }, async (sim) => {
  const id = await proven(sim);
  sim.byHand.retag('app:1', image('another-one'));
  await sim.run(HOUR_MS);
  assert.deepEqual([sim.box('web').id, sim.waits('web')], [id, ['OutsideWindow']]);
  sim.byHand.kill('web');
  await sim.until(() => sim.isRunning('web'), 'healed', 5_000);
  assert.equal(sim.box('web').id, id);
  const isOther = () => sim.isRunning('web') && sim.box('web').id !== id;
  await sim.until(isOther, 'replaced', 12 * HOUR_MS);
  assert.equal(timeOf(sim), '22:00');
});

windowed('where no version is known as good, what runs still waits', { update: NIGHT }, async (sim) => {
  sim.deploy(web('app:1'));
  sim.start();
  await sim.settle();
  const { id } = sim.box('web');
  sim.directory.write('web.json', web('app:2'));
  await sim.run(HOUR_MS);
  assert.deepEqual([sim.box('web').id, sim.waits('web')], [id, ['OutsideWindow']]);
  assert.match(sim.report('web').waiting[0]?.message ?? '', /^another version waits for the update window/);
  sim.goal.want(web('app:2'));
  await sim.settle(12 * HOUR_MS);
});
