import type { Clock } from '../../src/base/clock.ts';

interface Sleeper {
  dueMs: number;
  order: number;
  /** Where it is in the heap; -1: no longer in it. */
  at: number;
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
  readonly #sleepers = new Sleepers();

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
        this.#sleepers.remove(sleeper);
        reject(signal?.reason);
      };
      const sleeper: Sleeper = {
        dueMs: this.#monoMs + Math.max(0, ms),
        order: ++this.#order,
        at: -1,
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
    return this.#sleepers.first?.dueMs;
  }

  /** Sleeps that wait. */
  get sleeping(): number {
    return this.#sleepers.count;
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
    const next = this.#sleepers.first;
    if (next === undefined || next.dueMs > endMs) return false;
    this.#moveTo(next.dueMs);
    this.#sleepers.remove(next);
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
}

/** A heap, the earliest on top: a thousand simulated agents have many thousand sleeps. */
class Sleepers {
  readonly #heap: Sleeper[] = [];

  get count(): number {
    return this.#heap.length;
  }

  get first(): Sleeper | undefined {
    return this.#heap[0];
  }

  add(sleeper: Sleeper): void {
    this.#rise(sleeper, this.#heap.length);
  }

  remove(sleeper: Sleeper): void {
    const { at } = sleeper;
    if (at < 0) return;
    sleeper.at = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === sleeper) return;
    this.#sink(last, at);
    this.#rise(last, last.at);
  }

  /** Puts it into the hole at `at`, or above. */
  #rise(sleeper: Sleeper, at: number): void {
    let hole = at;
    while (hole > 0) {
      const above = (hole - 1) >> 1;
      const parent = this.#heap[above] as Sleeper;
      if (isBefore(parent, sleeper)) break;
      this.#put(parent, hole);
      hole = above;
    }
    this.#put(sleeper, hole);
  }

  /** Puts it into the hole at `at`, or below. */
  #sink(sleeper: Sleeper, at: number): void {
    let hole = at;
    for (;;) {
      const left = this.#heap[2 * hole + 1];
      const right = this.#heap[2 * hole + 2];
      if (left === undefined) break;
      const child = right !== undefined && isBefore(right, left) ? right : left;
      if (isBefore(sleeper, child)) break;
      const below = child.at;
      this.#put(child, hole);
      hole = below;
    }
    this.#put(sleeper, hole);
  }

  #put(sleeper: Sleeper, at: number): void {
    this.#heap[at] = sleeper;
    sleeper.at = at;
  }
}

function isBefore(a: Sleeper, b: Sleeper): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}
