import type { DesiredBlueprint } from '../model/desired.ts';
import type { Problem } from '../model/problem.ts';
import { strategyOf } from './plan-strategy.ts';

/** Strategies that are asked for and not possible; one for each instance. */
export function strategyWarnings({ services }: Pick<DesiredBlueprint, 'services'>): Problem[] {
  const found = new Map<string, Problem>();
  for (const service of services) {
    const { isFallback, because } = strategyOf(service);
    if (!isFallback || found.has(service.instance)) continue;
    const message = `start-first is not possible for ${service.instance}, stop-first is used: ${because}`;
    found.set(service.instance, {
      severity: 'warning',
      reason: 'SpecWarning',
      path: 'spec.update.strategy',
      message,
    });
  }
  return [...found.values()];
}
