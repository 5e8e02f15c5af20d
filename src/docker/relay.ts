import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '../base/clock.ts';
import type { Registry } from './registry.ts';
import { relayRepository } from './relay-references.ts';
import type { TokenBucket } from './token-bucket.ts';
import type { Response } from './undici.ts';

/** One pull on its way through the relay. */
export interface Route {
  registry: Pick<Registry, 'open'>;
  /** Ends what still passes. */
  signal: AbortSignal;
  /** Some bytes have passed. */
  moved(): void;
  /** Requests of the engine so far. */
  requests: number;
  /** Why the registry did not answer the last request; what it did answer, the engine was told. */
  failure: unknown;
}

/** What is passed on of a request and of an answer; credentials are the relay's own affair. */
const ASKED = ['accept', 'range', 'if-range'];
const ANSWERED = [
  'accept-ranges',
  'content-length',
  'content-range',
  'content-type',
  'docker-content-digest',
  'etag',
  'retry-after',
];

/** The engine asks for three layers of a pull at once. */
const MOST_CONNECTIONS = 128;

/**
 * A registry on loopback (OCI distribution specification 1.1, pull) that passes on what other registries answer, at the rate
 * of the bucket. Only who knows the name of a route is answered. To be closed.
 */
export class Relay {
  readonly #routes = new Map<string, Route>();
  readonly #server: Server;
  readonly #path: RegExp;
  readonly #clock: Clock;
  readonly #bucket: TokenBucket;

  private constructor(owner: string, bucket: TokenBucket, clock: Clock) {
    this.#bucket = bucket;
    this.#clock = clock;
    const repository = relayRepository(owner, '([0-9a-f]{16})');
    this.#path = new RegExp(`^/v2/${repository}/((?:manifests|blobs)/[\\w:.+-]+)$`);
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.maxConnections = MOST_CONNECTIONS;
  }

  /** Listens on a port that the system chooses. */
  static async open(owner: string, bucket: TokenBucket, clock: Clock): Promise<Relay> {
    const relay = new Relay(owner, bucket, clock);
    await new Promise<void>((resolve, reject) => {
      relay.#server.once('error', reject);
      relay.#server.listen(0, '127.0.0.1', resolve);
    });
    // A failure to accept a connection is the engine's to try again.
    relay.#server.on('error', () => undefined);
    return relay;
  }

  /** "127.0.0.1:40123" */
  get host(): string {
    const at = this.#server.address();
    return `127.0.0.1:${typeof at === 'object' && at !== null ? at.port : 0}`;
  }

  add(name: string, route: Route): void {
    this.#routes.set(name, route);
  }

  remove(name: string): void {
    this.#routes.delete(name);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    const { method, url = '' } = request;
    const [, name = '', path = ''] = this.#path.exec(url) ?? [];
    const route = this.#routes.get(name);
    if (url === '/v2/' || url === '/v2') answer(response, 200, {});
    else if (route === undefined || (method !== 'GET' && method !== 'HEAD'))
      answer(response, 404, { errors: [{ code: 'NAME_UNKNOWN', message: 'name unknown' }] });
    else await this.#pass(route, path, method, request, response);
  }

  async #pass(
    route: Route,
    path: string,
    method: 'GET' | 'HEAD',
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    route.requests += 1;
    let answered: Response;
    try {
      const headers = picked(request.headers, ASKED);
      answered = await route.registry.open(path, { method, headers });
      route.failure = undefined;
    } catch (error) {
      route.failure = error;
      answer(response, 502, { errors: [{ code: 'UNAVAILABLE', message: 'the registry did not answer' }] });
      return;
    }
    // A body that is left early fails with an error that nobody waits for.
    answered.body.on('error', () => undefined);
    response.on('close', () => answered.body.destroy());
    try {
      response.writeHead(answered.statusCode, picked(answered.headers, ANSWERED));
      for await (const chunk of answered.body) await this.#send(route, response, chunk);
      response.end();
    } catch {
      // The engine asks again, for the rest.
      response.destroy();
    }
  }

  /** Hands on a chunk, piece by piece, each when it may pass and when the engine has taken the one before. */
  async #send(route: Route, response: ServerResponse, chunk: Uint8Array): Promise<void> {
    const bucket = this.#bucket;
    for (let from = 0; from < chunk.length; from += bucket.pieceBytes) {
      const piece = chunk.subarray(from, from + bucket.pieceBytes);
      await this.#clock.sleep(bucket.take(piece.length, this.#clock.monoMs()), route.signal);
      if (response.destroyed) throw new Error('the engine has left');
      const isRoom = response.write(piece);
      route.moved();
      if (!isRoom) await drained(response);
    }
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    'content-type': 'application/json',
    'docker-distribution-api-version': 'registry/2.0',
  });
  response.end(JSON.stringify(body));
}

function picked(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  names: readonly string[],
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = headers[name];
    if (value !== undefined) found[name] = String(value);
  }
  return found;
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      response.off('drain', end);
      response.off('close', end);
      resolve();
    };
    response.on('drain', end);
    response.on('close', end);
  });
}
