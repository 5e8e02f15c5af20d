import { isoTime } from '../base/clock.ts';
import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import { Doorbell } from '../base/lanes.ts';
import type { JsonObject } from '../model/blueprint.ts';
import type { LinkHost, LinkState, ServerReading } from '../model/link.ts';
import type { BlueprintReport } from '../model/status.ts';
import { OfflineMemory } from './offline.ts';
import type { Away, Claims, Connection, Lane, LinkParts } from './parts.ts';
import { Retry } from './retry.ts';
import { essenceOf, serverDocument, writerOf } from './rule-document.ts';
import { isRefused } from './rule-link.ts';
import {
  accepted,
  dueAtMs,
  heartbeatEveryMs,
  isBack,
  listed,
  type Pace,
  type Told,
  tried,
  untold,
} from './rule-report.ts';

/** Shortest time between two statuses of a blueprint, milliseconds. */
const GAP_MS = 10_000;

/** What it grows to on a metered link while one change follows another, milliseconds. */
const METERED_GAP_MS = 300_000;

/** Longest wait without a reason to look, milliseconds. */
const LOOK_MS = 60_000;

/** A start that takes longer than this until the server answers is a disconnected period too, milliseconds. */
const LONG_START_MS = 60_000;

type ReporterParts = Pick<LinkParts, 'colony' | 'clock' | 'random' | 'log' | 'settings' | 'user'>;

/** What the reporter needs of its neighbours. */
export interface ReporterSources {
  /** What the server showed last. */
  reading(): ServerReading;
  claims: Pick<Claims, 'stamp' | 'mayReport'>;
}

/** Tells the server how the blueprints are. */
export interface Reporter extends Lane {
  /** Statuses that the server has not accepted yet. */
  readonly unsent: number;
  /** Looks now: there is a new listing, or the link class changed. */
  refresh(): void;
}

/** The reporting lane; nothing happens until `run`. */
export function createReporter(
  parts: ReporterParts,
  connection: Connection,
  sources: ReporterSources,
): Reporter {
  return new ReporterLane(parts, connection, sources);
}

/** One blueprint as it would be sent now. */
interface Draft {
  report: BlueprintReport;
  document: JsonObject;
  essence: string;
  isNews: boolean;
  dueMs: number;
}

interface Entry {
  told: Told;
  blueprintId: string;
  /** The server's copy: as listed, or as sent since. */
  copy: JsonObject;
  /** Each on its own: one document that the server refuses must not hold the others up. */
  retry: Retry;
  /** Not before this time after a failure, monotonic milliseconds. */
  notBeforeMs: number;
  /** Code of the failure that was told. */
  problem: string | undefined;
}

/** The newest status of each blueprint is the agent's own report: nothing is queued, only what the server has is kept. */
class ReporterLane implements Reporter {
  readonly #parts: ReporterParts;
  readonly #connection: Connection;
  readonly #sources: ReporterSources;
  readonly #bell: Doorbell;
  readonly #offline = new OfflineMemory();
  readonly #entries = new Map<string, Entry>();
  #seen: ServerReading['blueprints'] | undefined;
  /** Since when the link is as it was seen last. */
  #stood: { state: LinkState; since: string };
  readonly #startMs: number;
  #unsent = 0;
  #host: LinkHost | undefined;

  constructor(parts: ReporterParts, connection: Connection, sources: ReporterSources) {
    this.#parts = parts;
    this.#connection = connection;
    this.#sources = sources;
    const { clock } = parts;
    this.#bell = new Doorbell(clock);
    this.#startMs = clock.monoMs();
    this.#stood = { state: 'Connected', since: isoTime(clock.now()) };
  }

  get unsent(): number {
    if (this.#host !== undefined) this.#drafts(this.#host);
    return this.#unsent;
  }

  refresh(): void {
    this.#bell.ring();
  }

  async run(host: LinkHost, signal: AbortSignal): Promise<void> {
    this.#host = host;
    const stops = [
      host.onReports(() => this.#bell.ring()),
      host.onEvent((event) => {
        if (this.#connection.state !== 'Connected') this.#offline.note(event);
      }),
      this.#connection.onUp((away) => this.#isUp(away)),
    ];
    try {
      while (!signal.aborted) await this.#turn(host, signal);
    } finally {
      for (const stop of stops) stop();
    }
  }

  /** Sends what is due, one after the other, or waits until something is. */
  async #turn(host: LinkHost, signal: AbortSignal): Promise<void> {
    try {
      await this.#connection.whenMember(signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    const [next] = this.#drafts(host);
    const waitMs = next === undefined ? LOOK_MS : Math.min(LOOK_MS, next.dueMs - this.#parts.clock.monoMs());
    if (next === undefined || waitMs > 0) await this.#bell.wait(waitMs, signal);
    else await this.#send(next, signal);
  }

  #isUp(away: Away | undefined): void {
    const { clock, random } = this.#parts;
    const nowMs = clock.monoMs();
    const isLongStart = away === undefined && nowMs - this.#startMs >= LONG_START_MS;
    // Counted back from now: at the start the wall clock may have been years behind.
    const start = { since: clock.now() - (nowMs - this.#startMs), until: clock.now() };
    const period = away ?? (isLongStart ? start : undefined);
    if (period === undefined) this.#offline.forget();
    else this.#offline.over(period);
    this.#stood = { state: 'Connected', since: isoTime(period?.until ?? clock.now()) };
    for (const entry of this.#entries.values())
      entry.told = isBack(entry.told, nowMs, random.next(), this.#pace(entry.copy));
    this.#bell.ring();
  }

  /** Everything there is to tell, the most urgent first. */
  #drafts(host: LinkHost): Draft[] {
    const reading = this.#sources.reading();
    // What is on the server decides who may be told of; before the first listing nobody knows.
    if (reading.listings === 0) {
      this.#unsent = host.reports().filter(({ file }) => file === undefined).length;
      return [];
    }
    this.#takeListing(reading);
    const drafts: Draft[] = [];
    for (const report of host.reports()) {
      const entry = this.#entries.get(report.name);
      if (entry === undefined || !isOursToTell(report, entry)) continue;
      drafts.push(this.#draft(report, entry));
    }
    const names = new Set(drafts.map(({ report }) => report.name));
    this.#offline.keepOnly(names);
    this.#unsent = drafts.filter(({ isNews, essence, report }) => {
      return isNews || this.#entries.get(report.name)?.told.has !== essence;
    }).length;
    return drafts.sort((a, b) => (a.dueMs < b.dueMs ? -1 : a.dueMs > b.dueMs ? 1 : 0));
  }

  #draft(report: BlueprintReport, { told, copy, notBeforeMs }: Entry): Draft {
    // What is said is what will be true when it is read: without a user's key only a link that is up carries it.
    const now = this.#connection.state;
    const state = this.#parts.user !== undefined && isRefused(now) ? now : 'Connected';
    if (state !== this.#stood.state) this.#stood = { state, since: isoTime(this.#parts.clock.now()) };
    const isUp = state === 'Connected';
    const stamp = this.#sources.claims.stamp(report.name);
    const offline = isUp ? this.#offline.untold(report.name) : undefined;
    const document = serverDocument(report.status, {
      connected: { isUp, reason: state, since: this.#stood.since },
      offline,
      stamp,
      known: copy,
    });
    const essence = essenceOf(document);
    const isNews = offline !== undefined;
    const dueMs = Math.max(notBeforeMs, dueAtMs(told, essence, isNews, this.#pace(document)));
    return { report, document, essence, isNews, dueMs };
  }

  /** What a new listing shows of what we wrote. */
  #takeListing({ blueprints }: ServerReading): void {
    if (blueprints === this.#seen) return;
    this.#seen = blueprints;
    const { clock, settings } = this.#parts;
    const nowMs = clock.monoMs();
    const names = new Set<string>();
    for (const item of blueprints) {
      const name = item.ok ? item.blueprint.name : item.name;
      if (name === undefined) continue;
      names.add(name);
      // One that does not decode says nothing of its status; what was known of it stays.
      if (!item.ok) continue;
      const { blueprintId } = item.blueprint;
      const before = this.#entries.get(name);
      const entry = before?.blueprintId === blueprintId ? before : this.#newEntry(blueprintId, item.status);
      const writer = writerOf(item.status);
      const essence = Object.keys(item.status).length === 0 ? undefined : essenceOf(item.status);
      const isTheirs = writer !== undefined && writer !== settings.node;
      entry.told = listed(entry.told, { essence, isTheirs }, nowMs);
      entry.copy = item.status;
      this.#entries.set(name, entry);
    }
    for (const name of this.#entries.keys()) if (!names.has(name)) this.#entries.delete(name);
  }

  #newEntry(blueprintId: string, copy: JsonObject): Entry {
    const { clock, random, colony } = this.#parts;
    const claimedAt = typeof copy.claimedAt === 'string' ? Date.parse(copy.claimedAt) : Number.NaN;
    const ageMs = (colony.serverNow() ?? Number.NaN) - claimedAt;
    const told = untold(clock.monoMs(), random.next(), this.#pace(copy), ageMs > 0 ? ageMs : 0);
    const retry = new Retry(clock, random);
    const notBeforeMs = Number.NEGATIVE_INFINITY;
    return { told, blueprintId, copy, retry, notBeforeMs, problem: undefined };
  }

  async #send(draft: Draft, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#parts;
    const { name } = draft.report;
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    const pace = this.#pace(draft.document);
    entry.told = tried(entry.told, clock.monoMs(), pace);
    const done = () => {
      entry.told = accepted(entry.told, draft.essence, clock.monoMs(), random.next(), pace);
      this.#offline.told(name);
    };
    try {
      if (await this.#sources.claims.mayReport(name, signal)) {
        await this.#connection.memberCall(
          (colony, callSignal) => colony.updateStatus(name, draft.document, callSignal),
          signal,
        );
        entry.copy = draft.document;
      }
      done();
      entry.retry.succeeded();
      entry.problem = undefined;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof EdgeError)) throw error;
      // Removed meanwhile: there is nobody to be told.
      if (errorCode(error) === 'COLONY_NOT_FOUND') done();
      else if (error.retry !== 'cancelled') {
        entry.notBeforeMs = clock.monoMs() + entry.retry.failed(error);
        this.#complain(name, entry, error);
      }
    }
  }

  /** Said once, while the link itself is up; that the link is down says the connection. */
  #complain(name: string, entry: Entry, error: EdgeError): void {
    if (this.#connection.state !== 'Connected' || entry.problem === error.code) return;
    entry.problem = error.code;
    const fields = { blueprint: name, code: error.code, error: errorText(error) };
    this.#parts.log.warn('status cannot be sent', fields);
  }

  /** A claim that is renewed by the status must not wait for a rare heartbeat. */
  #pace(document: JsonObject): Pace {
    const { linkClass } = this.#connection;
    const everyMs = heartbeatEveryMs(this.#parts.settings.statusHeartbeatMs, linkClass);
    const { claimIntervalS } = document;
    const claimMs = typeof claimIntervalS === 'number' ? claimIntervalS * 1000 : everyMs;
    return {
      gapMs: GAP_MS,
      mostGapMs: linkClass === 'metered' ? METERED_GAP_MS : GAP_MS,
      heartbeatMs: Math.min(everyMs, claimMs),
      spread: linkClass === 'metered' ? 0.5 : 0.1,
    };
  }
}

/**
 * false for what the server does not have in this form: a version from the directory, and a document that was refused
 * before any version of it was valid here and that another node has written about. A blueprint that is leaving this node
 * is told of only while the last word on it was ours: its next node writes there too.
 */
function isOursToTell(report: BlueprintReport, { copy }: Entry): boolean {
  if (report.file !== undefined) return false;
  const writer = writerOf(copy);
  if (report.phase === 'Deleting') return writer === report.status.node;
  if (report.desired === 0 && report.kind === 'unknown')
    return writer === undefined || writer === report.status.node;
  return true;
}
