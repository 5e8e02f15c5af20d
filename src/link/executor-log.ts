import { EdgeError } from '../base/errors.ts';
import { Doorbell } from '../base/lanes.ts';
import type { LinkClass, LinkHost } from '../model/link.ts';
import type { AgentEvent } from '../model/status.ts';
import { OfflineMemory } from './offline.ts';
import type { Away, Connection, Lane, LinkParts } from './parts.ts';
import { Retry } from './retry.ts';
import { logLine, logMessage, offlineLines } from './rule-log.ts';

/** Shortest time between two messages, and characters of one, by link class. */
const LIMITS: Readonly<Record<LinkClass, { everyMs: number; mostChars: number }>> = {
  normal: { everyMs: 10_000, mostChars: 4_000 },
  metered: { everyMs: 300_000, mostChars: 1_000 },
};

/** What happens is often several events: they go together. Milliseconds. */
const GATHER_MS = 2_000;

/** Lines that wait for their message; older ones are counted only. */
const LINES_KEPT = 60;

/** Longest wait without a reason, milliseconds. */
const IDLE_MS = 3_600_000;

/** The agent's own events in this executor's log on the server; nothing happens until `run`. */
export function createExecutorLog(
  parts: Pick<LinkParts, 'clock' | 'random' | 'log'>,
  connection: Connection,
): Lane {
  return new ExecutorLogLane(parts, connection);
}

class ExecutorLogLane implements Lane {
  readonly #parts: Pick<LinkParts, 'clock' | 'random' | 'log'>;
  readonly #connection: Connection;
  readonly #bell: Doorbell;
  readonly #retry: Retry;
  readonly #offline = new OfflineMemory();
  #lines: string[] = [];
  #lost = 0;
  /** Monotonic time before which nothing is sent. */
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(parts: Pick<LinkParts, 'clock' | 'random' | 'log'>, connection: Connection) {
    this.#parts = parts;
    this.#connection = connection;
    this.#bell = new Doorbell(parts.clock);
    this.#retry = new Retry(parts.clock, parts.random);
  }

  async run(host: LinkHost, signal: AbortSignal): Promise<void> {
    const stops = [
      host.onEvent((event) => this.#happened(event)),
      this.#connection.onUp((away) => this.#isUp(away)),
    ];
    try {
      while (!signal.aborted) await this.#turn(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      for (const stop of stops) stop();
    }
  }

  #happened(event: AgentEvent): void {
    if (this.#connection.state !== 'Connected') this.#offline.note(event);
    else this.#add([logLine(event)]);
  }

  #isUp(away: Away | undefined): void {
    const { clock } = this.#parts;
    // Before the first contact nothing was disconnected: what happened is told as it was.
    const summary = this.#offline.over(away ?? { since: clock.now(), until: clock.now() });
    this.#offline.keepOnly(new Set());
    if (away !== undefined) this.#add(offlineLines(summary));
    else {
      this.#lost += summary.lost;
      this.#add(summary.events.map(logLine));
    }
  }

  #add(lines: readonly string[]): void {
    if (lines.length === 0) return;
    if (this.#lines.length === 0) {
      const gatheredMs = this.#parts.clock.monoMs() + GATHER_MS;
      this.#notBeforeMs = Math.max(this.#notBeforeMs, gatheredMs);
    }
    this.#lines = this.#bounded([...this.#lines, ...lines]);
    this.#bell.ring();
  }

  #bounded(lines: string[]): string[] {
    this.#lost += Math.max(0, lines.length - LINES_KEPT);
    return lines.slice(-LINES_KEPT);
  }

  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#lines.length === 0) {
      await this.#bell.wait(IDLE_MS, signal);
      return;
    }
    await this.#connection.whenUp(signal);
    const waitMs = this.#notBeforeMs - this.#parts.clock.monoMs();
    if (waitMs > 0) await this.#parts.clock.sleep(waitMs, signal);
    else await this.#send(signal);
  }

  async #send(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    const { everyMs, mostChars } = LIMITS[this.#connection.linkClass];
    const lines = this.#lines;
    const lost = this.#lost;
    this.#lines = [];
    this.#lost = 0;
    this.#notBeforeMs = clock.monoMs() + everyMs;
    const text = logMessage(lines, lost, mostChars);
    try {
      await this.#connection.call((colony, callSignal) => colony.logExecutor(text, callSignal), signal);
      this.#retry.succeeded();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof EdgeError)) throw error;
      log.debug('executor log cannot be written', { code: error.code });
      this.#lost += lost;
      // What the server will not have is not offered again, but its absence is told.
      if (error.retry === 'permanent' && error.code !== 'COLONY_FORBIDDEN') this.#lost += lines.length;
      else this.#lines = this.#bounded([...lines, ...this.#lines]);
      this.#notBeforeMs = clock.monoMs() + Math.max(everyMs, this.#retry.failed(error));
    }
  }
}
