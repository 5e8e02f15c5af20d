import type { Clock } from '../base/clock.ts';
import { type ColonyCode, ColonyError } from './errors.ts';

/** Answers of whoever stands in front of the server, whose clock may be anything. */
const NOT_THE_SERVER: ReadonlySet<ColonyCode> = new Set([
  'COLONY_CAPTIVE_PORTAL',
  'COLONY_GATEWAY',
  'COLONY_PROTOCOL',
  'COLONY_PROXY',
  'COLONY_TLS',
]);

/** Whether a failed reading of an answer still says that the server itself gave it. */
export function isFromServer(error: unknown): boolean {
  return error instanceof ColonyError && !NOT_THE_SERVER.has(error.code);
}

/** The server's wall clock by the `Date` of its last answer (whole seconds, RFC 9110 6.6.1), counted on with monotonic
 *  time, so that this machine's own wall clock may be anything. */
export class ServerTime {
  readonly #clock: Clock;
  #heard: { at: number; monoMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes the `Date` header of an answer; an absent or unreadable one changes nothing. */
  take(date: string | string[] | undefined): void {
    const at = typeof date === 'string' ? Date.parse(date) : Number.NaN;
    if (!Number.isNaN(at)) this.#heard = { at, monoMs: this.#clock.monoMs() };
  }

  /** Epoch milliseconds; undefined before the first answer. */
  now(): number | undefined {
    return this.#heard === undefined ? undefined : this.#heard.at + this.#clock.monoMs() - this.#heard.monoMs;
  }
}
