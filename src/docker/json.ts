import type { JsonObject } from '../model/blueprint.ts';
import { showValue } from '../model/problem.ts';
import { engineError } from './errors.ts';

// Engine JSON is read tolerantly: versions add and drop members, and null stands for empty. Only what the agent cannot
// do without (ids, lists that are lists) is insisted on, with `ENGINE_PROTOCOL`.

/** The member as an object; empty when absent or something else. */
export function objectAt(value: unknown, key: string): JsonObject {
  return asObject(isObject(value) ? value[key] : undefined);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** The member as a string; empty when absent or something else. */
export function textAt(value: unknown, key: string): string {
  const member = isObject(value) ? value[key] : undefined;
  return typeof member === 'string' ? member : '';
}

/** The member as a finite number; `otherwise` when absent or something else. */
export function numberAt(value: unknown, key: string, otherwise = 0): number {
  const member = isObject(value) ? value[key] : undefined;
  return typeof member === 'number' && Number.isFinite(member) ? member : otherwise;
}

export function booleanAt(value: unknown, key: string): boolean {
  return isObject(value) && value[key] === true;
}

/** The member as a list; empty when absent or something else. */
export function listAt(value: unknown, key: string): readonly unknown[] {
  const member = isObject(value) ? value[key] : undefined;
  return Array.isArray(member) ? member : [];
}

/** The strings of a list; a bare string counts as a list of one. */
export function textsAt(value: unknown, key: string): string[] {
  const member = isObject(value) ? value[key] : undefined;
  if (typeof member === 'string') return [member];
  return listAt(value, key).filter((item): item is string => typeof item === 'string');
}

/** The string members of an object; empty when absent. */
export function textMapAt(value: unknown, key: string): Record<string, string> {
  const entries = Object.entries(objectAt(value, key));
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** A list of objects each with a non-empty string `idKey`, or `ENGINE_PROTOCOL`: null is not an empty list. */
export function requireList(value: unknown, what: string, idKey: string): readonly JsonObject[] {
  if (!Array.isArray(value))
    throw engineError('ENGINE_PROTOCOL', `${what}: must be a list, got ${showValue(value)}`);
  return value.map((item: unknown, index) => {
    if (!isObject(item) || textAt(item, idKey) === '')
      throw engineError(
        'ENGINE_PROTOCOL',
        `${what}: [${index}].${idKey} must be a non-empty string, got ${showValue(isObject(item) ? item[idKey] : item)}`,
      );
    return item;
  });
}

/** An object with a non-empty string `idKey`, or `ENGINE_PROTOCOL`. */
export function requireObject(value: unknown, what: string, idKey: string): JsonObject {
  if (!isObject(value) || textAt(value, idKey) === '')
    throw engineError(
      'ENGINE_PROTOCOL',
      `${what}: ${idKey} must be a non-empty string, got ${showValue(value)}`,
    );
  return value;
}
