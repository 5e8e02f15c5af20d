import type { Clock } from '../base/clock.ts';
import { isoTime } from '../base/clock.ts';
import { errorText } from '../base/errors.ts';
import type { DesiredState } from '../model/desired.ts';
import type { Checkpoint, Store } from '../model/ports.ts';
import type { AgentStatus } from '../model/status.ts';

/** What the keeper needs and whom it tells. */
export interface CheckpointParts {
  store: Store;
  clock: Clock;
  onEvent(level: 'info' | 'warn' | 'error', message: string, fields: { detail?: string }): void;
}

/** Keeps the last desired state on disk, one save after the other; a failure is kept for status. */
export class CheckpointKeeper {
  readonly #parts: CheckpointParts;
  #state: AgentStatus['checkpoint'] = { state: 'none' };
  #isUnsaved = false;
  #saving: Promise<void> = Promise.resolve();

  constructor(parts: CheckpointParts) {
    this.#parts = parts;
  }

  /** The lane's part of the status. */
  get state(): AgentStatus['checkpoint'] {
    return this.#state;
  }

  /** true: the last save failed, or was put off. */
  get isUnsaved(): boolean {
    return this.#isUnsaved;
  }

  /** Another save is worth a try at the next occasion. */
  putOff(): void {
    this.#isUnsaved = true;
  }

  /** The checkpoint from disk; undefined when there is none to be had. */
  async load(): Promise<Checkpoint | undefined> {
    const { store, onEvent } = this.#parts;
    try {
      const { checkpoint, notes } = await store.loadCheckpoint();
      for (const note of notes) onEvent('warn', 'checkpoint slot passed over', { detail: note });
      if (checkpoint !== undefined) {
        const note = notes.length === 0 ? {} : { note: notes.join('; ') };
        this.#state = { state: 'loaded', savedAt: isoTime(checkpoint.savedAt), ...note };
        onEvent('info', 'checkpoint loaded', { detail: `${checkpoint.blueprints.length} blueprints` });
      } else if (notes.length > 0) this.#state = { state: 'failed', note: notes.join('; ') };
      return checkpoint;
    } catch (error) {
      this.#state = { state: 'failed', note: errorText(error) };
      onEvent('error', 'checkpoint cannot be loaded', { detail: errorText(error) });
      return undefined;
    }
  }

  /** Resolves when it is on disk, or has failed; nothing is saved of a state that is not known. */
  save(desired: DesiredState, identity: string): Promise<void> {
    this.#saving = this.#saving.then(() => this.#saveNow(desired, identity));
    return this.#saving;
  }

  /** Resolves when no save is under way. */
  idle(): Promise<void> {
    return this.#saving;
  }

  async #saveNow(desired: DesiredState, directoryIdentity: string): Promise<void> {
    if (!desired.known) return;
    const { store, clock, onEvent } = this.#parts;
    const checkpoint: Checkpoint = {
      savedAt: clock.now(),
      blueprints: desired.blueprints,
      directoryIdentity,
    };
    try {
      const isWritten = await store.saveCheckpoint(checkpoint);
      if (this.#state.state === 'failed') onEvent('info', 'checkpoint can be saved again', {});
      if (isWritten || this.#state.state === 'failed')
        this.#state = { state: 'saved', savedAt: isoTime(checkpoint.savedAt) };
      this.#isUnsaved = false;
    } catch (error) {
      const note = errorText(error);
      if (this.#state.note !== note) onEvent('error', 'checkpoint cannot be saved', { detail: note });
      this.#state = { ...this.#state, state: 'failed', note };
      this.#isUnsaved = true;
    }
  }
}
