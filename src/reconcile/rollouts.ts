import type { Clock } from '../base/clock.ts';
import { isoTime } from '../base/clock.ts';
import { errorText } from '../base/errors.ts';
import type { Outcome } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { DesiredBlueprint, DesiredState, Service } from '../model/desired.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import type { Store } from '../model/ports.ts';
import type { BadVersion, GoodVersion, Rollout, RolloutView } from '../model/rollout.ts';
import type { Journal } from './journal.ts';
import { keyOf } from './ownership.ts';
import { updateOf } from './plan-strategy.ts';
import { contentHash, inForce, isChanged, proof, versionText, wayBack } from './plan-version.ts';
import { aloneAndFailing, refusalOf, type VersionFailure } from './rollout-failures.ts';

/** Good versions kept of each blueprint: the last good one, and the one before for an operator who dislikes it. */
const GOOD_KEPT = 2;

/** Bad versions kept of each blueprint; the oldest go first. */
const BAD_KEPT = 8;

const NOTHING: Pick<Rollout, 'good' | 'bad'> = { good: [], bad: [] };

/** What a roll-out needs, and whom it tells. */
export interface RolloutParts {
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
  readonly #records = new Map<string, Rollout>();
  /** Since when containers of versions on trial were seen and not healthy, by id; monotonic milliseconds. */
  #seen = new Map<string, number>();
  #failures: VersionFailure[] = [];
  /** The next look is the first after a start, or after the engine was away: what has ended by then may have been ended. */
  #isBlind = true;
  #wakeAtMs: number | undefined;
  #isDirty = false;
  #saving: Promise<void> | undefined;
  #error: string | undefined;
  #memo: { asked: DesiredState; inForce: DesiredState } | undefined;

  constructor(parts: RolloutParts) {
    this.parts = parts;
  }

  async restore(): Promise<void> {
    try {
      for (const record of await this.parts.store.loadRollouts()) this.#records.set(record.blueprint, record);
    } catch (error) {
      this.parts.journal.add('warn', 'last good versions cannot be loaded', { detail: errorText(error) });
    }
  }

  /** Begins to save when something changed and no save is under way; the next look asks again. */
  save(): void {
    if (!this.#isDirty || this.#saving !== undefined) return;
    this.#isDirty = false;
    this.#saving = this.#saveNow().finally(() => {
      this.#saving = undefined;
    });
  }

  /** Settles when the save under way has ended. */
  async idle(): Promise<void> {
    await this.#saving;
  }

  /** Why they cannot be saved; undefined when they can. */
  get error(): string | undefined {
    return this.#error;
  }

  async #saveNow(): Promise<void> {
    const records = [...this.#records.values()].sort((a, b) => (a.blueprint < b.blueprint ? -1 : 1));
    try {
      await this.parts.store.saveRollouts(records);
      this.#error = undefined;
    } catch (error) {
      this.#isDirty = true;
      const detail = errorText(error);
      if (detail !== this.#error)
        this.parts.journal.add('warn', 'last good versions cannot be saved', { detail });
      this.#error = detail;
    }
  }

  /** What is really wanted: the last good version where the newest is bad. */
  inForce(asked: DesiredState): DesiredState {
    if (this.#memo?.asked !== asked) this.#memo = { asked, inForce: inForce(asked, this.#records) };
    return this.#memo.inForce;
  }

  /** The record of a blueprint; undefined when nothing is known of it. */
  of(blueprint: string): Rollout | undefined {
    return this.#records.get(blueprint);
  }

  /** Changes the record of a blueprint. */
  change(blueprint: string, change: (record: Rollout) => Rollout): void {
    this.#records.set(blueprint, change(this.#records.get(blueprint) ?? { blueprint, ...NOTHING }));
    this.#memo = undefined;
    this.#isDirty = true;
  }

  /** What the planner gets to see. */
  view(asked: DesiredState): Pick<ObservedState, 'rollouts' | 'protectedImages'> {
    const rollouts = new Map<string, RolloutView>();
    const images = new Set<string>();
    for (const { good } of this.#records.values())
      for (const { version, imageIds } of good) {
        for (const id of imageIds) images.add(id);
        for (const { container } of version.services) images.add(container.image);
      }
    for (const blueprint of asked.known ? asked.blueprints : []) {
      const record = this.#records.get(blueprint.name);
      const view = record === undefined ? undefined : viewOf(blueprint, record);
      if (view !== undefined) rollouts.set(blueprint.name, view);
    }
    return { rollouts, protectedImages: images };
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
    for (const name of this.#records.keys())
      if (!names.has(name)) {
        this.#records.delete(name);
        this.#isDirty = true;
      }
    const present = new Set(observed.containers.map(({ id }) => id));
    for (const id of this.#seen.keys()) if (!present.has(id)) this.#seen.delete(id);
    this.#wakeAtMs = undefined;
    let isTurned = false;
    for (const blueprint of asked.blueprints)
      if (!blueprint.deleting) isTurned = this.#judge(blueprint, asked, observed, failures) || isTurned;
    return isTurned;
  }

  #judge(
    blueprint: DesiredBlueprint,
    { owner }: DesiredState & { known: true },
    observed: ObservedState,
    failures: readonly VersionFailure[],
  ): boolean {
    const record = this.#records.get(blueprint.name);
    const hash = contentHash(blueprint);
    if (record?.pause?.by === 'failure' && record.pause.hash !== hash)
      this.change(blueprint.name, ({ pause: _pause, ...rest }) => rest);
    if (record?.bad.some((bad) => bad.hash === hash)) return false;
    if (record?.good[0] !== undefined && contentHash(record.good[0].version) === hash) return false;
    const monoMs = this.parts.clock.monoMs();
    const proven = proof(blueprint, observed, owner, monoMs);
    if (proven.isGood) {
      this.#passed(blueprint, { version: blueprint, imageIds: proven.imageIds });
      return false;
    }
    this.#wakeBy(proven.untilMs);
    const good = wayBack(record, hash);
    if (good === undefined || record?.good.some(({ version }) => contentHash(version) === hash)) return false;
    const since = (container: ObservedContainer, isHealthy: boolean) =>
      this.#sinceOf(container, isHealthy, monoMs);
    for (const service of blueprint.services) {
      if (service.hold !== undefined || !isChanged(service, good)) continue;
      const own = observed.containers.find((container) => keyOf(container) === service.key);
      if (own?.state === 'running') this.#wakeBy(since(own, false) + updateOf(service).deadlineMs);
      const failure =
        failures.find(({ key, specHash }) => key === service.key && specHash === service.specHash) ??
        aloneAndFailing(service, good, observed, owner, since, monoMs);
      if (failure !== undefined && this.#failed(blueprint, service, failure, good)) return true;
    }
    return false;
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
      return { ...record, good: [good, ...others].slice(0, GOOD_KEPT) };
    });
  }

  /** true: the blueprint goes back to `good`. */
  #failed(
    blueprint: DesiredBlueprint,
    service: Service,
    { reason, message }: VersionFailure,
    good: GoodVersion,
  ): boolean {
    const { onFailure } = updateOf(service);
    const { name } = blueprint;
    const why = `${service.containerName}: ${message}`;
    const hash = contentHash(blueprint);
    if (onFailure === 'rollback') {
      this.condemn(blueprint, reason, why);
      const detail = `from ${versionText(blueprint)} to ${versionText(good.version)}: ${why}`;
      this.parts.journal.add('warn', 'version rolled back', { blueprint: name, reason, detail });
      return true;
    }
    if (onFailure === 'pause' && this.#records.get(name)?.pause === undefined) {
      const since = this.parts.clock.now();
      this.change(name, (record) => ({
        ...record,
        pause: { by: 'failure', hash, message: `${versionText(blueprint)} failed: ${why}`, since },
      }));
      this.parts.journal.add('warn', 'roll-out paused', { blueprint: name, reason, detail: why });
    }
    return false;
  }

  /** The version is not tried again until its content changes, or an operator says so. */
  condemn(blueprint: DesiredBlueprint, reason: BadVersion['reason'], message: string): void {
    const bad: BadVersion = {
      hash: contentHash(blueprint),
      label: versionText(blueprint),
      reason,
      message,
      since: this.parts.clock.now(),
    };
    this.change(blueprint.name, (record) => ({
      ...record,
      bad: [...record.bad.filter(({ hash }) => hash !== bad.hash), bad].slice(-BAD_KEPT),
    }));
    this.parts.onTurn(blueprint.name);
  }
}

/** What ended while nobody looked may have been ended by whatever kept us from looking; what the engine restarts by
 *  itself does not stay up: it does not count the starts at its own. */
function isLooping(observed: ObservedState): (failure: VersionFailure) => boolean {
  const looping = new Set(
    observed.containers.flatMap(({ state, labels, detail }) =>
      state === 'restarting' || (state === 'running' && (detail?.restartCount ?? 0) > 0)
        ? [`${labels[LABEL.deployment]}/${labels[LABEL.instance]}/${labels[LABEL.replica]}`]
        : [],
    ),
  );
  return ({ key }) => looping.has(key);
}

function viewOf(blueprint: DesiredBlueprint, record: Rollout): RolloutView | undefined {
  const hash = contentHash(blueprint);
  const bad = record.bad.find((one) => one.hash === hash);
  const good = bad === undefined ? undefined : wayBack(record, hash);
  const { pause } = record;
  const isPaused = pause !== undefined && (pause.by === 'operator' || pause.hash === hash);
  const notices: RolloutView['notices'][number][] = [];
  if (bad !== undefined && good !== undefined)
    notices.push({
      reason: 'RolledBack',
      message: `from ${bad.label} to ${versionText(good.version)} at ${isoTime(bad.since)}: ${bad.message}; until the blueprint changes, or colonies-edge retry ${blueprint.name}`,
    });
  if (isPaused)
    notices.push({
      reason: 'Paused',
      message: `${pause.message}, since ${isoTime(pause.since)}; colonies-edge resume ${blueprint.name} goes on`,
    });
  if (notices.length === 0) return undefined;
  // The way back is open also while all else waits.
  return { notices, ...(isPaused && good === undefined ? { paused: pause.message } : {}) };
}
