import { EdgeError } from '../base/errors.ts';
import { Doorbell } from '../base/lanes.ts';
import type { LinkHost } from '../model/link.ts';
import type { LiveConnection } from './connection.ts';
import type { Lane, LinkParts } from './parts.ts';
import { Retry } from './retry.ts';

/** What this executor serves, for the colony's listings and statistics; the server assigns without it. */
const FUNCTIONS = ['reconcile', 'cleanup'];

const A_DAY_MS = 86_400_000;

/** Lists our functions at the server: at the start, and again after every loss of the registration, which deletes them. */
export function createFunctionsLane(
  parts: Pick<LinkParts, 'clock' | 'random' | 'settings'>,
  connection: LiveConnection,
): Lane {
  const { clock, random, settings } = parts;
  const bell = new Doorbell(clock);
  const retry = new Retry(clock, random);
  let listedAfter: number | undefined;
  return {
    async run(_host: LinkHost, signal: AbortSignal) {
      const stop = connection.onUp(() => bell.ring());
      while (!signal.aborted) {
        await bell.wait(A_DAY_MS, signal);
        try {
          await connection.whenUp(signal);
          const { refusals } = connection;
          if (listedAfter === refusals) continue;
          for (const name of FUNCTIONS)
            await connection.call(
              (colony, inner) =>
                colony.ensureFunction(settings.executorName, settings.executorType, name, inner),
              signal,
            );
          listedAfter = refusals;
          retry.succeeded();
        } catch (error) {
          if (signal.aborted) break;
          if (!(error instanceof EdgeError)) throw error;
          await retry.wait(error, signal).catch(() => undefined);
          bell.ring();
        }
      }
      stop();
    },
  };
}
