import { EdgeError, errorCode } from '../base/errors.ts';
import { Doorbell, within } from '../base/lanes.ts';
import type { ColonyProcess } from '../model/colony.ts';
import type { LinkHost } from '../model/link.ts';
import { type Entry, Handling } from './handling.ts';
import type { OutboxKeeper } from './outbox.ts';
import type { Connection, Lane, LinkParts, Looks } from './parts.ts';
import { Retry } from './retry.ts';
import { assignmentOf, holdMs, isSchedules, type ProcessResult, summary, taskOf } from './rule-process.ts';
import { Tasks } from './tasks.ts';

/** How often the server is asked unasked which processes it takes for ours, milliseconds. */
const SYNC_MS = { normal: 1_800_000, metered: 86_400_000 };

/** The server's list may be here before the answer of an assign that was made before it, milliseconds. */
const ON_ITS_WAY_MS = 1_000;

/** After a call was lost the list is read once more, after so many times the length of a long poll. */
const LATE = { from: 1.1, spread: 0.4 };

/** At the end, closing what is held may take so long, milliseconds. */
const LAST_MS = 3_000;

/** Accepted closes that are remembered, so that a list asked for before them does not bring them back. */
const MOST_CLOSED = 200;

/** Close calls refused like this: the process is not ours any more, or nobody's (FIELDS.md 14.2). */
const SETTLED = new Set(['COLONY_NOT_OURS', 'COLONY_CLOSED', 'COLONY_NOT_FOUND', 'COLONY_REFUSED']);

/** Where processes are taken to, and closed. */
export interface Desk extends Lane {
  /** Takes what assign gave; returns at once. Only while `run` runs. */
  take(process: ColonyProcess): void;
  /** Has the server's list of our processes read: the answer of an assign may have been lost. */
  sync(): void;
  /** Processes taken and not closed yet, without the schedule's that are held back on purpose. */
  readonly open: number;
}

/** `outbox` has been restored when `run` is called. */
export function createDesk(
  parts: Pick<LinkParts, 'clock' | 'random' | 'settings'>,
  connection: Connection,
  outbox: OutboxKeeper,
  looks: Looks,
): Desk {
  return new ProcessDesk(parts, connection, outbox, looks);
}

/**
 * Every process that was taken is open until the server took its close. A close that cannot be delivered is written
 * down; the server's own list, read on each connect, says whether it is still to be delivered, and what else the server
 * takes for ours: an answer of assign that was lost on the way stops a schedule until somebody closes its process.
 */
class ProcessDesk implements Desk {
  readonly #parts: Pick<LinkParts, 'clock' | 'random' | 'settings'>;
  readonly #connection: Connection;
  readonly #outbox: OutboxKeeper;
  readonly #looks: Looks;
  readonly #open = new Map<string, Entry>();
  /** By id, monotonic time of the accepted close. */
  readonly #closed = new Map<string, number>();
  readonly #bell: Doorbell;
  /** Rung by what makes the next attempt worthwhile before its time. */
  readonly #hurry: Doorbell;
  readonly #retry: Retry;
  readonly #tasks = new Tasks();
  /** How many of the schedule's were taken, by kind. */
  readonly #scheduled = new Map<string, number>();
  /** A call was lost: there is to be another look once the server has ended its long poll. */
  #isLateDue = false;
  #order = 0;
  #failure: EdgeError | undefined;
  #running: { host: LinkHost; signal: AbortSignal; handling: Handling } | undefined;

  constructor(
    parts: Pick<LinkParts, 'clock' | 'random' | 'settings'>,
    connection: Connection,
    outbox: OutboxKeeper,
    looks: Looks,
  ) {
    this.#parts = parts;
    this.#connection = connection;
    this.#outbox = outbox;
    this.#looks = looks;
    this.#bell = new Doorbell(parts.clock);
    this.#hurry = new Doorbell(parts.clock);
    this.#retry = new Retry(parts.clock, parts.random);
  }

  get open(): number {
    return [...this.#open.values()].filter(({ isHeld }) => isHeld !== true).length;
  }

  sync(): void {
    this.#isLateDue = true;
    this.#bell.ring();
  }

  async run(host: LinkHost, signal: AbortSignal): Promise<void> {
    const handling = new Handling({
      ...this.#parts,
      connection: this.#connection,
      outbox: this.#outbox,
      looks: this.#looks,
      tasks: this.#tasks,
      host,
      signal,
      close: (entry, result) => this.#close(entry, result),
    });
    this.#running = { host, signal, handling };
    for (const { startedAt, result, ...process } of this.#outbox.processes) {
      const entry = this.#enter({ ...process, startedAt: startedAt ?? undefined, isScheduled: false });
      if (result !== undefined) entry.result = result;
    }
    const stop = this.#connection.onUp(() => {
      this.#retry.reset();
      this.sync();
      this.#hurry.ring();
    });
    await Promise.race([Promise.all([handling.run(), this.#syncing(signal)]), this.#tasks.failed]);
    stop();
    await Promise.all([this.#closeHeld(host), this.#tasks.idle(), this.#outbox.idle()]);
  }

  /** At the end: what is only held back is in nobody's way. A link that does not work now ends it; the next run's list
   *  has it still. */
  async #closeHeld(host: LinkHost): Promise<void> {
    if (this.#connection.state !== 'Connected') return;
    const held = [...this.#open.values()].filter(({ isHeld }) => isHeld === true);
    const late = new AbortController();
    const closing = held.map(({ process }) =>
      this.#connection
        .call(
          (colony, inner) => colony.closeSuccessful(process.id, this.#summary(process, host), inner),
          late.signal,
        )
        .catch((error) => {
          if (!late.signal.aborted && !(error instanceof EdgeError)) throw error;
        }),
    );
    await within(this.#parts.clock, LAST_MS, Promise.all(closing));
    late.abort();
  }

  #summary({ kind }: ColonyProcess, host: LinkHost): readonly string[] {
    const view = { desired: host.desired(), reports: host.reports(), elsewhere: host.elsewhere() };
    return summary(kind, view).texts;
  }

  take(process: ColonyProcess): void {
    const known = this.#open.get(process.id);
    if (known !== undefined && assignmentOf(known.process) === assignmentOf(process)) return;
    this.#begin(this.#enter(process));
  }

  #enter(process: ColonyProcess): Entry {
    this.#order += 1;
    const entry: Entry = { process, order: this.#order, isBusy: false };
    this.#open.set(process.id, entry);
    return entry;
  }

  /** `isLost`: nobody knows for how long it has been open. */
  #begin(entry: Entry, isLost = false): void {
    const { host, handling } = this.#running ?? {};
    if (host === undefined || handling === undefined) return;
    const asked = taskOf(entry.process);
    entry.isBusy = true;
    if ('refused' in asked) {
      this.#close(entry, { ok: false, texts: [asked.refused] });
      return;
    }
    switch (asked.task) {
      // Nothing is read, logged or written down for the schedule's: each would be two writes on a memory card, and after a
      // restart the server's list has it anyway.
      case 'summary':
        this.#hold(entry, host, isLost ? 0 : this.#holdMs(entry.process));
        return;
      case 'look':
        handling.look(entry);
        return;
      case 'force':
        handling.force(entry);
        return;
      case 'cleanup':
        handling.cleanup(entry);
        return;
      default:
        asked.task satisfies never;
    }
  }

  #holdMs({ kind }: ColonyProcess): number {
    const before = this.#scheduled.get(kind) ?? 0;
    this.#scheduled.set(kind, before + 1);
    return holdMs(before, this.#connection.linkClass, this.#parts.random.next());
  }

  /** Closes a schedule's process after a while, with what there is to say then. */
  #hold(entry: Entry, host: LinkHost, ms: number): void {
    const { signal } = this.#running ?? {};
    if (signal === undefined) return;
    entry.isHeld = true;
    this.#tasks.start(signal, async () => {
      if (ms > 0) await this.#parts.clock.sleep(ms, signal);
      entry.isHeld = false;
      this.#close(entry, { ok: true, texts: this.#summary(entry.process, host) });
    });
  }

  /** Tells the server, now or when it can be reached again. */
  #close(entry: Entry, result: ProcessResult): void {
    const { signal } = this.#running ?? {};
    if (signal === undefined || this.#open.get(entry.process.id) !== entry) return;
    entry.result = result;
    entry.isBusy = true;
    this.#tasks.start(signal, async () => {
      try {
        await this.#deliver(entry, result, signal);
      } finally {
        entry.isBusy = false;
      }
    });
  }

  async #deliver(entry: Entry, { ok, texts }: ProcessResult, signal: AbortSignal): Promise<void> {
    const { id } = entry.process;
    if (this.#connection.state !== 'Connected') {
      await this.#outbox.setResult(id, { ok, texts });
      return;
    }
    try {
      await this.#connection.call(
        (colony, inner) =>
          ok ? colony.closeSuccessful(id, texts, inner) : colony.closeFailed(id, texts, inner),
        signal,
      );
    } catch (error) {
      if (!(error instanceof EdgeError) && !signal.aborted) throw error;
      if (signal.aborted || !SETTLED.has(errorCode(error))) {
        // Given to us again meanwhile: that one's record is not this one's.
        if (this.#open.get(id) !== entry) return;
        await this.#outbox.setResult(id, { ok, texts });
        if (error instanceof EdgeError) this.#failed(error);
        return;
      }
    }
    await this.#done(entry);
  }

  async #done(entry: Entry): Promise<void> {
    const { id } = entry.process;
    if (this.#open.get(id) !== entry) return;
    this.#open.delete(id);
    this.#closed.set(id, this.#parts.clock.monoMs());
    for (const oldest of this.#closed.keys()) {
      if (this.#closed.size <= MOST_CLOSED) break;
      this.#closed.delete(oldest);
    }
    await this.#outbox.drop([id]);
  }

  /** The server's list is read again after a while, and what is left of ours is closed then. */
  #failed(error: EdgeError): void {
    this.#failure = error;
    this.#bell.ring();
  }

  /**
   * A server that was not told of a broken connection serves the long poll on it to its end: what it gives away there
   * is lost after the look that followed the reconnect.
   */
  #lateMs(): number {
    const pollMs = 1_000 * this.#parts.settings.pollWaitS;
    return pollMs * (LATE.from + LATE.spread * this.#parts.random.next());
  }

  async #syncing(signal: AbortSignal): Promise<void> {
    let waitMs: number = SYNC_MS[this.#connection.linkClass];
    while (!signal.aborted) {
      await this.#bell.wait(waitMs, signal);
      const { linkClass } = this.#connection;
      const isLateDue = this.#isLateDue;
      this.#isLateDue = false;
      // On a metered link there is hardly ever a long poll.
      waitMs = isLateDue && linkClass === 'normal' ? this.#lateMs() : SYNC_MS[linkClass];
      try {
        const failure = this.#failure;
        this.#failure = undefined;
        if (failure !== undefined) await this.#hurry.wait(this.#retry.failed(failure), signal);
        await this.#connection.whenUp(signal);
        await this.#syncNow(signal);
        this.#retry.succeeded();
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof EdgeError)) throw error;
        this.#isLateDue ||= isLateDue;
        this.#failed(error);
      }
    }
  }

  /** Compares the server's list with ours. A stored close is for one assignment only: were the process taken back and
   *  given to us again meanwhile, it would close that one (PROTOCOL.md 7.2). */
  async #syncNow(signal: AbortSignal): Promise<void> {
    const order = this.#order;
    const askedMs = this.#parts.clock.monoMs();
    const held = await this.#connection.call((colony, inner) => colony.heldProcesses(inner), signal);
    const byId = new Map(held.map((process) => [process.id, process]));
    const over: string[] = [];
    for (const entry of [...this.#open.values()]) {
      if (entry.order > order) continue;
      const now = byId.get(entry.process.id);
      if (now === undefined) {
        this.#open.delete(entry.process.id);
        over.push(entry.process.id);
      } else if (assignmentOf(now) !== assignmentOf(entry.process)) this.#begin(this.#enter(now));
      else if (!entry.isBusy) this.#goOn(entry);
    }
    const isMissed = ({ id }: ColonyProcess) =>
      !this.#open.has(id) && !((this.#closed.get(id) ?? -1) >= askedMs);
    // The answer of an assign may be on its way just now, and is not lost then.
    if (held.some(isMissed)) await this.#parts.clock.sleep(ON_ITS_WAY_MS, signal);
    const lost = held.filter(isMissed);
    // The schedule's among them wait since nobody knows when; those that were held when the last run ended are no news.
    for (const process of lost) this.#begin(this.#enter(process), true);
    this.#tell(lost.filter((process) => !isSchedules(process)));
    await this.#outbox.drop(over);
  }

  #goOn(entry: Entry): void {
    if (entry.result === undefined) this.#begin(entry);
    else this.#close(entry, entry.result);
  }

  /** Their answers were lost, or the last run ended between taking and writing down. */
  #tell(lost: readonly ColonyProcess[]): void {
    if (lost.length === 0) return;
    const names = lost
      .slice(0, 5)
      .map(({ funcName, blueprintName, kind }) => `${funcName} ${blueprintName || kind}`);
    this.#running?.host.event('info', 'lost assignments found', {
      reason: 'LostAssignment',
      detail: `${lost.length}: ${names.join(', ')}`,
    });
  }
}
