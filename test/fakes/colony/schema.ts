import { mapOf } from './processes.ts';
import type { JsonMap } from './records.ts';

/**
 * What of a schema the server really enforces (PROTOCOL.md 9.4): `required` at the top, `type` without integer, `enum`,
 * `properties` and `items`. Returns the server's text, undefined when the spec passes.
 */
export function schemaProblem(schema: JsonMap | undefined, spec: JsonMap): string | undefined {
  if (schema === undefined) return undefined;
  const required = Array.isArray(schema.required) ? schema.required : [];
  for (const name of required) if (!(String(name) in spec)) return `required field '${name}' is missing`;
  return membersProblem(schema, spec, '');
}

function membersProblem(schema: JsonMap, value: JsonMap, path: string): string | undefined {
  for (const [name, member] of Object.entries(mapOf(schema.properties))) {
    if (!(name in value)) continue;
    const problem = valueProblem(mapOf(member), value[name], path === '' ? name : `${path}.${name}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function valueProblem(schema: JsonMap, value: unknown, path: string): string | undefined {
  const wanted = TYPES[String(schema.type)];
  if (wanted !== undefined && kindOf(value) !== wanted.kind)
    return `field '${path}' must be ${wanted.text}, got ${goType(value)}`;
  if (Array.isArray(schema.enum) && !schema.enum.includes(value))
    return `field '${path}' must be one of [${schema.enum.join(' ')}], got ${value}`;
  if (kindOf(value) === 'object') return membersProblem(schema, mapOf(value), path);
  if (!Array.isArray(value) || schema.items === undefined) return undefined;
  for (const [index, item] of value.entries()) {
    const problem = valueProblem(mapOf(schema.items), item, `${path}[${index}]`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const TYPES: Record<string, { kind: string; text: string }> = {
  string: { kind: 'string', text: 'a string' },
  number: { kind: 'number', text: 'a number' },
  boolean: { kind: 'boolean', text: 'a boolean' },
  object: { kind: 'object', text: 'an object' },
  array: { kind: 'array', text: 'an array' },
};

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return value === null ? 'null' : typeof value;
}

function goType(value: unknown): string {
  const names: Record<string, string> = {
    number: 'float64',
    boolean: 'bool',
    object: 'map[string]interface {}',
    array: '[]interface {}',
    null: '<nil>',
  };
  return names[kindOf(value)] ?? kindOf(value);
}

/** What survives of a definition's schema, in the server's order: nested `required`, limits and patterns do not. */
export function keptSchema(schema: unknown, isTop = true): JsonMap | undefined {
  if (typeof schema !== 'object' || schema === null) return undefined;
  const sent = mapOf(schema);
  const properties = Object.entries(mapOf(sent.properties)).sort(([a], [b]) => (a < b ? -1 : 1));
  const kept = {
    type: sent.type,
    description: isTop ? undefined : sent.description,
    properties:
      properties.length === 0
        ? undefined
        : Object.fromEntries(properties.map(([name, member]) => [name, keptSchema(member, false)])),
    required: isTop ? sent.required : undefined,
    items: isTop ? undefined : keptSchema(sent.items, false),
    enum: sent.enum,
    default: sent.default,
  };
  return Object.fromEntries(Object.entries(kept).filter(([, member]) => member !== undefined));
}
