import type { DiskUse, GcReport } from './disk.ts';
import type { LinkClass, LinkStatus } from './link.ts';
import type { Problem } from './problem.ts';
import type { Reason } from './reason.ts';
import type { RolloutAnswer, RolloutCommand } from './rollout.ts';
import type { LockAnswer, LockCommand } from './update.ts';

/** Words of the ColonyOS documents. */
export type Phase = 'Pending' | 'Reconciling' | 'Running' | 'Degraded' | 'Failed' | 'Deleting';

export interface Condition {
  type: 'Ready' | 'Progressing' | 'Degraded' | 'RolledBack' | 'SpecInvalid' | 'SpecWarnings' | 'Connected';
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  /** RFC 3339. */
  lastTransitionTime: string;
}

/** One container in a status document; the first seven members are the Go reconciler's, names and types kept. */
export interface InstanceStatus {
  /** 12 hexadecimal digits; empty while there is no container. */
  id: string;
  name: string;
  type: 'container';
  state: 'running' | 'stopped';
  created: string;
  image: string;
  lastCheck: string;
  ready: boolean;
  health?: string;
  restartCount: number;
  exitCode?: number;
  oomKilled?: boolean;
  startedAt?: string;
  imageId: string;
  /** "8443:8443/tcp", one for each address family when the two numbers differ. */
  ports: readonly string[];
}

/** `status` of a blueprint as it goes to the server (FIELDS.md section 11). Always complete. */
export interface StatusDocument {
  instances: readonly InstanceStatus[];
  runningInstances: number;
  stoppedInstances: number;
  totalInstances: number;
  lastUpdated: string;
  phase: Phase;
  observedGeneration: number;
  specHash: string;
  desiredInstances: number;
  readyInstances: number;
  conditions: readonly Condition[];
  node: string;
  location: string;
  agentVersion: string;
  engine: string;
  lastError?: string;
  /** The blueprint's annotations, untouched. */
  annotations?: Readonly<Record<string, string>>;
}

/** What a service waits for, and until when. */
export interface Waiting {
  /** Container name. */
  name: string;
  reason: Reason;
  message: string;
  /** Since when it has waited for this reason, as far as this agent knows; RFC 3339. Absent in plans. */
  since?: string;
  /** RFC 3339; absent: until something changes. */
  nextTryAt?: string;
  /** When time alone decides: a gate is passed or missed, a dependency overdue; RFC 3339. */
  decidedAt?: string;
  attempts?: number;
}

/** One row of `colonies-edge status`. */
export interface BlueprintReport {
  name: string;
  kind: string;
  generation: number;
  phase: Phase;
  ready: number;
  desired: number;
  /** Since when it is in this phase, RFC 3339. */
  since: string;
  waiting: readonly Waiting[];
  /** What is being done to it right now, one clause for each lane. */
  doing: readonly string[];
  lastError?: string;
  /** Newest refused version, while the last valid one stays in force. */
  refused?: readonly Problem[];
  warnings: readonly Problem[];
  file?: string;
  status: StatusDocument;
}

/** Reachability of something next door. */
export interface Reachability {
  state: 'ok' | 'away' | 'unknown';
  /** RFC 3339: since when it is in this state. */
  since: string;
  lastError?: string;
}

/** The whole answer of the agent to "how are you": what is wrong, since when, what it does about it, when it tries next. */
export interface AgentStatus {
  agent: {
    version: string;
    node: string;
    location: string;
    colony: string;
    pid: number;
    startedAt: string;
    stateDir: string;
  };
  engine: Reachability & { endpoint: string; name: string; version: string; apiVersion: string };
  source: Reachability & { kind: 'directory'; path: string; files: number; suspect?: string };
  /** How the agent stands with the server; absent when none is configured. */
  server?: LinkStatus;
  checkpoint: { state: 'none' | 'saved' | 'loaded' | 'failed'; savedAt?: string; note?: string };
  converged: boolean;
  /** RFC 3339: next look even if nothing happens. */
  nextLookAt: string;
  blueprints: readonly BlueprintReport[];
  /** Files and documents that name no blueprint we run. */
  refusals: readonly { file?: string; document?: number; name?: string; problems: readonly Problem[] }[];
  pulls: readonly {
    image: string;
    state: 'queued' | 'running';
    currentBytes: number;
    totalBytes: number;
    since: string;
  }[];
  /** The engine's disk, and from which use down to which unused images go; absent while it cannot be seen. */
  disk?: DiskUse & {
    /** RFC 3339: when it was looked at. */
    checkedAt: string;
    /** Absent: images go only when somebody asks. */
    gcStartPercent?: number;
    gcTargetPercent: number;
    /** true: use is to come down to the target. */
    isCollecting: boolean;
  };
  /** Containers that carry our labels and belong to no blueprint we know; reported, never touched. */
  strays: readonly string[];
  warnings: readonly string[];
  /** What holds replacements off: operators' locks, and lock files that were seen to. */
  locks: readonly LockReport[];
  counters: { ticks: number; actions: number; failures: number; healed: number };
}

/** A lock, as status shows it. */
export interface LockReport {
  /** `blueprint`, `blueprint/instance`, or for a file the container's name. */
  name: string;
  /** Who holds it: the operator, or the path in the container. */
  owner: string;
  reason: string;
  /** RFC 3339. */
  since: string;
  /** RFC 3339; absent: until its holder ends. */
  until?: string;
}

/** What the agent did, for `colonies-edge events`. */
export interface AgentEvent {
  /** Counts up from 1 since the agent started. */
  seq: number;
  /** RFC 3339 with milliseconds. */
  time: string;
  level: 'info' | 'warn' | 'error';
  /** Constant text: "container started". */
  message: string;
  blueprint?: string;
  container?: string;
  cause?: string;
  reason?: string;
  detail?: string;
  /** A container that had been up was brought back by this. */
  healed?: true;
}

/** What would be done now and why. No environment and no key material is in it. */
export interface PlanReport {
  /** true: nothing to do and nothing held. */
  converged: boolean;
  actions: readonly { kind: string; blueprint: string; target: string; cause: string }[];
  holds: readonly (Waiting & { blueprint: string })[];
  /** The same as lines of text, as tests compare and people read it. */
  text: string;
}

/** The running agent as its own interface (`local/`) and the command line see it. All answers are immediate. */
export interface AgentView {
  status(): AgentStatus;
  plan(): PlanReport;
  /** Events kept in the ring with `seq` greater than `after`, oldest first. */
  events(after: number): readonly AgentEvent[];
  /** Calls back for each new event until the returned function is called. */
  onEvent(listener: (event: AgentEvent) => void): () => void;
  /** As `Link.confirmRemoval`; empty also when no server is configured. */
  confirmRemoval(): readonly string[];
  /** Carries out what an operator asks of the roll-out of a blueprint. */
  commandRollout(command: RolloutCommand, blueprint: string): RolloutAnswer;
  /** Locks, unlocks, or passes over locks. */
  commandLock(command: LockCommand): LockAnswer;
  /** As `Link.setLinkClass`, until the agent ends; false: no server is configured. */
  setLinkClass(linkClass: LinkClass): boolean;
  /** Removes every image of the agent's own that may go, or only says which; the one answer that may take minutes.
   *  Throws `GC_IMPOSSIBLE` while the engine is away or nothing is known yet. */
  collectGarbage(dryRun: boolean): Promise<GcReport>;
}
