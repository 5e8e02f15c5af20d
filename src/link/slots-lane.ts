import { EdgeError, errorText } from '../base/errors.ts';
import { Doorbell } from '../base/lanes.ts';
import type { DesiredState } from '../model/desired.ts';
import type { LinkHost, LinkStatus } from '../model/link.ts';
import type { Slot } from '../model/ports.ts';
import type { Away, Connection, DeregisterQueue, Lane, LinkParts } from './parts.ts';
import { Retry } from './retry.ts';
import { causeOf } from './rule-link.ts';
import {
  givenUp,
  namesOf,
  provisioned,
  slotFor,
  type Trouble,
  type WantedSlot,
  wantedSlots,
} from './rule-slots.ts';
import { SlotRegistration } from './slots-lane-register.ts';

/** Between two looks at our executors' registrations while nothing speaks for one, milliseconds. */
const LOOK_EVERY_MS = { normal: 600_000, metered: 3_600_000 };

/** After a revival comes another look: a sweep may have been faster than the executor's next call (PROTOCOL.md 5.3). */
const CONFIRM_MS = 90_000;

/** Between two passes without a reason, so that nothing ever becomes a busy loop, milliseconds. */
const LEAST_MS = 1_000;

/** A time that never comes: a machine is up for longer than any number of milliseconds that would do as "long". */
const NEVER_MS = Number.POSITIVE_INFINITY;

/** The longest wait, milliseconds; after it comes a pass that finds nothing to do. */
const LONGEST_MS = 86_400_000;

type SlotsParts = Pick<
  LinkParts,
  'owner' | 'asSlot' | 'newKey' | 'slots' | 'clock' | 'random' | 'settings' | 'log'
>;

/** Keeps the identities of executors registered; the assembly merges `status`. */
export interface SlotsLane extends Lane {
  status(): LinkStatus['executors'];
  /** Looks at the registrations now, instead of when the time comes. */
  refresh(): void;
}

/** The lane over its parts; nothing happens until `run`. */
export function createSlotsLane(
  parts: SlotsParts,
  connection: Connection,
  queue: DeregisterQueue,
): SlotsLane {
  return new Slots(parts, connection, queue);
}

/**
 * Level-triggered: what there should be follows from the desired state, what there is from our slot file and the server's
 * listing. A key is on disk before the server hears of it; a registration goes only after its container, and only one that
 * is in our slot file.
 */
class Slots implements SlotsLane {
  readonly #parts: SlotsParts;
  readonly #connection: Connection;
  readonly #queue: DeregisterQueue;
  readonly #bell: Doorbell;
  readonly #retry: Retry;
  readonly #registration: SlotRegistration;
  #slots: readonly Slot[] | undefined;
  #isUnsaved = false;
  /** The agent does not know of the present slots yet. */
  #isUntold = false;
  #waiting = 0;
  #notBeforeMs = 0;
  /** The last pass failed in a way that may pass. */
  #isRetrying = false;
  /** What was left to be done when only a person could change it: not tried again for every reason to look. */
  #leftAlone = '';
  #nextLookMs = 0;
  /** Looks in a row that had to revive something. */
  #revivals = 0;
  #containers: ReadonlySet<string> = new Set();
  #lastError: string | undefined;

  constructor(parts: SlotsParts, connection: Connection, queue: DeregisterQueue) {
    this.#parts = parts;
    this.#connection = connection;
    this.#queue = queue;
    this.#bell = new Doorbell(parts.clock);
    this.#retry = new Retry(parts.clock, parts.random);
    this.#registration = new SlotRegistration(parts, connection);
  }

  status(): LinkStatus['executors'] {
    const identities = this.#slots?.length ?? 0;
    const lastError = this.#lastError === undefined ? {} : { lastError: this.#lastError };
    if (identities === 0 && this.#waiting === 0 && this.#lastError === undefined) return undefined;
    return { identities, waiting: this.#waiting, leaving: this.#queue.deregister.length, ...lastError };
  }

  refresh(): void {
    this.#nextLookMs = this.#parts.clock.monoMs();
    this.#notBeforeMs = 0;
    this.#leftAlone = '';
    this.#bell.ring();
  }

  async run(host: LinkHost, signal: AbortSignal): Promise<void> {
    const stops = [
      host.onReports(() => this.#bell.ring()),
      this.#connection.onUp((away) => this.#cameUp(away)),
    ];
    try {
      while (!signal.aborted) await this.#bell.wait(await this.#step(host, signal), signal);
    } finally {
      for (const stop of stops) stop();
    }
  }

  /** The server sweeps who was silent for its stale duration; a blip needs no look. */
  #cameUp(away: Away | undefined): void {
    const { clock, settings } = this.#parts;
    const awayMs = away === undefined ? Number.POSITIVE_INFINITY : away.until - away.since;
    if (awayMs >= settings.staleAfterMs / 10) this.#nextLookMs = clock.monoMs();
    this.#notBeforeMs = 0;
    this.#bell.ring();
  }

  /** One pass; returns the milliseconds until the next one without a reason. */
  async #step(host: LinkHost, signal: AbortSignal): Promise<number> {
    const { clock } = this.#parts;
    if (clock.monoMs() >= this.#notBeforeMs) await this.#tryPass(host, signal);
    const retryMs = this.#isRetrying ? this.#notBeforeMs : NEVER_MS;
    const isUp = this.#connection.state === 'Connected';
    const lookMs = isUp ? Math.max(this.#nextLookMs, this.#notBeforeMs) : NEVER_MS;
    return Math.min(LONGEST_MS, Math.max(LEAST_MS, Math.min(retryMs, lookMs) - clock.monoMs()));
  }

  async #tryPass(host: LinkHost, signal: AbortSignal): Promise<void> {
    this.#isRetrying = false;
    try {
      const trouble = await this.#pass(host, signal);
      if (trouble !== 'as before') this.#tell(host, trouble);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof EdgeError)) throw error;
      // What is wrong with the link is told by the link.
      const isLink = error.code === 'CANCELLED' || causeOf(error.code) !== 'server' || isOwnRefusal(error);
      if (isLink) this.#retryLater(error);
      else this.#tell(host, { text: errorText(error), isFinal: false }, error);
    }
  }

  /** Told when it is another one than before; what may change by itself is tried again. */
  #tell(host: LinkHost, trouble: Trouble | undefined, error?: EdgeError): void {
    if (trouble === undefined) {
      this.#retry.succeeded();
      if (this.#lastError !== undefined) host.event('info', 'executor identities are in order again');
    } else {
      if (!trouble.isFinal) this.#retryLater(error);
      if (trouble.text !== this.#lastError)
        host.event('warn', 'executor identities are not in order', { detail: trouble.text });
    }
    this.#lastError = trouble?.text;
  }

  #retryLater(error: EdgeError | undefined): void {
    this.#isRetrying = true;
    this.#notBeforeMs = this.#parts.clock.monoMs() + this.#retry.failed(error);
  }

  async #pass(host: LinkHost, signal: AbortSignal): Promise<Trouble | undefined | 'as before'> {
    this.#slots ??= await this.#parts.slots.load();
    if (this.#isUnsaved) await this.#save(this.#slots);
    const desired = host.desired();
    if (!desired.known) return 'as before';
    const wanted = wantedSlots(desired, this.#slots);
    await this.#queueGivenUp(desired, this.#slots, wanted);
    this.#waiting = this.#unready(wanted).length;
    const isUp = this.#connection.state === 'Connected';
    try {
      return isUp ? await this.#online(host, desired, wanted, signal) : 'as before';
    } finally {
      if (this.#isUntold && !signal.aborted) {
        await host.take(signal);
        this.#isUntold = false;
      }
    }
  }

  #unready(wanted: readonly WantedSlot[]): readonly WantedSlot[] {
    return wanted.filter((want) => {
      const slot = slotFor(this.#slots ?? [], want);
      return slot === undefined || !slot.registered || !slot.approved;
    });
  }

  /** Notes on disk what is to go, so that a restart does not forget it, and takes back what is wanted again. */
  async #queueGivenUp(desired: Known, slots: readonly Slot[], wanted: readonly WantedSlot[]): Promise<void> {
    const surplus = givenUp(desired, slots, wanted);
    const queued = new Set(this.#queue.deregister.map(({ id }) => id));
    for (const { id, executorName } of surplus)
      if (!queued.has(id)) await this.#queue.queueDeregister({ id, name: executorName });
    for (const want of wanted) {
      const slot = slotFor(slots, want);
      if (slot !== undefined && queued.has(slot.id)) await this.#queue.dropDeregister(slot.id);
    }
    // Never an executor that is not in our slot file.
    const own = new Set(slots.map(({ id }) => id));
    for (const id of queued) if (!own.has(id)) await this.#queue.dropDeregister(id);
  }

  async #online(
    host: LinkHost,
    desired: Known,
    wanted: readonly WantedSlot[],
    signal: AbortSignal,
  ): Promise<Trouble | undefined | 'as before'> {
    const { owner, clock } = this.#parts;
    const before = this.#slots ?? [];
    const containers = host.executors();
    this.#noteContainers(containers);
    const unready = owner === undefined ? [] : this.#unready(wanted);
    const leaving = leavingOf(before, this.#queue.deregister, containers);
    const others = provisioned(desired, before);
    const hasAny = wanted.length > 0 || others.length > 0;
    if (!hasAny) this.#nextLookMs = NEVER_MS;
    const isLookDue = clock.monoMs() >= this.#nextLookMs;
    const left = JSON.stringify([
      unready.map(({ blueprint, index }) => [blueprint, index]),
      leaving.map(({ id }) => id),
    ]);
    const isDue = left !== NOTHING_LEFT && left !== this.#leftAlone;
    if (!isDue && !isLookDue && !this.#registration.isDue) return hasAny ? 'as before' : undefined;
    const missing = unready.filter((want) => slotFor(before, want) === undefined);
    if (missing.length > 0) await this.#save([...before, ...missing.map((want) => this.#make(want))]);
    const isLook = isLookDue || this.#lastError !== undefined;
    const work = await this.#registration.begin(
      host,
      this.#slots ?? [],
      (slots) => this.#save(slots),
      signal,
    );
    try {
      for (const want of wanted) await work.ensure(want, containers, isLook);
      if (isLook) for (const identity of others) await work.revive(identity, containers);
      await work.addFunctions(others, wanted);
      for (const slot of leaving) if (this.#isLeaving(host, slot)) await work.deregister(slot, this.#queue);
    } finally {
      if (work.isChanged) await this.#save(work.slots);
    }
    const trouble = work.trouble();
    this.#waiting = this.#unready(wanted).length;
    this.#leftAlone = trouble?.isFinal === true ? left : '';
    if (isLook || trouble !== undefined) this.#planLook(work.revived > 0, trouble !== undefined);
    return trouble;
  }

  /** It may have been asked for again while calls were under way. */
  #isLeaving(host: LinkHost, { id, executorName }: Slot): boolean {
    const desired = host.desired();
    const slots = this.#slots ?? [];
    if (!desired.known || host.executors()?.has(executorName) !== false) return false;
    return !wantedSlots(desired, slots).some((want) => slotFor(slots, want)?.id === id);
  }

  /** A container that was not there before may be one of a spare identity that was swept meanwhile. */
  #noteContainers(containers: ReadonlySet<string> | undefined): void {
    if (containers === undefined) return;
    const isNew = [...containers].some((name) => !this.#containers.has(name));
    if (isNew) this.#nextLookMs = Math.min(this.#nextLookMs, this.#parts.clock.monoMs());
    this.#containers = containers;
  }

  #planLook(hasRevived: boolean, hasTrouble: boolean): void {
    const { clock, random, owner } = this.#parts;
    this.#revivals = hasRevived ? this.#revivals + 1 : 0;
    // Without the owner's key nothing can be done about what a look finds; only what others do may end it.
    const isUseful = owner !== undefined || hasTrouble;
    const everyMs = isUseful ? LOOK_EVERY_MS[this.#connection.linkClass] : NEVER_MS;
    const confirmMs = hasRevived ? CONFIRM_MS * 2 ** Math.min(this.#revivals - 1, 10) : everyMs;
    this.#nextLookMs = clock.monoMs() + Math.min(everyMs, confirmMs) * (0.9 + 0.1 * random.next());
  }

  #make(want: WantedSlot): Slot {
    const { newKey, random } = this.#parts;
    const names = namesOf(want, random.hex(5));
    const { blueprint, index } = want;
    return { blueprint, index, ...newKey(), ...names, registered: false, approved: false };
  }

  /** In force at once; what could not be written is written before anything else is done. */
  async #save(slots: readonly Slot[]): Promise<void> {
    this.#slots = slots;
    this.#isUnsaved = true;
    this.#isUntold = true;
    await this.#parts.slots.save(slots);
    this.#isUnsaved = false;
  }
}

type Known = DesiredState & { known: true };

/** What is left to be done, as text, when that is nothing. */
const NOTHING_LEFT = JSON.stringify([[], []]);

/** Our own key was refused; other keys' refusals come as values. */
function isOwnRefusal({ code }: EdgeError): boolean {
  return code === 'COLONY_FORBIDDEN';
}

/** Queued identities whose container is certainly gone. */
function leavingOf(
  slots: readonly Slot[],
  queued: DeregisterQueue['deregister'],
  containers: ReadonlySet<string> | undefined,
): readonly Slot[] {
  if (containers === undefined) return [];
  const ids = new Set(queued.map(({ id }) => id));
  return slots.filter(({ id, executorName }) => ids.has(id) && !containers.has(executorName));
}
