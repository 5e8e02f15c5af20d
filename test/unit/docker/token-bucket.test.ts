import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenBucket } from '../../../src/docker/token-bucket.ts';

/** Milliseconds until everybody in turn has had so many pieces, each asking for the next when it has its own. */
function run(bucket: TokenBucket, takers: number, pieces: number, bytes: number): number[] {
  const free = Array.from({ length: takers }, () => 1_000);
  for (let piece = 0; piece < pieces * takers; piece += 1) {
    const at = Math.min(...free);
    const taker = free.indexOf(at);
    free[taker] = at + bucket.take(bytes, at);
  }
  return free.map((at) => at - 1_000);
}

test('what is taken passes at the rate, after a tenth of a second of it at once', () => {
  const bucket = new TokenBucket(10_000);
  assert.equal(bucket.take(1_000, 0), 0);
  assert.equal(bucket.take(1_000, 0), 100);
  assert.equal(bucket.take(1_000, 100), 100);
  assert.deepEqual(run(new TokenBucket(10_000), 1, 100, 1_000), [9_900]);
});

test('a pause saves up no more than a tenth of a second', () => {
  const bucket = new TokenBucket(10_000);
  bucket.take(1_000, 0);
  assert.equal(bucket.take(1_000, 3_600_000), 0);
  assert.equal(bucket.take(1_000, 3_600_000), 100);
});

test('several share one rate, in turn', () => {
  const done = run(new TokenBucket(10_000), 4, 25, 1_000);
  assert.equal(Math.max(...done), 9_900);
  assert.ok(Math.min(...done) >= 9_600, `${done}`);
});

test('a piece is an eighth of a second, within bounds', () => {
  const sizes = [1_000, 80_000, 1e9].map((rate) => new TokenBucket(rate).pieceBytes);
  assert.deepEqual(sizes, [256, 10_000, 65_536]);
});
