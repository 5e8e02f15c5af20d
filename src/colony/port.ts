import { randomBytes } from 'node:crypto';
import { errorCode } from '../base/errors.ts';
import type { Secret } from '../base/secret.ts';
import type { JsonObject } from '../model/blueprint.ts';
import type { Colony, ColonyExecutor, ColonyOwner, ColonyProcess, ListedBlueprint } from '../model/colony.ts';
import { boundedStatus, boundedText, boundedTexts } from './bounds.ts';
import type { Call } from './call.ts';
import { type ColonyClient, type ColonyClientOptions, createColonyClient } from './client.ts';
import { deriveId } from './identity.ts';
import * as blueprints from './messages-blueprint.ts';
import * as registry from './messages-executor.ts';
import * as work from './messages-process.ts';

/** A server and who we are there. Without a key every call fails with `KEY_MISSING`, or as the function that gives it. */
export interface ColonyOptions extends ColonyClientOptions {
  colony: string;
  /** Under which executor's name log lines are written. */
  executorName: string;
}

/** How far back processes that we still hold may have been submitted: as long as anything lives, in seconds. */
const HELD_SECONDS = 10 * 365 * 86_400;

/** A new private key and the id it stands for, 64 hexadecimal digits each. */
export function newKey(): { key: string; id: string } {
  for (;;) {
    const key = randomBytes(32).toString('hex');
    try {
      return { key, id: deriveId(key) };
    } catch {
      // One of 2^128 is outside the curve's range.
    }
  }
}

/** The port over a client of its own; connects to nothing until the first call. Throws `BAD_ENDPOINT`, `BAD_PROXY` or
 *  `KEY_INVALID`. */
export function createColony(options: ColonyOptions): Colony {
  return new ColonyPort(options);
}

class ColonyPort implements Colony {
  readonly endpoint: string;
  readonly #client: ColonyClient;
  readonly #colony: string;
  readonly #executorName: string;
  #id = '';

  constructor(options: ColonyOptions) {
    const { key } = options;
    const known = (found: Secret) => {
      this.#id = deriveId(found.reveal());
      return found;
    };
    const source = typeof key === 'function' ? async () => known(await key()) : key && known(key);
    this.#client = createColonyClient({ ...options, key: source });
    this.endpoint = this.#client.endpoint;
    this.#colony = options.colony;
    this.#executorName = options.executorName;
  }

  get id(): string {
    return this.#id;
  }

  async assign(waitS: number, signal: AbortSignal): Promise<ColonyProcess> {
    return processOf(await this.#client.send(work.assign(this.#colony, waitS), signal));
  }

  async heartbeat(signal: AbortSignal): Promise<void> {
    try {
      // No process asks for less than nothing. Should one come all the same, the next sweep finds it held.
      await this.#client.send(work.heartbeat(this.#colony), signal);
    } catch (error) {
      const code = errorCode(error);
      if (code !== 'COLONY_NO_PROCESS' && code !== 'COLONY_PAUSED') throw error;
    }
  }

  closeSuccessful(processId: string, out: readonly string[], signal: AbortSignal): Promise<void> {
    return this.#client.send(work.closeSuccessful(processId, boundedTexts(out)), signal);
  }

  closeFailed(processId: string, errors: readonly string[], signal: AbortSignal): Promise<void> {
    return this.#client.send(work.closeFailed(processId, boundedTexts(errors)), signal);
  }

  logProcess(processId: string, message: string, signal: AbortSignal): Promise<void> {
    return this.#client.send(work.addLog(processId, boundedText(message)), signal);
  }

  logExecutor(message: string, signal: AbortSignal): Promise<void> {
    const call = registry.addExecutorLog(this.#colony, this.#executorName, boundedText(message));
    return this.#client.send(call, signal);
  }

  async heldProcesses(signal: AbortSignal): Promise<readonly ColonyProcess[]> {
    const query = { executorId: this.id, seconds: HELD_SECONDS, state: 'running' } as const;
    const held = await this.#client.send(work.getProcessHistory(this.#colony, query), signal);
    return held
      .filter(({ state, assignedexecutorid }) => state === 'running' && assignedexecutorid === this.id)
      .map(processOf);
  }

  async listBlueprints(
    kind: string,
    location: string | undefined,
    signal: AbortSignal,
  ): Promise<readonly ListedBlueprint[]> {
    const list = (place: string) =>
      this.#client.send(blueprints.getBlueprints(this.#colony, { kind, location: place }), signal);
    if (location === undefined || location === '') return (await list('')).map(listedOf);
    try {
      return (await list(location)).map(listedOf);
    } catch (error) {
      if (errorCode(error) !== 'COLONY_FAILED') throw error;
    }
    // One NUL in any blueprint of the kind breaks each listing by location (PROTOCOL.md 9.2).
    return (await list('')).filter((one) => isAt(one.document, location)).map(listedOf);
  }

  async getBlueprint(name: string, signal: AbortSignal): Promise<ListedBlueprint | undefined> {
    try {
      return listedOf(await this.#client.send(blueprints.getBlueprint(this.#colony, name), signal));
    } catch (error) {
      if (errorCode(error) === 'COLONY_NOT_FOUND') return undefined;
      throw error;
    }
  }

  updateStatus(name: string, status: JsonObject, signal: AbortSignal): Promise<void> {
    const call = blueprints.updateBlueprintStatus(this.#colony, name, boundedStatus(status));
    return this.#client.send(call, signal);
  }

  async executors(signal: AbortSignal): Promise<readonly ColonyExecutor[]> {
    return (await this.#client.send(registry.getExecutors(this.#colony), signal)).map(executorOf);
  }

  async ensureFunction(
    executorName: string,
    executorType: string,
    name: string,
    signal: AbortSignal,
  ): Promise<void> {
    const known = await this.#client.send(registry.getFunctions(this.#colony, executorName), signal);
    // The server would list it once more each time.
    if (known.some(({ funcname }) => funcname === name)) return;
    const call = registry.addFunction({ executorName, executorType, colony: this.#colony, name });
    await this.#client.send(call, signal);
  }

  serverNow(): number | undefined {
    return this.#client.serverNow();
  }

  traffic(): ReturnType<Colony['traffic']> {
    return { ...this.#client.traffic() };
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

/** The same server with the colony owner's key. Throws as `createColony` does. */
export function createColonyOwner(options: ColonyClientOptions & { colony: string }): ColonyOwner {
  const { colony } = options;
  const client = createColonyClient(options);
  const send = (call: Call<unknown>, signal: AbortSignal) => client.send(call, signal).then(() => undefined);
  return {
    addExecutor: (executor, signal) => send(registry.addExecutor({ ...executor, colony }), signal),
    approveExecutor: (name, signal) => send(registry.approveExecutor(colony, name), signal),
    removeExecutor: (name, signal) => send(registry.removeExecutor(colony, name), signal),
    close: () => client.close(),
  };
}

function processOf(one: work.Process): ColonyProcess {
  const { kind, blueprintName, force } = one.spec.kwargs;
  return {
    id: one.processid,
    funcName: one.spec.funcname,
    kind: textOf(kind),
    blueprintName: textOf(blueprintName),
    force: force === true,
    isScheduled: one.processgraphid !== '',
    startedAt: one.starttime,
    retries: one.retries,
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function listedOf(one: blueprints.ServerBlueprint): ListedBlueprint {
  const { document: _, ...listed } = one;
  return listed;
}

/** As the server compares them: without regard to case, and one without a location is nowhere. */
function isAt(document: JsonObject, location: string): boolean {
  const { metadata } = document;
  if (typeof metadata !== 'object' || metadata === null || !('locationname' in metadata)) return false;
  return textOf(metadata.locationname).toLowerCase() === location.toLowerCase();
}

function executorOf(one: registry.Executor): ColonyExecutor {
  return {
    id: one.executorid,
    name: one.executorname,
    type: one.executortype,
    location: one.locationname,
    state: one.state,
    lastHeardAt: one.lastheardfromtime,
  };
}
