import type { Slot } from '../model/ports.ts';
import type { BindPrefixMap } from './bind-map.ts';
import type { Overlay } from './overlay.ts';
import type { Policy } from './policy.ts';

/** What relays are made of: this very program, taken from the host. */
export interface RelayRuntime {
  /** The program with the runtime's flags, as paths of the host. */
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Files and folders of the host that it needs, at the same place in its container. */
  mounts: readonly string[];
  /** Where the folders are that relays share with the agent. */
  folder: string;
}

/** Everything outside the blueprint that its resolution depends on. */
export interface KindContext {
  /** This node's own name, for labels and status. */
  node: string;
  /** The name it is registered under, which `spec.executorName` is compared with. */
  executorName: string;
  location: string;
  /** Empty: the agent has no colony, and takes blueprints of any. */
  colony: string;
  /** What to do with a blueprint that names neither node nor location; `always` for a directory. */
  unlocatedPolicy: 'ignore' | 'claim' | 'always';
  hostName: string;
  /** IANA name of the host's time zone; empty when unknown. */
  timeZone: string;
  /** Network of every container that names no other: `colonies_default`. */
  defaultNetwork: string;
  /** The agent's own environment; only the variables of FIELDS.md 6.2 (a) and the node's own names are taken from it. */
  agentEnvironment: Readonly<Record<string, string | undefined>>;
  /** The ColonyOS server executors talk to; absent while none is configured. */
  server?: { host: string; port: number; tls: boolean };
  policy: Policy;
  overlays: readonly Overlay[];
  bindPrefixMap: BindPrefixMap;
  /** Executor identities of all blueprints. */
  slots: readonly Slot[];
  /** Absent: `slots` are all there are. Else why they cannot be read now; `slots` are then those of the last reading, or
   *  there was none, and no executor's identity can be told. */
  slotsFault?: { text: string; hadReading: boolean };
  /** One clause for people: how a missing executor identity comes to be. */
  slotsRequired: string;
  /** The agent's state directory and sockets, which no container gets. */
  protectedPaths: readonly string[];
  /** The colony owner's key is here, so that missing identities will be registered. */
  hasOwnerKey: boolean;
  /** Absent: the agent's program cannot be given to a container. */
  relay?: RelayRuntime;
  /** Content of a text file; throws an `EdgeError` such as `ENV_FILE_MISSING`. */
  readFile(path: string): string;
}
