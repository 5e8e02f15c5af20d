import { setMaxListeners } from 'node:events';
import { untilAborted } from '../base/abort.ts';
import { EdgeError } from '../base/errors.ts';
import { Doorbell, within } from '../base/lanes.ts';
import type { Action, Outcome, Plan } from '../model/action.ts';
import type { DesiredState } from '../model/desired.ts';
import type { ForceResult, LinkClass } from '../model/link.ts';
import type { ObservedState, Setback } from '../model/observed.ts';
import type { Engine, EngineEvent } from '../model/ports.ts';
import type { AgentEvent, AgentStatus, BlueprintReport, PlanReport } from '../model/status.ts';
import type { Agent, AgentParts } from './agent-parts.ts';
import { agentStatus } from './agent-status.ts';
import { Apply } from './apply.ts';
import { EngineHealth } from './engine-health.ts';
import { Journal } from './journal.ts';
import { Ledger } from './ledger.ts';
import { LookListeners, linkHost } from './link-host.ts';
import { WorkingMemory } from './memory.ts';
import { MemoryKeeper } from './memory-keeper.ts';
import { executorsOf } from './ownership.ts';
import { plan } from './plan.ts';
import { reportAll } from './report.ts';
import { SourceLane } from './source-lane.ts';
import type { ReportInput } from './status-document.ts';
import { planReport } from './text.ts';
import { isNoise, wantedOf } from './wanted.ts';

/** Least time between two looks, milliseconds. It doubles while reasons keep coming: a burst of events is a few looks. */
const GAP_MS = 30;
const MOST_GAP_MS = 240;

/** After an engine's event comes one more look this much later, milliseconds: engines tell of some changes (Docker of a
 *  pause) before their own listing shows them. */
const SETTLED_MS = 500;

/** How long calls under way may take to finish at the end, milliseconds. */
const DRAIN_MS = 5_000;

/** The agent over its parts; nothing happens until `run`. */
export function createAgent(parts: AgentParts): Agent {
  return new AgentLoop(parts);
}

class AgentLoop implements Agent {
  readonly #parts: AgentParts;
  readonly #bell: Doorbell;
  readonly #memory: WorkingMemory;
  readonly #apply: Apply;
  readonly #source: SourceLane;
  readonly #journal: Journal;
  readonly #keeper: MemoryKeeper;
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
  /** Monotonic time of the look that confirms what the last event led to; undefined: there is none to come. */
  #confirmAtMs: number | undefined;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    const { clock, random, engine, settings, log } = parts;
    this.#bell = new Doorbell(clock);
    this.#memory = new WorkingMemory(clock, random);
    const lanes = { actions: settings.actionLanes, pulls: settings.pullLanes };
    this.#apply = new Apply(engine, clock, lanes, this.#memory.pulls);
    this.#journal = new Journal(clock, log);
    // As many calls may be under way as there are services: that is no leak to be warned of.
    setMaxListeners(0, this.#hardStop.signal);
    this.#startedAt = clock.now();
    this.#keeper = new MemoryKeeper(this.#memory, parts.store, this.#journal);
    this.#engine = new EngineHealth(clock, random, this.#journal);
    this.#source = new SourceLane({
      ...parts,
      owner: { node: settings.node, colony: settings.colony },
      defaultNetwork: settings.defaultNetwork,
      resyncMs: settings.resyncMs,
      onEvent: (level, message, fields) => this.#journal.add(level, message, fields),
      onChange: () => this.#bell.ring(),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    // A lane that ends with an error is a broken invariant: without it the agent would look alive and be deaf.
    const broken = new AbortController();
    const alive = AbortSignal.any([signal, broken.signal]);
    setMaxListeners(0, alive);
    this.#journal.add('info', 'agent started', {}, true);
    await this.#keeper.restore();
    await this.#source.restore(alive);
    const lanes = this.#startLanes(alive);
    lanes.catch((error: unknown) => broken.abort(error));
    let gapMs = GAP_MS;
    while (!alive.aborted) {
      const waitMs = this.#untilConfirmed(await this.#look(alive));
      this.#nextLookAt = this.#parts.clock.now() + waitMs;
      if (this.#running.size === 0 && !this.#bell.isRung) this.#parts.onQuiet?.();
      await this.#parts.clock.sleep(gapMs, alive).catch(() => undefined);
      gapMs = this.#bell.isRung ? Math.min(gapMs * 2, MOST_GAP_MS) : GAP_MS;
      await this.#bell.wait(Math.max(0, waitMs - gapMs), alive);
    }
    await within(this.#parts.clock, DRAIN_MS, Promise.all(this.#work));
    this.#hardStop.abort(new EdgeError('The agent is stopping', { code: 'CANCELLED', retry: 'cancelled' }));
    await within(this.#parts.clock, DRAIN_MS, Promise.all([lanes, this.#keeper.idle()]));
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
      executors: () => this.#executors(),
    });
    await Promise.all([
      this.#source.run(signal),
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
    const desired = this.#source.desired;
    const busyBefore = new Set(this.#memory.busy);
    if (this.#confirmAtMs !== undefined && clock.monoMs() >= this.#confirmAtMs) this.#confirmAtMs = undefined;
    let snapshot: Awaited<ReturnType<Engine['snapshot']>>;
    try {
      snapshot = await engine.snapshot(wantedOf(desired), signal);
    } catch (error) {
      if (signal.aborted) return 0;
      if (!(error instanceof EdgeError)) throw error;
      const retryMs = this.#engine.away(error);
      this.#report();
      return retryMs;
    }
    this.#engine.back();
    const isNewest = this.#source.desired === desired;
    if (!isNewest) this.#bell.ring();
    const observed = this.#memory.observe(snapshot, busyBefore);
    if (desired.known) {
      const { crashed, recovered, forced } = this.#memory.review(desired, observed);
      for (const setback of crashed) this.#crashed(setback);
      for (const key of recovered) this.#journal.recovered(key);
      if (crashed.length > 0 || forced) this.#bell.ring();
    }
    this.#observed = observed;
    this.#plan = plan(desired, observed, clock.monoMs());
    this.#afterPlan(this.#plan);
    this.#plannedFor = isNewest ? this.#source.desired : desired;
    for (const action of this.#plan.actions) this.#dispatch(action);
    this.#report();
    this.#ledger.review(this.#source.desired, observed, this.#reports);
    this.#keeper.save();
    const resyncMs = settings.resyncMs * (0.9 + 0.1 * random.next());
    const wakeMs = this.#plan.wakeAtMs === undefined ? resyncMs : this.#plan.wakeAtMs - clock.monoMs();
    return Math.max(GAP_MS, Math.min(resyncMs, wakeMs));
  }

  async #force(name: string, signal: AbortSignal): Promise<ForceResult> {
    const desired = this.#source.desired;
    const blueprint = desired.known ? desired.blueprints.find((one) => one.name === name) : undefined;
    if (blueprint === undefined || blueprint.deleting)
      return { ok: false, text: `${name} is not in force on this node; nothing was touched` };
    const away = this.#engine.awayBecause;
    if (away !== undefined)
      return { ok: false, text: `the engine cannot be reached (${away}); nothing was touched` };
    this.#journal.add('info', 'forced run begun', { blueprint: name });
    const going = this.#memory.force(blueprint);
    this.#bell.ring();
    const result = await untilAborted(going, signal);
    this.#journal.add(
      result.ok ? 'info' : 'warn',
      result.ok ? 'forced run replaces' : 'forced run given up',
      {
        blueprint: name,
        detail: result.text,
      },
    );
    return result;
  }

  #executors(): ReadonlySet<string> | undefined {
    if (this.#observed === undefined || this.#plannedFor !== this.#source.desired) return undefined;
    return executorsOf(this.#observed, [...this.#running.keys()]);
  }

  #onEngineEvent(event: EngineEvent): void {
    if (event.type === 'disconnected')
      this.#parts.log.debug('engine event stream ended', { detail: event.action });
    if (isNoise(event, this.#parts.settings.node, this.#observed, this.#plan)) return;
    this.#confirmAtMs = this.#parts.clock.monoMs() + SETTLED_MS;
    this.#bell.ring();
  }

  /** The wait after a look, cut short when a confirming look is due before. */
  #untilConfirmed(waitMs: number): number {
    if (this.#confirmAtMs === undefined) return waitMs;
    const dueMs = this.#confirmAtMs - this.#parts.clock.monoMs();
    return Math.max(GAP_MS, Math.min(waitMs, dueMs));
  }

  #afterPlan({ adopt, finished }: Plan): void {
    this.#memory.adopt(adopt);
    for (const { name } of adopt) this.#journal.add('info', 'container adopted', { container: name });
    this.#source.finish(finished);
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
    const setback = this.#memory.record(outcome);
    if (outcome.ok) this.#journal.done(outcome, this.#ledger.done(action));
    else {
      this.#ledger.failed(action.lane, outcome);
      this.#journal.failed(outcome, setback);
    }
  }

  #crashed(setback: Setback): void {
    this.#ledger.failed(setback.key, setback);
    this.#journal.crashed(setback);
  }

  /** Makes the reports of this look, and tells whoever sends them on. */
  #report(): void {
    this.#reports = this.#reportMap();
    this.#looks.tell();
  }

  #reportMap(): Map<string, BlueprintReport> {
    const desired = this.#source.desired;
    if (!desired.known) return new Map();
    const { settings, clock } = this.#parts;
    const input: ReportInput = {
      desired,
      observed: this.#observed,
      plan: this.#plan,
      running: this.#running,
      lastErrors: this.#ledger.lastErrors,
      engineAway: this.#engine.awayBecause,
      now: clock.now(),
      node: settings.executorName,
      location: settings.location,
      version: settings.version,
      previous: this.#reports,
    };
    return new Map(reportAll(input).map((report) => [report.name, report]));
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
      isConverged: this.#isConverged(desired),
      nextLookAt: this.#nextLookAt,
      reports: [...this.#reportMap().values()],
      pulls: [...this.#memory.pulls.values()],
      memoryError: this.#keeper.error,
      counters: this.#ledger.counters,
    });
  }

  /** Everything asked for is there and nothing was refused: the engine answers, and the newest plan, which is for just
   *  this desired state, is empty. */
  #isConverged(desired: DesiredState): boolean {
    if (!desired.known || this.#plan === undefined || this.#engine.state !== 'ok') return false;
    if (this.#plannedFor !== desired) return false;
    const { actions, holds } = this.#plan;
    // A lane that was busy when the look began was passed over: whether there is more to do, only the next plan tells.
    if (this.#memory.isForcing || this.#observed?.busy.size !== 0) return false;
    if (actions.length > 0 || holds.length > 0 || desired.refusals.length > 0) return false;
    return [...this.#reports.values()].every((report) => report.phase === 'Running');
  }

  plan(): PlanReport {
    return planReport(this.#plan);
  }

  confirmRemoval(): readonly string[] {
    const names = this.#parts.link?.confirmRemoval() ?? [];
    for (const blueprint of names) this.#journal.add('warn', 'removal confirmed', { blueprint });
    return names;
  }

  setLinkClass(linkClass: LinkClass): boolean {
    const { link } = this.#parts;
    link?.setLinkClass(linkClass);
    if (link !== undefined) this.#journal.add('info', 'link class set', { detail: linkClass });
    return link !== undefined;
  }

  events(after: number): readonly AgentEvent[] {
    return this.#journal.after(after);
  }

  onEvent(listener: (event: AgentEvent) => void): () => void {
    return this.#journal.subscribe(listener);
  }
}
