import { type BackoffRule, backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';

/** Towards the server: 1 s doubling to 5 min. */
export const LINK_BACKOFF: BackoffRule = { minMs: 1_000, maxMs: 300_000 };

/** A success counts as lasting after this long without a failure, milliseconds. */
const LASTING_MS = 60_000;

/**
 * The one retry layer of the link: how long to wait after a failure. Never gives up. One for each thing that fails on
 * its own; a success that does not last leaves the wait as long as it was.
 */
export class Retry {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #rule: BackoffRule;
  #failures = 0;
  /** Monotonic time of the first success since the last failure. */
  #goodSinceMs: number | undefined;

  constructor(clock: Clock, random: Random, rule: BackoffRule = LINK_BACKOFF) {
    this.#clock = clock;
    this.#random = random;
    this.#rule = rule;
  }

  /** It failed: how long to wait, milliseconds. Never shorter than what the answerer asked for (`retryAfterMs` of the
   *  error); then the backoff comes on top, for everybody else was told the same time. */
  failed(error?: unknown): number {
    if (this.#goodSinceMs !== undefined && this.#clock.monoMs() - this.#goodSinceMs >= LASTING_MS)
      this.#failures = 0;
    this.#goodSinceMs = undefined;
    this.#failures += 1;
    return askedMs(error) + backoffMs(this.#failures, this.#random.next(), this.#rule);
  }

  succeeded(): void {
    this.#goodSinceMs ??= this.#clock.monoMs();
  }

  /** What failed before says nothing of the next attempt: another network, another key, somebody asks. */
  reset(): void {
    this.#failures = 0;
    this.#goodSinceMs = undefined;
  }

  /** Notes the failure and waits; rejects with the signal's reason. */
  wait(error: unknown, signal: AbortSignal): Promise<void> {
    return this.#clock.sleep(this.failed(error), signal);
  }
}

/** `retryAfterMs` of any thrown value; 0 when there is none. */
function askedMs(error: unknown): number {
  if (typeof error !== 'object' || error === null || !('retryAfterMs' in error)) return 0;
  const { retryAfterMs } = error;
  return typeof retryAfterMs === 'number' && retryAfterMs > 0 ? retryAfterMs : 0;
}
