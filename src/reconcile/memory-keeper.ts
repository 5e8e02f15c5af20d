import { errorText } from '../base/errors.ts';
import { canonicalJson } from '../model/hash.ts';
import type { Store } from '../model/ports.ts';
import type { Journal } from './journal.ts';
import type { WorkingMemory } from './memory.ts';

/** Keeps on disk what of the working memory must outlive a restart; in a lane of its own, since a card can stall. */
export class MemoryKeeper {
  readonly #memory: WorkingMemory;
  readonly #store: Store;
  readonly #journal: Journal;
  readonly #onNoted: () => void;
  #saved = '';
  #error: string | undefined;
  #saving: Promise<void> | undefined;

  /** `onNoted`: what a plan waits for is on disk. */
  constructor(memory: WorkingMemory, store: Store, journal: Journal, onNoted: () => void) {
    this.#memory = memory;
    this.#store = store;
    this.#journal = journal;
    this.#onNoted = onNoted;
  }

  /** Why it cannot be saved; undefined when it can. */
  get error(): string | undefined {
    return this.#error;
  }

  async restore(): Promise<void> {
    try {
      this.#memory.load(await this.#store.loadMemory());
      this.#saved = canonicalJson(this.#memory.save());
    } catch (error) {
      this.#journal.add('warn', 'remembered failures cannot be loaded', { detail: errorText(error) });
    }
  }

  /** Begins to save when something changed and no save is under way; the next look asks again. */
  save(): void {
    if (this.#saving !== undefined || canonicalJson(this.#memory.save()) === this.#saved) return;
    this.#saving = this.#saveNow().finally(() => {
      this.#saving = undefined;
    });
  }

  /** Settles when the save under way has ended. */
  async idle(): Promise<void> {
    await this.#saving;
  }

  async #saveNow(): Promise<void> {
    const memory = this.#memory.save();
    try {
      await this.#store.saveMemory(memory);
      this.#saved = canonicalJson(memory);
      this.#error = undefined;
    } catch (error) {
      const note = errorText(error);
      if (note !== this.#error)
        this.#journal.add('warn', 'remembered failures cannot be saved', { detail: note });
      this.#error = note;
    }
    // A disk that is broken keeps nothing from being updated.
    if (this.#memory.updates.saved(memory.replacing)) this.#onNoted();
  }
}
