import type { Decoded, FromParts } from './option.ts';

/** What the ecosystem's own clients use where no port is named (colonies `internal/cli`). */
const DEFAULT_PORT = '50080';

type Environment = Readonly<Record<string, string | undefined>>;

/** The names that make up a server's address in the ColonyOS ecosystem. */
export const SERVER_NAMES = [
  'COLONIES_SERVER_HOST',
  'COLONIES_SERVER_PORT',
  'COLONIES_TLS',
  'COLONIES_CLIENT_HTTP_HOST',
  'COLONIES_CLIENT_HTTP_PORT',
  'COLONIES_SERVER_TLS',
  'COLONIES_CLIENT_HTTP_INSECURE',
] as const;

/** An http or https URL, given back without a slash at its end; credentials, query and fragment have no place in it. */
export function decodeServer(raw: unknown): Decoded<string | undefined> {
  const expected = 'must be a URL such as https://colony.example:443, without user and query';
  if (typeof raw !== 'string') return { ok: false, expected };
  if (raw === 'none') return { ok: true, value: undefined };
  let url: URL;
  try {
    url = new URL(raw);
  } catch {
    return { ok: false, expected };
  }
  const isPlain = `${url.username}${url.password}${url.search}${url.hash}` === '';
  const isHttp = url.protocol === 'http:' || url.protocol === 'https:';
  if (!isPlain || !isHttp || url.hostname === '') return { ok: false, expected };
  return { ok: true, value: `${url.origin}${url.pathname.replace(/\/+$/, '')}` };
}

/**
 * The address that the ecosystem's variables make; undefined when no host is set. Two names for one part that differ
 * are a problem that names both.
 */
export function serverFromEnv(env: Environment): FromParts | undefined {
  const problems: string[] = [];
  const host = agreed(env, ['COLONIES_SERVER_HOST', 'COLONIES_CLIENT_HTTP_HOST'], (text) => text, problems);
  const port = agreed(env, ['COLONIES_SERVER_PORT', 'COLONIES_CLIENT_HTTP_PORT'], (text) => text, problems);
  const tls = agreed(
    env,
    ['COLONIES_TLS', 'COLONIES_SERVER_TLS', 'COLONIES_CLIENT_HTTP_INSECURE'],
    (text, name) => yesOrNo(text, name, problems),
    problems,
  );
  if (host === undefined) return undefined;
  if (port !== undefined && !isPort(port.value))
    problems.push(`${port.name} must be a port from 1 to 65535, got ${JSON.stringify(port.value)}`);
  if (!/^[^\s/?#@]+$/.test(host.value) || (host.value.includes(':') && !isIpv6(host.value)))
    problems.push(`${host.name} must be a host name or an address, got ${JSON.stringify(host.value)}`);
  if (problems.length > 0) return { ok: false, problem: problems.join('; ') };
  const scheme = tls?.value === 'true' ? 'https' : 'http';
  const bare = host.value.replace(/^\[|\]$/g, '');
  const name = [host, port, tls].flatMap((part) => (part === undefined ? [] : [part.name])).join(', ');
  const authority = bare.includes(':') ? `[${bare}]` : bare;
  return { ok: true, name, raw: `${scheme}://${authority}:${port?.value ?? DEFAULT_PORT}` };
}

/** Host, port and TLS of the address, as executors get them in their environment. */
export function serverParts(server: string): { host: string; port: number; tls: boolean } {
  const url = new URL(server);
  const tls = url.protocol === 'https:';
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port, tls };
}

interface Part {
  name: string;
  value: string;
}

/** The first that is set; another one that means something else is a problem. */
function agreed(
  env: Environment,
  names: readonly string[],
  meaning: (text: string, name: string) => string,
  problems: string[],
): Part | undefined {
  const parts = names.flatMap((name) => {
    const text = env[name]?.trim();
    return text ? [{ name, value: meaning(text, name) }] : [];
  });
  const [first, ...rest] = parts;
  const rival = rest.find((other) => other.value !== first?.value);
  if (first !== undefined && rival !== undefined)
    problems.push(`${first.name} and ${rival.name} contradict each other: unset one`);
  return first;
}

/** "true" for TLS; the last of the names says the opposite. */
function yesOrNo(text: string, name: string, problems: string[]): string {
  const word = text.toLowerCase();
  if (word !== 'true' && word !== 'false')
    problems.push(`${name} must be true or false, got ${JSON.stringify(text)}`);
  return String((word === 'true') !== name.endsWith('INSECURE'));
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

function isIpv6(host: string): boolean {
  return /^\[?[0-9a-fA-F:.]+(?:%\w+)?\]?$/.test(host) && host.split(':').length > 2;
}
