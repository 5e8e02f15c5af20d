import type { Hold } from '../model/action.ts';
import type { DesiredBlueprint, Service } from '../model/desired.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import type { Planning } from './planning.ts';

/** Why a container is replaced by a forced run; also the cause of its pulls. */
export const FORCED = 'forced run';

/** Why the container that a forced run made goes again. */
export const FORCED_BACK = 'the forced run failed, the container before it goes on';

/** References that a forced run of this blueprint has to pull; held services and those that never pull are left out. */
export function refsOf(blueprint: DesiredBlueprint): ReadonlySet<string> {
  const services = blueprint.services.filter(
    ({ hold, pullPolicy }) => hold === undefined && pullPolicy !== 'Never',
  );
  return new Set(services.map(({ container }) => container.image));
}

/** Plans the pulls of a forced run. What failed before is no reason to wait: somebody asked for it now. */
export function pullAnew(planning: Planning, blueprint: DesiredBlueprint): void {
  const run = planning.observed.forced.get(blueprint.name);
  if (run?.phase !== 'pulling' || blueprint.deleting) return;
  const toPull = [...run.toPull].sort();
  for (const image of toPull)
    planning.act({
      kind: 'pullImage',
      lane: `image:${image}`,
      blueprint: blueprint.name,
      cause: FORCED,
      image,
      ...(toPull.length < 2 ? {} : { together: toPull.filter((other) => other !== image) }),
    });
}

/** Why a replacement does not begin while a forced run pulls; undefined when none does. The run replaces it all the same. */
export function pullsAnew(
  { observed }: Planning,
  { blueprint }: Service,
): Omit<Hold, 'key' | 'blueprint'> | undefined {
  const run = observed.forced.get(blueprint);
  if (run?.phase !== 'pulling' || run.toPull.size === 0) return undefined;
  return { reason: 'Pulling', message: 'waits for the images that a forced run pulls anew' };
}

/** Why a forced run replaces this container; undefined when none does. */
export function forcedCause(
  observed: ObservedState,
  blueprint: string,
  containerId: string,
): string | undefined {
  const run = observed.forced.get(blueprint);
  return run?.phase === 'recreating' ? run.containers.get(containerId) : undefined;
}

/** true while a forced run pulls this reference anew and it is not decided whether anything will be touched. */
export function isRefreshed(observed: ObservedState, ref: string): boolean {
  for (const run of observed.forced.values()) if (run.phase === 'pulling' && run.refs.has(ref)) return true;
  return false;
}

/** true when it is no reason for a new container that the reference stands for another image now. */
export function keepsImage(observed: ObservedState, container: ObservedContainer, ref: string): boolean {
  if (isRefreshed(observed, ref)) return true;
  const kept = observed.keptImages.get(container.id);
  return kept !== undefined && (kept === '' || kept === observed.images.get(ref)?.id);
}
