import { onlyCode, type SourceFile } from './source.ts';

/** A function and the lines it has for itself: functions with a body of several lines inside it count on their own. */
export interface FunctionSize {
  name: string;
  line: number;
  lines: number;
}

/** First lines of functions, methods and callbacks, as the formatter leaves them. */
const HEADS = [
  /^\s*(?:export )?(?:async )?function\*? ?(\w+)/,
  /^\s*(?:export )?(?:const|let) (\w+)\b.*(?:=> [{(]|= (?:async )?\()$/,
  /^\s*(?:(?:static|async|get|set|override|private|public|protected) )*\*?(#?\w+)(?:<.*>)?\(/,
  /=> [{(]$/,
];
const KEYWORDS = ['if', 'for', 'while', 'switch', 'catch', 'return', 'else', 'do', 'await', 'throw', 'new'];

/** The name of the function that begins on this line; undefined when none does. */
function headOf(line: string): string | undefined {
  if (KEYWORDS.includes(line.trim().split(/[\s(]/)[0] ?? ''))
    return line.endsWith('=> {') ? '(callback)' : undefined;
  const match = HEADS.map((head) => line.match(head)).find((found) => found !== null);
  return match === undefined || match === null ? undefined : (match[1] ?? '(callback)');
}

/** Sizes of the functions of a text in this project's format, where a function ends at the brace in its own column. */
export function functionSizes(text: string): FunctionSize[] {
  const lines = onlyCode(text).split('\n');
  const spans: { name: string; start: number; end: number }[] = [];
  lines.forEach((line, start) => {
    const name = headOf(line);
    if (name === undefined) return;
    const end = endOf(lines, start, line.match(/^\s*/)?.[0] ?? '');
    if (end !== undefined) spans.push({ name, start, end });
  });
  return spans.map((span) => {
    const inner = spans.filter((other) => other.start > span.start && other.end < span.end);
    const outermost = inner.filter(
      (one) => !inner.some((other) => other !== one && other.start <= one.start && other.end >= one.end),
    );
    const nested = outermost.reduce((sum, one) => sum + one.end - one.start + 1, 0);
    return { name: span.name, line: span.start + 1, lines: span.end - span.start + 1 - nested };
  });
}

/** The line on which a block that begins at `start` with this indentation ends; undefined when it is one line only. */
function endOf(lines: readonly string[], start: number, indent: string): number | undefined {
  if (!/[{(]\s*$/.test(lines[start] ?? '')) return undefined;
  for (let at = start + 1; at < lines.length; at++) {
    const line = lines[at] ?? '';
    if (line.trim() === '') continue;
    const here = line.match(/^\s*/)?.[0].length ?? 0;
    if (here > indent.length) continue;
    // `}: Options) {` and `): Result {` end the head, not the body.
    if (here === indent.length && /^[})\]].*\{\s*$/.test(line.trim())) continue;
    return line.trim().startsWith('}') ? at : undefined;
  }
  return undefined;
}

/** Files and functions past the limit, as lines for people. */
export function sizeViolations(file: SourceFile, limits: { file: number; function: number }): string[] {
  const found: string[] = [];
  const lines = file.text.split('\n').length - 1;
  if (lines > limits.file)
    found.push(`${file.path}: ${lines} lines, at most ${limits.file}: it wants to be two files`);
  for (const one of functionSizes(file.text))
    if (one.lines > limits.function)
      found.push(`${file.path}:${one.line}: ${one.name} has ${one.lines} lines, at most ${limits.function}`);
  return found;
}
