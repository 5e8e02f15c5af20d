import { readFileSync, statSync } from 'node:fs';
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
import type { Io } from './io.ts';

/** What a resolver needs besides the settings. */
export interface ResolverParts {
  config: Config;
  env: Io['env'];
  log: Logger;
  /** Identities kept in the state directory; empty where there is none. */
  storedSlots(): Promise<readonly Slot[]>;
}

/**
 * Makes resolvers from policy, overlays and slots as they are at that moment. Each throws an `EdgeError` that names the
 * file when one of them is missing or wrong: a policy that cannot be read must not be taken for "everything allowed".
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
  return async () => {
    const context: KindContext = {
      node: config.node,
      location: config.location,
      colony: config.colony,
      unlocatedPolicy: config.unlocatedPolicy,
      hostName: hostname(),
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? '',
      defaultNetwork: config.network,
      agentEnvironment: env,
      ...(config.server === undefined ? {} : { server: serverParts(config.server) }),
      policy: config.policy === undefined ? loadPolicy(undefined) : await policyOf(config.policy),
      overlays: await overlays(),
      bindPrefixMap: config.bindPrefixMap.map(({ from, to }) => [from, to] as const),
      slots: [...(await provisionedSlots(parts)), ...(await parts.storedSlots())],
      slotsRequired:
        config.slots === undefined
          ? 'provision it in a file and name that with --slots'
          : `provision it in ${config.slots}`,
      protectedPaths: await protectedPaths(config, env),
      hasOwnerKey: false,
      readFile: readSmallText,
    };
    return (blueprint) => resolveBlueprint(blueprint, context);
  };
}

/** Reads a YAML or JSON file; decodes it again only when its text changed. */
function rememberText<T>(decode: (value: unknown, path: string) => T): (path: string) => Promise<T> {
  let last: { text: string; result: T } | undefined;
  return async (path) => {
    const text = await readText(path);
    if (last?.text !== text) last = { text, result: decode(await parseText(text, path), path) };
    return last.result;
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

async function provisionedSlots({ config, log }: ResolverParts): Promise<readonly Slot[]> {
  if (config.slots === undefined) return [];
  // The curve's code is loaded only on nodes that run executors.
  const [{ readSlotFile }, { deriveId }] = await Promise.all([
    import('../store/provisioned.ts'),
    import('../colony/identity.ts'),
  ]);
  const { slots, warnings } = await readSlotFile(config.slots, deriveId);
  for (const warning of warnings) log.warn('slot file is doubtful', { detail: warning });
  return slots;
}

/** What no container may get, also under its real name. */
async function protectedPaths(config: Config, env: Io['env']): Promise<readonly string[]> {
  const { keyFile, userKeyFile, ownerKeyFile, clientKeyFile, slots } = config;
  const secrets = [slots, keyFile, nextKeyPath(keyFile), userKeyFile, ownerKeyFile, clientKeyFile];
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
