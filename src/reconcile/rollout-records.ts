import { errorText } from '../base/errors.ts';
import type { Store } from '../model/ports.ts';
import type { Rollout } from '../model/rollout.ts';
import type { Journal } from './journal.ts';
import { lasting } from './plan-version.ts';

const NOTHING: Pick<Rollout, 'good' | 'bad'> = { good: [], bad: [] };

/** What is known of the versions of each blueprint, by its name, and its way to the disk: written only when it changed. */
export class RolloutRecords {
  readonly #store: Pick<Store, 'loadRollouts' | 'saveRollouts'>;
  readonly #journal: Pick<Journal, 'add'>;
  readonly #records = new Map<string, Rollout>();
  #isDirty = false;
  #saving: Promise<void> | undefined;
  #error: string | undefined;

  constructor(store: Pick<Store, 'loadRollouts' | 'saveRollouts'>, journal: Pick<Journal, 'add'>) {
    this.#store = store;
    this.#journal = journal;
  }

  get all(): ReadonlyMap<string, Rollout> {
    return this.#records;
  }

  /** Why they cannot be saved; undefined when they can. */
  get error(): string | undefined {
    return this.#error;
  }

  async restore(): Promise<void> {
    try {
      for (const record of await this.#store.loadRollouts()) {
        const good = record.good.map((one) => ({ ...one, version: lasting(one.version) }));
        this.#records.set(record.blueprint, { ...record, good });
      }
    } catch (error) {
      this.#journal.add('warn', 'last good versions cannot be loaded', { detail: errorText(error) });
    }
  }

  change(blueprint: string, change: (record: Rollout) => Rollout): void {
    this.note(blueprint, change);
    this.#isDirty = true;
  }

  /** As `change`, and not worth a write of its own: it is found out once more. */
  note(blueprint: string, change: (record: Rollout) => Rollout): void {
    this.#records.set(blueprint, change(this.#records.get(blueprint) ?? { blueprint, ...NOTHING }));
  }

  /** Forgets all blueprints but these. */
  keep(names: ReadonlySet<string>): void {
    for (const name of this.#records.keys()) if (!names.has(name)) this.#isDirty = this.#records.delete(name);
  }

  /** Begins to save when something changed and no save is under way; the next look asks again. */
  save(): void {
    if (!this.#isDirty || this.#saving !== undefined) return;
    this.#isDirty = false;
    this.#saving = this.#saveNow().finally(() => {
      this.#saving = undefined;
    });
  }

  /** Settles when the save under way has ended. */
  async idle(): Promise<void> {
    await this.#saving;
  }

  async #saveNow(): Promise<void> {
    const records = [...this.#records.values()].sort((a, b) => (a.blueprint < b.blueprint ? -1 : 1));
    try {
      await this.#store.saveRollouts(records);
      this.#error = undefined;
    } catch (error) {
      this.#isDirty = true;
      const detail = errorText(error);
      if (detail !== this.#error) this.#journal.add('warn', 'last good versions cannot be saved', { detail });
      this.#error = detail;
    }
  }
}
