import type { Clock } from '../base/clock.ts';
import type { Secret } from '../base/secret.ts';

/** What a registry is shown. `from`: where it comes from, for people. */
export type RegistryCredentials = { from: string } & (
  | { username: string; password: Secret }
  | { identityToken: Secret }
);

/** Finds the credentials for a registry, anew each time, so that changed ones count at once. */
export interface RegistryAuth {
  /** `registryHost` as `registryOf` gives it; undefined: there are none, or they cannot be read. Rejects only when
   *  aborted. */
  credentialsFor(registryHost: string, signal?: AbortSignal): Promise<RegistryCredentials | undefined>;
}

/** What a search for one registry found, and what stood in its way: one line each, with file and field. */
export interface FoundCredentials {
  credentials?: RegistryCredentials;
  problems: readonly string[];
}

/** All credentials of this machine, for `doctor`. */
export interface CredentialSurvey {
  /** Registries and where their credentials come from; "any other" is a registry too. */
  registries: readonly { registry: string; from: string }[];
  problems: readonly string[];
  /** Files with secrets that others can read: one line each. */
  exposed: readonly string[];
}

/** `RegistryAuth`, and what people want to know of it. */
export interface CredentialSources extends RegistryAuth {
  find(registryHost: string, signal?: AbortSignal): Promise<FoundCredentials>;
  survey(): Promise<CredentialSurvey>;
  /** What the last search found wrong: broken files, and files that others can read. Where there is something, asking has
   *  the files read again, so that the next answer shows what was mended. */
  warnings(): readonly string[];
}

export interface CredentialPlaces {
  /** Folder with one JSON file for each registry; it need not exist. */
  folder: string | undefined;
  /** Folder of Docker's `config.json`; it need not exist. */
  dockerConfig: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
  clock: Clock;
}

/** The sources, in the order in which they count: the folder, credential helpers, Docker's `config.json`. They are loaded
 *  with the first search. */
export function createRegistryAuth(places: CredentialPlaces): CredentialSources {
  let warnings: readonly string[] = [];
  const load = () => import('./registry-sources.ts');
  const find: CredentialSources['find'] = async (registryHost, signal) => {
    const { findCredentials } = await load();
    const { exposed, ...found } = await findCredentials(places, registryHost, signal);
    warnings = [...found.problems, ...exposed];
    return found;
  };
  const survey = async () => (await load()).surveyCredentials(places);
  const lookAgain = async () => {
    const { problems, exposed } = await survey();
    warnings = [...problems, ...exposed];
  };
  return {
    find,
    credentialsFor: async (registryHost, signal) => (await find(registryHost, signal)).credentials,
    survey,
    warnings: () => {
      if (warnings.length > 0) void lookAgain();
      return warnings;
    },
  };
}

/** Docker Hub, under the name that image references have. */
const HUB = 'docker.io';
const HUB_NAMES = new Set([HUB, 'index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com']);
/** Under this key Docker keeps the credentials of its Hub. */
const HUB_KEY = 'https://index.docker.io/v1/';

/** The registry of an image reference, as host or host:port; "docker.io" for a bare name. */
export function registryOf(reference: string): string {
  const first = reference.slice(0, Math.max(reference.indexOf('/'), 0));
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  return isHost ? registryName(first) : HUB;
}

/** The same from any way in which files write it: "https://index.docker.io/v1/" is "docker.io". */
export function registryName(text: string): string {
  const host = text
    .trim()
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/\/.*$/, '');
  return HUB_NAMES.has(host) ? HUB : host;
}

/** The name under which Docker and its helpers know a registry. */
export function serverAddress(registryHost: string): string {
  return registryHost === HUB ? HUB_KEY : registryHost;
}

/** Value of the header `X-Registry-Auth` (Docker Engine API v1.52, "Authentication"): base64url with padding. Secret. */
export function authHeader(registryHost: string, credentials: RegistryCredentials): string {
  const serveraddress = serverAddress(registryHost);
  const body =
    'identityToken' in credentials
      ? { identitytoken: credentials.identityToken.reveal(), serveraddress }
      : { username: credentials.username, password: credentials.password.reveal(), serveraddress };
  return Buffer.from(JSON.stringify(body)).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
