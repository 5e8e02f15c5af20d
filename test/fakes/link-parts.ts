import { untilAborted } from '../../src/base/abort.ts';
import type { Clock } from '../../src/base/clock.ts';
import { EdgeError } from '../../src/base/errors.ts';
import { Doorbell } from '../../src/base/lanes.ts';
import type { LinkSettings } from '../../src/link/parts.ts';
import type { JsonObject } from '../../src/model/blueprint.ts';
import type { Colony, ColonyExecutor, ColonyProcess, ListedBlueprint } from '../../src/model/colony.ts';
import type { DesiredState } from '../../src/model/desired.ts';
import type { Claimable, ForceResult, LinkHost } from '../../src/model/link.ts';
import type { AgentEvent, BlueprintReport } from '../../src/model/status.ts';

/** The lanes' neighbours, made by hand: a server without rules of its own, and an agent that writes down what it is asked. */

export function colonyError(code: string, more: { retryAfterMs?: number } = {}): EdgeError {
  const retry = ['COLONY_FORBIDDEN', 'COLONY_NOT_OURS', 'COLONY_CLOSED', 'COLONY_NOT_FOUND'].includes(code)
    ? 'permanent'
    : 'transient';
  return Object.assign(new EdgeError(`fake: ${code}`, { code, retry }), more);
}

export function linkSettings(change: Partial<LinkSettings> = {}): LinkSettings {
  return {
    colony: 'farm',
    executorName: 'gw-1',
    executorType: 'docker-reconciler',
    node: 'gw-1',
    location: 'barn',
    version: '1.0.0',
    unlocatedPolicy: 'claim',
    linkClass: 'normal',
    pollWaitS: 50,
    listEveryMs: undefined,
    statusHeartbeatMs: 900_000,
    staleAfterMs: 600_000,
    ...change,
  };
}

export function aProcess(id: string, change: Partial<ColonyProcess> = {}): ColonyProcess {
  return {
    id,
    funcName: 'reconcile',
    kind: 'DockerDeployment',
    blueprintName: 'web',
    force: false,
    isScheduled: false,
    startedAt: 1_000,
    retries: 0,
    ...change,
  };
}

type Method = keyof Colony;

/** Does what it is told; without word every call succeeds. Calls wait for nothing but a long poll's time. */
export class FakeColony implements Colony {
  readonly endpoint = 'http://colony.example:50080';
  /** "heartbeat", "assign 50", "closeSuccessful p1: text"; oldest first. */
  readonly calls: string[] = [];
  readonly statuses = new Map<string, JsonObject>();
  /** Calls of one name fail with this code; `all` for every call. */
  readonly failing = new Map<Method | 'all', EdgeError>();
  /** One name's calls do not answer before this promise does. */
  readonly holding = new Map<Method, Promise<void>>();
  queue: ColonyProcess[] = [];
  held: ColonyProcess[] = [];
  blueprints: ListedBlueprint[] = [];
  registered: ColonyExecutor[] = [];
  isClosed = false;
  readonly #bell: Doorbell;

  constructor(
    readonly clock: Clock,
    readonly id = 'e'.repeat(64),
  ) {
    this.#bell = new Doorbell(clock);
  }

  /** Submits a process; a long poll wakes. */
  submit(process: ColonyProcess): void {
    this.queue.push(process);
    this.#bell.ring();
  }

  /** The link breaks: every call fails from now on, a long poll under way at once. */
  breakLink(error: EdgeError): void {
    this.failing.set('all', error);
    this.#bell.ring();
  }

  /** Calls whose text begins like this. */
  count(prefix: string): number {
    return this.calls.filter((call) => call.startsWith(prefix)).length;
  }

  async #called(method: Method, detail: string, signal: AbortSignal): Promise<void> {
    this.calls.push(detail === '' ? method : `${method} ${detail}`);
    const held = this.holding.get(method);
    if (held !== undefined) await untilAborted(held, signal);
    signal.throwIfAborted();
    const error = this.failing.get(method) ?? this.failing.get('all');
    if (error !== undefined) throw error;
  }

  async assign(waitS: number, signal: AbortSignal): Promise<ColonyProcess> {
    await this.#called('assign', String(waitS), signal);
    if (this.queue.length === 0 && waitS > 0) await this.#bell.wait(waitS * 1000, signal);
    signal.throwIfAborted();
    const error = this.failing.get('assign') ?? this.failing.get('all');
    if (error !== undefined) throw error;
    const process = this.queue.shift();
    if (process === undefined) throw colonyError('COLONY_NO_PROCESS');
    this.held.push(process);
    return process;
  }

  heartbeat(signal: AbortSignal): Promise<void> {
    return this.#called('heartbeat', '', signal);
  }

  async closeSuccessful(processId: string, out: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#called('closeSuccessful', `${processId}: ${out.join(' | ')}`, signal);
    this.held = this.held.filter(({ id }) => id !== processId);
  }

  async closeFailed(processId: string, errors: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#called('closeFailed', `${processId}: ${errors.join(' | ')}`, signal);
    this.held = this.held.filter(({ id }) => id !== processId);
  }

  logProcess(processId: string, message: string, signal: AbortSignal): Promise<void> {
    return this.#called('logProcess', `${processId}: ${message}`, signal);
  }

  logExecutor(message: string, signal: AbortSignal): Promise<void> {
    return this.#called('logExecutor', message, signal);
  }

  async heldProcesses(signal: AbortSignal): Promise<readonly ColonyProcess[]> {
    await this.#called('heldProcesses', '', signal);
    return [...this.held];
  }

  async listBlueprints(
    kind: string,
    location: string | undefined,
    signal: AbortSignal,
  ): Promise<readonly ListedBlueprint[]> {
    await this.#called('listBlueprints', location === undefined ? kind : `${kind} ${location}`, signal);
    return this.blueprints.filter((one) => !one.ok || one.blueprint.kind === kind);
  }

  async getBlueprint(name: string, signal: AbortSignal): Promise<ListedBlueprint | undefined> {
    await this.#called('getBlueprint', name, signal);
    return this.blueprints.find((one) => (one.ok ? one.blueprint.name : one.name) === name);
  }

  async updateStatus(name: string, status: JsonObject, signal: AbortSignal): Promise<void> {
    await this.#called('updateStatus', name, signal);
    this.statuses.set(name, status);
  }

  async executors(signal: AbortSignal): Promise<readonly ColonyExecutor[]> {
    await this.#called('executors', '', signal);
    return [...this.registered];
  }

  ensureFunction(executorName: string, _type: string, name: string, signal: AbortSignal): Promise<void> {
    return this.#called('ensureFunction', `${executorName} ${name}`, signal);
  }

  serverNow(): number | undefined {
    return this.clock.now();
  }

  traffic() {
    return { poll: { requests: this.calls.length, sentBytes: 0, receivedBytes: 0 } };
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

/** The agent's side; reports and desired state are set by the test. */
export class FakeHost implements LinkHost {
  /** "warn link is down". */
  readonly told: string[] = [];
  readonly events: { level: string; message: string; fields: Record<string, string> }[] = [];
  readonly forced: string[] = [];
  current: DesiredState = { known: false };
  reported: BlueprintReport[] = [];
  claimables: Claimable[] = [];
  away = new Map<string, string>();
  takes = 0;
  onTake: () => Promise<void> = async () => undefined;
  onForce: (name: string) => Promise<ForceResult> = async (name) => ({ ok: true, text: `forced ${name}` });
  readonly #onReports = new Set<() => void>();
  readonly #onEvent = new Set<(event: AgentEvent) => void>();

  desired = () => this.current;
  reports = () => this.reported;
  claimable = () => this.claimables;
  elsewhere = () => this.away;
  /** What `executors` says: names with a container. */
  containers: ReadonlySet<string> | undefined = new Set();
  executors = () => this.containers;

  async take(): Promise<void> {
    this.takes += 1;
    await this.onTake();
  }

  force(blueprint: string): Promise<ForceResult> {
    this.forced.push(blueprint);
    return this.onForce(blueprint);
  }

  onReports(listener: () => void): () => void {
    this.#onReports.add(listener);
    return () => this.#onReports.delete(listener);
  }

  onEvent(listener: (event: AgentEvent) => void): () => void {
    this.#onEvent.add(listener);
    return () => this.#onEvent.delete(listener);
  }

  /** The agent did something. */
  happened(event: AgentEvent): void {
    for (const listener of this.#onEvent) listener(event);
  }

  /** As the agent's loop does after each look. */
  looked(): void {
    for (const listener of this.#onReports) listener();
  }

  event(level: 'info' | 'warn' | 'error', message: string, fields: Record<string, string> = {}): void {
    this.told.push(`${level} ${message}`);
    this.events.push({ level, message, fields });
  }
}
