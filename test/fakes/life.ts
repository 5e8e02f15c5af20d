import type { Clock } from '../../src/base/clock.ts';

/**
 * One life of an agent process. After `end()` nothing it waits for ever settles and nothing it calls has an effect,
 * as after SIGKILL, although its code is still in this process.
 */
export class Life {
  #over = false;

  get over(): boolean {
    return this.#over;
  }

  end(): void {
    this.#over = true;
  }

  /** Calls `start` unless the life is over; its result arrives only while the life lasts. */
  guard<T>(start: () => Promise<T>): Promise<T> {
    if (this.#over) return new Promise<never>(() => {});
    return new Promise<T>((resolve, reject) => {
      start().then(
        (value) => this.#over || resolve(value),
        (error: unknown) => this.#over || reject(error),
      );
    });
  }

  /** The same clock, whose sleeps do not end after the life. */
  clock(clock: Clock): Clock {
    return {
      now: () => clock.now(),
      monoMs: () => clock.monoMs(),
      sleep: (ms, signal) => this.guard(() => clock.sleep(ms, signal)),
    };
  }
}
