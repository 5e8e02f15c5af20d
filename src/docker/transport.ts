import { untilAborted } from '../base/abort.ts';
import type { Clock } from '../base/clock.ts';
import { EdgeError } from '../base/errors.ts';
import { type Deadline, deadlineOf } from './deadline.ts';
import { connectionError, engineError, messageOf, refusal, type Subject } from './errors.ts';
import { type ConnectionPool, createPool, type Response } from './undici.ts';

/** One call. `path` is complete, with the API version in it. */
export interface Call {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, instead of `body`. */
  raw?: { data: Uint8Array; type: string };
  /** More headers; they may be secret and are in no error. */
  headers?: Readonly<Record<string, string>>;
  deadlineMs: number;
  signal?: AbortSignal | undefined;
  /** Long calls and streams have connections of their own, so that they never keep a listing waiting. */
  pool?: 'short' | 'long';
  /** What it is about, for errors. */
  subject: Subject;
  target?: string | undefined;
  /** A refusal that means "already so": the call then counts as done. */
  alreadySo?(status: number, message: string): boolean;
}

/** A finished answer; `json` is undefined where the body is empty or not JSON. */
export interface Answer {
  status: number;
  json: unknown;
}

/** Body chunks, read as they come; leaving the loop early closes the connection. */
export interface Stream {
  contentType: string;
  /** A header of the answer by its lower-case name; empty when it is not there. */
  header(name: string): string;
  chunks: AsyncIterable<Uint8Array>;
  deadline: Deadline;
}

/** Requests over one unix socket, with deadlines, bounded bodies and one kind of error. */
export interface Transport {
  readonly endpoint: string;
  send(call: Call): Promise<Answer>;
  /** `deadlineMs` counts until the headers are there; what follows is limited only by `stream.deadline`. */
  open(call: Call, late?: (ms: number) => Error): Promise<Stream>;
  close(): Promise<void>;
}

const DEFAULT_SOCKET = '/var/run/docker.sock';
const MAX_BODY_BYTES = 32 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;

/** The socket path of `unix:///path` (or of a plain absolute path); empty or absent means Docker's default. Throws
 *  `BAD_ENDPOINT` for anything else. */
export function parseEndpoint(endpoint: string | undefined): string {
  if (endpoint === undefined || endpoint === '') return DEFAULT_SOCKET;
  const path = endpoint.startsWith('unix://') ? endpoint.slice('unix://'.length) : endpoint;
  if (!path.startsWith('/') || path === '/')
    throw new EdgeError(
      `Cannot use engine endpoint ${endpoint}: it must be a unix socket such as unix://${DEFAULT_SOCKET}`,
      { code: 'BAD_ENDPOINT', retry: 'permanent', target: endpoint },
    );
  return path;
}

/** Connects to nothing until the first call. Throws `BAD_ENDPOINT`. */
export function createTransport(options: {
  endpoint?: string | undefined;
  clock: Clock;
  /** Told of each connection that failed or broke, before the error is thrown. */
  onBroken?(): void;
  maxBodyBytes?: number;
}): Transport {
  const socketPath = parseEndpoint(options.endpoint);
  const endpoint = `unix://${socketPath}`;
  const maxBodyBytes = options.maxBodyBytes ?? MAX_BODY_BYTES;
  const pools = { short: createPool(socketPath, 32), long: createPool(socketPath, 64) };

  function failure(error: unknown, call: Call, deadline: Deadline): EdgeError {
    const reason: unknown = deadline.signal.aborted ? deadline.signal.reason : error;
    const failed = connectionError(reason, endpoint, label(call));
    if (failed.code !== 'CANCELLED' && failed.code !== 'ENGINE_TIMEOUT') options.onBroken?.();
    return failed;
  }

  async function start(call: Call, deadline: Deadline): Promise<Response> {
    const pool: ConnectionPool = pools[call.pool ?? 'short'];
    const body = call.raw?.data ?? (call.body === undefined ? null : JSON.stringify(call.body));
    const type = call.raw?.type ?? 'application/json';
    const asked = pool.request({
      method: call.method,
      path: call.path + queryText(call.query),
      headers: { ...(body === null ? {} : { 'content-type': type }), ...call.headers },
      body,
      signal: deadline.signal,
    });
    // A request that still waits for its connection does not heed the signal; whoever asked is let go all the same.
    return untilAborted(asked, deadline.signal);
  }

  return {
    endpoint,
    async send(call) {
      const deadline = deadlineOf(options.clock, call.deadlineMs, call.signal, label(call));
      try {
        if (deadline.signal.aborted) throw deadline.signal.reason;
        const response = await start(call, deadline);
        const limit = response.statusCode >= 400 ? MAX_ERROR_BYTES : maxBodyBytes;
        const text = await bodyText(response, limit, call);
        return finish(call, response, text);
      } catch (error) {
        throw error instanceof EdgeError && !deadline.signal.aborted ? error : failure(error, call, deadline);
      } finally {
        deadline.done();
      }
    },
    async open(call, late) {
      const deadline = deadlineOf(options.clock, call.deadlineMs, call.signal, label(call), late);
      try {
        if (deadline.signal.aborted) throw deadline.signal.reason;
        const response = await start({ pool: 'long', ...call }, deadline);
        if (response.statusCode >= 300) {
          finish(call, response, await bodyText(response, MAX_ERROR_BYTES, call));
          throw engineError(
            'ENGINE_PROTOCOL',
            `${label(call)}: answered ${response.statusCode}`,
            call.target,
          );
        }
        deadline.lift();
        const chunks = bodyChunks(response, (error) => failure(error, call, deadline), deadline);
        const header = (name: string) => String(response.headers[name] ?? '');
        return { contentType: header('content-type'), header, chunks, deadline };
      } catch (error) {
        deadline.done();
        throw error instanceof EdgeError && !deadline.signal.aborted ? error : failure(error, call, deadline);
      }
    },
    async close() {
      await Promise.all([pools.short.destroy(), pools.long.destroy()]);
    },
  };
}

function label(call: Call): string {
  return `${call.method} ${call.path}`;
}

function queryText(query: Call['query']): string {
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
  if (pairs.length === 0) return '';
  return `?${new URLSearchParams(pairs.map(([key, value]): [string, string] => [key, String(value)])).toString()}`;
}

/** Reads to the end, so that the connection can be used again; a body past the limit costs the connection. */
async function bodyText(response: Response, limit: number, call: Call): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > limit)
      throw engineError(
        'ENGINE_PROTOCOL',
        `${label(call)}: the answer is longer than ${limit} bytes`,
        call.target,
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function finish(call: Call, response: Response, text: string): Answer {
  const status = response.statusCode;
  if (status >= 200 && status < 300) return { status, json: jsonOf(call, text) };
  // 304: the container already is in the wanted state.
  if (status === 304) return { status, json: undefined };
  const message = messageOf(text);
  if (call.alreadySo?.(status, message) === true) return { status, json: undefined };
  throw refusal(status, message, { subject: call.subject, target: call.target, call: label(call) });
}

function jsonOf(call: Call, text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  try {
    return JSON.parse(trimmed);
  } catch (error) {
    if (call.method !== 'GET') return undefined;
    const start = trimmed.slice(0, 40).replace(/\s+/g, ' ');
    throw engineError(
      'ENGINE_PROTOCOL',
      `${label(call)}: the answer is not JSON but "${start}"`,
      call.target,
      error,
    );
  }
}

async function* bodyChunks(
  response: Response,
  failure: (error: unknown) => EdgeError,
  deadline: Deadline,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body) yield chunk;
  } catch (error) {
    throw failure(error);
  } finally {
    deadline.done();
    // A body that was left early must not leave its rest to the next call on this connection.
    response.body.on('error', () => undefined);
    response.body.destroy();
  }
}
