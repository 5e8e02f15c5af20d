import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/clock.ts';
import { errorText } from '../../../src/base/errors.ts';
import { Secret } from '../../../src/base/secret.ts';
import type { Call } from '../../../src/colony/call.ts';
import { type ColonyClient, createColonyClient } from '../../../src/colony/client.ts';
import { deriveId } from '../../../src/colony/identity.ts';
import { getDefinitions } from '../../../src/colony/messages-blueprint.ts';
import {
  addExecutor,
  approveExecutor,
  type Executor,
  getExecutors,
  getLogs,
  removeExecutor,
} from '../../../src/colony/messages-executor.ts';
import { getProcessHistory, type Process, type ProcessState } from '../../../src/colony/messages-process.ts';
import type { JsonObject } from '../../../src/model/blueprint.ts';
import type { StatusDocument } from '../../../src/model/status.ts';
import { eventually } from '../../fakes/engine-fixture.ts';
import { SEED } from './arrowhead.ts';

/** Where a colony is, and who owns it. */
export interface ColonyPlace {
  /** `http(s)://host:port` */
  server: string;
  colony: string;
  /** 64 hexadecimal digits. For set-up only. */
  ownerKey: string;
  /** Between two rounds of the server's schedule, milliseconds. */
  scheduleMs: number;
  /** Path of certificates to trust. */
  caFile?: string;
}

/** A status document as the server shows it. */
export type Reported = Partial<StatusDocument> & JsonObject;

/** A blueprint as the server shows it. */
export interface Shown {
  metadata: JsonObject & { name: string; generation?: number };
  spec: JsonObject;
  status?: Reported;
}

const KINDS: Readonly<Record<string, string>> = {
  DockerDeployment: 'docker-deployment-definition.json',
  ExecutorDeployment: 'executor-deployment-definition.json',
};

/**
 * A colony as its people see it, over the wire, at a location that nobody else uses: the same for a real server and for
 * the fake one. Blueprints are added with an executor's key, for the owner's stops the schedule (PROTOCOL.md 10.2).
 */
export class ColonyGround {
  readonly server: string;
  readonly colony: string;
  readonly scheduleMs: number;
  readonly location: string;
  /** Who handles each kind, by the server's definitions. */
  executorType = '';
  readonly #place: ColonyPlace;
  readonly #prefix: string;
  readonly #operatorName: string;
  readonly #owner: ColonyClient;
  readonly #operator: ColonyClient;
  readonly #operatorId: string;
  readonly #signal = new AbortController().signal;
  readonly #began = Date.now();
  readonly #blueprints = new Set<string>();
  /** Names of all blueprints there ever were here. */
  readonly #known = new Set<string>();
  readonly #executors = new Set<string>();
  readonly #definitions: string[] = [];

  /** `prefix`: begins every name it uses in the colony. */
  constructor(place: ColonyPlace, prefix: string) {
    this.#place = place;
    this.#prefix = prefix;
    this.server = place.server;
    this.colony = place.colony;
    this.scheduleMs = place.scheduleMs;
    this.location = `${prefix}-hall`;
    this.#operatorName = `${prefix}-operator`;
    const key = randomBytes(32).toString('hex');
    this.#operatorId = deriveId(key);
    this.#owner = this.#client(place.ownerKey);
    this.#operator = this.#client(key);
  }

  /** Definitions that are missing, and a member to act for people. Throws when server, colony or owner's key are not as said. */
  async open(): Promise<this> {
    const { colony } = this;
    const known = await this.#asOwner(getDefinitions(colony)).catch((error) => {
      throw new Error(`cannot set up colony ${colony} at ${this.server}: ${errorText(error)}`);
    });
    for (const [kind, file] of Object.entries(KINDS)) {
      const there = known.find(({ spec }) => spec.names.kind === kind);
      const document = JSON.parse(readFileSync(join(SEED, file), 'utf8'));
      if (there === undefined) await this.#addDefinition(document);
      this.executorType = (there ?? document).spec.handler.executorType;
    }
    // Never heard of, and so never swept.
    await this.register({ id: this.#operatorId, name: this.#operatorName, type: 'colonies-edge-test' });
    await this.approve(this.#operatorName);
    return this;
  }

  /** What an agent's environment has of the server; no key. */
  get env(): Record<string, string> {
    const url = new URL(this.server);
    const tls = url.protocol === 'https:';
    return {
      COLONIES_SERVER_HOST: url.hostname,
      COLONIES_SERVER_PORT: url.port === '' ? (tls ? '443' : '80') : url.port,
      COLONIES_TLS: String(tls),
      COLONIES_COLONY_NAME: this.colony,
      ...(this.#place.caFile === undefined ? {} : { COLONIES_EDGE_CA_FILE: this.#place.caFile }),
    };
  }

  /** Writes the owner's key into a file of this folder, and returns its path. */
  ownerKeyFile(folder: string): string {
    const path = join(folder, 'owner.key');
    writeFileSync(path, `${this.#place.ownerKey}\n`, { mode: 0o600 });
    return path;
  }

  /** Adds a blueprint at this ground's location, unless it names another one; an empty one means none. */
  async add(document: Record<string, unknown>): Promise<Shown> {
    const whole = this.#placed(document);
    this.#blueprints.add(whole.metadata.name);
    this.#known.add(whole.metadata.name);
    return this.#asMember('addblueprintmsg', { blueprint: whole });
  }

  /** Changes the spec and keeps all else, as the ecosystem's own `set` does. */
  async changeSpec(name: string, change: (spec: JsonObject) => JsonObject): Promise<Shown> {
    const before = await this.blueprint(name);
    const blueprint = { ...before, spec: change(structuredClone(before.spec)) };
    return this.#asMember('updateblueprintmsg', { blueprint, forcegeneration: false });
  }

  async remove(name: string): Promise<void> {
    await this.#asMember('removeblueprintmsg', { namespace: this.colony, name });
    this.#blueprints.delete(name);
  }

  /** Returns the id of the process. */
  async reconcile(name: string, force: boolean): Promise<string> {
    const message = { namespace: this.colony, name, force };
    const { processid } = await this.#asMember<{ processid: string }>('reconcileblueprintmsg', message);
    return processid;
  }

  blueprint(name: string): Promise<Shown> {
    return this.#asMember('getblueprintmsg', { namespace: this.colony, name });
  }

  /** What an agent reported; empty before the first report. */
  async statusOf(name: string): Promise<Reported> {
    return (await this.blueprint(name)).status ?? {};
  }

  /** Waits until what is reported fits, and returns it. */
  async reported(
    name: string,
    what: string,
    fits: (status: Reported) => boolean | Promise<boolean>,
    deadlineMs = 30_000,
  ): Promise<Reported> {
    let last: Reported = {};
    const look = async () => {
      last = await this.statusOf(name);
      return (await fits(last)) && last;
    };
    return eventually(`the server's status of ${name}: ${what}`, look, deadlineMs).catch((error) => {
      throw new Error(`${errorText(error)}; it is ${JSON.stringify(last)}`);
    });
  }

  executors(): Promise<readonly Executor[]> {
    return this.#operator.send(getExecutors(this.colony), this.#signal);
  }

  async executor(name: string): Promise<Executor | undefined> {
    return (await this.executors()).find(({ executorname }) => executorname === name);
  }

  /** Adds an executor, which waits for its approval then. */
  async register(executor: { id: string; name: string; type: string; location?: string }): Promise<void> {
    this.#executors.add(executor.name);
    await this.#asOwner(addExecutor({ colony: this.colony, ...executor }));
  }

  async approve(name: string): Promise<void> {
    await this.#asOwner(approveExecutor(this.colony, name));
  }

  /** Has an executor removed at the end that somebody else registered. */
  alsoRemove(name: string): void {
    this.#executors.add(name);
  }

  /** This ground's processes in these states since it began, oldest first. */
  async processes(...states: ProcessState[]): Promise<Process[]> {
    const seconds = (Date.now() - this.#began) / 1000 + 600;
    const all: Process[] = [];
    for (const state of states)
      all.push(...(await this.#send(getProcessHistory(this.colony, { executorId: '', seconds, state }))));
    return all.filter(({ spec }) => {
      const name = String(spec.kwargs.blueprintName ?? '');
      return String(spec.conditions?.locationname ?? '').startsWith(this.#prefix) || this.#known.has(name);
    });
  }

  /** Those waiting or running. */
  openProcesses(): Promise<Process[]> {
    return this.processes('waiting', 'running');
  }

  /** Lines of the log of a process, or of an executor. */
  async logs(of: { processId: string } | { executorName: string }): Promise<string[]> {
    const lines = await this.#send(getLogs(this.colony, { ...of, count: 500 }));
    return lines.map(({ message }) => message);
  }

  /** Takes away what it brought, as far as the server lets it. */
  async close(): Promise<void> {
    const wrong: string[] = [];
    const attempt = (work: Promise<unknown>) => work.catch((error) => wrong.push(errorText(error)));
    for (const name of [...this.#blueprints]) await attempt(this.remove(name));
    for (const name of this.#definitions) {
      const message = { namespace: this.colony, name };
      await attempt(this.#asOwner({ ...plain('removeblueprintdefinitionmsg', message) }));
    }
    for (const name of this.#executors) await attempt(this.#asOwner(removeExecutor(this.colony, name)));
    await this.#owner.close();
    await this.#operator.close();
    if (wrong.length > 0) console.error(`the colony keeps something: ${wrong.join('; ')}`);
  }

  async #addDefinition(document: { metadata: JsonObject & { name: string } }): Promise<void> {
    const metadata = { ...document.metadata, colonyname: this.colony };
    const message = { blueprintdefinition: { ...document, metadata } };
    await this.#asOwner(plain('addblueprintdefinitionmsg', message));
    this.#definitions.push(document.metadata.name);
  }

  #placed(document: Record<string, unknown>): { metadata: { name: string } } {
    const { locationname = this.location, ...metadata } = document.metadata as Record<string, unknown>;
    const place = locationname === '' ? {} : { locationname };
    return { ...document, metadata: { ...metadata, ...place, colonyname: this.colony } } as never;
  }

  #client(key: string): ColonyClient {
    const { server, caFile } = this.#place;
    return createColonyClient({
      server,
      key: new Secret(key),
      tls: caFile === undefined ? {} : { ca: readFileSync(caFile, 'utf8') },
      clock: systemClock,
      deadlines: { answerMs: 20_000 },
    });
  }

  #send<T>(call: Call<T>): Promise<T> {
    return this.#operator.send(call, this.#signal);
  }

  #asOwner<T>(call: Call<T>): Promise<T> {
    return this.#owner.send(call, this.#signal);
  }

  #asMember<T>(type: string, message: object): Promise<T> {
    return this.#send(plain<T>(type, message));
  }
}

/** A message that only people send, and its answer as it comes. */
function plain<T>(type: string, message: object): Call<T> {
  return { type, message: message as JsonObject, purpose: 'info', decode: (payload) => payload as T };
}
