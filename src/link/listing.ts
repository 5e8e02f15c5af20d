import { untilAborted } from '../base/abort.ts';
import { isoTime } from '../base/clock.ts';
import { EdgeError, errorText } from '../base/errors.ts';
import { Doorbell } from '../base/lanes.ts';
import type { Colony, ListedBlueprint } from '../model/colony.ts';
import type { LinkHost, LinkStatus, ServerReading } from '../model/link.ts';
import type { ClaimsLane } from './claim.ts';
import { Ask, cleanupText, isUnanswered, patiently } from './listing-asks.ts';
import type { Connection, LinkParts, Listing } from './parts.ts';
import {
  type Answer,
  afterCleanup,
  afterListing,
  afterSight,
  confirm,
  type InForce,
  NOTHING_MISSING,
  type RemovalState,
  suspicionText,
  toAsk,
} from './removal.ts';
import { Retry } from './retry.ts';
import { listingEveryMs } from './rule-listing.ts';

/** The kinds this agent runs; others are not listed. */
const KINDS: readonly string[] = ['DockerDeployment', 'ExecutorDeployment'];

/** Each wait is up to this part longer, so that nodes that came together do not stay together. */
const JITTER = 0.1;

/** More names than this are asked for by a complete listing instead of one by one. */
const MOST_BY_NAME = 3;

/** No wait is longer, milliseconds: the class of the link may change meanwhile. */
const LONGEST_WAIT_MS = 60_000;

/**
 * The listing lane. A complete listing is the truth, and is made on each connect, by its own timer and when asked for; a
 * process that names few blueprints is answered by asking for just those. A failed or partial look changes nothing.
 */
export class ListingLane implements Listing {
  readonly #parts: LinkParts;
  readonly #connection: Connection;
  readonly #claims: ClaimsLane;
  readonly #bell: Doorbell;
  /** Rung by what makes another attempt worthwhile before its time; a request alone does not. */
  readonly #hurry: Doorbell;
  readonly #retry: Retry;
  readonly #asks = new Set<Ask>();
  #host: LinkHost | undefined;
  #blueprints = new Map<string, ListedBlueprint>();
  /** Of the newest complete listing: what has not even a name. */
  #nameless: readonly ListedBlueprint[] = [];
  #removal: RemovalState = NOTHING_MISSING;
  #listings = 0;
  #listedAt: number | undefined;
  /** Monotonic time of the next complete listing. */
  #dueMs = Number.NEGATIVE_INFINITY;
  /** What the newest complete listing cost. */
  #listedBytes = 0;
  #lastError: string | undefined;

  constructor(parts: LinkParts, connection: Connection, claims: ClaimsLane) {
    this.#parts = parts;
    this.#connection = connection;
    this.#claims = claims;
    this.#bell = new Doorbell(parts.clock);
    this.#hurry = new Doorbell(parts.clock);
    this.#retry = new Retry(parts.clock, parts.random);
  }

  reading(): ServerReading {
    const suspect = suspicionText(this.#removal);
    return {
      listings: this.#listings,
      blueprints: [...this.#blueprints.values(), ...this.#nameless],
      gone: this.#removal.gone,
      claims: this.#claims.reading(),
      ...(suspect === undefined ? {} : { suspect }),
    };
  }

  status(): LinkStatus['listing'] {
    const { clock } = this.#parts;
    const suspect = suspicionText(this.#removal);
    const inMs = this.#dueMs - clock.monoMs();
    return {
      ...(this.#listedAt === undefined ? {} : { at: isoTime(this.#listedAt) }),
      blueprints: this.#blueprints.size + this.#nameless.length,
      ...(Number.isFinite(inMs) ? { nextAt: isoTime(clock.now() + Math.max(0, inMs)) } : {}),
      ...(suspect === undefined ? {} : { suspect }),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
  }

  refresh(): void {
    this.#dueMs = Number.NEGATIVE_INFINITY;
    this.#bell.ring();
    this.#hurry.ring();
  }

  confirmRemoval(): readonly string[] {
    this.#removal = confirm(this.#removal);
    const names = [...this.#removal.suspects.keys()].sort();
    if (names.length > 0) this.refresh();
    return names;
  }

  whyNotOurs(name: string): string | undefined {
    return this.#host?.elsewhere().get(name);
  }

  async lookNow(names: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#ask(new Ask('look', names), signal);
    const isShared = this.#host?.claimable().some((one) => names.includes(one.name) && !one.inForce);
    if (isShared) await this.#claims.settle(signal);
  }

  cleanup(name: string, signal: AbortSignal): Promise<string> {
    return this.#ask(new Ask('cleanup', [name]), signal);
  }

  #ask(ask: Ask, signal: AbortSignal): Promise<string> {
    this.#asks.add(ask);
    this.#bell.ring();
    return untilAborted(ask.answer, signal);
  }

  async run(host: LinkHost, signal: AbortSignal): Promise<void> {
    this.#host = host;
    const stop = this.#connection.onUp(() => this.refresh());
    while (!signal.aborted) {
      try {
        await this.#connection.whenMember(signal);
        // What rang until now is served by this look; only what rings after it failed makes the next one earlier.
        if (this.#hurry.isRung) await this.#hurry.wait(0, signal);
        if (this.#asks.size > 0 || this.#isDue()) await this.#look(host, signal);
        else await this.#bell.wait(this.#waitMs(), signal);
      } catch (error) {
        if (signal.aborted) break;
        if (!(error instanceof EdgeError)) throw error;
        this.#failed(host, error);
        await this.#hurry.wait(this.#retry.failed(error), signal);
      }
    }
    stop();
  }

  #isDue(): boolean {
    return this.#parts.clock.monoMs() >= this.#dueMs;
  }

  #waitMs(): number {
    const { clock } = this.#parts;
    const everyMs = this.#everyMs();
    // The link may have become a better one since the time was set.
    this.#dueMs = Math.min(this.#dueMs, clock.monoMs() + everyMs * (1 + JITTER));
    return Math.min(LONGEST_WAIT_MS, Math.max(0, this.#dueMs - clock.monoMs()));
  }

  #everyMs(): number {
    return this.#parts.settings.listEveryMs ?? listingEveryMs(this.#connection.linkClass, this.#listedBytes);
  }

  /** One look for all that asked until now. */
  async #look(host: LinkHost, signal: AbortSignal): Promise<void> {
    const asks = [...this.#asks];
    const looks = asks.filter(({ kind }) => kind === 'look');
    const names = new Set(looks.flatMap((ask) => ask.names));
    const isAll = looks.some((ask) => ask.names.length === 0) || names.size > MOST_BY_NAME;
    const before = suspicionText(this.#removal);
    const texts = new Map<Ask, string>();
    for (const ask of asks)
      if (ask.kind === 'cleanup') texts.set(ask, await this.#cleanUp(host, ask, signal));
    if (isAll || this.#isDue() || this.#listings === 0) await this.#list(host, signal);
    else await this.#readAll(looks, signal);
    await host.take(signal);
    this.#succeeded(host, before);
    for (const ask of asks) {
      this.#asks.delete(ask);
      ask.resolve(texts.get(ask) ?? '');
    }
    this.#claims.wake();
  }

  /** Both kinds, and by name what of ours is in neither. */
  async #list(host: LinkHost, signal: AbortSignal): Promise<void> {
    const { clock, random, settings } = this.#parts;
    // Only with this policy is a blueprint without location never ours; else all of a kind must be seen.
    const location = settings.unlocatedPolicy === 'ignore' ? settings.location : undefined;
    const all: ListedBlueprint[] = [];
    let listedBytes = 0;
    for (const kind of KINDS) {
      const some = await this.#connection.memberCall(async (colony, stop) => {
        const before = receivedBytes(colony);
        const found = await colony.listBlueprints(kind, location, stop);
        listedBytes += receivedBytes(colony) - before;
        return found;
      }, signal);
      all.push(...some);
    }
    const blueprints = new Map<string, ListedBlueprint>();
    for (const listed of all) {
      const name = nameOf(listed);
      if (name !== undefined) blueprints.set(name, listed);
    }
    const inForce = serverBlueprints(host);
    const listed = new Set(blueprints.keys());
    const answers = new Map<string, Answer>();
    for (const name of toAsk(inForce, listed)) {
      const found = await this.#find(name, signal).catch((error) => {
        if (isUnanswered(error)) return 'unknown' as const;
        throw error;
      });
      const kept = found === 'unknown' ? this.#blueprints.get(name) : found;
      if (isOurKind(kept)) blueprints.set(name, kept);
      answers.set(name, found === 'unknown' ? found : isOurKind(found) ? 'there' : 'none');
    }
    this.#blueprints = blueprints;
    this.#nameless = all.filter((one) => nameOf(one) === undefined);
    this.#removal = afterListing(this.#removal, { inForce, listed, answers, monoMs: clock.monoMs() });
    this.#claims.see([...blueprints.values()], true);
    this.#listings += 1;
    this.#listedAt = clock.now();
    this.#listedBytes = listedBytes;
    this.#dueMs = clock.monoMs() + this.#everyMs() * (1 + JITTER * random.next());
  }

  #find(name: string, signal: AbortSignal): Promise<ListedBlueprint | undefined> {
    return this.#connection.memberCall((colony, stop) => colony.getBlueprint(name, stop), signal);
  }

  async #readAll(asks: readonly Ask[], signal: AbortSignal): Promise<void> {
    const byName = new Map(asks.flatMap((ask) => ask.names.map((name) => [name, ask])));
    for (const [name, ask] of byName) await patiently(ask, () => this.#read(name, signal), undefined);
    // What could not be had by name may still be in a listing.
    if (asks.some(({ failures }) => failures > 0)) this.refresh();
  }

  /** One blueprint by name, into the newest reading. */
  async #read(name: string, signal: AbortSignal): Promise<ListedBlueprint | undefined> {
    const found = await this.#find(name, signal);
    if (!isOurKind(found)) {
      this.#blueprints.delete(name);
      return undefined;
    }
    this.#blueprints.set(name, found);
    this.#removal = afterSight(this.#removal, name);
    this.#claims.see([found], false);
    return found;
  }

  /** What a cleanup process really means: it may be out of date, for its blueprint was perhaps made again. */
  async #cleanUp(host: LinkHost, ask: Ask, signal: AbortSignal): Promise<string> {
    const [name = ''] = ask.names;
    const mine = serverBlueprints(host).find((one) => one.name === name);
    const found = await patiently(ask, () => this.#read(name, signal), 'unknown' as const);
    if (found === 'unknown')
      return `${name} cannot be asked for; it goes when the listings show that it is gone`;
    if (found === undefined && mine !== undefined) this.#removal = afterCleanup(this.#removal, mine);
    return cleanupText(name, mine, found);
  }

  #succeeded(host: LinkHost, suspectBefore: string | undefined): void {
    this.#retry.succeeded();
    if (this.#lastError !== undefined) host.event('info', 'blueprints are listed again');
    this.#lastError = undefined;
    const suspect = suspicionText(this.#removal);
    if (suspect === suspectBefore) return;
    if (suspect === undefined) host.event('info', 'mass removal no longer suspected');
    else host.event('error', 'mass removal suspected', { reason: 'MassRemovalSuspected', detail: suspect });
  }

  /** A link that is down tells its own story; here is told what fails although it is up. */
  #failed(host: LinkHost, error: EdgeError): void {
    const text = errorText(error);
    if (this.#connection.state === 'Connected' && this.#lastError !== text)
      host.event('warn', 'blueprints cannot be listed', { reason: error.code, detail: text });
    if (this.#connection.state === 'Connected') this.#lastError = text;
  }
}

/** The listing lane over its parts. */
export function createListingLane(parts: LinkParts, connection: Connection, claims: ClaimsLane): ListingLane {
  return new ListingLane(parts, connection, claims);
}

function receivedBytes(colony: Colony): number {
  return colony.traffic().list?.receivedBytes ?? 0;
}

/** What is in force here and came from the server. */
function serverBlueprints(host: LinkHost): readonly InForce[] {
  const desired = host.desired();
  if (!desired.known) return [];
  return desired.blueprints.filter(
    ({ deleting, blueprint }) => !deleting && blueprint.origin.source === 'server',
  );
}

function nameOf(listed: ListedBlueprint): string | undefined {
  return listed.ok ? listed.blueprint.name : listed.name;
}

/** A name that now stands for something of another kind is not there any more; what does not decode may be anything. */
function isOurKind(found: ListedBlueprint | undefined): found is ListedBlueprint {
  return found !== undefined && (!found.ok || KINDS.includes(found.blueprint.kind));
}
