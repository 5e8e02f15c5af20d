import type { BackoffRule } from '../base/backoff.ts';

/** After failures of one service: 1 s doubling to 5 min. */
export const SERVICE_BACKOFF: BackoffRule = { minMs: 1_000, maxMs: 300_000 };

/**
 * Between restarts of a service whose checks fail: 10 s doubling to 5 min. Counted from when it is found failing again, so that
 * a slow start is never cut short by the wait itself.
 */
export const HEALTH_BACKOFF: BackoffRule = { minMs: 10_000, maxMs: 300_000 };

/**
 * The wait before the next restart after `attempts` of them, milliseconds. Never shorter than its step, unlike full jitter: a
 * restart costs the service all it has in memory. Up to a fifth longer, so that services that fell ill together do
 * not restart together. `random` is in [0, 1).
 */
export function healthWaitMs(attempts: number, random: number): number {
  const { minMs, maxMs } = HEALTH_BACKOFF;
  const step = Math.min(maxMs, minMs * 2 ** Math.min(Math.max(attempts, 1) - 1, 30));
  return Math.min(maxMs, Math.round(step * (1 + random / 5)));
}

/** While the engine next door is away: it must be noticed within seconds of its return. */
export const ENGINE_BACKOFF: BackoffRule = { minMs: 200, maxMs: 4_000 };
