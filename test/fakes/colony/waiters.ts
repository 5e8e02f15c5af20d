import type { Clock } from '../../../src/base/clock.ts';

/** Why a timer is ended early; one for all, as nobody reads it and making one is slow. */
export const OVER = new Error('over');

interface Waiter {
  wake(): void;
}

/** Long polls that wait; one signal wakes one of those with the same key, in turn (PROTOCOL.md 7.1). */
export class Waiters {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiter[]>();
  readonly #next = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True when woken, false after `ms`; rejects with the signal's reason. */
  wait(key: string, ms: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const timer = new AbortController();
      const end = () => {
        timer.abort(OVER);
        signal.removeEventListener('abort', onAbort);
        this.#remove(key, waiter);
      };
      const onAbort = () => {
        end();
        reject(signal.reason);
      };
      const waiter: Waiter = {
        wake: () => {
          end();
          resolve(true);
        },
      };
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), waiter]);
      this.#clock.sleep(ms, timer.signal).then(
        () => {
          end();
          resolve(false);
        },
        () => undefined,
      );
    });
  }

  /** Wakes one waiter; nobody remembers the signal when none waits. */
  signal(key: string): void {
    const waiters = this.#waiting.get(key) ?? [];
    if (waiters.length === 0) return;
    const index = (this.#next.get(key) ?? 0) % waiters.length;
    this.#next.set(key, index + 1);
    waiters[index]?.wake();
  }

  /** Wakes everybody who waits under this key. */
  signalAll(key: string): void {
    for (const waiter of [...(this.#waiting.get(key) ?? [])]) waiter.wake();
  }

  /** Long polls that wait now. */
  get count(): number {
    let all = 0;
    for (const waiters of this.#waiting.values()) all += waiters.length;
    return all;
  }

  #remove(key: string, waiter: Waiter): void {
    const left = (this.#waiting.get(key) ?? []).filter((one) => one !== waiter);
    if (left.length === 0) this.#waiting.delete(key);
    else this.#waiting.set(key, left);
  }
}
