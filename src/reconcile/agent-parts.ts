import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { DesiredBlueprint } from '../model/desired.ts';
import type { GcSettings } from '../model/disk.ts';
import type { Link } from '../model/link.ts';
import type {
  DirectorySource,
  Engine,
  EngineDisk,
  HookRunner,
  Prober,
  Resolve,
  Store,
} from '../model/ports.ts';
import type { Problem } from '../model/problem.ts';
import type { Relays } from '../model/relay.ts';
import type { AgentView } from '../model/status.ts';
import type { Zone } from '../model/window.ts';
import type { WindowSettings } from './update-windows.ts';

/** Everything the agent needs, handed over by `main`. */
export interface AgentParts {
  engine: Engine;
  /** Absent: space is not looked at, and no image is ever removed. */
  storage?: EngineDisk;
  prober: Prober;
  /** Absent: hooks that are executables fail. */
  hooks?: HookRunner;
  relays: Relays;
  store: Store;
  /** Absent: heal from the checkpoint only. */
  source: DirectorySource | undefined;
  /** Absent: no server is configured. */
  link?: Link;
  /** Makes a resolver from the present policy, overlays, slots and environment; called before each reading. Throws an
   *  `EdgeError` when one of those files is broken; the last good resolver then stays in force. */
  resolver(): Promise<Resolve>;
  /** What only shows when all blueprints are seen together: cycles, and names, ports and aliases that two of them want. */
  crossCheck(blueprints: readonly DesiredBlueprint[]): readonly Problem[];
  /** What the rooms have to say to people beside their errors, one line each. */
  warnings?(): readonly string[];
  clock: Clock;
  /** Local time, for windows; absent: the machine's. */
  zone?: Zone;
  random: Random;
  log: Logger;
  settings: AgentSettings;
  /** Called when everything is done that could be done, before the agent waits for the next reason to look. */
  onQuiet?(): void;
}

export interface AgentSettings {
  version: string;
  node: string;
  /** Name in the colony, unlike host names unique there: what status documents say of who reports. */
  executorName: string;
  location: string;
  colony: string;
  stateDir: string;
  /** Longest time between two looks, before jitter. */
  resyncMs: number;
  /** Pulls that run at the same time. */
  pullLanes: number;
  /** Engine calls that change something and run at the same time. */
  actionLanes: number;
  /** Services that may be starting at the same time; absent: by the machine's memory. */
  startConcurrency?: number;
  /** Name of the network that is never removed. */
  defaultNetwork: string;
  /** Absent: versions change and images are pulled at any time. */
  windows?: WindowSettings;
  /** Absent: as `DEFAULT_GC` (`garbage.ts`). */
  gc?: GcSettings;
}

export interface Agent extends AgentView {
  /** Runs until the signal is aborted, then lets calls under way finish (at most 5 s). Containers keep running. */
  run(signal: AbortSignal): Promise<void>;
  /** Reads the source, looks at the engine and tries again what failed: now, instead of when its time comes. */
  refresh(): void;
}
