import type { DesiredState } from '../model/desired.ts';
import type { Wanted } from '../model/ports.ts';

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
