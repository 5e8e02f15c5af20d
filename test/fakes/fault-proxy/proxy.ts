import { createServer, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { errorCode } from '../../../src/base/errors.ts';
import { type Random, systemRandom } from '../../../src/base/random.ts';
import { TokenBucket } from './bucket.ts';
import { Connection, type Link } from './connection.ts';
import { type Fault, isBreaking, isSilent, type LinkShape, type Mode, rateOf } from './fault.ts';

const HOST = '127.0.0.1';

export interface FaultProxyOptions {
  target: { host: string; port: number };
  /** For jitter and losses. */
  random?: Random;
  clock?: Clock;
}

/** What went through, whatever became of it. */
export interface Counters {
  connections: number;
  /** Bytes that clients sent. */
  bytesUp: number;
  /** Bytes that were handed to clients. */
  bytesDown: number;
  /** HTTP requests, by the mode in which they began; none are seen inside TLS. */
  requests: Partial<Record<Mode, number>>;
}

/** A link that misbehaves on purpose: TCP on loopback, switched while it runs. */
export interface FaultProxy {
  readonly port: number;
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly fault: Fault;
  /** Takes effect at once, also on open connections; resolves when the port is open or closed as the fault wants it. */
  set(fault: Fault): Promise<void>;
  /** How good the link is; what is left out is perfect. */
  shape(shape: LinkShape): void;
  /** Ends all open connections: with a reset, or (`tell: false`, an address change) by never passing a byte again. */
  cut(options: { tell: boolean }): void;
  counters(): Counters;
  /** Connections of which at least one side is still open. */
  readonly open: number;
  /** For good: later changes open nothing. Resolves when nothing is open any more. */
  close(): Promise<void>;
}

/** Listens before it resolves. Throws what `listen` throws when no port is free. */
export async function createFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const clock = options.clock ?? systemClock;
  const counters: Counters = { connections: 0, bytesUp: 0, bytesDown: 0, requests: {} };
  const connections = new Set<{ cut(tell: boolean): void; release(): void }>();
  const buckets = { up: new TokenBucket(clock), down: new TokenBucket(clock) };
  let fault: Fault = { mode: 'pass' };
  let shape: LinkShape = {};
  let isClosed = false;
  let changing: Promise<void> = Promise.resolve();
  let onNoneLeft = () => {};

  const link: Link = {
    ...{ clock, buckets, random: options.random ?? systemRandom, target: options.target },
    fault: () => fault,
    shape: () => shape,
    onRequest: () => {
      counters.requests[fault.mode] = (counters.requests[fault.mode] ?? 0) + 1;
    },
    onBytes: (direction, bytes) => {
      counters[direction === 'up' ? 'bytesUp' : 'bytesDown'] += bytes;
    },
  };
  const door = await openDoor((socket) => {
    counters.connections += 1;
    const forget = () => {
      connections.delete(connection);
      if (connections.size === 0) onNoneLeft();
    };
    const connection =
      fault.mode === 'tlsFailure'
        ? failTls(socket, fault.certificate, forget)
        : new Connection(socket, link, forget);
    connections.add(connection);
  });
  const setRates = () => {
    buckets.up.setRate(rateOf(fault, shape, 'up'));
    buckets.down.setRate(rateOf(fault, shape, 'down'));
  };
  const cut = (tell: boolean) => {
    for (const one of [...connections]) one.cut(tell);
  };

  return {
    port: door.port,
    url: `http://${HOST}:${door.port}`,
    get fault() {
      return fault;
    },
    set(next) {
      fault = next;
      setRates();
      if (isBreaking(next)) cut(true);
      else if (!isSilent(next, 'up') && !isSilent(next, 'down'))
        for (const one of [...connections]) one.release();
      changing = changing.then(() => door.set(fault.mode !== 'refuse' && !isClosed));
      return changing;
    },
    shape(next) {
      shape = next;
      setRates();
    },
    cut: ({ tell }) => cut(tell),
    counters: () => structuredClone(counters),
    get open() {
      return connections.size;
    },
    async close() {
      isClosed = true;
      cut(true);
      changing = changing.then(() => door.set(false));
      await changing;
      const noneLeft = new Promise<void>((resolve) => {
        onNoneLeft = resolve;
      });
      if (connections.size > 0) await noneLeft;
    },
  };
}

/** Fails a TLS handshake: by a certificate that nobody trusts, or by bytes that are no TLS. */
function failTls(
  socket: Socket,
  certificate: { cert: string; key: string } | undefined,
  onClose: () => void,
): { cut(): void; release(): void } {
  socket.on('error', () => undefined);
  socket.on('close', onClose);
  if (certificate === undefined) {
    socket.once('data', () => socket.end('this is no TLS\r\n'));
    socket.on('end', () => socket.end());
  } else {
    const secured = new TLSSocket(socket, { isServer: true, ...certificate });
    secured.on('error', () => socket.destroy());
    secured.on('secure', () => secured.end());
    secured.resume();
  }
  return { cut: () => socket.destroy(), release: () => undefined };
}

/** A port that can be closed and opened again. */
interface Door {
  port: number;
  set(isOpen: boolean): Promise<void>;
}

/**
 * Ports from below the range that systems take for outgoing connections: nothing else gets them by chance while they
 * are closed, and no client can connect to itself there.
 */
async function openDoor(onSocket: (socket: Socket) => void): Promise<Door> {
  let server: Server | undefined;
  for (let attempt = 1; ; attempt++) {
    // Never seeded: tests that run at the same time must not all try the same ports.
    const port = 10_000 + Math.floor(systemRandom.next() * 22_000);
    try {
      server = await listen(port, onSocket);
      return {
        port,
        async set(isOpen) {
          const present = server;
          if (isOpen) server ??= await listen(port, onSocket);
          else server = undefined;
          if (!isOpen && present !== undefined)
            await new Promise<void>((resolve) => present.close(() => resolve()));
        },
      };
    } catch (error) {
      if (errorCode(error) !== 'EADDRINUSE' || attempt === 50) throw error;
    }
  }
}

function listen(port: number, onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, onSocket);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, () => resolve(server));
  });
}
