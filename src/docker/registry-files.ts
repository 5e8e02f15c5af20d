import { open, readdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { errorCode } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';
import { closest } from '../base/text.ts';
import { isObject } from './json.ts';
import { type RegistryCredentials, registryName } from './registry-auth.ts';

/** Something in a credentials file that cannot be used; no text ever holds a secret. */
export interface CredentialProblem {
  /** With file and field. */
  text: string;
  /** The registry it is about; absent: that could not be told. */
  registry?: string;
}

/** What a folder of credentials files holds. */
export interface RegistryFolder {
  entries: readonly { registry: string; credentials: RegistryCredentials }[];
  problems: readonly CredentialProblem[];
  exposed: readonly string[];
}

/** More than any list of credentials; a longer file is something else. */
const MAX_BYTES = 1024 * 1024;
const MOST_FILES = 1_000;

const FIELDS = ['registry', 'username', 'password', 'passwordFile', 'identityToken'];

/** Reads every `*.json` of a folder, in the order of their names; of two for one registry the first counts. A folder that
 *  does not exist is empty. Never rejects: what cannot be read is a problem. */
export async function readRegistryFolder(folder: string | undefined): Promise<RegistryFolder> {
  const entries: { registry: string; credentials: RegistryCredentials }[] = [];
  const problems: CredentialProblem[] = [];
  const exposed: string[] = [];
  for (const name of folder === undefined ? [] : await filesOf(folder, problems)) {
    const file = join(folder ?? '', name);
    const read = await readCredentialsFile(file);
    if (read.problem !== undefined) problems.push({ text: read.problem });
    if (read.exposed !== undefined) exposed.push(read.exposed);
    if (read.json === undefined) continue;
    const registry = isObject(read.json) ? registryOfEntry(read.json) : undefined;
    const fault = (text: string) => {
      problems.push({ text: `${file}: ${text}`, ...(registry === undefined ? {} : { registry }) });
    };
    const credentials = await entryOf(read.json, folder ?? '', file, fault, exposed);
    if (registry === undefined || credentials === undefined) continue;
    if (entries.some((entry) => entry.registry === registry))
      fault(`registry: ${registry} has credentials in an earlier file already, these do not count`);
    else entries.push({ registry, credentials });
  }
  return { entries, problems, exposed };
}

async function filesOf(folder: string, problems: CredentialProblem[]): Promise<string[]> {
  try {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
    if (names.length > MOST_FILES) problems.push({ text: `${folder}: only ${MOST_FILES} files are read` });
    return names.sort().slice(0, MOST_FILES);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT')
      problems.push({ text: `${folder}: cannot be read (${errorCode(error)})` });
    return [];
  }
}

function registryOfEntry(json: Readonly<Record<string, unknown>>): string | undefined {
  return typeof json.registry === 'string' && json.registry.trim() !== ''
    ? registryName(json.registry)
    : undefined;
}

async function entryOf(
  json: unknown,
  folder: string,
  file: string,
  fault: (text: string) => void,
  exposed: string[],
): Promise<RegistryCredentials | undefined> {
  if (!isObject(json)) {
    fault('must be a JSON object with registry, username and password');
    return undefined;
  }
  for (const key of Object.keys(json))
    if (!FIELDS.includes(key)) {
      const meant = closest(key, FIELDS);
      fault(`${key}: is not a field of this file${meant === undefined ? '' : `; did you mean ${meant}?`}`);
    }
  const texts = Object.fromEntries(FIELDS.map((field) => [field, json[field]]));
  for (const [field, value] of Object.entries(texts))
    if (value !== undefined && (typeof value !== 'string' || value.trim() === '')) {
      fault(`${field}: must be a non-empty string`);
      return undefined;
    }
  const { registry, username, password, passwordFile, identityToken } = texts as Record<
    string,
    string | undefined
  >;
  const missing = (text: string) => {
    fault(text);
    return undefined;
  };
  if (registry === undefined) return missing('registry: is missing; write the host, or host:port');
  if (identityToken !== undefined) {
    if (password !== undefined || passwordFile !== undefined)
      return missing('identityToken: stands beside a password; one of them is wanted');
    return { from: file, identityToken: new Secret(identityToken) };
  }
  if (username === undefined) return missing('username: is missing');
  if (password !== undefined && passwordFile !== undefined)
    return missing('passwordFile: stands beside password; one of them is wanted');
  if (password !== undefined) return { from: file, username, password: new Secret(password) };
  if (passwordFile === undefined) return missing('password: is missing; or give passwordFile');
  const path = isAbsolute(passwordFile) ? passwordFile : join(folder, passwordFile);
  const read = await readSecretText(path);
  if (read.exposed !== undefined) exposed.push(read.exposed);
  if (read.text === undefined) return missing(`passwordFile: ${read.problem}`);
  const secret = read.text.replace(/\r?\n$/, '');
  if (secret === '') return missing(`passwordFile: ${path} is empty`);
  return { from: `${file} and ${path}`, username, password: new Secret(secret) };
}

/** Reads a JSON file that may hold secrets; `json` is undefined when it cannot be read or is none. */
export async function readCredentialsFile(
  file: string,
): Promise<{ json?: unknown; problem?: string; exposed?: string; isAbsent?: boolean }> {
  const { text, problem, exposed, isAbsent } = await readSecretText(file);
  const shown = exposed === undefined ? {} : { exposed };
  if (text === undefined) return { ...shown, problem: problem ?? '', isAbsent: isAbsent === true };
  try {
    return { ...shown, json: JSON.parse(text) };
  } catch {
    // The parser's words may quote what stands in the file.
    return { ...shown, problem: `${file}: is not valid JSON` };
  }
}

async function readSecretText(
  path: string,
): Promise<{ text?: string; problem?: string; exposed?: string; isAbsent?: boolean }> {
  try {
    const file = await open(path, 'r');
    try {
      const found = await file.stat();
      if (!found.isFile() || found.size > MAX_BYTES)
        return { problem: `${path}: is no file of at most 1 MiB` };
      const mode = found.mode & 0o777;
      const text = await file.readFile('utf8');
      return {
        text,
        ...((mode & 0o077) === 0
          ? {}
          : { exposed: `${path} is open to others (mode ${mode.toString(8).padStart(4, '0')}); use 0600` }),
      };
    } finally {
      await file.close();
    }
  } catch (error) {
    const isAbsent = errorCode(error) === 'ENOENT';
    return {
      problem: `${path}: ${isAbsent ? 'does not exist' : `cannot be read (${errorCode(error)})`}`,
      isAbsent,
    };
  }
}
