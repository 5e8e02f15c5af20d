import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listingEveryMs } from '../../../src/link/rule-listing.ts';

const MINUTE = 60_000;

test('a small colony is listed every 5 minutes, and every 30 on a metered link', () => {
  for (const bytes of [0, 1_000, 18_000]) {
    assert.equal(listingEveryMs('normal', bytes), 5 * MINUTE);
    assert.equal(listingEveryMs('metered', bytes), 30 * MINUTE);
  }
});

test('a larger one is listed more rarely, so that listings stay within 300 and 36 kB an hour', () => {
  assert.equal(listingEveryMs('normal', 35_000), 7 * MINUTE);
  assert.equal(listingEveryMs('metered', 27_000), 45 * MINUTE);
});

test('however large it is, twice the usual time is the longest', () => {
  assert.equal(listingEveryMs('normal', 5_000_000), 10 * MINUTE);
  assert.equal(listingEveryMs('metered', 5_000_000), 60 * MINUTE);
});
