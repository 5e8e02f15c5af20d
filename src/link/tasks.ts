import { EdgeError } from '../base/errors.ts';

/** Pieces of work that run beside each other; what goes wrong in them beyond an `EdgeError` is not lost. */
export class Tasks {
  readonly #running = new Set<Promise<void>>();
  #fail: (error: unknown) => void = () => undefined;
  /** Rejects with the first broken invariant; never resolves. */
  readonly failed: Promise<never>;

  constructor() {
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
    // Whoever runs the lane waits for it; until then it must not count as nobody's.
    this.failed.catch(() => undefined);
  }

  /** Begins a piece of work. Its `EdgeError`s, and whatever it rejects with once `signal` is aborted, are its own matter. */
  start(signal: AbortSignal, work: () => Promise<void>): void {
    const running = work()
      .catch((error) => {
        if (!signal.aborted && !(error instanceof EdgeError)) this.#fail(error);
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
