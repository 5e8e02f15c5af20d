import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Retry } from '../../../src/link/retry.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { colonyError } from '../../fakes/link-parts.ts';
import { seededRandom } from '../../fakes/random.ts';

/** A source of randomness that always gives the most. */
const most = { next: () => 1 - 2 ** -32, hex: () => '' };

describe('the one retry layer', () => {
  it('doubles its longest wait from 1 s to 5 min, and never gives up', () => {
    const retry = new Retry(new ManualClock(), most);
    const waits = Array.from({ length: 12 }, () => Math.round(retry.failed() / 1000));
    assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    for (let n = 0; n < 10_000; n += 1) retry.failed();
    assert.equal(Math.round(retry.failed() / 1000), 300);
  });

  it('spreads each wait over all of it, so that many do not come together', () => {
    const waits = Array.from({ length: 1_000 }, (_, seed) => {
      const retry = new Retry(new ManualClock(), seededRandom(seed + 1));
      for (let n = 0; n < 11; n += 1) retry.failed();
      return retry.failed();
    });
    for (let part = 0; part < 10; part += 1) {
      const inPart = waits.filter((ms) => ms >= part * 30_000 && ms < (part + 1) * 30_000).length;
      assert.ok(inPart > 60 && inPart < 140, `${inPart} of 1000 in tenth ${part}`);
    }
  });

  it('starts anew after a success that lasted for a minute, not after a shorter one', async () => {
    const clock = new ManualClock();
    const retry = new Retry(clock, most);
    for (let n = 0; n < 5; n += 1) retry.failed();
    retry.succeeded();
    await clock.advance(59_000);
    retry.succeeded();
    assert.equal(Math.round(retry.failed() / 1000), 32);
    retry.succeeded();
    await clock.advance(60_000);
    assert.equal(Math.round(retry.failed() / 1000), 1);
  });

  it('never comes back before the time the server asked for', () =>
    fc.assert(
      fc.property(fc.nat(3_600_000), fc.nat(40), fc.nat(), (retryAfterMs, failures, seed) => {
        const retry = new Retry(new ManualClock(), seededRandom(seed));
        for (let n = 0; n < failures; n += 1) retry.failed();
        const waitMs = retry.failed(colonyError('COLONY_GATEWAY', { retryAfterMs }));
        assert.ok(waitMs > retryAfterMs && waitMs <= retryAfterMs + 300_000);
      }),
    ));

  it('takes no wait from what is no time', () => {
    for (const retryAfterMs of [undefined, Number.NaN, -5, '60000'])
      assert.ok(new Retry(new ManualClock(), most).failed({ retryAfterMs }) <= 1_000);
    assert.ok(new Retry(new ManualClock(), most).failed('a text') <= 1_000);
  });
});
