/** Lines (1-based) of the fields of one document, by path. */
export class LineIndex {
  readonly #lines = new Map<string, number>();

  add(path: readonly (string | number)[], line: number): void {
    this.#lines.set(path.join('.'), line);
  }

  /** The line of a path as in `spec.instances[0].image`; of its nearest parent when the field itself is missing. */
  lineOf(path: string): number | undefined {
    for (let key = path.replace(/\[(\d+)\]/g, '.$1').replace(/^\./, ''); ; ) {
      const line = this.#lines.get(key);
      if (line !== undefined || key === '') return line;
      key = key.includes('.') ? key.slice(0, key.lastIndexOf('.')) : '';
    }
  }
}

/** Turns offsets of a text into lines; ask for them in rising order. */
export class LineCounter {
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  lineAt(offset: number): number {
    if (offset < this.#at) {
      this.#at = 0;
      this.#line = 1;
    }
    for (;;) {
      const next = this.#text.indexOf('\n', this.#at);
      if (next === -1 || next >= offset) return this.#line;
      this.#at = next + 1;
      this.#line++;
    }
  }
}
