import { setImmediate } from 'node:timers/promises';
import { createConnector, type Route } from './connect.ts';
import type { HttpReply } from './envelope.ts';
import { ColonyError } from './errors.ts';
import { headBytes } from './traffic.ts';
import { createPool, type Response } from './undici.ts';

/** One POST to the server. */
export interface HttpRequest {
  path: string;
  headers: Readonly<Record<string, string>>;
  body: string;
  /** The server holds the answer back on purpose. */
  isLongPoll: boolean;
  /** The payload type, for errors. */
  type: string;
}

/** Carries requests to the server; `onBytes` hears of every piece of an answer, also of one that breaks off. */
export interface Transport {
  exchange(request: HttpRequest, signal: AbortSignal, onBytes: (size: number) => void): Promise<HttpReply>;
  /** Drops all connections. */
  close(): Promise<void>;
}

/** Requests over real connections; longer answers than `maxBodyBytes` are refused with `COLONY_PROTOCOL`. */
export function createSockets(route: Route, maxBodyBytes: number): Transport {
  const { server } = route;
  const connect = createConnector(route);
  // Long polls keep connections of their own, so that a report never waits for one to end.
  const pools = {
    short: createPool(server.origin, 4, connect),
    long: createPool(server.origin, 4, connect),
  };
  return {
    async exchange({ path, headers, body, isLongPoll, type }, signal, onBytes) {
      const pool = isLongPoll ? pools.long : pools.short;
      const response = await pool.request({
        method: 'POST',
        path,
        headers: { ...headers },
        body: Buffer.from(body),
        signal,
      });
      onBytes(headBytes('HTTP/1.1 200 OK', response.headers));
      const text = await bodyText(response, maxBodyBytes, type, onBytes);
      // The connection counts as free only a turn later; a next call before that would open another one.
      await setImmediate();
      return { status: response.statusCode, headers: response.headers, body: text };
    },
    async close() {
      await Promise.all([pools.short.destroy(), pools.long.destroy()]);
    },
  };
}

/** Reads to the end, so that the connection can be used again; a body past the limit costs the connection. */
async function bodyText(
  response: Response,
  limit: number,
  type: string,
  onBytes: (size: number) => void,
): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    onBytes(chunk.length);
    if (size > limit)
      throw new ColonyError('COLONY_PROTOCOL', `${type}: the answer is longer than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
