import * as v from 'valibot';
import { type Blueprint, decodeBlueprint, type JsonObject } from '../model/blueprint.ts';
import type { Problem } from '../model/problem.ts';
import { type Call, count, listOf, name, nothing, object, reader, text } from './call.ts';

// Messages about blueprints and their definitions (PROTOCOL.md section 9).

/** A blueprint from the server. One that does not decode keeps its place, so that it is neither lost nor removed. */
export type ServerBlueprint =
  | { ok: true; blueprint: Blueprint; status: JsonObject; document: JsonObject }
  | { ok: false; name: string | undefined; problems: readonly Problem[]; document: JsonObject };

const document = v.record(v.string(), v.unknown(), 'must be a blueprint');

const blueprint = v.pipe(
  document,
  v.transform((value): ServerBlueprint => {
    const decoded = decodeBlueprint(value, { source: 'server' });
    if (!decoded.ok) return { ...decoded, document: value };
    const status = v.safeParse(object, value.status);
    return { ...decoded, status: status.success ? status.output : {}, document: value };
  }),
);

const definition = v.object({
  blueprintdefinitionid: text,
  metadata: v.object({ name, colonyname: text }),
  spec: v.object({
    group: text,
    version: text,
    names: v.object({ kind: text }),
    scope: text,
    schema: object,
    handler: v.nullish(v.object({ executorType: text, functionName: text, reconcileInterval: count })),
  }),
});

/** What a kind looks like and which executor type handles it; `handler` is absent where nobody does. */
export type Definition = v.InferOutput<typeof definition>;

/** One blueprint by name; `COLONY_NOT_FOUND`. */
export function getBlueprint(colony: string, blueprintName: string): Call<ServerBlueprint> {
  return {
    type: 'getblueprintmsg',
    message: { namespace: colony, name: blueprintName },
    purpose: 'list',
    decode: reader('getblueprintmsg', blueprint),
    target: blueprintName,
  };
}

/**
 * Blueprints by kind and location, ordered by name. With a location those without one are left out; without a location
 * all of the kind are listed; without a kind the server ignores the location. An empty list is no proof that there are
 * none: a misspelt kind gives it too. `COLONY_FAILED` with a location while any blueprint of the kind holds a NUL.
 */
export function getBlueprints(
  colony: string,
  query: { kind: string; location: string },
): Call<readonly ServerBlueprint[]> {
  return {
    type: 'getblueprintsmsg',
    message: { namespace: colony, kind: query.kind, locationname: query.location },
    purpose: 'list',
    decode: reader('getblueprintsmsg', listOf(blueprint)),
    target: query.kind,
  };
}

/** Replaces a blueprint's status as a whole (executor or user key, never the owner's). `COLONY_NOT_FOUND`. */
export function updateBlueprintStatus(colony: string, blueprintName: string, status: JsonObject): Call<void> {
  return {
    type: 'updateblueprintstatusmsg',
    message: { colonyname: colony, blueprintname: blueprintName, status },
    purpose: 'report',
    decode: nothing,
    target: blueprintName,
  };
}

/** One definition by its name (not by its kind); `COLONY_NOT_FOUND`. */
export function getDefinition(colony: string, definitionName: string): Call<Definition> {
  return {
    type: 'getblueprintdefinitionmsg',
    message: { colonyname: colony, name: definitionName },
    purpose: 'info',
    decode: reader('getblueprintdefinitionmsg', definition),
    target: definitionName,
  };
}

/** All definitions of the colony. */
export function getDefinitions(colony: string): Call<readonly Definition[]> {
  return {
    type: 'getblueprintdefinitionsmsg',
    message: { colonyname: colony },
    purpose: 'info',
    decode: reader('getblueprintdefinitionsmsg', listOf(definition)),
  };
}
