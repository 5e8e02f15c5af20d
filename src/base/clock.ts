/** Time as a dependency: wall time only for what leaves the process, monotonic time for every duration. */
export interface Clock {
  /** Wall time in milliseconds since 1970; may jump in either direction. */
  now(): number;
  /** Monotonic milliseconds since an arbitrary start; never jumps. */
  monoMs(): number;
  /** Resolves after `ms`, or rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest delay Node's timers accept, in milliseconds (about 24.8 days). */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monoMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise<void>((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const timer = setTimeout(
        () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
        Math.min(Math.max(ms, 0), MAX_TIMER_MS),
      );
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    }),
};

/** An ISO 8601 UTC time with whole seconds, as status documents and logs carry it. */
export function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** Milliseconds by which the machine's local time is ahead of UTC at a moment; the zone is the one the process began with. */
export function machineZone(epochMs: number): number {
  return -60_000 * new Date(epochMs).getTimezoneOffset();
}
