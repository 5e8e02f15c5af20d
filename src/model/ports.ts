import type { Action } from './action.ts';
import type { Blueprint } from './blueprint.ts';
import type { DesiredBlueprint } from './desired.ts';
import type { DiskUse, ImageSize, PulledImage, StockImage } from './disk.ts';
import type { EngineSnapshot, Setback } from './observed.ts';
import type { Problem } from './problem.ts';
import type { Rollout } from './rollout.ts';
import type { ContainerFile, HookResult, Replacement, UpdateLock } from './update.ts';

/** What a look at the engine should include beside the containers and networks. */
export interface Wanted {
  /** Image references to look up. */
  images: readonly string[];
  /** Volume names to look up. */
  volumes: readonly string[];
}

/** A reason to look; the listing is the truth. */
export interface EngineEvent {
  type: 'container' | 'image' | 'network' | 'volume' | 'connected' | 'disconnected';
  /** "die", "destroy", "pull", ...; for `disconnected` the cause. */
  action: string;
  /** Container or network id, image reference, volume name. */
  id: string;
  /** Container name, where the event tells it. */
  name?: string;
  /** The container a network's event is about, by id. */
  container?: string;
  /** true: about a container without the label `colonies.managed`. */
  isForeign?: boolean;
  /** Label `colonies.node` of the container. */
  node?: string;
}

/** The container engine, as `reconcile` sees it. Every failure is an `EdgeError` with one of the `ENGINE_*` codes
 *  or a more exact one (`docker/errors.ts`). */
export interface Engine {
  readonly endpoint: string;
  /** One complete look. Details of a container whose inspection does not answer in time are left out and come later,
   *  announced by an event; a failed listing throws. */
  snapshot(wanted: Wanted, signal: AbortSignal): Promise<EngineSnapshot>;
  /** Carries out one action; "already so" (started, stopped, gone) is success. `id` for what was created. */
  perform(action: EngineAction, signal: AbortSignal): Promise<{ id?: string; warnings?: readonly string[] }>;
  /** Pulls one image; fails with `PULL_STALLED` when nothing moves for the configured time. */
  pull(
    image: string,
    options: { signal: AbortSignal; onProgress(currentBytes: number, totalBytes: number): void },
  ): Promise<void>;
  /** A file in a container, running or not, with the first `headBytes` of it; undefined when it is not there. */
  readFile(
    id: string,
    path: string,
    headBytes: number,
    signal: AbortSignal,
  ): Promise<ContainerFile | undefined>;
  /** Runs a command in a running container. One that does not end in time goes on in there: engines cannot end it. */
  exec(id: string, command: HookCommand, signal: AbortSignal): Promise<HookResult>;
  /** Delivers events until aborted; reconnects by itself and says `connected` each time, after which the caller must look. */
  watch(onEvent: (event: EngineEvent) => void, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** A command with what is added to its environment, and its time. */
export interface HookCommand {
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  timeoutMs: number;
}

/** Runs executables of the hooks directory, by name, in a process group of their own that is ended when their time is over.
 *  Throws `HOOK_REFUSED` for one that is not there or that others could have changed. */
export interface HookRunner {
  run(name: string, options: Omit<HookCommand, 'command'>, signal: AbortSignal): Promise<HookResult>;
}

/** The disk the engine keeps its images on, and what a pull would put there. Asked only when something is pulled, and
 *  `use`, which costs no call, at looks. */
export interface EngineDisk {
  /** Undefined when that disk cannot be seen from here. */
  use(signal: AbortSignal): Promise<DiskUse | undefined>;
  /** All images that the engine has. */
  stock(signal: AbortSignal): Promise<readonly StockImage[]>;
  /** Size of an image by its registry's own manifest. `isExact`: without the layers that the engine has already, which
   *  is dearer to find out. Throws when nobody can say. */
  sizeOf(reference: string, isExact: boolean, signal: AbortSignal): Promise<ImageSize>;
}

/** One check of an address. */
export interface ProbeCheck {
  host: string;
  port: number;
  /** Absent: a tcp connection is enough. */
  http?: { path: string; tls: boolean; status: number };
  /** true: over tcp a connection is not enough. When ours is ended the other side must end it too, or say something. */
  mustAnswer?: boolean;
  timeoutMs: number;
}

/** `message`: why, as a clause: "connection refused". */
export type ProbeResult = { ok: true } | { ok: false; message: string };

/** Asks addresses whether they answer. */
export interface Prober {
  /** One check; ends within its time. Rejects only when the signal is aborted, with the signal's reason. */
  probe(check: ProbeCheck, signal: AbortSignal): Promise<ProbeResult>;
}

/** The actions that are one call of the engine that changes something. */
export type EngineAction = Exclude<Action, { kind: 'pullImage' | 'checkLock' | 'runHook' | 'pointRelay' }>;

/** One document found in the directory: parsed, not yet decoded. */
export interface SourceDocument {
  file: string;
  /** 0-based position in the file. */
  document: number;
  value: unknown;
  /** Line (1-based) of a field path, for `validate`; absent where nobody asked. */
  lineOf?(path: string): number | undefined;
}

/** Everything a directory tree says at one moment. */
export interface DirectoryListing {
  /** Absolute path of the directory. */
  path: string;
  /** Device and inode, so that an unmounted disk is not taken for an emptied directory. */
  identity: string;
  /** Files looked at. */
  files: readonly string[];
  documents: readonly SourceDocument[];
  /** Files that cannot be read or parsed; what they held before stays in force. */
  broken: readonly { file: string; problem: Problem; line?: number }[];
  /** The operator confirmed that an empty directory is meant: a file named `.remove-all` is in it. */
  confirmedEmpty: boolean;
  /** Blueprint definitions lying beside, which are no blueprints and not in `documents`. */
  definitions?: number;
}

/** A local directory of blueprints. */
export interface DirectorySource {
  readonly path: string;
  /** Reads the whole tree. Throws `SOURCE_UNAVAILABLE` when the directory itself cannot be read. */
  read(signal: AbortSignal): Promise<DirectoryListing>;
  /** Calls back (coalesced) when something in the tree may have changed, until aborted. Survives the directory's absence. */
  watch(onChange: () => void, signal: AbortSignal): Promise<void>;
}

/** A blueprint turned into desired services; `elsewhere` when it names another node or location. `needsClaim`: other nodes
 *  may take it as well, and the server's status says which one has. */
export type Resolution =
  | { result: 'ours'; desired: DesiredBlueprint; needsClaim: boolean }
  | { result: 'elsewhere'; why: string }
  | { result: 'refused'; problems: readonly Problem[]; needsClaim: boolean };

export type Resolve = (blueprint: Blueprint) => Resolution;

/** The last desired state, saved whole. */
export interface Checkpoint {
  /** Wall time, epoch milliseconds. */
  savedAt: number;
  blueprints: readonly DesiredBlueprint[];
  /** Identity of the directory they came from; empty when unknown. */
  directoryIdentity: string;
}

/** Failures and adoptions that must outlive a restart. */
export interface Memory {
  /** Permanent ones only; times of the monotonic clock do not survive and are set anew. */
  setbacks: readonly Omit<Setback, 'notBeforeMs'>[];
  adopted: readonly { id: string; specHash: string }[];
  /** `ObservedState.keptImages`; absent: none. */
  keptImages?: readonly { id: string; imageId: string }[];
  /** Images that this agent pulled; absent: none. */
  pulledImages?: readonly PulledImage[];
  /** Operators' locks; absent: none. */
  locks?: readonly UpdateLock[];
  /** Replacements whose last hook has still to run; absent: none. */
  replacing?: readonly Replacement[];
}

/** Identity of one executor replica, kept over replacements and restarts. `key` is secret: 64 hexadecimal digits. */
export interface Slot {
  blueprint: string;
  index: number;
  key: string;
  /** Derived from the key. */
  id: string;
  executorName: string;
  containerName: string;
  registered: boolean;
  approved: boolean;
}

/** What survives a reboot. Writes happen only when the content changed, atomically, and are durable when they return. */
export interface Store {
  /** The newest valid checkpoint; `undefined` when there is none. `notes` says what was damaged or passed over. */
  loadCheckpoint(): Promise<{ checkpoint: Checkpoint | undefined; notes: readonly string[] }>;
  /** Returns false when the content had not changed and nothing was written. */
  saveCheckpoint(checkpoint: Checkpoint): Promise<boolean>;
  loadMemory(): Promise<Memory>;
  saveMemory(memory: Memory): Promise<boolean>;
  /** Good and bad versions of blueprints; empty when there are none, or none can be read. */
  loadRollouts(): Promise<readonly Rollout[]>;
  saveRollouts(rollouts: readonly Rollout[]): Promise<boolean>;
  loadSlots(): Promise<readonly Slot[]>;
  saveSlots(slots: readonly Slot[]): Promise<boolean>;
}
