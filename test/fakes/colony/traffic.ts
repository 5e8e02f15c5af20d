/** One request as it was answered. */
export interface Entry {
  /** The server's time, epoch milliseconds. */
  at: number;
  type: string;
  callerId: string;
  /** The status inside the envelope; 200 for good answers, 0 when the connection was cut. */
  status: number;
}

export interface Count {
  requests: number;
  /** Of bodies, without heads. */
  bytesIn: number;
  bytesOut: number;
}

/** What was asked and answered; the entries are the newest ones only. */
export class Traffic {
  readonly entries: Entry[] = [];
  readonly #counts = new Map<string, Count>();
  readonly #keep: number;

  constructor(keep: number) {
    this.#keep = keep;
  }

  asked(type: string, bytes: number): void {
    const count = this.#countOf(type);
    count.requests += 1;
    count.bytesIn += bytes;
  }

  answered(entry: Entry, bytes: number): void {
    this.#countOf(entry.type).bytesOut += bytes;
    this.entries.push(entry);
    if (this.entries.length > this.#keep * 2) this.entries.splice(0, this.#keep);
  }

  /** Of one type, or of all. */
  count(type?: string): Count {
    const sum: Count = { requests: 0, bytesIn: 0, bytesOut: 0 };
    for (const [name, count] of this.#counts) {
      if (type !== undefined && name !== type) continue;
      sum.requests += count.requests;
      sum.bytesIn += count.bytesIn;
      sum.bytesOut += count.bytesOut;
    }
    return sum;
  }

  reset(): void {
    this.#counts.clear();
    this.entries.length = 0;
  }

  #countOf(type: string): Count {
    const known = this.#counts.get(type);
    if (known !== undefined) return known;
    const fresh: Count = { requests: 0, bytesIn: 0, bytesOut: 0 };
    this.#counts.set(type, fresh);
    return fresh;
  }
}
