import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Answers one request on a raw connection: whatever bytes it likes, or none. */
export type Answerer = (socket: Socket, request: { method: string; path: string; count: number }) => void;

/** An engine that misbehaves on purpose: a unix socket on which tests write bytes by hand. */
export interface BadEngine {
  endpoint: string;
  path: string;
  /** "GET /v1.41/networks", in order of arrival. */
  requests: string[];
  /** Connections made so far. */
  connections: number;
  answer: Answerer;
  /** Stops listening and breaks every connection. */
  stop(): Promise<void>;
  /** Listens again at the same path. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** A complete JSON answer. */
export function reply(socket: Socket, status: number, body: unknown, type = 'application/json'): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const head = `HTTP/1.1 ${status} X\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n`;
  socket.write(head + text);
}

/** The head of a streamed answer; pieces follow with `chunk`. */
export function streamHead(socket: Socket): void {
  socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n');
}

export function chunk(socket: Socket, bytes: string | Uint8Array): void {
  const data = Buffer.from(bytes as string);
  if (socket.writable)
    socket.write(Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')]));
}

export function endChunks(socket: Socket): void {
  socket.write('0\r\n\r\n');
}

export const VERSION = {
  Version: '20.10.24',
  ApiVersion: '1.41',
  MinAPIVersion: '1.12',
  Os: 'linux',
  Arch: 'amd64',
};
export const INFO = { Name: 'host', NCPU: 2, MemTotal: 1e9, MemoryLimit: true, LoggingDriver: 'json-file' };

/** Answers what every call needs first, and hands the rest to `then`. */
export function usual(then: Answerer): Answerer {
  return (socket, request) => {
    if (request.path === '/version') reply(socket, 200, VERSION);
    else if (request.path.endsWith('/info')) reply(socket, 200, INFO);
    else then(socket, request);
  };
}

/** Listens at once; bodies of requests must be short enough to arrive in one piece. */
export async function badEngine(answer: Answerer): Promise<BadEngine> {
  const folder = mkdtempSync(join(tmpdir(), 'ce-bad-'));
  const path = join(folder, 'engine.sock');
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  const engine: BadEngine = {
    endpoint: `unix://${path}`,
    path,
    requests: [],
    connections: 0,
    answer,
    async start() {
      const made = createServer((socket) => {
        engine.connections += 1;
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
        socket.on('error', () => undefined);
        socket.on('data', (data) => {
          const match = /^(GET|POST|DELETE) (\S+) HTTP/.exec(data.toString('latin1'));
          if (match === null) return;
          const [, method = '', target = ''] = match;
          engine.requests.push(`${method} ${target}`);
          engine.answer(socket, { method, path: target, count: engine.requests.length });
        });
      });
      server = made;
      await new Promise<void>((resolve) => made.listen(path, resolve));
    },
    async stop() {
      const present = server;
      server = undefined;
      for (const socket of sockets) socket.destroy();
      if (present !== undefined) await new Promise<void>((resolve) => present.close(() => resolve()));
    },
    async close() {
      await engine.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await engine.start();
  return engine;
}
