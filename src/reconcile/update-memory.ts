import { type Clock, isoTime } from '../base/clock.ts';
import type { Outcome, Plan } from '../model/action.ts';
import type { EngineSnapshot } from '../model/observed.ts';
import type { Memory } from '../model/ports.ts';
import type { LockLook, LockView, Replacement, UpdateLock, UpdateView } from '../model/update.ts';
import { isGone } from './memory-keys.ts';
import { lookOf } from './plan-lock.ts';

/** Most locks at the same time. */
export const MOST_LOCKS = 64;

/** After a restart of the agent whoever held a lock by a connection has this long to come back, milliseconds. */
const HOLDER_RETURNS_MS = 30_000;

/** A lock file that nobody looks at any more is no news after this long, milliseconds. */
const STALE_MS = 10_000;

/** The clock was set when it and the monotonic one differ by more, milliseconds. */
const JUMP_MS = 60_000;

interface Entry {
  lock: UpdateLock;
  /** Monotonic time from which its TTL counts. */
  sinceMs: number;
  /** Monotonic time by which its holder has to be back. */
  returnByMs?: number;
}

/** Locks, looks at lock files, and how far hooks are. Bounded by the locks that there may be and the containers there are. */
export class UpdateMemory {
  readonly #clock: Clock;
  readonly #locks = new Map<string, Entry>();
  readonly #looks = new Map<string, LockLook>();
  readonly #passed = new Map<string, { from: string; toHash: string; atMs: number }>();
  readonly #replacing = new Map<string, Replacement & { isSaved: boolean }>();
  readonly #overridden = new Set<string>();
  /** Last hooks that failed and that nothing waits for, by service key. */
  readonly #failed = new Map<string, string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes over what was saved. A TTL has gone on meanwhile, by the wall clock; one that was set back gives it anew. */
  load({ locks = [], replacing = [] }: Memory): void {
    const { now, monoMs } = this.#moment();
    for (const lock of locks.slice(0, MOST_LOCKS)) {
      const goneMs = Math.max(0, now - lock.since);
      const returnByMs = lock.isHeld === true ? { returnByMs: monoMs + HOLDER_RETURNS_MS } : {};
      this.#locks.set(lock.id, { lock, sinceMs: monoMs - goneMs, ...returnByMs });
    }
    for (const one of replacing) this.#replacing.set(one.key, { ...one, isSaved: true });
  }

  /** What must outlive a restart, in a fixed order. */
  save(): Pick<Memory, 'locks' | 'replacing'> {
    const locks = [...this.#locks.values()].map(({ lock }) => lock).sort(by(({ id }) => id));
    const replacing = [...this.#replacing.values()]
      .map(({ isSaved: _isSaved, ...rest }) => rest)
      .sort(by(({ key }) => key));
    return {
      ...(locks.length === 0 ? {} : { locks }),
      ...(replacing.length === 0 ? {} : { replacing }),
    };
  }

  /** These are on disk, or cannot be put there. true: a plan may have waited for it. */
  saved(replacing: readonly Replacement[] = []): boolean {
    const keys = new Map(replacing.map((one) => [one.key, one]));
    let isWaited = false;
    for (const [key, one] of this.#replacing) {
      if (one.isSaved) continue;
      isWaited = true;
      const kept = keys.get(key);
      if (kept?.from === one.from && kept.toHash === one.toHash) one.isSaved = true;
    }
    return isWaited;
  }

  /** The planner's view; forgets what is over, and what concerns containers that are gone. */
  view({ containers }: EngineSnapshot): UpdateView {
    const ids = new Set(containers.map(({ id }) => id));
    for (const id of this.#looks.keys()) if (!ids.has(id)) this.#looks.delete(id);
    for (const id of this.#overridden) if (!ids.has(id)) this.#overridden.delete(id);
    for (const [key, { from }] of this.#passed) if (!ids.has(from)) this.#passed.delete(key);
    return {
      locks: this.locks(),
      lockFiles: new Map(this.#looks),
      overridden: new Set(this.#overridden),
      passed: new Map(this.#passed),
      replacing: new Map([...this.#replacing].map(([key, one]) => [key, { ...one }])),
    };
  }

  /** Locks that count now, oldest first. */
  locks(): readonly LockView[] {
    const { now, monoMs } = this.#moment();
    const views: LockView[] = [];
    for (const [id, entry] of this.#locks) {
      const since = now - (monoMs - entry.sinceMs);
      // What is on disk has to be right after the next restart too.
      if (Math.abs(since - entry.lock.since) > JUMP_MS) entry.lock = { ...entry.lock, since };
      const { lock, sinceMs, returnByMs } = entry;
      const endMs = lock.ttlMs === undefined ? undefined : sinceMs + lock.ttlMs;
      const ends = [endMs, returnByMs].filter((end) => end !== undefined);
      const untilMs = ends.length === 0 ? undefined : Math.min(...ends);
      if (untilMs !== undefined && untilMs <= monoMs) this.#locks.delete(id);
      else
        views.push({ ...lock, ...(untilMs === undefined ? {} : { untilMs, until: now + untilMs - monoMs }) });
    }
    return views.sort(by(({ since, id }) => `${String(since).padStart(16, '0')} ${id}`));
  }

  /** Lock files that hold a replacement off now. */
  lockedFiles(): readonly LockLook[] {
    const { monoMs } = this.#moment();
    const isFresh = ({ nextMs }: LockLook) => nextMs + STALE_MS >= monoMs;
    return [...this.#looks.values()].filter((look) => look.state === 'locked' && isFresh(look));
  }

  /** What is to be said of hooks that failed and that nothing waits for. */
  failures(): readonly string[] {
    return [...this.#failed.values()].sort();
  }

  /** Adds a lock, or takes one up again under its id: its time goes on from when it was first held. */
  add(lock: UpdateLock): void {
    const { now, monoMs } = this.#moment();
    this.#locks.set(lock.id, { lock, sinceMs: monoMs - Math.max(0, now - lock.since) });
  }

  /** Ends the locks for which `isMeant`; returns how many there were. */
  drop(isMeant: (lock: UpdateLock) => boolean): number {
    const meant = [...this.#locks.values()].filter(({ lock }) => isMeant(lock));
    for (const { lock } of meant) this.#locks.delete(lock.id);
    return meant.length;
  }

  /** These containers are replaced once, whatever locks say. */
  override(ids: readonly string[]): void {
    for (const id of ids) this.#overridden.add(id);
  }

  /** Remembers what a plan says that later ones have to know. */
  note({ noted = [], ended = [] }: Plan): void {
    for (const one of noted) {
      const standing = this.#replacing.get(one.key);
      if (standing?.from === one.from && standing.toHash === one.toHash) continue;
      this.#replacing.set(one.key, { ...one, isSaved: false });
    }
    for (const key of ended) this.#replacing.delete(key);
  }

  /** What concerns services that nobody asks for any more. */
  forget(services: ReadonlyMap<string, unknown>): void {
    for (const map of [this.#replacing, this.#failed])
      for (const key of map.keys()) if (isGone(key, services)) map.delete(key);
  }

  /** Notes what came of an action. true: that was all there is to remember of it. */
  record(outcome: Outcome): boolean {
    const { action } = outcome;
    if (action.kind === 'createContainer' && outcome.ok) this.#passed.delete(action.lane);
    if (action.kind === 'checkLock') {
      const { lane: key, name: container, path, ttlMs, startedAt } = action;
      const file = outcome.ok ? outcome.file : outcome.message;
      const seen = { key, container, path, ttlMs, file, ...(startedAt === undefined ? {} : { startedAt }) };
      this.#looks.set(action.id, lookOf(seen, this.#looks.get(action.id), this.#moment()));
      return true;
    }
    // An engine that is away has not run it.
    if (action.kind !== 'runHook' || (!outcome.ok && outcome.engineOutage)) return false;
    if (action.hook === 'before-update') {
      const passed = { from: action.from, toHash: action.specHash, atMs: this.#clock.monoMs() };
      if (outcome.ok) this.#passed.set(action.lane, passed);
      return outcome.ok;
    }
    this.#replacing.delete(action.lane);
    if (outcome.ok) this.#failed.delete(action.lane);
    else
      this.#failed.set(action.lane, `${action.name}: ${outcome.message} (at ${isoTime(this.#clock.now())})`);
    return true;
  }

  #moment(): { now: number; monoMs: number } {
    return { now: this.#clock.now(), monoMs: this.#clock.monoMs() };
  }
}

function by<T>(keyOf: (one: T) => string): (a: T, b: T) => number {
  return (a, b) => (keyOf(a) < keyOf(b) ? -1 : 1);
}
