import type { Clock } from '../../../src/base/clock.ts';
import type { Random } from '../../../src/base/random.ts';
import {
  type BlueprintRecord,
  EXECUTOR_STATES,
  type ExecutorRecord,
  type FunctionRecord,
  type JsonMap,
  type LogRecord,
  PROCESS_STATES,
  type ProcessRecord,
} from './records.ts';
import { Refusal } from './reply.ts';

/** How a server is set up; times in milliseconds. */
export interface Settings {
  clock: Clock;
  random: Random;
  colony: string;
  ownerId: string;
  users: readonly { id: string; name: string }[];
  /** Silence after which an executor counts as gone. */
  staleAfterMs: number;
  cleanupEveryMs: number;
  cronEveryMs: number;
  /** How often due schedules and deadlines are looked at. */
  checkEveryMs: number;
  allowReregister: boolean;
  /** Ended processes, and log lines, that are kept. */
  keepEnded: number;
}

/** A definition, with what the server acts on taken out. */
export interface DefinitionRecord {
  name: string;
  kind: string;
  /** Empty where nobody handles the kind. */
  executorType: string;
  functionName: string;
  schema: JsonMap | undefined;
  document: JsonMap;
}

/** A schedule of one kind at one location. */
export interface CronRecord {
  id: string;
  name: string;
  kind: string;
  location: string;
  initiatorId: string;
  nextRunAt: number;
  lastRunAt: number;
  /** The graph of its last process, "" before the first; nothing new is made until that has ended. */
  graphId: string;
  isOpen: boolean;
  lastOut: readonly unknown[];
}

export interface LocationRecord {
  id: string;
  name: string;
  description: string;
}

/** What the server's database holds; it outlives restarts. */
export class ColonyState {
  readonly settings: Settings;
  readonly executors: ExecutorRecord[] = [];
  functions: FunctionRecord[] = [];
  readonly processes = new Map<string, ProcessRecord>();
  readonly waiting = new Set<ProcessRecord>();
  readonly running = new Set<ProcessRecord>();
  readonly blueprints = new Map<string, BlueprintRecord>();
  readonly history: JsonMap[] = [];
  readonly definitions = new Map<string, DefinitionRecord>();
  readonly crons = new Map<string, CronRecord>();
  readonly locations: LocationRecord[] = [];
  readonly logs: LogRecord[] = [];
  isPaused = false;
  readonly #ended: ProcessRecord[] = [];
  readonly #bootWallMs: number;
  readonly #bootMonoMs: number;
  #byId = new Map<string, ExecutorRecord>();
  #indexedIds = 0;
  #seq = 0;

  constructor(settings: Settings) {
    this.settings = settings;
    this.#bootWallMs = settings.clock.now();
    this.#bootMonoMs = settings.clock.monoMs();
  }

  /** The server's own wall time: a test that sets the clock of a gateway does not set this one. */
  now(): number {
    return this.#bootWallMs + this.settings.clock.monoMs() - this.#bootMonoMs;
  }

  /** Time since the server first started. */
  uptimeMs(): number {
    return this.settings.clock.monoMs() - this.#bootMonoMs;
  }

  id(): string {
    return this.settings.random.hex(64);
  }

  seq(): number {
    this.#seq += 1;
    return this.#seq;
  }

  /** The oldest record of a key: ids are not unique, and lookups take the first. */
  executorById(id: string): ExecutorRecord | undefined {
    if (this.#indexedIds !== this.executors.length) this.reindex();
    return this.#byId.get(id);
  }

  /** To be called when a record's id changed. */
  reindex(): void {
    this.#byId = new Map();
    for (const one of this.executors) if (!this.#byId.has(one.id)) this.#byId.set(one.id, one);
    this.#indexedIds = this.executors.length;
  }

  executorByName(name: string): ExecutorRecord | undefined {
    return this.executors.find((one) => one.name === name);
  }

  isUser(id: string): boolean {
    return this.settings.users.some((user) => user.id === id);
  }

  /** The name of an executor or user; empty for everybody else, the owner among them. */
  nameOf(id: string): string {
    return this.settings.users.find((user) => user.id === id)?.name ?? this.executorById(id)?.name ?? '';
  }

  /** Whether anybody of that id can start a schedule. */
  isResolvable(id: string): boolean {
    return this.isUser(id) || this.executorById(id) !== undefined;
  }

  // Who may do what, PROTOCOL.md section 4.

  requireColony(colony: string): void {
    if (colony !== this.settings.colony)
      throw new Refusal(403, `Colony with name <${colony}> does not exists`);
  }

  isMember(id: string): boolean {
    return this.isUser(id) || this.executorById(id)?.state === EXECUTOR_STATES.approved;
  }

  requireMember(callerId: string, colony: string): void {
    this.requireColony(colony);
    if (!this.isMember(callerId))
      throw new Refusal(403, `Access denied, not a member of Colony with name <${colony}>`);
  }

  /** A member, or an executor in whatever state. */
  requireKnown(callerId: string, colony: string): void {
    this.requireColony(colony);
    if (!this.isUser(callerId) && this.executorById(callerId) === undefined)
      throw new Refusal(403, `Access denied, not a member of Colony with name <${colony}>`);
  }

  requireOwner(callerId: string, colony: string): void {
    this.requireColony(colony);
    if (callerId !== this.settings.ownerId) throw new Refusal(403, 'Access denied, not colony owner');
  }

  /** Blueprint calls fall back to an owner check, hence the text for strangers. */
  requireMemberOrOwner(callerId: string, colony: string): void {
    if (colony === '') throw new Refusal(403, 'Empty Colony name');
    this.requireColony(colony);
    if (!this.isMember(callerId)) this.requireOwner(callerId, colony);
  }

  /** Moves a process from one state to another and forgets the oldest ended ones. */
  setState(process: ProcessRecord, state: keyof typeof PROCESS_STATES): void {
    this.waiting.delete(process);
    this.running.delete(process);
    const wasOpen = process.state < PROCESS_STATES.success;
    process.state = PROCESS_STATES[state];
    if (state === 'waiting') this.waiting.add(process);
    else if (state === 'running') this.running.add(process);
    else if (wasOpen) this.#ended.push(process);
    while (this.#ended.length > this.settings.keepEnded) {
      const oldest = this.#ended.shift();
      if (oldest !== undefined) this.processes.delete(oldest.id);
    }
  }
}
