import type { Clock } from './clock.ts';

/** A reason made once: the default one is an exception with a stack trace, for each wait. */
const NO_LONGER_NEEDED = 'no longer needed';

/** Lets at most `width` pieces of work run at the same time; the others wait in order. */
export class Limiter {
  readonly #width: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(width: number) {
    this.#width = Math.max(1, width);
  }

  /** Runs `work` when there is room; settles as it does. A waiting piece whose signal is aborted is never begun. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#width) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

/** Wakes one waiter. A ring while nobody waits is kept for the next wait; many rings are one. */
export class Doorbell {
  readonly #clock: Clock;
  #rung = false;
  #wake: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** true: the next wait ends at once. */
  get isRung(): boolean {
    return this.#rung;
  }

  /** May be handed on as it is. */
  readonly ring = (): void => {
    this.#rung = true;
    this.#wake?.();
  };

  /** Resolves when rung, after `ms`, or when the signal is aborted; never rejects. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      const timer = new AbortController();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true, signal: timer.signal });
        this.#clock.sleep(ms, timer.signal).then(resolve, resolve);
      });
      timer.abort(NO_LONGER_NEEDED);
      this.#wake = undefined;
    }
    this.#rung = false;
  }
}

/** Settles as `work` does, or after `ms` with undefined; the work itself goes on. */
export async function within<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T | undefined> {
  const timer = new AbortController();
  const limit = clock.sleep(ms, timer.signal).then(
    () => undefined,
    () => undefined,
  );
  try {
    return await Promise.race([work, limit]);
  } finally {
    timer.abort(NO_LONGER_NEEDED);
  }
}
