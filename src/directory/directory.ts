import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { errorCode } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { DirectoryListing, DirectorySource, SourceDocument } from '../model/ports.ts';
import { isDefinition, parseFile } from './parse.ts';
import { type FoundFile, MAX_FILE_BYTES, markOf, type Tree, unavailable, walkTree } from './walk.ts';
import { watchTree } from './watch.ts';

export interface DirectoryOptions {
  path: string;
  clock: Clock;
  random: Random;
  log: Logger;
}

/** A disk that is slower than this is taken for unavailable. */
const READ_DEADLINE_MS = 30_000;
const MAX_TOTAL_BYTES = 32 * 1024 * 1024;
const MAX_ATTEMPTS = 3;

type Broken = DirectoryListing['broken'][number];

/**
 * A local directory of blueprints: `*.json`, `*.yaml`, `*.yml` in the whole tree, symlinks followed, hidden names and
 * editor leftovers ignored. `read` throws `SOURCE_UNAVAILABLE` whenever the answer would not be the whole truth.
 */
export function openDirectory({ path, clock, random, log }: DirectoryOptions): DirectorySource {
  const top = resolve(path);
  // A call into a dead network mount never ends and holds a thread; a second one must not join it.
  let reading: Promise<DirectoryListing> | undefined;
  return {
    path: top,
    read: async (signal) => {
      signal.throwIfAborted();
      if (reading !== undefined) throw unavailable(top, 'an earlier reading has not ended yet');
      const started = readAll(top, signal).finally(() => {
        reading = undefined;
      });
      reading = started;
      return deadline(started, top, clock, signal);
    },
    watch: (onChange, signal) => watchTree({ top, clock, random, log, onChange, signal }),
  };
}

async function deadline<T>(work: Promise<T>, top: string, clock: Clock, signal: AbortSignal): Promise<T> {
  const timer = new AbortController();
  const stop = AbortSignal.any([signal, timer.signal]);
  const late = clock.sleep(READ_DEADLINE_MS, stop).then(() => {
    throw unavailable(top, `it does not answer within ${READ_DEADLINE_MS / 1000} s`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
    late.catch(() => {});
    work.catch(() => {});
  }
}

async function readAll(top: string, signal: AbortSignal): Promise<DirectoryListing> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const tree = await walkTree(top);
    const listing = await readTree(top, tree, signal);
    // A file moved to a folder that was listed before it would be in neither; a disk taken away meanwhile, in part.
    if (shapeOf(await walkTree(top)) === shapeOf(tree)) return listing;
  }
  throw unavailable(top, 'it keeps changing while it is read');
}

function shapeOf(tree: Tree): string {
  const directories = tree.directories.map(({ path, id }) => `${path} ${id}`);
  return [...directories, ...tree.files.map((file) => file.path)].join('\n');
}

async function readTree(top: string, tree: Tree, signal: AbortSignal): Promise<DirectoryListing> {
  const documents: SourceDocument[] = [];
  const broken: Broken[] = [];
  let definitions = 0;
  let totalBytes = 0;
  for (const file of tree.files) {
    signal.throwIfAborted();
    totalBytes += Number(file.stats?.size ?? 0n);
    if (totalBytes > MAX_TOTAL_BYTES) throw unavailable(top, 'its files are larger than 32 MiB together');
    const found = await readBlueprintFile(file.path, file);
    if (found.broken !== undefined) broken.push(found.broken);
    for (const document of found.documents)
      if (isDefinition(document.value)) definitions++;
      else documents.push(document);
  }
  const files = tree.files.map((file) => file.path);
  const { identity, confirmedEmpty } = tree;
  return { path: top, identity, files, documents, broken, confirmedEmpty, definitions };
}

/** Reads and parses one file, definitions included; never throws for what is in it or for its absence. */
export async function readBlueprintFile(
  path: string,
  found?: FoundFile,
): Promise<{ documents: readonly SourceDocument[]; broken?: Broken }> {
  const refuse = (message: string, line?: number) => ({
    documents: [],
    broken: {
      file: path,
      problem: { severity: 'error', reason: 'SpecInvalid', path: '', message } as const,
      ...(line === undefined ? {} : { line }),
    },
  });
  if (found?.error !== undefined) return refuse(`cannot be read (${found.error})`);
  let bytes: Buffer | string;
  try {
    bytes = await readStable(path);
  } catch (error) {
    return refuse(`cannot be read (${errorCode(error)})`);
  }
  if (typeof bytes === 'string') return refuse(bytes);
  const parsed = await parseFile(path, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  if (!parsed.ok) return refuse(parsed.message, parsed.line);
  return { documents: parsed.documents.map((document) => ({ file: path, ...document })) };
}

/** The bytes of a file that nobody wrote to meanwhile, or what is wrong with it. */
async function readStable(path: string): Promise<Buffer | string> {
  // Without O_NONBLOCK a named pipe would hold the thread until somebody writes to it.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    for (let attempt = 0; attempt < 2; attempt++) {
      const before = await file.stat({ bigint: true });
      if (!before.isFile()) return 'is not a regular file';
      if (before.size > MAX_FILE_BYTES) return `is larger than ${MAX_FILE_BYTES / 1024 / 1024} MiB`;
      const bytes = Buffer.alloc(Number(before.size));
      let length = 0;
      for (; length < bytes.length; ) {
        const { bytesRead } = await file.read(bytes, length, bytes.length - length, length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      const after = await file.stat({ bigint: true });
      if (length === bytes.length && markOf(before) === markOf(after)) return bytes;
    }
    return 'is being written';
  } finally {
    await file.close();
  }
}
