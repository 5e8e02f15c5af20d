import type { LinkClass } from '../model/link.ts';

// When a blueprint's status is sent. Times are monotonic milliseconds.

/** A status costs some 3 kB with all that is around it: on a metered link heartbeats are this much rarer. */
const METERED_HEARTBEATS = 16;

/** How often an unchanged status is sent again, and so how often a claim is renewed. */
export function heartbeatEveryMs(statusHeartbeatMs: number, linkClass: LinkClass): number {
  return statusHeartbeatMs * (linkClass === 'metered' ? METERED_HEARTBEATS : 1);
}

/** How often, on the present link. */
export interface Pace {
  /** Shortest time between two statuses of one blueprint. */
  gapMs: number;
  /** The gap doubles up to this while one change follows another. */
  mostGapMs: number;
  /** A status is sent again after this long, changed or not. */
  heartbeatMs: number;
  /** Over how much of its interval a heartbeat is spread: on a metered link no hour is to have all of them. */
  spread: number;
}

/** What the server was told of one blueprint. */
export interface Told {
  /** Essence of what the server has; undefined: nothing, or nobody knows. */
  has: string | undefined;
  /** Last attempt in this run, whatever came of it. */
  triedAtMs: number | undefined;
  /** When it is sent again unchanged. */
  heartbeatAtMs: number;
  /** The interval that this was set by: it gets shorter when the link is no longer metered. */
  everyMs: number;
  /** Changes that followed each other closely. */
  burst: number;
  /** What a listing showed in place of ours, and was written over once. */
  overwrote: string | undefined;
}

/** A listing that was under way while we wrote may still show what was there before; milliseconds. */
const SETTLED_MS = 30_000;

/** After an outage heartbeats that are due are spread over this part of their interval, at most so many milliseconds:
 *  everybody who was cut off is back at the same time. */
const OVERDUE_PART = 0.1;
const OVERDUE_MS = 120_000;

/** Nothing is known of the server's copy yet. `random` in [0, 1) spreads the first heartbeat over nine tenths of the
 *  interval: after a restart the last one may be a whole one old. A claim goes on ageing over restarts. */
export function untold(nowMs: number, random: number, pace: Pace, claimAgeMs = 0): Told {
  return {
    has: undefined,
    triedAtMs: undefined,
    heartbeatAtMs:
      nowMs + Math.min(pace.heartbeatMs * (0.1 + random * 0.9), Math.max(0, pace.heartbeatMs - claimAgeMs)),
    everyMs: pace.heartbeatMs,
    burst: 0,
    overwrote: undefined,
  };
}

/** The time at which this status is to be sent; in the past: now. `isNews`: there is something to be told once. */
export function dueAtMs(told: Told, essence: string, isNews: boolean, pace: Pace): number {
  const notBeforeMs =
    told.triedAtMs === undefined ? Number.NEGATIVE_INFINITY : told.triedAtMs + gapMs(told, pace);
  if (isNews || told.has !== essence) return notBeforeMs;
  const cutMs = Math.max(0, told.everyMs - pace.heartbeatMs);
  return Math.max(told.heartbeatAtMs - cutMs, notBeforeMs);
}

function gapMs(told: Told, pace: Pace): number {
  return Math.min(pace.mostGapMs, pace.gapMs * 2 ** Math.min(told.burst, 20));
}

/**
 * A listing shows what the server has. Ours, in another form or gone, is written again; the same other form only once, so
 * that a server which changes what we write is not written to for ever. Another node's (`isTheirs`) is left alone until
 * ours changes.
 */
export function listed(
  told: Told,
  shown: { essence: string | undefined; isTheirs: boolean },
  nowMs: number,
): Told {
  if (told.triedAtMs !== undefined && nowMs - told.triedAtMs < SETTLED_MS) return told;
  const { essence, isTheirs } = shown;
  if (essence === undefined) return { ...told, has: undefined };
  if (told.has === essence) return { ...told, overwrote: undefined };
  if (isTheirs || (told.has !== undefined && told.overwrote === essence)) return told;
  return { ...told, has: essence, overwrote: told.has === undefined ? undefined : essence };
}

/** A status goes out now. */
export function tried(told: Told, nowMs: number, pace: Pace): Told {
  const { triedAtMs, burst } = told;
  const isClose = triedAtMs !== undefined && nowMs - triedAtMs <= 2 * gapMs(told, pace);
  return { ...told, triedAtMs: nowMs, burst: isClose ? burst + 1 : Math.max(0, burst - 1) };
}

/** The server took it. `random` in [0, 1) spreads the next heartbeat over the end of the interval. */
export function accepted(told: Told, essence: string, nowMs: number, random: number, pace: Pace): Told {
  return {
    ...told,
    has: essence,
    heartbeatAtMs: nowMs + pace.heartbeatMs * (1 - pace.spread * random),
    everyMs: pace.heartbeatMs,
  };
}

/** The link is back: heartbeats that came due meanwhile are spread. */
export function isBack(told: Told, nowMs: number, random: number, pace: Pace): Told {
  if (told.heartbeatAtMs > nowMs) return told;
  const spreadMs = Math.min(OVERDUE_MS, pace.heartbeatMs * OVERDUE_PART);
  return { ...told, heartbeatAtMs: nowMs + random * spreadMs, everyMs: pace.heartbeatMs };
}
