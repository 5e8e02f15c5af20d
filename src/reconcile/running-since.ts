import type { Clock } from '../base/clock.ts';
import type { ObservedContainer } from '../model/observed.ts';

/** A start before our own counts for at most this long, milliseconds: no gate lasts longer, and the engine's wall clock
 *  may have jumped since. */
const MOST_BEFORE_MS = 3_600_000;

interface Run {
  /** As the engine tells it; empty while it was not inspected. */
  startedAt: string;
  sinceMs: number;
  /** When this process first saw it, monotonic milliseconds. */
  watchedSinceMs: number;
}

/**
 * Since when containers run. What ran before this process did is told by the container's own start, once and at first
 * sight: a gate that a restart of the agent (or a power cut) falls into is not begun anew, and no later jump of the wall
 * clock has a say in it.
 */
export class RunningSince {
  readonly #clock: Clock;
  #runs = new Map<string, Run>();
  #isBlind = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes a look; what does not run is forgotten. */
  look(containers: readonly ObservedContainer[]): void {
    const runs = new Map<string, Run>();
    for (const container of containers)
      if (container.state === 'running') runs.set(container.id, this.#runOf(container));
    this.#runs = runs;
    if (!this.#isBlind) return;
    this.#isBlind = false;
    for (const run of runs.values()) run.watchedSinceMs = this.#clock.monoMs();
  }

  #runOf({ id, detail }: ObservedContainer): Run {
    const monoMs = this.#clock.monoMs();
    const known = this.#runs.get(id);
    const startedAt = detail?.startedAt ?? '';
    // It was seen before it was inspected, or its inspection does not answer now.
    if (known !== undefined && (known.startedAt === startedAt || startedAt === '')) return known;
    const ranMs = this.#clock.now() - Date.parse(startedAt);
    const beforeMs = Number.isNaN(ranMs) ? 0 : Math.min(Math.max(ranMs, 0), MOST_BEFORE_MS);
    const isSame = known?.startedAt === '';
    return {
      startedAt,
      sinceMs: isSame ? Math.min(known.sinceMs, monoMs - beforeMs) : monoMs - beforeMs,
      watchedSinceMs: isSame ? known.watchedSinceMs : monoMs,
    };
  }

  /** Nothing can be seen: how long a container was watched is counted anew. */
  blind(): void {
    this.#isBlind = true;
  }

  /** It is started anew. */
  forget(id: string): void {
    this.#runs.delete(id);
  }

  /** By container id, monotonic milliseconds. */
  since(): Map<string, number> {
    return new Map([...this.#runs].map(([id, { sinceMs }]) => [id, sinceMs]));
  }

  /** Since when this process has seen each of them run without a break; by container id, monotonic milliseconds. */
  watchedSince(): Map<string, number> {
    return new Map([...this.#runs].map(([id, { watchedSinceMs }]) => [id, watchedSinceMs]));
  }
}
