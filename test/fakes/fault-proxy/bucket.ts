import type { Clock } from '../../../src/base/clock.ts';

/** What may pass at once after a pause, as time at the full rate. */
const BURST_MS = 20;

/** Token bucket that all connections of one direction share; its rate may change while senders wait. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #bitsPerSecond: number | undefined;
  #tokens = 0;
  #filledAtMs: number;

  constructor(clock: Clock, bitsPerSecond?: number) {
    this.#clock = clock;
    this.#filledAtMs = clock.monoMs();
    this.#bitsPerSecond = bitsPerSecond;
  }

  /** 0: nothing passes; undefined: no limit. */
  setRate(bitsPerSecond: number | undefined): void {
    if (bitsPerSecond === this.#bitsPerSecond) return;
    this.#refill();
    this.#bitsPerSecond = bitsPerSecond;
    this.#tokens = Math.min(this.#tokens, this.#burstBytes());
    for (const wake of this.#waiting) wake();
  }

  /** Waits until some of `bytes` may pass; returns how many, at least 1. Rejects with the signal's reason. */
  async take(bytes: number, signal: AbortSignal): Promise<number> {
    for (;;) {
      signal.throwIfAborted();
      const rate = this.#bitsPerSecond;
      if (rate === undefined) return bytes;
      this.#refill();
      const size = Math.min(bytes, Math.floor(this.#burstBytes()));
      if (rate > 0 && this.#tokens >= size) {
        this.#tokens -= size;
        return size;
      }
      // Whole milliseconds: a wait too short for the clock to show would be waited for ever.
      await this.#pause(
        rate > 0 ? Math.ceil(((size - this.#tokens) * 8000) / rate) : Number.POSITIVE_INFINITY,
        signal,
      );
    }
  }

  #burstBytes(): number {
    return Math.max(1, ((this.#bitsPerSecond ?? 0) / 8000) * BURST_MS);
  }

  #refill(): void {
    const nowMs = this.#clock.monoMs();
    const more = ((nowMs - this.#filledAtMs) * (this.#bitsPerSecond ?? 0)) / 8000;
    this.#tokens = Math.min(this.#burstBytes(), this.#tokens + more);
    this.#filledAtMs = nowMs;
  }

  /** Ends at the time, at a change of the rate, or when the signal is aborted. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#waiting.add(wake);
    signal.addEventListener('abort', wake, { once: true });
    try {
      if (ms === Number.POSITIVE_INFINITY)
        await new Promise<void>((resolve) => woken.signal.addEventListener('abort', () => resolve()));
      else await this.#clock.sleep(ms, woken.signal).catch(() => undefined);
    } finally {
      this.#waiting.delete(wake);
      signal.removeEventListener('abort', wake);
    }
  }
}
