import { LABEL } from '../model/container.ts';
import type { DesiredBlueprint } from '../model/desired.ts';
import type { ObservedContainer } from '../model/observed.ts';
import { type Scene, type Target, targetOf } from './order.ts';
import { keyOf } from './ownership.ts';
import { isUp } from './plan-steps.ts';
import { holding } from './setback.ts';

/** A container that is to go and still runs. */
interface Leaver {
  container: ObservedContainer;
  key: string;
  blueprint: string;
  instance: string;
  dependsOn: readonly Target[];
}

/**
 * Containers that are to go, by id, whose dependants are to go too and still run: with the name of one of those, after which
 * they are stopped. Who stays is not waited for. Nor is one that cannot be stopped: while its failure holds it back, what it
 * depends on goes on. Where all wait for one another (versions of different times may disagree) nobody does.
 */
export function stoppedLater(scene: Scene, monoMs: number): ReadonlyMap<string, string> {
  const later = new Map<string, string>();
  if (!scene.desired.blueprints.some(({ order }) => order !== undefined)) return later;
  const leavers = scene.desired.blueprints.flatMap((blueprint) => leaversOf(scene, blueprint));
  leavers.sort((a, b) => (a.container.name < b.container.name ? -1 : 1));
  const { setbacks } = scene.observed;
  const waitedFor = leavers.filter(({ key, container }) => {
    const specHash = container.labels[LABEL.specHash] ?? '';
    return holding(setbacks, key, specHash, monoMs) === undefined;
  });
  for (const leaver of leavers) {
    const first = waitedFor.find((other) => other.key !== leaver.key && dependsOn(other, leaver));
    if (first !== undefined) later.set(leaver.container.id, first.container.name);
  }
  return later.size === leavers.length ? new Map() : later;
}

function leaversOf(scene: Scene, blueprint: DesiredBlueprint): Leaver[] {
  const { name, order = {}, services } = blueprint;
  const instances = new Set([...services.map(({ instance }) => instance), ...Object.keys(order)]);
  return (scene.containers.get(name)?.surplus ?? []).flatMap((container): Leaver[] => {
    const key = keyOf(container);
    const instance = container.labels[LABEL.instance];
    if (key === undefined || instance === undefined || !isUp(container)) return [];
    const names = Object.hasOwn(order, instance) ? (order[instance] ?? []) : [];
    const targets = names.map((target) => targetOf(target, name, (one) => instances.has(one)));
    return [{ container, key, blueprint: name, instance, dependsOn: targets }];
  });
}

function dependsOn(dependant: Leaver, { blueprint, instance }: Leaver): boolean {
  return dependant.dependsOn.some(
    (target) =>
      target.blueprint === blueprint && (target.instance === undefined || target.instance === instance),
  );
}
