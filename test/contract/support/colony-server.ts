import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { Secret } from '../../../src/base/secret.ts';
import {
  type ColonyClient,
  type ColonyClientOptions,
  createColonyClient,
} from '../../../src/colony/client.ts';

export const KEY = new Secret('1'.repeat(64));

/** The body of a good answer. */
export function answer(payload: unknown, type = 'versionmsg'): string {
  const encoded = Buffer.from(JSON.stringify(payload)).toString('base64');
  return JSON.stringify({ payloadtype: type, payload: encoded, error: false });
}

/** The body of a refusal. */
export function refusal(status: number, message: string): string {
  const encoded = Buffer.from(JSON.stringify({ status, message })).toString('base64');
  return JSON.stringify({ payloadtype: 'error', payload: encoded, error: true });
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Listens on loopback until the test ends, then drops what is still connected. Returns the port. */
export async function listen(t: TestContext, server: Server, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

export async function httpServer(t: TestContext, handler: Handler, host?: string): Promise<number> {
  return listen(t, createServer(handler), host);
}

export async function tlsServer(t: TestContext, options: ServerOptions, handler: Handler): Promise<number> {
  const server = createTlsServer(options, handler);
  server.on('tlsClientError', () => undefined);
  return listen(t, server);
}

/** A server that says these bytes, whatever is asked, and then does as told with the connection. */
export async function rawServer(t: TestContext, act: (socket: Socket) => void): Promise<number> {
  return listen(
    t,
    createTcpServer((socket) => socket.once('data', () => act(socket))),
  );
}

/** A client that is closed when the test ends. */
export function clientTo(
  t: TestContext,
  server: string,
  more: Partial<ColonyClientOptions> = {},
): ColonyClient {
  const client = createColonyClient({ server, key: KEY, clock: systemClock, ...more });
  t.after(() => client.close());
  return client;
}
