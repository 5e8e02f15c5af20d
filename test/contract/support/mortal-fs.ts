import type { FileSystem, OpenFile } from '../../../src/base/file.ts';

/** The process "died" here: this call and every later one is refused. */
export class Death extends Error {
  readonly code = 'DEATH';
}

/** How the fatal call ends: before it took effect, after it, or (writes only) after so many bytes. */
export type End = 'before' | 'after' | { bytes: number };

/**
 * A file system that passes everything on to a real one until operation number `dieAt` (1-based) and is dead from
 * then on. `operations` counts, so that a first run without a death tells how many there are.
 */
export function mortalFileSystem(real: FileSystem, dieAt = Number.POSITIVE_INFINITY, end: End = 'before') {
  const log: string[] = [];
  let dead = false;
  async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (dead) throw new Death('dead already');
    log.push(what);
    if (log.length < dieAt) return work();
    dead = true;
    if (end === 'after') await work().then(closeIfOpen);
    throw new Death(`died at ${what}`);
  }
  const mortal = (path: string, file: OpenFile): OpenFile => ({
    write: (data, offset) =>
      step(`write ${path}`, async () => file.write(data, offset)).catch(async (error) => {
        if (log.length === dieAt && typeof end === 'object' && end.bytes > 0)
          await file.write(data.subarray(0, Math.min(data.length, offset + end.bytes)), offset);
        throw error;
      }),
    sync: () => step(`fsync ${path}`, () => file.sync()),
    // The kernel closes for the dead.
    close: async () => {
      await file.close();
      if (dead) throw new Death('dead already');
    },
  });
  const fs: FileSystem = {
    create: (path, mode) => step(`create ${path}`, async () => mortal(path, await real.create(path, mode))),
    openDirectory: (path) => step(`open ${path}`, async () => mortal(path, await real.openDirectory(path))),
    readFile: (path) => step(`read ${path}`, () => real.readFile(path)),
    list: (path) => step(`list ${path}`, () => real.list(path)),
    rename: (from, to) => step(`rename ${to}`, () => real.rename(from, to)),
    remove: (path) => step(`remove ${path}`, () => real.remove(path)),
    makeDirectory: (path, mode) => step(`mkdir ${path}`, () => real.makeDirectory(path, mode)),
  };
  return { fs, operations: log };
}

/** The kernel closes what a dead process had open. */
async function closeIfOpen(result: unknown): Promise<void> {
  if (
    typeof result === 'object' &&
    result !== null &&
    'close' in result &&
    typeof result.close === 'function'
  )
    await result.close();
}

/** A file system whose given operation fails with a system error, everything else works. */
export function failingFileSystem(
  real: FileSystem,
  operation: keyof FileSystem | 'write' | 'sync',
  code: string,
) {
  const fail = () => Promise.reject(Object.assign(new Error(`${code}: pretended`), { code }));
  const wrap = (file: OpenFile): OpenFile => ({
    write: async (data, offset) => {
      if (operation !== 'write') return file.write(data, offset);
      await file.write(data.subarray(0, offset + 3), offset);
      return fail();
    },
    sync: () => (operation === 'sync' ? fail() : file.sync()),
    close: () => file.close(),
  });
  const fs: FileSystem = {
    ...real,
    create: async (path, mode) => wrap(await real.create(path, mode)),
    openDirectory: async (path) => wrap(await real.openDirectory(path)),
  };
  return operation === 'write' || operation === 'sync' ? fs : { ...fs, [operation]: fail };
}

/** A file system that writes at most `most` bytes with each call. */
export function shortWriting(real: FileSystem, most: number): FileSystem {
  return {
    ...real,
    create: async (path, mode) => {
      const file = await real.create(path, mode);
      return {
        ...file,
        write: (data, offset) => file.write(data.subarray(0, Math.min(data.length, offset + most)), offset),
      };
    },
  };
}
