import { BlockList, isIP } from 'node:net';
import { EdgeError } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';

/** The variables of an environment, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** An HTTP proxy in front of the server. */
export interface ProxyServer {
  host: string;
  port: number;
  /** The way to the proxy itself is TLS. */
  isSecure: boolean;
  /** Value of `Proxy-Authorization`; undefined when the proxy's URL names no user. */
  authorization: Secret | undefined;
}

/** The host of a URL without the brackets of an IPv6 literal. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

/** The port of a URL, also where it is the scheme's own. */
export function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}

/**
 * The proxy that `HTTP_PROXY` or `HTTPS_PROXY` (by the server's scheme; lower case goes first) names for a server;
 * undefined when there is none or `NO_PROXY` exempts the server. Throws `BAD_PROXY` for a URL that is no HTTP proxy's.
 */
export function proxyFor(server: URL, env: Environment): ProxyServer | undefined {
  const variable = server.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const value = env[variable.toLowerCase()] || env[variable];
  if (value === undefined || value === '') return undefined;
  if (isExempt(server, env.no_proxy || env.NO_PROXY || '')) return undefined;
  const url = parse(value.includes('://') ? value : `http://${value}`);
  // The value may hold a password: the text must not show it.
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw new EdgeError(`Cannot use ${variable}: it must be a URL such as http://proxy.example:3128`, {
      code: 'BAD_PROXY',
      retry: 'permanent',
      target: variable,
    });
  return {
    host: hostOf(url),
    port: portOf(url),
    isSecure: url.protocol === 'https:',
    authorization: url.username === '' ? undefined : basic(url),
  };
}

function parse(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

function basic(url: URL): Secret {
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return new Secret(`Basic ${Buffer.from(pair).toString('base64')}`);
}

/** Entries are `*`, a name (with all names below it), an address, a network in CIDR form; each with an optional port. */
function isExempt(server: URL, noProxy: string): boolean {
  const host = hostOf(server).toLowerCase();
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      if (isIP(host) !== 0 && entry.includes('/')) return isWithin(host, entry);
      const [, name = '', port] = /^(\[.*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry) ?? [];
      if (port !== undefined && Number(port) !== portOf(server)) return false;
      const bare = name.replace(/^\[|\]$/g, '').replace(/^\*?\./, '');
      return bare !== '' && (host === bare || (isIP(host) === 0 && host.endsWith(`.${bare}`)));
    });
}

function isWithin(host: string, network: string): boolean {
  const [address = '', prefix = ''] = network.split('/');
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  const bits = Number(prefix);
  if (isIP(address) === 0 || !/^\d+$/.test(prefix) || bits > (family === 'ipv6' ? 128 : 32)) return false;
  const list = new BlockList();
  list.addSubnet(address, bits, family);
  return list.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4');
}
