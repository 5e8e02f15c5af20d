import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Secret } from '../base/secret.ts';
import type { Colony, ColonyOwner, OutboxStore } from '../model/colony.ts';
import type { LinkClass, LinkHost, LinkState } from '../model/link.ts';
import type { Slot } from '../model/ports.ts';

/** What the link is told about itself; durations in milliseconds. */
export interface LinkSettings {
  colony: string;
  executorName: string;
  executorType: string;
  node: string;
  location: string;
  version: string;
  unlocatedPolicy: 'ignore' | 'claim' | 'always';
  linkClass: LinkClass;
  /** How long a long poll waits on the server, whole seconds. */
  pollWaitS: number;
  /** Longest time between two listings by the own timer; undefined: 5 min normal, 30 min metered. */
  listEveryMs: number | undefined;
  /** A status is sent again after this long, changed or not. */
  statusHeartbeatMs: number;
  /** After this long without an assign call the server forgets an executor. */
  staleAfterMs: number;
}

/** Everything the link needs, handed over by `cli/rooms`. */
export interface LinkParts {
  /** With the executor's key. */
  colony: Colony;
  /** The same server with a key that was changed on disk meanwhile (`rotate-key`); undefined: the key is the same. */
  reloadKey?(): Promise<Colony | undefined>;
  /** Second identity: a colony user, which no stale rule forgets. */
  user?: Colony;
  /** Colony owner: registers slots, and revives this executor. */
  owner?: ColonyOwner;
  /** The server as the executor of a slot sees it; the caller closes it. */
  asSlot(key: Secret): Colony;
  /** A new private key and the id it stands for, 64 hexadecimal digits each. */
  newKey(): { key: string; id: string };
  slots: { load(): Promise<readonly Slot[]>; save(slots: readonly Slot[]): Promise<boolean> };
  outbox: OutboxStore;
  clock: Clock;
  random: Random;
  log: Logger;
  settings: LinkSettings;
}

/** How we stand with the server, and the one door for calls. `connection.ts` implements it. */
export interface Connection {
  readonly state: LinkState;
  /** Present class; switched while running. */
  readonly linkClass: LinkClass;
  /** Resolves once the executor's key is taken (`Connected`); rejects with the signal's reason. */
  whenUp(signal: AbortSignal): Promise<void>;
  /** Resolves once blueprints can be read and statuses written: connected, or a user's key works meanwhile. */
  whenMember(signal: AbortSignal): Promise<void>;
  /** One call with the executor's key. A failure that says something of the link changes the state; it is thrown on
   *  in any case. Not repeated: the caller waits with `whenUp`, or with a `Retry` of its own for what is not the link. */
  call<T>(work: (colony: Colony, signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>;
  /** The same with whichever key is a member now. */
  memberCall<T>(work: (colony: Colony, signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Called each time the state becomes `Connected` (also for the first time); returns how to stop it. */
  onUp(listener: (away: Away | undefined) => void): () => void;
}

/** A disconnected period that is over. */
export interface Away {
  /** Wall time, epoch milliseconds. */
  since: number;
  until: number;
}

/** One of the link's streams of work; each runs until aborted and rejects only for broken invariants. */
export interface Lane {
  run(host: LinkHost, signal: AbortSignal): Promise<void>;
}
