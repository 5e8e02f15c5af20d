import type { Clock } from '../../../src/base/clock.ts';
import { OVER } from './waiters.ts';

/**
 * What the server does by itself, without a timer that ticks for nothing: it sleeps until the earliest time anybody
 * asked for, so that years on a fake clock cost no more than what happens in them.
 */
export class Timers {
  readonly #clock: Clock;
  readonly #run: () => number | undefined;
  #dueMs: number | undefined;
  #sleeping: AbortController | undefined;
  #isOn = false;

  /** `run` does what is due and returns how long until there is more to do, in milliseconds; undefined for never. */
  constructor(clock: Clock, run: () => number | undefined) {
    this.#clock = clock;
    this.#run = run;
  }

  start(): void {
    this.#isOn = true;
    this.#rearm(0);
  }

  stop(): void {
    this.#isOn = false;
    this.#dueMs = undefined;
    this.#sleeping?.abort(OVER);
  }

  /** There is something to do in `ms`, or earlier than what was planned. */
  within(ms: number): void {
    const dueMs = this.#clock.monoMs() + ms;
    if (this.#isOn && (this.#dueMs === undefined || dueMs < this.#dueMs)) this.#rearm(ms);
  }

  #rearm(ms: number): void {
    this.#sleeping?.abort(OVER);
    const sleeping = new AbortController();
    this.#sleeping = sleeping;
    this.#dueMs = this.#clock.monoMs() + ms;
    this.#clock.sleep(ms, sleeping.signal).then(
      () => this.#fire(),
      () => undefined,
    );
  }

  #fire(): void {
    if (!this.#isOn) return;
    this.#dueMs = undefined;
    const next = this.#run();
    // What ran may have asked for an earlier time by itself.
    if (next !== undefined) this.within(next);
  }
}
