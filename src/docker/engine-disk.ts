import { readdir, statfs } from 'node:fs/promises';
import { lru } from 'tiny-lru';
import type { Clock } from '../base/clock.ts';
import { errorCode } from '../base/errors.ts';
import type { DiskUse, ImageSize } from '../model/disk.ts';
import type { EngineDisk } from '../model/ports.ts';
import { deadlineOf } from './deadline.ts';
import { decodeStock } from './decode.ts';
import { engineError } from './errors.ts';
import type { RegistryAuth } from './registry-auth.ts';
import { isRelayReference } from './relay-references.ts';
import type { FullInfo } from './version.ts';

/** Longest time for asking a registry for a size: a pull waits for it. */
const ASK_MS = 10_000;
/** A pull that fails is repeated; what the registry said of its size counts this long. */
const REMEMBERED_MS = 900_000;
const MOST_REMEMBERED = 64;

/** What engines keep in their data folder: without any of it the folder is another one, as in a container. */
const OWN_FOLDERS =
  /^(image|containers|overlay2?|overlay-containers|libpod|vfs|fuse-overlayfs|btrfs|zfs|buildkit)$/;

export interface EngineDiskParts {
  clock: Clock;
  info(signal: AbortSignal): Promise<FullInfo>;
  /** `GET` of the engine; the path without the version. */
  get(path: string, signal: AbortSignal): Promise<unknown>;
  /** Absent: registries are asked anonymously. */
  auth?: RegistryAuth | undefined;
  /** Default: Docker's own. */
  certsDir?: string | undefined;
}

/** The engine's disk, seen from here. */
export function createEngineDisk(parts: EngineDiskParts): EngineDisk {
  const { clock, info, get, auth, certsDir } = parts;
  const sizes = lru<{ size: ImageSize; atMs: number }>(MOST_REMEMBERED);
  return {
    async use(signal) {
      const { rootDir } = await info(signal);
      return rootDir === '' ? undefined : diskUse(rootDir);
    },
    // An image with nothing but the name of a relay is one that a pull has not brought to its end: it is not there yet.
    stock: async (signal) =>
      decodeStock(await get('/images/json', signal)).filter(
        ({ tags, digests }) =>
          tags.length + digests.length === 0 || ![...tags, ...digests].every(isRelayReference),
      ),
    async sizeOf(reference, isExact, signal) {
      const key = `${isExact} ${reference}`;
      const known = sizes.get(key);
      if (known !== undefined && clock.monoMs() - known.atMs < REMEMBERED_MS) return known.size;
      const late = () => engineError('REGISTRY_UNREACHABLE', 'the registry did not say in time', reference);
      const deadline = deadlineOf(clock, ASK_MS, signal, `size of ${reference}`, late);
      try {
        const { askImageSize } = await import('./image-size.ts');
        const ask = { get, info: await info(deadline.signal), auth, certsDir };
        const size = await askImageSize(reference, isExact, ask, deadline.signal);
        // What the engine has changes with every pull.
        if (!isExact) sizes.set(key, { size, atMs: clock.monoMs() });
        return size;
      } finally {
        deadline.done();
      }
    },
  };
}

/** Use of the file system of an engine's data folder; undefined when it is not to be seen from here. */
export async function diskUse(path: string): Promise<DiskUse | undefined> {
  try {
    if (!(await isEngines(path))) return undefined;
    const { bsize, blocks, bfree, bavail } = await statfs(path);
    const used = blocks - bfree;
    const usable = used + bavail;
    return {
      path,
      totalBytes: blocks * bsize,
      freeBytes: bavail * bsize,
      usedPercent: usable === 0 ? 100 : (100 * used) / usable,
    };
  } catch {
    return undefined;
  }
}

/** A folder that only root may list is taken for the engine's: it keeps it so. */
async function isEngines(path: string): Promise<boolean> {
  try {
    return (await readdir(path)).some((name) => OWN_FOLDERS.test(name));
  } catch (error) {
    return errorCode(error) === 'EACCES';
  }
}
