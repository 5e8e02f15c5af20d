import { backoffMs } from '../base/backoff.ts';
import { type Clock, isoTime } from '../base/clock.ts';
import { type EdgeError, errorText } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import type { Reachability } from '../model/status.ts';
import { ENGINE_BACKOFF } from './backoff.ts';
import type { Journal } from './journal.ts';

/** Whether the engine answers, since when, and why not; told once when it changes. */
export class EngineHealth {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #journal: Journal;
  #state: Reachability['state'] = 'unknown';
  #sinceMs: number;
  #sinceMonoMs: number;
  #error: string | undefined;
  #failures = 0;

  constructor(clock: Clock, random: Random, journal: Journal) {
    this.#clock = clock;
    this.#random = random;
    this.#journal = journal;
    this.#sinceMs = clock.now();
    this.#sinceMonoMs = clock.monoMs();
  }

  get state(): Reachability['state'] {
    return this.#state;
  }

  /** Why it is away; undefined while it answers or was not asked yet. */
  get awayBecause(): string | undefined {
    return this.#state === 'away' ? this.#error : undefined;
  }

  /** A look failed. Returns the milliseconds until the next one. */
  away(error: EdgeError): number {
    if (this.#state !== 'away') {
      this.#change('away');
      this.#journal.add('warn', 'engine is away', { detail: errorText(error), reason: error.code });
    }
    this.#failures += 1;
    this.#error = errorText(error);
    return backoffMs(this.#failures, this.#random.next(), ENGINE_BACKOFF);
  }

  /** A look succeeded. */
  back(): void {
    if (this.#state === 'ok') return;
    const awayS = Math.round((this.#clock.monoMs() - this.#sinceMonoMs) / 1000);
    if (this.#state === 'away')
      this.#journal.add('info', 'engine is back', { detail: `was away for ${awayS} s` });
    this.#change('ok');
  }

  view(): Reachability {
    const lastError = this.awayBecause;
    return {
      state: this.#state,
      since: isoTime(this.#sinceMs),
      ...(lastError === undefined ? {} : { lastError }),
    };
  }

  #change(state: Reachability['state']): void {
    this.#state = state;
    this.#sinceMs = this.#clock.now();
    this.#sinceMonoMs = this.#clock.monoMs();
    this.#failures = 0;
  }
}
