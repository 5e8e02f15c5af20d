import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { errorText } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { ROLLOUT_COMMANDS } from '../model/rollout.ts';
import type { AgentView } from '../model/status.ts';
import { createFollowers, eventLine, type Followers } from './followers.ts';
import { createLockDoor, type LockDoor } from './locks.ts';
import { metricsText } from './metrics.ts';
import { listenOn } from './socket.ts';

export interface LocalServerOptions {
  /** Path of the Unix socket. */
  path: string;
  view: AgentView;
  log: Logger;
  /** Connections at the same time; more are closed at once. */
  maxConnections?: number;
  /** Streams of events at the same time; more are answered with 503. */
  maxFollowers?: number;
  /** A connection on which nothing moves for this long is closed; a follower only when it does not read. */
  idleMs?: number;
}

export interface LocalServer {
  /** Closes all connections and removes the socket file. */
  close(): Promise<void>;
}

/**
 * The agent's own HTTP interface over a Unix socket: `GET /v1/status`, `/v1/plan`, `/v1/events?after=N[&follow=1]`
 * (newline-delimited JSON) and `/v1/metrics` (Prometheus text); `POST /v1/confirm-removal` gives the names that it sets
 * free, `POST /v1/link-class?to=normal|metered` the class that is in force then, `POST /v1/gc[?dry-run=1]` a `GcReport`,
 * `POST /v1/rollout?command=C&name=N` what came of it, `POST /v1/lock?...` (`locks.ts`) too.
 * Every answer closes its connection. Throws as `listenOn`.
 */
export async function startLocalServer(options: LocalServerOptions): Promise<LocalServer> {
  const idleMs = options.idleMs ?? 10_000;
  const followers = createFollowers(options.view, idleMs);
  const locks = createLockDoor(options.view);
  const server = createServer(
    {
      requestTimeout: idleMs,
      connectionsCheckingInterval: idleMs,
      maxHeaderSize: 8192,
    },
    (request, response) => {
      try {
        answer(request, response, options, { followers, locks });
      } catch (error) {
        options.log.error('local request failed', { path: request.url, error: errorText(error) });
        if (response.headersSent) response.destroy();
        else sendProblem(response, 500, 'the agent could not answer; its log says why');
      }
    },
  );
  server.maxConnections = options.maxConnections ?? 32;
  server.headersTimeout = idleMs;
  server.setTimeout(idleMs);
  await listenOn(server, options.path);
  // After a successful start an error here is one connection's matter, for example no more descriptors.
  server.on('error', (error) => options.log.warn('local socket failed', { error: errorText(error) }));
  return {
    close: () =>
      new Promise((resolve) => {
        locks.close();
        followers.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: LocalServerOptions,
  { followers, locks }: { followers: Followers; locks: LockDoor },
): void {
  request.resume();
  const url = new URL(request.url ?? '/', 'http://agent');
  const route = url.pathname;
  if (!ROUTES.includes(route)) {
    sendProblem(response, 404, `there is no ${route}; there are ${ROUTES.join(', ')}`);
  } else if (CHANGING.includes(route)) {
    if (request.method === 'POST') change(response, url, options.view, locks);
    else {
      response.setHeader('allow', 'POST');
      sendProblem(response, 405, `${request.method} is not possible; ${route} changes something: POST`);
    }
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    sendProblem(response, 405, `${request.method} is not possible; ${route} only reads`);
  } else if (route === '/v1/status') sendJson(response, 200, options.view.status());
  else if (route === '/v1/plan') sendJson(response, 200, options.view.plan());
  else if (route === '/v1/metrics')
    send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', metricsText(options.view.status()));
  else sendEvents(request, response, url.searchParams, options, followers);
}

const CONFIRM = '/v1/confirm-removal';
const LINK_CLASS = '/v1/link-class';
const GC = '/v1/gc';
const ROLLOUT = '/v1/rollout';
const LOCK = '/v1/lock';
const CHANGING = [CONFIRM, LINK_CLASS, GC, ROLLOUT, LOCK];
const ROUTES = ['/v1/status', '/v1/plan', '/v1/events', '/v1/metrics', ...CHANGING];

/** The routes that change something. */
function change(response: ServerResponse, url: URL, view: AgentView, locks: LockDoor): void {
  if (url.pathname === CONFIRM) {
    sendJson(response, 200, { names: view.confirmRemoval() });
    return;
  }
  if (url.pathname === GC) {
    collect(response, url.searchParams.get('dry-run') === '1', view);
    return;
  }
  if (url.pathname === ROLLOUT) {
    changeRollout(response, url.searchParams, view);
    return;
  }
  if (url.pathname === LOCK) {
    const reply = locks.ask(response, url.searchParams);
    if (reply !== undefined) sendJson(response, reply.status, reply.body);
    return;
  }
  const linkClass = url.searchParams.get('to');
  if (linkClass !== 'normal' && linkClass !== 'metered')
    sendProblem(response, 400, 'to must be normal or metered');
  else if (view.setLinkClass(linkClass)) sendJson(response, 200, { linkClass });
  else sendProblem(response, 409, 'no server is configured, so there is no link');
}

/** Removing many images takes longer than a connection may be silent. */
function collect(response: ServerResponse, dryRun: boolean, view: AgentView): void {
  response.req.socket.setTimeout(0);
  view.collectGarbage(dryRun).then(
    (report) => sendJson(response, 200, report),
    (error: unknown) => sendProblem(response, 503, errorText(error)),
  );
}

function changeRollout(response: ServerResponse, query: URLSearchParams, view: AgentView): void {
  const command = ROLLOUT_COMMANDS.find((known) => known === query.get('command'));
  const name = query.get('name') ?? '';
  if (command === undefined) sendProblem(response, 400, `command must be ${ROLLOUT_COMMANDS.join(', ')}`);
  else if (name === '') sendProblem(response, 400, 'name must be the name of a blueprint');
  else sendJson(response, 200, view.commandRollout(command, name));
}

function sendEvents(
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
  options: LocalServerOptions,
  followers: Followers,
): void {
  const after = query.get('after') ?? '0';
  if (!/^\d{1,15}$/.test(after)) {
    sendProblem(response, 400, `after must be a whole number, got ${JSON.stringify(after.slice(0, 40))}`);
    return;
  }
  const follow = query.get('follow') === '1' && request.method === 'GET';
  if (!follow) {
    const lines = options.view.events(Number(after)).map(eventLine);
    send(response, 200, 'application/x-ndjson', lines.join(''));
  } else if (followers.count >= (options.maxFollowers ?? 8)) {
    sendProblem(response, 503, 'too many followers of events; close one and try again');
  } else {
    request.socket.setTimeout(0);
    response.writeHead(200, { 'content-type': 'application/x-ndjson', connection: 'close' });
    response.flushHeaders();
    followers.add(response, Number(after));
  }
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, 'application/json', `${JSON.stringify(value)}\n`);
}

function sendProblem(response: ServerResponse, status: number, error: string): void {
  sendJson(response, status, { error });
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}
