import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  accepted,
  dueAtMs,
  isBack,
  listed,
  type Pace,
  type Told,
  tried,
  untold,
} from '../../../src/link/rule-report.ts';

const NORMAL: Pace = { gapMs: 10_000, mostGapMs: 10_000, heartbeatMs: 900_000, spread: 0.1 };
const METERED: Pace = { gapMs: 10_000, mostGapMs: 300_000, heartbeatMs: 14_400_000, spread: 0.5 };

/** What happens to one blueprint, each after so many milliseconds. */
type Step =
  | { what: 'change'; afterMs: number; to: string }
  | { what: 'list'; afterMs: number; shows: 'truth' | 'nothing' | 'other' }
  | { what: 'outage'; afterMs: number; forMs: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    what: fc.constant('change' as const),
    afterMs: fc.nat(40_000),
    to: fc.constantFrom('a', 'b', 'c', 'd'),
  }),
  fc.record({
    what: fc.constant('list' as const),
    afterMs: fc.nat(400_000),
    shows: fc.constantFrom('truth' as const, 'truth' as const, 'nothing' as const, 'other' as const),
  }),
  fc.record({ what: fc.constant('outage' as const), afterMs: fc.nat(60_000), forMs: fc.nat(4_000_000) }),
);

interface Sent {
  atMs: number;
  essence: string;
  /** The server had the same already, as far as anyone could know. */
  isRepeat: boolean;
}

/** One blueprint's life, with a server that takes everything; sends as the reporter does, at the time it is due. */
class Life {
  nowMs = 1_000;
  ours = 'a';
  server: string | undefined;
  told: Told;
  readonly sent: Sent[] = [];

  constructor(readonly pace: Pace) {
    this.told = untold(this.nowMs, 0.5, pace);
  }

  /** Time passes; what comes due on the way is sent. */
  pass(ms: number, isUp = true): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const dueMs = Math.max(this.nowMs, dueAtMs(this.told, this.ours, false, this.pace));
      if (!isUp || dueMs > endMs) break;
      this.nowMs = dueMs;
      this.#send();
    }
    this.nowMs = endMs;
  }

  #send(): void {
    const isRepeat = this.told.has === this.ours && this.nowMs < this.told.heartbeatAtMs;
    this.told = tried(this.told, this.nowMs, this.pace);
    this.server = this.ours;
    this.sent.push({ atMs: this.nowMs, essence: this.ours, isRepeat });
    this.told = accepted(this.told, this.ours, this.nowMs, 0.5, this.pace);
  }

  take(one: Step): void {
    this.pass(one.afterMs);
    if (one.what === 'change') this.ours = one.to;
    else if (one.what === 'outage') {
      this.pass(one.forMs, false);
      this.told = isBack(this.told, this.nowMs, 0.5, this.pace);
    } else {
      if (one.shows === 'nothing') this.server = undefined;
      if (one.shows === 'other') this.server = 'x';
      this.told = listed(this.told, { essence: this.server, isTheirs: false }, this.nowMs);
    }
  }
}

const life = (pace: Pace, steps: readonly Step[]) => {
  const one = new Life(pace);
  for (const each of steps) one.take(each);
  return one;
};

for (const [name, pace] of [
  ['normal', NORMAL],
  ['metered', METERED],
] as const) {
  test(`on a ${name} link there is never more than one status in 10 s`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { sent } = life(pace, steps);
        for (const [index, { atMs }] of sent.entries())
          assert.ok(index === 0 || atMs - (sent[index - 1]?.atMs ?? 0) >= 10_000);
      }),
    );
  });

  test(`on a ${name} link the last state always gets there`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const one = life(pace, steps);
        // A listing shows what is there now; then there is time for the longest gap.
        one.pass(60_000);
        one.take({ what: 'list', afterMs: 0, shows: 'truth' });
        one.pass(pace.mostGapMs);
        if (one.server !== 'x') assert.equal(one.server, one.ours);
        one.pass(pace.heartbeatMs);
        assert.equal(one.server, one.ours);
      }),
    );
  });

  test(`on a ${name} link nothing is sent twice without a change, a loss or a heartbeat`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        assert.deepEqual(
          life(pace, steps).sent.filter(({ isRepeat }) => isRepeat),
          [],
        );
      }),
    );
  });
}

test('a status that does not change costs one heartbeat in each interval, a little early', () => {
  const one = new Life(NORMAL);
  one.pass(3_600_000);
  const gaps = one.sent.slice(1).map(({ atMs }, index) => Math.round(atMs - (one.sent[index]?.atMs ?? 0)));
  assert.deepEqual(gaps, [855_000, 855_000, 855_000, 855_000]);
});

test('after a restart a server that has the same already is told nothing', () => {
  const one = new Life(NORMAL);
  one.told = listed(one.told, { essence: 'a', isTheirs: false }, one.nowMs);
  one.pass(440_000);
  assert.deepEqual(one.sent, []);
});

test('a status that changes all the time is told ever more rarely on a metered link, and every 10 s on a normal one', () => {
  const flapping = Array.from(
    { length: 720 },
    (_, index): Step => ({ what: 'change', afterMs: 5_000, to: `v${index}` }),
  );
  assert.ok(life(METERED, flapping).sent.length <= 20);
  const { length } = life(NORMAL, flapping).sent;
  assert.ok(length >= 350 && length <= 361, `${length}`);
});

test('a server that changes what is written is written to once more, not for ever', () => {
  const one = new Life(NORMAL);
  one.pass(60_000);
  for (let listing = 0; listing < 5; listing += 1)
    one.take({ what: 'list', afterMs: 120_000, shows: 'other' });
  one.pass(20_000);
  assert.equal(one.sent.length, 2);
});

test('each loss of the status is made good', () => {
  const one = new Life(NORMAL);
  one.pass(60_000);
  for (let loss = 1; loss <= 3; loss += 1) {
    one.take({ what: 'list', afterMs: 100_000, shows: 'nothing' });
    one.pass(20_000);
    assert.equal(one.sent.length, 1 + loss);
    assert.equal(one.server, 'a');
  }
});

test('another node that writes about the same blueprint is not overwritten because of a listing', () => {
  const one = new Life(NORMAL);
  one.pass(60_000);
  one.told = listed(one.told, { essence: 'theirs', isTheirs: true }, one.nowMs);
  one.pass(60_000);
  assert.equal(one.sent.length, 1);
  one.ours = 'b';
  one.pass(60_000);
  assert.equal(one.sent.length, 2);
});

test('heartbeats that came due while away are spread after the return', () => {
  const told = { ...untold(0, 0.5, NORMAL), has: 'a' };
  const times = [0, 0.25, 0.5, 0.75].map((random) =>
    dueAtMs(isBack(told, 5_000_000, random, NORMAL), 'a', false, NORMAL),
  );
  assert.deepEqual(times, [5_000_000, 5_022_500, 5_045_000, 5_067_500]);
});

test('a link that is no longer metered does not wait for the rare heartbeat', () => {
  const one = new Life(METERED);
  one.pass(1_000);
  const dueMs = dueAtMs(one.told, 'a', false, NORMAL);
  assert.ok(dueMs - one.nowMs <= NORMAL.heartbeatMs);
  assert.ok(dueAtMs(one.told, 'a', false, METERED) - one.nowMs > 10 * NORMAL.heartbeatMs);
});

test('a claim goes on ageing over a restart: it is renewed when its interval is over', () => {
  assert.equal(Math.round(untold(0, 0.5, NORMAL).heartbeatAtMs), 495_000);
  assert.equal(untold(0, 0.5, NORMAL, 800_000).heartbeatAtMs, 100_000);
  assert.equal(untold(0, 0.5, NORMAL, 2_000_000).heartbeatAtMs, 0);
});
