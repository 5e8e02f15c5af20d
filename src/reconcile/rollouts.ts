import type { Clock } from '../base/clock.ts';
import type { Outcome } from '../model/action.ts';
import type { DesiredBlueprint, DesiredState, Service } from '../model/desired.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import type { Store } from '../model/ports.ts';
import type { Reason } from '../model/reason.ts';
import type { BadVersion, GoodVersion, Rollout, RolloutView } from '../model/rollout.ts';
import type { Journal } from './journal.ts';
import { keyOf } from './ownership.ts';
import { withReplicas } from './plan-replicas.ts';
import { updateOf } from './plan-strategy.ts';
import { contentHash, inForce, isChanged, lasting, proof, versionText, wayBack } from './plan-version.ts';
import { isStillBack, movedAlong } from './rollout-dependants.ts';
import { aloneAndFailing, isLooping, refusalOf, type VersionFailure } from './rollout-failures.ts';
import { RolloutRecords } from './rollout-records.ts';
import { viewOf } from './rollout-view.ts';
import { UpdateWindows, type UpdateWindowsParts } from './update-windows.ts';

/** Good versions kept of each blueprint: the last good one, and the one before for an operator who dislikes it. */
const GOOD_KEPT = 2;

/** Bad versions kept of each blueprint; the oldest go first. */
const BAD_KEPT = 8;

/** A service of a version on trial that failed, and what there is to go back to. */
interface FailedVersion {
  blueprint: DesiredBlueprint;
  service: Service;
  failure: VersionFailure;
  good: GoodVersion;
}

/** What a roll-out needs, and whom it tells. */
export interface RolloutParts extends UpdateWindowsParts {
  clock: Clock;
  store: Pick<Store, 'loadRollouts' | 'saveRollouts'>;
  journal: Pick<Journal, 'add'>;
  /** A version is not tried any more, or tried again: nothing is waited for on account of what failed before. */
  onTurn(blueprint: string): void;
}

/**
 * Which versions of each blueprint proved good here and which did not, and what an operator said of them. A blueprint is the
 * unit: all of it goes back together. Whatever is forgotten by a kill is only found out once more.
 */
export class Rollouts {
  readonly parts: RolloutParts;
  readonly #records: RolloutRecords;
  /** Since when containers of versions on trial were seen and not healthy, by id; monotonic milliseconds. */
  #seen = new Map<string, number>();
  /** Restarts by the engine that were held against a version, by container id. */
  readonly #counted = new Map<string, number>();
  #failures: VersionFailure[] = [];
  /** The next look is the first after a start, or after the engine was away: what has ended by then may have been ended. */
  #isBlind = true;
  #wakeAtMs: number | undefined;
  #memo: { asked: DesiredState; inForce: DesiredState } | undefined;
  readonly #windows: UpdateWindows;

  constructor(parts: RolloutParts) {
    this.parts = parts;
    this.#records = new RolloutRecords(parts.store, parts.journal);
    this.#windows = new UpdateWindows(parts);
  }

  restore(): Promise<void> {
    return this.#records.restore();
  }

  save(): void {
    this.#records.save();
  }

  /** Settles when the save under way has ended; nothing is watched any more. */
  async idle(): Promise<void> {
    this.#windows.stop();
    await this.#records.idle();
  }

  /** Why they cannot be saved; undefined when they can. */
  get error(): string | undefined {
    return this.#records.error;
  }

  /** What is really wanted: the last good version where the newest is bad, or has to wait. */
  inForce(asked: DesiredState): DesiredState {
    if (this.#memo?.asked !== asked)
      this.#memo = { asked, inForce: inForce(asked, this.#records.all, this.#windows.waiting) };
    return this.#memo.inForce;
  }

  /** Versions that wait for their windows. */
  get waiting(): readonly DesiredBlueprint[] {
    return [...this.#windows.waiting.values()].map(({ blueprint }) => blueprint);
  }

  /** Somebody asked for this version now: it waits for no window. false: it did not wait for one. */
  goNow(blueprint: DesiredBlueprint): boolean {
    const { name } = blueprint;
    if (!this.#windows.view.has(name)) return false;
    this.#windows.forget(name);
    this.change(name, (record) => ({ ...record, now: contentHash(blueprint) }));
    return true;
  }

  /** `inForce` when the server wants a blueprint made anew, which waits for no window. */
  forced(asked: DesiredState, name: string): DesiredState {
    const blueprint = asked.known ? asked.blueprints.find((one) => one.name === name) : undefined;
    if (blueprint !== undefined) this.goNow(blueprint);
    return this.inForce(asked);
  }

  /** The record of a blueprint; undefined when nothing is known of it. */
  of(blueprint: string): Rollout | undefined {
    return this.#records.all.get(blueprint);
  }

  /** Changes the record of a blueprint. */
  change(blueprint: string, change: (record: Rollout) => Rollout): void {
    this.#records.change(blueprint, change);
    this.#memo = undefined;
  }

  /** What the planner gets to see. */
  view(asked: DesiredState): Pick<ObservedState, 'rollouts' | 'protectedImages' | 'windows'> {
    const rollouts = new Map<string, RolloutView>();
    const images = new Set<string>();
    for (const { good } of this.#records.all.values())
      for (const { version, imageIds } of good) {
        for (const id of imageIds) images.add(id);
        for (const { container } of version.services) images.add(container.image);
      }
    for (const blueprint of asked.known ? asked.blueprints : []) {
      const record = this.#records.all.get(blueprint.name);
      const view = record === undefined ? undefined : viewOf(blueprint, record);
      const waits = this.#windows.waiting.get(blueprint.name)?.notices ?? [];
      if (view !== undefined || waits.length > 0)
        rollouts.set(blueprint.name, { ...view, notices: [...(view?.notices ?? []), ...waits] });
    }
    return { rollouts, protectedImages: images, windows: this.#windows.view };
  }

  /** Notes what came of an action. */
  record(outcome: Outcome): void {
    const failure = refusalOf(outcome);
    if (failure !== undefined) this.#failures.push(failure);
  }

  /** The engine cannot be seen: whatever ends meanwhile, and however long that takes, is not held against a version. */
  blind(): void {
    this.#isBlind = true;
    this.#seen.clear();
  }

  /** After a look: judges the versions on trial. `crashed`: starts that did not last. true: another version is in force
   *  now, and another look is due. */
  review(
    asked: DesiredState & { known: true },
    observed: ObservedState,
    crashed: readonly VersionFailure[],
  ): boolean {
    const failures = [...this.#failures, ...(this.#isBlind ? crashed.filter(isLooping(observed)) : crashed)];
    this.#failures = [];
    this.#isBlind = false;
    const names = new Set(asked.blueprints.filter(({ deleting }) => !deleting).map(({ name }) => name));
    this.#records.keep(names);
    const present = new Set(observed.containers.map(({ id }) => id));
    for (const known of [this.#seen, this.#counted])
      for (const id of known.keys()) if (!present.has(id)) known.delete(id);
    this.#wakeAtMs = undefined;
    // Before: limits that are not in force yet would pass for good.
    let isTurned = this.reviewWindows(asked, observed);
    const here = withReplicas(asked, observed);
    asked.blueprints.forEach((blueprint, index) => {
      const services = here.blueprints[index]?.services ?? blueprint.services;
      if (!blueprint.deleting && !this.#windows.waiting.has(blueprint.name))
        isTurned = this.#judge(blueprint, services, asked, observed, failures) || isTurned;
    });
    return isTurned;
  }

  /** After a look: which versions have to wait. true: they are others than before. */
  reviewWindows(asked: DesiredState & { known: true }, observed: ObservedState): boolean {
    for (const blueprint of asked.blueprints) {
      const now = this.#records.all.get(blueprint.name)?.now;
      if (now !== undefined && (now !== contentHash(blueprint) || !this.#windows.isClosed(blueprint)))
        this.change(blueprint.name, ({ now: _now, ...rest }) => rest);
    }
    const isTurned = this.#windows.review(asked, observed, (name) => this.#records.all.get(name));
    if (isTurned) this.#memo = undefined;
    return isTurned;
  }

  /** `services`: of the replicas that stay; a version is known by those that it asks for. */
  #judge(
    blueprint: DesiredBlueprint,
    services: readonly Service[],
    asked: DesiredState & { known: true },
    observed: ObservedState,
    failures: readonly VersionFailure[],
  ): boolean {
    const { owner } = asked;
    const hash = contentHash(blueprint);
    const isFreed = this.#arrived(blueprint, asked, hash);
    const record = this.#records.all.get(blueprint.name);
    if (isFreed) return true;
    if (record?.bad.some((bad) => bad.hash === hash)) return false;
    if (record?.good[0] !== undefined && contentHash(record.good[0].version) === hash) return false;
    const monoMs = this.parts.clock.monoMs();
    const proven = proof({ ...blueprint, services }, observed, owner, monoMs);
    if (proven.isGood) {
      this.#passed(blueprint, { version: lasting(blueprint), imageIds: proven.imageIds });
      return false;
    }
    this.#wakeBy(proven.untilMs);
    const good = wayBack(record, hash);
    if (good === undefined || record?.good.some(({ version }) => contentHash(version) === hash)) return false;
    const since = (container: ObservedContainer, isHealthy: boolean) =>
      this.#sinceOf(container, isHealthy, monoMs);
    const trial = { good, observed, owner, since, counted: this.#counted, monoMs };
    for (const service of services) {
      if (service.hold !== undefined || !isChanged(service, good)) continue;
      const own = observed.containers.find((container) => keyOf(container) === service.key);
      if (own?.state === 'running') this.#wakeBy(since(own, false) + updateOf(service).deadlineMs);
      const failure =
        failures.find(({ key, specHash }) => key === service.key && specHash === service.specHash) ??
        aloneAndFailing(service, trial);
      if (failure === undefined) continue;
      // Should it be tried again before it is gone, only what comes then counts.
      if (own !== undefined) this.#counted.set(own.id, own.detail?.restartCount ?? 0);
      if (this.#failed(asked, { blueprint, service, failure, good })) return true;
    }
    return false;
  }

  /** Notes the version that is asked for, and lets go what was said of another. true: one that only went back along with
   *  another blueprint's is tried again. */
  #arrived(
    { name }: DesiredBlueprint,
    { blueprints }: DesiredState & { known: true },
    hash: string,
  ): boolean {
    const record = this.#records.all.get(name);
    // Not worth a write of its own: after a kill it is noted once more.
    if (record?.arrived?.hash !== hash && !record?.good.some(({ version }) => contentHash(version) === hash))
      this.#records.note(name, (before) => ({ ...before, arrived: { hash, at: this.parts.clock.now() } }));
    if (record?.pause?.by === 'failure' && record.pause.hash !== hash)
      this.change(name, ({ pause: _pause, ...rest }) => rest);
    const bad = record?.bad.filter((one) => isStillBack(one, blueprints, this.#records.all)) ?? [];
    if (bad.length === (record?.bad.length ?? 0)) return false;
    this.change(name, (before) => ({ ...before, bad }));
    this.parts.onTurn(name);
    return true;
  }

  #wakeBy(monoMs: number | undefined): void {
    if (monoMs !== undefined && monoMs > this.parts.clock.monoMs())
      this.#wakeAtMs = Math.min(this.#wakeAtMs ?? monoMs, monoMs);
  }

  /** Monotonic time at which a version on trial is to be looked at even if nothing happens; undefined: never. */
  get wakeAtMs(): number | undefined {
    return this.#wakeAtMs;
  }

  #sinceOf({ id }: ObservedContainer, isHealthy: boolean, monoMs: number): number {
    const since = isHealthy ? monoMs : (this.#seen.get(id) ?? monoMs);
    this.#seen.set(id, since);
    return since;
  }

  #passed({ name }: DesiredBlueprint, good: GoodVersion): void {
    const hash = contentHash(good.version);
    this.change(name, (record) => {
      const others = record.good.filter(({ version }) => {
        const other = contentHash(version);
        return other !== hash && !record.bad.some((bad) => bad.hash === other);
      });
      const { arrived, now: _now, ...rest } = record;
      const when = arrived?.hash === hash ? { arrivedAt: arrived.at } : {};
      return { ...rest, good: [{ ...good, ...when }, ...others].slice(0, GOOD_KEPT) };
    });
  }

  /** true: the blueprint goes back to `good`. */
  #failed(asked: DesiredState, { blueprint, service, failure, good }: FailedVersion): boolean {
    const { reason, message } = failure;
    const { onFailure } = updateOf(service);
    const { name } = blueprint;
    const why = `${service.containerName}: ${message}`;
    const hash = contentHash(blueprint);
    if (onFailure === 'rollback') {
      const detail = `from ${versionText(blueprint)} to ${versionText(good.version)}: ${why}`;
      this.parts.journal.add('warn', 'version rolled back', { blueprint: name, reason, detail });
      this.condemn(asked, blueprint, reason, why);
      return true;
    }
    if (onFailure === 'pause' && this.#records.all.get(name)?.pause === undefined) {
      const since = this.parts.clock.now();
      this.change(name, (record) => ({
        ...record,
        pause: { by: 'failure', hash, message: `${versionText(blueprint)} failed: ${why}`, since },
      }));
      this.parts.journal.add('warn', 'roll-out paused', { blueprint: name, reason, detail: why });
    }
    return false;
  }

  /** The version is not tried again until its content changes, or an operator says so; nor are those of its dependants that
   *  came along. Returns the names of these. */
  condemn(asked: DesiredState, blueprint: DesiredBlueprint, reason: Reason, message: string): string[] {
    const blueprints = asked.known ? asked.blueprints : [];
    const along = movedAlong(blueprints, this.#records.all, blueprint);
    this.#condemn(blueprint, { reason, message });
    const cause = { blueprint: blueprint.name, hash: contentHash(blueprint) };
    for (const dependant of along) {
      const { name } = dependant;
      const detail = `from ${versionText(dependant)}, along with ${cause.blueprint}, on which it depends`;
      this.parts.journal.add('warn', 'version rolled back', {
        blueprint: name,
        reason: 'RolledBack',
        detail,
      });
      const words = `it came along with the version of ${cause.blueprint} that went back`;
      this.#condemn(dependant, { reason: 'RolledBack', message: words, with: cause });
    }
    return along.map(({ name }) => name);
  }

  #condemn(blueprint: DesiredBlueprint, said: Pick<BadVersion, 'reason' | 'message' | 'with'>): void {
    const hash = contentHash(blueprint);
    const bad: BadVersion = { hash, label: versionText(blueprint), ...said, since: this.parts.clock.now() };
    this.change(blueprint.name, (record) => ({
      ...record,
      bad: [...record.bad.filter((one) => one.hash !== hash), bad].slice(-BAD_KEPT),
    }));
    this.parts.onTurn(blueprint.name);
  }
}
