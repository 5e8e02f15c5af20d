import type { Socket } from 'node:net';
import { beginsRequest, Turns } from './turns.ts';

/** What a connection needs of its relay. */
export interface Crossing {
  readonly target: string | undefined;
  /** Connects to a container; undefined when that does not work now. */
  connect(id: string, port: number): Promise<Socket | undefined>;
  /** true: there is room for one more that waits. */
  mayWait(passage: Passage): boolean;
  /** Waits for the next try; ends early when there is another target. */
  pause(tries: number): Promise<void>;
  /** Has no server and waits no more. */
  settled(passage: Passage): void;
  over(passage: Passage): void;
}

/** How long a connection is held while nobody takes it, milliseconds. */
export const HOLD_MS = 10_000;

/**
 * One client's connection, and the one to a container behind it. It stays with its container as long as something is under
 * way, and goes on to the present target between two HTTP/1 requests, or before anything has passed.
 */
export class Passage {
  readonly #client: Socket;
  readonly #port: number;
  readonly #relay: Crossing;
  #backend: Socket | undefined;
  #backendId: string | undefined;
  #turns = new Turns();
  /** What the client said while nobody was there to hear it. */
  #unsent: Buffer | undefined;
  #isDialing = false;
  #hasClientEnded = false;
  #isOver = false;

  /** `client`: accepted, paused, allows half-open ends. */
  constructor(client: Socket, port: number, relay: Crossing) {
    this.#client = client;
    this.#port = port;
    this.#relay = relay;
    client.setNoDelay(true);
    // A client that has vanished is found out in the end.
    client.setKeepAlive(true, 60_000);
    client.on('data', (chunk: Buffer) => this.#fromClient(chunk));
    client.on('end', () => this.#clientEnded());
    client.on('drain', () => this.#backend?.resume());
    client.on('error', () => undefined);
    client.on('close', (isFailed) => this.#clientClosed(isFailed));
    void this.#dial();
  }

  /** Container it is connected to, by short id. */
  get backendId(): string | undefined {
    return this.#backendId;
  }

  /** true: moving it to another container would be noticed. */
  get isInUse(): boolean {
    return this.#backend !== undefined && !this.#turns.isIdle;
  }

  /** Leaves a container that is no longer the target, when nothing is under way. */
  moveOn(): void {
    if (this.#backend === undefined || this.isInUse || this.#hasClientEnded) return;
    if (this.#backendId === this.#relay.target) return;
    const isVirgin = this.#turns.isVirgin;
    this.#leave();
    // Whose server speaks first waits for it; with HTTP there is time until the next request.
    if (isVirgin) void this.#dial();
  }

  destroy(): void {
    this.#client.destroy();
  }

  #fromClient(chunk: Buffer): void {
    const isLeft = this.#backendId !== this.#relay.target;
    if (isLeft && (this.#turns.isVirgin || beginsRequest(chunk))) this.moveOn();
    if (this.#backend === undefined) {
      this.#unsent = this.#unsent === undefined ? chunk : Buffer.concat([this.#unsent, chunk]);
      void this.#dial();
      return;
    }
    this.#turns.fromClient(chunk);
    if (!this.#backend.write(chunk)) this.#client.pause();
  }

  #clientEnded(): void {
    this.#hasClientEnded = true;
    if (this.#backend !== undefined) this.#backend.end();
    else if (!this.#isDialing) this.#client.end();
  }

  #clientClosed(isFailed: boolean): void {
    this.#isOver = true;
    if (isFailed) this.#backend?.destroy();
    else this.#backend?.destroySoon();
    this.#relay.over(this);
  }

  async #dial(): Promise<void> {
    if (this.#isDialing || this.#isOver) return;
    this.#isDialing = true;
    this.#client.pause();
    const since = performance.now();
    for (let tries = 0; !this.#isOver; tries += 1) {
      const { target } = this.#relay;
      const backend = target === undefined ? undefined : await this.#relay.connect(target, this.#port);
      if (backend !== undefined && !this.#isOver && target === this.#relay.target) {
        this.#isDialing = false;
        this.#relay.settled(this);
        this.#attach(backend, target);
        return;
      }
      backend?.destroy();
      if (performance.now() - since > HOLD_MS || !this.#relay.mayWait(this)) {
        // As a machine does on which nobody listens.
        reset(this.#client);
        return;
      }
      await this.#relay.pause(tries);
    }
  }

  #attach(backend: Socket, id: string | undefined): void {
    this.#backend = backend;
    this.#backendId = id;
    this.#turns = new Turns();
    backend.setNoDelay(true);
    backend.setKeepAlive(true, 60_000);
    const isMine = () => this.#backend === backend;
    backend.on('data', (chunk: Buffer) => {
      if (!isMine()) return;
      this.#turns.fromServer(chunk);
      if (!this.#client.write(chunk)) backend.pause();
    });
    backend.on('drain', () => isMine() && this.#client.resume());
    backend.on('end', () => isMine() && this.#backendEnded());
    backend.on('error', () => undefined);
    backend.on('close', (isFailed) => isMine() && this.#backendClosed(isFailed));
    const first = this.#unsent;
    this.#unsent = undefined;
    if (first !== undefined) {
      this.#turns.fromClient(first);
      backend.write(first);
    }
    if (this.#hasClientEnded) backend.end();
    this.#client.resume();
  }

  #backendEnded(): void {
    this.moveOn();
    if (this.#backend !== undefined) this.#client.end();
  }

  #backendClosed(isFailed: boolean): void {
    this.moveOn();
    if (this.#backend === undefined) return;
    if (isFailed) reset(this.#client);
    else this.#client.destroySoon();
  }

  #leave(): void {
    const backend = this.#backend;
    this.#backend = undefined;
    this.#backendId = undefined;
    this.#turns = new Turns();
    backend?.removeAllListeners('data').resume();
    backend?.destroySoon();
  }
}

/** Breaks a connection off as a machine does that has none such. Not by `resetAndDestroy`: an error while it sends the end of
 *  the stream leaves Node with a handle that is never closed, and the process then spins at its end. */
function reset(socket: Socket): void {
  if (socket.destroyed) return;
  const isEnding = socket.writableEnded && !socket.writableFinished;
  // What `resetAndDestroy` itself sets (Node 18.3 and later).
  if (!isEnding) Object.assign(socket, { resetAndClosing: true });
  socket.destroy();
}
