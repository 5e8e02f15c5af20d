/** What holds a replacement off, and what is run around one. */

export type HookName = 'before-update' | 'after-update' | 'on-rollback';

/** `exec`: a command in the container; `run`: an executable of the hooks directory, by its plain name. */
export type HookSpec = ({ exec: readonly string[] } | { run: string }) & { timeoutMs: number };

export interface HooksSpec {
  beforeUpdate?: HookSpec;
  afterUpdate?: HookSpec;
  onRollback?: HookSpec;
}

/** A file in the container that holds its replacement off while it exists. */
export interface LockFileSpec {
  /** Absolute path in the container. */
  path: string;
  /** Counted from the file's time of change. */
  ttlMs: number;
}

/** What came of a hook. */
export interface HookResult {
  /** Absent: it did not end in time. */
  exitCode?: number;
  /** The end of what it wrote, both streams. */
  output: string;
}

/** A file in a container, as the engine tells it. */
export interface ContainerFile {
  /** Time of change, epoch milliseconds. */
  changedAt: number;
  /** Its beginning; empty for what is no plain file. */
  head: string;
}

/** What an operator holds replacements off with; kept over restarts of the agent. */
export interface UpdateLock {
  id: string;
  /** `blueprint` or `blueprint/instance`. */
  name: string;
  /** Who says so: "root", "root (backup.sh, pid 4711)". */
  owner: string;
  /** Empty: none was given. */
  reason: string;
  /** Wall time, epoch milliseconds. */
  since: number;
  /** Absent: until its holder ends. */
  ttlMs?: number;
  /** true: it ends with the connection of the process that holds it. */
  isHeld?: true;
}

/** An operator's lock that counts. */
export interface LockView extends UpdateLock {
  /** Monotonic time of its end, and the same as wall time; absent without a TTL. */
  untilMs?: number;
  until?: number;
}

/** What the last look at a container's lock file said. */
export interface LockLook {
  /** Service key, container name and path in the container. */
  key: string;
  container: string;
  path: string;
  /** `unknown`: the engine could not tell, which is not free. */
  state: 'free' | 'locked' | 'unknown';
  /** First line of the file, or why nothing is known. */
  message: string;
  /** The file's time of change, epoch milliseconds; 0 when there is none. */
  changedAt: number;
  /** Monotonic time at which this file was first seen. */
  firstMs: number;
  /** Monotonic time of this look, and of the next one while it holds. */
  seenMs: number;
  nextMs: number;
  /** `nextMs` as wall time, and when the lock is void; epoch milliseconds. */
  nextAt: number;
  until?: number;
  /** Looks in a row that held. */
  count: number;
}

/** A replacement whose last hook has still to run; kept over restarts of the agent. */
export interface Replacement {
  /** Service key. */
  key: string;
  /** Container id, spec hash and image of what is replaced. */
  from: string;
  fromHash: string;
  fromImage: string;
  /** Spec hash of what replaces it. */
  toHash: string;
  toImage: string;
}

/** The planner's view of locks and hooks. */
export interface UpdateView {
  locks: readonly LockView[];
  /** By container id. */
  lockFiles: ReadonlyMap<string, LockLook>;
  /** Containers that are replaced once whatever locks say, by id. */
  overridden: ReadonlySet<string>;
  /** before-update hooks that passed, by service key: for which replacement, and when (monotonic milliseconds). */
  passed: ReadonlyMap<string, { from: string; toHash: string; atMs: number }>;
  /** By service key. `isSaved`: it is on disk, or cannot be put there. */
  replacing: ReadonlyMap<string, Replacement & { isSaved: boolean }>;
}

/** What can be asked about locks over the agent's own interface. */
export type LockCommand =
  /** `id`: a lock that this holder had before. */
  | {
      command: 'lock';
      name: string;
      owner: string;
      reason: string;
      ttlMs?: number;
      isHeld?: true;
      id?: string;
    }
  | { command: 'unlock'; name: string }
  /** The holder of a lock has ended. */
  | { command: 'release'; id: string }
  /** Its containers are replaced once, whatever locks say. */
  | { command: 'override'; name: string };

export interface LockAnswer {
  ok: boolean;
  /** What came of it, as a sentence. */
  text: string;
  /** Of the lock that was made. */
  id?: string;
}
