import { isoTime } from '../base/clock.ts';
import type { JsonObject } from '../model/blueprint.ts';

// Who runs what several nodes may run (FIELDS.md section 8). Times are the server's wall clock, epoch milliseconds.

/** A claim that was not renewed for this many of its own intervals is over. */
const INTERVALS = 3;

/** What a holder may write as its interval, seconds: a typing mistake must not hold a blueprint for years. */
const INTERVAL_S = { least: 60, most: 86_400, usual: 900 };

/** A holder that says `Deleting` gives its claim up; this long its containers are given to end, milliseconds. */
const RELEASE_MS = 60_000;

/** Claims from further in the future than this come from a wrong clock and count from when they were first seen. */
const AHEAD_MS = 60_000;

/** Another node's claim, as last seen. */
export interface ForeignClaim {
  node: string;
  /** What the holder wrote, to tell a renewal from the same claim seen again. */
  written: string;
  atMs: number;
  expiresAtMs: number;
  /** true: the holder runs nothing of it, its version was refused there. */
  isIdle: boolean;
}

/**
 * How a blueprint stands, as this node knows: `mine`; `wiped`, mine although an update took the status away; `foreign`,
 * another node's; `free`.
 */
export interface Standing {
  blueprintId: string;
  state: 'mine' | 'wiped' | 'foreign' | 'free';
  /** The last claim of another node. It stands as long as it lasts, also when an update wiped it. */
  foreign?: ForeignClaim;
}

/** From whose side a claim is judged. */
export interface Viewpoint {
  node: string;
  /** undefined: the server's time is not known, and no claim counts as over. */
  serverNowMs: number | undefined;
  /** true: this node refuses the version, and has no use for a blueprint that another one refuses as well. */
  refused: boolean;
}

/** How a blueprint stands after its status was seen. What was known of another blueprint of its name counts for nothing. */
export function judge(
  known: Standing | undefined,
  blueprintId: string,
  status: JsonObject,
  view: Viewpoint,
): Standing {
  const before = known?.blueprintId === blueprintId ? known : undefined;
  const node = textOf(status.node);
  if (node === view.node) return { blueprintId, state: 'mine' };
  if (node === '') {
    if (before?.state === 'mine' || before?.state === 'wiped') return { blueprintId, state: 'wiped' };
    const foreign = before?.foreign;
    if (foreign === undefined) return { blueprintId, state: 'free' };
    return { blueprintId, state: isOver(foreign, view) ? 'free' : 'foreign', foreign };
  }
  const foreign = foreignClaim(node, status, before?.foreign, view.serverNowMs);
  return { blueprintId, state: isOver(foreign, view) ? 'free' : 'foreign', foreign };
}

function isOver(claim: ForeignClaim, { serverNowMs, refused }: Viewpoint): boolean {
  if (claim.isIdle && !refused) return true;
  return serverNowMs !== undefined && serverNowMs >= claim.expiresAtMs;
}

function foreignClaim(
  node: string,
  status: JsonObject,
  before: ForeignClaim | undefined,
  serverNowMs = 0,
): ForeignClaim {
  const written = textOf(status.claimedAt) || textOf(status.lastUpdated);
  const intervalMs = 1000 * intervalOf(status.claimIntervalS);
  const stated = Date.parse(written);
  const isCredible = stated <= serverNowMs + AHEAD_MS;
  const isSame = before?.node === node && before.written === written;
  const atMs = isCredible ? stated : isSame && before.atMs > 0 ? before.atMs : serverNowMs;
  const lastsMs = status.phase === 'Deleting' ? RELEASE_MS : INTERVALS * intervalMs;
  const isIdle = status.phase === 'Failed' && status.desiredInstances === 0;
  return { node, written, atMs, expiresAtMs: atMs + lastsMs, isIdle };
}

function intervalOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) return INTERVAL_S.usual;
  return Math.min(INTERVAL_S.most, Math.max(INTERVAL_S.least, value));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The members that make a status a claim. `heartbeatMs`: it is written again at least this often. */
export function claimMembers(node: string, serverNowMs: number, heartbeatMs: number): JsonObject {
  const claimIntervalS = Math.max(INTERVAL_S.least, Math.ceil(heartbeatMs / 1000));
  return { node, claimedAt: isoTime(serverNowMs), claimIntervalS };
}

/** Why a blueprint that stands so is not this node's; undefined: it may be. */
export function whyForeign({ state, foreign }: Standing): string | undefined {
  return state === 'foreign' ? `node ${foreign?.node ?? '?'} runs it` : undefined;
}
