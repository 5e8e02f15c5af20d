import type { Service } from '../model/desired.ts';
import type { HealthState, ObservedContainer, ObservedState } from '../model/observed.ts';
import { isCompleted } from './plan-steps.ts';
import { probeStateOf } from './readiness-probe.ts';

/**
 * How a container stands with its checks, the engine's and the agent's: `unchecked` runs and has none, `starting` has one
 * that has not passed yet, `completed` is a job that ended well, `down` is anything that does not run.
 */
export type Readiness = 'unchecked' | HealthState | 'completed' | 'down';

/** How a container stands for its service; `down` when there is none. Of several checks the worst counts. */
export function readinessOf(
  service: Service,
  container: ObservedContainer | undefined,
  observed: Pick<ObservedState, 'probes'> | undefined,
): Readiness {
  if (container === undefined) return 'down';
  if (isCompleted(service, container)) return 'completed';
  // An ended container keeps the last word of its check.
  if (container.state !== 'running') return 'down';
  return worstOf([container.health, probeStateOf(service, container, observed)]) ?? 'unchecked';
}

/** The worst of these; undefined when there is none. */
export function worstOf(states: readonly (HealthState | undefined)[]): HealthState | undefined {
  return (['unhealthy', 'starting', 'healthy'] as const).find((state) => states.includes(state));
}

/** Running, and healthy where there is a check; a job that ended well counts too. */
export function isReady(
  service: Service,
  container: ObservedContainer | undefined,
  observed: Pick<ObservedState, 'probes'> | undefined,
): boolean {
  const readiness = readinessOf(service, container, observed);
  return readiness === 'unchecked' || readiness === 'healthy' || readiness === 'completed';
}
