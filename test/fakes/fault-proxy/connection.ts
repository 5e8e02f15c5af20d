import { connect, type Socket } from 'node:net';
import { reset } from '../../../build/lib/reset.mjs';
import type { Clock } from '../../../src/base/clock.ts';
import type { Random } from '../../../src/base/random.ts';
import { type Changed, cannedAnswer, changeOf } from './answers.ts';
import type { TokenBucket } from './bucket.ts';
import { type Direction, type Fault, isSilent, isSwallowed, type LinkShape } from './fault.ts';
import { Lane } from './lane.ts';
import { HttpSplitter, type Part } from './splitter.ts';

/** More than this on its way, and the sender is no longer read from. */
const MAX_BACKLOG_BYTES = 256 * 1024;

/** What all connections of a proxy have in common. */
export interface Link {
  clock: Clock;
  random: Random;
  buckets: Record<Direction, TokenBucket>;
  target: { host: string; port: number };
  fault(): Fault;
  shape(): LinkShape;
  onRequest(): void;
  onBytes(direction: Direction, bytes: number): void;
}

/** One client's connection, and the one to the server that belongs to it, opened when there is something to say. */
export class Connection {
  readonly #inward: Socket;
  #outward: Socket | undefined;
  readonly #link: Link;
  readonly #over = new AbortController();
  readonly #onOver: () => void;
  readonly #lanes: Record<Direction, Lane>;
  readonly #requests = new HttpSplitter('request');
  readonly #answers = new HttpSplitter('answer');
  #canned: Buffer | undefined;
  #change: ((head: string, body: Buffer) => Changed) | undefined;
  #answer: { head: string; body: Buffer[] } = { head: '', body: [] };
  /** Where bytes were lost: nothing sensible can follow them, so nothing does. */
  readonly #isMute: Record<Direction, boolean> = { up: false, down: false };

  /** `onOver` is called once neither side is open any more. */
  constructor(inward: Socket, link: Link, onOver: () => void) {
    this.#inward = inward;
    this.#link = link;
    this.#onOver = onOver;
    this.#lanes = {
      up: this.#lane('up'),
      down: this.#lane('down'),
    };
    inward.on('data', (chunk: Buffer) => this.#fromClient(chunk));
    inward.on('end', () => this.#clientEnded());
    inward.on('drain', () => this.#room('down'));
    inward.on('error', () => undefined);
    inward.on('close', () => this.#clientGone());
  }

  /** Breaks both sides with a reset, or lets each believe that the other one is just silent. */
  cut(tell: boolean): void {
    this.#mute();
    if (!tell) return;
    reset(this.#inward);
    reset(this.#outward);
  }

  /** The link speaks again: the server hears that connections which lost bytes are no more. */
  release(): void {
    if (this.#isMute.up || this.#isMute.down || this.#inward.destroyed) reset(this.#outward);
  }

  #lane(direction: Direction): Lane {
    const { clock, random, buckets, shape } = this.#link;
    const isUp = direction === 'up';
    return new Lane(
      {
        ...{ clock, random, shape, bucket: buckets[direction], signal: this.#over.signal },
        deliver: (bytes) => {
          if (this.#isLost(direction)) return;
          (isUp ? this.#server() : this.#inward).write(bytes);
          if (!isUp) this.#link.onBytes('down', bytes.length);
        },
        finish: () => this.#finish(direction),
        onRoom: () => this.#room(direction),
      },
      isUp,
    );
  }

  /** One side has hung up, and the other one is told, unless the link swallows even that. */
  #finish(direction: Direction): void {
    const [from, to] = this.#ends(direction);
    if (!this.#isLost(direction)) to?.end();
    if (this.#isMute[direction] || to === undefined) from?.destroy();
  }

  #isLost(direction: Direction): boolean {
    const fault = this.#link.fault();
    if (fault.mode === 'blackHole') this.#mute();
    else if (isSwallowed(fault, direction)) this.#isMute[direction] = true;
    return this.#isMute[direction];
  }

  #mute(): void {
    this.#isMute.up = true;
    this.#isMute.down = true;
  }

  /** Whether one side may hear at once that the other one broke off. */
  #isTold(direction: Direction): boolean {
    return !this.#isMute[direction] && !isSilent(this.#link.fault(), direction);
  }

  #server(): Socket {
    if (this.#outward !== undefined) return this.#outward;
    const outward = connect({ ...this.#link.target, noDelay: true, allowHalfOpen: true });
    this.#outward = outward;
    outward.on('data', (chunk: Buffer) => this.#fromServer(this.#answers.take(chunk)));
    outward.on('end', () => {
      this.#fromServer(this.#answers.flush());
      this.#lanes.down.end();
    });
    outward.on('drain', () => this.#room('up'));
    outward.on('error', () => {
      if (this.#isTold('down')) reset(this.#inward);
      else this.#mute();
    });
    outward.on('close', () => this.#checkOver());
    return outward;
  }

  #fromClient(chunk: Buffer): void {
    this.#link.onBytes('up', chunk.length);
    if (this.#link.fault().mode === 'reset') {
      reset(this.#inward);
      return;
    }
    for (const part of this.#requests.take(chunk)) this.#request(part);
    this.#pauseWhenFull('up');
  }

  #request(part: Part): void {
    if (part.head !== undefined || part.isOpaque) this.#canned = cannedAnswer(this.#link.fault());
    if (part.head !== undefined) this.#link.onRequest();
    if (this.#canned === undefined) {
      this.#lanes.up.push(part.raw);
      return;
    }
    if (part.isEnd || part.isOpaque) this.#lanes.down.push(this.#canned);
    if (part.isOpaque) this.#lanes.down.end();
  }

  #fromServer(parts: readonly Part[]): void {
    for (const part of parts) {
      if (part.isOpaque) this.#opaqueAnswer(part.raw);
      else this.#answerPart(part);
    }
    this.#pauseWhenFull('down');
  }

  #answerPart(part: Part): void {
    if (part.head !== undefined) {
      this.#change = changeOf(this.#link.fault());
      this.#answer = { head: part.head, body: [] };
    }
    if (this.#change === undefined) {
      this.#lanes.down.push(part.raw);
      return;
    }
    this.#answer.body.push(part.body);
    if (!part.isEnd) return;
    const { bytes, isLast } = this.#change(this.#answer.head, Buffer.concat(this.#answer.body));
    this.#lanes.down.push(bytes);
    if (isLast) this.#hangUp();
  }

  /** TLS and the like: it can be cut short, but not changed. */
  #opaqueAnswer(raw: Buffer): void {
    const isCut = this.#link.fault().mode === 'truncate';
    this.#lanes.down.push(isCut ? raw.subarray(0, raw.length / 2) : raw);
    if (isCut) this.#hangUp();
  }

  #hangUp(): void {
    this.#lanes.down.end();
    this.#outward?.destroy();
  }

  #clientEnded(): void {
    for (const part of this.#requests.flush()) this.#lanes.up.push(part.raw);
    this.#lanes.up.end();
  }

  #clientGone(): void {
    // On a silent link the server goes on as if somebody were there, and may send what nobody will read.
    if (this.#isTold('up')) this.#outward?.destroy();
    this.#checkOver();
  }

  #checkOver(): void {
    if (!this.#inward.destroyed || this.#outward?.destroyed === false) return;
    this.#over.abort(new Error('the connection is over'));
    this.#onOver();
  }

  #pauseWhenFull(direction: Direction): void {
    const [from, to] = this.#ends(direction);
    if (this.#lanes[direction].backlog + (to?.writableLength ?? 0) > MAX_BACKLOG_BYTES) from?.pause();
  }

  #room(direction: Direction): void {
    const [from, to] = this.#ends(direction);
    if (from?.isPaused() && this.#lanes[direction].backlog + (to?.writableLength ?? 0) <= MAX_BACKLOG_BYTES)
      from.resume();
  }

  #ends(direction: Direction): [from: Socket | undefined, to: Socket | undefined] {
    return direction === 'up' ? [this.#inward, this.#outward] : [this.#outward, this.#inward];
  }
}
