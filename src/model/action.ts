import type { ContainerSpec, LimitSpec, RestartSpec } from './container.ts';
import type { Reason } from './reason.ts';
import type { ContainerFile, HookName, HookSpec, Replacement } from './update.ts';

/** What every action carries. */
interface ActionBase {
  /** The lane that is busy while the action runs: a service key, `image:ref`, `network:name` or `volume:name`. */
  lane: string;
  /** Blueprint it is done for; empty when it serves several. */
  blueprint: string;
  /** Why, in one clause: "container is not running (exited 137)". */
  cause: string;
}

/** One engine call as data. */
export type Action =
  | (ActionBase & {
      kind: 'pullImage';
      image: string;
      /** What else the same change has still to pull: all of it fits, or none is begun. Absent: nothing. */
      together?: readonly string[];
    })
  | (ActionBase & {
      kind: 'createNetwork';
      name: string;
      driver: string;
      labels: Readonly<Record<string, string>>;
    })
  | (ActionBase & {
      kind: 'createContainer';
      /** Name to create it under; a successor gets a temporary one. */
      name: string;
      specHash: string;
      spec: ContainerSpec;
      /** All labels, the blueprint's and the managed ones. */
      labels: Readonly<Record<string, string>>;
      /** true: it will take the place of another container. */
      replaces: boolean;
    })
  | (ActionBase & { kind: 'startContainer'; id: string; name: string; specHash: string; replaces: boolean })
  | (ActionBase & { kind: 'unpauseContainer'; id: string; name: string; specHash: string })
  | (ActionBase & {
      kind: 'stopContainer';
      id: string;
      name: string;
      specHash: string;
      timeoutS: number | undefined;
    })
  /** Stops it as gracefully as `stopContainer`, and starts it again: what its checks ask for. */
  | (ActionBase & {
      kind: 'restartContainer';
      id: string;
      name: string;
      specHash: string;
      timeoutS: number | undefined;
    })
  | (ActionBase & { kind: 'renameContainer'; id: string; from: string; name: string; specHash: string })
  | (ActionBase & {
      kind: 'updateContainer';
      id: string;
      name: string;
      specHash: string;
      restart: RestartSpec;
      limits: LimitSpec;
      /** Fingerprint of restart and limits, remembered so that an engine that ignores them is not asked again. */
      liveHash: string;
    })
  | (ActionBase & {
      kind: 'connectNetwork';
      id: string;
      name: string;
      specHash: string;
      network: string;
      aliases: readonly string[];
    })
  | (ActionBase & {
      kind: 'disconnectNetwork';
      id: string;
      name: string;
      specHash: string;
      network: string;
      /** true: only so that the engine publishes its ports anew when the next look finds it missing there. */
      repairs?: true;
    })
  | (ActionBase & { kind: 'removeContainer'; id: string; name: string; specHash: string; force: boolean })
  | (ActionBase & { kind: 'removeNetwork'; id: string; name: string })
  | (ActionBase & { kind: 'removeVolume'; name: string })
  /** Looks at a file in the container that would hold its replacement off. */
  | (ActionBase & {
      kind: 'checkLock';
      id: string;
      name: string;
      specHash: string;
      path: string;
      ttlMs: number;
      /** When the container was started, epoch milliseconds; absent where that is not known. */
      startedAt?: number;
    })
  /** `id`, `name`: the container that an `exec` is run in. */
  | (ActionBase & {
      kind: 'runHook';
      id: string;
      name: string;
      specHash: string;
      hook: HookName;
      spec: HookSpec;
      env: Readonly<Record<string, string>>;
      /** What the replacement is from, container id. */
      from: string;
    })
  /** Makes an image that holds nothing: what its containers run is mounted from the host. */
  | (ActionBase & { kind: 'importImage'; name: string })
  /** Sends new connections to another container, by its short id. */
  | (ActionBase & {
      kind: 'pointRelay';
      /** The relay's container. */
      name: string;
      specHash: string;
      folder: string;
      target: string;
      targetName: string;
    })
  /** By id and never by force: an image that is in use stays. */
  | (ActionBase & { kind: 'removeImage'; id: string; name: string });

export type ActionKind = Action['kind'];

/** A service left alone for now. */
export interface Hold {
  /** Service key. */
  key: string;
  blueprint: string;
  reason: Reason;
  message: string;
  /** Monotonic time of the next look; absent: when something changes. */
  untilMs?: number;
  /** The same as wall time, for people. */
  nextTryAt?: number;
  /** Dependencies it waits for, as its blueprint names them. */
  waitsFor?: readonly string[];
  /** true: it has waited for one of them longer than it should. */
  overdue?: boolean;
  /** Tries made so far. */
  attempts?: number;
  /** Wall time of the first of these failures, epoch milliseconds. */
  since?: number;
}

/** The next steps, not a grand plan: act, look again. */
export interface Plan {
  actions: readonly Action[];
  holds: readonly Hold[];
  /** Monotonic time at which to look again even if nothing happens. */
  wakeAtMs?: number;
  /** Containers taken over from the Go reconciler, to be remembered: container id and the hash it stands for. */
  adopt: readonly { id: string; name: string; specHash: string }[];
  /** Blueprints that were deleted and of which nothing is left. */
  finished: readonly string[];
  /** Services, by key, whose start is under way or begins with this plan, and that others have to wait for; absent: none. */
  starting?: readonly string[];
  /** Replacements that begin when they are on disk, as hooks have to run after them; absent: none. */
  noted?: readonly Replacement[];
  /** Service keys of replacements after which no hook has to run any more; absent: none. */
  ended?: readonly string[];
}

/** What came of an action. */
export type Outcome = { action: Action; tookMs: number } & (
  | {
      ok: true;
      id?: string;
      warnings?: readonly string[];
      /** `checkLock`: undefined when the file is not there. */
      file?: ContainerFile | undefined;
      /** `runHook`: the end of what it wrote, one line. */
      output?: string;
    }
  | { ok: false; code: string; reason: Reason; message: string; permanent: boolean; engineOutage: boolean }
);
