import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import { Doorbell } from '../base/lanes.ts';
import type { Colony } from '../model/colony.ts';
import type { LinkClass, LinkHost, LinkState, LinkStatus } from '../model/link.ts';
import { watchAddresses } from './addresses.ts';
import { movedError, Network } from './network.ts';
import type { Away, Connection, Lane, LinkParts } from './parts.ts';
import { Registration, type Verdict } from './registration.ts';
import { Retry } from './retry.ts';
import { causeOf, isAnswered, isKeyless, isRefused, refusedWaitMs } from './rule-link.ts';
import { Standing } from './standing.ts';
import { eitherSignal, Listeners, Waiters } from './waiters.ts';

/** A thousand gateways that get their power back together must not arrive together, milliseconds. */
const START_SPREAD_MS = 5_000;

/**
 * After a call failed one attempt is made within this time before the link counts as lost, milliseconds. A kept
 * connection that breaks is often just that: its server closed it while we sent, and a new one works. Containers do not
 * care for a second; a blip shown as an outage would bring an event, a catch-up and a listing each time. The attempt is
 * spread, for thousands may have lost their connection in the same moment.
 */
const SUSPECT_SPREAD_MS = 2_000;

/** The same after the machine's addresses changed: a train is back in town. */
const NEW_NETWORK_SPREAD_MS = 1_500;

/**
 * After an outage that may have been everybody's, what there is to catch up with is spread over this time, milliseconds:
 * else each agent's ten calls would come within one second.
 */
const CATCH_UP_MS = 5_000;

/** Shorter ones are not spread: whoever was away so briefly has little to catch up with. */
const LONG_AWAY_MS = 30_000;

/** Revived, and swept again before the next assign: so often in a row, then at the next attempt. */
const MOST_ROUNDS = 3;

type ConnectionParts = Pick<
  LinkParts,
  'colony' | 'reloadKey' | 'user' | 'owner' | 'addresses' | 'clock' | 'random' | 'log' | 'settings'
>;

/** The connection as the assembly and the poll lane see it. */
export interface LiveConnection extends Connection, Lane {
  /** The identity of the key in use. */
  readonly id: string;
  /** How often the key was refused: whoever is refused may have lost what was registered before. */
  readonly refusals: number;
  view(): Pick<LinkStatus, 'state' | 'since' | 'cause' | 'lastError' | 'nextTryAt' | 'lastContactAt'>;
  /** Tries now what would be tried later. */
  retryNow(): void;
  setLinkClass(linkClass: LinkClass): void;
  onLinkClass(listener: (linkClass: LinkClass) => void): () => void;
  traffic(): LinkStatus['traffic'];
  close(): Promise<void>;
}

/** How we stand with the server; `Connecting` until `run`. */
export function createConnection(parts: ConnectionParts): LiveConnection {
  return new LinkConnection(parts);
}

/**
 * One attempt, the heartbeat form of assign, is the truth about the link, and only it changes the state: assign is what
 * the server measures us by. Every other call's failure only asks for an attempt.
 */
class LinkConnection implements LiveConnection {
  readonly #parts: ConnectionParts;
  readonly #bell: Doorbell;
  readonly #retry: Retry;
  readonly #registration: Registration;
  readonly #standing: Standing;
  readonly #waiters = new Waiters();
  readonly #ups = new Listeners<Away | undefined>();
  readonly #classes = new Listeners<LinkClass>();
  #colony: Colony;
  #linkClass: LinkClass;
  /** A call failed; nobody is let through until an attempt says more. */
  #isSuspect = false;
  /** The user's key was refused since the state changed last. */
  #isUserRefused = false;
  #refusals = 0;
  /** Monotonic time until which calls are spread. */
  #spreadUntilMs = Number.NEGATIVE_INFINITY;
  #nextTryMs: number;
  readonly #network = new Network();

  constructor(parts: ConnectionParts) {
    const { clock, random, colony, settings } = parts;
    this.#parts = parts;
    this.#bell = new Doorbell(clock);
    this.#retry = new Retry(clock, random);
    this.#registration = new Registration(parts);
    this.#colony = colony;
    this.#linkClass = settings.linkClass;
    this.#standing = new Standing(clock);
    this.#nextTryMs = clock.monoMs();
  }

  get state(): LinkState {
    return this.#standing.state;
  }

  get linkClass(): LinkClass {
    return this.#linkClass;
  }

  get id(): string {
    return this.#colony.id;
  }

  get refusals(): number {
    return this.#refusals;
  }

  setLinkClass(linkClass: LinkClass): void {
    if (linkClass === this.#linkClass) return;
    this.#linkClass = linkClass;
    this.#classes.tell(linkClass);
  }

  onLinkClass(listener: (linkClass: LinkClass) => void): () => void {
    return this.#classes.add(listener);
  }

  onUp(listener: (away: Away | undefined) => void): () => void {
    return this.#ups.add(listener);
  }

  whenUp(signal: AbortSignal): Promise<void> {
    return this.#waiters.until(() => this.#isUp, signal);
  }

  whenMember(signal: AbortSignal): Promise<void> {
    return this.#waiters.until(() => this.#isUp || this.#isUserMember, signal);
  }

  get #isUp(): boolean {
    return this.state === 'Connected' && !this.#isSuspect;
  }

  get #isUserMember(): boolean {
    return this.#parts.user !== undefined && isRefused(this.state) && !this.#isUserRefused;
  }

  async call<T>(work: (colony: Colony, signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.#watched(work, this.#colony, signal, () => this.#suspect());
  }

  async memberCall<T>(
    work: (colony: Colony, signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const { user } = this.#parts;
    if (user === undefined || !this.#isUserMember) return this.call(work, signal);
    return this.#watched(work, user, signal, (code) => {
      if (code === 'COLONY_FORBIDDEN') this.#isUserRefused = true;
      else this.#suspect();
    });
  }

  /** Runs one call, on the present network only, and hears what it says of the link. */
  async #watched<T>(
    work: (colony: Colony, signal: AbortSignal) => Promise<T>,
    colony: Colony,
    outer: AbortSignal,
    onFailure: (code: string) => void,
  ): Promise<T> {
    const network = this.#network.signal;
    const { signal, release } = eitherSignal(outer, network);
    try {
      const spreadMs = this.#spreadUntilMs - this.#parts.clock.monoMs();
      if (spreadMs > 0) await this.#parts.clock.sleep(spreadMs * this.#parts.random.next(), signal);
      const result = await work(colony, signal);
      this.#contact();
      return result;
    } catch (error) {
      if (outer.aborted) throw error;
      // Another network, or another key: nothing is known of this one.
      if (network.aborted || (colony !== this.#parts.user && colony !== this.#colony))
        throw movedError(error);
      const code = errorCode(error);
      if (isAnswered(code)) this.#contact();
      else if (error instanceof EdgeError) onFailure(code);
      throw error;
    } finally {
      release();
    }
  }

  /** The server answered. While the link counts as lost that is a reason to make sure. */
  #contact(): void {
    this.#standing.contact();
    if (this.state === 'Offline' || this.state === 'Connecting') this.#tryWithin(0);
  }

  /** A call failed: one attempt soon. */
  #suspect(): void {
    const spreadMs = SUSPECT_SPREAD_MS * this.#parts.random.next();
    if (this.#isUp) this.#nextTryMs = Number.POSITIVE_INFINITY;
    if (this.state === 'Connected') this.#isSuspect = true;
    if (this.state !== 'Offline') this.#tryWithin(spreadMs);
  }

  retryNow(): void {
    this.#isUserRefused = false;
    this.#registration.forget();
    if (!this.#isUp) this.#tryWithin(0);
  }

  #tryWithin(ms: number): void {
    const atMs = this.#parts.clock.monoMs() + ms;
    if (atMs >= this.#nextTryMs) return;
    this.#nextTryMs = atMs;
    this.#bell.ring();
  }

  async run(host: LinkHost, signal: AbortSignal): Promise<void> {
    const { clock, random, addresses } = this.#parts;
    this.#nextTryMs = clock.monoMs() + START_SPREAD_MS * random.next();
    const watching =
      addresses === undefined ? undefined : watchAddresses(addresses, clock, () => this.#moved(), signal);
    while (!signal.aborted) {
      const waitMs = this.#isUp ? Number.POSITIVE_INFINITY : this.#nextTryMs - clock.monoMs();
      if (waitMs > 0) await this.#bell.wait(Math.min(waitMs, 2 ** 31 - 1), signal);
      else await this.#attempt(host, signal);
    }
    await watching;
  }

  /** Trains get another address when they come back: then is the time to try, not when the backoff says so. */
  #moved(): void {
    this.#retry.reset();
    if (this.state === 'Connected') this.#isSuspect = true;
    this.#nextTryMs = this.#parts.clock.monoMs() + NEW_NETWORK_SPREAD_MS * this.#parts.random.next();
    this.#network.leave();
    this.#bell.ring();
  }

  async #attempt(host: LinkHost, outer: AbortSignal): Promise<void> {
    const network = this.#network.signal;
    const { signal, release } = eitherSignal(outer, network);
    try {
      await this.#tryOnce(host, signal);
    } catch (error) {
      if (outer.aborted || network.aborted) return;
      if (!(error instanceof EdgeError)) throw error;
      if (isKeyless(error.code))
        this.#refused(host, { state: 'UnknownKey', why: errorText(error), again: false });
      else this.#down(host, error);
    } finally {
      release();
    }
  }

  /** The heartbeat, and when it is refused what there is to be done, then once more. */
  async #tryOnce(host: LinkHost, signal: AbortSignal): Promise<void> {
    for (let round = 1; ; round += 1) {
      try {
        await this.#colony.heartbeat(signal);
        this.#up(host);
        return;
      } catch (error) {
        if (errorCode(error) !== 'COLONY_FORBIDDEN') throw error;
      }
      this.#standing.contact();
      this.#refusals += 1;
      const verdict = await this.#registration.look(this.#colony, this.#linkClass, signal);
      if (verdict.colony !== undefined) this.#takeKey(verdict.colony, host);
      if (!verdict.again || round >= MOST_ROUNDS) {
        this.#refused(host, verdict);
        return;
      }
    }
  }

  #takeKey(colony: Colony, host: LinkHost): void {
    const before = this.#colony;
    this.#colony = colony;
    host.event('info', 'key was changed', { detail: `the id is ${colony.id} now` });
    // Its calls end with `CANCELLED`; nobody waits for the sockets.
    void before.close().catch(() => undefined);
  }

  #up(host: LinkHost): void {
    this.#standing.contact();
    this.#retry.succeeded();
    this.#registration.forget();
    this.#isSuspect = false;
    this.#isUserRefused = false;
    const isNew = this.#standing.change('Connected');
    if (isNew) {
      const away = this.#standing.takeAway();
      const awayMs = away === undefined ? 0 : away.until - away.since;
      const awayS = Math.round(awayMs / 1000);
      if (awayMs >= LONG_AWAY_MS) this.#spreadUntilMs = this.#parts.clock.monoMs() + CATCH_UP_MS;
      host.event('info', 'link is up', away === undefined ? {} : { detail: `was away for ${awayS} s` });
      this.#ups.tell(away);
    }
    this.#waiters.check();
  }

  #down(host: LinkHost, error: EdgeError): void {
    const cause = causeOf(error.code);
    const detail = errorText(error);
    this.#nextTryMs = this.#parts.clock.monoMs() + this.#retry.failed(error);
    this.#isSuspect = false;
    const isNew = this.#standing.change('Offline');
    this.#standing.cause = cause;
    this.#standing.lastError = detail;
    if (isNew) host.event('warn', 'link is down', { cause, reason: error.code, detail });
  }

  #refused(host: LinkHost, { state, why }: Verdict): void {
    const { clock, random } = this.#parts;
    const waitMs = refusedWaitMs(this.#standing.refusedForMs(), this.#linkClass, random.next());
    this.#nextTryMs = clock.monoMs() + waitMs;
    this.#retry.succeeded();
    this.#isSuspect = false;
    const isNew = this.#standing.change(state);
    this.#standing.lastError = why;
    if (isNew) {
      this.#isUserRefused = false;
      host.event('warn', REFUSED_WORDS[state], { reason: state, detail: why });
    }
    this.#waiters.check();
  }

  view(): ReturnType<LiveConnection['view']> {
    return this.#standing.view(this.#isUp ? undefined : this.#nextTryMs);
  }

  traffic(): LinkStatus['traffic'] {
    return this.#colony.traffic();
  }

  close(): Promise<void> {
    return this.#colony.close();
  }
}

const REFUSED_WORDS = {
  PendingApproval: 'registration waits for approval',
  Unregistered: 'registration was lost',
  UnknownKey: 'key is unknown to the colony',
} as const;
