import { join } from 'node:path';
import { Secret } from '../base/secret.ts';
import { isObject, objectAt } from './json.ts';
import { type RegistryCredentials, registryName } from './registry-auth.ts';
import { type CredentialProblem, readCredentialsFile } from './registry-files.ts';

/** The credentials of Docker's `config.json`; by registry as `registryName` writes it. */
export interface DockerConfig {
  /** Path of the file, also where there is none. */
  file: string;
  /** `key` as the file has it. Without credentials: somebody has logged in, and a helper keeps them. */
  auths: ReadonlyMap<string, { key: string; credentials: RegistryCredentials | undefined }>;
  credHelpers: ReadonlyMap<string, { key: string; name: string }>;
  credsStore: string | undefined;
  problems: readonly CredentialProblem[];
  exposed: readonly string[];
}

/** Reads `config.json` of a folder (github.com/docker/cli `cli/config/configfile`); what is not there is empty. Never
 *  rejects: what cannot be read is a problem. */
export async function readDockerConfig(folder: string | undefined): Promise<DockerConfig> {
  const file = join(folder ?? '', 'config.json');
  const auths = new Map<string, { key: string; credentials: RegistryCredentials | undefined }>();
  const credHelpers = new Map<string, { key: string; name: string }>();
  const problems: CredentialProblem[] = [];
  const none = { file, auths, credHelpers, credsStore: undefined, problems, exposed: [] };
  if (folder === undefined) return none;
  const { json, problem, exposed, isAbsent } = await readCredentialsFile(file);
  if (isAbsent) return none;
  if (problem !== undefined) problems.push({ text: problem });
  if (json !== undefined && !isObject(json)) problems.push({ text: `${file}: must be a JSON object` });
  for (const [key, value] of Object.entries(objectAt(json, 'auths'))) {
    const registry = registryName(key);
    const fault = (text: string) => {
      problems.push({ text: `${file}: auths[${JSON.stringify(key)}]${text}`, registry });
    };
    const credentials = credentialsOf(value, `${file}, auths[${JSON.stringify(key)}]`, fault);
    // The registry's plain name wins over other ways to write it, as with Docker.
    if (auths.get(registry)?.credentials === undefined || key === registry)
      auths.set(registry, { key, credentials });
  }
  for (const [key, value] of Object.entries(objectAt(json, 'credHelpers'))) {
    const name = helperName(value);
    const registry = registryName(key);
    if (name !== undefined) credHelpers.set(registry, { key, name });
    else
      problems.push({
        text: `${file}: credHelpers[${JSON.stringify(key)}]: must be the name of a helper`,
        registry,
      });
  }
  const store = isObject(json) ? json.credsStore : undefined;
  const credsStore = store === undefined || store === '' ? undefined : helperName(store);
  if (store !== undefined && store !== '' && credsStore === undefined)
    problems.push({ text: `${file}: credsStore: must be the name of a helper` });
  const holdsSecrets = [...auths.values()].some(({ credentials }) => credentials !== undefined);
  return {
    file,
    auths,
    credHelpers,
    credsStore,
    problems,
    exposed: exposed !== undefined && holdsSecrets ? [exposed] : [],
  };
}

/** A helper's name becomes part of a program's: no path, no blanks. */
function helperName(value: unknown): string | undefined {
  return typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(value) ? value : undefined;
}

function credentialsOf(
  value: unknown,
  from: string,
  fault: (text: string) => void,
): RegistryCredentials | undefined {
  if (!isObject(value)) {
    fault(': must be an object');
    return undefined;
  }
  for (const field of ['auth', 'username', 'password', 'identitytoken'])
    if (value[field] !== undefined && typeof value[field] !== 'string') {
      fault(`.${field}: must be a string`);
      return undefined;
    }
  const { auth, username, password, identitytoken } = value as Record<string, string | undefined>;
  if (identitytoken) return { from, identityToken: new Secret(identitytoken) };
  if (username && password) return { from, username, password: new Secret(password) };
  if (!auth) {
    if (value.registrytoken !== undefined) fault('.registrytoken: is not supported; use auth');
    return undefined;
  }
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(auth);
  const text = isBase64 ? Buffer.from(auth, 'base64').toString('utf8') : '';
  const colon = text.indexOf(':');
  // Docker pads with zeros.
  const secret = text.slice(colon + 1).replace(/^\0+|\0+$/g, '');
  if (colon < 1 || secret === '') {
    fault('.auth: must be base64 of "user:password"');
    return undefined;
  }
  return { from, username: text.slice(0, colon), password: new Secret(secret) };
}
