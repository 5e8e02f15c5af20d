import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { callName, RequestCounter } from '../../../build/bench/relay.mjs';

/** One request that went through a relay. */
export interface RelayedCall {
  method: string;
  path: string;
  /** "POST /containers/{id}/start": without version, ids and query. */
  name: string;
}

/** Stands between agent and engine: counts what passes, and misbehaves when told to. */
export class Relay {
  /** Path of its own socket. */
  readonly path: string;
  /** Bytes since the last `reset`. */
  bytes = { toEngine: 0, fromEngine: 0 };
  /** Every chunk of an answer is held for this long, milliseconds. */
  delayMs = 0;
  /** true: new connections are closed at once. */
  refuses = false;
  /** Above 0: each connection is broken after so many bytes of answers. */
  resetAfterBytes = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #calls: RelayedCall[] = [];

  constructor(path: string, enginePath: string) {
    this.path = path;
    this.#server = createServer((inward) => this.#carry(inward, enginePath));
  }

  listen(): Promise<this> {
    rmSync(this.path, { force: true });
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.path, () => resolve(this));
    });
  }

  /** Requests since the last `reset`, oldest first. */
  get calls(): readonly RelayedCall[] {
    return this.#calls;
  }

  /** Requests that change something, by name, since the last `reset`. */
  get mutating(): readonly string[] {
    return this.#calls.filter(({ method }) => method !== 'GET' && method !== 'HEAD').map(({ name }) => name);
  }

  /** Number of looks at the engine since the last `reset`: each lists the containers once. */
  get looks(): number {
    return this.#calls.filter(({ name }) => name === 'GET /containers/json').length;
  }

  reset(): void {
    this.#calls = [];
    this.bytes = { toEngine: 0, fromEngine: 0 };
  }

  /** Breaks every connection there is. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #carry(inward: Socket, enginePath: string): void {
    if (this.refuses) {
      inward.destroy();
      return;
    }
    const outward = connect(enginePath);
    const counter = new RequestCounter((method, path) =>
      this.#calls.push({ method, path, name: callName(method, path) }),
    );
    let answered = 0;
    inward.on('data', (chunk: Buffer) => {
      this.bytes.toEngine += chunk.length;
      counter.take(chunk);
    });
    inward.pipe(outward);
    outward.on('data', (chunk: Buffer) => {
      this.bytes.fromEngine += chunk.length;
      answered += chunk.length;
      if (this.resetAfterBytes > 0 && answered > this.resetAfterBytes) inward.destroy();
      else if (this.delayMs === 0) inward.write(chunk);
      else setTimeout(() => inward.writable && inward.write(chunk), this.delayMs);
    });
    outward.on('end', () => setTimeout(() => inward.end(), this.delayMs));
    for (const [socket, other] of [
      [inward, outward],
      [outward, inward],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        if (socket === inward) outward.destroy();
      });
    }
  }
}
