import type { Clock } from '../base/clock.ts';
import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import type { Colony, ColonyExecutor } from '../model/colony.ts';
import type { LinkClass } from '../model/link.ts';
import type { LinkParts } from './parts.ts';
import type { RefusedState } from './rule-link.ts';

/** While nothing changes the colony's executors are listed again after this long: a list of all of them has its price. */
const LOOK_AGAIN_MS: Readonly<Record<LinkClass, number>> = { normal: 600_000, metered: 3_600_000 };

/** Approved and refused: most likely a sweep or an approval came in between. */
const CONTRADICTION_MS = 10_000;

/** What a refusal means, and whether something was done about it so that the next attempt may succeed. */
export interface Verdict {
  state: RefusedState;
  /** For people: what is wrong, and what is to be done. */
  why: string;
  /** true: the key was taken just now, as far as we can see; try at once. */
  again: boolean;
  /** Set: a key that was changed on disk; try with this one. */
  colony?: Colony;
}

type Parts = Pick<LinkParts, 'clock' | 'log' | 'owner' | 'reloadKey' | 'settings'>;

/** Finds out why the server refuses our key, and uses what the node has to change that (FIELDS.md 14.1). */
export class Registration {
  readonly #parts: Parts;
  readonly #clock: Clock;
  #last: { verdict: Verdict; own: ColonyExecutor | undefined; atMs: number } | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#clock = parts.clock;
  }

  /** What was found is over: the key is taken, another link, another key. */
  forget(): void {
    this.#last = undefined;
  }

  /** One look after a refusal; rejects with a link error when the server cannot be asked. */
  async look(colony: Colony, linkClass: LinkClass, signal: AbortSignal): Promise<Verdict> {
    const renewed = await this.#renewed(colony);
    if (renewed !== undefined) {
      this.forget();
      return { state: 'UnknownKey', why: 'trying the new key', again: true, colony: renewed };
    }
    const last = this.#last;
    const lookAgainMs = last?.own?.state === 'approved' ? CONTRADICTION_MS : LOOK_AGAIN_MS[linkClass];
    const isOld = last === undefined || this.#clock.monoMs() - last.atMs >= lookAgainMs;
    const { verdict, own } = isOld ? await this.#ask(colony, signal) : last;
    const isOurs = own !== undefined && own.state !== 'rejected' && own.state !== 'approved';
    if (isOurs && this.#parts.owner !== undefined) return this.#revive(own, verdict, signal);
    return isOld ? verdict : { ...verdict, again: false };
  }

  /** A key file that cannot be read now leaves the key we have, and is read again at the next look. */
  async #renewed(colony: Colony): Promise<Colony | undefined> {
    try {
      const renewed = await this.#parts.reloadKey?.();
      return renewed === undefined || renewed.id === colony.id ? undefined : renewed;
    } catch (error) {
      if (!(error instanceof EdgeError)) throw error;
      this.#parts.log.debug('key cannot be read again', { detail: errorText(error) });
      return undefined;
    }
  }

  async #ask(colony: Colony, signal: AbortSignal) {
    const own = await ownRecord(colony, signal);
    const verdict = this.#verdictOf(own, colony.id);
    this.#last = { verdict, own, atMs: this.#clock.monoMs() };
    return this.#last;
  }

  #verdictOf(own: ColonyExecutor | undefined, id: string): Verdict {
    const { executorName } = this.#parts.settings;
    if (own === undefined)
      return {
        state: 'UnknownKey',
        why: `the colony has no executor with the id ${id}; register it as ${executorName}`,
        again: false,
      };
    const approve = `the colony's owner has to approve ${own.name}`;
    switch (own.state) {
      case 'approved':
        return {
          state: 'Unregistered',
          why: `${own.name} is approved and refused all the same`,
          again: true,
        };
      case 'pending':
        return { state: 'PendingApproval', why: approve, again: false };
      case 'rejected':
        return {
          state: 'PendingApproval',
          why: `${own.name} was rejected; ${approve} after all`,
          again: false,
        };
      case 'unregistered':
        return {
          state: 'Unregistered',
          why: `the server forgot ${own.name} while it was away or removed it; ${approve} again`,
          again: false,
        };
    }
  }

  /** With the owner's key: approval revives the entry and keeps the identity. By the name in the server's own record
   *  of our id, so that nobody else's is approved. */
  async #revive(own: ColonyExecutor, verdict: Verdict, signal: AbortSignal): Promise<Verdict> {
    try {
      await this.#parts.owner?.approveExecutor(own.name, signal);
      return { ...verdict, again: true };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof EdgeError) || error.retry !== 'permanent') throw error;
      return {
        ...verdict,
        why: `${verdict.why} (not with the owner's key of this node: ${errorText(error)})`,
      };
    }
  }
}

/** Our own entry among the colony's executors; undefined: the key is unknown. An approved one wins over older ones. */
async function ownRecord(colony: Colony, signal: AbortSignal): Promise<ColonyExecutor | undefined> {
  try {
    const own = (await colony.executors(signal)).filter(({ id }) => id === colony.id);
    return own.find(({ state }) => state === 'approved') ?? own.at(-1);
  } catch (error) {
    if (errorCode(error) === 'COLONY_FORBIDDEN') return undefined;
    throw error;
  }
}
