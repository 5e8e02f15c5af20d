import { constants } from 'node:fs';
import * as node from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from './errors.ts';

/** An open file or directory. */
export interface OpenFile {
  /** Writes some of the bytes from `offset` on; returns how many. May be fewer than there are. */
  write(data: Uint8Array, offset: number): Promise<number>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The few file-system calls that the state needs, so that a test can stop the world between any two of them. */
export interface FileSystem {
  /** Makes a new file that nobody else has; fails with `EEXIST`. */
  create(path: string, mode: number): Promise<OpenFile>;
  /** Opens a directory, to make its entries durable. */
  openDirectory(path: string): Promise<OpenFile>;
  readFile(path: string): Promise<Buffer>;
  /** Names of a directory's entries, in no order. */
  list(path: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes the directory and its missing parents; returns the first one made, undefined when all were there. */
  makeDirectory(path: string, mode: number): Promise<string | undefined>;
}

/** The machine's own file system. */
export const nodeFileSystem: FileSystem = {
  create: async (path, mode) => openFile(await node.open(path, 'wx', mode)),
  openDirectory: async (path) => openFile(await node.open(path, constants.O_RDONLY | constants.O_DIRECTORY)),
  readFile: (path) => node.readFile(path),
  list: (path) => node.readdir(path),
  rename: (from, to) => node.rename(from, to),
  remove: (path) => node.unlink(path),
  makeDirectory: (path, mode) => node.mkdir(path, { recursive: true, mode }),
};

function openFile(handle: node.FileHandle): OpenFile {
  return {
    write: async (data, offset) => (await handle.write(data, offset)).bytesWritten,
    sync: () => handle.sync(),
    close: () => handle.close(),
  };
}

/** Where `writeDurably` keeps the unfinished file: hidden, beside its target, always the same name. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp`);
}

/**
 * Replaces a file as one step: readers and a power cut see the old content or the new one, never a mixture, and the
 * new one is on the disk when this returns. The unfinished file of an earlier crash is removed. When it throws (with
 * the system's own error), the old content stands, except after a failed fsync of the folder: then either may.
 * One writer for each path at a time is the caller's business.
 */
export async function writeDurably(
  fs: FileSystem,
  path: string,
  data: Uint8Array,
  mode: number,
): Promise<void> {
  const temporary = temporaryName(path);
  const file = await createFresh(fs, temporary, mode);
  try {
    try {
      await writeAll(file, data);
      // Before the rename: else a power cut may leave the new name with none of the data.
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.rename(temporary, path);
  } catch (error) {
    await removeIfExists(fs, temporary).catch(() => false);
    throw error;
  }
  await syncDirectory(fs, dirname(path));
}

async function createFresh(fs: FileSystem, path: string, mode: number): Promise<OpenFile> {
  try {
    return await fs.create(path, mode);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    // Left by a crash. It is not reused: its mode and its links are not known.
    await fs.remove(path);
    return fs.create(path, mode);
  }
}

async function writeAll(file: OpenFile, data: Uint8Array): Promise<void> {
  for (let offset = 0; offset < data.length; ) {
    const written = await file.write(data, offset);
    if (written <= 0) throw Object.assign(new Error('write returned no progress'), { code: 'EIO' });
    offset += written;
  }
}

/** Makes the names in a directory durable. A file system that cannot do it (`EINVAL`) is taken as it is. */
export async function syncDirectory(fs: FileSystem, path: string): Promise<void> {
  const directory = await fs.openDirectory(path);
  try {
    await directory.sync();
  } catch (error) {
    if (errorCode(error) !== 'EINVAL') throw error;
  } finally {
    await directory.close();
  }
}

/** Makes a directory with its missing parents, durably. An existing one is left as it is, mode included. */
export async function ensureDirectory(fs: FileSystem, path: string, mode: number): Promise<void> {
  const made = await fs.makeDirectory(path, mode);
  if (made === undefined) return;
  for (let at = path; ; at = dirname(at)) {
    await syncDirectory(fs, dirname(at));
    if (at === made || at === dirname(at)) return;
  }
}

/** The content of a file; undefined when there is none. Any other failure is thrown: unreadable is not absent. */
export async function readIfExists(fs: FileSystem, path: string): Promise<Buffer | undefined> {
  try {
    return await fs.readFile(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Removes a file; false when it was not there. */
export async function removeIfExists(fs: FileSystem, path: string): Promise<boolean> {
  try {
    await fs.remove(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
