import { seededRandom } from '../random.ts';
import { type BigOutage, DAY, HOUR, type Loss, type Profile, type Range } from './profiles.ts';

/** What the link is like from a moment on. */
export interface LinkChange {
  /** Milliseconds since the schedule's begin. */
  atMs: number;
  state: 'on' | 'off';
  /** A mode of the fault proxy. */
  how: 'pass' | Loss;
  /** Round trip. */
  latencyMs: number;
  lossPercent: number;
  /** How long a lost packet takes to be sent again, on top of the latency. */
  retransmitMs: number;
  /** bit/s */
  rateDown: number;
  rateUp: number;
  /** The node comes back under another address: what was open stays silent for ever. */
  addressChange: boolean;
  /** The node itself is without power until the next change. */
  powerLoss?: boolean;
}

type Random = ReturnType<typeof seededRandom>;

/** A big outage with its turn: it takes the place of the first usual one at or after `dueMs`. */
interface Planned {
  dueMs: number;
  lastsMs: number;
  big: BigOutage;
}

/**
 * The changes of a link over `hours`, oldest first: it begins and ends with 'on', and only outages that end within the
 * time are in it. What comes once needs room: 1.5 h for the train's 50 min, 97 h for the belt's days.
 * The same for the same seed.
 */
export function schedule(profile: Profile, { seed, hours }: { seed: number; hours: number }): LinkChange[] {
  const random = seededRandom(seed);
  const endMs = hours * HOUR;
  const planned = plannedOutages(profile, endMs, random);
  const nextLoss = lossesOf(profile, random);
  const changes: LinkChange[] = [];
  let atMs = 0;
  let isNewAddress = false;
  for (;;) {
    changes.push({
      atMs,
      state: 'on',
      how: 'pass',
      ...quality(profile, random),
      addressChange: isNewAddress,
    });
    const offMs = atMs + draw(profile.on, random);
    while (planned[0] !== undefined && !fits(planned[0], offMs, endMs)) planned.shift();
    const big = planned[0] !== undefined && planned[0].dueMs <= offMs ? planned.shift() : undefined;
    const lastsMs = big?.lastsMs ?? draw(profile.off, random);
    if (offMs + lastsMs >= endMs) return changes;
    const last = changes.at(-1);
    const isPowerLoss = big?.big.isPowerLoss === true;
    if (last !== undefined)
      changes.push({
        ...{ ...last, atMs: offMs, state: 'off', how: nextLoss(), addressChange: false },
        ...(isPowerLoss ? { powerLoss: true } : {}),
      });
    isNewAddress =
      profile.newAddress === 'always' || (profile.newAddress === 'afterPowerLoss' && isPowerLoss);
    atMs = offMs + lastsMs;
    // What was due during days without a link happened inside them; after a short outage it comes a little later.
    while (big !== undefined && planned[0] !== undefined && planned[0].dueMs < atMs) planned.shift();
  }
}

/** The same schedule, `factor` times as fast: durations shrink, rates grow, so that as many bytes pass between two changes. */
export function timeScaled(changes: readonly LinkChange[], factor: number): LinkChange[] {
  return changes.map((change) => ({
    ...change,
    atMs: change.atMs / factor,
    latencyMs: change.latencyMs / factor,
    retransmitMs: change.retransmitMs / factor,
    rateDown: change.rateDown * factor,
    rateUp: change.rateUp * factor,
  }));
}

/** Whether the outage could begin at this time and end before the schedule does. */
function fits(planned: Planned, offMs: number, endMs: number): boolean {
  return Math.max(planned.dueMs, offMs) + planned.lastsMs < endMs;
}

function plannedOutages(profile: Profile, endMs: number, random: Random): Planned[] {
  const planned: Planned[] = [];
  for (const big of profile.big)
    for (let dayMs = 0; dayMs < (big.isOnce ? 1 : endMs); dayMs += DAY) {
      const lastsMs = Math.round(draw(big.lasts, random));
      const latestMs = endMs - lastsMs - (profile.on.max + profile.off.max);
      const within = big.beginsMs ?? { min: 0, max: Math.max(0, latestMs - 1) };
      const max = big.isOnce ? Math.max(within.min, Math.min(within.max, latestMs - 1)) : within.max;
      planned.push({ dueMs: dayMs + draw({ min: within.min, max }, random), lastsMs, big });
    }
  const once = planned.find(({ big }) => big.isOnce);
  // A daily outage must not push the one that comes once out of its place.
  return planned
    .filter((one) => one === once || once === undefined || Math.abs(one.dueMs - once.dueMs) > HOUR)
    .sort((a, b) => a.dueMs - b.dueMs);
}

/** How each outage shows itself; where half are silent, one of each two is. */
function lossesOf(profile: Profile, random: Random): () => Loss {
  const coming: boolean[] = [];
  return () => {
    if (coming.length === 0) {
      const isFirst = profile.silentShare === 'all' || random.next() < 0.5;
      coming.push(isFirst, profile.silentShare === 'all' || !isFirst);
    }
    const losses = coming.shift() === true ? profile.silent : profile.loud;
    const loss = losses[random.below(losses.length)];
    if (loss === undefined) throw new Error(`the profile ${profile.name} names no losses of this kind`);
    return loss;
  };
}

function quality(
  profile: Profile,
  random: Random,
): Pick<LinkChange, 'latencyMs' | 'lossPercent' | 'retransmitMs' | 'rateDown' | 'rateUp'> {
  return {
    latencyMs: draw(profile.latencyMs, random),
    lossPercent: Math.round(10 * (profile.lossPercent.min + random.next() * span(profile.lossPercent))) / 10,
    retransmitMs: 200,
    rateDown: profile.rateDown,
    rateUp: profile.rateUp,
  };
}

/** A whole number in the range. */
function draw(range: Range, random: Random): number {
  return range.min + random.below(span(range) + 1);
}

function span({ min, max }: Range): number {
  return max - min;
}
