import { untilAborted } from '../base/abort.ts';
import type { Clock } from '../base/clock.ts';
import { EdgeError } from '../base/errors.ts';
import type { Secret } from '../base/secret.ts';
import type { Traffic } from '../model/colony.ts';
import type { Call, Purpose } from './call.ts';
import type { TlsSettings } from './connect.ts';
import type { signText } from './crypto.ts';
import { withDeadline } from './deadline.ts';
import { decodeReply, encodeRequest, type HttpReply } from './envelope.ts';
import { ColonyError } from './errors.ts';
import { linkError } from './link-errors.ts';
import { type Environment, type ProxyServer, proxyFor } from './proxy.ts';
import { isFromServer, ServerTime } from './server-time.ts';
import { createSockets, type HttpRequest, type Transport } from './sockets.ts';
import { headBytes, TrafficCounter } from './traffic.ts';

/** How long things may take, in milliseconds. */
export interface Deadlines {
  /** Until a connection stands: name, TCP, proxy, TLS. Default 15 s. */
  connectMs: number;
  /** Until an answer is read to its end. Default 60 s. */
  answerMs: number;
  /** The same for a heartbeat, the attempt that finds a lost link again: one that fell into a hole must not keep the next
   *  waiting. Default 15 s. */
  heartbeatMs: number;
  /** The same for a long poll, on top of the time it waits on purpose. Default 20 s. */
  pollSlackMs: number;
}

const DEADLINES: Deadlines = {
  connectMs: 15_000,
  answerMs: 60_000,
  heartbeatMs: 15_000,
  pollSlackMs: 20_000,
};
const MAX_BODY_BYTES = 16 * 1024 * 1024;

export type KeySource = Secret | (() => Promise<Secret>) | undefined;

export interface ColonyClientOptions {
  /** `http://host:port` or `https://host:port`, with a path where a gateway wants one. */
  server: string;
  /** Private key, 64 hexadecimal digits; a function is asked at each call until it gives one. Without a key only
   *  unsigned calls work. */
  key?: KeySource;
  /** A function is asked for each new connection: certificates are replaced while agents run. */
  tls?: TlsSettings | (() => Promise<TlsSettings>);
  /** Where the proxy variables are read; absent: no proxy. */
  env?: Environment;
  clock: Clock;
  deadlines?: Partial<Deadlines>;
  /** Longer answers are refused with `COLONY_PROTOCOL`. Default 16 MiB. */
  maxBodyBytes?: number;
  /** Where bytes are counted; clients may share one. Default: one of its own. */
  traffic?: TrafficCounter;
  /** Takes the place of connections, for simulations. What it throws is taken as a broken connection's error. */
  transport?: (
    request: Pick<HttpRequest, 'path' | 'headers' | 'body'>,
    signal: AbortSignal,
  ) => Promise<HttpReply>;
  /** Takes the place of signing, which needs milliseconds, for simulations of years and of thousands of nodes. */
  sign?: typeof signText;
}

/** A ColonyOS server, as far as one key sees it. */
export interface ColonyClient {
  /** Scheme, host and port, for people. */
  readonly endpoint: string;
  /** One request, never repeated from here. Throws a `ColonyError`, or `KEY_MISSING`. */
  send<T>(call: Call<T>, signal: AbortSignal): Promise<T>;
  /** Requests and bytes per purpose. */
  traffic(): Partial<Record<Purpose, Traffic>>;
  /** The server's wall clock by its last answer, epoch milliseconds, counted on from then; undefined before the first. */
  serverNow(): number | undefined;
  /** Drops all connections; calls under way fail with `CANCELLED`. */
  close(): Promise<void>;
}

/** The server's address; throws `BAD_ENDPOINT` for what is no http or https URL, or holds credentials or a query. */
export function parseServer(server: string): URL {
  let url: URL | undefined;
  try {
    url = new URL(server);
  } catch {
    url = undefined;
  }
  const isGood =
    url !== undefined &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    `${url.username}${url.password}${url.search}${url.hash}` === '';
  if (url === undefined || !isGood)
    throw new EdgeError(
      'Cannot use the server address: it must be a URL such as https://colony.example:443',
      {
        code: 'BAD_ENDPOINT',
        retry: 'permanent',
      },
    );
  return url;
}

/** Connects to nothing until the first call. Throws `BAD_ENDPOINT` or `BAD_PROXY`. */
export function createColonyClient(options: ColonyClientOptions): ColonyClient {
  const server = parseServer(options.server);
  const { clock, tls = {}, env = {}, maxBodyBytes = MAX_BODY_BYTES } = options;
  const deadlines = { ...DEADLINES, ...options.deadlines };
  const proxy = proxyFor(server, env);
  const closing = new AbortController();
  const route = { server, proxy, tls, clock, connectMs: deadlines.connectMs, closed: closing.signal };
  const transport =
    options.transport === undefined
      ? createSockets(route, maxBodyBytes)
      : simulated(options.transport, closing.signal);
  const traffic = options.traffic ?? new TrafficCounter();
  const target = targetOf(server, proxy);
  const time = new ServerTime(clock);
  const key = keyOnce(options.key);

  async function exchange(call: Call<unknown>, body: string, signal: AbortSignal): Promise<HttpReply> {
    const size = Buffer.byteLength(body);
    const headers = { ...target.headers, 'content-length': String(size) };
    const request = {
      path: target.path,
      headers,
      body,
      isLongPoll: call.waitMs !== undefined,
      type: call.type,
    };
    traffic.sent(call.purpose, headBytes(`POST ${target.path} HTTP/1.1`, headers) + size);
    try {
      return await transport.exchange(request, signal, (bytes) => traffic.received(call.purpose, bytes));
    } catch (error) {
      throw linkError(signal.aborted ? signal.reason : error, server.host);
    }
  }

  function read<T>(call: Call<T>, reply: HttpReply): T {
    try {
      const value = decodeReply(call, reply, clock.now());
      time.take(reply.headers.date);
      return value;
    } catch (error) {
      if (isFromServer(error)) time.take(reply.headers.date);
      throw error;
    }
  }

  return {
    endpoint: server.origin,
    async send(call, outer) {
      const ms = deadlineMs(call, deadlines);
      const reply = await withDeadline(
        { clock, ms, outer, what: `${call.type} to ${server.host}` },
        async (signal) => {
          const prvHex = call.isUnsigned === true ? undefined : (await key(call.type)).reveal();
          return exchange(call, encodeRequest(call.type, call.message, prvHex, options.sign), signal);
        },
      );
      return read(call, reply);
    },
    traffic: () => traffic.read(),
    serverNow: () => time.now(),
    async close() {
      closing.abort(new ColonyError('CANCELLED', 'the client is closed'));
      await transport.close();
    },
  };
}

function simulated(exchange: NonNullable<ColonyClientOptions['transport']>, closed: AbortSignal): Transport {
  return {
    async exchange({ path, headers, body }, signal, onBytes) {
      closed.throwIfAborted();
      const reply = await untilAborted(exchange({ path, headers, body }, signal), closed);
      onBytes(headBytes('HTTP/1.1 200 OK', reply.headers) + Buffer.byteLength(reply.body));
      return reply;
    },
    close: async () => undefined,
  };
}

/** Asks for the key until there is one; throws `KEY_MISSING` or what the source throws. */
function keyOnce(source: KeySource): (type: string) => Promise<Secret> {
  let found = typeof source === 'function' ? undefined : source;
  return async (type) => {
    if (found === undefined && typeof source === 'function') found = await source();
    if (found !== undefined) return found;
    const text = `${type} needs a key to sign with`;
    throw new EdgeError(text, { code: 'KEY_MISSING', retry: 'permanent' });
  };
}

function deadlineMs({ waitMs, purpose }: Call<unknown>, deadlines: Deadlines): number {
  if (waitMs !== undefined) return waitMs + deadlines.pollSlackMs;
  const { answerMs, heartbeatMs } = deadlines;
  return purpose === 'heartbeat' ? Math.min(heartbeatMs, answerMs) : answerMs;
}

/** What goes into each request line and head: a plain proxy wants the whole URL, and its credentials every time. */
function targetOf(
  server: URL,
  proxy: ProxyServer | undefined,
): { path: string; headers: Record<string, string> } {
  const path = `${server.pathname.replace(/\/+$/, '')}/api`;
  const headers = { host: server.host, 'content-type': 'application/json' };
  if (proxy === undefined || server.protocol === 'https:') return { path, headers };
  const authorization = proxy.authorization?.reveal();
  return {
    path: `${server.origin}${path}`,
    headers: { ...headers, ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }) },
  };
}
