import type { Clock } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/clock.ts';

/** The machine's clock run faster by a factor, for what needs sockets and takes minutes. */
export function scaledClock(factor: number): Clock {
  const startWallMs = systemClock.now();
  const startMs = systemClock.monoMs();
  const sinceMs = () => (systemClock.monoMs() - startMs) * factor;
  return {
    now: () => startWallMs + sinceMs(),
    monoMs: sinceMs,
    sleep: (ms, signal) => systemClock.sleep(ms / factor, signal),
  };
}
