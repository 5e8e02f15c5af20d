import type { Clock } from '../../src/base/clock.ts';

interface Sleeper {
  dueMs: number;
  order: number;
  wake(): void;
}

/** Lets every promise that can go on go on: an immediate runs only after all microtasks are through. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A clock that stands still until a test moves it; sleeps end in the order of their due times. */
export class ManualClock implements Clock {
  #wallMs: number;
  #monoMs = 1_000;
  #order = 0;
  readonly #sleepers = new Set<Sleeper>();

  constructor(startIso = '2026-03-01T12:00:00Z') {
    this.#wallMs = Date.parse(startIso);
  }

  now(): number {
    return this.#wallMs;
  }

  monoMs(): number {
    return this.#monoMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const sleeper: Sleeper = {
        dueMs: this.#monoMs + Math.max(0, ms),
        order: ++this.#order,
        wake: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Runs `act` after `ms`; for the fakes' own use. */
  after(ms: number, act: () => void): void {
    void this.sleep(ms).then(act);
  }

  /** Monotonic time of the earliest sleep that waits; undefined when nothing sleeps. */
  nextDueMs(): number | undefined {
    return this.#earliest()?.dueMs;
  }

  /** Sleeps that wait. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  /** Moves time on by `ms`; each sleep due on the way ends at its own time, and what it sets off runs before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.#monoMs + ms;
    await turn();
    while (await this.#step(end)) {
      // each step moves the time
    }
    this.#moveTo(end);
    await turn();
  }

  /** Moves to the next due sleep, at most to `endMs`; false when nothing is due by then. */
  async #step(endMs: number): Promise<boolean> {
    const next = this.#earliest();
    if (next === undefined || next.dueMs > endMs) return false;
    this.#moveTo(next.dueMs);
    this.#sleepers.delete(next);
    next.wake();
    await turn();
    return true;
  }

  /** Runs until `done()` holds, at most `limitMs` of virtual time; returns whether it held. */
  async runUntil(done: () => boolean, limitMs: number): Promise<boolean> {
    const end = this.#monoMs + limitMs;
    await turn();
    while (!done()) {
      if (await this.#step(end)) continue;
      this.#moveTo(end);
      await turn();
      return done();
    }
    return true;
  }

  /** The wall clock is set, forwards or backwards; monotonic time does not notice. */
  jumpWall(ms: number): void {
    this.#wallMs += ms;
  }

  #moveTo(monoMs: number): void {
    if (monoMs <= this.#monoMs) return;
    this.#wallMs += monoMs - this.#monoMs;
    this.#monoMs = monoMs;
  }

  #earliest(): Sleeper | undefined {
    let best: Sleeper | undefined;
    for (const sleeper of this.#sleepers)
      if (
        best === undefined ||
        sleeper.dueMs < best.dueMs ||
        (sleeper.dueMs === best.dueMs && sleeper.order < best.order)
      )
        best = sleeper;
    return best;
  }
}
