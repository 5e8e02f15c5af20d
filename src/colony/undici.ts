// The only door to undici in this room. Pool and request are taken from their own modules: the package's index also
// loads fetch, WebSocket, caches and mocks, which cost megabytes that an agent on a small gateway has no use for.
import type { Socket } from 'node:net';
import type { Dispatcher } from 'undici';
import request from 'undici/lib/api/api-request.js';
import Pool from 'undici/lib/dispatcher/pool.js';

/** An answer whose body is still to be read. */
export type Response = Dispatcher.ResponseData;

/** A bounded set of connections to one server. */
export interface ConnectionPool {
  request(options: Dispatcher.RequestOptions): Promise<Response>;
  /** Drops all connections at once, also busy ones. */
  destroy(): Promise<void>;
}

/** Opens connections by `open` only when they are needed and never sends a second request on a busy one. */
export function createPool(origin: string, connections: number, open: () => Promise<Socket>): ConnectionPool {
  const pool = new Pool(origin, {
    connect: (_options, callback) => {
      open().then(
        (socket) => callback(null, socket),
        (error) => callback(error, null),
      );
    },
    connections,
    pipelining: 1,
    // Deadlines are the client's own.
    headersTimeout: 0,
    bodyTimeout: 0,
    // Shorter than what routers and gateways on the way forget after.
    keepAliveTimeout: 15_000,
    keepAliveMaxTimeout: 55_000,
  });
  return {
    request: (options) => request.call(pool, options),
    destroy: () => pool.destroy(),
  };
}
