import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { errorCode } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { idOf, isDocumentName, isIgnored, REMOVE_ALL, type Tree, walkTree } from './walk.ts';

export interface WatchOptions {
  top: string;
  clock: Clock;
  random: Random;
  log: Logger;
  onChange: () => void;
  signal: AbortSignal;
}

/** Quiet time that ends a burst of changes, and the longest a burst may hold us. */
const QUIET_MS = 100;
const LONGEST_BURST_MS = 1_000;
/** How often the tree is looked over for what the kernel did not tell (network disks, links to elsewhere). */
const POLL_MS = 5_000;
/** The looking-over takes at most this part of the time. */
const POLL_SHARE = 1 / 200;

/**
 * Calls back when something in the tree may have changed, once at the start, then coalesced, until aborted; never
 * rejects. Each directory is watched by itself, its parent too (or the nearest that exists), and all is looked over
 * every 5 s, so a missed event costs seconds and not the change.
 */
export async function watchTree(options: WatchOptions): Promise<void> {
  const { signal } = options;
  if (signal.aborted) return;
  const watcher = new TreeWatcher(options);
  const stop = () => watcher.wake();
  signal.addEventListener('abort', stop);
  try {
    await watcher.run();
  } finally {
    signal.removeEventListener('abort', stop);
    watcher.close();
  }
}

interface Armed {
  id: string;
  watcher: FSWatcher;
}

class TreeWatcher {
  readonly #options: WatchOptions;
  readonly #armed = new Map<string, Armed>();
  #changed = true;
  #sleep: AbortController | undefined;
  #complained = '';

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { clock, random, signal, onChange } = this.#options;
    let last: string | undefined;
    while (!signal.aborted) {
      const startedMs = clock.monoMs();
      this.#changed = false;
      const signature = await this.#look();
      const tookMs = clock.monoMs() - startedMs;
      if (signal.aborted) return;
      if (signature !== last) onChange();
      last = signature;
      await this.#wait(Math.max(POLL_MS, tookMs / POLL_SHARE) * (0.9 + 0.2 * random.next()));
      if (this.#changed) {
        await this.#settle();
        // An event is a reason to look even when the signature does not show it (same size, same clock tick).
        last = undefined;
      }
    }
  }

  /** Ends the present wait. */
  wake(): void {
    this.#sleep?.abort();
  }

  close(): void {
    for (const path of [...this.#armed.keys()]) this.#disarm(path);
  }

  /** Lists the tree and watches what is in it; until a second listing finds nothing new, so that no gap is left. */
  async #look(): Promise<string> {
    for (let round = 0; ; round++) {
      const tree = await walkTree(this.#options.top).catch((error) => errorText(error));
      const added =
        typeof tree === 'string'
          ? await this.#armAround()
          : await this.#arm(await directoriesOf(tree, this.#options.top));
      if (!added || round >= 5 || this.#options.signal.aborted)
        return typeof tree === 'string' ? tree : tree.signature;
    }
  }

  /** The tree cannot be listed: keep what is watched of it, and the nearest directory above that exists. */
  async #armAround(): Promise<boolean> {
    for (let at = dirname(this.#options.top); ; at = dirname(at)) {
      const stats = await stat(at, { bigint: true }).catch(() => undefined);
      if (stats?.isDirectory()) {
        const top = await stat(this.#options.top, { bigint: true }).catch(() => undefined);
        const wanted = new Map([[at, idOf(stats)]]);
        if (top !== undefined)
          for (const [path, { id }] of this.#armed) wanted.set(path, wanted.get(path) ?? id);
        return this.#arm(wanted);
      }
      if (at === dirname(at)) return false;
    }
  }

  /** Makes the watched directories exactly the wanted ones; true when one is new. */
  async #arm(wanted: ReadonlyMap<string, string>): Promise<boolean> {
    for (const [path, { id }] of [...this.#armed]) if (wanted.get(path) !== id) this.#disarm(path);
    let added = false;
    for (const [path, id] of wanted) {
      if (this.#armed.has(path)) continue;
      try {
        const watcher = watch(path, { persistent: false }, (event, name) => this.#notice(path, event, name));
        // The directory went away: the next listing sorts it out.
        watcher.on('error', () => this.#event());
        this.#armed.set(path, { id, watcher });
        added = true;
      } catch (error) {
        this.#complain(path, errorCode(error));
      }
    }
    return added;
  }

  #disarm(path: string): void {
    this.#armed.get(path)?.watcher.close();
    this.#armed.delete(path);
  }

  #complain(path: string, code: string): void {
    if (code === 'ENOENT' || this.#complained === code) return;
    this.#complained = code;
    this.#options.log.warn('directory cannot be watched, changes are seen by polling', { path, code });
  }

  #notice(directory: string, event: string, name: string | null): void {
    const { top } = this.#options;
    if (name === null || directory === top || directory.startsWith(`${top}/`)) {
      if (name === null || matters(event, name) || name === basename(directory)) this.#event();
    } else if (top.startsWith(directory === '/' ? '/' : `${directory}/`)) {
      // Above the top only the next name on the way down to it is ours.
      const below = top.slice(directory === '/' ? 1 : directory.length + 1);
      if (name === below.split('/', 1)[0] || name === basename(directory)) this.#event();
    } else if (matters(event, name)) this.#event();
  }

  #event(): void {
    this.#changed = true;
    this.wake();
  }

  /** Waits for the time, an event or the end; what happened during the last look ends it at once. */
  async #wait(ms: number): Promise<void> {
    if (this.#changed || this.#options.signal.aborted) return;
    this.#sleep = new AbortController();
    await this.#options.clock.sleep(ms, this.#sleep.signal).catch(() => {});
    this.#sleep = undefined;
  }

  /** Returns when no event has come for 100 ms, or after 1 s. */
  async #settle(): Promise<void> {
    const { clock, signal } = this.#options;
    const endMs = clock.monoMs() + LONGEST_BURST_MS;
    while (!signal.aborted) {
      this.#changed = false;
      await this.#wait(Math.min(QUIET_MS, Math.max(0, endMs - clock.monoMs())));
      if (!this.#changed || clock.monoMs() >= endMs) return;
    }
  }
}

async function directoriesOf(tree: Tree, top: string): Promise<Map<string, string>> {
  const wanted = new Map(tree.directories.map(({ path, id }) => [path, id]));
  // The parent tells when the top is moved away or another takes its name.
  const above = await stat(dirname(top), { bigint: true }).catch(() => undefined);
  if (dirname(top) !== top && above !== undefined) wanted.set(dirname(top), idOf(above));
  return wanted;
}

/** Names whose change can change what is read: documents, and anything that may be a directory or a link to one. */
function matters(event: string, name: string): boolean {
  if (name === REMOVE_ALL || name.startsWith('..')) return true;
  if (isIgnored(name)) return false;
  return isDocumentName(name) || event === 'rename';
}

function errorText(error: unknown): string {
  return error instanceof Error ? `cannot be listed: ${error.message}` : String(error);
}
