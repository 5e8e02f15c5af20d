import type { DesiredBlueprint, Service } from '../model/desired.ts';
import type { ObservedContainer } from '../model/observed.ts';
import { judge } from './judge.ts';
import { createSuccessor } from './plan-create.ts';
import { pointRelay } from './plan-handover.ts';
import { keep } from './plan-keep.ts';
import { finishReplacement } from './plan-replace.ts';
import type { Planning } from './planning.ts';

/** Plans the next step of one service, given every container that carries its identity. */
export function planService(
  planning: Planning,
  blueprint: DesiredBlueprint,
  service: Service,
  containers: readonly ObservedContainer[],
): void {
  if (service.hold !== undefined) {
    planning.hold({ key: service.key, blueprint: blueprint.name, ...service.hold });
    return;
  }
  if (service.relay !== undefined) pointRelay(planning, service);
  if (planning.observed.busy.has(service.key)) return;
  const candidates = [...containers]
    .sort(byPreference(service))
    .map((container) => judge(planning, service, container));
  const current = candidates.find((candidate) => candidate.outdated === undefined);
  const others = candidates.filter((candidate) => candidate !== current);
  if (current === undefined) createSuccessor(planning, service, others);
  else if (others.length > 0) finishReplacement(planning, service, current.container, others);
  else keep(planning, service, current);
}

/** Running ones first, then the one that holds the name, then by id, so that input order never matters. */
function byPreference(service: Service): (a: ObservedContainer, b: ObservedContainer) => number {
  const rank = (container: ObservedContainer) =>
    (container.state === 'running' || container.state === 'paused' ? 0 : 2) +
    (container.name === service.containerName ? 0 : 1);
  return (a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
