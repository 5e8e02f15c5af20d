import { isoTime } from '../base/clock.ts';
import type { Hold } from '../model/action.ts';
import type { Service } from '../model/desired.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import type { ContainerFile, LockLook, LockView } from '../model/update.ts';
import { keyOf } from './ownership.ts';
import { updateOf } from './plan-strategy.ts';
import type { Planning } from './planning.ts';

/** A look that found no lock counts this long, milliseconds. */
const FREE_COUNTS_MS = 10_000;

/** A lock that holds is looked at again after this long, doubling up to the longest, milliseconds. */
const FIRST_POLL_MS = 5_000;
const LONGEST_POLL_MS = 30_000;

/** What of a file's first line is shown. */
const MOST_REASON = 200;

/** true: the newest version is bad and this blueprint goes back, which nothing holds off. */
export function isGoingBack(observed: ObservedState, blueprint: string): boolean {
  const view = observed.rollouts.get(blueprint);
  return view?.notices.some(({ reason }) => reason === 'RolledBack') === true;
}

/** The operator's lock for which no container of this service is replaced now; undefined when there is none. */
export function lockedBy(planning: Planning, service: Service): Omit<Hold, 'key' | 'blueprint'> | undefined {
  const { observed } = planning;
  const locks = observed.updates.locks.filter((lock) => isAbout(lock, service));
  const [first, ...more] = locks;
  if (first === undefined || isGoingBack(observed, service.blueprint)) return undefined;
  const own = observed.containers.filter((container) => keyOf(container) === service.key);
  if (own.some(({ id }) => observed.updates.overridden.has(id))) return undefined;
  const others = more.length === 0 ? '' : `, and ${more.length} more`;
  const ends = locks.flatMap(({ untilMs }) => (untilMs === undefined ? [] : [untilMs]));
  return {
    reason: 'UpdateLocked',
    message: `${lockText(first)}${others}; colonies-edge unlock ${first.name} ends it`,
    ...(ends.length === 0 ? {} : { untilMs: Math.min(...ends) }),
    ...(first.until === undefined || locks.length > 1 ? {} : { nextTryAt: first.until }),
  };
}

function isAbout({ name }: LockView, { blueprint, instance }: Service): boolean {
  return name === blueprint || name === `${blueprint}/${instance}`;
}

function lockText({ owner, reason, since, until }: LockView): string {
  const why = reason === '' ? '' : `: ${reason}`;
  const end = until === undefined ? 'until that ends' : `until ${isoTime(until)}`;
  return `locked by ${owner} since ${isoTime(since)} ${end}${why}`;
}

/** true: this container's own lock file holds it, as far as was looked. */
export function isSeenLocked({ observed, monoMs }: Planning, { id }: ObservedContainer): boolean {
  const look = observed.updates.lockFiles.get(id);
  return look !== undefined && look.state !== 'free' && look.nextMs > monoMs;
}

/** true when the container does not say by its lock file that it is busy; otherwise looks, or holds. */
export function isFree(planning: Planning, service: Service, container: ObservedContainer): boolean {
  const { lockFile } = updateOf(service);
  const { observed, monoMs } = planning;
  if (lockFile === undefined || isGoingBack(observed, service.blueprint)) return true;
  // What does not run is not busy.
  if (container.state !== 'running' && container.state !== 'paused') return true;
  if (observed.updates.overridden.has(container.id)) return true;
  const look = observed.updates.lockFiles.get(container.id);
  const base = { key: service.key, blueprint: service.blueprint };
  if (look !== undefined && look.path === lockFile.path) {
    if (look.state === 'free' && monoMs - look.seenMs <= FREE_COUNTS_MS) return true;
    if (look.state !== 'free')
      planning.hold({
        ...base,
        reason: 'UpdateLocked',
        message: lookText(look, service),
        untilMs: Math.max(look.nextMs, monoMs),
        nextTryAt: look.nextAt,
      });
    if (look.state !== 'free' && look.nextMs > monoMs) return false;
  }
  if (look === undefined || look.state === 'free')
    planning.hold({ ...base, reason: 'Working', message: `${container.name} is asked whether it is busy` });
  const startedAt = Date.parse(container.detail?.startedAt ?? '');
  planning.act({
    kind: 'checkLock',
    lane: service.key,
    blueprint: service.blueprint,
    cause: 'it is about to be replaced',
    id: container.id,
    name: container.name,
    specHash: service.specHash,
    path: lockFile.path,
    ttlMs: lockFile.ttlMs,
    ...(Number.isNaN(startedAt) ? {} : { startedAt }),
  });
  return false;
}

function lookText({ state, container, path, message, changedAt, until }: LockLook, service: Service): string {
  const way = `colonies-edge retry ${service.blueprint} --override-locks passes over it`;
  if (state === 'unknown') return `${container}: whether ${path} locks it cannot be told: ${message}; ${way}`;
  const why = message === '' ? '' : `: ${message}`;
  const end = until === undefined ? '' : ` until ${isoTime(until)}`;
  return `${container} is locked by ${path} since ${isoTime(changedAt)}${end}${why}; ${way}`;
}

/** What a look at a lock file means. */
export interface Seen {
  key: string;
  container: string;
  path: string;
  ttlMs: number;
  startedAt?: number;
  /** Undefined: there is no file; text: nothing is known, because of this. */
  file: ContainerFile | undefined | string;
}

/**
 * A lock holds while its file is younger than its TTL, by the file's own time, and not older than the container's start: that
 * one was left by an earlier run. A file from the future, as after a jump of the clock, holds for a TTL from when it was first seen.
 */
export function lookOf(
  { key, container, path, ttlMs, startedAt, file }: Seen,
  previous: LockLook | undefined,
  moment: { now: number; monoMs: number },
): LockLook {
  const { now, monoMs } = moment;
  const base = { key, container, path, seenMs: monoMs };
  const idle = { changedAt: 0, firstMs: monoMs, nextMs: monoMs, nextAt: now, count: 0, message: '' };
  const count = previous === undefined || previous.state === 'free' ? 1 : previous.count + 1;
  const waitMs = Math.min(LONGEST_POLL_MS, FIRST_POLL_MS * 2 ** Math.min(count - 1, 10));
  const poll = { count, nextMs: monoMs + waitMs, nextAt: now + waitMs };
  if (typeof file === 'string') return { ...base, ...idle, ...poll, state: 'unknown', message: file };
  if (file === undefined) return { ...base, ...idle, state: 'free' };
  const { changedAt, head } = file;
  const firstMs = previous?.changedAt === changedAt ? previous.firstMs : monoMs;
  const leftMs = ttlMs - Math.max(now - changedAt, monoMs - firstMs, 0);
  // The engine tells the start to the millisecond here, and some file systems keep whole seconds.
  const isOld = startedAt !== undefined && changedAt + 1_000 <= startedAt;
  if (leftMs <= 0 || isOld) return { ...base, ...idle, changedAt, firstMs, state: 'free' };
  const endsMs = Math.min(poll.nextMs, monoMs + leftMs);
  return {
    ...base,
    state: 'locked',
    message: firstLine(head),
    changedAt,
    firstMs,
    count,
    nextMs: endsMs,
    nextAt: now + endsMs - monoMs,
    until: now + leftMs,
  };
}

function firstLine(head: string): string {
  const [line = ''] = head.split('\n');
  return line.trim().slice(0, MOST_REASON);
}
