import { EdgeError, errorText } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';
import type { ColonyExecutor, ColonyOwner } from '../model/colony.ts';
import type { LinkHost } from '../model/link.ts';
import type { Slot } from '../model/ports.ts';
import type { Connection, DeregisterQueue, LinkParts } from './parts.ts';
import { causeOf } from './rule-link.ts';
import {
  namesOf,
  type ProvisionedIdentity,
  recordOf,
  slotFor,
  type Trouble,
  type WantedSlot,
} from './rule-slots.ts';

/** The function that an executor started by us serves; unregistering deletes it (FIELDS.md 14.1.5). */
const FUNCTION = 'execute';

/** Names tried for one identity in one pass. */
const MOST_NAMES = 5;

type Parts = Pick<LinkParts, 'owner' | 'asSlot' | 'random'>;
type Identity = Pick<Slot, 'id' | 'executorName'>;
type Answer = { ok: true } | { ok: false; code: string; text: string };

/** Makes the server's records what our slots say. */
export class SlotRegistration {
  readonly parts: Parts;
  readonly connection: Connection;
  /** Identities that were revived and whose function is not listed yet, by id. */
  readonly functionsDue = new Set<string>();
  /** Identities that were seen unregistered and not approved since, by id. */
  readonly swept = new Set<string>();

  constructor(parts: Parts, connection: Connection) {
    this.parts = parts;
    this.connection = connection;
  }

  /** Something is left to be done that no slot shows. */
  get isDue(): boolean {
    return this.functionsDue.size > 0;
  }

  /** One pass over all executors of the colony as they are now. Throws as a call does. */
  async begin(
    host: LinkHost,
    slots: readonly Slot[],
    save: (slots: readonly Slot[]) => Promise<void>,
    signal: AbortSignal,
  ): Promise<RegistrationPass> {
    const records = await this.connection.call((colony, within) => colony.executors(within), signal);
    return new RegistrationPass(this, host, records, slots, save, signal);
  }
}

/** One pass. Refusals are collected for `trouble`; failures of the link are thrown. */
export class RegistrationPass {
  slots: readonly Slot[];
  isChanged = false;
  revived = 0;
  readonly #lane: SlotRegistration;
  readonly #host: LinkHost;
  #records: readonly ColonyExecutor[];
  readonly #save: (slots: readonly Slot[]) => Promise<void>;
  readonly #signal: AbortSignal;
  readonly #failures: string[] = [];
  /** What only a person can change. */
  readonly #notes: string[] = [];

  constructor(
    lane: SlotRegistration,
    host: LinkHost,
    records: readonly ColonyExecutor[],
    slots: readonly Slot[],
    save: (slots: readonly Slot[]) => Promise<void>,
    signal: AbortSignal,
  ) {
    this.#lane = lane;
    this.#host = host;
    this.#records = records;
    this.slots = slots;
    this.#save = save;
    this.#signal = signal;
  }

  trouble(): Trouble | undefined {
    const all = [...this.#failures, ...this.#notes];
    return all.length === 0 ? undefined : { text: all.join('; '), isFinal: this.#failures.length === 0 };
  }

  /** Registers and approves what is wanted; `isLook`: also what was so already and may have been swept. */
  async ensure(
    want: WantedSlot,
    containers: ReadonlySet<string> | undefined,
    isLook: boolean,
  ): Promise<void> {
    const slot = slotFor(this.slots, want);
    if (slot === undefined) return;
    const isReady = slot.registered && slot.approved;
    if (isReady && !isLook) return;
    const record = recordOf(this.#records, slot);
    if (record?.state === 'approved') this.#approved(slot);
    else if (isReady && record !== undefined) await this.revive(slot, containers);
    else if (this.#lane.parts.owner === undefined) this.#notes.push(needsOwner(slot, record));
    else if (record === undefined) await this.#add(want, slot);
    else await this.#approve(slot, record);
  }

  /** Approves an identity again that the server has forgotten. The container goes on meanwhile. */
  async revive(identity: Identity, containers: ReadonlySet<string> | undefined): Promise<void> {
    const record = recordOf(this.#records, identity);
    if (record?.state === 'approved') {
      this.#approved(identity);
      return;
    }
    if (record?.state === 'unregistered') this.#lane.swept.add(identity.id);
    // A spare one would be swept again before it is used.
    if (containers !== undefined && !containers.has(identity.executorName)) return;
    if (this.#lane.parts.owner === undefined || record === undefined)
      this.#notes.push(needsOwner(identity, record));
    else if (await this.#approve(identity, record)) this.revived += 1;
  }

  /** Approved on the server, by whomever. Its functions went with the sweep. */
  #approved({ id }: Identity): void {
    const slot = this.slots.find((one) => one.id === id);
    if (slot !== undefined) this.#put({ ...slot, registered: true, approved: true });
    if (this.#lane.swept.delete(id)) this.#lane.functionsDue.add(id);
  }

  async #add(want: WantedSlot, first: Slot): Promise<void> {
    let slot = first;
    for (let round = 1; round <= MOST_NAMES; round += 1) {
      const answer = await this.#register(want, slot);
      if (answer.ok) {
        await this.#approveNew(slot);
        return;
      }
      if (answer.code !== 'COLONY_CONFLICT') {
        this.#failures.push(`${slot.executorName} is not registered: ${answer.text}`);
        return;
      }
      this.#records = await this.#lane.connection.call(
        (colony, within) => colony.executors(within),
        this.#signal,
      );
      const record = recordOf(this.#records, slot);
      if (record !== undefined) {
        // The answer to an earlier attempt was lost.
        this.#put({ ...slot, registered: true });
        await this.#approve(slot, record);
        return;
      }
      if (slot.registered) {
        // Its container has this name; another one would be another container.
        this.#notes.push(`the name ${slot.executorName} is held by another executor now`);
        return;
      }
      slot = { ...slot, ...namesOf(want, this.#lane.parts.random.hex(5)) };
      this.#put(slot);
      await this.#save(this.slots);
    }
    this.#failures.push(`no free name was found for an executor of ${want.blueprint}`);
  }

  #register({ wish, blueprintId, generation }: WantedSlot, slot: Slot): Promise<Answer> {
    const executor = {
      id: slot.id,
      name: slot.executorName,
      type: wish.executorType,
      location: wish.location,
      capabilities: wish.capabilities,
      blueprintId,
      generation,
    };
    return this.#asOwner((owner, within) => owner.addExecutor(executor, within));
  }

  /** An executor that was registered just now; one that had been removed gets its function back. */
  async #approveNew(slot: Slot): Promise<void> {
    const { id, blueprint, executorName } = slot;
    this.#put({ ...slot, registered: true });
    if (slot.registered) this.#lane.swept.add(id);
    const answer = await this.#asOwner((owner, within) => owner.approveExecutor(executorName, within));
    if (answer.ok) {
      this.#approved(slot);
      this.#host.event('info', 'executor registered', { blueprint, detail: executorName });
    } else this.#failures.push(`${executorName} is not approved: ${answer.text}`);
  }

  async #approve(identity: Identity, record: ColonyExecutor): Promise<boolean> {
    const { id, executorName } = identity;
    if (record.state === 'rejected') {
      this.#notes.push(`${executorName} was rejected by the colony's owner`);
      return false;
    }
    const answer = await this.#asOwner((owner, within) => owner.approveExecutor(executorName, within));
    if (!answer.ok) {
      this.#failures.push(`${executorName} is not approved: ${answer.text}`);
      return false;
    }
    this.#approved(identity);
    const slot = this.slots.find((one) => one.id === id);
    const blueprint = slot === undefined ? {} : { blueprint: slot.blueprint };
    this.#host.event('info', 'executor approved', {
      ...blueprint,
      detail: `${executorName} was ${record.state}`,
    });
    return true;
  }

  /** Speaks for revived executors, each with its own key, and lists their functions again. */
  async addFunctions(others: readonly ProvisionedIdentity[], wanted: readonly WantedSlot[]): Promise<void> {
    const { parts, connection, functionsDue } = this.#lane;
    const own = wanted.flatMap((want) => {
      const slot = slotFor(this.slots, want);
      return slot === undefined ? [] : [{ ...slot, executorType: want.wish.executorType }];
    });
    const all = new Map([...others, ...own].map((identity) => [identity.id, identity]));
    for (const id of functionsDue) {
      const identity = all.get(id);
      if (identity === undefined) {
        functionsDue.delete(id);
        continue;
      }
      const { executorName, executorType, key } = identity;
      const colony = parts.asSlot(new Secret(key));
      try {
        const answer = await connection.call((_, within) => {
          // Its own next call may come after the next sweep, which would take the approval back.
          const heard = colony.heartbeat(within);
          return answerOf(
            heard.then(() => colony.ensureFunction(executorName, executorType, FUNCTION, within)),
          );
        }, this.#signal);
        if (answer.ok) functionsDue.delete(id);
        else this.#failures.push(`function ${FUNCTION} of ${executorName} is not listed: ${answer.text}`);
      } finally {
        await colony.close();
      }
    }
  }

  /** Removes a registration of ours whose container is gone, then forgets its key. */
  async deregister(slot: Slot, queue: DeregisterQueue): Promise<void> {
    const { id, executorName, blueprint } = slot;
    const record = recordOf(this.#records, slot);
    // "Unregistered" is all that removing comes to.
    if (record !== undefined && record.state !== 'unregistered') {
      if (this.#lane.parts.owner === undefined) {
        this.#notes.push(`${executorName} is not used any more, and this node has no owner key to remove it`);
        return;
      }
      const answer = await this.#asOwner((owner, within) => owner.removeExecutor(executorName, within));
      if (!answer.ok && answer.code !== 'COLONY_NOT_FOUND') {
        this.#failures.push(`${executorName} is not removed: ${answer.text}`);
        return;
      }
      this.#host.event('info', 'executor removed from the colony', { blueprint, detail: executorName });
    }
    this.slots = this.slots.filter((one) => one.id !== id);
    await this.#save(this.slots);
    await queue.dropDeregister(id);
  }

  #put(slot: Slot): void {
    const before = this.slots.find(({ id }) => id === slot.id);
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(slot)) return;
    this.slots = this.slots.map((one) => (one.id === slot.id ? slot : one));
    this.isChanged = true;
  }

  async #asOwner(work: (owner: ColonyOwner, within: AbortSignal) => Promise<void>): Promise<Answer> {
    const { parts, connection } = this.#lane;
    const { owner } = parts;
    if (owner === undefined) return { ok: false, code: 'KEY_MISSING', text: 'there is no owner key' };
    return connection.call((_, within) => answerOf(work(owner, within)), this.#signal);
  }
}

/** Another key's refusal as a value: thrown, it would be taken for one of our own key. */
async function answerOf(work: Promise<void>): Promise<Answer> {
  try {
    await work;
    return { ok: true };
  } catch (error) {
    if (!(error instanceof EdgeError) || error.code === 'CANCELLED' || causeOf(error.code) !== 'server')
      throw error;
    return { ok: false, code: error.code, text: errorText(error) };
  }
}

function needsOwner({ executorName }: Identity, record: ColonyExecutor | undefined): string {
  return `${executorName} is ${record?.state ?? 'not registered'}: it waits for the colony's owner to approve it`;
}
