import type { Clock } from '../base/clock.ts';

/** After an engine's event comes one more look this much later, milliseconds: engines tell of some changes (Docker of a
 *  pause) before their own listing shows them. */
const SETTLED_MS = 500;

/** When the look is due that confirms what the last event led to. */
export class Confirming {
  readonly #clock: Clock;
  #dueMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An event has come. */
  expect(): void {
    this.#dueMs = this.#clock.monoMs() + SETTLED_MS;
  }

  /** A look begins. */
  look(): void {
    if (this.#dueMs !== undefined && this.#clock.monoMs() >= this.#dueMs) this.#dueMs = undefined;
  }

  /** The wait after a look, cut short when a confirming look is due before; at least `leastMs`. */
  within(waitMs: number, leastMs: number): number {
    if (this.#dueMs === undefined) return waitMs;
    return Math.max(leastMs, Math.min(waitMs, this.#dueMs - this.#clock.monoMs()));
  }
}
