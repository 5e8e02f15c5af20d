import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A file under version control (or about to be), its path relative to the project. */
export interface SourceFile {
  path: string;
  text: string;
}

export interface Import {
  /** As written: "../base/clock.ts", "node:fs", "undici". */
  target: string;
  /** `import type`: gone at run time. */
  typeOnly: boolean;
  line: number;
}

/** Text files of the project whose path passes the filter; tracked by git, or new and not ignored. */
export function projectFiles(wanted: (path: string) => boolean): SourceFile[] {
  const listing = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    encoding: 'utf8',
  });
  return listing
    .split('\n')
    .filter((path) => path !== '' && wanted(path) && existsSync(path))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(process.cwd(), path), 'utf8') }));
}

/** Static, dynamic and re-exporting imports of a source text, in the order they stand. */
export function importsOf(text: string): Import[] {
  const code = withoutComments(text);
  const found: (Import & { at: number })[] = [];
  const add = (pattern: RegExp, typeOnly: (match: RegExpMatchArray) => boolean) => {
    for (const match of code.matchAll(pattern)) {
      const line = code.slice(0, match.index).split('\n').length;
      found.push({ target: match[2] ?? '', typeOnly: typeOnly(match), line, at: match.index ?? 0 });
    }
  };
  add(
    /\b(?:import|export)\s+((?:type\s+)?[\w$*{][^;'"]*?)\s*\bfrom\s*['"]([^'"]+)['"]/g,
    (match) => /^type\s/.test(match[1] ?? '') || onlyTypes(match[1] ?? ''),
  );
  add(/\b(import)\s*['"]([^'"]+)['"]/g, () => false);
  add(/\b(import|require)\s*\(\s*['"]([^'"]+)['"]\s*\)/g, () => false);
  return found.sort((a, b) => a.at - b.at).map(({ target, typeOnly, line }) => ({ target, typeOnly, line }));
}

/** `{ type A, type B }`: every member is a type. */
function onlyTypes(clause: string): boolean {
  const members = clause.match(/^\{(.*)\}$/s)?.[1];
  if (members === undefined) return false;
  const names = members.split(',').map((name) => name.trim());
  return names.every((name) => name === '' || name.startsWith('type '));
}

/** The same text, comments turned into spaces; strings and line numbers stay. */
export function withoutComments(text: string): string {
  return text.replace(TOKENS, (part) =>
    part.startsWith('//') || part.startsWith('/*') ? blank(part) : part,
  );
}

/** The same text with comments, strings and regular expressions turned into spaces: what is left is code. */
export function onlyCode(text: string): string {
  return text.replace(TOKENS, (part) => (part.startsWith('`') ? onlyInserts(part) : blank(part)));
}

function blank(part: string): string {
  return part.replace(/[^\n]/g, ' ');
}

/** Of a template text only what stands in `${...}`. */
function onlyInserts(template: string): string {
  let end = 0;
  let code = '';
  for (const insert of template.matchAll(/\$\{[^}]*\}/g)) {
    code += `${blank(template.slice(end, insert.index))}  ${insert[0].slice(2, -1)} `;
    end = (insert.index ?? 0) + insert[0].length;
  }
  return code + blank(template.slice(end));
}

/** What is not code: comments, quoted strings, template texts, regular expressions. */
const TOKENS = new RegExp(
  [
    /\/\/[^\n]*/,
    /\/\*[\s\S]*?\*\//,
    /'(?:\\.|[^'\\\n])*'/,
    /"(?:\\.|[^"\\\n])*"/,
    /`(?:\\.|[^`\\])*`/,
    // A slash begins a regular expression only where a value may begin.
    /(?<=(?:[(,=:[!&|?{};\n]|return)\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/,
  ]
    .map((part) => part.source)
    .join('|'),
  'g',
);
