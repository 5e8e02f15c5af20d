import { closest } from '../base/text.ts';
import type { JsonObject } from '../model/blueprint.ts';
import { type Problem, showValue } from '../model/problem.ts';
import type { Reason } from '../model/reason.ts';

/** Collects everything wrong with one document, so that its author hears of all of it at once. */
export class Problems {
  readonly list: Problem[] = [];

  /** `got` is shown as the refused value; leave it out for secrets and where there is none. */
  error(path: string, message: string, got?: { value: unknown }, reason: Reason = 'SpecInvalid'): void {
    this.#add('error', path, message, got, reason);
  }

  warn(path: string, message: string, got?: { value: unknown }, reason: Reason = 'SpecWarning'): void {
    this.#add('warning', path, message, got, reason);
  }

  get failed(): boolean {
    return this.list.some((problem) => problem.severity === 'error');
  }

  #add(
    severity: Problem['severity'],
    path: string,
    message: string,
    got: { value: unknown } | undefined,
    reason: Reason,
  ): void {
    const problem: Problem = { severity, reason, path, message };
    this.list.push(got === undefined ? problem : { ...problem, value: showValue(got.value) });
  }
}

/** One value with the path it stands at. */
export interface Located {
  value: unknown;
  path: string;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `path.key`, or `path["odd key"]` where the key is no plain word. */
export function joinPath(path: string, key: string): string {
  if (!/^[A-Za-z_$][\w$-]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}

/**
 * Reads the members of one object from outside. Every getter notes a wrong type as an error and then answers
 * `undefined`, as it does for an absent member; `done` names the members that nobody asked for.
 */
export class Fields {
  readonly #object: JsonObject;
  readonly #known = new Set<string>();
  readonly path: string;
  readonly problems: Problems;

  constructor(object: JsonObject, path: string, problems: Problems) {
    this.#object = object;
    this.path = path;
    this.problems = problems;
  }

  at(key: string): string {
    return joinPath(this.path, key);
  }

  /** Whether the member is there, whatever it holds; makes it a known one. */
  has(key: string): boolean {
    this.#known.add(key);
    return Object.hasOwn(this.#object, key) && this.#object[key] !== undefined;
  }

  raw(key: string): unknown {
    return this.has(key) ? this.#object[key] : undefined;
  }

  /** Notes that a member has the wrong form. */
  refuse(key: string, message: string): undefined {
    this.problems.error(this.at(key), message, { value: this.raw(key) });
    return undefined;
  }

  /** Text that is not empty. `hint` completes "must be ...". */
  text(key: string, hint = 'a non-empty string'): string | undefined {
    if (!this.has(key)) return undefined;
    const value = this.raw(key);
    if (typeof value === 'string' && value !== '') return value;
    const scalar = typeof value === 'number' || typeof value === 'boolean';
    return this.refuse(key, `must be ${hint}${scalar ? ' (write it in quotes)' : ''}`);
  }

  /** As `text`, but absence is an error too. */
  requiredText(key: string, hint?: string): string | undefined {
    if (this.has(key)) return this.text(key, hint);
    this.problems.error(this.at(key), `must be ${hint ?? 'a non-empty string'}`, { value: undefined });
    return undefined;
  }

  /** Text that matches a pattern. */
  textLike(key: string, pattern: RegExp, hint: string): string | undefined {
    const value = this.text(key, hint);
    if (value === undefined || pattern.test(value)) return value;
    return this.refuse(key, `must be ${hint}`);
  }

  bool(key: string): boolean | undefined {
    if (!this.has(key)) return undefined;
    const value = this.raw(key);
    return typeof value === 'boolean' ? value : this.refuse(key, 'must be true or false');
  }

  int(key: string, min: number, max = Number.MAX_SAFE_INTEGER): number | undefined {
    if (!this.has(key)) return undefined;
    const value = this.raw(key);
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max)
      return value === 0 ? 0 : value;
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    return this.refuse(key, `must be a whole number ${range}`);
  }

  oneOf<T extends string>(key: string, allowed: readonly T[]): T | undefined {
    if (!this.has(key)) return undefined;
    const value = this.raw(key);
    const found = allowed.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    const quote = typeof value === 'boolean' ? ' (write it in quotes)' : '';
    return this.refuse(key, `must be ${orList(allowed)}${quote}`);
  }

  /** The items of a list with their paths; absent: empty. */
  list(key: string, hint = 'a list'): readonly Located[] {
    if (!this.has(key)) return [];
    const value = this.raw(key);
    if (!Array.isArray(value)) {
      this.refuse(key, `must be ${hint}`);
      return [];
    }
    // A plain loop, because `map` leaves the holes of a sparse array out.
    const items: Located[] = [];
    for (let i = 0; i < value.length; i += 1) items.push({ value: value[i], path: `${this.at(key)}[${i}]` });
    return items;
  }

  /** A list of strings; undefined when it is absent, empty lists stay empty. Wrong items are noted and left out. */
  texts(key: string, hint = 'a list of strings'): readonly string[] | undefined {
    if (!this.has(key)) return undefined;
    return this.list(key, hint).flatMap(({ value, path }) => {
      if (typeof value === 'string') return [value];
      this.problems.error(path, 'must be a string (write numbers in quotes)', { value });
      return [];
    });
  }

  /** The objects of a list; wrong items are noted and left out. */
  objects(key: string): readonly Fields[] {
    return this.list(key, 'a list of objects').flatMap(({ value, path }) => {
      if (isObject(value)) return [new Fields(value, path, this.problems)];
      this.problems.error(path, 'must be an object', { value });
      return [];
    });
  }

  object(key: string): Fields | undefined {
    if (!this.has(key)) return undefined;
    const value = this.raw(key);
    if (isObject(value)) return new Fields(value, this.at(key), this.problems);
    return this.refuse(key, 'must be an object');
  }

  /** Members of a map with their paths, sorted by name so that the order of writing changes nothing; absent: empty. */
  entries(key: string, hint = 'an object'): readonly (Located & { key: string })[] {
    if (!this.has(key)) return [];
    const value = this.raw(key);
    if (!isObject(value)) {
      this.refuse(key, `must be ${hint}`);
      return [];
    }
    const path = this.at(key);
    return Object.keys(value)
      .sort()
      .map((name) => ({ key: name, value: value[name], path: joinPath(path, name) }));
  }

  /** Notes every member that no getter asked for; `synonyms` names what other tools call a field. */
  done(severity: 'warning' | 'error' = 'warning', synonyms: Readonly<Record<string, string>> = {}): void {
    const candidates = [...this.#known];
    for (const key of Object.keys(this.#object)) {
      if (this.#known.has(key)) continue;
      const meant = Object.hasOwn(synonyms, key) ? synonyms[key] : nearest(key, candidates);
      const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
      if (severity === 'error') this.problems.error(this.at(key), `is not a known field${hint}`);
      else this.problems.warn(this.at(key), `is not a known field and is ignored${hint}`);
    }
  }
}

/** Other spellings first (`read_only`, `Read-Only`), then typing errors. */
function nearest(key: string, candidates: readonly string[]): string | undefined {
  const bare = (text: string) => text.replace(/[-_]/g, '').toLowerCase();
  return (
    candidates.find((candidate) => bare(candidate) === bare(key)) ?? closest(key.slice(0, 40), candidates)
  );
}

/** `a, b or c`, each in quotes. */
export function orList(words: readonly string[]): string {
  const quoted = words.map((word) => `"${word}"`);
  const last = quoted.pop() ?? '';
  return quoted.length === 0 ? last : `${quoted.join(', ')} or ${last}`;
}

/** How deep and how large a spec may be: far above any real one, far below what would exhaust the stack. */
const MAX_DEPTH = 32;
const MAX_NODES = 100_000;

/**
 * Looks at a whole value for what no field may hold: NUL signs, numbers that are none, and a depth or size that only an
 * attack or a cycle of references has. True: it is safe to walk through.
 */
export function checkValue(value: unknown, path: string, problems: Problems): boolean {
  let nodes = 0;
  const visit = (item: unknown, at: string, depth: number): boolean => {
    nodes += 1;
    if (depth > MAX_DEPTH || nodes > MAX_NODES) return false;
    if (typeof item === 'string' && item.includes('\0'))
      problems.error(at, 'must not contain a NUL sign', { value: item });
    if (typeof item === 'number' && !Number.isFinite(item))
      problems.error(at, 'must be a finite number', { value: String(item) });
    if (Array.isArray(item)) return item.every((child, i) => visit(child, `${at}[${i}]`, depth + 1));
    if (!isObject(item)) return true;
    return Object.keys(item).every((key) => {
      if (key.includes('\0'))
        problems.error(at, 'must not have a field name with a NUL sign', { value: key });
      return visit(item[key], joinPath(at, key), depth + 1);
    });
  };
  if (visit(value, path, 0)) return true;
  problems.error(path, `must not nest deeper than ${MAX_DEPTH} levels or hold more than ${MAX_NODES} values`);
  return false;
}
