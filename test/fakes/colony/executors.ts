import { mapOf, type Processes } from './processes.ts';
import { EXECUTOR_STATES, type ExecutorRecord, type FunctionRecord, type JsonMap } from './records.ts';
import { Refusal } from './reply.ts';
import type { ColonyState } from './state.ts';
import type { Timers } from './timers.ts';

/** Registrations: how they come, go and go stale (PROTOCOL.md section 5). */
export class Executors {
  readonly #state: ColonyState;
  readonly #processes: Processes;
  readonly #timers: Timers;
  #nextSweepAt: number | undefined;

  constructor(state: ColonyState, processes: Processes, timers: Timers) {
    this.#state = state;
    this.#processes = processes;
    this.#timers = timers;
  }

  /** A new registration, or with `allowReregister` an old name again; the answer is the oldest record of the key. */
  add(sent: JsonMap): ExecutorRecord {
    const name = text(sent.executorname);
    const colony = this.#state.settings.colony;
    let record = this.#state.executorByName(name);
    if (record !== undefined && !this.#state.settings.allowReregister)
      throw new Refusal(400, `Executor with name <${name}> in Colony <${colony}> already exists`);
    if (record === undefined) {
      record = { ...EMPTY, name };
      this.#state.executors.push(record);
    } else this.#letGo(record);
    const capabilities = mapOf(sent.capabilities);
    Object.assign(record, {
      id: text(sent.executorid),
      type: text(sent.executortype),
      state: EXECUTOR_STATES.pending,
      commissionedAt: this.#state.now(),
      heardAt: timeOf(sent.lastheardfromtime),
      location: text(sent.locationname),
      hardware: hardwareOf(capabilities.hardware),
      software: capabilities.software ?? null,
      projects: mapOf(sent.allocations).projects ?? null,
      blueprintId: text(sent.blueprintid),
      blueprintGen: typeof sent.blueprintgen === 'number' ? sent.blueprintgen : 0,
    });
    this.#state.reindex();
    this.#expectSweep(record);
    return this.#state.executorById(record.id) ?? record;
  }

  /** Goes by the key of the named record: records that share it change together. */
  approve(name: string): void {
    this.#setState(name, 'approve', EXECUTOR_STATES.approved);
  }

  reject(name: string): void {
    this.#setState(name, 'reject', EXECUTOR_STATES.rejected);
  }

  remove(name: string): void {
    const record = this.#named(name, 'remove');
    record.state = EXECUTOR_STATES.unregistered;
    this.#letGo(record);
  }

  /** A new key; nothing but its length is looked at, and processes stay with the old one. */
  changeId(oldId: string, newId: string): void {
    if (newId.length !== 64)
      throw new Refusal(400, 'Failed to change executor Id, new executor Id is not 64 characters');
    for (const one of this.#state.executors) if (one.id === oldId) one.id = newId;
    this.#state.reindex();
  }

  /** The executor was heard of by an assign call. */
  heard(executor: ExecutorRecord): void {
    executor.heardAt = this.#state.now();
    this.#expectSweep(executor);
  }

  setCapabilities(record: ExecutorRecord, capabilities: JsonMap): void {
    record.hardware = hardwareOf(capabilities.hardware);
    record.software = capabilities.software ?? null;
  }

  addFunction(executor: ExecutorRecord, sent: JsonMap): FunctionRecord {
    const one: FunctionRecord = {
      id: this.#state.id(),
      executorName: executor.name,
      document: functionOf(sent, executor, this.#state.settings.colony),
    };
    this.#state.functions.push(one);
    return one;
  }

  /** Unregisters who is silent for too long and takes away what it holds. */
  sweep(): void {
    const before = this.#state.now() - this.#state.settings.staleAfterMs;
    for (const one of this.#state.executors) {
      if (!isWatched(one) || one.heardAt >= before) continue;
      one.state = EXECUTOR_STATES.unregistered;
      this.#letGo(one);
    }
  }

  /** Sweeps when it is time for it; returns when to look again, undefined when there is nobody to watch. */
  sweepIfDue(): number | undefined {
    if (this.#nextSweepAt !== undefined && this.#state.now() >= this.#nextSweepAt) this.sweep();
    this.#nextSweepAt = undefined;
    for (const one of this.#state.executors) this.#expectSweep(one);
    return this.#nextSweepAt;
  }

  /** The sweep runs at fixed times; only those that may find somebody are worth waking up for. */
  #expectSweep(one: ExecutorRecord): void {
    if (!isWatched(one)) return;
    const { staleAfterMs, cleanupEveryMs } = this.#state.settings;
    const now = this.#state.now();
    const upMs = this.#state.uptimeMs();
    const staleInMs = Math.max(1, one.heardAt + staleAfterMs + 1 - now);
    const sweepInMs = Math.ceil((upMs + staleInMs) / cleanupEveryMs) * cleanupEveryMs - upMs;
    if (this.#nextSweepAt !== undefined && this.#nextSweepAt <= now + sweepInMs) return;
    this.#nextSweepAt = now + sweepInMs;
    this.#timers.within(sweepInMs);
  }

  #setState(name: string, verb: string, state: number): void {
    const { id } = this.#named(name, verb);
    for (const one of this.#state.executors) {
      if (one.id !== id) continue;
      one.state = state;
      this.#expectSweep(one);
    }
  }

  #named(name: string, verb: string): ExecutorRecord {
    const record = this.#state.executorByName(name);
    if (record === undefined) throw new Refusal(500, `Failed to ${verb} executor, executor is nil`);
    return record;
  }

  #letGo(record: ExecutorRecord): void {
    this.#state.functions = this.#state.functions.filter((one) => one.executorName !== record.name);
    this.#processes.putBack(record.id);
  }
}

/** Those never heard of, and those already gone, are left alone. */
function isWatched(one: ExecutorRecord): boolean {
  return one.heardAt !== 0 && one.state !== EXECUTOR_STATES.unregistered;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function timeOf(value: unknown): number {
  const at = Date.parse(text(value));
  return Number.isNaN(at) || at < 0 ? 0 : at;
}

function hardwareOf(value: unknown): unknown {
  if (!Array.isArray(value)) return null;
  return value.map((one) => {
    const sent = mapOf(one);
    return { ...EMPTY_HARDWARE, ...sent, gpu: { ...EMPTY_HARDWARE.gpu, ...mapOf(sent.gpu) } };
  });
}

/** Members in the order the server writes them; empty texts and lists are left out. */
function functionOf(sent: JsonMap, executor: ExecutorRecord, colony: string): JsonMap {
  const args = Array.isArray(sent.args) ? sent.args : [];
  return {
    executorname: executor.name,
    executortype: text(sent.executortype),
    colonyname: colony,
    funcname: text(sent.funcname),
    ...(text(sent.description) === '' ? {} : { description: sent.description }),
    ...(args.length === 0 ? {} : { args }),
    counter: 0,
    minwaittime: 0,
    maxwaittime: 0,
    minexectime: 0,
    maxexectime: 0,
    avgwaittime: 0,
    avgexectime: 0,
    ...(executor.location === '' ? {} : { locationname: executor.location }),
  };
}

const EMPTY_HARDWARE = {
  model: '',
  nodes: 0,
  cpu: '',
  cores: 0,
  mem: '',
  storage: '',
  gpu: { name: '', mem: '', count: 0, nodecount: 0 },
  platform: '',
  architecture: '',
  network: null,
};

const EMPTY: ExecutorRecord = {
  id: '',
  type: '',
  name: '',
  state: EXECUTOR_STATES.pending,
  commissionedAt: 0,
  heardAt: 0,
  location: '',
  hardware: null,
  software: null,
  projects: null,
  blueprintId: '',
  blueprintGen: 0,
};
