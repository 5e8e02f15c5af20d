import assert from 'node:assert/strict';
import type { ForceResult, Link, LinkHost } from '../../src/model/link.ts';
import { image, normalReference } from '../fakes/engine-types.ts';
import { sampleLinkStatus } from '../fakes/link-status.ts';
import { deployment } from './blueprints.ts';
import { type Harness, type HarnessOptions, simulation } from './harness.ts';

/** A link that does nothing but hand out its host. */
class HostLink implements Link {
  host: LinkHost | undefined;

  run(host: LinkHost, signal: AbortSignal): Promise<void> {
    this.host = host;
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }

  reading: Link['reading'] = () => ({ listings: 0, blueprints: [], gone: new Map(), claims: new Map() });
  status: Link['status'] = () => sampleLinkStatus();
  refresh: Link['refresh'] = () => undefined;
  confirmRemoval: Link['confirmRemoval'] = () => [];
  setLinkClass: Link['setLinkClass'] = () => undefined;
  close: Link['close'] = async () => undefined;
}

const TWO = deployment('web', [{ name: 'web-a' }, { name: 'web-b', image: 'app:2' }]);

interface Forced extends Harness {
  force(blueprint?: string): { result: ForceResult | undefined };
}

/** A simulation whose blueprint `web` of two images runs, with both images at a registry. */
function forced(
  title: string,
  body: (sim: Forced) => Promise<void>,
  settings: HarnessOptions['settings'] = {},
): void {
  const link = new HostLink();
  simulation(
    title,
    async (base) => {
      const sim = Object.assign(base, {
        force(blueprint = 'web') {
          const seen: { result: ForceResult | undefined } = { result: undefined };
          void link.host?.force(blueprint, new AbortController().signal).then((result) => {
            seen.result = result;
          });
          return seen;
        },
      });
      publish(sim, 'app:1', 'one');
      publish(sim, 'app:2', 'two');
      sim.deploy(TWO);
      sim.start();
      await sim.settle();
      await body(sim);
    },
    { link, settings },
  );
}

function publish(
  sim: Harness,
  reference: string,
  id: string,
  pull: { takesMs?: number; code?: string } = {},
) {
  sim.engine.registry.set(normalReference(reference), { image: image(id), ...pull });
}

const ids = (sim: Harness) => ['web-a', 'web-b'].map((name) => sim.box(name).id);
const pulls = (sim: Harness, seq: number) =>
  sim.mutations(seq).filter((call) => call.startsWith('pullImage'));

forced('a forced run pulls everything anew, says so, then replaces each container once', async (sim) => {
  const before = ids(sim);
  const { seq } = sim.mark();
  const forcing = sim.force();
  await sim.until(() => forcing.result !== undefined, 'the replacement begins', 60_000);
  assert.deepEqual(forcing.result, { ok: true, text: '2 images pulled, replacing web-a, web-b' });
  await sim.settle();
  const after = ids(sim);
  assert.equal(before.filter((id) => after.includes(id)).length, 0, 'both are new');
  assert.equal(sim.box('web-a').image.id, image('one').id);
  assert.deepEqual(pulls(sim, seq).sort(), ['pullImage app:1', 'pullImage app:2']);
  const calls = sim.mutations(seq);
  assert.equal(calls.filter((call) => call.startsWith('createContainer')).length, 2);
  await sim.expectQuiet();
  assert.deepEqual(ids(sim), after);
});

forced('the same images again: the containers are replaced all the same', async (sim) => {
  sim.force();
  await sim.run(60_000);
  await sim.settle();
  const before = ids(sim);
  const forcing = sim.force();
  await sim.until(() => forcing.result?.ok === true, 'the replacement begins', 60_000);
  await sim.settle();
  assert.equal(ids(sim).filter((id) => before.includes(id)).length, 0);
});

forced('a pull that fails ends it before anything is touched, for good and over a restart', async (sim) => {
  const before = ids(sim);
  publish(sim, 'app:2', 'two', { takesMs: 30_000, code: 'IMAGE_NOT_FOUND' });
  const forcing = sim.force();
  await sim.until(() => forcing.result !== undefined, 'it is given up', 120_000);
  assert.equal(forcing.result?.ok, false);
  assert.match(forcing.result?.text ?? '', /^image app:2 could not be pulled .*; nothing was touched$/);
  assert.equal(sim.world.findImage('app:1')?.id, image('one').id, 'the other image has moved on');
  const { seq } = sim.mark();
  await sim.run(600_000);
  assert.deepEqual(ids(sim), before);
  await sim.restartAgent('stop');
  await sim.run(600_000);
  await sim.restartAgent('crash');
  await sim.run(600_000);
  assert.deepEqual(ids(sim), before);
  sim.expectMutations(seq, []);
  sim.byHand.kill('web-a');
  await sim.until(() => sim.isRunning('web-a'), 'healed', 5_000);
  assert.deepEqual(ids(sim), before);
  sim.byHand.retag('app:1', image('three'));
  await sim.until(
    () => !sim.world.boxes.has(before[0] ?? ''),
    'a later change of the image is taken over',
    60_000,
  );
});

forced('while it pulls for an hour, killed and lost containers are healed at once', async (sim) => {
  publish(sim, 'app:2', 'two', { takesMs: 3_600_000 });
  const forcing = sim.force();
  await sim.run(60_000);
  const before = ids(sim);
  sim.byHand.kill('web-b');
  await sim.until(() => sim.isRunning('web-b'), 'healed', 5_000);
  assert.deepEqual(ids(sim), before);
  sim.byHand.remove('web-b');
  await sim.until(() => sim.world.byName('web-b')?.state === 'running', 'made again', 5_000);
  assert.equal(sim.box('web-a').id, before[0]);
  await sim.until(() => forcing.result?.ok === true, 'the replacement begins', 3_700_000);
  await sim.settle();
  assert.notEqual(sim.box('web-a').id, before[0]);
});

forced('a new container that does not stay up goes again, and the one before runs on', async (sim) => {
  publish(sim, 'app:1', 'image-of-app:1');
  publish(sim, 'app:2', 'image-of-app:2');
  const before = ids(sim);
  const stop = sim.engine.fail({
    code: 'PORT_CONFLICT',
    times: 100,
    when: ({ kind, target }) => kind === 'startContainer' && target.includes('.next-'),
  });
  const forcing = sim.force();
  await sim.until(() => forcing.result?.ok === true, 'the replacement begins', 60_000);
  await sim.settle();
  assert.deepEqual(ids(sim), before, 'both old ones run again');
  const failed = sim.engine.calls.filter(({ kind, result }) => kind === 'startContainer' && result !== 'ok');
  assert.equal(failed.length, 2);
  stop();
  await sim.run(1_200_000);
  assert.deepEqual(ids(sim), before, 'it is not tried again');
  await sim.expectQuiet();
});

forced('what is not in force, or cannot be reached, is said at once', async (sim) => {
  const unknown = sim.force('other');
  await sim.run(100);
  assert.deepEqual(unknown.result, {
    ok: false,
    text: 'other is not in force on this node; nothing was touched',
  });
  sim.engine.outage();
  await sim.run(5_000);
  const away = sim.force();
  await sim.run(100);
  assert.match(away.result?.text ?? '', /^the engine cannot be reached .*; nothing was touched$/);
});

forced(
  'two that ask at the same time get one run; a restart forgets it, and who asks again gets it',
  async (sim) => {
    publish(sim, 'app:2', 'two', { takesMs: 30_000 });
    const { seq } = sim.mark();
    const [first, second] = [sim.force(), sim.force()];
    await sim.until(() => first.result !== undefined && second.result !== undefined, 'begun', 60_000);
    assert.equal(pulls(sim, seq).length, 2);
    await sim.settle();
    sim.force();
    await sim.run(5_000);
    await sim.restartAgent();
    await sim.run(1_000);
    const before = ids(sim);
    const again = sim.force();
    await sim.until(() => again.result?.ok === true, 'begun again', 120_000);
    await sim.settle();
    assert.equal(ids(sim).filter((id) => before.includes(id)).length, 0);
  },
);

forced('one that crashes again and again goes too', async (sim) => {
  publish(sim, 'app:1', 'image-of-app:1');
  publish(sim, 'app:2', 'image-of-app:2');
  const before = ids(sim);
  sim.force();
  const fresh = () => [...sim.world.boxes.values()].filter(({ name }) => name.includes('.next-'));
  for (let round = 0; round < 200; round += 1) {
    for (const { name, state } of fresh()) if (state === 'running') sim.byHand.crash(name, 3);
    await sim.run(50);
  }
  await sim.settle();
  assert.deepEqual(ids(sim), before);
});

forced('a forced run pulls, and waits for a lock with its replacements', async (sim) => {
  const before = sim.box('web-a').id;
  const mark = sim.mark();
  const lock = { command: 'lock', name: 'web', owner: 'root', reason: '', ttlMs: 300_000 } as const;
  assert.equal(sim.agent.commandLock(lock).ok, true);
  sim.force();
  await sim.run(120_000);
  assert.deepEqual(sim.mutations(mark), ['pullImage app:1', 'pullImage app:2']);
  assert.equal(sim.box('web-a').id, before);
  await sim.settle();
  assert.notEqual(sim.box('web-a').id, before);
});
const NIGHT = { days: [0, 1, 2, 3, 4, 5, 6], fromMinute: 22 * 60, toMinute: 23 * 60, utc: true } as const;

forced(
  'a forced run is the word of the server: it waits for no window, and brings the version that waits for one',
  async (sim) => {
    await sim.run(10_000);
    const { id } = sim.box('web-b');
    const next = deployment('web', [
      { name: 'web-a', image: 'app:2' },
      { name: 'web-b', image: 'app:2' },
    ]);
    sim.deploy(next);
    await sim.run(60_000);
    assert.deepEqual([sim.box('web-a').imageRef, sim.waits('web')], ['app:1', ['OutsideWindow']]);
    const forced = sim.force();
    await sim.settle(120_000);
    assert.equal(forced.result?.ok, true);
    assert.equal(sim.box('web-a').imageRef, 'app:2');
    assert.notEqual(sim.box('web-b').id, id);
  },
  { windows: { update: [NIGHT], download: [NIGHT] } },
);
