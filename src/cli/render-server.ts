import { formatDuration } from '../base/duration.ts';
import type { LinkState, LinkStatus } from '../model/link.ts';
import type { Painter } from './io.ts';
import { ageOf, type Look } from './render-status.ts';

type Style = Parameters<Painter>[0];

const STYLE: Readonly<Record<LinkState, Style>> = {
  Connected: 'green',
  Connecting: 'yellow',
  Offline: 'yellow',
  PendingApproval: 'red',
  Unregistered: 'red',
  UnknownKey: 'red',
};

/** What the agent does about a link that is not up, and what somebody else has to do. */
const MEANWHILE: Readonly<Record<LinkState, string>> = {
  Connected: '',
  Connecting: 'containers are kept by the last known blueprints meanwhile',
  Offline: 'containers are kept by the last known blueprints meanwhile',
  PendingApproval: 'containers are kept meanwhile; the owner of the colony has to approve this executor',
  Unregistered: 'containers are kept meanwhile; the owner of the colony has to approve this executor again',
  UnknownKey: 'containers are kept meanwhile; register this node, or give it the right key',
};

/** The link to the server as lines to be wrapped: its state, since when, why, what is done about it, and the next try. */
export function serverLines(server: LinkStatus, look: Look): { style: Style; text: string }[] {
  const { state, cause, lastError, listing } = server;
  const why = [cause, lastError].filter((part) => part !== undefined).join(': ');
  const next = state === 'Connected' ? '' : untilText(server.nextTryAt, look);
  const metered = server.linkClass === 'metered' ? ', metered' : '';
  const head = `server ${state} for ${ageOf(server.since, look)} at ${server.endpoint} as ${server.executorName}${metered}`;
  const tail = [MEANWHILE[state], next].filter((part) => part !== '').join('; ');
  const lines = [
    { style: STYLE[state], text: `${head}${why === '' ? '' : ` (${why})`}${tail === '' ? '' : `: ${tail}`}` },
  ];
  const say = (style: Style, text: string) => lines.push({ style, text });
  if (listing.suspect !== undefined) say('red', `blueprints on the server: ${listing.suspect}`);
  if (state === 'Connected' && listing.lastError !== undefined) {
    const nextList = untilText(listing.nextAt, look);
    say(
      'yellow',
      `blueprints cannot be listed (${listing.lastError})${nextList === '' ? '' : `; ${nextList}`}`,
    );
  }
  if (server.paused === true) say('yellow', 'the colony is paused: it hands out no processes');
  const executors = executorsText(server);
  if (executors !== '') say('yellow', executors);
  const untold = untoldText(server);
  if (state !== 'Connected' && untold !== '') say('yellow', `the server is still to be told of ${untold}`);
  return lines;
}

/** Executor identities that are not as they should be; empty when there is nothing to say. */
function executorsText({ executors, state }: LinkStatus): string {
  if (executors === undefined) return '';
  const { waiting, leaving, lastError } = executors;
  const parts = [
    ...(waiting === 0 ? [] : [`${waiting} to be registered`]),
    ...(leaving === 0 ? [] : [`${leaving} to be removed`]),
    ...(lastError === undefined || state !== 'Connected' ? [] : [lastError]),
  ];
  return parts.length === 0 ? '' : `executor identities: ${parts.join('; ')}`;
}

function untoldText({ unsentStatuses, openProcesses }: LinkStatus): string {
  const parts = [
    ...(unsentStatuses === 0 ? [] : [`${unsentStatuses} ${unsentStatuses === 1 ? 'status' : 'statuses'}`]),
    ...(openProcesses === 0 ? [] : [`${openProcesses} ${openProcesses === 1 ? 'process' : 'processes'}`]),
  ];
  return parts.join(' and ');
}

function untilText(time: string | undefined, look: Look): string {
  if (time === undefined) return '';
  const leftMs = Date.parse(time) - look.nowMs;
  return `next try ${leftMs > 0 ? `in ${formatDuration(leftMs)}` : 'now'}`;
}
