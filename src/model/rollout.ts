import type { Hold } from './action.ts';
import type { DesiredBlueprint } from './desired.ts';
import type { Reason } from './reason.ts';

/** What is known of the versions of one blueprint; kept over restarts. */
export interface Rollout {
  blueprint: string;
  /** Versions that passed their gate here, the newest (last good) first; at most two. */
  good: readonly GoodVersion[];
  /** Versions that are not tried again; oldest first. */
  bad: readonly BadVersion[];
  pause?: Pause;
  /** The version that is asked for, by `contentHash`, and when it came; wall time, epoch milliseconds. */
  arrived?: { hash: string; at: number };
  /** `contentHash` of a version that does not wait for its windows, because somebody asked for it now. */
  now?: string;
}

export interface GoodVersion {
  /** As it was resolved then; what a rollback brings back. */
  version: DesiredBlueprint;
  /** Ids of the images its containers were made of. */
  imageIds: readonly string[];
  /** When it came; wall time, epoch milliseconds. */
  arrivedAt?: number;
}

export interface BadVersion {
  /** `contentHash` of the version. */
  hash: string;
  /** For people: "generation 5 (spec 1f3a9c02)". */
  label: string;
  reason: Reason;
  message: string;
  /** Wall time, epoch milliseconds. */
  since: number;
  /** Not found bad itself: it came along with that version of another blueprint, and is tried again with its next one. */
  with?: { blueprint: string; hash: string };
}

/** Nothing is replaced until an operator says so; healing goes on. */
export interface Pause {
  /** `failure`: a version with `onFailure: pause` failed; void once the content changes. */
  by: 'operator' | 'failure';
  /** `contentHash` of the version it was said of. */
  hash: string;
  message: string;
  /** Wall time, epoch milliseconds. */
  since: number;
}

/** What an operator can ask for. */
export type RolloutCommand = 'rollback' | 'retry' | 'pause' | 'resume';

export const ROLLOUT_COMMANDS: readonly RolloutCommand[] = ['rollback', 'retry', 'pause', 'resume'];

/** What came of it, as a sentence. */
export interface RolloutAnswer {
  ok: boolean;
  text: string;
}

/** The planner's view of a blueprint's roll-out. */
export interface RolloutView {
  /** Shown as what the blueprint waits for. */
  notices: readonly Notice[];
  /** Why no container of it is replaced now; absent: they are. */
  paused?: string;
}

/** What a blueprint waits for as a whole. */
export type Notice = Pick<Hold, 'reason' | 'message' | 'untilMs' | 'nextTryAt'>;

/** A blueprint whose windows keep something from it; absent in the view: they keep nothing. */
export interface WindowView {
  /** Why no container of it is replaced by another version; absent: they are. */
  update?: Notice;
  /** Why no image is pulled but for what is proven; absent: they are. */
  download?: Notice;
  /** true: an image that is there does, also with `pullPolicy: Always`. */
  isThrifty: boolean;
  /** true: the last good version is in force, and what is of another one goes back to it. */
  isStandIn: boolean;
  /** Images of what was good here: to pull them again is healing. */
  proven: ReadonlySet<string>;
  /** References that are pulled now for the version that waits. */
  toPull: readonly string[];
}
