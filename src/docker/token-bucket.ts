/** Most that may pass at once after a pause, as time at the full rate. */
const BURST_MS = 100;

/** Shares one rate among all who take from it, in the order in which they ask. Pure: the time is told to it. */
export class TokenBucket {
  readonly bytesPerSecond: number;
  /** When all that was taken has passed, monotonic milliseconds. */
  #paidUntilMs = Number.NEGATIVE_INFINITY;

  constructor(bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond;
  }

  /** Takes so many bytes at a time; milliseconds to wait before they may pass. */
  take(bytes: number, monoMs: number): number {
    const fromMs = Math.max(this.#paidUntilMs, monoMs - BURST_MS);
    this.#paidUntilMs = fromMs + (bytes / this.bytesPerSecond) * 1000;
    return Math.max(0, this.#paidUntilMs - monoMs);
  }

  /** A piece small enough for nobody to wait long for another's, bytes. */
  get pieceBytes(): number {
    return Math.min(MOST_PIECE_BYTES, Math.max(LEAST_PIECE_BYTES, Math.floor(this.bytesPerSecond / 8)));
  }
}

const LEAST_PIECE_BYTES = 256;
const MOST_PIECE_BYTES = 64 * 1024;
