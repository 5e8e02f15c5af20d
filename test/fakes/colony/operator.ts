import { PAUSED_KEY } from './assign.ts';
import type { Parts } from './handler.ts';
import { specOf } from './processes.ts';
import {
  type BlueprintRecord,
  blueprintView,
  type ExecutorRecord,
  type JsonMap,
  type LogRecord,
  PROCESS_STATES,
  type ProcessRecord,
} from './records.ts';

/** On whose behalf something is done by hand: an operator with a user key, or with the colony owner's. */
export type By = 'user' | 'owner';

/**
 * What people do to a colony and want to know of it, without the wire; throws what the server would answer. Records are
 * the server's own: read them, do not change them.
 */
export class Operator {
  protected readonly parts: Parts;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  #idOf(by: By): string {
    const { users, ownerId } = this.parts.state.settings;
    return by === 'owner' ? ownerId : (users[0]?.id ?? ownerId);
  }

  addDefinition(document: JsonMap): void {
    this.parts.definitions.add(document);
  }

  removeDefinition(name: string): void {
    this.parts.definitions.remove(name);
  }

  addBlueprint(document: JsonMap, by: By = 'user'): BlueprintRecord {
    return this.parts.blueprints.add(document, this.#idOf(by));
  }

  /** Replaces it as a whole: a status that is not in the document is gone. */
  updateBlueprint(document: JsonMap, by: By = 'user', forceGeneration = false): BlueprintRecord {
    return this.parts.blueprints.update(document, forceGeneration, this.#idOf(by));
  }

  /** Changes the spec and keeps everything else, the status too, as the ecosystem's own `set` does. */
  changeSpec(name: string, change: (spec: JsonMap) => JsonMap): BlueprintRecord {
    const document = this.blueprint(name);
    return this.updateBlueprint({ ...document, spec: change(structuredClone(document.spec) as JsonMap) });
  }

  removeBlueprint(name: string, by: By = 'user'): void {
    this.parts.blueprints.remove(name, this.#idOf(by));
  }

  reconcile(name: string, options: { force?: boolean } = {}): ProcessRecord {
    return this.parts.blueprints.reconcile(name, options.force === true, this.#idOf('user'));
  }

  /** Puts a process into the queue; `spec` as a client sends it. */
  submit(spec: JsonMap): ProcessRecord {
    return this.parts.processes.submit(specOf(spec), this.#idOf('user'));
  }

  cancel(processId: string): void {
    const process = this.parts.processes.byId(processId);
    if (process !== undefined) this.parts.processes.cancel(process);
  }

  /** Cancels a schedule's process with its graph, which stops that schedule for ever. */
  cancelGraph(graphId: string): void {
    this.parts.processes.cancelGraph(graphId);
  }

  /** A new registration, pending; the id is the key's. */
  addExecutor(executor: { id: string; name: string; type: string; location?: string }): ExecutorRecord {
    return this.parts.executors.add({
      executorid: executor.id,
      executorname: executor.name,
      executortype: executor.type,
      locationname: executor.location ?? '',
    });
  }

  approve(name: string): void {
    this.parts.executors.approve(name);
  }

  reject(name: string): void {
    this.parts.executors.reject(name);
  }

  removeExecutor(name: string): void {
    this.parts.executors.remove(name);
  }

  pause(): void {
    this.parts.state.isPaused = true;
  }

  resume(): void {
    this.parts.state.isPaused = false;
    this.parts.waiters.signalAll(PAUSED_KEY);
  }

  /** Looks for silent executors at once, without waiting for the next minute. */
  sweepNow(): void {
    this.parts.executors.sweep();
  }

  /** The server's own time, epoch milliseconds. */
  now(): number {
    return this.parts.state.now();
  }

  /** All processes that are kept, oldest first. */
  processes(): ProcessRecord[] {
    return [...this.parts.state.processes.values()];
  }

  /** Those waiting or running. */
  openProcesses(): ProcessRecord[] {
    return this.processes().filter((one) => one.state <= PROCESS_STATES.running);
  }

  process(id: string): ProcessRecord | undefined {
    return this.parts.processes.byId(id);
  }

  /** A blueprint as the server shows it; throws when there is none of that name. */
  blueprint(name: string): JsonMap {
    return blueprintView(this.parts.blueprints.get(name), this.parts.state.settings.colony);
  }

  blueprintNames(): string[] {
    return [...this.parts.state.blueprints.keys()];
  }

  generationOf(name: string): number {
    return this.parts.blueprints.get(name).generation;
  }

  /** The stored status, empty when there is none; throws when there is no such blueprint. */
  statusOf(name: string): JsonMap {
    return this.parts.blueprints.get(name).status;
  }

  executors(): readonly ExecutorRecord[] {
    return this.parts.state.executors;
  }

  executor(name: string): ExecutorRecord | undefined {
    return this.parts.state.executorByName(name);
  }

  functions(): { executorName: string; name: string }[] {
    return this.parts.state.functions.map((one) => ({
      executorName: one.executorName,
      name: String(one.document.funcname),
    }));
  }

  logs(): readonly LogRecord[] {
    return this.parts.state.logs;
  }

  /** Schedules by name, with whether one waits for a process that is still open. */
  crons(): { name: string; isOpen: boolean; graphId: string; nextRunAt: number }[] {
    return [...this.parts.state.crons.values()];
  }

  /** Long polls that wait now. */
  get waitingPolls(): number {
    return this.parts.waiters.count;
  }
}
