import type { Node, Pair } from 'yaml';
import { LineIndex } from './lines.ts';
import type { Parsed } from './parse.ts';

type Yaml = typeof import('yaml');

/** How often aliases may be followed; a file of a few lines could else fill the memory. */
const MAX_ALIASES = 100;

/**
 * Parses YAML 1.2 with the core schema (`no` is a string): several documents, duplicate keys refused, no merge keys.
 * The library is loaded with the first YAML file, not at start.
 */
export async function parseYaml(text: string): Promise<Parsed> {
  const yaml = await import('yaml');
  const { documents, counter } = parseText(yaml, text);
  // Only comments: nothing is meant to be in it.
  if ('empty' in documents) return { ok: true, documents: [] };
  for (const document of documents) {
    // A warning is a tag or directive we do not know: the value would not be what its author meant.
    const [fault] = [...document.errors, ...document.warnings];
    if (fault !== undefined) return failure(fault.message, counter.linePos(fault.pos[0]).line);
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

function parseText(yaml: Yaml, text: string) {
  const counter = new yaml.LineCounter();
  const documents = yaml.parseAllDocuments(text, {
    version: '1.2',
    schema: 'core',
    uniqueKeys: true,
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
