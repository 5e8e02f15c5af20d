import type { Plan } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { DesiredState } from '../model/desired.ts';
import type { ObservedState } from '../model/observed.ts';
import type { EngineEvent, Wanted } from '../model/ports.ts';

/** What a look must include for these blueprints: their images, and volumes that are to be removed. */
export function wantedOf(desired: DesiredState): Wanted {
  if (!desired.known) return { images: [], volumes: [] };
  const images = new Set<string>();
  const volumes = new Set<string>();
  for (const blueprint of desired.blueprints) {
    for (const service of blueprint.services)
      if (service.hold === undefined) images.add(service.container.image);
    for (const volume of blueprint.reclaimVolumes) volumes.add(volume);
  }
  return { images: [...images].sort(), volumes: [...volumes].sort() };
}

/**
 * true for an event that is no reason to look: what foreign containers do, which on a gateway whose executors start a
 * container for each job is most of it. Only a name that one of them holds makes its doings interesting.
 */
export function isNoise(
  event: EngineEvent,
  node: string,
  observed: ObservedState | undefined,
  plan: Plan | undefined,
): boolean {
  if (observed === undefined || plan === undefined) return false;
  if (plan.holds.some(({ reason }) => reason === 'NameConflict')) return false;
  if (event.container === undefined)
    return event.isForeign === true || (event.node !== undefined && event.node !== node);
  const subject = observed.containers.find(({ id }) => id === event.container);
  if (subject === undefined) return false;
  const { [LABEL.managed]: managed, [LABEL.node]: owner = node } = subject.labels;
  return managed !== 'true' || owner !== node;
}
