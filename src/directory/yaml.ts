import type { Node, Pair } from 'yaml';
import { LineIndex } from './lines.ts';
import type { Parsed } from './parsed.ts';

type Yaml = typeof import('yaml');

/** How often aliases may be followed; a file of a few lines could else fill the memory. */
const MAX_ALIASES = 100;
const MAX_DOCUMENTS = 1_000;
/** Brackets counted without regard to quotes, so with much room: some ten thousand abort the whole process in the
 *  library's recursion ("RegExpCompiler Allocation failed"), which nothing can catch. */
const MAX_BRACKETS = 500;
/** "- - - -" on one line, as deep. */
const MANY_INDICATORS = /(?:[-?:][ \t]+){200}/;

/**
 * Parses YAML 1.2 with the core schema (`no` is a string): several documents, duplicate keys refused, no merge keys.
 * The library is loaded with the first YAML file, not at start.
 */
export async function parseYaml(text: string): Promise<Parsed> {
  const yaml = await import('yaml');
  const excess = excessOf(text);
  if (excess !== undefined) return { ok: false, message: excess };
  const { documents, counter } = parseText(yaml, text);
  // Only comments: nothing is meant to be in it.
  if ('empty' in documents) return { ok: true, documents: [] };
  for (const document of documents) {
    // A warning is a tag or directive we do not know: the value would not be what its author meant.
    const [fault] = [...document.errors, ...document.warnings];
    if (fault !== undefined) return failure(fault.message, counter.linePos(fault.pos[0]).line);
    const key = badKey(yaml, document.contents);
    if (key !== undefined) return failure(key.message, counter.linePos(key.offset).line);
  }
  const found: { document: number; value: unknown; lineOf(path: string): number | undefined }[] = [];
  for (const [index, document] of documents.entries()) {
    let value: unknown;
    try {
      value = document.toJS({ maxAliasCount: MAX_ALIASES });
    } catch (error) {
      const line = counter.linePos(document.range[0]).line;
      return failure(error instanceof Error ? error.message : String(error), line);
    }
    if (value === null || value === undefined) continue;
    let lines: LineIndex | undefined;
    found.push({
      document: index,
      value,
      // Parsed again when somebody asks: the tree of a file is many times its text.
      lineOf: (path) => {
        lines ??= indexOf(yaml, text, index);
        return lines.lineOf(path);
      },
    });
  }
  return { ok: true, documents: found };
}

/** What would cost too much to parse at all. */
function excessOf(text: string): string | undefined {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (sign === '[' || sign === '{') depth++;
    else if ((sign === ']' || sign === '}') && depth > 0) depth--;
    if (depth > MAX_BRACKETS) return 'is nested too deep';
  }
  if (MANY_INDICATORS.test(text)) return 'is nested too deep';
  const documents = text.match(/^---/gm)?.length ?? 0;
  return documents > MAX_DOCUMENTS ? `has more than ${MAX_DOCUMENTS} documents` : undefined;
}

/** The first field name that occurs twice in its mapping, or is no plain value. */
function badKey(yaml: Yaml, node: unknown): { message: string; offset: number } | undefined {
  if (yaml.isSeq(node)) return firstOf(node.items, (item) => badKey(yaml, item));
  if (!yaml.isMap(node)) return undefined;
  const seen = new Set<string>();
  return firstOf(node.items as Pair[], ({ key, value }) => {
    const offset = yaml.isNode(key) ? (key.range?.[0] ?? 0) : 0;
    if (!yaml.isScalar(key)) return { message: 'field names must be plain values', offset };
    const name = String(key.value);
    if (seen.has(name)) return { message: `the field "${name.slice(0, 40)}" occurs twice`, offset };
    seen.add(name);
    return badKey(yaml, value);
  });
}

function firstOf<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function parseText(yaml: Yaml, text: string) {
  const counter = new yaml.LineCounter();
  const documents = yaml.parseAllDocuments(text, {
    version: '1.2',
    schema: 'core',
    // Done by badKey: the library compares every key with every other, 13 s for 20 000 of them.
    uniqueKeys: false,
    strict: true,
    merge: false,
    prettyErrors: false,
    logLevel: 'silent',
    lineCounter: counter,
  });
  return { documents, counter };
}

function failure(message: string, line: number): Parsed {
  return { ok: false, message: `is not valid YAML: ${message.split('\n', 1)[0]}`, line };
}

function indexOf(yaml: Yaml, text: string, index: number): LineIndex {
  const { documents, counter } = parseText(yaml, text);
  const root = documents[index]?.contents;
  const lines = new LineIndex();
  const lineOf = (node: Node | null | undefined) => counter.linePos(node?.range?.[0] ?? 0).line;
  const visit = (node: unknown, path: readonly (string | number)[]): void => {
    if (yaml.isMap(node)) {
      for (const pair of node.items as Pair[]) {
        if (!yaml.isScalar(pair.key)) continue;
        const inside = [...path, String(pair.key.value)];
        lines.add(inside, lineOf(pair.key));
        visit(pair.value, inside);
      }
    } else if (yaml.isSeq(node)) {
      node.items.forEach((item, index) => {
        const inside = [...path, index];
        if (yaml.isNode(item)) lines.add(inside, lineOf(item));
        visit(item, inside);
      });
    }
  };
  lines.add([], lineOf(root));
  visit(root, []);
  return lines;
}
