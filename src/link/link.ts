import { errorText } from '../base/errors.ts';
import { within } from '../base/lanes.ts';
import type { Link, LinkHost, LinkStatus, ServerReading } from '../model/link.ts';
import { createConnection } from './connection.ts';
import type { Lane, LinkParts } from './parts.ts';

/** How long the lanes may take to finish at the end, milliseconds. */
const DRAIN_MS = 5_000;

const NOTHING_READ: ServerReading = { listings: 0, blueprints: [], gone: new Map(), claims: new Map() };

/** The link to the server over its parts; nothing happens until `run`. */
export function createLink(parts: LinkParts): Link {
  const { clock, settings, colony, log } = parts;
  const connection = createConnection(parts);
  const lanes: readonly Lane[] = [connection];

  return {
    async run(host: LinkHost, signal: AbortSignal) {
      const running = Promise.all(lanes.map((lane) => lane.run(host, signal)));
      // Rejects with the first broken invariant; the caller ends the process.
      await Promise.race([running, aborted(signal)]);
      await within(clock, DRAIN_MS, running);
    },
    reading: () => NOTHING_READ,
    status(): LinkStatus {
      return {
        endpoint: colony.endpoint,
        colony: settings.colony,
        executorName: settings.executorName,
        executorId: connection.id,
        ...connection.view(),
        linkClass: connection.linkClass,
        listing: { blueprints: 0 },
        openProcesses: 0,
        unsentStatuses: 0,
        traffic: connection.traffic(),
      };
    },
    refresh() {
      connection.retryNow();
    },
    confirmRemoval: () => [],
    async close() {
      await connection
        .close()
        .catch((error) => log.debug('link cannot be closed', { detail: errorText(error) }));
    },
  };
}

/** Resolves when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
