import { untilAborted } from '../base/abort.ts';
import type { Clock } from '../base/clock.ts';
import { isoTime } from '../base/clock.ts';
import { EdgeError, errorText } from '../base/errors.ts';
import { Doorbell, within } from '../base/lanes.ts';
import type { DesiredState, Owner } from '../model/desired.ts';
import { canonicalJson } from '../model/hash.ts';
import type { Claimable, Link } from '../model/link.ts';
import type { DirectoryListing, DirectorySource, Resolve, Store } from '../model/ports.ts';
import type { AgentStatus } from '../model/status.ts';
import { type Composition, compose } from './compose.ts';
import { CheckpointKeeper } from './source-lane-checkpoint.ts';

/** Saving must not keep a valid change waiting for longer than this, milliseconds: a card can stall. */
const SAVE_WITHIN_MS = 5_000;

/** Reading a directory of files must not take longer, milliseconds. */
const READ_WITHIN_MS = 30_000;

/** What the lane needs and whom it tells. */
export interface SourceLaneParts {
  source: DirectorySource | undefined;
  /** Absent: no server is configured. */
  link?: Pick<Link, 'reading'>;
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
 * Keeps the desired state: from the directory when it can be read and from what the link has read of the server, else
 * from the checkpoint. A lane of its own, so that a stalled disk never delays the healing of a container.
 */
export class SourceLane {
  readonly #parts: SourceLaneParts;
  readonly #bell: Doorbell;
  readonly #checkpoint: CheckpointKeeper;
  #desired: DesiredState = { known: false };
  #claimable: readonly Claimable[] = [];
  #elsewhere: ReadonlyMap<string, string> = new Map();
  #warnings: readonly string[] = [];
  #identity = '';
  /** Newest reading of the directory; undefined while it cannot be read. */
  #listing: DirectoryListing | undefined;
  #resolve: Resolve | undefined;
  #resolverError: string | undefined;
  #state: {
    state: 'ok' | 'away' | 'unknown';
    sinceMs: number;
    error?: string;
    files: number;
    suspect?: string;
  };
  /** The composition under way, or the last one: each starts from what the one before made. */
  #turn: Promise<void> = Promise.resolve();

  constructor(parts: SourceLaneParts) {
    this.#parts = parts;
    this.#bell = new Doorbell(parts.clock);
    this.#checkpoint = new CheckpointKeeper(parts);
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

  /** The last desired state from disk, then one reading of the sources. */
  async restore(signal: AbortSignal): Promise<void> {
    const checkpoint = await this.#checkpoint.load();
    if (checkpoint !== undefined) {
      const { owner } = this.#parts;
      this.#desired = { known: true, owner, blueprints: checkpoint.blueprints, refusals: [] };
      this.#identity = checkpoint.directoryIdentity;
    }
    await this.read(signal);
  }

  /** Asks for a reading now. */
  refresh(): void {
    this.#bell.ring();
  }

  /** Reads whenever something may have changed, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { source, resyncMs, onEvent } = this.#parts;
    const watching = source
      ?.watch(() => this.#bell.ring(), signal)
      .catch((error) => {
        if (signal.aborted) return;
        const detail = `${errorText(error)}; it is read every ${resyncMs / 1000} s instead`;
        onEvent('warn', 'blueprint directory cannot be watched', { detail });
      });
    while (!signal.aborted) {
      await this.#bell.wait(resyncMs, signal);
      if (!signal.aborted) await this.read(signal);
    }
    await watching;
    await this.#checkpoint.idle();
  }

  /** One reading; what is wrong with it is kept for status and leaves the desired state as it was. */
  async read(signal: AbortSignal): Promise<void> {
    const { source } = this.#parts;
    if (source !== undefined)
      try {
        this.#listing = slim(await this.#readWithin(source, signal));
      } catch (error) {
        if (signal.aborted) return;
        this.#listing = undefined;
        this.#lost(errorText(error));
      }
    await this.take(signal);
  }

  /** Takes over what the sources said last; resolves when desired state and checkpoint have it, or the signal ends it. */
  async take(signal: AbortSignal): Promise<void> {
    this.#turn = this.#turn.then(() => this.#compose(signal));
    await this.#turn;
  }

  async #compose(signal: AbortSignal): Promise<void> {
    const resolve = await this.#freshResolver();
    if (resolve === undefined || signal.aborted) return;
    const { source, link, owner, defaultNetwork, clock } = this.#parts;
    const listing = this.#listing;
    this.#identity ||= listing?.identity ?? '';
    const directory = { isConfigured: source !== undefined, listing, previousIdentity: this.#identity };
    const composition = compose(
      this.#desired,
      { directory, server: link?.reading() },
      { resolve, owner, defaultNetwork },
    );
    if (listing !== undefined) this.#arrived(listing.files.length, composition.suspect);
    this.#claimable = composition.claimable;
    this.#elsewhere = composition.elsewhere;
    this.#warnings = composition.warnings;
    const isTaken = listing !== undefined && composition.suspect === undefined;
    await this.#enforce(composition, isTaken ? listing.identity : this.#identity);
    if (this.#checkpoint.isUnsaved) await within(clock, SAVE_WITHIN_MS, this.#save(this.#desired));
  }

  async #readWithin(source: DirectorySource, signal: AbortSignal): Promise<DirectoryListing> {
    const timer = new AbortController();
    const late = new AbortController();
    const tooLate = new EdgeError(`${source.path} was not read within ${READ_WITHIN_MS / 1000} s`, {
      code: 'SOURCE_UNAVAILABLE',
      retry: 'transient',
      target: source.path,
    });
    this.#parts.clock.sleep(READ_WITHIN_MS, timer.signal).then(
      () => late.abort(tooLate),
      () => undefined,
    );
    const deadline = AbortSignal.any([signal, late.signal]);
    try {
      return await untilAborted(source.read(deadline), deadline);
    } finally {
      timer.abort();
    }
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
  async #enforce(composition: Composition, identity: string): Promise<void> {
    const { desired } = composition;
    const before = this.#desired;
    const isNew = before.known !== desired.known || canonicalJson(before) !== canonicalJson(desired);
    if (!isNew && identity === this.#identity) return;
    this.#identity = identity;
    if (!isNew) {
      this.#checkpoint.putOff();
      return;
    }
    if (desired.known) await within(this.#parts.clock, SAVE_WITHIN_MS, this.#save(desired));
    this.#desired = desired;
    // Told when it is in force: whoever hears of a change must find it in status.
    this.#tell(before, composition);
    this.#parts.onChange();
  }

  #tell(before: DesiredState, { desired, changes }: Composition): void {
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
    void this.#save(this.#desired);
  }

  #save(desired: DesiredState): Promise<void> {
    return this.#checkpoint.save(desired, this.#identity);
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
      checkpoint: this.#checkpoint.state,
      warnings: [...(this.#resolverError === undefined ? [] : [this.#resolverError]), ...this.#warnings],
    };
  }
}

/** A reading to be kept: without the parsed texts that tell a field's line. */
function slim(listing: DirectoryListing): DirectoryListing {
  const documents = listing.documents.map(({ file, document, value }) => ({ file, document, value }));
  return { ...listing, documents };
}
