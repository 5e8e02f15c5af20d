import type { Clock } from '../../../src/base/clock.ts';
import type { FaultProxy } from '../fault-proxy/proxy.ts';
import type { LinkChange } from './schedule.ts';

/** A link that can be driven: the fault proxy, or one that exists in memory only. */
export type DrivenLink = Pick<FaultProxy, 'set' | 'shape' | 'cut'>;

/**
 * Applies a schedule from now on; resolves after its last change, which stays in force. `onChange` is told of each
 * change once it holds, and the next one waits for it: there a power loss is acted out. Rejects with the signal's
 * reason, and leaves the link as it is then.
 */
export async function drive(
  link: DrivenLink,
  changes: readonly LinkChange[],
  options: {
    clock: Clock;
    signal: AbortSignal;
    onChange?: (change: LinkChange) => Promise<void> | void;
  },
): Promise<void> {
  const { clock, signal, onChange } = options;
  const startMs = clock.monoMs();
  for (const change of changes) {
    const waitMs = startMs + change.atMs - clock.monoMs();
    if (waitMs > 0) await clock.sleep(waitMs, signal);
    signal.throwIfAborted();
    const { latencyMs, lossPercent, retransmitMs, rateDown, rateUp } = change;
    link.shape({ latencyMs, lossPercent, retransmitMs, rateDown, rateUp });
    // Before the link is back: what was open under the old address must not get a byte more.
    if (change.addressChange) link.cut({ tell: false });
    await link.set({ mode: change.how });
    await onChange?.(change);
  }
}
