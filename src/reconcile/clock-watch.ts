import type { Clock } from '../base/clock.ts';

/** How often the two clocks are compared, milliseconds. */
const EVERY_MS = 5_000;

/** A wall clock that differs by more was set; less is how it is kept right, milliseconds. */
const JUMP_MS = 1_000;

/** Notices that the wall clock was set, for which no timer ends; asks only while somebody needs to know. */
export class ClockWatch {
  readonly #clock: Clock;
  readonly #onJump: () => void;
  #stop: AbortController | undefined;

  constructor(clock: Clock, onJump: () => void) {
    this.#clock = clock;
    this.#onJump = onJump;
  }

  need(isNeeded: boolean): void {
    if (isNeeded === (this.#stop !== undefined)) return;
    this.#stop?.abort();
    this.#stop = undefined;
    if (!isNeeded) return;
    this.#stop = new AbortController();
    void this.#watch(this.#stop.signal);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    let aheadMs = this.#aheadMs();
    while (!signal.aborted) {
      await this.#clock.sleep(EVERY_MS, signal).catch(() => undefined);
      const nowMs = this.#aheadMs();
      if (!signal.aborted && Math.abs(nowMs - aheadMs) > JUMP_MS) this.#onJump();
      aheadMs = nowMs;
    }
  }

  #aheadMs(): number {
    return this.#clock.now() - this.#clock.monoMs();
  }
}
