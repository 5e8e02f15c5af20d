import { setMaxListeners } from 'node:events';
import { errorText } from '../base/errors.ts';
import { within } from '../base/lanes.ts';
import type { Link } from '../model/link.ts';
import { createClaimsLane } from './claim.ts';
import { createConnection } from './connection.ts';
import { createDesk } from './desk.ts';
import { createExecutorLog } from './executor-log.ts';
import { createFunctionsLane } from './functions.ts';
import { createListingLane } from './listing.ts';
import { OutboxKeeper } from './outbox.ts';
import type { Lane, LinkParts } from './parts.ts';
import { createPoll } from './poll.ts';
import { createReporter } from './reporter.ts';
import { createSlotsLane } from './slots-lane.ts';

/** How long the lanes may take to finish at the end, milliseconds. */
const DRAIN_MS = 5_000;

/** The link to the server over its parts; nothing happens until `run`. */
export function createLink(parts: LinkParts): Link {
  const { clock, settings, colony, log } = parts;
  const lanes = createLanes(parts);
  const { connection, outbox, desk, poll, claims, listing, reporter, slots } = lanes;
  connection.onLinkClass(() => reporter.refresh());

  return {
    async run(host, signal) {
      // As many calls may be under way as there are blueprints: that is no leak to be warned of.
      setMaxListeners(0, signal);
      // Before anything can be taken: what the last run left comes first.
      await outbox.restore(host);
      const running = Promise.all(lanes.all.map((lane) => lane.run(host, signal)));
      // Rejects with the first broken invariant; the caller ends the process.
      await Promise.race([running, aborted(signal)]);
      await within(clock, DRAIN_MS, running);
    },
    reading: () => listing.reading(),
    status: () => ({
      endpoint: colony.endpoint,
      colony: settings.colony,
      executorName: settings.executorName,
      executorId: connection.id,
      ...connection.view(),
      linkClass: connection.linkClass,
      listing: listing.status(),
      openProcesses: desk.open,
      unsentStatuses: reporter.unsent,
      executors: slots.status(),
      ...(poll.isPaused ? { paused: true } : {}),
      ...(claims.held + claims.others === 0 ? {} : { claims: { held: claims.held, others: claims.others } }),
      traffic: connection.traffic(),
    }),
    setLinkClass: (linkClass) => connection.setLinkClass(linkClass),
    refresh() {
      connection.retryNow();
      listing.refresh();
      reporter.refresh();
      poll.refresh();
      slots.refresh();
      desk.sync();
    },
    confirmRemoval: () => listing.confirmRemoval(),
    async close() {
      await connection
        .close()
        .catch((error) => log.debug('link cannot be closed', { detail: errorText(error) }));
    },
  };
}

/** All streams of work of the link; only the connection changes the state, and all go through its door. */
function createLanes(parts: LinkParts) {
  const connection = createConnection(parts);
  const outbox = new OutboxKeeper(parts.outbox);
  const claims = createClaimsLane(parts, connection);
  const listing = createListingLane(parts, connection, claims);
  const desk = createDesk(parts, connection, outbox, listing);
  const poll = createPoll(parts, connection, desk);
  const reporter = createReporter(parts, connection, { reading: () => listing.reading(), claims });
  const slots = createSlotsLane(parts, connection, outbox);
  const all: readonly Lane[] = [
    connection,
    desk,
    poll,
    claims,
    listing,
    reporter,
    slots,
    createExecutorLog(parts, connection),
    createFunctionsLane(parts, connection),
  ];
  return { connection, outbox, claims, listing, desk, poll, reporter, slots, all };
}

/** Resolves when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
