import type { ListedBlueprint, Traffic } from './colony.ts';
import type { DesiredState } from './desired.ts';
import type { AgentEvent, BlueprintReport } from './status.ts';

// The link to the server, as the agent sees it, and the agent, as the link sees it.

/** `normal` polls all the time; `metered` just often enough to stay registered. */
export type LinkClass = 'normal' | 'metered';

/** How we stand with the server. In every one of these states local healing goes on. */
export type LinkState =
  | 'Connected'
  | 'Connecting'
  | 'Offline'
  | 'PendingApproval'
  | 'Unregistered'
  | 'UnknownKey';

/** Why a link is `Offline`. */
export type OfflineCause =
  | 'dns'
  | 'refused'
  | 'unreachable'
  | 'timeout'
  | 'reset'
  | 'tls'
  | 'clock'
  | 'captive portal'
  | 'proxy'
  | 'gateway'
  | 'server';

/** The link's part of the status. All times RFC 3339. */
export interface LinkStatus {
  endpoint: string;
  colony: string;
  executorName: string;
  executorId: string;
  state: LinkState;
  since: string;
  cause?: OfflineCause;
  /** What went wrong last, and in the refused states what is to be done about it. */
  lastError?: string;
  /** Next attempt; absent while connected. */
  nextTryAt?: string;
  /** Last answer of the server; absent: none since the start. */
  lastContactAt?: string;
  linkClass: LinkClass;
  /** The last complete listing, and when the next one is due. */
  listing: { at?: string; blueprints: number; nextAt?: string; suspect?: string; lastError?: string };
  /** Processes taken and not closed yet. */
  openProcesses: number;
  /** Statuses that the server has not accepted yet. */
  unsentStatuses: number;
  /** Executor identities that this agent made: all, those not registered and approved yet, and those to be removed;
   *  absent: none. */
  executors?: { identities: number; waiting: number; leaving: number; lastError?: string } | undefined;
  /** The colony hands out no processes for now. */
  paused?: boolean;
  /** Blueprints that any node may take: how many are ours, and how many are another's or not decided yet. */
  claims?: { held: number; others: number };
  /** Requests and bytes per purpose since the start. */
  traffic: Readonly<Record<string, Traffic>>;
}

/** Whether a blueprint that any node may take is this node's. */
export type Claim = { held: true } | { held: false; why: string };

/** A blueprint from the server that several nodes may take, and this one too. */
export interface Claimable {
  name: string;
  blueprintId: string;
  /** true: a version of it is in force here; without a `Claim` that says otherwise it counts as held. */
  inForce: boolean;
  /** true: its newest version is refused here, so that another node may be better for it. */
  refused: boolean;
}

/** What the server has told so far. */
export interface ServerReading {
  /** Complete listings in this run; 0: none yet, and nothing is known but the checkpoint. */
  listings: number;
  /** The newest complete listing of all kinds, with what was asked for by name since. */
  blueprints: readonly ListedBlueprint[];
  /** Names whose removal is certain, with a clause why: a cleanup process, or two listings 10 min apart, and the server
   *  said "not found" for the name. Only a blueprint with this id is meant. */
  gone: ReadonlyMap<string, { blueprintId: string; why: string }>;
  /** By name; a blueprint that needs a claim and is not in here stays as it is: in force, or not ours yet. */
  claims: ReadonlyMap<string, Claim>;
  /** Set: everything of ours is missing at once; nothing is removed until someone confirms it. */
  suspect?: string;
}

/** How a forced run of one blueprint went. */
export type ForceResult = { ok: true; text: string } | { ok: false; text: string };

/** The agent, as the link sees it. */
export interface LinkHost {
  desired(): DesiredState;
  /** One for each blueprint of ours, with the status document to send. */
  reports(): readonly BlueprintReport[];
  /** Takes the newest reading over; resolves when the desired state (and the checkpoint) has it. */
  take(signal: AbortSignal): Promise<void>;
  /** What several nodes may take, as of the last reading taken over. */
  claimable(): readonly Claimable[];
  /** Blueprints of the last reading taken over that are not for this node, by name, each with a clause why. */
  elsewhere(): ReadonlyMap<string, string>;
  /** Pulls a blueprint's images anew, then replaces its containers; touches nothing when a pull fails. Resolves when the
   *  images are there and the replacement has begun, or with what is in the way. */
  force(blueprint: string, signal: AbortSignal): Promise<ForceResult>;
  /** Registered names of the executors whose containers exist, running or not; undefined while that is not certain for
   *  the present desired state. */
  executors(): ReadonlySet<string> | undefined;
  /** Something changed that reports may show; called by the agent's loop. */
  onReports(listener: () => void): () => void;
  event(
    level: 'info' | 'warn' | 'error',
    message: string,
    fields?: { blueprint?: string; detail?: string; reason?: string; cause?: string },
  ): void;
  /** Calls back for each event of the agent, its own included, until the returned function is called. */
  onEvent(listener: (event: AgentEvent) => void): () => void;
}

/** The link, as the agent sees it. */
export interface Link {
  /** Keeps the link until aborted, then closes what is open (at most 5 s). Never ends by itself. */
  run(host: LinkHost, signal: AbortSignal): Promise<void>;
  reading(): ServerReading;
  status(): LinkStatus;
  /** Takes effect with the next call. */
  setLinkClass(linkClass: LinkClass): void;
  /** Tries again and lists now, instead of when the time comes. */
  refresh(): void;
  /** An operator says that the missing blueprints are really meant to go. Returns their names; empty: nothing was suspected. */
  confirmRemoval(): readonly string[];
  close(): Promise<void>;
}
