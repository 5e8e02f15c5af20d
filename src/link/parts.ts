import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Secret } from '../base/secret.ts';
import type { JsonObject } from '../model/blueprint.ts';
import type { Colony, ColonyOwner, OutboxStore } from '../model/colony.ts';
import type { LinkClass, LinkHost, LinkState, LinkStatus, ServerReading } from '../model/link.ts';
import type { Slot } from '../model/ports.ts';

/** What the link is told about itself; durations in milliseconds. */
export interface LinkSettings {
  colony: string;
  executorName: string;
  executorType: string;
  /** Who status documents and claims say it is: the executor's name. */
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
  /** The machine's own addresses as one text, which changes when a network comes or goes; undefined: nobody looks. */
  addresses?(): string;
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

/** Settles with other nodes who runs what several may run. `claim.ts` implements it. */
export interface Claims extends Lane {
  /** Members to add to each status of this blueprint, which renew the claim; undefined: it needs none. They are other
   *  ones each time, which is no reason to send. */
  stamp(name: string): JsonObject | undefined;
  /** false: another node has it now, and its status must be left alone. Asks the server when the last look is too old
   *  to tell; to be called before each status that is sent. Throws as a call does. */
  mayReport(name: string, signal: AbortSignal): Promise<boolean>;
  /** Claims held at this moment. */
  readonly held: number;
}

/** What the desk asks of the listing lane when a process names blueprints. */
export interface Looks {
  /** Resolves when what the server says of these blueprints now (a complete listing, or read by name) was taken over by
   *  the agent and, where several nodes may take one, it is decided who does; no names: all. Rejects only with the
   *  signal's reason: the look itself is tried until it succeeds. */
  lookNow(names: readonly string[], signal: AbortSignal): Promise<void>;
  /** A cleanup process came for this name. Resolves with what that led to, one line, once it was taken over. Rejects as `lookNow`. */
  cleanup(name: string, signal: AbortSignal): Promise<string>;
}

/** Knows what the server asks of this node. `listing.ts` implements it. */
export interface Listing extends Lane, Looks {
  /** Lists now, instead of when the time comes. */
  refresh(): void;
  /** As `Link.confirmRemoval`; takes effect with a listing, which is made at once. */
  confirmRemoval(): readonly string[];
  reading(): ServerReading;
  status(): LinkStatus['listing'];
}

/** What the slots lane asks of the outbox; changes are on disk when the promise resolves. */
export interface DeregisterQueue {
  readonly deregister: readonly { id: string; name: string }[];
  queueDeregister(executor: { id: string; name: string }): Promise<void>;
  dropDeregister(id: string): Promise<void>;
}
