import { EdgeError, errorCode } from '../base/errors.ts';
import { Doorbell } from '../base/lanes.ts';
import type { ColonyProcess } from '../model/colony.ts';
import type { LiveConnection } from './connection.ts';
import type { Desk } from './desk.ts';
import type { Lane, LinkParts } from './parts.ts';
import { Retry } from './retry.ts';
import { isAnswered } from './rule-link.ts';

/** A metered link takes the queue this often, when it also lists, milliseconds. */
const METERED_MS = 1_800_000;

/** A poll that took this long is no part of a busy loop, milliseconds. */
const HELD_MS = 10_000;

/** So many processes are taken in a row from a metered link. */
const MOST_TAKEN = 50;

/** A heartbeat comes this part of the stale time after the last assign, and up to a twentieth of that earlier. */
const HEARTBEAT_PART = 1 / 3;
const HEARTBEAT_JITTER = 1 / 20;

/** Gets processes, and keeps the registration while there are none to get. */
export interface Poll extends Lane {
  /** The colony hands out no processes for now. */
  readonly isPaused: boolean;
  /** Takes now what would be taken later. */
  refresh(): void;
}

type PollParts = Pick<LinkParts, 'clock' | 'random' | 'settings'>;

export function createPoll(parts: PollParts, connection: LiveConnection, desk: Desk): Poll {
  return new PollLane(parts, connection, desk);
}

class PollLane implements Poll {
  readonly #parts: PollParts;
  readonly #connection: LiveConnection;
  readonly #desk: Desk;
  readonly #bell: Doorbell;
  readonly #retry: Retry;
  readonly #beatRetry: Retry;
  #isPaused = false;
  /** Monotonic time when the newest answered assign was sent: then the server looked at its clock. */
  #assignedMs: number;

  constructor(parts: PollParts, connection: LiveConnection, desk: Desk) {
    const { clock, random } = parts;
    this.#parts = parts;
    this.#connection = connection;
    this.#desk = desk;
    this.#bell = new Doorbell(clock);
    this.#retry = new Retry(clock, random);
    this.#beatRetry = new Retry(clock, random);
    this.#assignedMs = clock.monoMs();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  refresh(): void {
    this.#bell.ring();
  }

  async run(_host: unknown, signal: AbortSignal): Promise<void> {
    const stops = [
      this.#connection.onUp(() => {
        this.#assignedMs = this.#parts.clock.monoMs();
        this.#bell.ring();
      }),
      this.#connection.onLinkClass(() => this.#bell.ring()),
    ];
    await Promise.all([this.#polling(signal), this.#beating(signal)]);
    for (const stop of stops) stop();
  }

  async #polling(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    while (!signal.aborted) {
      let startMs = clock.monoMs();
      try {
        await this.#connection.whenUp(signal);
        startMs = clock.monoMs();
        if (this.#connection.linkClass === 'normal') await this.#pollOnce(signal);
        else await this.#takeQueue(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof EdgeError)) throw error;
        // The server may have assigned something whose answer did not arrive.
        if (!isAnswered(error.code)) this.#desk.sync();
        // A poll that held for a while and then broke needs no longer wait; whether there is a link at all is found out
        // by the connection, before the next one.
        if (clock.monoMs() - startMs >= HELD_MS) this.#retry.reset();
        await this.#retry.wait(error, signal).catch(() => undefined);
      }
    }
  }

  /** One long poll. What else is queued comes with the next ones at once; the desk makes one look of it. */
  async #pollOnce(signal: AbortSignal): Promise<void> {
    const { clock, settings } = this.#parts;
    const startMs = clock.monoMs();
    const process = await this.#assign(settings.pollWaitS, signal);
    if (process === undefined && clock.monoMs() - startMs < settings.pollWaitS * 500) {
      // Something answers in the server's place, or it does not wait: no busy loop.
      await clock.sleep(this.#retry.failed(), signal);
      return;
    }
    // It waited, or brought something: this way works, however often it broke before.
    this.#retry.reset();
    if (process !== undefined) this.#desk.take(process);
  }

  async #takeQueue(signal: AbortSignal): Promise<void> {
    const { random, settings } = this.#parts;
    for (let taken = 0; taken < MOST_TAKEN; taken += 1) {
      const process = await this.#assign(0, signal);
      if (process === undefined) break;
      this.#desk.take(process);
    }
    this.#retry.succeeded();
    const everyMs = settings.listEveryMs ?? METERED_MS;
    await this.#bell.wait(everyMs * (1 + 0.1 * random.next()), signal);
  }

  /** undefined: there is none. */
  async #assign(waitS: number, signal: AbortSignal): Promise<ColonyProcess | undefined> {
    const sentMs = this.#parts.clock.monoMs();
    let process: ColonyProcess | undefined;
    try {
      process = await this.#connection.call((colony, inner) => colony.assign(waitS, inner), signal);
      this.#isPaused = false;
    } catch (error) {
      const code = errorCode(error);
      if (code !== 'COLONY_NO_PROCESS' && code !== 'COLONY_PAUSED') throw error;
      this.#isPaused = code === 'COLONY_PAUSED';
    }
    this.#assignedMs = Math.max(this.#assignedMs, sentMs);
    return process;
  }

  /** Only assign calls keep the registration: while the poll lane makes none, or is kept from it, these do. */
  async #beating(signal: AbortSignal): Promise<void> {
    const { clock, random, settings } = this.#parts;
    const longestMs = settings.staleAfterMs * HEARTBEAT_PART;
    while (!signal.aborted) {
      const dueMs = this.#assignedMs + longestMs * (1 - HEARTBEAT_JITTER * random.next());
      try {
        await clock.sleep(dueMs - clock.monoMs(), signal);
        await this.#connection.whenUp(signal);
        if (clock.monoMs() < this.#assignedMs + longestMs * (1 - HEARTBEAT_JITTER)) continue;
        const sentMs = clock.monoMs();
        await this.#connection.call((colony, inner) => colony.heartbeat(inner), signal);
        this.#assignedMs = Math.max(this.#assignedMs, sentMs);
        this.#beatRetry.succeeded();
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof EdgeError)) throw error;
        await this.#beatRetry.wait(error, signal).catch(() => undefined);
      }
    }
  }
}
