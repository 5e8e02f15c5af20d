/** From and to, both included. */
export interface Range {
  min: number;
  max: number;
}

/** How a link goes away; the words are modes of the fault proxy. */
export type Loss = 'refuse' | 'reset' | 'blackHole' | 'halfOpen' | 'freeze';

/** An outage that comes beside the usual ones. Durations in milliseconds. */
export interface BigOutage {
  lasts: Range;
  /** Where in a day (or, when it comes once, in the whole schedule) it may begin. Absent: anywhere it still fits. */
  beginsMs?: Range;
  /** Once in a schedule, else once a day. */
  isOnce: boolean;
  isPowerLoss?: boolean;
}

/** A kind of link that comes and goes. Durations in milliseconds. */
export interface Profile {
  name: ProfileName;
  /** How long the link is there between two outages. */
  on: Range;
  /** How long the usual outages last. */
  off: Range;
  big: readonly BigOutage[];
  /** Losses that tell nobody, and those that are seen at once. */
  silent: readonly Loss[];
  loud: readonly Loss[];
  /** Which share of the outages is silent. */
  silentShare: 'all' | 'half';
  /** Whether the node comes back under another address: always, after power losses only, or never. */
  newAddress: 'always' | 'afterPowerLoss' | 'never';
  /** Round trip. */
  latencyMs: Range;
  lossPercent: Range;
  /** bit/s */
  rateDown: number;
  rateUp: number;
  /** What the contract allows in a month. */
  bytesPerMonth?: number;
}

export type ProfileName = 'train' | 'mine' | 'satellite' | 'belt';

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
const MBIT = 1_000_000;

/** A train: tunnels and cuttings, another cell and another address behind each, and one long stop without a network. */
const train: Profile = {
  name: 'train',
  on: { min: 5 * MINUTE, max: 20 * MINUTE },
  off: { min: 0.5 * MINUTE, max: 8 * MINUTE },
  // Longer than the 10 min after which the server unregisters a silent executor.
  big: [{ lasts: { min: 50 * MINUTE, max: 50 * MINUTE }, isOnce: true }],
  silent: ['blackHole', 'blackHole', 'halfOpen'],
  loud: ['refuse', 'reset'],
  silentShare: 'half',
  newAddress: 'always',
  latencyMs: { min: 60, max: 150 },
  lossPercent: { min: 1, max: 3 },
  rateDown: 6 * MBIT,
  rateUp: 0.7 * MBIT,
};

/** A machine in a mine: drops behind every corner, and switched off between the shifts. Schedules begin at 6 h. */
const mine: Profile = {
  name: 'mine',
  on: { min: 10 * MINUTE, max: 20 * MINUTE },
  off: { min: 1 * SECOND, max: 30 * SECOND },
  big: [
    {
      lasts: { min: 3 * HOUR, max: 8 * HOUR },
      beginsMs: { min: 14 * HOUR, max: 15 * HOUR },
      isOnce: false,
      isPowerLoss: true,
    },
  ],
  silent: ['freeze', 'blackHole'],
  loud: ['reset', 'refuse'],
  silentShare: 'half',
  newAddress: 'afterPowerLoss',
  latencyMs: { min: 20, max: 50 },
  lossPercent: { min: 0.5, max: 5 },
  rateDown: 10 * MBIT,
  rateUp: 5 * MBIT,
};

/** A satellite link: there most of the time, far away, faded by rain, and paid for by the byte. */
const satellite: Profile = {
  name: 'satellite',
  on: { min: 2 * HOUR, max: 12 * HOUR },
  off: { min: 5 * MINUTE, max: 30 * MINUTE },
  big: [],
  silent: ['blackHole', 'freeze'],
  loud: [],
  silentShare: 'all',
  newAddress: 'never',
  latencyMs: { min: 600, max: 600 },
  lossPercent: { min: 1, max: 2 },
  rateDown: 2 * MBIT,
  rateUp: 0.25 * MBIT,
  bytesPerMonth: 100_000_000,
};

/** A conveyor belt: a blink every five minutes, some minutes once a day, and in the end days without a link. */
const belt: Profile = {
  name: 'belt',
  on: { min: 5 * MINUTE, max: 5 * MINUTE },
  off: { min: 1 * SECOND, max: 5 * SECOND },
  big: [
    { lasts: { min: 2 * DAY, max: 3 * DAY }, beginsMs: { min: 1 * DAY, max: 2 * DAY }, isOnce: true },
    { lasts: { min: 2 * MINUTE, max: 10 * MINUTE }, beginsMs: { min: 0, max: 23 * HOUR }, isOnce: false },
  ],
  silent: ['freeze', 'blackHole'],
  loud: ['reset', 'refuse'],
  silentShare: 'half',
  newAddress: 'never',
  latencyMs: { min: 40, max: 40 },
  lossPercent: { min: 0.5, max: 0.5 },
  rateDown: 20 * MBIT,
  rateUp: 5 * MBIT,
};

export const PROFILES: Readonly<Record<ProfileName, Profile>> = { train, mine, satellite, belt };
