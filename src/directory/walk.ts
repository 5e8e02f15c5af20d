import type { BigIntStats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EdgeError, errorCode } from '../base/errors.ts';

/** Limits of one directory of blueprints; beyond them nothing of it is taken, rather than a part. */
export const MAX_FILES = 1000;
export const MAX_FILE_BYTES = 1024 * 1024;
const MAX_ENTRIES = 20_000;
const MAX_DEPTH = 32;

/** A file that may hold blueprints. `stats` is absent when it could be listed but not looked at. */
export interface FoundFile {
  path: string;
  stats?: BigIntStats;
  /** errno of the failed look. */
  error?: string;
}

/** Everything in a directory tree that matters to us, symlinks followed. */
export interface Tree {
  /** Device and inode of the top. */
  identity: string;
  /** Each directory once, the top first. */
  directories: readonly { path: string; id: string }[];
  /** Sorted by path. */
  files: readonly FoundFile[];
  confirmedEmpty: boolean;
  /** Changes when anything in the tree may have changed. */
  signature: string;
}

const DOCUMENT = /\.(json|ya?ml)$/i;
const LEFTOVER = /(~|\.sw[a-z]|\.tmp|\.bak|\.orig)$/i;
/** The operator's word that an empty directory is meant. */
export const REMOVE_ALL = '.remove-all';

/** Hidden names and what editors leave behind. */
export function isIgnored(name: string): boolean {
  return name.startsWith('.') || LEFTOVER.test(name);
}

/** Names of files that are read as blueprints. */
export function isDocumentName(name: string): boolean {
  return !isIgnored(name) && DOCUMENT.test(name);
}

/**
 * Lists the tree below `top`. Throws `SOURCE_UNAVAILABLE` when any part cannot be listed or the limits are exceeded: a
 * part of the tree must never be taken for the whole. A file that cannot be looked at is listed with its error.
 */
export async function walkTree(top: string): Promise<Tree> {
  const stats = await look(top, top);
  if (!stats.isDirectory()) throw unavailable(top, 'it is not a directory');
  const walk = new Walk(top);
  await walk.directory(top, stats, 0);
  walk.files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    identity: idOf(stats),
    directories: walk.directories,
    files: walk.files,
    confirmedEmpty: walk.confirmedEmpty,
    signature: walk.marks.sort().join('\n'),
  };
}

class Walk {
  readonly directories: { path: string; id: string }[] = [];
  readonly files: FoundFile[] = [];
  readonly marks: string[] = [];
  confirmedEmpty = false;
  readonly #top: string;
  readonly #seen = new Set<string>();
  #entries = 0;

  constructor(top: string) {
    this.#top = top;
  }

  async directory(path: string, stats: BigIntStats, depth: number): Promise<void> {
    // Also the guard against symlinks that lead back up.
    if (this.#seen.has(idOf(stats))) return;
    this.#seen.add(idOf(stats));
    if (depth > MAX_DEPTH) throw unavailable(this.#top, `it is deeper than ${MAX_DEPTH} levels`);
    this.directories.push({ path, id: idOf(stats) });
    this.marks.push(`${path} ${markOf(stats)}`);
    const entries = await readdir(path, { withFileTypes: true }).catch((error) => {
      throw unavailable(this.#top, `${path} cannot be listed (${errorCode(error)})`, error);
    });
    this.#entries += entries.length;
    if (this.#entries > MAX_ENTRIES) throw unavailable(this.#top, `it has more than ${MAX_ENTRIES} entries`);
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const inside = join(path, entry.name);
      if (entry.name === REMOVE_ALL && depth === 0) this.confirmedEmpty = true;
      if (isIgnored(entry.name)) continue;
      if (entry.isDirectory()) await this.directory(inside, await look(inside, this.#top), depth + 1);
      else if (entry.isSymbolicLink()) await this.#link(inside, entry.name, depth);
      else if (isDocumentName(entry.name)) await this.#file(inside);
    }
  }

  /** A link may be a file or a directory; one that leads nowhere may have been either. */
  async #link(path: string, name: string, depth: number): Promise<void> {
    if (isDocumentName(name)) {
      const stats = await stat(path, { bigint: true }).catch(() => undefined);
      return stats?.isDirectory() ? this.directory(path, stats, depth + 1) : this.#file(path);
    }
    const stats = await stat(path, { bigint: true }).catch((error) => {
      // "README -> gone" is no loss, "site -> /media/usb" is the whole site.
      if (/\.[^.]+$/.test(name)) return undefined;
      throw unavailable(this.#top, `the link ${path} leads nowhere (${errorCode(error)})`, error);
    });
    if (stats?.isDirectory()) await this.directory(path, stats, depth + 1);
  }

  async #file(path: string): Promise<void> {
    if (this.files.length >= MAX_FILES)
      throw unavailable(this.#top, `it has more than ${MAX_FILES} JSON and YAML files`);
    try {
      const stats = await stat(path, { bigint: true });
      this.files.push({ path, stats });
      this.marks.push(`${path} ${markOf(stats)}`);
    } catch (error) {
      this.files.push({ path, error: errorCode(error) });
      this.marks.push(`${path} ${errorCode(error)}`);
    }
  }
}

async function look(path: string, top: string): Promise<BigIntStats> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    throw unavailable(top, `${path} cannot be looked at (${errorCode(error)})`, error);
  }
}

/** Device and inode. */
export function idOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`;
}

/** What changes with any write, chmod, rename over or replacement. */
export function markOf(stats: BigIntStats): string {
  return `${idOf(stats)} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
}

/** The directory's state is not known now; nothing may be concluded from it. */
export function unavailable(path: string, why: string, cause?: unknown): EdgeError {
  return new EdgeError(`Cannot read blueprint directory ${path}: ${why}`, {
    code: 'SOURCE_UNAVAILABLE',
    retry: 'transient',
    target: path,
    cause,
  });
}
