import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdMs } from '../../../src/link/rule-process.ts';

const holds = (linkClass: 'normal' | 'metered', random = 0) =>
  Array.from({ length: 22 }, (_, before) => holdMs(before, linkClass, random) / 1000);

/** A quarter of an hour's. */
const CLOSED = new Array(15).fill(0);

test("a schedule's first processes are not held, the next ones twice as long each time, up to 10 minutes", () => {
  assert.deepEqual(holds('normal'), [...CLOSED, 60, 120, 240, 480, 600, 600, 600]);
  assert.equal(holdMs(100_000, 'normal', 0), 600_000);
});

test('on a metered link they are held for four hours', () => {
  assert.deepEqual(holds('metered'), [0, 0, ...new Array(20).fill(14_400)]);
});

test('jitter makes it shorter, and never longer', () => {
  assert.deepEqual(holds('normal', 1).slice(13, 17), [0, 0, 54, 108]);
});
