import { type Clock, isoTime } from '../base/clock.ts';
import type { LinkState, LinkStatus, OfflineCause } from '../model/link.ts';
import type { Away } from './parts.ts';

/** The state of the link, since when, and what is known about why; decides nothing. */
export class Standing {
  readonly #clock: Clock;
  #state: LinkState = 'Connecting';
  #sinceMs: number;
  /** Monotonic time when `Connected` was lost; undefined: it is up, or never was. */
  #lostMs: number | undefined;
  #refusedMs: number | undefined;
  #contactMs: number | undefined;
  cause: OfflineCause | undefined;
  lastError: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.monoMs();
  }

  get state(): LinkState {
    return this.#state;
  }

  /** The server answered just now. */
  contact(): void {
    this.#contactMs = this.#clock.monoMs();
  }

  /** Returns false when it is in this state already. Cause and error of the one before are over. */
  change(state: LinkState): boolean {
    if (state === this.#state) return false;
    this.#sinceMs = this.#clock.monoMs();
    if (this.#state === 'Connected') this.#lostMs = this.#sinceMs;
    if (state === 'Connected') this.#refusedMs = undefined;
    this.#state = state;
    this.cause = undefined;
    this.lastError = undefined;
    return true;
  }

  /** How long the key has been refused, outages in between included; counts from the first call. */
  refusedForMs(): number {
    this.#refusedMs ??= this.#clock.monoMs();
    return this.#clock.monoMs() - this.#refusedMs;
  }

  /** The period that just ended, once; undefined: there was no `Connected` before. */
  takeAway(): Away | undefined {
    if (this.#lostMs === undefined) return undefined;
    const until = this.#clock.now();
    const since = until - (this.#clock.monoMs() - this.#lostMs);
    this.#lostMs = undefined;
    return { since, until };
  }

  /** `nextTryMs`: monotonic; undefined: nothing is to be tried. */
  view(nextTryMs: number | undefined) {
    const view: Pick<LinkStatus, 'state' | 'since' | 'cause' | 'lastError' | 'nextTryAt' | 'lastContactAt'> =
      {
        state: this.#state,
        since: this.#wall(this.#sinceMs),
        ...(this.cause === undefined ? {} : { cause: this.cause }),
        ...(this.lastError === undefined ? {} : { lastError: this.lastError }),
        ...(nextTryMs === undefined ? {} : { nextTryAt: this.#wall(nextTryMs) }),
        ...(this.#contactMs === undefined ? {} : { lastContactAt: this.#wall(this.#contactMs) }),
      };
    return view;
  }

  /** By the wall clock as it is now: a clock that was set in between must not make an outage of years. */
  #wall(monoMs: number): string {
    return isoTime(this.#clock.now() + (monoMs - this.#clock.monoMs()));
  }
}
