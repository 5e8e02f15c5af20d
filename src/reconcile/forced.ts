import type { Clock } from '../base/clock.ts';
import type { Action, Outcome } from '../model/action.ts';
import type { DesiredBlueprint, DesiredState } from '../model/desired.ts';
import type { ForceResult } from '../model/link.ts';
import type { ForcedRun, ObservedState } from '../model/observed.ts';
import type { Memory } from '../model/ports.ts';
import { containersOf } from './ownership.ts';
import { FORCED, FORCED_BACK, refsOf } from './plan-forced.ts';

/** How long a look may take to show that a pulled reference has moved, milliseconds. */
const MOVED_WITHIN_MS = 60_000;

interface Run {
  phase: 'pulling' | 'failed' | 'recreating';
  /** Pulls begun before this do not count; monotonic milliseconds. */
  sinceMs: number;
  refs: ReadonlySet<string>;
  pulled: Set<string>;
  /** References that may have moved while nothing was decided, also in a run that failed just before this one. */
  moved: Set<string>;
  /** What is to be replaced, by container id. */
  containers: Map<string, { key: string; cause: string }>;
  result: Promise<ForceResult>;
  settle(result: ForceResult): void;
}

/** A container that keeps its image: the image its reference has moved to, or until when that may still show. */
type Kept = { ref: string; imageId: string | undefined; untilMs: number };

/**
 * Forced runs: first every image of a blueprint is pulled anew, then all its containers are replaced, on the ordinary way.
 * Remembered by container id, so that no clock has a say in it. A restart forgets a run; whoever asked for it asks again.
 */
export class ForcedRuns {
  readonly #clock: Clock;
  readonly #runs = new Map<string, Run>();
  readonly #kept = new Map<string, Kept>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isGoing(): boolean {
    return this.#runs.size > 0;
  }

  /** Begins a run, or joins the one that still pulls. Settles when all images are there and the replacement has begun, or
   *  with what is in the way; never rejects. */
  begin(blueprint: DesiredBlueprint): Promise<ForceResult> {
    const standing = this.#runs.get(blueprint.name);
    if (standing?.phase === 'pulling') return standing.result;
    let settle: Run['settle'] = () => undefined;
    const result = new Promise<ForceResult>((resolve) => {
      settle = resolve;
    });
    this.#runs.set(blueprint.name, {
      phase: 'pulling',
      sinceMs: this.#clock.monoMs(),
      refs: refsOf(blueprint),
      pulled: new Set(),
      moved: new Set(standing?.phase === 'failed' ? standing.moved : []),
      containers: new Map(),
      result,
      settle,
    });
    return result;
  }

  /** Notes what came of an action. true: a replacement of a forced run failed, and what was before goes on; that is
   *  nothing against this version, and must not hold it back. */
  record(outcome: Outcome): boolean {
    const { action } = outcome;
    if (action.kind === 'pullImage') {
      this.#pulled(action, outcome);
      return false;
    }
    if (outcome.ok || outcome.engineOutage) return false;
    if (action.kind === 'createContainer') return this.giveUp(action.lane, undefined);
    return action.kind === 'startContainer' && this.giveUp(action.lane, action.id);
  }

  #pulled({ image }: Action & { kind: 'pullImage' }, outcome: Outcome): void {
    const begunMs = this.#clock.monoMs() - outcome.tookMs;
    for (const run of this.#runs.values()) {
      if (run.phase === 'recreating' || !run.refs.has(image)) continue;
      if (outcome.ok) run.moved.add(image);
      if (begunMs < run.sinceMs) continue;
      if (outcome.ok) run.pulled.add(image);
      else if (run.phase === 'pulling') {
        run.phase = 'failed';
        const text = `image ${image} could not be pulled (${outcome.reason}: ${outcome.message}); nothing was touched`;
        run.settle({ ok: false, text });
      }
    }
  }

  /** Ends the run for one service: the containers it meant to replace stay, and `successor` goes. false: there is no run. */
  giveUp(key: string, successor: string | undefined): boolean {
    let found = false;
    for (const { phase, containers } of this.#runs.values()) {
      if (phase !== 'recreating') continue;
      const meant = [...containers].filter(([, entry]) => entry.key === key && entry.cause === FORCED);
      if (meant.length === 0 || meant.some(([id]) => id === successor)) continue;
      for (const [id] of meant) containers.delete(id);
      if (successor !== undefined) containers.set(successor, { key, cause: FORCED_BACK });
      found = true;
    }
    return found;
  }

  /** After a look: goes on to the replacement where all images are there, and forgets what is over. Returns the
   *  blueprints whose replacement begins. */
  review(desired: DesiredState & { known: true }, observed: ObservedState): readonly string[] {
    const begun: string[] = [];
    for (const [name, run] of this.#runs) {
      const blueprint = desired.blueprints.find((one) => one.name === name && !one.deleting);
      if (blueprint === undefined) {
        run.settle({ ok: false, text: `${name} is not in force on this node any more` });
        this.#runs.delete(name);
      } else if (run.phase === 'pulling') {
        run.refs = refsOf(blueprint);
        if (this.#recreate(blueprint, run, desired, observed)) begun.push(name);
      } else if (run.phase === 'failed') this.#abandon(name, run, desired, observed);
      else {
        const ids = new Set(observed.containers.map(({ id }) => id));
        for (const id of run.containers.keys()) if (!ids.has(id)) run.containers.delete(id);
        if (run.containers.size === 0) this.#runs.delete(name);
      }
    }
    this.#reviewKept(observed);
    return begun;
  }

  #recreate(
    blueprint: DesiredBlueprint,
    run: Run,
    { owner }: DesiredState & { known: true },
    observed: ObservedState,
  ): boolean {
    const isReady =
      [...run.refs].every((ref) => run.pulled.has(ref)) &&
      // A container that is just being made would slip through.
      blueprint.services.every(({ key }) => !observed.busy.has(key));
    if (!isReady) return false;
    const { byKey } = containersOf(blueprint, observed.containers, owner, observed.adopted);
    const names: string[] = [];
    for (const { key, hold } of blueprint.services) {
      if (hold !== undefined) continue;
      for (const { id, name } of byKey.get(key) ?? []) {
        run.containers.set(id, { key, cause: FORCED });
        names.push(name);
      }
    }
    run.phase = 'recreating';
    const images = `${run.refs.size} image${run.refs.size === 1 ? '' : 's'} pulled`;
    run.settle({
      ok: true,
      text: `${images}, ${names.length === 0 ? 'no container to replace' : `replacing ${names.join(', ')}`}`,
    });
    return true;
  }

  /** Once none of its pulls is under way any more: containers whose reference has moved stay as they are. */
  #abandon(name: string, run: Run, desired: DesiredState & { known: true }, observed: ObservedState): void {
    if ([...run.refs].some((ref) => observed.busy.has(`image:${ref}`))) return;
    this.#runs.delete(name);
    const untilMs = this.#clock.monoMs() + MOVED_WITHIN_MS;
    for (const blueprint of desired.blueprints) {
      const { byKey } = containersOf(blueprint, observed.containers, desired.owner, observed.adopted);
      for (const { key, container } of blueprint.services)
        if (run.moved.has(container.image))
          for (const { id } of byKey.get(key) ?? [])
            this.#kept.set(id, { ref: container.image, imageId: undefined, untilMs });
    }
  }

  #reviewKept(observed: ObservedState): void {
    const present = new Map(observed.containers.map((container) => [container.id, container]));
    for (const [id, kept] of this.#kept) {
      const container = present.get(id);
      const image = observed.images.get(kept.ref);
      if (container === undefined) this.#kept.delete(id);
      else if (kept.imageId !== undefined) continue;
      else if (image !== undefined && image !== null && image.id !== container.imageId)
        kept.imageId = image.id;
      else if (this.#clock.monoMs() > kept.untilMs) this.#kept.delete(id);
    }
  }

  /** The planner's view of the runs. */
  view(): ReadonlyMap<string, ForcedRun> {
    const view = new Map<string, ForcedRun>();
    for (const [name, { phase, refs, pulled, containers }] of this.#runs) {
      if (phase === 'recreating')
        view.set(name, { phase, containers: new Map([...containers].map(([id, { cause }]) => [id, cause])) });
      else {
        const toPull = phase === 'failed' ? [] : [...refs].filter((ref) => !pulled.has(ref));
        view.set(name, { phase: 'pulling', refs, toPull: new Set(toPull) });
      }
    }
    return view;
  }

  /** Container id to the image that its reference has moved to; empty while that has not shown yet. */
  keptImages(): ReadonlyMap<string, string> {
    return new Map([...this.#kept].map(([id, { imageId }]) => [id, imageId ?? '']));
  }

  /** What must outlive a restart: without it the next look would replace what was to stay. */
  save(): NonNullable<Memory['keptImages']> {
    return [...this.#kept]
      .flatMap(([id, { imageId }]) => (imageId === undefined ? [] : [{ id, imageId }]))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  load(kept: Memory['keptImages'] = []): void {
    for (const { id, imageId } of kept) this.#kept.set(id, { ref: '', imageId, untilMs: 0 });
  }
}
