import type { Clock } from '../base/clock.ts';
import { isoTime } from '../base/clock.ts';
import { errorText } from '../base/errors.ts';
import { Doorbell, within } from '../base/lanes.ts';
import type { DesiredState, Owner } from '../model/desired.ts';
import { canonicalJson } from '../model/hash.ts';
import type { Claimable } from '../model/link.ts';
import type { Checkpoint, DirectorySource, Resolve, Store } from '../model/ports.ts';
import type { AgentStatus } from '../model/status.ts';
import { type Composition, compose, recompose } from './compose.ts';

/** Saving must not keep a valid change waiting for longer than this, milliseconds: a card can stall. */
const SAVE_WITHIN_MS = 5_000;

/** Reading a directory of files must not take longer, milliseconds. */
const READ_WITHIN_MS = 30_000;

/** What the lane needs and whom it tells. */
export interface SourceLaneParts {
  source: DirectorySource | undefined;
  store: Store;
  clock: Clock;
  owner: Owner;
  defaultNetwork: string;
  resyncMs: number;
  resolver(): Promise<Resolve>;
  onEvent(
    level: 'info' | 'warn' | 'error',
    message: string,
    fields: { blueprint?: string; detail?: string },
  ): void;
  /** The desired state is another one now. */
  onChange(): void;
}

/**
 * Keeps the desired state: from the directory when it can be read, else from the checkpoint. A lane of its own, so that
 * a stalled disk never delays the healing of a container.
 */
export class SourceLane {
  readonly #parts: SourceLaneParts;
  readonly #bell: Doorbell;
  #desired: DesiredState = { known: false };
  #claimable: readonly Claimable[] = [];
  #elsewhere: ReadonlyMap<string, string> = new Map();
  #identity = '';
  #resolve: Resolve | undefined;
  #resolverError: string | undefined;
  #state: {
    state: 'ok' | 'away' | 'unknown';
    sinceMs: number;
    error?: string;
    files: number;
    suspect?: string;
  };
  #checkpoint: AgentStatus['checkpoint'] = { state: 'none' };
  #unsaved = false;
  #saving: Promise<void> = Promise.resolve();

  constructor(parts: SourceLaneParts) {
    this.#parts = parts;
    this.#bell = new Doorbell(parts.clock);
    this.#state = { state: 'unknown', sinceMs: parts.clock.now(), files: 0 };
  }

  get desired(): DesiredState {
    return this.#desired;
  }

  /** As `LinkHost.claimable`. */
  get claimable(): readonly Claimable[] {
    return this.#claimable;
  }

  /** As `LinkHost.elsewhere`. */
  get elsewhere(): ReadonlyMap<string, string> {
    return this.#elsewhere;
  }

  /** Takes the link's newest reading over; resolves when desired state and checkpoint have it. */
  async take(signal: AbortSignal): Promise<void> {
    await this.read(signal);
  }

  /** The last desired state from disk, then one reading of the source. */
  async restore(signal: AbortSignal): Promise<void> {
    const { store, owner, onEvent } = this.#parts;
    try {
      const { checkpoint, notes } = await store.loadCheckpoint();
      for (const note of notes) onEvent('warn', 'checkpoint slot passed over', { detail: note });
      if (checkpoint !== undefined) {
        this.#desired = { known: true, owner, blueprints: checkpoint.blueprints, refusals: [] };
        this.#identity = checkpoint.directoryIdentity;
        const note = notes.length === 0 ? {} : { note: notes.join('; ') };
        this.#checkpoint = { state: 'loaded', savedAt: isoTime(checkpoint.savedAt), ...note };
        onEvent('info', 'checkpoint loaded', { detail: `${checkpoint.blueprints.length} blueprints` });
      } else if (notes.length > 0) this.#checkpoint = { state: 'failed', note: notes.join('; ') };
    } catch (error) {
      this.#checkpoint = { state: 'failed', note: errorText(error) };
      onEvent('error', 'checkpoint cannot be loaded', { detail: errorText(error) });
    }
    await this.read(signal);
  }

  /** Asks for a reading now. */
  refresh(): void {
    this.#bell.ring();
  }

  /** Reads whenever something may have changed, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { source, resyncMs } = this.#parts;
    const watching = source?.watch(() => this.#bell.ring(), signal).catch(() => undefined);
    while (!signal.aborted) {
      await this.#bell.wait(resyncMs, signal);
      if (!signal.aborted) await this.read(signal);
    }
    await watching;
    await this.#saving;
  }

  /** One reading; what is wrong with it is kept for status and leaves the desired state as it was. */
  async read(signal: AbortSignal): Promise<void> {
    const resolve = await this.#freshResolver();
    if (resolve === undefined) return;
    const { source, owner, defaultNetwork, clock } = this.#parts;
    if (source === undefined) {
      await this.#take(recompose(this.#desired, resolve), this.#identity);
      return;
    }
    try {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(READ_WITHIN_MS)]);
      const listing = await source.read(deadline);
      this.#identity ||= listing.identity;
      const composition = compose(this.#desired, listing, this.#identity, resolve, owner, defaultNetwork);
      this.#arrived(listing.files.length, composition.suspect);
      await this.#take(composition, composition.suspect === undefined ? listing.identity : this.#identity);
    } catch (error) {
      if (signal.aborted) return;
      this.#lost(errorText(error));
      await this.#take(recompose(this.#desired, resolve), this.#identity);
    }
    if (this.#unsaved) await within(clock, SAVE_WITHIN_MS, this.save());
  }

  async #freshResolver(): Promise<Resolve | undefined> {
    const { resolver, onEvent } = this.#parts;
    try {
      this.#resolve = await resolver();
      if (this.#resolverError !== undefined) onEvent('info', 'configuration files are valid again', {});
      this.#resolverError = undefined;
    } catch (error) {
      const text = errorText(error);
      if (text !== this.#resolverError) onEvent('error', 'configuration file refused', { detail: text });
      this.#resolverError = text;
    }
    return this.#resolve;
  }

  #arrived(files: number, suspect: string | undefined): void {
    const { clock, onEvent } = this.#parts;
    const before = this.#state;
    if (before.state === 'away') onEvent('info', 'blueprint directory is back', {});
    if (suspect !== undefined && suspect !== before.suspect)
      onEvent('error', 'mass removal suspected', { detail: suspect });
    const sinceMs = before.state === 'ok' ? before.sinceMs : clock.now();
    this.#state = { state: 'ok', sinceMs, files, ...(suspect === undefined ? {} : { suspect }) };
  }

  #lost(error: string): void {
    const { clock, onEvent } = this.#parts;
    const before = this.#state;
    if (before.state !== 'away') onEvent('warn', 'blueprint directory cannot be read', { detail: error });
    this.#state = {
      ...before,
      state: 'away',
      sinceMs: before.state === 'away' ? before.sinceMs : clock.now(),
      error,
    };
  }

  /** Saved first, then acted on: a crash in between must not bring an older version back. */
  async #take(composition: Omit<Composition, 'suspect'>, identity: string): Promise<void> {
    const { desired } = composition;
    const before = this.#desired;
    const isNew = !before.known || !desired.known || canonicalJson(before) !== canonicalJson(desired);
    if (!isNew && identity === this.#identity) return;
    this.#identity = identity;
    if (!isNew) {
      this.#unsaved = true;
      return;
    }
    if (desired.known) await within(this.#parts.clock, SAVE_WITHIN_MS, this.save(desired));
    this.#desired = desired;
    // Told when it is in force: whoever hears of a change must find it in status.
    this.#tell(before, composition);
    this.#parts.onChange();
  }

  #tell(before: DesiredState, { desired, changes }: Omit<Composition, 'suspect'>): void {
    const { onEvent } = this.#parts;
    for (const { name, what, why } of changes)
      onEvent('info', `blueprint ${what}`, {
        blueprint: name,
        ...(why === undefined ? {} : { detail: why }),
      });
    if (!desired.known) return;
    const known = new Set(before.known ? before.refusals.map((refusal) => canonicalJson(refusal)) : []);
    for (const refusal of desired.refusals) {
      if (known.has(canonicalJson(refusal))) continue;
      const detail = refusal.problems.map(({ path, message }) => `${path} ${message}`.trim()).join('; ');
      const where = refusal.file === undefined ? '' : `${refusal.file}: `;
      const name = refusal.name === undefined ? {} : { blueprint: refusal.name };
      onEvent('warn', 'blueprint refused', { ...name, detail: `${where}${detail}` });
    }
  }

  /** Drops deleted blueprints of which nothing is left. */
  finish(names: readonly string[]): void {
    if (names.length === 0 || !this.#desired.known) return;
    const gone = new Set(names);
    const blueprints = this.#desired.blueprints.filter(({ name, deleting }) => !(deleting && gone.has(name)));
    this.#desired = { ...this.#desired, blueprints };
    for (const blueprint of names) this.#parts.onEvent('info', 'blueprint removal finished', { blueprint });
    void this.save();
  }

  /** Saves the checkpoint, one save after the other; a failure is kept for status and tried again at the next reading. */
  save(desired: DesiredState = this.#desired): Promise<void> {
    this.#saving = this.#saving.then(() => this.#saveNow(desired));
    return this.#saving;
  }

  async #saveNow(desired: DesiredState): Promise<void> {
    if (!desired.known) return;
    const { store, clock, onEvent } = this.#parts;
    const checkpoint: Checkpoint = {
      savedAt: clock.now(),
      blueprints: desired.blueprints,
      directoryIdentity: this.#identity,
    };
    try {
      const isWritten = await store.saveCheckpoint(checkpoint);
      if (this.#checkpoint.state === 'failed') onEvent('info', 'checkpoint can be saved again', {});
      if (isWritten || this.#checkpoint.state === 'failed')
        this.#checkpoint = { state: 'saved', savedAt: isoTime(checkpoint.savedAt) };
      this.#unsaved = false;
    } catch (error) {
      const note = errorText(error);
      if (this.#checkpoint.note !== note) onEvent('error', 'checkpoint cannot be saved', { detail: note });
      this.#checkpoint = { ...this.#checkpoint, state: 'failed', note };
      this.#unsaved = true;
    }
  }

  /** The lane's part of the status. */
  view(): { source: AgentStatus['source']; checkpoint: AgentStatus['checkpoint']; warnings: string[] } {
    const { state, sinceMs, error, files, suspect } = this.#state;
    const { source } = this.#parts;
    return {
      source: {
        kind: 'directory',
        path: source?.path ?? '',
        state: source === undefined ? 'unknown' : state,
        since: isoTime(sinceMs),
        files,
        ...(error === undefined || state === 'ok' ? {} : { lastError: error }),
        ...(suspect === undefined ? {} : { suspect }),
      },
      checkpoint: this.#checkpoint,
      warnings: this.#resolverError === undefined ? [] : [this.#resolverError],
    };
  }
}
