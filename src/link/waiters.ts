/** Lets callers wait until a condition holds; whoever changes something calls `check`. */
export class Waiters {
  readonly #waiting = new Set<{ holds(): boolean; go(): void }>();

  /** Resolves once `holds()`, at once when it does already; rejects with the signal's reason. */
  until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      if (holds()) {
        resolve();
        return;
      }
      const onAbort = () => {
        this.#waiting.delete(waiter);
        reject(signal.reason);
      };
      const go = () => {
        signal.removeEventListener('abort', onAbort);
        this.#waiting.delete(waiter);
        resolve();
      };
      const waiter = { holds, go };
      this.#waiting.add(waiter);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Lets those go whose condition holds now. */
  check(): void {
    for (const waiter of [...this.#waiting]) if (waiter.holds()) waiter.go();
  }
}

/** Calls back whoever asked to be told. */
export class Listeners<T> {
  readonly #listeners = new Set<(value: T) => void>();

  /** Returns how to stop being told. */
  add(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(value: T): void {
    for (const listener of [...this.#listeners]) listener(value);
  }
}

/** A signal that aborts with the first of two, and a way to let go of both: long-lived signals must not collect
 *  listeners call by call. */
export function eitherSignal(
  first: AbortSignal,
  second: AbortSignal,
): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const onFirst = () => controller.abort(first.reason);
  const onSecond = () => controller.abort(second.reason);
  if (first.aborted) onFirst();
  else if (second.aborted) onSecond();
  first.addEventListener('abort', onFirst, { once: true });
  second.addEventListener('abort', onSecond, { once: true });
  return {
    signal: controller.signal,
    release() {
      first.removeEventListener('abort', onFirst);
      second.removeEventListener('abort', onSecond);
    },
  };
}
