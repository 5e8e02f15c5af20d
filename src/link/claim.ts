import { EdgeError } from '../base/errors.ts';
import { Doorbell } from '../base/lanes.ts';
import type { JsonObject } from '../model/blueprint.ts';
import type { Colony, ListedBlueprint } from '../model/colony.ts';
import type { Claim, Claimable, LinkHost } from '../model/link.ts';
import { claimMembers, judge, type Standing, whyForeign } from './claim-rule.ts';
import type { Claims, Connection, LinkParts } from './parts.ts';
import { Retry } from './retry.ts';
import { heartbeatEveryMs } from './rule-report.ts';

/** Between writing a claim and reading it again, milliseconds: whoever saw it free at the same time has written by then. */
const WAIT_MS = { least: 1_000, spread: 2_000 };

/** A blueprint that is refused here is left this long to nodes that can run it, milliseconds. */
const REFUSED_WAIT_MS = 60_000;

/** After a claim was taken a rival's late answer may still replace it; so long it is looked at before each status. */
const FRESH_MS = 60_000;

/** When nothing rings, what waits for its time is looked at this often, milliseconds; when nothing waits, hardly ever. */
const IDLE_MS = { waiting: 30_000, settled: 3_600_000 };

/** What is known of one blueprint, and when (monotonic milliseconds) it was seen. */
interface Known extends Standing {
  seenAtMs: number;
  /** Since when it has been free. */
  freeSinceMs?: number;
  /** When a claim of ours was written that had not been there. */
  takenAtMs?: number;
}

/** The claims lane: learns from what others read, takes what is free, gives up what another node has. */
export class ClaimsLane implements Claims {
  readonly #parts: LinkParts;
  readonly #connection: Connection;
  readonly #bell: Doorbell;
  readonly #retry: Retry;
  readonly #known = new Map<string, Known>();
  /** Written and not confirmed yet; nobody is told of them. */
  readonly #taking = new Set<string>();
  readonly #settled = new Set<() => void>();
  #colony: Colony;
  #host: LinkHost | undefined;

  constructor(parts: LinkParts, connection: Connection) {
    this.#parts = parts;
    this.#connection = connection;
    this.#colony = parts.colony;
    this.#bell = new Doorbell(parts.clock);
    this.#retry = new Retry(parts.clock, parts.random);
  }

  get held(): number {
    return this.#claimable().filter((one) => this.#isHeld(one)).length;
  }

  /** Claimable blueprints that are another's, or not decided yet. */
  get others(): number {
    return this.#claimable().length - this.held;
  }

  /** As `ServerReading.claims`. */
  reading(): ReadonlyMap<string, Claim> {
    const claims = new Map<string, Claim>();
    for (const [name, known] of this.#known) {
      const why = whyForeign(known);
      if (why !== undefined) claims.set(name, { held: false, why });
      else if (known.state !== 'free') claims.set(name, { held: true });
    }
    return claims;
  }

  /** Learns from blueprints as the server has them now; with `isComplete` what is not among them is forgotten. */
  see(blueprints: readonly ListedBlueprint[], isComplete: boolean): void {
    const names = new Set<string>();
    const claimable = new Map(this.#claimable().map((one) => [one.name, one]));
    for (const listed of blueprints) {
      if (!listed.ok) continue;
      const { name, blueprintId } = listed.blueprint;
      names.add(name);
      if (!this.#taking.has(name))
        this.#learn(name, blueprintId, listed.status, claimable.get(name)?.refused ?? false);
    }
    if (!isComplete) return;
    for (const name of this.#known.keys())
      if (!names.has(name) && !this.#taking.has(name)) this.#known.delete(name);
  }

  /** Something new was seen: looks soon at what is free. */
  wake(): void {
    this.#bell.ring();
  }

  /** Takes now what is free, and resolves when that is through; rejects with the signal's reason. */
  settle(signal: AbortSignal): Promise<void> {
    this.#bell.ring();
    return new Promise((resolve, reject) => {
      const done = () => {
        this.#settled.delete(done);
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const stop = () => {
        this.#settled.delete(done);
        reject(signal.reason);
      };
      if (signal.aborted) return stop();
      this.#settled.add(done);
      signal.addEventListener('abort', stop, { once: true });
    });
  }

  stamp(name: string): JsonObject | undefined {
    const one = this.#claimable().find((candidate) => candidate.name === name);
    if (one === undefined || !this.#isHeld(one)) return undefined;
    const { clock, settings } = this.#parts;
    const nowMs = this.#colony.serverNow() ?? clock.now();
    return claimMembers(settings.node, nowMs, this.#renewMs);
  }

  /** How often the reporter renews a claim on the present link. */
  get #renewMs(): number {
    return heartbeatEveryMs(this.#parts.settings.statusHeartbeatMs, this.#connection.linkClass);
  }

  async mayReport(name: string, signal: AbortSignal): Promise<boolean> {
    const one = this.#claimable().find((candidate) => candidate.name === name);
    // What is leaving here may be another's by now: a last word of ours would be in its place.
    if (one === undefined) return !(this.#isLeaving(name) && this.#known.get(name)?.state === 'foreign');
    if (this.#isStale(name)) {
      const before = this.#known.get(name)?.state;
      await this.#read(name, signal);
      if (this.#known.get(name)?.state === 'foreign' && before !== 'foreign') this.#bell.ring();
    }
    return this.#isHeld(one);
  }

  async run(host: LinkHost, signal: AbortSignal): Promise<void> {
    this.#host = host;
    // While we were away everything may have become another's: nothing seen before that counts as seen now.
    const stop = this.#connection.onUp(() => {
      for (const known of this.#known.values()) known.seenAtMs = Number.NEGATIVE_INFINITY;
    });
    const told = { claims: '[]' };
    while (!signal.aborted) {
      const isWaiting = this.#claimable().some(
        (one) => one.refused && this.#known.get(one.name)?.state === 'free',
      );
      await this.#bell.wait(isWaiting ? IDLE_MS.waiting : IDLE_MS.settled, signal);
      if (signal.aborted) break;
      const waiting = [...this.#settled];
      try {
        await this.#takeFree(signal);
        const claims = JSON.stringify([...this.reading()].sort());
        if (claims !== told.claims) await host.take(signal);
        told.claims = claims;
        this.#retry.succeeded();
        for (const done of waiting) done();
      } catch (error) {
        if (signal.aborted) break;
        if (!(error instanceof EdgeError)) throw error;
        await this.#retry.wait(error, signal).catch(() => undefined);
        this.#bell.ring();
      }
    }
    stop();
  }

  #isLeaving(name: string): boolean {
    const desired = this.#host?.desired();
    return desired?.known === true && desired.blueprints.some((one) => one.name === name && one.deleting);
  }

  #claimable(): readonly Claimable[] {
    return this.#host?.claimable() ?? [];
  }

  #isHeld({ name, blueprintId, inForce }: Claimable): boolean {
    const known = this.#known.get(name);
    if (known?.blueprintId !== blueprintId) return inForce && known?.state !== 'foreign';
    return known.state === 'mine' || known.state === 'wiped' || (known.state === 'free' && inForce);
  }

  /** true: what was last seen of a blueprint is too old to write over it. */
  #isStale(name: string): boolean {
    const known = this.#known.get(name);
    if (known === undefined) return true;
    const { clock } = this.#parts;
    const ageMs = clock.monoMs() - known.seenAtMs;
    const isFresh = known.takenAtMs !== undefined && clock.monoMs() - known.takenAtMs < FRESH_MS;
    return ageMs > (isFresh ? WAIT_MS.least : this.#renewMs);
  }

  #learn(name: string, blueprintId: string, status: JsonObject, refused: boolean): Standing {
    const { clock, settings } = this.#parts;
    const before = this.#known.get(name);
    const serverNowMs = this.#colony.serverNow();
    const standing = judge(before, blueprintId, status, { node: settings.node, serverNowMs, refused });
    const seenAtMs = clock.monoMs();
    const wasFree = before?.state === 'free' && before.blueprintId === blueprintId;
    const freeSinceMs = wasFree ? (before.freeSinceMs ?? seenAtMs) : seenAtMs;
    this.#known.set(name, {
      ...standing,
      seenAtMs,
      ...(standing.state === 'free' ? { freeSinceMs } : {}),
      ...(before?.takenAtMs === undefined ? {} : { takenAtMs: before.takenAtMs }),
    });
    return standing;
  }

  /** One blueprint as the server has it now; undefined when it is gone, or does not decode. */
  async #read(
    name: string,
    signal: AbortSignal,
  ): Promise<Extract<ListedBlueprint, { ok: true }> | undefined> {
    const listed = await this.#call((colony, stop) => colony.getBlueprint(name, stop), signal);
    if (listed === undefined || !listed.ok) {
      if (!this.#taking.has(name)) this.#known.delete(name);
      return undefined;
    }
    const refused = this.#claimable().find((one) => one.name === name)?.refused ?? false;
    this.#learn(name, listed.blueprint.blueprintId, listed.status, refused);
    return listed;
  }

  #call<T>(work: (colony: Colony, signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.#connection.memberCall((colony, stop) => {
      this.#colony = colony;
      return work(colony, stop);
    }, signal);
  }

  #isFree({ name, blueprintId, refused, inForce }: Claimable): boolean {
    const known = this.#known.get(name);
    if (known?.state !== 'free' || known.blueprintId !== blueprintId) return false;
    if (!refused || inForce) return true;
    return this.#parts.clock.monoMs() - (known.freeSinceMs ?? 0) >= REFUSED_WAIT_MS;
  }

  /** Reads, writes, waits and reads again: of several nodes that do so at the same time the last writer is left. */
  async #takeFree(signal: AbortSignal): Promise<void> {
    const free = this.#claimable().filter((one) => this.#isFree(one));
    if (free.length === 0) return;
    await this.#connection.whenMember(signal);
    const { clock, random } = this.#parts;
    try {
      for (const one of free) {
        const listed = await this.#read(one.name, signal);
        if (listed?.blueprint.blueprintId !== one.blueprintId || !this.#isFree(one)) continue;
        this.#taking.add(one.name);
        const known = this.#known.get(one.name);
        if (known !== undefined) known.takenAtMs = clock.monoMs();
        await this.#call((colony, stop) => colony.updateStatus(one.name, this.#first(), stop), signal);
      }
      if (this.#taking.size === 0) return;
      await clock.sleep(WAIT_MS.least + random.next() * WAIT_MS.spread, signal);
      for (const name of [...this.#taking]) {
        await this.#read(name, signal);
        this.#taking.delete(name);
      }
    } finally {
      this.#taking.clear();
    }
  }

  /** The first status of a blueprint that is being taken. */
  #first(): JsonObject {
    const { clock, settings } = this.#parts;
    const nowMs = this.#colony.serverNow() ?? clock.now();
    const claim = claimMembers(settings.node, nowMs, this.#renewMs);
    return {
      instances: [],
      runningInstances: 0,
      stoppedInstances: 0,
      totalInstances: 0,
      lastUpdated: claim.claimedAt,
      phase: 'Pending',
      location: settings.location,
      agentVersion: settings.version,
      ...claim,
    };
  }
}

/** The claims lane over its parts. */
export function createClaimsLane(parts: LinkParts, connection: Connection): ClaimsLane {
  return new ClaimsLane(parts, connection);
}
