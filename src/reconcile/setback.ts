import { backoffMs, longestMs } from '../base/backoff.ts';
import type { Setback } from '../model/observed.ts';
import type { Reason } from '../model/reason.ts';
import { SERVICE_BACKOFF } from './backoff.ts';

/** A failure, as far as it matters for when to try again. */
export interface Failure {
  key: string;
  specHash: string;
  reason: Reason;
  message: string;
  /** true: the same call would fail the same way, so wait the longest interval at once. */
  permanent: boolean;
}

/** The moment of a failure and the dice for its backoff. */
export interface Moment {
  now: number;
  monoMs: number;
  /** In [0, 1). */
  random: number;
}

/** How long a service must have been fine until its failures are forgotten, milliseconds. */
export const LASTING_SUCCESS_MS = 600_000;

/** The setback after one more failure. Attempts count on for the same version, and start anew for another. */
export function nextSetback(previous: Setback | undefined, failure: Failure, moment: Moment): Setback {
  const same = previous !== undefined && previous.specHash === failure.specHash;
  const attempts = same ? previous.attempts + 1 : 1;
  const waitMs = failure.permanent
    ? longestMs(moment.random, SERVICE_BACKOFF)
    : backoffMs(attempts, moment.random, SERVICE_BACKOFF);
  return {
    ...failure,
    attempts,
    since: same ? previous.since : moment.now,
    notBeforeMs: moment.monoMs + waitMs,
    nextTryAt: moment.now + waitMs,
  };
}

/** Where the failures of another version are kept while those of `key` itself still count. */
export function otherVersionKey(key: string, specHash: string): string {
  return `${key}#${specHash}`;
}

/** The setback that holds `key` back now, for this version; undefined when there is none or its time has come. */
export function holding(
  setbacks: ReadonlyMap<string, Setback>,
  key: string,
  specHash: string,
  monoMs: number,
): Setback | undefined {
  for (const setback of [setbacks.get(key), setbacks.get(otherVersionKey(key, specHash))])
    if (setback !== undefined && setback.specHash === specHash && setback.notBeforeMs > monoMs)
      return setback;
  return undefined;
}
