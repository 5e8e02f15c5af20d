import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import {
  ensureDirectory,
  type FileSystem,
  nodeFileSystem,
  removeIfExists,
  temporaryName,
} from '../base/file.ts';
import { type DirectoryLock, lockDirectory } from '../base/lock.ts';
import type { Logger } from '../base/log.ts';
import { type Random, systemRandom } from '../base/random.ts';
import type { Outbox, OutboxStore } from '../model/colony.ts';
import type { Checkpoint, Memory, Slot, Store } from '../model/ports.ts';
import type { Rollout } from '../model/rollout.ts';
import {
  checkpointEssence,
  decodeCheckpoint,
  decodeMemory,
  decodeOutbox,
  decodeRollouts,
  decodeSlots,
  encodeCheckpoint,
  encodeRollouts,
} from './schema.ts';
import { SlotFile } from './slot-file.ts';

export interface StoreOptions {
  /** State directory; made (0700) when it is not there. */
  dir: string;
  clock: Clock;
  log: Logger;
  fs?: FileSystem;
  random?: Random;
  /** `own` (default): make and lock the directory. `read`: touch nothing, for a look beside a running agent. */
  access?: 'own' | 'read';
}

/** A store that holds its directory until it is closed. */
export type OpenStore = Store & OutboxStore & { close(): Promise<void> };

/**
 * Opens the state directory: `checkpoint`, `memory`, `slots`, `outbox` and `rollouts`, each in two slots (`slot-file.ts`), files 0600.
 * Throws `STATE_LOCKED`, `STATE_LOCK_FAILED`, or a `STORE_*` code when the directory cannot be made. Saving throws
 * `STORE_FULL`, `STORE_READONLY` or `STORE_FAILED` (transient) and leaves what was there; `loadSlots` throws
 * `STORE_DAMAGED` when there are identities and none can be read. Other files in the directory are left alone.
 */
export async function openStore(options: StoreOptions): Promise<OpenStore> {
  const { dir, log, clock, fs = nodeFileSystem, random = systemRandom, access = 'own' } = options;
  const lock = access === 'own' ? await own(dir, fs, clock, random, log) : undefined;
  const files = slotFiles(fs, dir);
  const save = <T>(file: SlotFile<T>, value: T): Promise<boolean> => {
    if (access === 'read') return Promise.reject(notOurs(dir));
    return file.save(value).catch((error) => Promise.reject(storeError(error, file.path('a').slice(0, -2))));
  };
  return {
    loadCheckpoint: async () => {
      const { value, notes } = await files.checkpoint.load();
      return { checkpoint: value, notes };
    },
    saveCheckpoint: (checkpoint) => save(files.checkpoint, checkpoint),
    loadMemory: async () => {
      const { value, notes } = await files.memory.load();
      for (const note of notes) log.warn('stored memory was damaged', { note });
      return value ?? { setbacks: [], adopted: [] };
    },
    saveMemory: (memory) => save(files.memory, memory),
    loadRollouts: async () => {
      const { value, notes } = await files.rollouts.load();
      for (const note of notes) log.warn('stored versions were damaged', { note });
      return value ?? [];
    },
    saveRollouts: (rollouts) => save(files.rollouts, rollouts),
    loadSlots: async () => {
      const { value, notes, unreadable } = await files.slots.load();
      for (const note of notes) log.warn('stored identities were damaged', { note });
      if (value === undefined && unreadable) throw noSlots(dir, notes);
      return value ?? [];
    },
    saveSlots: (slots) => save(files.slots, slots),
    loadOutbox: async () => {
      const { value, notes } = await files.outbox.load();
      // What is lost here the server still knows: processes it holds for us are asked for on every connect.
      for (const note of notes) log.warn('stored outbox was damaged', { note });
      return value ?? { processes: [], deregister: [] };
    },
    saveOutbox: (outbox) => save(files.outbox, outbox),
    close: async () => lock?.release(),
  };
}

const NAMES = ['checkpoint', 'memory', 'slots', 'outbox', 'rollouts'] as const;

function slotFiles(fs: FileSystem, directory: string) {
  const common = { fs, directory, version: 1 };
  return {
    checkpoint: new SlotFile<Checkpoint>({
      ...common,
      name: NAMES[0],
      encode: encodeCheckpoint,
      decode: decodeCheckpoint,
      essence: checkpointEssence,
    }),
    memory: new SlotFile<Memory>({
      ...common,
      name: NAMES[1],
      encode: (value) => value,
      decode: decodeMemory,
    }),
    // A lost key is an executor that the server does not know any more: both slots hold the newest.
    slots: new SlotFile<readonly Slot[]>({
      ...common,
      name: NAMES[2],
      encode: (value) => value,
      decode: decodeSlots,
      mirrored: true,
    }),
    outbox: new SlotFile<Outbox>({
      ...common,
      name: NAMES[3],
      encode: (value) => value,
      decode: decodeOutbox,
    }),
    rollouts: new SlotFile<readonly Rollout[]>({
      ...common,
      name: NAMES[4],
      encode: encodeRollouts,
      decode: decodeRollouts,
    }),
  };
}

async function own(dir: string, fs: FileSystem, clock: Clock, random: Random, log: Logger) {
  let lock: DirectoryLock;
  try {
    await ensureDirectory(fs, dir, 0o700);
    lock = await lockDirectory(dir, { clock, random });
  } catch (error) {
    throw storeError(error, dir);
  }
  if (lock.kind === 'named') log.warn('state directory cannot be written', { dir });
  const mode = (await stat(dir).catch(() => undefined))?.mode ?? 0;
  if ((mode & 0o077) !== 0)
    log.warn('state directory is open to others', { dir, mode: (mode & 0o777).toString(8) });
  for (const name of NAMES)
    for (const side of ['a', 'b'])
      await removeIfExists(fs, temporaryName(join(dir, `${name}.${side}`))).catch((error) =>
        log.warn('leftover file was not removed', { name, code: errorCode(error) }),
      );
  return lock;
}

/** A system error of a write, told apart by what the operator can do about it. */
function storeError(error: unknown, target: string): unknown {
  if (error instanceof EdgeError) return error;
  const errno = errorCode(error);
  const [code, text] =
    errno === 'ENOSPC' || errno === 'EDQUOT'
      ? ['STORE_FULL', 'the disk is full']
      : errno === 'EROFS'
        ? ['STORE_READONLY', 'the file system is read-only']
        : ['STORE_FAILED', errorText(error)];
  return new EdgeError(`Cannot write ${target}: ${text}`, { code, retry: 'transient', target, cause: error });
}

function notOurs(dir: string): EdgeError {
  const init = { code: 'STORE_READONLY', retry: 'permanent', target: dir } as const;
  return new EdgeError(`State directory ${dir} was opened for reading only`, init);
}

function noSlots(dir: string, notes: readonly string[]): EdgeError {
  return new EdgeError(`Cannot read the executor identities in ${dir}: ${notes.join('; ')}`, {
    code: 'STORE_DAMAGED',
    retry: 'permanent',
    target: dir,
  });
}
