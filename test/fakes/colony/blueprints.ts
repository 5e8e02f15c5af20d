import { type Crons, workSpec } from './crons.ts';
import { mapOf, type Processes } from './processes.ts';
import type { BlueprintRecord, JsonMap, ProcessRecord } from './records.ts';
import { goTime, Refusal, sorted } from './reply.ts';
import { schemaProblem } from './schema.ts';
import type { ColonyState, DefinitionRecord } from './state.ts';

/** What the database says to a NUL inside JSON. */
const NUL_IN_JSON = 'pq: unsupported Unicode escape sequence';

/** Blueprints, their statuses, and the processes they cause (PROTOCOL.md sections 9 and 10). */
export class Blueprints {
  readonly #state: ColonyState;
  readonly #processes: Processes;
  readonly #crons: Crons;

  constructor(state: ColonyState, processes: Processes, crons: Crons) {
    this.#state = state;
    this.#processes = processes;
    this.#crons = crons;
  }

  add(sent: JsonMap, callerId: string): BlueprintRecord {
    const record = recordOf(sent, text(sent.blueprintid) || this.#state.id());
    const definition = this.#checked(record);
    if (this.#state.blueprints.has(record.name))
      throw new Refusal(
        409,
        `blueprint with name '${record.name}' already exists in colony '${this.#state.settings.colony}'`,
      );
    record.generation = numberOf(mapOf(sent.metadata).generation);
    this.#state.blueprints.set(record.name, record);
    this.#remember(record, 'create', callerId);
    this.#ensureLocation(record);
    if (definition.executorType !== '') {
      this.#crons.ensure(record.kind, record.location, callerId);
      this.#ask(definition, record, callerId);
    }
    return record;
  }

  /** Replaces the whole record, the status with it. */
  update(sent: JsonMap, forceGeneration: boolean, callerId: string): BlueprintRecord {
    const name = text(mapOf(sent.metadata).name);
    const old = this.#state.blueprints.get(name);
    if (old === undefined)
      throw new Refusal(404, `blueprint '${name}' not found in namespace '${this.#state.settings.colony}'`);
    const record = recordOf(sent, old.id);
    const definition = this.#checked(record);
    const isNew = forceGeneration || JSON.stringify(sorted(record.spec)) !== JSON.stringify(sorted(old.spec));
    record.generation = old.generation + (isNew ? 1 : 0);
    this.#state.blueprints.set(name, record);
    if (isNew) {
      this.#remember(record, 'update', callerId);
      // An update with the owner's key tells nobody.
      if (callerId !== this.#state.settings.ownerId && definition.executorType !== '')
        this.#ask(definition, record, callerId);
    }
    return record;
  }

  remove(name: string, callerId: string): void {
    const record = this.#named(name);
    this.#state.blueprints.delete(name);
    this.#crons.dropIfLast(record.kind, record.location);
    const definition = this.#handlerOf(record.kind);
    if (definition !== undefined)
      this.#processes.submit(
        workSpec(definition, record.location, 'cleanup', { kind: record.kind, blueprintName: name }),
        callerId,
      );
  }

  reconcile(name: string, force: boolean, callerId: string): ProcessRecord {
    const record = this.#named(name);
    const definition = this.#handlerOf(record.kind);
    if (definition === undefined)
      throw new Refusal(400, 'Blueprint has no handler with executor type defined');
    if (force) record.generation += 1;
    return this.#ask(definition, record, callerId, force);
  }

  setStatus(name: string, status: JsonMap): void {
    const record = this.#named(name);
    if (hasNul(status)) throw new Refusal(500, NUL_IN_JSON);
    record.status = status;
  }

  get(name: string): BlueprintRecord {
    return this.#named(name);
  }

  /** By kind and location; a location without a kind is ignored. */
  list(kind: string, location: string): BlueprintRecord[] {
    const all = [...this.#state.blueprints.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const ofKind = kind === '' ? all : all.filter((one) => one.kind === kind);
    if (kind === '' || location === '') return ofKind;
    // The location is looked up inside the JSON of every row of the kind.
    if (ofKind.some((one) => one.hasNul)) throw new Refusal(500, NUL_IN_JSON);
    return ofKind.filter((one) => one.location.toLowerCase() === location.toLowerCase());
  }

  /** Newest first; 404 also for deleted blueprints. */
  history(id: string, limit: number): JsonMap[] {
    if (![...this.#state.blueprints.values()].some((one) => one.id === id)) throw NOT_FOUND();
    const entries = this.#state.history.filter((one) => one.blueprintid === id).reverse();
    return limit > 0 ? entries.slice(0, limit) : entries;
  }

  #named(name: string): BlueprintRecord {
    const record = this.#state.blueprints.get(name);
    if (record === undefined) throw NOT_FOUND();
    return record;
  }

  #handlerOf(kind: string): DefinitionRecord | undefined {
    const found = [...this.#state.definitions.values()].find((one) => one.kind === kind);
    return found === undefined || found.executorType === '' ? undefined : found;
  }

  #checked(record: BlueprintRecord): DefinitionRecord {
    if (record.kind === '') throw new Refusal(400, 'blueprint kind is required');
    const definition = [...this.#state.definitions.values()].find((one) => one.kind === record.kind);
    if (definition === undefined)
      throw new Refusal(
        400,
        `BlueprintDefinition for kind '${record.kind}' not found in namespace '${this.#state.settings.colony}'`,
      );
    const problem = schemaProblem(definition.schema, record.spec);
    if (problem !== undefined) throw new Refusal(400, `blueprint validation failed: ${problem}`);
    return definition;
  }

  #ask(
    definition: DefinitionRecord,
    record: BlueprintRecord,
    callerId: string,
    force = false,
  ): ProcessRecord {
    const kwargs = { kind: record.kind, blueprintName: record.name, ...(force ? { force } : {}) };
    return this.#processes.submit(
      workSpec(definition, record.location, definition.functionName, kwargs),
      callerId,
    );
  }

  #ensureLocation(record: BlueprintRecord): void {
    if (record.location === '' || this.#state.locations.some((one) => one.name === record.location)) return;
    this.#state.locations.push({
      id: this.#state.id(),
      name: record.location,
      description: `Auto-created from blueprint ${record.name}`,
    });
  }

  #remember(record: BlueprintRecord, changetype: 'create' | 'update', changedby: string): void {
    this.#state.history.push({
      historyid: this.#state.id(),
      blueprintid: record.id,
      kind: record.kind,
      namespace: this.#state.settings.colony,
      name: record.name,
      generation: record.generation,
      spec: sorted(record.spec),
      ...(Object.keys(record.status).length === 0 ? {} : { status: record.status }),
      timestamp: goTime(this.#state.now()),
      changedby,
      changetype,
    });
  }
}

const NOT_FOUND = () => new Refusal(404, 'Blueprint not found');

function recordOf(sent: JsonMap, id: string): BlueprintRecord {
  const metadata = mapOf(sent.metadata);
  const spec = mapOf(sent.spec);
  return {
    id,
    kind: text(sent.kind),
    name: text(metadata.name),
    location: text(metadata.locationname),
    labels: metadata.labels,
    annotations: metadata.annotations,
    generation: 0,
    createdAt: metadata.createdAt,
    updatedAt: metadata.updatedAt,
    lastReconciliationProcess: metadata.lastReconciliationProcess,
    lastReconciliationTime: metadata.lastReconciliationTime,
    spec,
    status: mapOf(sent.status),
    hasNul: hasNul(sent),
  };
}

function hasNul(value: unknown): boolean {
  return /(?<!\\)(?:\\\\)*\\u0000/.test(JSON.stringify(value));
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
