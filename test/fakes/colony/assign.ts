import type { Executors } from './executors.ts';
import { type Processes, waiterKey } from './processes.ts';
import type { ExecutorRecord, ProcessRecord } from './records.ts';
import { Refusal } from './reply.ts';
import type { ColonyState } from './state.ts';
import type { Waiters } from './waiters.ts';

/** Where long polls wait while the colony is paused. */
export const PAUSED_KEY = '\npaused';

export interface AssignRequest {
  callerId: string;
  colony: string;
  /** Seconds; below 0: do not wait. */
  timeoutS: number;
  cpu: string;
  mem: string;
}

/** Hands out waiting processes (PROTOCOL.md 7.1). */
export class Assigner {
  readonly #state: ColonyState;
  readonly #processes: Processes;
  readonly #waiters: Waiters;
  readonly #executors: Executors;

  constructor(state: ColonyState, processes: Processes, waiters: Waiters, executors: Executors) {
    this.#state = state;
    this.#processes = processes;
    this.#waiters = waiters;
    this.#executors = executors;
  }

  /**
   * A process for the caller, at once or within the time it is ready to wait. Membership is looked at only once: who is
   * unregistered meanwhile still gets one. Rejects with the signal's reason when the caller is gone.
   */
  async assign(request: AssignRequest, signal: AbortSignal): Promise<ProcessRecord> {
    const { callerId, colony, timeoutS } = request;
    const { clock } = this.#state.settings;
    this.#state.requireMember(callerId, colony);
    if (timeoutS === 0) throw new Refusal(400, 'Invalid timeout value, timeout cannot be zero');
    const offer = { cpu: milliCpu(request.cpu), mem: bytes(request.mem) };
    const endMs = clock.monoMs() + timeoutS * 1000;
    for (;;) {
      const executor = this.#heard(callerId);
      const process = this.#state.isPaused ? undefined : this.#oldestFor(executor, offer);
      if (process !== undefined) {
        this.#processes.take(process, callerId);
        return process;
      }
      const { isPaused } = this.#state;
      const key = isPaused ? PAUSED_KEY : waiterKey(executor.type, executor.location);
      const waitMs = endMs - clock.monoMs();
      if (timeoutS < 0) throw refusal(isPaused ? PAUSED_NOW : NOTHING);
      if (waitMs <= 0 || !(await this.#waiters.wait(key, waitMs, signal)))
        throw refusal(isPaused ? PAUSED_LONG : NOTHING);
    }
  }

  /** Every attempt counts as a sign of life. */
  #heard(callerId: string): ExecutorRecord {
    const executor = this.#state.executorById(callerId);
    if (executor === undefined) throw new Refusal(500, 'Failed to assign process, executor not found');
    this.#executors.heard(executor);
    return executor;
  }

  #oldestFor(executor: ExecutorRecord, offer: { cpu: number; mem: number }): ProcessRecord | undefined {
    // What blueprints ask for needs nothing, so that only less than nothing matches none.
    if (offer.cpu < 0 || offer.mem < 0) return undefined;
    let best: ProcessRecord | undefined;
    for (const process of this.#state.waiting)
      if (matches(process, executor) && (best === undefined || isBefore(process, best))) best = process;
    return best;
  }
}

const NOTHING = { status: 404, text: 'No process available for assignment' };
const PAUSED_NOW = { status: 503, text: 'No processes available: colony assignments are paused' };
const PAUSED_LONG = { status: 408, text: 'Assignment timeout: colony assignments are paused' };

function refusal(what: { status: number; text: string }): Refusal {
  return new Refusal(what.status, what.text);
}

function matches({ spec }: ProcessRecord, executor: ExecutorRecord): boolean {
  if (spec.executortype !== executor.type) return false;
  if (spec.locationname !== '' && spec.locationname.toLowerCase() !== executor.location.toLowerCase())
    return false;
  const names = spec.executornames ?? [];
  return names.length === 0 || names.includes(executor.name);
}

/** One unit of priority counts as a day. */
function isBefore(a: ProcessRecord, b: ProcessRecord): boolean {
  const at = (one: ProcessRecord) => one.submittedAt - one.spec.priority * 86_400_000;
  return at(a) === at(b) ? a.seq < b.seq : at(a) < at(b);
}

/** Empty: no limit; anything without the `m` counts as 0. */
function milliCpu(text: string): number {
  if (text === '') return Number.POSITIVE_INFINITY;
  if (!text.endsWith('m')) return 0;
  if (!/^[+-]?\d+m$/.test(text)) throw new Refusal(400, 'Error converting CPU to int');
  return Number.parseInt(text, 10);
}

const UNITS: Record<string, number> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

/**
 * Empty: no limit. The real server takes decimal units such as MB or refuses them at random; here it always refuses
 * them, so that nobody gets used to them.
 */
function bytes(text: string): number {
  if (text === '') return Number.POSITIVE_INFINITY;
  const [, digits, unit] = /^([+-]?\d+)(Ki|Mi|Gi)$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined)
    throw new Refusal(400, 'error converting memory to int: strconv.ParseInt: parsing "": invalid syntax');
  return Number.parseInt(digits, 10) * (UNITS[unit] ?? 1);
}
