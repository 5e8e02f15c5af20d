import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RelayRuntime } from '../kinds/context.ts';

/** Folders with the libraries that a dynamically linked program looks for. */
const LIBRARIES = ['/usr', '/lib', '/lib32', '/lib64'];

/** Bounds on what the runtime takes; the program's own first line, which has more, is not read there. */
const FLAGS = [
  '--max-semi-space-size=1',
  '--max-old-space-size=48',
  '--v8-pool-size=0',
  '--optimize-for-size',
];

/**
 * What a container needs of the host to run this very program; undefined where it is not made of files. A path may be
 * replaced by a newer version: a relay that runs goes on with what it began with.
 */
export function relayRuntime(stateDir: string, script = process.argv[1]): RelayRuntime | undefined {
  const program = realPath(process.execPath);
  const file = script === undefined ? undefined : realPath(script);
  if (program === undefined || file === undefined) return undefined;
  // An executable that carries the program takes neither script nor flags.
  const isOne = file === program;
  const mounts = LIBRARIES.filter((path) => existsSync(path));
  for (const path of [program, ...libraries(), file])
    if (!mounts.some((folder) => path === folder || path.startsWith(`${folder}/`))) mounts.push(path);
  return {
    command: isOne ? [program] : [program, ...FLAGS, file],
    env: { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '32768', UV_THREADPOOL_SIZE: '1' },
    mounts: mounts.sort(),
    folder: join(stateDir, 'relays'),
  };
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Folders of the shared libraries that this process has loaded. */
function libraries(): string[] {
  try {
    const maps = readFileSync('/proc/self/maps', 'utf8');
    return [...maps.matchAll(/ (\/[^\n]*\.so(?:\.\d+)*)$/gm)].map(([, path = '/']) => dirname(path));
  } catch {
    return [];
  }
}
