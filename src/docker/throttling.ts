import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Deadlines } from './deadlines.ts';
import { relayOwner } from './relay-references.ts';
import type { Throttle } from './throttle.ts';
import type { Transport } from './transport.ts';
import type { Versions } from './version.ts';

export interface ThrottlingParts {
  transport: Transport;
  versions: Versions;
  clock: Clock;
  random: Random;
  deadlines: Deadlines;
  certsDir?: string | undefined;
  bandwidth?: { node: string; bytesPerSecond: number | undefined } | undefined;
}

/** What an engine has to do with a bandwidth; next to nothing without one. */
export interface Throttling {
  /** undefined: pulls are not limited. */
  throttle(): Promise<Throttle | undefined>;
  warnings(): readonly string[];
  /** Removes references that a process before this one has left. Never fails: what is left is tried again with the next
   *  connection or pull. */
  tidy(): Promise<void>;
  close(): Promise<void>;
}

/** Loads what throttles with the first pull that is to be throttled. */
export function createThrottling(parts: ThrottlingParts): Throttling {
  const { transport, versions, clock, random, deadlines, certsDir, bandwidth } = parts;
  let throttle: Throttle | undefined;
  const load = async (node: string, bytesPerSecond: number): Promise<Throttle> => {
    const { Throttle: Loaded } = await import('./throttle.ts');
    throttle ??= new Loaded({
      ...{ transport, clock, random, deadlines, certsDir, bytesPerSecond },
      owner: relayOwner(node),
      async info(signal) {
        const { api } = await versions.version(signal);
        const about = { deadlineMs: deadlines.versionMs, subject: 'engine', signal } as const;
        return (await transport.send({ method: 'GET', path: `/v${api}/info`, ...about })).json;
      },
      isPodman: async (signal) => (await versions.version(signal)).name === 'podman',
    });
    return throttle;
  };
  return {
    throttle: async () =>
      bandwidth?.bytesPerSecond === undefined ? undefined : load(bandwidth.node, bandwidth.bytesPerSecond),
    warnings: () => throttle?.warnings() ?? [],
    async tidy() {
      if (bandwidth === undefined) return;
      try {
        const { removeRelayReferences } = await import('./relay-tidy.ts');
        const { api } = await versions.version(new AbortController().signal);
        const isRunning = (route: string) => throttle?.isRunning(route) === true;
        await removeRelayReferences({ transport, api, deadlines }, relayOwner(bandwidth.node), isRunning);
      } catch {
        // The engine is away, or slow: later.
      }
    },
    close: async () => throttle?.close(),
  };
}
