import { MAX_DEPTH, scanJson } from './json.ts';
import type { Parsed } from './parsed.ts';

/** Values in one document, aliases counted each time they are used. */
const MAX_NODES = 100_000;
const MAX_TEXT = 4 * 1024 * 1024;

/**
 * Parses the content of a `.json`, `.yaml` or `.yml` file (by its name). JSON: one object, or an array of them. A file
 * without anything in it is refused: it is being written, or its content was lost. Texts never quote the content.
 */
export async function parseFile(name: string, bytes: Uint8Array): Promise<Parsed> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { ok: false, message: 'is not UTF-8 text' };
  }
  if (text.trim() === '') return { ok: false, message: 'is empty (half written?)' };
  try {
    const parsed = /\.json$/i.test(name)
      ? parseJson(text)
      : await (await import('./yaml.ts')).parseYaml(text);
    if (!parsed.ok) return parsed;
    for (const { value, lineOf } of parsed.documents) {
      const fault = unreasonable(value);
      if (fault !== undefined) return { ok: false, message: fault, ...lineMember(lineOf('')) };
    }
    return parsed;
  } catch (error) {
    // Nested until the stack ends.
    if (error instanceof RangeError) return { ok: false, message: 'is nested too deep' };
    throw error;
  }
}

function parseJson(text: string): Parsed {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const { fault } = scanJson(text);
    return {
      ok: false,
      message: `is not valid JSON: it ${fault?.message ?? 'is broken'}`,
      ...lineMember(fault?.line),
    };
  }
  let scan: ReturnType<typeof scanJson> | undefined;
  const lines = () => {
    scan ??= scanJson(text);
    return scan.lines;
  };
  if (!Array.isArray(value))
    return { ok: true, documents: [{ document: 0, value, lineOf: (path) => lines().lineOf(path) }] };
  const documents = value.map((item: unknown, document) => ({
    document,
    value: item,
    lineOf: (path: string) => lines().lineOf(path === '' ? `[${document}]` : `[${document}].${path}`),
  }));
  return { ok: true, documents };
}

/** Why a value cannot be a blueprint whatever its fields are; undefined when it may be one. */
function unreasonable(root: unknown): string | undefined {
  let nodes = 0;
  let length = 0;
  const visit = (value: unknown, depth: number): string | undefined => {
    nodes++;
    if (typeof value === 'string') length += value.length;
    if (nodes > MAX_NODES || length > MAX_TEXT) return 'is too large once its aliases are followed';
    if (depth > MAX_DEPTH) return `is nested deeper than ${MAX_DEPTH} levels`;
    if (typeof value === 'number' && !Number.isFinite(value)) return 'holds a number that JSON does not know';
    if (typeof value !== 'object' || value === null) return undefined;
    for (const [name, member] of Object.entries(value)) {
      length += name.length;
      const fault = visit(member, depth + 1);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
  return visit(root, 0);
}

function lineMember(line: number | undefined): { line?: number } {
  return line === undefined ? {} : { line };
}

/** A blueprint definition (`spec.names.kind`, no `kind`): lies beside blueprints for the server, is none itself. */
export function isDefinition(value: unknown): boolean {
  if (!isObject(value) || 'kind' in value || !isObject(value.spec)) return false;
  const { names } = value.spec;
  return isObject(names) && typeof names.kind === 'string';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
