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
    sizeOf: async () => ({ compressedBytes: 1, neededBytes: 4 }),
    ...change,
  };
}

const pulledBy = async (disk: EngineDisk, ref = 'app:1') =>
  (await new PullGuard(disk, silentLogger).pull(ref, signal, async () => undefined)).id;

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
      return { compressedBytes: 1, neededBytes };
    },
  });
  await pulledBy(diskOf([], sizes(850, 0)));
  assert.deepEqual(asked.splice(0), [false]);
  await pulledBy(diskOf([], sizes(851, 850)));
  assert.deepEqual(asked.splice(0), [false, true]);
  for (const exact of [851, new Error('no configuration')]) {
    let isPulled = false;
    const guard = new PullGuard(diskOf([], sizes(851, exact)), silentLogger);
    const pull = guard.pull('app:1', signal, async () => {
      isPulled = true;
    });
    await assert.rejects(pull, { code: 'DISK_FULL', retry: 'transient' });
    assert.equal(isPulled, false);
  }
});

test('a failing pull gives its room back', async () => {
  const guard = new PullGuard(
    diskOf([], { sizeOf: async () => ({ compressedBytes: 1, neededBytes: 800 }) }),
    silentLogger,
  );
  for (let round = 0; round < 3; round += 1)
    await assert.rejects(
      guard.pull('app:1', signal, () => Promise.reject(new Error('broken'))),
      { message: 'broken' },
    );
});
