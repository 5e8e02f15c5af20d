import type { Plan } from '../model/action.ts';
import type { EngineSnapshot, OrderView } from '../model/observed.ts';
import { usualConcurrency, waitKey } from './order.ts';
import { keyOf } from './ownership.ts';

/** What order has to know over time, between two looks. Bounded by what is asked for; lost at a restart. */
export class OrderMemory {
  readonly #startConcurrency: number | undefined;
  readonly #beenUp = new Set<string>();
  #starting: ReadonlyMap<string, number> = new Map();
  #waiting: OrderView['waiting'] = new Map();

  constructor(startConcurrency: number | undefined) {
    this.#startConcurrency = startConcurrency;
  }

  /** The planner's view at this look. */
  view({ containers, engine }: EngineSnapshot): OrderView {
    for (const container of containers) {
      const key = container.state === 'running' ? keyOf(container) : undefined;
      if (key !== undefined) this.#beenUp.add(key);
    }
    return {
      startConcurrency: this.#startConcurrency ?? usualConcurrency(engine.memoryBytes),
      starting: this.#starting,
      beenUp: this.#beenUp,
      waiting: this.#waiting,
    };
  }

  /** Drops services that nobody asks for any more: should they come again, it is for the first time. */
  forget(services: ReadonlyMap<string, unknown>): void {
    for (const key of this.#beenUp) if (!services.has(key)) this.#beenUp.delete(key);
  }

  /** Remembers who starts and who waits by this plan; a service with a call under way was not looked at and waits on. */
  note(plan: Plan, busy: ReadonlySet<string>, moment: { now: number; monoMs: number }): void {
    const { now, monoMs } = moment;
    this.#starting = new Map(
      (plan.starting ?? []).map((key) => [key, this.#starting.get(key) ?? monoMs] as const),
    );
    const waiting = new Map<string, { monoMs: number; at: number }>();
    for (const [key, since] of this.#waiting)
      if (busy.has(key.slice(0, key.indexOf(' ')))) waiting.set(key, since);
    for (const hold of plan.holds)
      for (const name of hold.waitsFor ?? []) {
        const key = waitKey(hold.key, name);
        waiting.set(key, this.#waiting.get(key) ?? { monoMs, at: now });
      }
    this.#waiting = waiting;
  }
}
