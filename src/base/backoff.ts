/** How long to wait after a failure. */
export interface BackoffRule {
  /** Upper bound after the first failure, milliseconds. */
  minMs: number;
  /** Upper bound from some failure on, milliseconds. */
  maxMs: number;
}

/** No wait is shorter than this, so that full jitter never becomes a busy loop. */
const FLOOR_MS = 100;

/**
 * Exponential backoff with full jitter: a time in [100 ms, bound], where the bound doubles with each attempt up to
 * `maxMs`. `attempts` counts from 1, `random` is in [0, 1).
 */
export function backoffMs(attempts: number, random: number, rule: BackoffRule): number {
  const bound = Math.min(rule.maxMs, rule.minMs * 2 ** Math.min(Math.max(attempts, 1) - 1, 30));
  return Math.max(FLOOR_MS, Math.round(random * bound));
}

/** The longest interval of a rule, with the upper half jittered: for what would only fail the same way. */
export function longestMs(random: number, rule: BackoffRule): number {
  return Math.round(rule.maxMs * (0.5 + random / 2));
}
