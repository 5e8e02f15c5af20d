import { EdgeError } from '../base/errors.ts';
import type { Blueprint, JsonObject } from '../model/blueprint.ts';
import { problemText, showValue } from '../model/problem.ts';
import { checkValue, Fields, isObject, joinPath, orList, Problems } from './fields.ts';
import arrowhead from './overlays/arrowhead.json' with { type: 'json' };

/** Fields that the operator adds to blueprints with certain labels (FIELDS.md 7, ARROWHEAD.md 6). */
export interface Overlay {
  /** Where it stands, for messages: `builtin:arrowhead[2]`. */
  name: string;
  /** Labels with the values that a blueprint must have; never empty. */
  match: Readonly<Record<string, string>>;
  /** Absent: both kinds. */
  kind?: string;
  /** Filled into the spec. */
  spec: JsonObject;
  /** Filled into every instance (DockerDeployment) or into the spec (ExecutorDeployment). */
  instance: JsonObject;
}

const BUILTIN: ReadonlyMap<string, unknown> = new Map([['builtin:arrowhead', arrowhead]]);

/** Names that stand for overlays shipped with the agent. */
export const BUILTIN_OVERLAYS: readonly string[] = [...BUILTIN.keys()];

/**
 * Decodes overlays: `{ "overlays": [...] }`, a list, or the name of a built-in set (`builtin:arrowhead`), which may also be
 * an item of a list. Throws `OVERLAY_INVALID` with every problem. `source` names the file in messages.
 */
export function loadOverlays(value: unknown, source = 'overlays'): readonly Overlay[] {
  if (value === undefined || value === null) return [];
  const problems = new Problems();
  const overlays = readOverlays(value, source, problems);
  if (problems.failed)
    throw new EdgeError(`Cannot use the overlays: ${problems.list.map(problemText).join('; ')}`, {
      code: 'OVERLAY_INVALID',
      retry: 'permanent',
      target: source,
    });
  return overlays;
}

function readOverlays(value: unknown, source: string, problems: Problems): Overlay[] {
  if (typeof value === 'string') return readBuiltin(value, source, problems);
  let list = value;
  if (isObject(value)) {
    const fields = new Fields(value, source, problems);
    list = fields.raw('overlays');
    fields.raw('description');
    fields.done('error');
  }
  if (!Array.isArray(list)) {
    problems.error(source, 'must be an object with a list named "overlays"', { value });
    return [];
  }
  return list.flatMap((item, i) => {
    const path = `${source}[${i}]`;
    if (typeof item === 'string') return readBuiltin(item, path, problems);
    if (isObject(item)) return readOverlay(item, path, problems);
    problems.error(path, 'must be an object with "match"', { value: item });
    return [];
  });
}

function readBuiltin(name: string, path: string, problems: Problems): Overlay[] {
  const content = BUILTIN.get(name);
  if (content !== undefined) return readOverlays(content, name, problems);
  problems.error(path, `must be an object or the name of a built-in overlay: ${orList(BUILTIN_OVERLAYS)}`, {
    value: name,
  });
  return [];
}

function readOverlay(item: JsonObject, path: string, problems: Problems): Overlay[] {
  if (!checkValue(item, path, problems)) return [];
  const fields = new Fields(item, path, problems);
  const match: [string, string][] = [];
  for (const { key, value, path: at } of fields.entries('match', 'an object of labels')) {
    if (typeof value === 'string') match.push([key, value]);
    else problems.error(at, 'must be a string (write numbers and booleans in quotes)', { value });
  }
  // An overlay for everything is more likely a forgotten selector than a wish.
  if (match.length === 0 && !problems.failed)
    problems.error(joinPath(path, 'match'), 'must name at least one label', { value: item.match });
  const kind = fields.oneOf('kind', ['DockerDeployment', 'ExecutorDeployment']);
  const spec: Record<string, unknown> = { ...readObject(fields, 'spec') };
  if ('instances' in spec) problems.error(`${path}.spec.instances`, 'must not be here; use "instance"');
  if (fields.has('dependsOn')) spec.dependsOn = fields.raw('dependsOn');
  const instance = readObject(fields, 'instance');
  fields.raw('description');
  fields.done('error');
  return [
    { name: path, match: Object.fromEntries(match), ...(kind === undefined ? {} : { kind }), spec, instance },
  ];
}

function readObject(fields: Fields, key: string): JsonObject {
  const value = fields.raw(key);
  if (value === undefined) return {};
  if (isObject(value)) return value;
  fields.problems.error(fields.at(key), `must be an object, got ${showValue(value)}`);
  return {};
}

/** A spec with all matching overlays merged in, and which field paths came from which overlay. */
export interface Overlaid {
  spec: JsonObject;
  /** Path of a filled-in field to the overlay's name. */
  origins: ReadonlyMap<string, string>;
}

/** Fields that are merged key by key instead of as a whole. */
const MERGED = new Set(['environment', 'env']);

/**
 * Merges overlays into a blueprint's spec: they only fill in what it leaves out, environment maps key by key; of two
 * overlays the earlier wins. `${label}` in their texts is the blueprint's label value (`$${` is a plain `${`); an overlay
 * that names a label the blueprint lacks is left out, with a warning.
 */
export function applyOverlays(
  blueprint: Blueprint,
  overlays: readonly Overlay[],
  problems: Problems,
): Overlaid {
  let spec = blueprint.spec;
  const origins = new Map<string, string>();
  for (const overlay of overlays) {
    if (!matches(overlay, blueprint)) continue;
    const missing = new Set<string>();
    const own = substitute(overlay.spec, blueprint.labels, missing);
    const instance = substitute(overlay.instance, blueprint.labels, missing);
    if (missing.size > 0) {
      const names = [...missing].join(', ');
      problems.warn(
        'metadata.labels',
        `lacks ${names}, which overlay ${overlay.name} needs; it is not applied`,
      );
      continue;
    }
    const note = (path: string) => origins.set(path, overlay.name);
    spec = fillIn(spec, isObject(own) ? own : {}, 'spec', note);
    if (isObject(instance)) spec = fillInstances(blueprint.kind, spec, instance, note);
  }
  return { spec, origins };
}

function matches(overlay: Overlay, blueprint: Blueprint): boolean {
  if (overlay.kind !== undefined && overlay.kind !== blueprint.kind) return false;
  return Object.entries(overlay.match).every(
    ([key, value]) => Object.hasOwn(blueprint.labels, key) && blueprint.labels[key] === value,
  );
}

function fillInstances(
  kind: string,
  spec: JsonObject,
  added: JsonObject,
  note: (path: string) => void,
): JsonObject {
  if (kind === 'ExecutorDeployment') return fillIn(spec, added, 'spec', note);
  // A spec without a proper list is refused later; an overlay must not mend it.
  if (!Array.isArray(spec.instances)) return spec;
  const instances = spec.instances.map((instance: unknown, i) =>
    isObject(instance) ? fillIn(instance, added, `spec.instances[${i}]`, note) : instance,
  );
  return { ...spec, instances };
}

function fillIn(base: JsonObject, added: JsonObject, path: string, note: (path: string) => void): JsonObject {
  const result = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(added)) {
    const present = result.get(key);
    if (present === undefined) {
      result.set(key, value);
      note(joinPath(path, key));
    } else if (MERGED.has(key) && isObject(present) && isObject(value)) {
      result.set(key, fillIn(present, value, joinPath(path, key), note));
    }
  }
  return Object.fromEntries(result);
}

/** A copy with `${label}` replaced in every text; labels that are not there are added to `missing`. */
function substitute(value: unknown, labels: Readonly<Record<string, string>>, missing: Set<string>): unknown {
  if (typeof value === 'string')
    return value.replace(/\$(\$\{)|\$\{([^}]*)\}/g, (_all, escaped: string | undefined, name: string) => {
      if (escaped !== undefined) return escaped;
      if (Object.hasOwn(labels, name)) return labels[name] ?? '';
      missing.add(name);
      return '';
    });
  if (Array.isArray(value)) return value.map((item) => substitute(item, labels, missing));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, substitute(item, labels, missing)]),
  );
}
