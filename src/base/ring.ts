/** Keeps the newest `capacity` items, numbered from 1 on; older ones are forgotten. */
export class Ring<T> {
  readonly #capacity: number;
  readonly #items: T[] = [];
  #nextSeq = 1;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Number of the newest item; 0 when nothing was ever kept. */
  get lastSeq(): number {
    return this.#nextSeq - 1;
  }

  /** Adds the item that `make` builds from its number, and returns it. */
  push(make: (seq: number) => T): T {
    const seq = this.#nextSeq;
    const item = make(seq);
    this.#items[seq % this.#capacity] = item;
    this.#nextSeq = seq + 1;
    return item;
  }

  /** Kept items with a number greater than `seq`, oldest first; empty when there is none. */
  after(seq: number): T[] {
    const first = Math.max(seq + 1, this.#nextSeq - this.#capacity, 1);
    const found: T[] = [];
    for (let number = first; number < this.#nextSeq; number += 1) {
      const item = this.#items[number % this.#capacity];
      if (item !== undefined) found.push(item);
    }
    return found;
  }
}
