import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../../src/base/log.ts';
import type { DiskUse, StockImage } from '../../../src/model/disk.ts';
import type { EngineDisk } from '../../../src/model/ports.ts';
import { PullGuard } from '../../../src/reconcile/pull-guard.ts';
import { PulledImages } from '../../../src/reconcile/pulled-images.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { blueprintOf, containerFor, imageOf, observedOf } from '../../fakes/planning.ts';

const signal = new AbortController().signal;
const [service = assert.fail()] = blueprintOf('web').services;
const ID = imageOf('app:1').id;
const stock = (id: string, ...tags: string[]): StockImage => ({ id, tags, digests: [], sizeBytes: 1 });
const used = observedOf({
  containers: [containerFor(service)],
  images: new Map(),
  stock: [stock(ID, 'app:1')],
});
const unused = observedOf({ images: new Map(), stock: [stock(ID, 'app:1')] });

test('what is remembered changes when an image goes out of use or is used again, and not with time', async () => {
  const clock = new ManualClock();
  const images = new PulledImages(clock);
  images.add(ID, 'app:1');
  images.review(used);
  const first = images.save();
  await clock.advance(1_000_000);
  images.review(used);
  assert.deepEqual(images.save(), first);
  images.review(unused);
  const second = images.save();
  assert.deepEqual(second, [{ ...first[0], lastUsedAt: clock.now() }]);
  await clock.advance(1_000_000);
  images.review(unused);
  assert.deepEqual(images.save(), second);
  assert.equal(clock.monoMs() - (images.view()[0]?.unusedSinceMs ?? 0), 1_000_000);
  images.review(used);
  assert.deepEqual(images.save(), first);
  assert.equal(images.view()[0]?.unusedSinceMs, undefined);
});

test('after a restart the last use is known and the age counts anew', async () => {
  const clock = new ManualClock();
  const images = new PulledImages(clock);
  const saved = [{ id: ID, refs: ['app:1'], pulledAt: 1, lastUsedAt: 2 }];
  images.load(saved);
  images.review(unused);
  assert.deepEqual(images.save(), saved);
  assert.equal(images.view()[0]?.unusedSinceMs, clock.monoMs());
});

test('an unknown stock forgets nothing, an image that is gone is forgotten', () => {
  const images = new PulledImages(new ManualClock());
  images.add(ID, 'app:1');
  const { stock: _stock, ...unknown } = unused;
  images.review(unknown);
  assert.equal(images.has(ID), true);
  images.review({ ...unused, stock: [] });
  assert.equal(images.has(ID), false);
});

test('what is remembered is bounded, and one image has all its references', () => {
  const images = new PulledImages(new ManualClock());
  for (let index = 0; index < 600; index += 1) images.add(`sha256:${index}`, 'app:1');
  assert.equal(images.save().length, 500);
  images.add('sha256:0', 'also:1');
  assert.deepEqual(images.view()[0]?.refs, ['also:1', 'app:1']);
});

/** A disk with listings one after the other, and plenty of room unless said otherwise. */
function diskOf(
  listings: readonly (readonly StockImage[] | Error)[],
  change: Partial<EngineDisk> = {},
): EngineDisk {
  const left = [...listings];
  const use: DiskUse = { path: '/d', totalBytes: 1_000, freeBytes: 900, usedPercent: 10 };
  return {
    use: async () => use,
    stock: async () => {
      const next = left.shift() ?? [];
      if (next instanceof Error) throw next;
      return next;
    },
    sizeOf: async () => sizeOf(4),
    ...change,
  };
}

const sizeOf = (neededBytes: number, digest = 'a') => ({
  layers: [{ digest, compressedBytes: 1, neededBytes }],
});

const pulledBy = async (disk: EngineDisk, ref = 'app:1') =>
  (await new PullGuard(disk, silentLogger).pull({ image: ref, together: [] }, signal, async () => undefined))
    .id;

test('a pull brought an image only when it had not been there before, under whatever name', async () => {
  const after = [stock('sha256:a', 'app:1')];
  assert.equal(await pulledBy(diskOf([[], after])), 'sha256:a');
  assert.equal(await pulledBy(diskOf([[stock('sha256:b', 'app:1')], after])), 'sha256:a');
  assert.equal(await pulledBy(diskOf([after, after])), undefined);
  assert.equal(await pulledBy(diskOf([[stock('sha256:a', 'loaded:1')], after])), undefined);
  assert.equal(await pulledBy(diskOf([[], [stock('sha256:a', 'docker.io/library/app:1')]])), 'sha256:a');
  const digest = `app@sha256:${'d'.repeat(64)}`;
  const byDigest = [{ ...stock('sha256:a'), digests: [digest] }];
  assert.equal(await pulledBy(diskOf([[], byDigest]), digest), 'sha256:a');
  assert.equal(await pulledBy(diskOf([[], byDigest]), digest.replace('@', ':1@')), 'sha256:a');
});

test("when a listing fails the image is nobody's, and the pull has gone well", async () => {
  const after = [stock('sha256:a', 'app:1')];
  assert.equal(await pulledBy(diskOf([new Error('away'), after])), undefined);
  assert.equal(await pulledBy(diskOf([[], new Error('away')])), undefined);
});

test('room is what is free without the reserve, and exact sizes are asked for only when it is short', async () => {
  const asked: boolean[] = [];
  const sizes = (all: number, exact: number | Error): Partial<EngineDisk> => ({
    sizeOf: async (_, isExact) => {
      asked.push(isExact);
      const neededBytes = isExact ? exact : all;
      if (neededBytes instanceof Error) throw neededBytes;
      return sizeOf(neededBytes);
    },
  });
  await pulledBy(diskOf([], sizes(850, 0)));
  assert.deepEqual(asked.splice(0), [false]);
  await pulledBy(diskOf([], sizes(851, 850)));
  assert.deepEqual(asked.splice(0), [false, true]);
  for (const exact of [851, new Error('no configuration')]) {
    let isPulled = false;
    const guard = new PullGuard(diskOf([], sizes(851, exact)), silentLogger);
    const pull = guard.pull({ image: 'app:1', together: [] }, signal, async () => {
      isPulled = true;
    });
    await assert.rejects(pull, { code: 'DISK_FULL', retry: 'transient' });
    assert.equal(isPulled, false);
  }
});

test('a failing pull gives its room back', async () => {
  const guard = new PullGuard(diskOf([], { sizeOf: async () => sizeOf(800) }), silentLogger);
  for (let round = 0; round < 3; round += 1)
    await assert.rejects(
      guard.pull({ image: 'app:1', together: [] }, signal, () => Promise.reject(new Error('broken'))),
      { message: 'broken' },
    );
});

/** A guard before a disk with room for 850, where images have these layers: `{ 'app:1': { a: 300, b: 100 } }`. */
function guardOf(images: Record<string, Record<string, number>>, use: Partial<DiskUse> = {}) {
  const disk = diskOf([], {
    use: async () => ({ path: '/d', totalBytes: 1_000, freeBytes: 900, usedPercent: 10, ...use }),
    sizeOf: async (reference) => {
      const layers = Object.entries(images[reference] ?? {});
      if (layers.length === 0) throw new Error('nobody knows');
      return {
        layers: layers.map(([digest, neededBytes]) => ({
          digest,
          compressedBytes: neededBytes,
          neededBytes,
        })),
      };
    },
  });
  const guard = new PullGuard(disk, silentLogger);
  return (
    image: string,
    together: readonly string[] = [],
    pull: () => Promise<void> = async () => undefined,
  ) => guard.pull({ image, together }, signal, pull);
}

test('what a change pulls together must fit together; a layer counts once, an unknown size not at all', async () => {
  const pull = guardOf({ 'a:1': { x: 400, y: 50 }, 'b:1': { x: 400, z: 400 }, 'c:1': { w: 1 } });
  await pull('a:1', ['b:1']);
  await pull('a:1', ['b:1', 'unknown:1']);
  await assert.rejects(pull('a:1', ['b:1', 'c:1']), {
    code: 'DISK_FULL',
    message: /with b:1 and c:1, which the same change has still to pull/,
  });
  await assert.rejects(pull('c:1', ['a:1', 'b:1']), { code: 'DISK_FULL' });
});

test('a pull under way keeps room for itself and the rest of its change, and layers it shares count once', async () => {
  const pull = guardOf({
    'a:1': { x: 300 },
    'b:1': { y: 300 },
    'c:1': { z: 251 },
    'd:1': { x: 300, z: 250 },
  });
  let end: () => void = () => undefined;
  const going = new Promise<void>((resolve) => {
    end = resolve;
  });
  let begun: () => void = () => undefined;
  const hasBegun = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const first = pull('a:1', ['b:1'], () => {
    begun();
    return going;
  });
  await hasBegun;
  await assert.rejects(pull('c:1'), { code: 'DISK_FULL', message: /other pulls need the rest/ });
  await pull('d:1');
  await pull('b:1', ['a:1']);
  end();
  await first;
  await pull('c:1');
});
