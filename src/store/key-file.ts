import { randomBytes } from 'node:crypto';
import { chown, link, open, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EdgeError, errorCode } from '../base/errors.ts';
import { ensureDirectory, nodeFileSystem, removeIfExists, syncDirectory } from '../base/file.ts';
import { Secret } from '../base/secret.ts';

/** A private key as it stands in a file. */
export interface StoredKey {
  /** 64 hexadecimal digits. */
  key: Secret;
  /** undefined: nobody but the owner can get at it. Else one line for people. */
  exposed: string | undefined;
}

/** More than any way to write 32 bytes; a longer file is something else. */
const MAX_BYTES = 4096;

/**
 * Reads a file that holds a private key as 64 hexadecimal digits and white space around them; undefined when there is
 * none. Throws `KEY_UNREADABLE`, or `KEY_INVALID` for other content; no text ever holds what the file does.
 */
export async function readKeyFile(path: string): Promise<StoredKey | undefined> {
  let text: string;
  let mode: number;
  try {
    const file = await open(path, 'r');
    try {
      const found = await file.stat();
      if (!found.isFile() || found.size > MAX_BYTES) throw invalid(path, 'it is no file of one key');
      text = await file.readFile('utf8');
      mode = found.mode & 0o777;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof EdgeError) throw error;
    if (errorCode(error) === 'ENOENT') return undefined;
    throw unreadable(path, error);
  }
  const hex = text.trim();
  if (!/^[0-9a-fA-F]{64}$/.test(hex))
    throw invalid(path, hex === '' ? 'it is empty' : 'it must be 64 hexadecimal digits');
  const octal = mode.toString(8).padStart(4, '0');
  const exposed =
    (mode & 0o077) === 0 ? undefined : `${path} holds a key and is open to others (mode ${octal}); use 0600`;
  return { key: new Secret(hex.toLowerCase()), exposed };
}

/**
 * Writes a key (0600) where no file is, as one step and durably; false when there is one already, which is never
 * touched. The folder is made (0700) when missing; written by root, the file gets the folder's owner, so that an agent
 * of that user can read it. Throws `KEY_UNWRITABLE`.
 */
export async function createKeyFile(path: string, key: Secret): Promise<boolean> {
  const folder = dirname(path);
  // Two at the same time must not write into one temporary file.
  const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await ensureDirectory(nodeFileSystem, folder, 0o700);
    try {
      await writeTemporary(temporary, folder, key);
      // Unlike a rename it fails where a file is.
      await link(temporary, path);
    } finally {
      await removeIfExists(nodeFileSystem, temporary);
    }
    await syncDirectory(nodeFileSystem, folder);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw unwritable(path, error);
  }
}

async function writeTemporary(path: string, folder: string, key: Secret): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(`${key.reveal()}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  const { uid, gid } = await stat(folder);
  if (process.getuid?.() === 0 && uid !== 0) await chown(path, uid, gid);
}

/** Where the next key waits while it is being exchanged for the one in `path`. */
export function nextKeyPath(path: string): string {
  return `${path}.next`;
}

/** Puts the waiting next key in the place of the old one, as one step and durably. Throws `KEY_UNWRITABLE`. */
export async function adoptNextKey(path: string): Promise<void> {
  try {
    await nodeFileSystem.rename(nextKeyPath(path), path);
    await syncDirectory(nodeFileSystem, dirname(path));
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** Removes a waiting next key that nobody knows. Throws `KEY_UNWRITABLE`. */
export async function dropNextKey(path: string): Promise<void> {
  await unlink(nextKeyPath(path)).catch((error) => {
    if (errorCode(error) !== 'ENOENT') throw unwritable(path, error);
  });
}

function invalid(path: string, why: string): EdgeError {
  const init = { code: 'KEY_INVALID', retry: 'permanent', target: path } as const;
  return new EdgeError(`Cannot use the key in ${path}: ${why}`, init);
}

function unreadable(path: string, cause: unknown): EdgeError {
  const init = { code: 'KEY_UNREADABLE', retry: 'transient', target: path, cause } as const;
  return new EdgeError(`Cannot read the key in ${path}: ${errorCode(cause)}`, init);
}

function unwritable(path: string, cause: unknown): EdgeError {
  const init = { code: 'KEY_UNWRITABLE', retry: 'transient', target: path, cause } as const;
  return new EdgeError(`Cannot write the key ${path}: ${errorCode(cause)}`, init);
}
