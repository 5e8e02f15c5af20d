import type { LinkClass, LinkState, OfflineCause } from '../model/link.ts';

// What failures and refusals mean for the link. PURE.

/** The server took our call for good, whatever it answered: the link works. */
const ANSWERED = new Set([
  'COLONY_NO_PROCESS',
  'COLONY_PAUSED',
  'COLONY_NOT_OURS',
  'COLONY_CLOSED',
  'COLONY_NOT_FOUND',
  'COLONY_CONFLICT',
  'COLONY_REFUSED',
  'COLONY_UNSUPPORTED',
]);

const CAUSES: Readonly<Record<string, OfflineCause>> = {
  COLONY_DNS: 'dns',
  COLONY_REFUSED_CONNECTION: 'refused',
  COLONY_UNREACHABLE: 'unreachable',
  COLONY_TIMEOUT: 'timeout',
  COLONY_RESET: 'reset',
  COLONY_TLS: 'tls',
  COLONY_CLOCK: 'clock',
  COLONY_CAPTIVE_PORTAL: 'captive portal',
  COLONY_PROXY: 'proxy',
  COLONY_GATEWAY: 'gateway',
  TLS_FILE_UNREADABLE: 'tls',
};

/** Whether a failed call was answered by the server all the same, and says nothing against link or registration. */
export function isAnswered(code: string): boolean {
  return ANSWERED.has(code);
}

/** Why the link is `Offline` after an error with this code; whatever is not of the way there is the server's. */
export function causeOf(code: string): OfflineCause {
  return CAUSES[code] ?? 'server';
}

/** Whether a call failed because this node has no key it could sign with: none, or none that can be read. */
export function isKeyless(code: string): boolean {
  return code.startsWith('KEY_');
}

/** The server answers, and does not take this key. */
export function isRefused(state: LinkState): state is RefusedState {
  return state === 'PendingApproval' || state === 'Unregistered' || state === 'UnknownKey';
}

export type RefusedState = 'PendingApproval' | 'Unregistered' | 'UnknownKey';

const HOUR_MS = 3_600_000;

/** A third of the server's clean-up interval: of two attempts one falls between an approval and the next sweep. */
const REFUSED_MS = 20_000;

/**
 * How long to wait between two attempts while refused for `refusedMs`: at most 20 s, so that an approval is caught before
 * the next sweep takes it back (PROTOCOL.md 5.3); on a metered link, after the first hour, one more minute for each
 * further hour, up to 5 min. The last quarter is jitter.
 */
export function refusedWaitMs(refusedMs: number, linkClass: LinkClass, random: number): number {
  const hours = Math.floor(refusedMs / HOUR_MS);
  const longestMs = linkClass === 'normal' || hours < 1 ? REFUSED_MS : Math.min(5, hours) * 60_000;
  return Math.round(longestMs * (0.75 + random / 4));
}
