import type { Plan } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { DesiredBlueprint, DesiredState } from '../model/desired.ts';
import type { ObservedState } from '../model/observed.ts';
import type { EngineEvent, Wanted } from '../model/ports.ts';
import type { Reason } from '../model/reason.ts';

/** What a look must include for these blueprints: their images, those of versions that wait, and volumes that are to be
 *  removed. */
export function wantedOf(desired: DesiredState, waiting: readonly DesiredBlueprint[] = []): Wanted {
  if (!desired.known) return { images: [], volumes: [] };
  const images = new Set<string>();
  const volumes = new Set<string>();
  for (const blueprint of [...desired.blueprints, ...waiting]) {
    for (const service of blueprint.services)
      if (service.hold === undefined) images.add(service.container.image);
    for (const volume of blueprint.reclaimVolumes) volumes.add(volume);
  }
  return { images: [...images].sort(), volumes: [...volumes].sort() };
}

/**
 * true for an event that is no reason to look: what foreign containers do and what becomes of images we do not run, which
 * on a gateway whose executors start a container for each job is most of it. Only a name that a foreign container holds,
 * and an image that is missing, make their doings interesting.
 */
export function isNoise(
  event: EngineEvent,
  node: string,
  observed: ObservedState | undefined,
  plan: Plan | undefined,
): boolean {
  if (observed === undefined || plan === undefined) return false;
  if (event.type === 'image')
    return !plan.holds.some(({ reason }) => ABOUT_IMAGES.has(reason)) && !isWanted(event, observed);
  if (plan.holds.some(({ reason }) => reason === 'NameConflict')) return false;
  if (event.container === undefined)
    return event.isForeign === true || (event.node !== undefined && event.node !== node);
  const subject = observed.containers.find(({ id }) => id === event.container);
  if (subject === undefined) return false;
  const { [LABEL.managed]: managed, [LABEL.node]: owner = node } = subject.labels;
  return managed !== 'true' || owner !== node;
}

const ABOUT_IMAGES: ReadonlySet<Reason> = new Set<Reason>([
  'Pulling',
  'ImageUnavailable',
  'ImageNotFound',
  'DigestMismatch',
  'RegistryUnauthorized',
  'RegistryForbidden',
  'RegistryUntrusted',
  'RegistryRateLimited',
  'DiskFull',
  'PlatformMismatch',
  'Working',
]);

/** An event names an image by id or reference; one that names neither, or is the adapter's own, counts as wanted. */
function isWanted({ action, id, name }: EngineEvent, observed: ObservedState): boolean {
  if (action === 'inspected') return true;
  const names = new Set([id, ...(name === undefined ? [] : [name])].map(familiar));
  for (const [ref, image] of observed.images)
    if (names.has(familiar(ref)) || (image !== null && names.has(image.id))) return true;
  return false;
}

/** A reference in the engine's short form, so that `docker.io/library/app` and `app:latest` are one. */
export function familiar(ref: string): string {
  return ref
    .replace(/^docker\.io\//, '')
    .replace(/^library\//, '')
    .replace(/:latest$/, '');
}
