import { untilAborted } from '../base/abort.ts';
import type { Clock } from '../base/clock.ts';
import { errorText } from '../base/errors.ts';
import { ColonyError } from './errors.ts';

/** A reason made once: the default one is an exception with a stack trace, for each call. */
const NO_LONGER_NEEDED = 'no longer needed';

/**
 * Runs `work` with a signal that aborts after `ms` with `COLONY_TIMEOUT`, or with `CANCELLED` when `outer` is aborted.
 * Rejects at that moment, also when the work does not heed the signal: a request that still waits for a connection
 * does not.
 */
export async function withDeadline<T>(
  options: { clock: Clock; ms: number; outer?: AbortSignal; what: string },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, ms, outer, what } = options;
  const controller = new AbortController();
  const timer = new AbortController();
  const onAbort = () =>
    controller.abort(
      new ColonyError('CANCELLED', `${what}: given up (${errorText(outer?.reason)})`, {
        cause: outer?.reason,
      }),
    );
  if (outer?.aborted === true) onAbort();
  outer?.addEventListener('abort', onAbort, { once: true });
  clock.sleep(ms, timer.signal).then(
    () => {
      if (!timer.signal.aborted)
        controller.abort(new ColonyError('COLONY_TIMEOUT', `${what}: not done within ${ms / 1000} s`));
    },
    () => undefined,
  );
  try {
    controller.signal.throwIfAborted();
    return await untilAborted(work(controller.signal), controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    timer.abort(NO_LONGER_NEEDED);
    outer?.removeEventListener('abort', onAbort);
  }
}
