import { setMaxListeners } from 'node:events';
import { EdgeError } from '../base/errors.ts';
import { Doorbell, within } from '../base/lanes.ts';
import type { Action, Outcome, Plan } from '../model/action.ts';
import type { DesiredBlueprint, DesiredState } from '../model/desired.ts';
import type { GcReport } from '../model/disk.ts';
import type { ForceResult, LinkClass } from '../model/link.ts';
import type { ObservedState } from '../model/observed.ts';
import type { Engine, EngineEvent } from '../model/ports.ts';
import type { RolloutAnswer, RolloutCommand } from '../model/rollout.ts';
import type { AgentEvent, AgentStatus, BlueprintReport, PlanReport } from '../model/status.ts';
import type { LockAnswer, LockCommand } from '../model/update.ts';
import { confirmRemoval, setLinkClass } from './agent-link.ts';
import type { Agent, AgentParts } from './agent-parts.ts';
import { agentStatus, isConverged, reportMap } from './agent-status.ts';
import { Apply } from './apply.ts';
import { Confirming } from './confirming.ts';
import { EngineHealth } from './engine-health.ts';
import { forceRun } from './force-run.ts';
import { Garbage } from './garbage.ts';
import { Journal } from './journal.ts';
import { Ledger } from './ledger.ts';
import { LookListeners, linkHost } from './link-host.ts';
import { commandLock } from './lock-operator.ts';
import { WorkingMemory } from './memory.ts';
import { MemoryKeeper } from './memory-keeper.ts';
import { executorsOf } from './ownership.ts';
import { plan } from './plan.ts';
import { commandRollout } from './rollout-operator.ts';
import { Rollouts } from './rollouts.ts';
import { Senses } from './senses.ts';
import { SourceLane } from './source-lane.ts';
import { planReport } from './text.ts';
import { isNoise, wantedOf } from './wanted.ts';

/** Least time between two looks, milliseconds. It doubles while reasons keep coming: a burst of events is a few looks. */
const GAP_MS = 30;
const MOST_GAP_MS = 240;

/** How long calls under way may take to finish at the end, milliseconds. */
const DRAIN_MS = 5_000;

/** The agent over its parts; nothing happens until `run`. */
export const createAgent = (parts: AgentParts): Agent => new AgentLoop(parts);

class AgentLoop implements Agent {
  readonly #parts: AgentParts;
  readonly #bell: Doorbell;
  readonly #memory: WorkingMemory;
  readonly #apply: Apply;
  readonly #source: SourceLane;
  readonly #journal: Journal;
  readonly #keeper: MemoryKeeper;
  readonly #garbage: Garbage;
  readonly #rollouts: Rollouts;
  readonly #senses: Senses;
  readonly #startedAt: number;
  readonly #running = new Map<string, Action>();
  readonly #work = new Set<Promise<void>>();
  /** Aborted at the end of the drain; the run's own signal only stops new work. */
  readonly #hardStop = new AbortController();
  readonly #ledger = new Ledger();
  readonly #looks = new LookListeners();
  #observed: ObservedState | undefined;
  #plan: Plan | undefined;
  /** The desired state that the newest plan is for. */
  #plannedFor: DesiredState | undefined;
  #reports: ReadonlyMap<string, BlueprintReport> = new Map();
  readonly #engine: EngineHealth;
  #nextLookAt = 0;
  readonly #confirming: Confirming;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    const { clock, random, settings, log } = parts;
    this.#bell = new Doorbell(clock);
    this.#confirming = new Confirming(clock);
    this.#memory = new WorkingMemory(clock, random, settings.startConcurrency);
    this.#apply = new Apply(parts, this.#memory.pulls);
    this.#journal = new Journal(clock, log);
    // As many calls may be under way as there are services: that is no leak to be warned of.
    setMaxListeners(0, this.#hardStop.signal);
    this.#startedAt = clock.now();
    this.#keeper = new MemoryKeeper(this.#memory, parts.store, this.#journal, () => this.#bell.ring());
    const onTurn = (name: string) => this.#memory.retryNow(name);
    this.#rollouts = new Rollouts({ ...parts, journal: this.#journal, onTurn, ring: this.#bell.ring });
    this.#senses = new Senses(parts, this.#journal, this.#bell.ring);
    this.#engine = new EngineHealth(clock, random, this.#journal);
    this.#garbage = new Garbage(parts, this.#memory, this.#journal, this.#bell.ring);
    this.#source = new SourceLane({
      ...parts,
      owner: { node: settings.node, colony: settings.colony },
      defaultNetwork: settings.defaultNetwork,
      resyncMs: settings.resyncMs,
      onEvent: (level, message, fields) => this.#journal.add(level, message, fields),
      onChange: this.#bell.ring,
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    // A lane that ends with an error is a broken invariant: without it the agent would look alive and be deaf.
    const broken = new AbortController();
    const alive = AbortSignal.any([signal, broken.signal]);
    setMaxListeners(0, alive);
    this.#journal.add('info', 'agent started', {}, true);
    await Promise.all([this.#keeper.restore(), this.#rollouts.restore()]);
    await this.#source.restore(alive);
    const lanes = this.#startLanes(alive);
    lanes.catch((error: unknown) => broken.abort(error));
    let gapMs = GAP_MS;
    while (!alive.aborted) {
      const waitMs = this.#confirming.within(await this.#look(alive), GAP_MS);
      this.#nextLookAt = this.#parts.clock.now() + waitMs;
      if (this.#running.size === 0 && !this.#bell.isRung) this.#parts.onQuiet?.();
      await this.#parts.clock.sleep(gapMs, alive).catch(() => undefined);
      gapMs = this.#bell.isRung ? Math.min(gapMs * 2, MOST_GAP_MS) : GAP_MS;
      await this.#bell.wait(Math.max(0, waitMs - gapMs), alive);
    }
    await within(this.#parts.clock, DRAIN_MS, Promise.all(this.#work));
    this.#hardStop.abort(new EdgeError('The agent is stopping', { code: 'CANCELLED', retry: 'cancelled' }));
    const rest = [lanes, this.#keeper.idle(), this.#rollouts.idle()];
    await within(this.#parts.clock, DRAIN_MS, Promise.all(rest));
    this.#journal.add('info', 'agent stopped', {});
  }

  /** Rejects as soon as one of them does. */
  async #startLanes(signal: AbortSignal): Promise<void> {
    const { engine, link } = this.#parts;
    const host = linkHost({
      source: this.#source,
      journal: this.#journal,
      looks: this.#looks,
      reports: () => [...this.#reports.values()],
      force: (blueprint, within) => this.#force(blueprint, within),
      executors: () => {
        const observed = this.#plannedFor === this.#source.desired ? this.#observed : undefined;
        return observed && executorsOf(observed, [...this.#running.keys()]);
      },
    });
    await Promise.all([
      this.#source.run(signal),
      this.#senses.run(signal),
      engine.watch((event) => this.#onEngineEvent(event), signal),
      link?.run(host, signal),
    ]);
  }

  refresh(): void {
    this.#memory.retryNow();
    this.#source.refresh();
    this.#parts.link?.refresh();
    this.#bell.ring();
  }

  /** One tick: observe, plan, dispatch. Returns the milliseconds until the next look without a reason. */
  async #look(signal: AbortSignal): Promise<number> {
    const { engine, clock, random, settings } = this.#parts;
    this.#ledger.counters.ticks += 1;
    const asked = this.#source.desired;
    const desired = this.#rollouts.inForce(asked);
    const busyBefore = new Set(this.#memory.busy);
    this.#confirming.look();
    let snapshot: Awaited<ReturnType<Engine['snapshot']>>;
    try {
      snapshot = await engine.snapshot(wantedOf(desired, this.#rollouts.waiting), signal);
    } catch (error) {
      if (signal.aborted) return 0;
      if (!(error instanceof EdgeError)) throw error;
      const retryMs = this.#engine.away(error);
      this.#memory.blind();
      this.#rollouts.blind();
      this.#report();
      return retryMs;
    }
    this.#engine.back();
    const isNewest = this.#source.desired === asked;
    if (!isNewest) this.#bell.ring();
    const senses = this.#senses.observe(desired, snapshot);
    const seen = { ...this.#memory.observe(snapshot, busyBefore, senses), ...this.#rollouts.view(asked) };
    this.#review(asked, desired, seen);
    // The review may have found that another version is to be in force.
    const observed = { ...seen, ...this.#rollouts.view(asked) };
    this.#observed = observed;
    this.#plan = plan(this.#rollouts.inForce(asked), observed, clock.monoMs());
    this.#afterPlan(this.#plan);
    this.#plannedFor = isNewest ? this.#source.desired : asked;
    const tidy = this.#garbage.next(this.#source.desired, observed, this.#plan.actions);
    for (const action of [...this.#plan.actions, ...tidy]) this.#dispatch(action);
    this.#report();
    this.#ledger.review(this.#rollouts.inForce(this.#source.desired), observed, this.#reports);
    this.#keeper.save();
    this.#rollouts.save();
    const resyncMs = settings.resyncMs * (0.9 + 0.1 * random.next());
    const wakeAtMs = Math.min(this.#plan.wakeAtMs ?? Infinity, this.#rollouts.wakeAtMs ?? Infinity);
    return Math.max(GAP_MS, Math.min(resyncMs, wakeAtMs - clock.monoMs()));
  }

  #review(asked: DesiredState, desired: DesiredState, observed: ObservedState): void {
    if (!desired.known || !asked.known) return;
    const { crashed, recovered, forced } = this.#memory.review(desired, observed);
    for (const setback of crashed) {
      this.#ledger.failed(setback.key, setback);
      this.#journal.crashed(setback);
    }
    for (const key of recovered) this.#journal.recovered(key);
    const isTurned = this.#rollouts.review(asked, observed, crashed);
    if (crashed.length > 0 || forced || isTurned) this.#bell.ring();
  }

  #force(name: string, signal: AbortSignal): Promise<ForceResult> {
    const begin = (blueprint: DesiredBlueprint) => {
      const going = this.#memory.force(blueprint);
      this.#bell.ring();
      return going;
    };
    const parts = { awayBecause: this.#engine.awayBecause, journal: this.#journal, begin };
    return forceRun({ desired: this.#rollouts.forced(this.#source.desired, name), ...parts }, name, signal);
  }

  #onEngineEvent(event: EngineEvent): void {
    if (event.type === 'disconnected')
      this.#parts.log.debug('engine event stream ended', { detail: event.action });
    if (isNoise(event, this.#parts.settings.node, this.#observed, this.#plan)) return;
    this.#confirming.expect();
    this.#bell.ring();
  }

  #afterPlan(plan: Plan): void {
    this.#memory.note(plan);
    for (const { name } of plan.adopt) this.#journal.add('info', 'container adopted', { container: name });
    this.#source.finish(plan.finished);
  }

  /** Begins an action in its lane; the loop does not wait for it. */
  #dispatch(action: Action): void {
    this.#memory.busy.add(action.lane);
    this.#running.set(action.lane, action);
    this.#ledger.counters.actions += 1;
    this.#journal.begun(action);
    const work = this.#apply.perform(action, this.#hardStop.signal).then((outcome) => {
      this.#memory.busy.delete(action.lane);
      this.#running.delete(action.lane);
      this.#work.delete(work);
      this.#settle(outcome);
      this.#bell.ring();
    });
    this.#work.add(work);
  }

  #settle(outcome: Outcome): void {
    const { action } = outcome;
    if (this.#hardStop.signal.aborted && !outcome.ok) return;
    if (this.#garbage.settled(outcome)) return;
    this.#senses.record(outcome);
    const setback = this.#memory.record(outcome);
    this.#rollouts.record(outcome);
    if (outcome.ok) this.#journal.done(outcome, this.#ledger.done(action));
    else {
      this.#ledger.failed(action.lane, outcome);
      this.#journal.failed(outcome, setback);
    }
  }

  /** Makes the reports of this look, and tells whoever sends them on. */
  #report(): void {
    this.#reports = this.#reportMap();
    this.#looks.tell();
  }

  #reportMap(): Map<string, BlueprintReport> {
    const desired = this.#rollouts.inForce(this.#source.desired);
    if (!desired.known) return new Map();
    return reportMap(this.#parts, {
      desired,
      observed: this.#observed,
      plan: this.#plan,
      running: this.#running,
      lastErrors: this.#ledger.lastErrors,
      engineAway: this.#engine.awayBecause,
      previous: this.#reports,
    });
  }

  status(): AgentStatus {
    const desired = this.#source.desired;
    return agentStatus({
      parts: this.#parts,
      startedAt: this.#startedAt,
      desired,
      observed: this.#observed,
      engine: this.#engine.view(),
      source: this.#source.view(),
      // A lane that was busy when the look began was passed over: whether there is more to do, only the next plan tells.
      isConverged:
        this.#plannedFor === desired &&
        this.#observed?.busy.size === 0 &&
        !this.#memory.isForcing &&
        isConverged(desired, this.#plan, this.#engine.state, this.#reports),
      nextLookAt: this.#nextLookAt,
      reports: [...this.#reportMap().values()],
      pulls: [...this.#memory.pulls.values()],
      disk: this.#garbage.view(),
      memoryError: this.#keeper.error ?? this.#rollouts.error,
      counters: this.#ledger.counters,
      updates: this.#memory.updates,
    });
  }

  plan(): PlanReport {
    return planReport(this.#plan);
  }

  confirmRemoval(): readonly string[] {
    return confirmRemoval(this.#parts.link, this.#journal);
  }

  commandRollout(command: RolloutCommand, blueprint: string): RolloutAnswer {
    this.#plannedFor = undefined;
    this.#bell.ring();
    return commandRollout(this.#rollouts, this.#source.desired, command, blueprint);
  }

  commandLock(command: LockCommand): LockAnswer {
    this.#plannedFor = undefined;
    this.#bell.ring();
    const parts = { ...this.#parts, memory: this.#memory, journal: this.#journal };
    const answer = commandLock(parts, this.#source.desired, this.#observed?.containers, command);
    this.#keeper.save();
    return answer;
  }

  setLinkClass(linkClass: LinkClass): boolean {
    return setLinkClass(this.#parts.link, this.#journal, linkClass);
  }

  collectGarbage(dryRun: boolean): Promise<GcReport> {
    return this.#garbage.collect(dryRun, this.#engine.awayBecause);
  }

  events(after: number): readonly AgentEvent[] {
    return this.#journal.after(after);
  }

  onEvent(listener: (event: AgentEvent) => void): () => void {
    return this.#journal.subscribe(listener);
  }
}
