import type { Action } from '../model/action.ts';
import type { DesiredState } from '../model/desired.ts';
import type { ObservedState } from '../model/observed.ts';
import type { BlueprintReport } from '../model/status.ts';
import { withReplicas } from './plan-replicas.ts';

const STARTS: ReadonlySet<Action['kind']> = new Set<Action['kind']>([
  'startContainer',
  'restartContainer',
  'unpauseContainer',
]);

/** What has happened to the services in this run: how often, what went wrong last, and who has been up. */
export class Ledger {
  readonly counters = { ticks: 0, actions: 0, failures: 0, healed: 0 };
  readonly #lastErrors = new Map<string, string>();
  readonly #wasReady = new Set<string>();

  /** Newest failure of each service, by key, until it has been fine for long. */
  get lastErrors(): ReadonlyMap<string, string> {
    return this.#lastErrors;
  }

  /** An action that worked; true: it brought back a service that had been up. */
  done(action: Action): boolean {
    const isStart = STARTS.has(action.kind);
    const isHealed = isStart && this.#wasReady.has(action.lane);
    if (isHealed) this.counters.healed += 1;
    return isHealed;
  }

  failed(key: string, { reason, message }: { reason: string; message: string }): void {
    this.counters.failures += 1;
    this.#lastErrors.set(key, `${reason}: ${message}`);
  }

  /** After a look: which services are up, so that bringing one back counts as healing; and whose errors are over. */
  review(asked: DesiredState, observed: ObservedState, reports: ReadonlyMap<string, BlueprintReport>): void {
    if (!asked.known) return;
    const desired = withReplicas(asked, observed);
    const keys = new Set(desired.blueprints.flatMap(({ services }) => services.map(({ key }) => key)));
    for (const key of this.#wasReady) if (!keys.has(key)) this.#wasReady.delete(key);
    for (const key of this.#lastErrors.keys())
      if (!keys.has(key) || !observed.setbacks.has(key)) this.#lastErrors.delete(key);
    for (const report of reports.values()) {
      const blueprint = desired.blueprints.find(({ name }) => name === report.name);
      report.status.instances.forEach((instance, index) => {
        const key = blueprint?.services[index]?.key;
        if (instance.ready && key !== undefined) this.#wasReady.add(key);
      });
    }
  }
}
