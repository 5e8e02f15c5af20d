import type { Blueprint, JsonObject } from './blueprint.ts';
import type { Problem } from './problem.ts';

// The ColonyOS server, as the link sees it: one key's view, without the wire. `colony/` implements it.

/** A process that was assigned to this executor, reduced to what a reconciler needs (PROTOCOL.md sections 8 and 10). */
export interface ColonyProcess {
  id: string;
  /** `reconcile`, `cleanup`, or something this agent does not know. */
  funcName: string;
  /** `kwargs.kind`; empty when absent. */
  kind: string;
  /** `kwargs.blueprintName`; empty for the schedule's processes, which mean "all of the kind". */
  blueprintName: string;
  force: boolean;
  /** true: made by the schedule, which waits for its end. */
  isScheduled: boolean;
  /** Server time, epoch milliseconds; undefined when unset. With `retries` it tells two assignments of one process apart. */
  startedAt: number | undefined;
  retries: number;
}

/** A blueprint as listed. One that does not decode keeps its place, so that it is neither lost nor removed. */
export type ListedBlueprint =
  | { ok: true; blueprint: Blueprint; status: JsonObject }
  | { ok: false; name: string | undefined; problems: readonly Problem[] };

export type ExecutorState = 'pending' | 'approved' | 'rejected' | 'unregistered';

/** An executor's record. */
export interface ColonyExecutor {
  id: string;
  name: string;
  type: string;
  location: string;
  state: ExecutorState;
  /** Server time, epoch milliseconds; undefined: never. */
  lastHeardAt: number | undefined;
}

/** What was sent and received, heads included, in bytes. */
export interface Traffic {
  requests: number;
  sentBytes: number;
  receivedBytes: number;
}

/** A server, as one key sees it. Every failure is an `EdgeError` with a `COLONY_*` code (`colony/errors.ts`), `CANCELLED`
 *  or `KEY_MISSING`; nothing is repeated from here. */
export interface Colony {
  /** Scheme, host and port, for people. */
  readonly endpoint: string;
  /** The identity its key stands for, 64 hexadecimal digits; empty while there is no key (`KEY_MISSING`). */
  readonly id: string;
  /** Asks for a process, waiting up to `waitS` whole seconds on the server; 0: not at all. `COLONY_NO_PROCESS`, `COLONY_PAUSED`, `COLONY_FORBIDDEN`. */
  assign(waitS: number, signal: AbortSignal): Promise<ColonyProcess>;
  /** Stays registered without taking work; resolves when the server knows and takes us. `COLONY_FORBIDDEN`. */
  heartbeat(signal: AbortSignal): Promise<void>;
  closeSuccessful(processId: string, out: readonly string[], signal: AbortSignal): Promise<void>;
  closeFailed(processId: string, errors: readonly string[], signal: AbortSignal): Promise<void>;
  /** One line into a held process's log. */
  logProcess(processId: string, message: string, signal: AbortSignal): Promise<void>;
  /** One line into this executor's own log. */
  logExecutor(message: string, signal: AbortSignal): Promise<void>;
  /** Running processes assigned to this identity, whenever they were submitted. */
  heldProcesses(signal: AbortSignal): Promise<readonly ColonyProcess[]>;
  /** A complete listing of one kind; with a location those without one are left out. Falls back to listing all and
   *  choosing here when the server cannot list by location. An empty list is no proof that there are none. */
  listBlueprints(
    kind: string,
    location: string | undefined,
    signal: AbortSignal,
  ): Promise<readonly ListedBlueprint[]>;
  /** One blueprint; undefined: the server says that there is none of this name. */
  getBlueprint(name: string, signal: AbortSignal): Promise<ListedBlueprint | undefined>;
  updateStatus(name: string, status: JsonObject, signal: AbortSignal): Promise<void>;
  /** All executors of the colony; works in every state of the caller's registration. */
  executors(signal: AbortSignal): Promise<readonly ColonyExecutor[]>;
  /** Lists a function under this executor, once. */
  ensureFunction(
    executorName: string,
    executorType: string,
    name: string,
    signal: AbortSignal,
  ): Promise<void>;
  /** The server's wall clock by its last answer, epoch milliseconds, counted on from then; undefined before the first. */
  serverNow(): number | undefined;
  /** Per purpose, of all connections to this server in this process, whichever key they use. */
  traffic(): Readonly<Record<string, Traffic>>;
  /** Calls under way, and all later ones, fail with `CANCELLED`. */
  close(): Promise<void>;
}

/** A new executor to be registered. */
export interface NewColonyExecutor {
  id: string;
  type: string;
  name: string;
  location: string;
  capabilities?: JsonObject;
  blueprintId?: string;
  generation?: number;
}

/** The same server with the colony owner's key: only registrations. */
export interface ColonyOwner {
  /** `COLONY_CONFLICT`: the name is or was taken. */
  addExecutor(executor: NewColonyExecutor, signal: AbortSignal): Promise<void>;
  /** Also revives an unregistered one. `COLONY_NOT_FOUND`. */
  approveExecutor(name: string, signal: AbortSignal): Promise<void>;
  /** `COLONY_NOT_FOUND`. */
  removeExecutor(name: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** A process that was taken and is not closed yet. */
export interface OpenProcess {
  id: string;
  /** As in `ColonyProcess`; null when unset. */
  startedAt: number | null;
  retries: number;
  funcName: string;
  kind: string;
  blueprintName: string;
  force: boolean;
  /** Set: all is done but telling the server. */
  result?: { ok: boolean; texts: readonly string[] };
}

/** What the server has not accepted yet and must outlive a restart. */
export interface Outbox {
  /** Processes that were acted on; the schedule's, which lead to nothing that could be lost, are not kept. */
  processes: readonly OpenProcess[];
  /** Registrations of given-up slots, to be removed with the owner's key. */
  deregister: readonly { id: string; name: string }[];
}

export interface OutboxStore {
  loadOutbox(): Promise<Outbox>;
  /** Returns false when nothing had changed and nothing was written. */
  saveOutbox(outbox: Outbox): Promise<boolean>;
}
