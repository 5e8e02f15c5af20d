import { EdgeError, errorText } from '../base/errors.ts';
import type { ColonyProcess, OpenProcess, OutboxStore } from '../model/colony.ts';
import type { LinkHost } from '../model/link.ts';
import type { DeregisterQueue } from './parts.ts';

type Result = NonNullable<OpenProcess['result']>;

/** More processes than this are never kept: a server gone mad must not fill the disk. */
const MOST_PROCESSES = 1_000;

/**
 * What the server has not accepted yet and must outlive a restart: processes that were taken, and registrations to be
 * removed. In memory at once, on disk when a call's promise resolves. A disk that cannot be written to is told once and
 * stops nothing: what is done for a process is level-triggered, and the server tells after a restart what we hold.
 */
export class OutboxKeeper implements DeregisterQueue {
  readonly #store: OutboxStore;
  readonly #processes = new Map<string, OpenProcess>();
  #deregister: readonly { id: string; name: string }[] = [];
  #host: LinkHost | undefined;
  #error: string | undefined;
  #saving: Promise<void> = Promise.resolve();
  #isSavingNext = false;

  constructor(store: OutboxStore) {
    this.#store = store;
  }

  /** Reads what the last run left; what cannot be read counts as empty. Once, before everything else. */
  async restore(host: LinkHost): Promise<void> {
    this.#host = host;
    try {
      const { processes, deregister } = await this.#store.loadOutbox();
      for (const process of processes)
        if (!this.#processes.has(process.id)) this.#processes.set(process.id, process);
      this.#deregister = [...deregister, ...this.#deregister];
    } catch (error) {
      if (!(error instanceof EdgeError)) throw error;
      host.event('error', 'outbox cannot be loaded', { reason: error.code, detail: errorText(error) });
    }
  }

  /** Oldest first. */
  get processes(): readonly OpenProcess[] {
    return [...this.#processes.values()];
  }

  get deregister(): readonly { id: string; name: string }[] {
    return this.#deregister;
  }

  /** Notes processes before anything is done for them. */
  async note(processes: readonly ColonyProcess[]): Promise<void> {
    for (const { id, startedAt, retries, funcName, kind, blueprintName, force } of processes) {
      this.#processes.delete(id);
      this.#processes.set(id, {
        id,
        startedAt: startedAt ?? null,
        retries,
        funcName,
        kind,
        blueprintName,
        force,
      });
    }
    for (const id of this.#processes.keys()) {
      if (this.#processes.size <= MOST_PROCESSES) break;
      this.#processes.delete(id);
    }
    await this.#save();
  }

  /** All is done for a process but telling the server. */
  async setResult(id: string, result: Result): Promise<void> {
    const process = this.#processes.get(id);
    if (process === undefined) return;
    this.#processes.set(id, { ...process, result });
    await this.#save();
  }

  /** The server took the result, or the process is not ours any more. */
  async drop(ids: readonly string[]): Promise<void> {
    const dropped = ids.filter((id) => this.#processes.delete(id));
    if (dropped.length > 0) await this.#save();
  }

  async queueDeregister(executor: { id: string; name: string }): Promise<void> {
    if (this.#deregister.some(({ id }) => id === executor.id)) return;
    this.#deregister = [...this.#deregister, executor];
    await this.#save();
  }

  async dropDeregister(id: string): Promise<void> {
    this.#deregister = this.#deregister.filter((one) => one.id !== id);
    await this.#save();
  }

  /** Resolves when nothing is being written. */
  idle(): Promise<void> {
    return this.#saving;
  }

  /** One write at a time; those asked for meanwhile are one more. */
  #save(): Promise<void> {
    if (this.#isSavingNext) return this.#saving;
    this.#isSavingNext = true;
    this.#saving = this.#saving.then(() => this.#saveNow());
    return this.#saving;
  }

  async #saveNow(): Promise<void> {
    this.#isSavingNext = false;
    try {
      await this.#store.saveOutbox({ processes: this.processes, deregister: this.#deregister });
      if (this.#error !== undefined) this.#host?.event('info', 'outbox can be saved again', {});
      this.#error = undefined;
    } catch (error) {
      if (!(error instanceof EdgeError)) throw error;
      const detail = errorText(error);
      if (this.#error === undefined)
        this.#host?.event('error', 'outbox cannot be saved', { reason: error.code, detail });
      this.#error = detail;
    }
  }
}
