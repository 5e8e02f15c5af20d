import { request } from 'node:http';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import { withDeadline } from './deadline.ts';
import { ColonyError } from './errors.ts';
import { linkError, proxyError } from './link-errors.ts';
import { hostOf, type ProxyServer, portOf } from './proxy.ts';

/** Certificates in PEM form. Absent `ca`: the system's roots; given, it takes their place, also for an https proxy. */
export interface TlsSettings {
  ca?: string;
  /** Client certificate with its chain, and its key. */
  cert?: string;
  key?: string;
}

/** What a connection needs to come about. */
export interface Route {
  server: URL;
  proxy: ProxyServer | undefined;
  tls: TlsSettings | (() => Promise<TlsSettings>);
  clock: Clock;
  /** For the whole way: name, TCP, proxy and TLS. */
  connectMs: number;
  /** Aborted when nobody wants connections any more. */
  closed: AbortSignal;
}

/**
 * A function that opens connections to the server, over the proxy where there is one: TLS servers through a tunnel,
 * plain ones by leaving whole URLs to the proxy. It throws a `ColonyError` that tells the proxy's failures from the
 * server's.
 */
export function createConnector(route: Route): () => Promise<Socket> {
  // Resuming a TLS session saves the certificates, which are most of the bytes of a new connection.
  let session: Buffer | undefined;

  async function connect(signal: AbortSignal): Promise<Socket> {
    const { server, proxy } = route;
    const isSecure = server.protocol === 'https:';
    let socket: Socket | undefined;
    try {
      const tls = typeof route.tls === 'function' ? await route.tls() : route.tls;
      socket =
        proxy === undefined
          ? await tcp(hostOf(server), portOf(server), signal)
          : await viaProxy(proxy, isSecure ? server : undefined, tls.ca, signal);
      if (!isSecure) return socket;
      const options = { ...tls, socket, ...(session === undefined ? {} : { session }) };
      const secured = secure(hostOf(server), options);
      secured.on('session', (next: Buffer) => {
        if (secured.authorized) session = next;
      });
      return await ready(secured, 'secureConnect', signal);
    } catch (error) {
      session = undefined;
      socket?.destroy();
      throw linkError(signal.aborted ? signal.reason : error, server.host);
    }
  }

  const what = `connecting to ${route.server.host}`;
  return () => withDeadline({ clock: route.clock, ms: route.connectMs, outer: route.closed, what }, connect);
}

function tcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return ready(connectTcp({ host, port, noDelay: true }), 'connect', signal);
}

function secure(host: string, options: ConnectionOptions) {
  // An address is no server name (RFC 6066 section 3), but it is what the certificate is checked for.
  return connectTls({ ...options, host, ...(isIP(host) === 0 ? { servername: host } : {}) });
}

/** A socket to the proxy, or through it to `tunnelTo`. */
async function viaProxy(
  proxy: ProxyServer,
  tunnelTo: URL | undefined,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const name = `${proxy.host}:${proxy.port}`;
  let socket: Socket | undefined;
  try {
    socket = await tcp(proxy.host, proxy.port, signal);
    if (proxy.isSecure) {
      const options = ca === undefined ? { socket } : { socket, ca };
      socket = await ready(secure(proxy.host, options), 'secureConnect', signal);
    }
    return tunnelTo === undefined ? socket : await tunnel(socket, proxy, tunnelTo, signal);
  } catch (error) {
    socket?.destroy();
    throw proxyError(signal.aborted ? signal.reason : error, name);
  }
}

/** HTTP CONNECT (RFC 9110 9.3.6). */
function tunnel(socket: Socket, proxy: ProxyServer, server: URL, signal: AbortSignal): Promise<Socket> {
  const target = `${server.hostname}:${portOf(server)}`;
  const authorization = proxy.authorization?.reveal();
  return new Promise((resolve, reject) => {
    const asking = request({
      method: 'CONNECT',
      path: target,
      headers: {
        host: target,
        ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }),
      },
      createConnection: () => socket,
      signal,
    });
    asking.once('error', reject);
    asking.once('connect', (answer) => {
      if (answer.statusCode === 200) {
        resolve(socket);
        return;
      }
      socket.destroy();
      const words = answer.statusCode === 407 ? 'wants other credentials (407)' : `says ${answer.statusCode}`;
      reject(
        new ColonyError('COLONY_PROXY', `the proxy at ${proxy.host}:${proxy.port} ${words}`, {
          status: answer.statusCode,
        }),
      );
    });
    asking.end();
  });
}

/** The socket once the event has come; destroyed when it fails or the signal is aborted first. */
function ready(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const end = (act: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.off(event, onReady);
      socket.off('close', onClose);
      act();
    };
    const onReady = () => end(() => resolve(socket));
    const onClose = () => end(() => reject(new Error('the other side closed the connection')));
    const onError = (error: Error) => end(() => reject(error));
    const onAbort = () => {
      socket.destroy();
      end(() => reject(signal.reason));
    };
    socket.once(event, onReady);
    socket.once('close', onClose);
    // Stays for good: a socket may fail while nobody else listens yet.
    socket.on('error', onError);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
