import type { LinkHost } from '../model/link.ts';
import type { BlueprintReport } from '../model/status.ts';
import type { Journal } from './journal.ts';
import type { SourceLane } from './source-lane.ts';

/** Who wants to know of each look at the engine. */
export class LookListeners {
  readonly #listeners = new Set<() => void>();

  add(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** What of the agent the link gets to see. */
export interface LinkHostParts {
  source: SourceLane;
  journal: Journal;
  looks: LookListeners;
  /** Those of the newest look. */
  reports(): readonly BlueprintReport[];
  force: LinkHost['force'];
  executors: LinkHost['executors'];
}

/** The agent, as the link sees it. */
export function linkHost(parts: LinkHostParts): LinkHost {
  const { source, journal, looks, reports, force, executors } = parts;
  return {
    desired: () => source.desired,
    reports,
    take: (signal) => source.take(signal),
    claimable: () => source.claimable,
    elsewhere: () => source.elsewhere,
    force,
    executors,
    onReports: (listener) => looks.add(listener),
    event: (level, message, fields = {}) => journal.add(level, message, fields),
    onEvent: (listener) => journal.subscribe(listener),
  };
}
