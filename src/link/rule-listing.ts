import type { LinkClass } from '../model/link.ts';

// How often everything is listed. PURE.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * The server cannot say "unchanged", so each listing costs its full size: the wait is `leastMs` as long as that keeps
 * within the bytes an hour, and longer for a larger colony, but never more than `mostMs`.
 */
const PACE: Readonly<Record<LinkClass, { leastMs: number; mostMs: number; bytesPerHour: number }>> = {
  normal: { leastMs: 5 * MINUTE_MS, mostMs: 10 * MINUTE_MS, bytesPerHour: 300_000 },
  metered: { leastMs: 30 * MINUTE_MS, mostMs: HOUR_MS, bytesPerHour: 36_000 },
};

/** The time between two complete listings, milliseconds; `bytes`: what the last one cost. */
export function listingEveryMs(linkClass: LinkClass, bytes: number): number {
  const { leastMs, mostMs, bytesPerHour } = PACE[linkClass];
  return Math.min(mostMs, Math.max(leastMs, Math.round((bytes / bytesPerHour) * HOUR_MS)));
}
