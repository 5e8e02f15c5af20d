import type { Clock } from '../base/clock.ts';
import { errorText } from '../base/errors.ts';
import { engineError } from './errors.ts';

/** The end of one call: the caller's abort, or time; whichever comes first aborts `signal` with an `EdgeError`. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Starts the time anew: something moved. */
  extend(ms: number): void;
  /** No more time limit; the caller's abort still counts. */
  lift(): void;
  /** Call over: lets go of the timer and of the caller's signal. */
  done(): void;
}

/** Aborts after `ms` with `ENGINE_TIMEOUT` (or what `late` makes), or with `CANCELLED` when `outer` is aborted. */
export function deadlineOf(
  clock: Clock,
  ms: number,
  outer: AbortSignal | undefined,
  call: string,
  late: (ms: number) => Error = (after) =>
    engineError('ENGINE_TIMEOUT', `${call}: no answer within ${after / 1000} s`),
): Deadline {
  const controller = new AbortController();
  let timer = new AbortController();
  const onAbort = () =>
    controller.abort(
      engineError('CANCELLED', `${call}: given up (${errorText(outer?.reason)})`, undefined, outer?.reason),
    );
  const arm = (limitMs: number) => {
    timer.abort();
    const mine = new AbortController();
    timer = mine;
    clock.sleep(limitMs, mine.signal).then(
      () => {
        if (!mine.signal.aborted) controller.abort(late(limitMs));
      },
      () => undefined,
    );
  };
  if (outer?.aborted === true) onAbort();
  else {
    outer?.addEventListener('abort', onAbort, { once: true });
    arm(ms);
  }
  return {
    signal: controller.signal,
    extend: arm,
    lift: () => timer.abort(),
    done: () => {
      timer.abort();
      outer?.removeEventListener('abort', onAbort);
    },
  };
}
