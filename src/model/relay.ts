/** What a relay says of itself, as one line of JSON each time it changes. */
export interface RelayState {
  /** Container that new connections go to, by its short id; absent: none was named yet. */
  target?: string;
  /** Containers that were its target before and still have connections in use. */
  draining: readonly Draining[];
}

export interface Draining {
  /** Short id. */
  id: string;
  /** Connections in the middle of something, at least 1. */
  inUse: number;
  /** Time since it stopped being the target, milliseconds. */
  sinceMs: number;
}

/** A relay as the planner sees it. */
export interface RelayView {
  /** true: the folder that it shares with the agent is there. */
  hasFolder: boolean;
  /** Why that folder cannot be made. */
  problem?: string;
  /** Absent: it does not run, or has not answered yet. */
  state?: { target?: string; draining: readonly { id: string; inUse: number; leftAtMs: number }[] };
  /** Since when its container runs without an answer, monotonic milliseconds; absent: it answers, or does not run. */
  silentSinceMs?: number;
}

/** The hand that reaches relays. Every failure is an `EdgeError` with code `RELAY_UNREACHABLE`. */
export interface Relays {
  /** Makes the folder that a relay shares with the agent. */
  prepare(name: string): Promise<void>;
  /** Tells each state of a relay, `undefined` when it cannot be reached (any more); tries again until aborted. */
  follow(name: string, onState: (state: RelayState | undefined) => void, signal: AbortSignal): Promise<void>;
  /** Sends new connections to another container; done when the relay has it on disk and says so. */
  point(name: string, target: string, signal: AbortSignal): Promise<void>;
  /** Removes all folders but these. */
  tidy(kept: readonly string[]): Promise<void>;
}

/** What stands for a container in the names of its network: the engine resolves it there, whatever its address is. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** The image of relays: it is empty, and the agent makes it itself. */
export const RELAY_IMAGE = 'colonies-edge/relay:1';

/** Where a relay finds the folder that it shares with the agent. */
export const RELAY_FOLDER = '/relay';
