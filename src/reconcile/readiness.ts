import type { Service } from '../model/desired.ts';
import type { ObservedContainer } from '../model/observed.ts';
import { isCompleted } from './plan-steps.ts';

/**
 * How a container stands with its checks: `unchecked` runs and has none, `starting` has one that has not passed yet,
 * `completed` is a job that ended well, `down` is anything that does not run.
 */
export type Readiness = 'unchecked' | 'starting' | 'healthy' | 'unhealthy' | 'completed' | 'down';

/** How a container stands for its service; `down` when there is none. */
export function readinessOf(service: Service, container: ObservedContainer | undefined): Readiness {
  if (container === undefined) return 'down';
  if (isCompleted(service, container)) return 'completed';
  // An ended container keeps the last word of its check.
  if (container.state !== 'running') return 'down';
  return container.health ?? 'unchecked';
}

/** Running, and healthy where there is a health check; a job that ended well counts too. */
export function isReady(service: Service, container: ObservedContainer | undefined): boolean {
  const readiness = readinessOf(service, container);
  return readiness === 'unchecked' || readiness === 'healthy' || readiness === 'completed';
}
