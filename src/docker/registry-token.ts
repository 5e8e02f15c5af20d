import { Secret } from '../base/secret.ts';
import { engineError } from './errors.ts';
import { textAt } from './json.ts';
import type { RegistryCredentials } from './registry-auth.ts';

/** What a registry asks for with a 401 (RFC 9110 11.6.1; CNCF distribution, token authentication). */
export type Challenge =
  | { scheme: 'basic' }
  | { scheme: 'bearer'; realm: string; service: string; scope: string };

/** The challenge of a `WWW-Authenticate` header, Bearer before Basic; undefined when it is neither. */
export function parseChallenge(header: string | readonly string[] | undefined): Challenge | undefined {
  const lines = header === undefined ? [] : typeof header === 'string' ? [header] : header;
  for (const line of lines) {
    const at = /(?:^|,\s*)bearer\s+/i.exec(line);
    if (at === null) continue;
    const values = parametersOf(line.slice(at.index + at[0].length));
    const realm = values.get('realm') ?? '';
    if (realm !== '')
      return {
        scheme: 'bearer',
        realm,
        service: values.get('service') ?? '',
        scope: values.get('scope') ?? '',
      };
  }
  return lines.some((line) => /(?:^|,\s*)basic(?:\s|$)/i.test(line)) ? { scheme: 'basic' } : undefined;
}

function parametersOf(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const [, name = '', quoted, bare] of text.matchAll(/(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g))
    if (!values.has(name.toLowerCase()))
      values.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '');
  return values;
}

/** `Authorization` by name and password; undefined for credentials of another kind. */
export function basicAuthorization(credentials: RegistryCredentials | undefined): Secret | undefined {
  if (credentials === undefined || 'identityToken' in credentials) return undefined;
  const pair = `${credentials.username}:${credentials.password.reveal()}`;
  return new Secret(`Basic ${Buffer.from(pair).toString('base64')}`);
}

/** How a token is asked for. */
export interface TokenRequest {
  url: URL;
  method: 'GET' | 'POST';
  authorization: Secret | undefined;
  /** Form data of a POST. */
  form: Secret | undefined;
}

/**
 * The request for an access token. `isPlain`: the registry itself is spoken to without TLS, so its token service may be
 * too. Throws `REGISTRY_UNAUTHORIZED` for a realm that would take the credentials out of TLS.
 */
export function tokenRequest(
  challenge: Challenge & { scheme: 'bearer' },
  repository: string,
  credentials: RegistryCredentials | undefined,
  isPlain: boolean,
): TokenRequest {
  const url = parseUrl(challenge.realm);
  if (url === undefined || !(url.protocol === 'https:' || (isPlain && url.protocol === 'http:')))
    throw engineError('REGISTRY_UNAUTHORIZED', 'the registry names a token service that cannot be used');
  const scope = challenge.scope === '' ? `repository:${repository}:pull` : challenge.scope;
  const { service } = challenge;
  if (credentials !== undefined && 'identityToken' in credentials) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: credentials.identityToken.reveal(),
      client_id: 'colonies-edge',
      service,
      scope,
    });
    return { url, method: 'POST', authorization: undefined, form: new Secret(form.toString()) };
  }
  if (service !== '') url.searchParams.set('service', service);
  for (const one of scope.split(' ').filter((part) => part !== '')) url.searchParams.append('scope', one);
  return { url, method: 'GET', authorization: basicAuthorization(credentials), form: undefined };
}

/** The access token of a token service's answer. Throws `REGISTRY_UNAUTHORIZED` when there is none. */
export function accessToken(json: unknown): Secret {
  const token = textAt(json, 'token') || textAt(json, 'access_token');
  // What is no token must not get into a header.
  if (!/^[\x21-\x7e]+$/.test(token))
    throw engineError('REGISTRY_UNAUTHORIZED', 'the token service of the registry gave no token');
  return new Secret(token);
}

function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
