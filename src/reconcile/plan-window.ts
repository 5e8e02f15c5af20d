import { LABEL } from '../model/container.ts';
import type { DesiredBlueprint, Owner, Service } from '../model/desired.ts';
import { fingerprint } from '../model/hash.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import type { Notice } from '../model/rollout.ts';
import { isOurs, keyOf } from './ownership.ts';
import { forcedCause } from './plan-forced.ts';
import { heldBack } from './plan-steps.ts';
import { lasting } from './plan-version.ts';
import type { Planning } from './planning.ts';

/** Why this container is not replaced by another version now; undefined when it is. A change made by hand, a forced run and
 *  the way back to a good version wait for no window. */
export function outsideWindow(
  { observed }: Planning,
  { blueprint, container: { image }, specHash }: Service,
  old: ObservedContainer,
): Notice | undefined {
  const view = observed.windows?.get(blueprint);
  if (view?.update === undefined || forcedCause(observed, blueprint, old.id) !== undefined) return undefined;
  const imageId = observed.images.get(image)?.id;
  const isVersion = old.labels[LABEL.specHash] === specHash || observed.adopted.get(old.id) === specHash;
  const hasMoved = isVersion && imageId !== undefined && old.imageId !== '' && old.imageId !== imageId;
  return hasMoved || !(isVersion || view.isStandIn) ? view.update : undefined;
}

/** Why the image of a service is not pulled now; undefined when it is. */
export function pullOutsideWindow(
  { observed }: Planning,
  { blueprint, container: { image } }: Service,
): Notice | undefined {
  const view = observed.windows?.get(blueprint);
  return view === undefined || view.proven.has(image) ? undefined : view.download;
}

/** true: the image that is there does, also with `pullPolicy: Always`. */
export function isThrifty({ observed }: Planning, { blueprint }: Service): boolean {
  return observed.windows?.get(blueprint)?.isThrifty === true;
}

/** Plans the pulls of a version that waits for its update window, so that its images are there by then. */
export function pullAhead(planning: Planning, { name, deleting }: DesiredBlueprint): void {
  if (deleting) return;
  for (const image of planning.observed.windows?.get(name)?.toPull ?? []) {
    const lane = `image:${image}`;
    if (heldBack(planning, lane, name, image)) continue;
    const cause = 'needed by the version that waits for its update window';
    planning.act({ kind: 'pullImage', lane, blueprint: name, cause, image });
  }
}

/** true when a version changes or takes away containers of the one before. One that only adds some, or that asks for
 *  another number of replicas or for none at all, does not. */
export function replaces(next: DesiredBlueprint, before: DesiredBlueprint): boolean {
  if (next.services.length === 0) return false;
  const services = new Map(lasting(next).services.map((service) => [service.key, service]));
  const instances = new Set(next.services.map(({ instance }) => instance));
  return lasting(before).services.some((old) => {
    const service = services.get(old.key);
    if (service === undefined) return !instances.has(old.instance);
    return fingerprint(essence(service)) !== fingerprint(essence(old));
  });
}

function essence({ container, probe, update, dependsOn, onUnhealthy, pullPolicy }: Service): unknown {
  return { container, probe, update, dependsOn, onUnhealthy, pullPolicy };
}

/** true when there is a container of what is new in a version: then it is carried to its end. */
export function hasBegun(
  version: DesiredBlueprint,
  before: DesiredBlueprint | undefined,
  observed: ObservedState,
  owner: Owner,
): boolean {
  const old = new Map(before?.services.map(({ key, specHash }) => [key, specHash]));
  // Kept versions are without identities, containers with them.
  const bare = new Map(lasting(version).services.map(({ key, specHash }) => [key, specHash]));
  const fresh = version.services.filter(({ key }) => old.get(key) !== bare.get(key));
  if (fresh.length === 0) return false;
  const hashes = new Map(fresh.map(({ key, specHash }) => [key, specHash]));
  const adoptable = new Set(fresh.map(({ specHash }) => specHash));
  return observed.containers.some((container) => {
    const adopted = observed.adopted.get(container.id);
    if (adopted !== undefined && container.labels[LABEL.deployment] === version.name)
      return adoptable.has(adopted);
    const key = isOurs(container, owner) ? keyOf(container) : undefined;
    return key !== undefined && hashes.get(key) === container.labels[LABEL.specHash];
  });
}

/** References that a version still lacks; `got`: those pulled anew for it already, for `pullPolicy: Always`. */
export function lackingImages(
  version: DesiredBlueprint,
  images: ObservedState['images'],
  got: ReadonlySet<string>,
): { absent: string[]; stale: string[] } {
  const absent = new Set<string>();
  const stale = new Set<string>();
  for (const { container, hold, pullPolicy } of version.services) {
    const ref = container.image;
    if (hold !== undefined || pullPolicy === 'Never') continue;
    if (images.get(ref) === null) absent.add(ref);
    else if (pullPolicy === 'Always' && !got.has(ref)) stale.add(ref);
  }
  return { absent: [...absent].sort(), stale: [...stale].sort() };
}
