import type { JsonMap, ProcessRecord, SpecRecord } from './records.ts';
import { PROCESS_STATES } from './records.ts';
import { Refusal } from './reply.ts';
import type { ColonyState } from './state.ts';
import type { Timers } from './timers.ts';
import type { Waiters } from './waiters.ts';

/**
 * Under which waiters are woken: the location as it is spelled, unlike in assignment. Work without a location wakes
 * only those without one; everybody else gets it with the next call.
 */
export function waiterKey(executorType: string, location: string): string {
  return `${executorType}\n${location}`;
}

/** Processes: how they come about, come back and end (PROTOCOL.md sections 7 and 8). */
export class Processes {
  readonly #state: ColonyState;
  readonly #waiters: Waiters;
  readonly #timers: Timers;

  constructor(state: ColonyState, waiters: Waiters, timers: Timers) {
    this.#state = state;
    this.#waiters = waiters;
    this.#timers = timers;
  }

  /** A new waiting process; one waiter is told. */
  submit(
    spec: Partial<SpecRecord>,
    initiatorId: string,
    more: { graphId?: string; in?: readonly unknown[] } = {},
  ): ProcessRecord {
    const now = this.#state.now();
    const full: SpecRecord = { ...EMPTY_SPEC, ...spec };
    const process: ProcessRecord = {
      id: this.#state.id(),
      seq: this.#state.seq(),
      initiatorId,
      initiatorName: this.#state.nameOf(initiatorId),
      assignedTo: '',
      state: PROCESS_STATES.waiting,
      submittedAt: now,
      startedAt: 0,
      endedAt: 0,
      waitDeadline: full.maxwaittime > 0 ? now + full.maxwaittime * 1000 : 0,
      execDeadline: 0,
      retries: 0,
      spec: full,
      graphId: more.graphId ?? '',
      in: more.in ?? [],
      out: [],
      errors: [],
      attributes: [],
    };
    this.#state.processes.set(process.id, process);
    this.#state.waiting.add(process);
    if (process.waitDeadline > 0) this.#timers.within(process.waitDeadline + 1000 - now);
    this.#waiters.signal(waiterKey(full.executortype, full.locationname));
    return process;
  }

  byId(id: string): ProcessRecord | undefined {
    return this.#state.processes.get(id);
  }

  /** Gives a waiting process to an executor. */
  take(process: ProcessRecord, executorId: string): void {
    const now = this.#state.now();
    const limit = process.spec.maxexectime;
    process.assignedTo = executorId;
    process.startedAt = now;
    process.endedAt = 0;
    // No limit is written -1; with 0 a submitted process is over at once.
    process.execDeadline = limit >= 0 ? now + limit * 1000 : 0;
    this.#state.setState(process, 'running');
    if (process.execDeadline > 0) this.#timers.within(process.execDeadline + 1000 - now);
  }

  /** Back to waiting without telling anybody: the executor is gone, was removed or added again. */
  putBack(executorId: string): void {
    for (const process of [...this.#state.running]) {
      if (process.assignedTo !== executorId) continue;
      process.assignedTo = '';
      process.startedAt = 0;
      process.endedAt = 0;
      process.execDeadline = 0;
      this.#state.setState(process, 'waiting');
    }
  }

  succeed(process: ProcessRecord, out: readonly unknown[]): void {
    if (out.length > 0) process.out = out;
    const was = process.state;
    if (was === PROCESS_STATES.failed) throw new Refusal(400, 'Tried to set failed process as successful');
    if (was === PROCESS_STATES.cancelled)
      throw new Refusal(400, 'Tried to set cancelled process as successful');
    process.endedAt = this.#state.now();
    this.#state.setState(process, 'success');
    this.#resolveGraph(process);
  }

  fail(process: ProcessRecord, errors: readonly string[]): void {
    const names = ['waiting', 'running', 'successful', 'failed', 'cancelled'];
    if (process.state > PROCESS_STATES.running)
      throw new Refusal(400, `Tried to set ${names[process.state]} process as failed`);
    process.endedAt = this.#state.now();
    this.#state.setState(process, 'failed');
    // The errors are written after the state, and the graph after the errors: a NUL ends the work half way, and the
    // schedule of that graph never fires again.
    if (errors.some((text) => text.includes('\0')))
      throw new Refusal(400, 'pq: invalid byte sequence for encoding "UTF8": 0x00');
    process.errors = errors;
    this.#resolveGraph(process);
  }

  /** Throws a `Refusal` for members of a graph, which can only be cancelled as a whole. */
  cancel(process: ProcessRecord): void {
    if (process.graphId !== '')
      throw new Refusal(
        400,
        'Failed to cancel, cannot cancel a process part of a workflow, cancel the entire workflow instead',
      );
    this.#cancelled(process);
  }

  /** Cancels what is left of a graph; its schedule is not told, and stands still for ever. */
  cancelGraph(graphId: string): void {
    for (const process of [...this.#state.waiting, ...this.#state.running])
      if (process.graphId === graphId) this.#cancelled(process);
  }

  #cancelled(process: ProcessRecord): void {
    process.endedAt = this.#state.now();
    this.#state.setState(process, 'cancelled');
  }

  #resolveGraph(process: ProcessRecord): void {
    if (process.graphId === '') return;
    for (const cron of this.#state.crons.values()) {
      if (cron.graphId !== process.graphId) continue;
      cron.isOpen = false;
      cron.lastOut = process.out;
      this.#timers.within(this.#state.settings.checkEveryMs);
    }
  }

  /** Ends or takes back what is over its limits, which are compared in whole seconds; returns the earliest next time. */
  checkDeadlines(): number | undefined {
    const now = this.#state.now();
    let next: number | undefined;
    const later = (at: number) => {
      next = Math.min(next ?? at, at);
    };
    for (const process of [...this.#state.waiting])
      if (process.waitDeadline > 0) {
        if (now < process.waitDeadline + 1000) later(process.waitDeadline + 1000);
        else this.#serverFails(process, 'Maximum waiting time limit exceeded');
      }
    for (const process of [...this.#state.running])
      if (process.execDeadline > 0) {
        if (now < process.execDeadline + 1000) later(process.execDeadline + 1000);
        else this.#takeBack(process);
      }
    return next;
  }

  #takeBack(process: ProcessRecord): void {
    const { maxretries } = process.spec;
    if (maxretries > -1 && process.retries >= maxretries) {
      this.#serverFails(process, 'Maximum execution time limit exceeded');
      return;
    }
    process.retries += 1;
    process.assignedTo = '';
    process.endedAt = this.#state.now();
    this.#state.setState(process, 'waiting');
    this.#waiters.signal(waiterKey(process.spec.executortype, process.spec.locationname));
  }

  #serverFails(process: ProcessRecord, why: string): void {
    process.endedAt = this.#state.now();
    process.errors = [why];
    this.#state.setState(process, 'failed');
    this.#resolveGraph(process);
  }
}

const EMPTY_SPEC: SpecRecord = {
  nodename: '',
  funcname: '',
  args: [],
  kwargs: {},
  priority: 0,
  maxwaittime: 0,
  maxexectime: -1,
  maxretries: -1,
  executornames: null,
  executortype: '',
  locationname: '',
  label: '',
  env: {},
};

/** The spec of a directly submitted process. */
export function specOf(sent: JsonMap): Partial<SpecRecord> {
  const conditions = mapOf(sent.conditions);
  const number = (value: unknown) => (typeof value === 'number' ? value : 0);
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  return {
    nodename: text(sent.nodename),
    funcname: text(sent.funcname),
    args: Array.isArray(sent.args) ? sent.args : [],
    kwargs: mapOf(sent.kwargs),
    priority: number(sent.priority),
    maxwaittime: number(sent.maxwaittime),
    maxexectime: number(sent.maxexectime),
    maxretries: number(sent.maxretries),
    executornames: Array.isArray(conditions.executornames) ? conditions.executornames : null,
    executortype: text(conditions.executortype),
    locationname: text(conditions.locationname),
    label: text(sent.label),
    env: mapOf(sent.env),
  };
}

export function mapOf(value: unknown): JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}
