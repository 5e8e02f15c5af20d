import { LineCounter, LineIndex } from './lines.ts';

/** What a walk over a JSON text (RFC 8259) finds besides its value. */
export interface JsonScan {
  lines: LineIndex;
  /** The first place where it stops being JSON. No part of the text is quoted: it may hold secrets. */
  fault?: { line: number; message: string };
}

const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;
const SPACE = /[ \t\n\r]*/y;
/** Deeper than any blueprint; keeps the recursion off the stack's end. */
export const MAX_DEPTH = 64;

class Fault extends Error {}

/** Finds the lines of all fields and of the first syntax error; `JSON.parse` tells neither in a usable form. */
export function scanJson(text: string): JsonScan {
  const scanner = new Scanner(text);
  try {
    scanner.value([]);
    if (!scanner.atEnd()) throw new Fault('has something after its end');
    return { lines: scanner.lines };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { lines: scanner.lines, fault: { line: scanner.line(), message: error.message } };
  }
}

class Scanner {
  readonly lines = new LineIndex();
  readonly #text: string;
  readonly #counter: LineCounter;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#counter = new LineCounter(text);
  }

  line(): number {
    return this.#counter.lineAt(this.#at);
  }

  atEnd(): boolean {
    this.#match(SPACE);
    return this.#at >= this.#text.length;
  }

  value(path: readonly (string | number)[]): void {
    if (path.length > MAX_DEPTH) throw new Fault(`is nested deeper than ${MAX_DEPTH} levels`);
    if (this.atEnd()) throw new Fault('ends too early');
    if (path.length === 0 || typeof path.at(-1) === 'number') this.lines.add(path, this.line());
    if (this.#take('{')) this.#members(path);
    else if (this.#take('[')) this.#items(path);
    else if (this.#match(STRING) === undefined && this.#match(SCALAR) === undefined)
      throw new Fault('has something here that is not a JSON value');
  }

  #members(path: readonly (string | number)[]): void {
    if (this.#take('}')) return;
    do {
      if (this.atEnd()) throw new Fault('ends too early');
      const line = this.line();
      const name = this.#match(STRING);
      if (name === undefined) throw new Fault('must have a field name in double quotes here');
      const inside = [...path, String(JSON.parse(name))];
      this.lines.add(inside, line);
      if (!this.#take(':')) throw new Fault('must have ":" after the field name');
      this.value(inside);
    } while (this.#take(','));
    if (!this.#take('}')) throw this.#unclosed('}');
  }

  #items(path: readonly (string | number)[]): void {
    if (this.#take(']')) return;
    let index = 0;
    do this.value([...path, index++]);
    while (this.#take(','));
    if (!this.#take(']')) throw this.#unclosed(']');
  }

  #unclosed(sign: string): Fault {
    return new Fault(this.atEnd() ? 'ends too early' : `must have "," or "${sign}" here`);
  }

  #take(sign: string): boolean {
    this.#match(SPACE);
    if (this.#text[this.#at] !== sign) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }
}
