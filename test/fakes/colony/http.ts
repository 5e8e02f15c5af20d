import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Answer } from './reply.ts';
import type { ColonyWorld } from './world.ts';

/** Answers shorter than this have their length in the head; longer ones come in chunks, as Go writes them. */
const CHUNKED_FROM_BYTES = 2048;
const IDLE_MS = 120_000;

/** The thin shell of HTTP round a world (PROTOCOL.md section 1). */
export class ColonyHttp {
  readonly #world: ColonyWorld;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  port = 0;

  constructor(world: ColonyWorld) {
    this.#world = world;
  }

  /** Listens on loopback, after a stop on the same port as before. */
  async listen(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    server.keepAliveTimeout = IDLE_MS;
    server.requestTimeout = 0;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Stops listening and drops every connection. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sockets.size;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort(new Error('the caller has gone')));
    response.sendDate = false;
    try {
      const body = await bodyOf(request);
      const answer = this.#elsewhere(request) ?? (await this.#world.handle(body, gone.signal));
      write(response, answer);
    } catch {
      // No answer: the caller is gone, or a fault cuts the connection.
      request.socket.destroy();
    }
  }

  /** What is answered beside the endpoint; undefined for `POST /api`. */
  #elsewhere({ method, url = '' }: IncomingMessage): Answer | undefined {
    const path = url.split('?')[0];
    const date = new Date(this.#world.now()).toUTCString();
    if (method === 'POST' && path === '/api') return undefined;
    if (method === 'GET' && path === '/health')
      return { status: 200, headers: { date, 'content-length': '0' }, body: '' };
    if (method === 'POST' && path === '/api/')
      return { status: 307, headers: { date, location: '/api', 'content-length': '0' }, body: '' };
    const body = '404 page not found';
    return {
      status: 404,
      headers: { date, 'content-type': 'text/plain', 'content-length': String(body.length) },
      body,
    };
  }
}

function write(response: ServerResponse, { status, headers, body }: Answer): void {
  const { 'content-length': length, ...others } = headers;
  const isLong = Number(length) >= CHUNKED_FROM_BYTES;
  response.writeHead(status, isLong ? others : headers);
  response.end(body);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
