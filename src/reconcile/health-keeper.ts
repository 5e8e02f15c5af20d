import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Outcome } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { DesiredState } from '../model/desired.ts';
import type {
  Ailing,
  EngineSnapshot,
  HealthState,
  ObservedContainer,
  ObservedState,
  ProbeReport,
} from '../model/observed.ts';
import type { Prober } from '../model/ports.ts';
import { healthWaitMs } from './backoff.ts';
import type { Journal } from './journal.ts';
import { keyOf } from './ownership.ts';
import { faultText } from './plan-health.ts';
import { withEveryReplica } from './plan-replicas.ts';
import { ProbeLane } from './probe-lane.ts';
import { worstOf } from './readiness.ts';
import { probeTargets, reportOf } from './readiness-probe.ts';
import { LASTING_SUCCESS_MS } from './setback.ts';

/** What is known of health without an agent that runs. */
export const NO_HEALTH: Pick<ObservedState, 'probes' | 'ailing'> = { probes: new Map(), ailing: new Map() };

/** A check that fails is looked at twice before anything is done, this far apart, milliseconds. */
const TWICE_MS = 1_000;

/**
 * What fails when the agent begins waits like after this many restarts: how often it was restarted before is not known, and an
 * agent that is itself restarted again and again must not do the same to containers.
 */
const UNKNOWN_ATTEMPTS = 2;

interface Row {
  attempts: number;
  restarts: number;
  /** How long the next fault must last before it is acted on. */
  waitMs: number;
  /** true: the log says that it is unhealthy. */
  isTold: boolean;
  failing?: NonNullable<Ailing['failing']>;
  /** Monotonic time since which all checks pass. */
  healthySinceMs?: number;
}

/** Keeps count of containers whose checks fail, and has the agent's own probes run. Nothing of it outlives the agent. */
export class HealthKeeper {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #journal: Journal;
  readonly #lane: ProbeLane;
  readonly #rows = new Map<string, Row>();
  #isFirst = true;

  /** `onChange`: a probe has come to another state. */
  constructor(
    { clock, random, prober }: { clock: Clock; random: Random; prober: Prober },
    journal: Journal,
    onChange: () => void,
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#journal = journal;
    this.#lane = new ProbeLane(prober, clock, onChange);
  }

  /** Runs the probes until aborted. */
  run(signal: AbortSignal): Promise<void> {
    return this.#lane.run(signal);
  }

  /** After a look: aims the probes at what runs, and says how everything stands with its checks. */
  observe(desired: DesiredState, { containers }: EngineSnapshot): typeof NO_HEALTH {
    // Which replicas stay may depend on how those do that will go.
    const here = desired.known ? withEveryReplica(desired, containers) : desired;
    const { targets, unknown } = probeTargets(here, containers);
    this.#lane.aim(targets, unknown);
    const probes = this.#lane.view();
    const ids = new Set<string>();
    for (const container of containers) {
      if (container.labels[LABEL.managed] !== 'true') continue;
      ids.add(container.id);
      this.#note(container, reportOf(container, probes));
    }
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.#rows.delete(id);
    this.#isFirst = false;
    return { probes, ailing: new Map([...this.#rows].map(([id, row]) => [id, viewOf(row)])) };
  }

  /** Counts what was done because of checks that failed. */
  record({ action, ok }: Outcome): void {
    const isRestart = action.kind === 'restartContainer';
    const isRepair = action.kind === 'disconnectNetwork' && action.repairs === true;
    if (!ok || !(isRestart || isRepair)) return;
    const row = this.#rows.get(action.id) ?? { attempts: 0, restarts: 0, waitMs: 0, isTold: false };
    row.attempts += 1;
    row.restarts += isRestart ? 1 : 0;
    row.waitMs = healthWaitMs(row.attempts, this.#random.next());
    delete row.failing;
    delete row.healthySinceMs;
    this.#rows.set(action.id, row);
  }

  #note(container: ObservedContainer, report: ProbeReport | undefined): void {
    const health = overallOf(container, report);
    const row = this.#rows.get(container.id);
    if (health === 'unhealthy') this.#failing(container, report, row ?? this.#newRow(container.id));
    else if (row !== undefined) this.#passing(container, row, health);
  }

  #newRow(id: string): Row {
    const waitMs = this.#isFirst ? healthWaitMs(UNKNOWN_ATTEMPTS, this.#random.next()) : TWICE_MS;
    const row: Row = { attempts: 0, restarts: 0, waitMs, isTold: false };
    this.#rows.set(id, row);
    return row;
  }

  #failing(container: ObservedContainer, report: ProbeReport | undefined, row: Row): void {
    delete row.healthySinceMs;
    if (row.failing !== undefined) return;
    const { waitMs } = row;
    row.failing = {
      notBeforeMs: this.#clock.monoMs() + waitMs,
      nextTryAt: this.#clock.now() + waitMs,
    };
    const detail = faultText(container, report);
    const fields = { ...fieldsOf(container), reason: 'Unhealthy', detail };
    this.#journal.add('warn', 'container is unhealthy', fields, row.isTold);
    row.isTold = true;
  }

  #passing(container: ObservedContainer, row: Row, health: HealthState | undefined): void {
    delete row.failing;
    if (health !== 'healthy') {
      delete row.healthySinceMs;
      return;
    }
    row.healthySinceMs ??= this.#clock.monoMs();
    const isLasting = this.#clock.monoMs() - row.healthySinceMs >= LASTING_SUCCESS_MS;
    if (row.attempts > 0 && !isLasting) return;
    if (row.isTold) this.#journal.well(keyOf(container) ?? '', fieldsOf(container));
    row.isTold = false;
    row.attempts = 0;
    row.waitMs = TWICE_MS;
    if (row.restarts === 0) this.#rows.delete(container.id);
  }
}

/** All checks of a container together; undefined: it does not run, or has none. */
function overallOf(
  { state, health }: ObservedContainer,
  report: ProbeReport | undefined,
): HealthState | undefined {
  if (state !== 'running') return undefined;
  return worstOf([health, report?.own.state, report?.published?.state]);
}

function viewOf({ attempts, restarts, failing }: Row): Ailing {
  return { attempts, restarts, ...(failing === undefined ? {} : { failing }) };
}

function fieldsOf({ labels, name }: ObservedContainer): { blueprint: string; container: string } {
  return { blueprint: labels[LABEL.deployment] ?? '', container: name };
}
