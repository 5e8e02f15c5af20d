import { mapOf } from './processes.ts';
import type { JsonMap } from './records.ts';
import { goTime, Refusal } from './reply.ts';
import { keptSchema } from './schema.ts';
import type { ColonyState, DefinitionRecord } from './state.ts';

/** Kinds and who handles them (PROTOCOL.md 9.4). */
export class Definitions {
  readonly #state: ColonyState;

  constructor(state: ColonyState) {
    this.#state = state;
  }

  add(sent: JsonMap): DefinitionRecord {
    const record = this.#recordOf(sent);
    if (this.#state.definitions.has(record.name))
      throw new Refusal(
        500,
        'pq: duplicate key value violates unique constraint "prod_blueprintdefinitions_colony_name_name_key"',
      );
    this.#state.definitions.set(record.name, record);
    return record;
  }

  get(name: string): DefinitionRecord {
    const record = this.#state.definitions.get(name);
    if (record === undefined) throw new Refusal(404, 'Blueprint definition not found');
    return record;
  }

  remove(name: string): void {
    const record = this.#state.definitions.get(name);
    if (record === undefined)
      throw new Refusal(
        404,
        `BlueprintDefinition '${name}' not found in namespace '${this.#state.settings.colony}'`,
      );
    const users = [...this.#state.blueprints.values()].filter((one) => one.kind === record.kind).length;
    if (users > 0)
      throw new Refusal(
        409,
        `cannot remove BlueprintDefinition '${name}': ${users} blueprint(s) of kind '${record.kind}' still exist`,
      );
    this.#state.definitions.delete(name);
  }

  #recordOf(sent: JsonMap): DefinitionRecord {
    const metadata = mapOf(sent.metadata);
    const spec = mapOf(sent.spec);
    const names = mapOf(spec.names);
    const handler = mapOf(spec.handler);
    const schema = keptSchema(spec.schema);
    const unset = goTime(0);
    const document: JsonMap = {
      blueprintdefinitionid: text(sent.blueprintdefinitionid) || this.#state.id(),
      kind: text(sent.kind),
      metadata: {
        name: text(metadata.name),
        colonyname: this.#state.settings.colony,
        ...optional('labels', metadata.labels),
        ...optional('annotations', metadata.annotations),
        createdAt: metadata.createdAt ?? unset,
        updatedAt: metadata.updatedAt ?? unset,
        lastReconciliationTime: unset,
      },
      spec: {
        group: text(spec.group),
        version: text(spec.version),
        names: {
          kind: text(names.kind),
          listKind: text(names.listKind),
          singular: text(names.singular),
          plural: text(names.plural),
          ...optional('shortNames', names.shortNames),
        },
        scope: text(spec.scope),
        ...optional('schema', schema),
        ...(spec.handler === undefined
          ? {}
          : {
              handler: {
                executorType: text(handler.executorType),
                functionName: text(handler.functionName),
                ...optional('reconcileInterval', handler.reconcileInterval),
              },
            }),
      },
    };
    return {
      name: text(metadata.name),
      kind: text(names.kind),
      executorType: text(handler.executorType),
      functionName: text(handler.functionName),
      schema,
      document,
    };
  }
}

function optional(name: string, value: unknown): JsonMap {
  return value === undefined || value === null ? {} : { [name]: value };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
