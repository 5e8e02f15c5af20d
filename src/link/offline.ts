import { isoTime } from '../base/clock.ts';
import { Ring } from '../base/ring.ts';
import { bounded } from '../base/text.ts';
import type { JsonObject } from '../model/blueprint.ts';
import type { AgentEvent } from '../model/status.ts';
import type { Away } from './parts.ts';

/** Events kept while the server cannot be told. */
const EVENTS_KEPT = 100;

/** Events sent with one blueprint's status; the newest ones. */
const EVENTS_SENT = 20;

/** Characters of what an event says. */
const MOST_DETAIL = 120;

/** What happened to one blueprint, or in all, during a disconnected period. */
export interface OfflineSummary {
  away: Away;
  healedCount: number;
  /** Oldest first. */
  events: readonly AgentEvent[];
  /** Further events, which were not kept. */
  lost: number;
}

/** What the agent did while the server could not be told: a bounded list of events, and full counts. */
export class OfflineMemory {
  #ring = new Ring<AgentEvent>(EVENTS_KEPT);
  readonly #counts = new Map<string, { events: number; healed: number }>();
  readonly #untold = new Map<string, OfflineSummary>();

  /** Something happened while away. */
  note(event: AgentEvent): void {
    this.#ring.push(() => event);
    const name = event.blueprint ?? '';
    const count = this.#counts.get(name) ?? { events: 0, healed: 0 };
    count.events += 1;
    if (event.healed) count.healed += 1;
    this.#counts.set(name, count);
  }

  /** The period is over; what was noted is there to be told, with what was not told of an earlier period. */
  over(away: Away): OfflineSummary {
    const kept = this.#ring.after(0);
    const total: OfflineSummary = { away, healedCount: 0, events: kept, lost: 0 };
    for (const [name, { events, healed }] of this.#counts) {
      const own = kept.filter((event) => (event.blueprint ?? '') === name);
      total.healedCount += healed;
      total.lost += events - own.length;
      if (name === '') continue;
      this.#untold.set(
        name,
        joined(this.#untold.get(name), { away, healedCount: healed, events: own, lost: events - own.length }),
      );
    }
    this.forget();
    return total;
  }

  /** What was noted is no longer of interest: it was no period. */
  forget(): void {
    this.#ring = new Ring(EVENTS_KEPT);
    this.#counts.clear();
  }

  /** `offline` of this blueprint's next status (FIELDS.md section 11); undefined: nothing happened to it, or it was told. */
  untold(blueprint: string): JsonObject | undefined {
    const summary = this.#untold.get(blueprint);
    if (summary === undefined) return undefined;
    const events = summary.events.slice(-EVENTS_SENT);
    const lost = summary.lost + summary.events.length - events.length;
    return {
      since: isoTime(summary.away.since),
      until: isoTime(summary.away.until),
      healedCount: summary.healedCount,
      events: events.map(shortEvent),
      ...(lost === 0 ? {} : { lostEvents: lost }),
    };
  }

  /** The server has it. */
  told(blueprint: string): void {
    this.#untold.delete(blueprint);
  }

  /** Blueprints that are not there any more have nobody to be told of. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#untold.keys()) if (!names.has(name)) this.#untold.delete(name);
  }
}

function joined(before: OfflineSummary | undefined, now: OfflineSummary): OfflineSummary {
  if (before === undefined) return now;
  const events = [...before.events, ...now.events];
  const kept = events.slice(-EVENTS_SENT);
  return {
    away: { since: before.away.since, until: now.away.until },
    healedCount: before.healedCount + now.healedCount,
    events: kept,
    lost: before.lost + now.lost + events.length - kept.length,
  };
}

function shortEvent({ time, message, container, reason, detail, cause }: AgentEvent): JsonObject {
  const why = detail ?? cause;
  return {
    time,
    message,
    ...(container === undefined ? {} : { container }),
    ...(reason === undefined ? {} : { reason }),
    ...(why === undefined || why === '' ? {} : { detail: bounded(why, MOST_DETAIL) }),
  };
}
