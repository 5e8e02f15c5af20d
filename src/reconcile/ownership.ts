import { LABEL } from '../model/container.ts';
import type { DesiredBlueprint, Owner, Service } from '../model/desired.ts';
import { serviceKey } from '../model/desired.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';

/** true: made by an agent of this node (and colony, where both name one); only such containers may be changed. */
export function isOurs(container: ObservedContainer, owner: Owner): boolean {
  const { labels } = container;
  if (labels[LABEL.managed] !== 'true' || labels[LABEL.node] !== owner.node) return false;
  const colony = labels[LABEL.colony] ?? '';
  return colony === '' || owner.colony === '' || colony === owner.colony;
}

/** true: made by the Go reconciler, which labels neither node nor hash. */
export function isPeers(container: ObservedContainer): boolean {
  const { labels } = container;
  return (
    labels[LABEL.managed] === 'true' &&
    labels[LABEL.node] === undefined &&
    labels[LABEL.specHash] === undefined
  );
}

/** The service a container of ours was made for; undefined when its labels do not say. */
export function keyOf(container: ObservedContainer): string | undefined {
  const { labels } = container;
  const deployment = labels[LABEL.deployment];
  const instance = labels[LABEL.instance];
  const replica = labels[LABEL.replica];
  if (deployment === undefined || instance === undefined || replica === undefined) return undefined;
  return serviceKey(deployment, instance, Number(replica));
}

/** Registered names of the executors whose containers exist; undefined while one may be in the making: by an action in
 *  the `running` lanes, or by one that ended after the look had begun. */
export function executorsOf(
  { busy, containers }: ObservedState,
  running: readonly string[],
): ReadonlySet<string> | undefined {
  const isMaking = [...busy, ...running].some(
    (lane) => !/^(image|network|volume|container|relay):/.test(lane),
  );
  return isMaking ? undefined : new Set(containers.flatMap(({ labels }) => labels[LABEL.executor] ?? []));
}

/** All containers of one blueprint that we may touch, by what they are to it. */
export interface BlueprintContainers {
  /** By service key; more than one while a replacement is under way. */
  byKey: ReadonlyMap<string, readonly ObservedContainer[]>;
  /** Ours, but of no service of the present version. */
  surplus: readonly ObservedContainer[];
}

/** Sorts the containers of one blueprint: ours by label, the Go reconciler's by name. */
export function containersOf(
  blueprint: DesiredBlueprint,
  containers: readonly ObservedContainer[],
  owner: Owner,
  adopted: ReadonlyMap<string, string>,
): BlueprintContainers {
  const byKey = new Map<string, ObservedContainer[]>();
  for (const service of blueprint.services) byKey.set(service.key, []);
  const surplus: ObservedContainer[] = [];
  for (const container of containers) {
    if (container.labels[LABEL.deployment] !== blueprint.name) continue;
    const service = serviceOf(blueprint, container, owner);
    if (service !== undefined) byKey.get(service.key)?.push(container);
    else if (isOurs(container, owner) || mayReplacePeers(blueprint, container, adopted))
      surplus.push(container);
  }
  return { byKey, surplus };
}

function serviceOf(
  blueprint: DesiredBlueprint,
  container: ObservedContainer,
  owner: Owner,
): Service | undefined {
  if (isOurs(container, owner)) {
    const key = keyOf(container);
    return blueprint.services.find((service) => service.key === key);
  }
  if (isPeers(container))
    return blueprint.services.find((service) => service.containerName === container.name);
  return undefined;
}

/**
 * The Go reconciler's surplus replicas go only where names are certain. Its executors carry a random suffix, and one
 * whose identity we do not hold may be doing work: it is reported as a stray instead.
 */
function mayReplacePeers(
  blueprint: DesiredBlueprint,
  container: ObservedContainer,
  adopted: ReadonlyMap<string, string>,
): boolean {
  if (!isPeers(container)) return false;
  return adopted.has(container.id) || (blueprint.kind === 'DockerDeployment' && !blueprint.deleting);
}
