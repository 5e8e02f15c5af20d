import { PROFILES, type ProfileName } from '../../fakes/outages/profiles.ts';
import { type LinkChange, schedule } from '../../fakes/outages/schedule.ts';

/** How a profile is pressed into a minute: lengths are divided and kept within bounds, milliseconds of wall time. */
interface Press {
  seed: number;
  hours: number;
  factor: number;
  on: readonly [least: number, most: number];
  off: readonly [least: number, most: number];
}

/**
 * Which part of a profile is played, and how fast. Blinks stay about as long as they are; nights and days only have to be
 * much longer than what the server forgives.
 */
const PRESSES: Readonly<Record<ProfileName, Press>> = {
  train: { seed: 11, hours: 4, factor: 120, on: [2_000, 5_000], off: [300, 17_000] },
  mine: { seed: 12, hours: 24, factor: 200, on: [2_500, 5_000], off: [4_000, 8_000] },
  satellite: { seed: 13, hours: 200, factor: 300, on: [2_500, 5_000], off: [2_000, 6_000] },
  belt: { seed: 14, hours: 120, factor: 60, on: [2_500, 4_000], off: [300, 17_000] },
};

/** The whole length of what is played, milliseconds. */
const PLAYED_MS = 40_000;

/** The changes of a profile around its longest outage, pressed into about 40 s of wall time; the last one is 'on'. */
export function pressed(name: ProfileName): LinkChange[] {
  const press = PRESSES[name];
  const changes = schedule(PROFILES[name], press);
  const lengths = changes.map(({ atMs, state }, index) => {
    const ms = ((changes[index + 1]?.atMs ?? atMs) - atMs) / press.factor;
    const [least, most] = press[state];
    return Math.min(most, Math.max(least, ms));
  });
  const [from, to] = around(longestOff(changes), lengths);
  let atMs = 0;
  return changes.slice(from, to).map((change, index) => {
    const begins = atMs;
    atMs += lengths[from + index] ?? 0;
    return { ...change, atMs: begins };
  });
}

function longestOff(changes: readonly LinkChange[]): number {
  const lengthOf = (index: number) => (changes[index + 1]?.atMs ?? 0) - (changes[index]?.atMs ?? 0);
  return changes.reduce(
    (best, { state }, index) => (state === 'off' && lengthOf(index) > lengthOf(best) ? index : best),
    1,
  );
}

/** Pairs of 'on' and 'off' around this one until it is long enough; ends with an 'on'. */
function around(middle: number, lengths: readonly number[]): [from: number, to: number] {
  let from = Math.max(0, middle - 1);
  let to = middle + 2;
  const total = () => lengths.slice(from, to).reduce((sum, ms) => sum + ms, 0);
  while (total() < PLAYED_MS && (from >= 2 || to + 2 < lengths.length)) {
    if (to + 2 < lengths.length) to += 2;
    if (from >= 2 && total() < PLAYED_MS) from -= 2;
  }
  return [from, to];
}
