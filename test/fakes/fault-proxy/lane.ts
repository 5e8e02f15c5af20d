import type { Clock } from '../../../src/base/clock.ts';
import type { Random } from '../../../src/base/random.ts';
import type { TokenBucket } from './bucket.ts';
import type { LinkShape } from './fault.ts';

/** Payload of one TCP segment on most links. */
const SEGMENT_BYTES = 1_400;
const RETRANSMIT_MS = 200;
const MAX_REPEATS = 6;

/** How long a piece is held up because packets of it were lost: each repetition waits twice as long as the one before. */
export function stallMs(bytes: number, shape: LinkShape, random: Random): number {
  const loss = Math.min(Math.max(shape.lossPercent ?? 0, 0), 100) / 100;
  if (loss === 0) return 0;
  const first = 1 - (1 - loss) ** Math.ceil(bytes / SEGMENT_BYTES);
  let waitMs = (shape.retransmitMs ?? RETRANSMIT_MS) + (shape.latencyMs ?? 0);
  let total = 0;
  for (let repeat = 0; repeat < MAX_REPEATS && random.next() < (repeat === 0 ? first : loss); repeat++) {
    total += waitMs;
    waitMs *= 2;
  }
  return total;
}

export interface LaneOptions {
  clock: Clock;
  random: Random;
  bucket: TokenBucket;
  shape(): LinkShape;
  deliver(bytes: Buffer): void;
  /** The end of the stream has arrived. */
  finish(): void;
  /** There is room again. */
  onRoom(): void;
  signal: AbortSignal;
}

/** One direction of one connection: bytes come out in order, late, and no faster than the link carries them. */
export class Lane {
  readonly #options: LaneOptions;
  /** Not on the link yet; `undefined` is the end of the stream. */
  readonly #waiting: (Buffer | undefined)[] = [];
  readonly #flying: { dueMs: number; bytes: Buffer | undefined }[] = [];
  #isDeparting = false;
  #isDelivering = false;
  #lastDueMs = 0;
  #isOpening: boolean;
  /** Bytes that have not come out yet. */
  backlog = 0;

  /** `isOpening`: the first piece waits one round more, which opening the connection would have taken. */
  constructor(options: LaneOptions, isOpening = false) {
    this.#options = options;
    this.#isOpening = isOpening;
  }

  push(bytes: Buffer): void {
    this.backlog += bytes.length;
    this.#enqueue(bytes);
  }

  /** The stream ends after what was pushed before. */
  end(): void {
    this.#enqueue(undefined);
  }

  #enqueue(item: Buffer | undefined): void {
    if (this.#options.signal.aborted) return;
    this.#waiting.push(item);
    if (!this.#isDeparting) void this.#depart();
  }

  /** Puts what waits on the link, piece by piece. Ends when there is nothing left, or by the signal. */
  async #depart(): Promise<void> {
    const { bucket, signal } = this.#options;
    this.#isDeparting = true;
    try {
      while (this.#waiting.length > 0) {
        let rest = this.#waiting.shift();
        if (rest === undefined) {
          // The end takes a packet too: it cannot leave while nothing moves.
          await bucket.take(1, signal);
          this.#fly(undefined);
        }
        while (rest !== undefined && rest.length > 0) {
          const size = await bucket.take(rest.length, signal);
          this.#fly(rest.subarray(0, size));
          rest = rest.subarray(size);
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#isDeparting = false;
    }
  }

  #fly(bytes: Buffer | undefined): void {
    const { clock, random } = this.#options;
    const shape = this.#options.shape();
    const jitterMs = (shape.jitterMs ?? 0) * (shape.jitterMs ? random.next() : 0);
    const stalledMs = bytes === undefined ? 0 : stallMs(bytes.length, shape, random);
    const latencyMs = (shape.latencyMs ?? 0) * (this.#isOpening ? 1.5 : 0.5);
    const dueMs = clock.monoMs() + latencyMs + jitterMs + stalledMs;
    this.#isOpening = false;
    this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
    this.#flying.push({ dueMs: this.#lastDueMs, bytes });
    if (!this.#isDelivering) void this.#deliver();
  }

  async #deliver(): Promise<void> {
    const { clock, signal, deliver, finish, onRoom } = this.#options;
    this.#isDelivering = true;
    try {
      for (let next = this.#flying[0]; next !== undefined; next = this.#flying[0]) {
        const waitMs = next.dueMs - clock.monoMs();
        if (waitMs > 0) await clock.sleep(waitMs, signal);
        signal.throwIfAborted();
        this.#flying.shift();
        if (next.bytes === undefined) {
          finish();
          continue;
        }
        this.backlog -= next.bytes.length;
        deliver(next.bytes);
        onRoom();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#isDelivering = false;
    }
  }
}
