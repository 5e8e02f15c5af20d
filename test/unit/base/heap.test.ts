import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { type Heap, HeapKeeper } from '../../../src/base/heap.ts';

const MIB = 2 ** 20;

function setup() {
  let monoMs = 1_000;
  let usedBytes = 15 * MIB;
  let collections = 0;
  const heap: Heap = {
    usedBytes: () => usedBytes,
    collect: () => {
      collections += 1;
      usedBytes = 10 * MIB;
    },
  };
  const keeper = new HeapKeeper({ ...systemClock, monoMs: () => monoMs }, heap);
  /** Collections that a quiet moment leads to, after so much time and with so much in use. */
  const quiet = (afterMs: number, mib: number): number => {
    monoMs += afterMs;
    usedBytes = mib * MIB;
    const before = collections;
    keeper.tidy();
    return collections - before;
  };
  return { quiet };
}

test('a start is not slowed down, and what it left behind is collected in the first quiet moment later', () => {
  const { quiet } = setup();
  assert.equal(quiet(0, 15), 0);
  assert.equal(quiet(29_999, 15), 0);
  assert.equal(quiet(1, 15), 1);
});

test('little garbage lies, much is collected, and never twice within half a minute', () => {
  const { quiet } = setup();
  quiet(30_000, 15);
  assert.equal(quiet(3_600_000, 12.9), 0, 'less than 3 MiB more than there has to be');
  assert.equal(quiet(0, 13), 1);
  assert.equal(quiet(10_000, 40), 0);
  assert.equal(quiet(20_000, 40), 1);
});

test('the collector of this process frees what nobody holds', () => {
  let monoMs = 0;
  const keeper = new HeapKeeper({ ...systemClock, monoMs: () => monoMs });
  let ballast: object[] | undefined = Array.from({ length: 200_000 }, (_, index) => ({ index }));
  const { heapUsed: full } = process.memoryUsage();
  assert.equal(ballast.length, 200_000);
  ballast = undefined;
  monoMs = 30_000;
  keeper.tidy();
  const freed = full - process.memoryUsage().heapUsed;
  assert.ok(freed > 5 * MIB, `${freed} bytes are free now`);
});
