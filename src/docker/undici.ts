// The only door to undici in this room. Pool and request are taken from their own modules: the package's index also
// loads fetch, WebSocket, caches and mocks, which cost megabytes that an agent on a small gateway has no use for.
import type { Dispatcher } from 'undici';
import request from 'undici/lib/api/api-request.js';
import Pool from 'undici/lib/dispatcher/pool.js';

/** An answer whose body is still to be read. */
export type Response = Dispatcher.ResponseData;

/** A bounded set of connections to one unix socket. */
export interface ConnectionPool {
  request(options: Dispatcher.RequestOptions): Promise<Response>;
  /** Drops all connections at once, also busy ones. */
  destroy(): Promise<void>;
}

/** Opens connections only when they are needed and never sends a second request on a busy one. */
export function createPool(socketPath: string, connections: number): ConnectionPool {
  const pool = new Pool('http://engine', {
    connect: { socketPath, timeout: 5_000 },
    connections,
    pipelining: 1,
    // Deadlines are the transport's own.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 4_000,
  });
  return {
    request: (options) => request.call(pool, options),
    destroy: () => pool.destroy(),
  };
}

/** How a web server is reached. */
export interface WebOptions {
  /** PEM certificates to trust, in the place of Node's own. */
  ca: readonly string[] | undefined;
  /** false: any certificate will do. */
  isVerified: boolean;
  /** Default: one. */
  connections?: number | undefined;
}

/** Connections to a web server, http or https; for a few questions, and then to be destroyed. */
export function createWebPool(
  origin: string,
  { ca, isVerified, connections = 1 }: WebOptions,
): ConnectionPool {
  const trusted = ca === undefined ? {} : { ca: [...ca] };
  const pool = new Pool(origin, {
    connect: { timeout: 5_000, rejectUnauthorized: isVerified, ...trusted },
    connections,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 4_000,
  });
  return {
    request: (options) => request.call(pool, options),
    destroy: () => pool.destroy(),
  };
}
