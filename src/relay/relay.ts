import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { RelayState } from '../model/relay.ts';
import { type Crossing, Passage } from './passage.ts';

/** Connections at a time; more are closed at once. */
const MOST_OPEN = 1_000;
/** Of these, such as wait for a container that takes them. */
const MOST_WAITING = 500;
const CONNECT_MS = 2_000;
const FIRST_PAUSE_MS = 50;
const MOST_PAUSE_MS = 500;
/** How often connections of earlier targets are looked at while there are any, milliseconds. */
const SWEEP_MS = 100;

/** A port of the relay, and the port of the container behind it. */
export interface RelayPort {
  listen: number;
  to: number;
}

export interface RelayOptions {
  ports: readonly RelayPort[];
  /** The address that a container has now. */
  addressOf(id: string): Promise<string | undefined>;
  /** It did not answer there. */
  forget(id: string): void;
  /** Called when the state is another one. */
  onChange(): void;
}

/** Takes connections on its ports and passes them on to the present target. */
export class Relay implements Crossing {
  readonly #options: RelayOptions;
  readonly #servers: Server[] = [];
  readonly #passages = new Set<Passage>();
  readonly #waiting = new Set<Passage>();
  readonly #wakers = new Set<() => void>();
  /** Earlier targets with connections, and when they stopped being it. */
  readonly #left = new Map<string, number>();
  #inUse = new Map<string, number>();
  #target: string | undefined;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  get target(): string | undefined {
    return this.#target;
  }

  set target(id: string | undefined) {
    if (id === this.#target) return;
    if (this.#target !== undefined) this.#left.set(this.#target, performance.now());
    this.#target = id;
    if (id !== undefined) this.#left.delete(id);
    for (const wake of this.#wakers) wake();
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweep();
    this.#options.onChange();
  }

  /** Connections at present. */
  get open(): number {
    return this.#passages.size;
  }

  state(): RelayState {
    const now = performance.now();
    return {
      ...(this.#target === undefined ? {} : { target: this.#target }),
      draining: [...this.#inUse].map(([id, inUse]) => ({
        id,
        inUse,
        sinceMs: Math.round(now - (this.#left.get(id) ?? now)),
      })),
    };
  }

  /** Binds all ports; throws the system's error for one that cannot be had. */
  async listen(): Promise<void> {
    for (const { listen, to } of this.#options.ports) {
      const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
        this.#passages.add(new Passage(client, to, this));
      });
      server.maxConnections = MOST_OPEN;
      this.#servers.push(server);
      server.listen(listen);
      await once(server, 'listening');
    }
  }

  /** Takes no more connections, and gives those in use some time. */
  async close(graceMs: number): Promise<void> {
    for (const server of this.#servers) server.close();
    const end = performance.now() + graceMs;
    while ([...this.#passages].some(({ isInUse }) => isInUse) && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, SWEEP_MS));
    for (const passage of this.#passages) passage.destroy();
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  async connect(id: string, port: number): Promise<Socket | undefined> {
    const host = await this.#options.addressOf(id);
    if (host === undefined) {
      this.#options.forget(id);
      return undefined;
    }
    return new Promise((resolve) => {
      const socket = connect({ host, port, allowHalfOpen: true });
      const give = (result: Socket | undefined) => {
        socket.setTimeout(0).removeAllListeners('timeout');
        socket
          .removeAllListeners('connect')
          .removeAllListeners('error')
          .on('error', () => undefined);
        if (result === undefined) {
          this.#options.forget(id);
          socket.destroy();
        }
        resolve(result);
      };
      socket.setTimeout(CONNECT_MS, () => give(undefined));
      socket.on('error', () => give(undefined));
      socket.on('connect', () => give(socket));
    });
  }

  mayWait(passage: Passage): boolean {
    if (this.#waiting.size >= MOST_WAITING) return this.#waiting.has(passage);
    this.#waiting.add(passage);
    return true;
  }

  pause(tries: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wakers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.min(FIRST_PAUSE_MS * 2 ** tries, MOST_PAUSE_MS));
      this.#wakers.add(wake);
    });
  }

  settled(passage: Passage): void {
    this.#waiting.delete(passage);
  }

  over(passage: Passage): void {
    this.#waiting.delete(passage);
    this.#passages.delete(passage);
  }

  /** Moves on what can be moved, and counts what cannot yet. */
  #sweep(): void {
    const inUse = new Map<string, number>();
    for (const passage of this.#passages) {
      passage.moveOn();
      const { backendId } = passage;
      if (backendId !== undefined && backendId !== this.#target)
        inUse.set(backendId, (inUse.get(backendId) ?? 0) + 1);
    }
    const isSame =
      inUse.size === this.#inUse.size && [...inUse].every(([id, n]) => this.#inUse.get(id) === n);
    this.#inUse = inUse;
    for (const id of this.#left.keys()) if (!inUse.has(id)) this.#left.delete(id);
    if (!isSame) this.#options.onChange();
    if (inUse.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }
}
