import { existsSync, readFileSync, statSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { hostname } from 'node:os';
import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { serverParts } from '../config/server.ts';
import type { Config } from '../config/table.ts';
import {
  type KindContext,
  loadOverlays,
  loadPolicy,
  type Overlay,
  type Policy,
  resolveBlueprint,
} from '../kinds/index.ts';
import type { Resolve, Slot } from '../model/ports.ts';
import { nextKeyPath } from '../store/key-file.ts';
import { createIdentities, fileStamp } from './identities.ts';
import type { Io } from './io.ts';
import { relayRuntime } from './relay-runtime.ts';

/** What a resolver needs besides the settings. */
export interface ResolverParts {
  config: Config;
  env: Io['env'];
  log: Logger;
  /** Identities kept in the state directory; empty where there is none. */
  storedSlots(): Promise<readonly Slot[]>;
  /** true: identities that cannot be read are an error at once, for commands that someone is waiting for. */
  strict?: boolean;
}

/**
 * Makes resolvers from policy, overlays and slots as they are at that moment. Each throws an `EdgeError` that names the
 * file when policy or overlay is missing or wrong: a policy that cannot be read must not be taken for "everything allowed".
 * Identities that cannot be read hold back executors only. Files are read again when they changed.
 */
export function createResolver(parts: ResolverParts): () => Promise<Resolve> {
  const { config, env } = parts;
  const policyOf = rememberText<Policy>((value, path) => named(path, () => loadPolicy(value)));
  const overlaysOf = new Map(
    config.overlays.map((name) => [
      name,
      rememberText<readonly Overlay[]>((value, path) => loadOverlays(value, path)),
    ]),
  );
  const overlays = async () => {
    const lists = config.overlays.map((name) =>
      name.startsWith('builtin:') ? loadOverlays(name) : overlaysOf.get(name)?.(name),
    );
    return (await Promise.all(lists)).flatMap((list) => list ?? []);
  };
  const { storedSlots: stored, log, strict = false } = parts;
  const runtime = relayRuntime(config.stateDir);
  const relay = runtime === undefined ? {} : { relay: runtime };
  const identities = createIdentities({ file: config.slots, stored, log });
  return async () => {
    const found = await identities();
    if (strict && found.slotsFault !== undefined) throw slotsError(found.slotsFault.text);
    const context: KindContext = {
      node: config.node,
      executorName: config.executorName,
      location: config.location,
      colony: config.colony,
      unlocatedPolicy: config.unlocatedPolicy,
      hostName: hostname(),
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? '',
      defaultNetwork: config.network,
      agentEnvironment: env,
      policy: config.policy === undefined ? loadPolicy(undefined) : await policyOf(config.policy),
      overlays: await overlays(),
      bindPrefixMap: config.bindPrefixMap.map(({ from, to }) => [from, to] as const),
      ...found,
      ...relay,
      ...(await serverContext(config, env)),
      protectedPaths: await protectedPaths(config, env),
      readFile: readSmallText,
    };
    return (blueprint) => resolveBlueprint(blueprint, context);
  };
}

/** Where the colony is, and how an executor gets its identity there. */
async function serverContext(
  config: Config,
  env: Io['env'],
): Promise<Pick<KindContext, 'server' | 'hasOwnerKey' | 'slotsRequired'>> {
  const { server, slots } = config;
  const byHand =
    slots === undefined ? 'provision it in a file and name that with --slots' : `provision it in ${slots}`;
  if (server === undefined) return { hasOwnerKey: false, slotsRequired: byHand };
  // What has to do with keys is loaded only where there is a server.
  const { keySource } = await import('./key-sources.ts');
  const hasOwnerKey = keySource('owner', config, env) !== undefined;
  const slotsRequired = hasOwnerKey
    ? 'it is registered as soon as the server can be reached'
    : `${byHand}, or give the agent the owner's key (--owner-key-file)`;
  return { server: serverParts(server), hasOwnerKey, slotsRequired };
}

/** Reads a YAML or JSON file, again only when it changed. */
function rememberText<T>(decode: (value: unknown, path: string) => T): (path: string) => Promise<T> {
  let last: { stamp: string; result: T } | undefined;
  return async (path) => {
    // Without a stamp the reading itself says what is wrong.
    const stamp = await fileStamp(path).catch(() => '');
    if (last !== undefined && stamp === last.stamp) return last.result;
    const result = decode(await parseText(await readText(path), path), path);
    last = stamp === '' ? undefined : { stamp, result };
    return result;
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new EdgeError(`Cannot read ${path}: ${errorText(error)}`, {
      code: 'FILE_UNREADABLE',
      retry: 'transient',
      target: path,
      cause: error,
    });
  }
}

async function parseText(text: string, path: string): Promise<unknown> {
  try {
    return path.endsWith('.json') ? JSON.parse(text) : (await import('yaml')).parse(text);
  } catch (error) {
    throw new EdgeError(`Cannot parse ${path}: ${errorText(error)}`, {
      code: 'FILE_UNREADABLE',
      retry: 'permanent',
      target: path,
      cause: error,
    });
  }
}

/** Adds the file's path to an error that does not know it. */
function named<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof EdgeError)) throw error;
    throw new EdgeError(`${path}: ${error.message}`, {
      code: error.code,
      retry: error.retry,
      target: path,
      cause: error,
    });
  }
}

function slotsError(text: string): EdgeError {
  return new EdgeError(text, { code: 'SLOTS_INVALID', retry: 'permanent' });
}

/** What no container may get, also under its real name. */
async function protectedPaths(config: Config, env: Io['env']): Promise<readonly string[]> {
  const { keyFile, userKeyFile, ownerKeyFile, clientKeyFile, slots, registries } = config;
  const secrets = [slots, keyFile, nextKeyPath(keyFile), userKeyFile, ownerKeyFile, clientKeyFile];
  // Where the folder is not used, its parents may be mounted as ever.
  if (registries !== undefined && existsSync(registries)) secrets.push(registries);
  const all = [config.stateDir, config.socket, ...secrets, env.CREDENTIALS_DIRECTORY || undefined];
  const paths = all.filter((path) => path !== undefined);
  const real = await Promise.all(paths.map((path) => realpath(path).catch(() => path)));
  return [...new Set([...paths, ...real])];
}

/** An environment file is a few lines; anything larger is something else. */
const MAX_TEXT_BYTES = 1024 * 1024;

function readSmallText(path: string): string {
  let size: number;
  try {
    const found = statSync(path);
    size = found.isFile() ? found.size : Number.POSITIVE_INFINITY;
    if (size <= MAX_TEXT_BYTES) return readFileSync(path, 'utf8');
  } catch (error) {
    const code = errorCode(error) === 'ENOENT' ? 'ENV_FILE_MISSING' : 'ENV_FILE_UNREADABLE';
    throw new EdgeError(errorText(error), { code, retry: 'transient', target: path, cause: error });
  }
  throw new EdgeError('it is no file of at most 1 MiB', {
    code: 'ENV_FILE_UNREADABLE',
    retry: 'transient',
    target: path,
  });
}
