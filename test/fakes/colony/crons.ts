import type { Processes } from './processes.ts';
import type { SpecRecord } from './records.ts';
import type { ColonyState, CronRecord, DefinitionRecord } from './state.ts';
import type { Timers } from './timers.ts';

/** What a reconcile or cleanup process of a blueprint looks like (PROTOCOL.md section 10). */
export function workSpec(
  definition: DefinitionRecord,
  location: string,
  funcname: string,
  kwargs: Record<string, unknown>,
): Partial<SpecRecord> {
  return {
    nodename: `${definition.executorType}-${funcname}`,
    funcname,
    kwargs,
    executortype: definition.executorType,
    locationname: location,
  };
}

/** The schedules: one per kind and location, with at most one process outstanding each (PROTOCOL.md 10.2). */
export class Crons {
  readonly #state: ColonyState;
  readonly #processes: Processes;
  readonly #timers: Timers;

  constructor(state: ColonyState, processes: Processes, timers: Timers) {
    this.#state = state;
    this.#processes = processes;
    this.#timers = timers;
  }

  /** Made with the first blueprint of a kind at a location; later ones use what is there, also when that is dead. */
  ensure(kind: string, location: string, initiatorId: string): void {
    const name = nameOf(kind, location);
    if (this.#state.crons.has(name)) return;
    const { cronEveryMs, checkEveryMs } = this.#state.settings;
    const cron: CronRecord = {
      id: this.#state.id(),
      name,
      kind,
      location,
      initiatorId,
      // The first check only sets the time.
      nextRunAt: this.#state.now() + this.#toNextCheckMs() + cronEveryMs,
      lastRunAt: 0,
      graphId: '',
      isOpen: false,
      lastOut: [],
    };
    this.#state.crons.set(name, cron);
    this.#timers.within(cronEveryMs + checkEveryMs);
  }

  /** Removed with the last blueprint of the kind at its present location. */
  dropIfLast(kind: string, location: string): void {
    const isLast = ![...this.#state.blueprints.values()].some(
      (one) => one.kind === kind && one.location === location,
    );
    if (isLast) this.#state.crons.delete(nameOf(kind, location));
  }

  /** Starts what is due; returns when the next one is, undefined when all wait for their processes or are dead. */
  check(): number | undefined {
    const now = this.#state.now();
    let next: number | undefined;
    for (const cron of this.#state.crons.values()) {
      // Nobody can be asked on whose behalf: the real server logs an error every second, for ever.
      if (cron.isOpen || !this.#state.isResolvable(cron.initiatorId)) continue;
      if (cron.nextRunAt <= now) this.#start(cron, now);
      else next = Math.min(next ?? cron.nextRunAt, cron.nextRunAt);
    }
    return next === undefined ? undefined : now + this.#toNextCheckMs(next - now);
  }

  #start(cron: CronRecord, now: number): void {
    const definition = [...this.#state.definitions.values()].find((one) => one.kind === cron.kind);
    if (definition === undefined) return;
    cron.lastRunAt = now;
    cron.nextRunAt = now + this.#state.settings.cronEveryMs;
    cron.graphId = this.#state.id();
    cron.isOpen = true;
    this.#processes.submit(
      workSpec(definition, cron.location, definition.functionName, { kind: cron.kind }),
      cron.initiatorId,
      { graphId: cron.graphId, in: cron.lastOut },
    );
  }

  /** Until the first check that is at least `ms` away. */
  #toNextCheckMs(ms = 0): number {
    const { checkEveryMs } = this.#state.settings;
    const upMs = this.#state.uptimeMs();
    return Math.ceil((upMs + Math.max(ms, 1)) / checkEveryMs) * checkEveryMs - upMs;
  }
}

function nameOf(kind: string, location: string): string {
  return `reconcile-${kind}${location === '' ? '' : `-${location}`}`;
}
