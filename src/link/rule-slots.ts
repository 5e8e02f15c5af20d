import type { ColonyExecutor } from '../model/colony.ts';
import type { DesiredState, ExecutorWish } from '../model/desired.ts';
import type { Slot } from '../model/ports.ts';

// Which executor identities this agent has to have (FIELDS.md 6.4). PURE.

/** One place for an identity of our own: a replica, or a spare one of the pool. */
export interface WantedSlot {
  blueprint: string;
  blueprintId: string;
  generation: number;
  index: number;
  wish: ExecutorWish;
}

/** An identity whose container runs under a key from the operator's slot file. */
export interface ProvisionedIdentity {
  id: string;
  executorName: string;
  executorType: string;
  key: string;
}

/** What is not as it should be; `isFinal`: only a person can change it. */
export interface Trouble {
  text: string;
  isFinal: boolean;
}

type Known = DesiredState & { known: true };

/** All places that no file provides an identity for; `own` are the identities we made ourselves. */
export function wantedSlots(desired: Known, own: readonly Slot[]): WantedSlot[] {
  const ids = new Set(own.map(({ id }) => id));
  return desired.blueprints.flatMap(({ name, blueprintId, generation, deleting, executors: wish }) => {
    if (wish === undefined || deleting) return [];
    const provided = new Set(wish.known.filter(({ id }) => !ids.has(id)).map(({ index }) => index));
    return Array.from({ length: wish.identities }, (_, index) => index)
      .filter((index) => !provided.has(index))
      .map((index) => ({ blueprint: name, blueprintId, generation, index, wish }));
  });
}

export function slotFor(own: readonly Slot[], want: WantedSlot): Slot | undefined {
  return own.find(({ blueprint, index }) => blueprint === want.blueprint && index === want.index);
}

/**
 * Identities of ours that nobody asks for any more: scaled down, removed, or provided by a file now. Those of a blueprint
 * that we know nothing of are not among them: a source that has not told yet is no removal.
 */
export function givenUp(desired: Known, own: readonly Slot[], wanted: readonly WantedSlot[]): Slot[] {
  return own.filter((slot) => {
    const blueprint = desired.blueprints.find(({ name }) => name === slot.blueprint);
    if (blueprint === undefined) return false;
    const isTold =
      blueprint.deleting || blueprint.executors !== undefined || blueprint.kind !== 'ExecutorDeployment';
    return (
      isTold && !wanted.some(({ blueprint: name, index }) => name === slot.blueprint && index === slot.index)
    );
  });
}

/** Identities of running services that are not ours to make or remove, but to revive: their container knows the key. */
export function provisioned(desired: Known, own: readonly Slot[]): ProvisionedIdentity[] {
  const ids = new Set(own.map((slot) => slot.id));
  return desired.blueprints.flatMap(({ services, executors: wish }) =>
    services.flatMap(({ executorName, hold, container }) => {
      const { COLONIES_EXECUTOR_ID: id, COLONIES_PRVKEY: key } = container.env;
      if (wish === undefined || executorName === undefined || hold !== undefined) return [];
      if (id === undefined || key === undefined || ids.has(id)) return [];
      return [{ id, executorName, executorType: wish.executorType, key }];
    }),
  );
}

/** `<blueprint>-<5 hex>` for the container, with the generation for the executor, as the Go reconciler names them. */
export function namesOf(want: WantedSlot, hex: string): Pick<Slot, 'containerName' | 'executorName'> {
  const containerName = `${want.blueprint}-${hex}`;
  return { containerName, executorName: `${containerName}-${want.generation}` };
}

/** The record that an identity has under its own name. One key may be under several names, of which we know one. */
export function recordOf(
  records: readonly ColonyExecutor[],
  { id, executorName }: { id: string; executorName: string },
): ColonyExecutor | undefined {
  return records.find((record) => record.id === id && record.name === executorName);
}
