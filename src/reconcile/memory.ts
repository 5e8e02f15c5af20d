import { lru } from 'tiny-lru';
import { backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Action, Outcome, Plan } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { DesiredBlueprint, DesiredState } from '../model/desired.ts';
import type { WatchedImage } from '../model/disk.ts';
import { liveHash } from '../model/hash.ts';
import type { ForceResult } from '../model/link.ts';
import type { EngineSnapshot, ObservedState, PullProgress, Setback } from '../model/observed.ts';
import type { Memory } from '../model/ports.ts';
import { SERVICE_BACKOFF } from './backoff.ts';
import { crashes, isCurrent, servicesOf } from './crashes.ts';
import { ForcedRuns } from './forced.ts';
import { hashOf, isGone, mapOf } from './memory-keys.ts';
import { OrderMemory } from './memory-order.ts';
import { keyOf } from './ownership.ts';
import { overdue } from './plan-gate.ts';
import { withReplicas } from './plan-replicas.ts';
import { PulledImages } from './pulled-images.ts';
import { RunningSince } from './running-since.ts';
import { NO_SENSES } from './senses.ts';
import { type Failure, LASTING_SUCCESS_MS, type Moment, nextSetback, otherVersionKey } from './setback.ts';
import { UpdateMemory } from './update-memory.ts';

/** Most entries of each kind that are kept; the least recently used go first, and are only ever a look dearer. */
const MOST = 1_000;

/** A pulled image is fresh for `pullPolicy: Always` this long, milliseconds. */
const FRESH_MS = 600_000;

/** A setback of before a restart waits as after this many failures. */
const RELOAD_ATTEMPTS = 5;

/** What the agent remembers between two looks. All of it is handed to the planner as observation; all of it is bounded. */
export class WorkingMemory {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #setbacks = lru<Setback>(MOST);
  readonly #adopted = lru<string>(MOST);
  readonly #updated = lru<string>(MOST);
  readonly #sent = lru<string>(MOST);
  readonly #made = lru<true>(MOST);
  readonly #fresh = lru<number>(MOST);
  readonly #crashesSeen = lru<true>(MOST);
  /** Replacements that found their port taken, until the next look shows who had it. */
  readonly #clashes = lru<Omit<Failure, 'permanent'>>(MOST);
  readonly #running: RunningSince;
  readonly #forced: ForcedRuns;
  readonly #order: OrderMemory;
  readonly #pulled: PulledImages;
  readonly updates: UpdateMemory;
  readonly pulls = new Map<string, PullProgress>();
  readonly busy = new Set<string>();

  /** `startConcurrency`: absent, by the machine's memory. */
  constructor(clock: Clock, random: Random, startConcurrency?: number) {
    this.#clock = clock;
    this.#random = random;
    this.#forced = new ForcedRuns(clock);
    this.#running = new RunningSince(clock);
    this.#order = new OrderMemory(startConcurrency);
    this.#pulled = new PulledImages(clock);
    this.updates = new UpdateMemory(clock);
  }

  /** Takes over what was saved; such a setback waits some seconds, in case a restart was the operator's cure. */
  load(memory: Memory): void {
    for (const setback of memory.setbacks) {
      const waitMs = backoffMs(RELOAD_ATTEMPTS, this.#random.next(), SERVICE_BACKOFF);
      const notBeforeMs = this.#clock.monoMs() + waitMs;
      this.#setbacks.set(setback.key, { ...setback, notBeforeMs, nextTryAt: this.#clock.now() + waitMs });
    }
    for (const { id, specHash } of memory.adopted) this.#adopted.set(id, specHash);
    this.#forced.load(memory.keptImages);
    this.#pulled.load(memory.pulledImages);
    this.updates.load(memory);
  }

  /** What must outlive a restart, in a fixed order and without what changes with every try: a card wears out by writing. */
  save(): Memory {
    const setbacks = [...mapOf(this.#setbacks).values()]
      .filter((setback) => setback.permanent)
      .map(({ notBeforeMs: _notBeforeMs, ...setback }) => ({
        ...setback,
        attempts: 1,
        nextTryAt: setback.since,
      }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const adopted = [...mapOf(this.#adopted)]
      .map(([id, specHash]) => ({ id, specHash }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    const keptImages = this.#forced.save();
    const pulledImages = this.#pulled.save();
    return {
      setbacks,
      adopted,
      ...(keptImages.length === 0 ? {} : { keptImages }),
      ...(pulledImages.length === 0 ? {} : { pulledImages }),
      ...this.updates.save(),
    };
  }

  /** The planner's view: one snapshot and everything remembered. `busyBefore`: lanes that were busy when the snapshot began. */
  observe(snapshot: EngineSnapshot, busyBefore: ReadonlySet<string>, senses = NO_SENSES): ObservedState {
    const monoMs = this.#clock.monoMs();
    this.#running.look(snapshot.containers);
    for (const container of snapshot.containers) {
      const sent = this.#sent.get(container.id);
      if (sent !== undefined && container.detail !== undefined) {
        this.#sent.delete(container.id);
        const reported = liveHash(container.detail.spec);
        if (reported !== sent) this.#updated.set(container.id, `${sent}:${reported}`);
      }
    }
    for (const [ref, at] of mapOf(this.#fresh)) if (monoMs - at > FRESH_MS) this.#fresh.delete(ref);
    return {
      ...snapshot,
      ...senses,
      updates: this.updates.view(snapshot),
      setbacks: mapOf(this.#setbacks),
      adopted: mapOf(this.#adopted),
      updated: mapOf(this.#updated),
      made: new Set(this.#made.keys().map(String)),
      fresh: new Set(this.#fresh.keys().map(String)),
      forced: this.#forced.view(),
      keptImages: this.#forced.keptImages(),
      order: this.#order.view(snapshot),
      rollouts: new Map(),
      protectedImages: new Set(),
      runningSince: this.#running.since(),
      pulls: new Map(this.pulls),
      busy: new Set([...busyBefore, ...this.busy]),
    };
  }

  /** Remembers what came of an action; returns the setback when it failed for a reason of its own. */
  record(outcome: Outcome): Setback | undefined {
    const { action } = outcome;
    if (this.updates.record(outcome) || this.#forced.record(outcome)) return undefined;
    if (outcome.ok) {
      this.#remember(action, outcome.id);
      return undefined;
    }
    if (outcome.engineOutage) return this.#outage(outcome);
    const replaces = 'replaces' in action && action.replaces;
    const message = replaces
      ? `replacement failed, the version before goes on: ${outcome.message}`
      : outcome.message;
    const failure = { key: action.lane, specHash: hashOf(action), reason: outcome.reason, message };
    // A failed replacement interrupts the version that works: it is not repeated at short intervals.
    const isReplacementStart = replaces && action.kind === 'startContainer';
    if (isReplacementStart && outcome.reason === 'PortConflict') this.#clashes.set(action.lane, failure);
    return this.fail({ ...failure, permanent: outcome.permanent || isReplacementStart });
  }

  #remember(action: Action, id: string | undefined): void {
    switch (action.kind) {
      case 'createContainer':
        if (id !== undefined) this.#made.set(id, true);
        // The next container is made of what is newest then.
        this.#fresh.delete(action.spec.image);
        return;
      case 'updateContainer':
        this.#sent.set(action.id, action.liveHash);
        return;
      case 'pullImage':
        this.#fresh.set(action.image, this.#clock.monoMs());
        if (id !== undefined) this.#pulled.add(id, action.image);
        this.#setbacks.delete(action.lane);
        return;
      case 'importImage':
      case 'createNetwork':
      case 'removeNetwork':
      case 'removeVolume':
        this.#setbacks.delete(action.lane);
        return;
      case 'startContainer':
      case 'restartContainer':
      case 'unpauseContainer':
        this.#running.forget(action.id);
        return;
      case 'removeContainer':
        this.#adopted.delete(action.id);
        this.#made.delete(action.id);
        return;
      case 'removeImage':
        this.#pulled.forget(action.id);
        return;
      case 'pointRelay':
      case 'stopContainer':
      case 'renameContainer':
      case 'connectNetwork':
      case 'disconnectNetwork':
      case 'checkLock':
      case 'runHook':
        return;
      default:
        action satisfies never;
    }
  }

  /** The engine failed, not the service: a short wait, so that a call on which it always breaks off is no busy loop. */
  #outage({ action, message }: Outcome & { ok: false }): Setback {
    const key = action.lane;
    const previous = this.#setbacks.get(key);
    if (previous !== undefined)
      this.#setbacks.set(key, { ...previous, attempts: Math.min(previous.attempts, 2) });
    return this.fail({
      key,
      specHash: hashOf(action),
      reason: 'EngineUnavailable',
      message,
      permanent: false,
    });
  }

  /**
   * Remembers one more failure. Two versions of a service that both cannot start must not make each other's wait void:
   * while one of them holds the key, the other is kept beside it.
   */
  fail(failure: Failure): Setback {
    const moment = this.#moment();
    const standing = this.#setbacks.get(failure.key);
    const aside =
      standing !== undefined &&
      standing.specHash !== failure.specHash &&
      standing.notBeforeMs > moment.monoMs;
    const key = aside ? otherVersionKey(failure.key, failure.specHash) : failure.key;
    const setback = nextSetback(this.#setbacks.get(key), { ...failure, key }, moment);
    this.#setbacks.set(key, setback);
    return { ...setback, key: failure.key };
  }

  #moment(): Moment {
    return { now: this.#clock.now(), monoMs: this.#clock.monoMs(), random: this.#random.next() };
  }

  /** Ends waiting, as an operator asks for who has mended something; the counts of attempts stay. Of all keys, or of
   *  one blueprint's services. */
  retryNow(blueprint?: string): void {
    const notBeforeMs = this.#clock.monoMs();
    for (const [key, setback] of mapOf(this.#setbacks))
      if (blueprint === undefined || key.startsWith(`${blueprint}/`))
        this.#setbacks.set(key, { ...setback, notBeforeMs });
  }

  /** Images that this agent pulled. */
  get pulled(): readonly WatchedImage[] {
    return this.#pulled.view();
  }

  /** There is more room: pulls that did not fit are tried again. false: there are none. */
  retryDiskFull(): boolean {
    const waiting = [...mapOf(this.#setbacks)].filter(([, { reason }]) => reason === 'DiskFull');
    const notBeforeMs = this.#clock.monoMs();
    for (const [key, setback] of waiting) this.#setbacks.set(key, { ...setback, notBeforeMs });
    return waiting.length > 0;
  }

  /** The engine cannot be seen. */
  blind(): void {
    this.#running.blind();
  }

  /** true until what forced runs were asked for is done. */
  get isForcing(): boolean {
    return this.#forced.isGoing;
  }

  /** Begins a forced run (`forced.ts`). */
  force(blueprint: DesiredBlueprint): Promise<ForceResult> {
    return this.#forced.begin(blueprint);
  }

  /** Remembers what a plan says that later ones have to know. */
  note(plan: Plan): void {
    for (const { id, specHash } of plan.adopt) this.#adopted.set(id, specHash);
    this.updates.note(plan);
    this.#order.note(plan, this.busy, { now: this.#clock.now(), monoMs: this.#clock.monoMs() });
  }

  /**
   * After a look: failures of services that have been fine for long are forgotten, and so is what concerns things that
   * are gone; starts that did not last become setbacks. Returns those, the keys that are fine again, and whether a
   * forced run goes on, for which another look is due.
   */
  review(
    asked: DesiredState & { known: true },
    observed: ObservedState,
  ): { crashed: Setback[]; recovered: string[]; forced: boolean } {
    const desired = withReplicas(asked, observed);
    const services = servicesOf(desired);
    this.#order.forget(services);
    this.updates.forget(services);
    const ids = new Set(observed.containers.map(({ id }) => id));
    for (const id of this.#adopted.keys()) if (!ids.has(String(id))) this.#adopted.delete(id);
    const crashed: Setback[] = [];
    const watched = this.#running.watchedSince();
    const late = overdue(services, observed, desired.owner, watched, this.#clock.monoMs());
    for (const { token, container, ...failure } of [...crashes(services, observed, desired.owner), ...late]) {
      if (this.#crashesSeen.has(token)) continue;
      this.#crashesSeen.set(token, true);
      const isForced = failure.reason === 'ReplacementFailed' && this.#forced.giveUp(failure.key, container);
      crashed.push(isForced ? nextSetback(undefined, failure, this.#moment()) : this.fail(failure));
    }
    const recovered: string[] = [];
    const lastingBefore = this.#clock.monoMs() - LASTING_SUCCESS_MS;
    for (const container of observed.containers) {
      const since = observed.runningSince.get(container.id);
      const key = keyOf(container);
      const service = key === undefined ? undefined : services.get(key);
      if (since === undefined || since >= lastingBefore || service === undefined) continue;
      if (!isCurrent(container, service, desired.owner) || !this.#setbacks.has(service.key)) continue;
      this.#setbacks.delete(service.key);
      this.#setbacks.delete(otherVersionKey(service.key, service.specHash));
      recovered.push(service.key);
    }
    this.#reviewClashes(observed);
    this.#pulled.review(observed);
    const begun = this.#forced.review(desired, observed);
    for (const blueprint of begun) this.retryNow(blueprint);
    for (const key of this.#setbacks.keys()) if (isGone(String(key), services)) this.#setbacks.delete(key);
    return { crashed, recovered, forced: begun.length > 0 };
  }

  /**
   * A start that an agent before us had asked for can come true after our look: the port was then held by the service's own
   * old version, which says nothing against the new one. That is worth a short wait, not the longest.
   */
  #reviewClashes(observed: ObservedState): void {
    for (const [key, failure] of mapOf(this.#clashes)) {
      if (observed.busy.has(key)) continue;
      this.#clashes.delete(key);
      const isOldUp = observed.containers.some(
        (container) =>
          keyOf(container) === key &&
          container.state === 'running' &&
          container.labels[LABEL.specHash] !== failure.specHash,
      );
      if (isOldUp) this.fail({ ...failure, permanent: false });
    }
  }
}
