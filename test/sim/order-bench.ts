import assert from 'node:assert/strict';
import { type DeploymentDocument, deployment } from './blueprints.ts';
import type { Harness } from './harness.ts';

/** The c1 cloud: what each of the seven waits for (ARROWHEAD.md section 6). */
export const SEVEN: Readonly<Record<string, readonly string[]>> = {
  'c1-database': [],
  'c1-serviceregistry': ['c1-database'],
  'c1-authorization': ['c1-serviceregistry'],
  'c1-orchestrator': ['c1-serviceregistry', 'c1-authorization'],
  'c1-eventhandler': ['c1-serviceregistry', 'c1-authorization'],
  'c1-gateway': ['c1-serviceregistry', 'c1-authorization'],
  'c1-gatekeeper': ['c1-serviceregistry', 'c1-gateway'],
};

/** One blueprint with one instance of the same name, which has a health check. */
export function checked(name: string, needs: readonly unknown[] = []): DeploymentDocument {
  return deployment(name, [{ name, healthcheck: { test: 'check', interval: '1s' } }], { dependsOn: needs });
}

export function cloud(): DeploymentDocument[] {
  return Object.entries(SEVEN).map(([name, needs]) =>
    checked(
      name,
      needs.map((need) => ({ name: need, condition: 'healthy' })),
    ),
  );
}

/** Containers whose check passes some time after each start, as long as nobody says otherwise; and a list of all starts. */
export class Checks {
  /** Names of containers in the order of their starts. */
  readonly starts: string[] = [];
  /** Starts of one whose dependencies were not all healthy. */
  readonly wasted: string[] = [];
  /** Most that were starting at the same time. */
  most = 0;
  /** Those that never get healthy. */
  readonly never = new Set<string>();
  readonly #sim: Harness;

  /** `takesMs` from a start until the check passes. */
  constructor(sim: Harness, takesMs: (name: string) => number = () => 5_000) {
    this.#sim = sim;
    const deliver = sim.world.onEvent;
    sim.world.onEvent = (event) => {
      deliver(event);
      if (event.type === 'container' && event.action === 'start')
        this.#started(event.name ?? '', takesMs(event.name ?? ''));
    };
  }

  #started(name: string, takesMs: number): void {
    const sim = this.#sim;
    this.starts.push(name);
    if ((SEVEN[name] ?? []).some((need) => sim.world.byName(need)?.health !== 'healthy'))
      this.wasted.push(name);
    const starting = [...sim.world.boxes.values()].filter(
      ({ state, health }) => state === 'running' && health === 'starting',
    );
    this.most = Math.max(this.most, starting.length);
    const run = sim.box(name).run;
    sim.clock.after(takesMs, () => {
      const box = sim.world.byName(name);
      if (box?.run === run && box.state === 'running' && !this.never.has(name))
        sim.byHand.health(name, 'healthy');
    });
  }

  isHealthy(name: string): boolean {
    const box = this.#sim.world.byName(name);
    return box?.state === 'running' && box.health === 'healthy';
  }
}

/** A cloud that is up, every container started once. */
export async function cloudUp(sim: Harness): Promise<Checks> {
  const checks = new Checks(sim);
  sim.deploy(...cloud());
  sim.start();
  await sim.settle();
  assert.equal(checks.starts.length, 7);
  return checks;
}
