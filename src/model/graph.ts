import type { DesiredBlueprint } from './desired.ts';

/** The first cycle met, as `[a, b, a]`; undefined when there is none. Targets that are no keys lead nowhere. */
export function findCycle(edges: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const done = new Set<string>();
  for (const start of edges.keys()) {
    if (done.has(start)) continue;
    // Depth first with a stack of its own: a chain may be longer than the call stack.
    const path: string[] = [start];
    const onPath = new Set(path);
    const next: number[] = [0];
    while (path.length > 0) {
      const node = path[path.length - 1] ?? '';
      const i = next[next.length - 1] ?? 0;
      next[next.length - 1] = i + 1;
      const target = edges.get(node)?.[i];
      if (target === undefined) {
        done.add(node);
        onPath.delete(node);
        path.pop();
        next.pop();
      } else if (onPath.has(target)) return [...path.slice(path.indexOf(target)), target];
      else if (!done.has(target) && edges.has(target)) {
        path.push(target);
        onPath.add(target);
        next.push(0);
      }
    }
  }
  return undefined;
}

/**
 * A cycle of `dependsOn` among blueprints, closed, as people are told of it: by blueprint, or by `blueprint/instance` when it
 * lies within one; undefined when there is none. Targets that are not there lead nowhere.
 */
export function dependencyCycle(blueprints: readonly DesiredBlueprint[]): readonly string[] | undefined {
  // Nodes are `blueprint` (all of it) and `blueprint/instance`; a blueprint leads to its instances.
  const edges = new Map<string, readonly string[]>();
  for (const { name, services } of blueprints) {
    const instances = new Set(services.map(({ instance }) => instance));
    edges.set(
      name,
      [...instances].map((instance) => `${name}/${instance}`),
    );
    for (const { instance, dependsOn } of services)
      edges.set(
        `${name}/${instance}`,
        dependsOn.map((target) => (instances.has(target.name) ? `${name}/${target.name}` : target.name)),
      );
  }
  const cycle = findCycle(edges);
  if (cycle === undefined) return undefined;
  // Named by blueprint: an instance whose blueprint stands beside it would only repeat it.
  const owners = cycle.map((node) => node.split('/')[0] ?? node);
  const within = new Set(owners).size === 1 && cycle.every((node) => node.includes('/'));
  const shown = within ? cycle : owners.filter((owner, i) => i === 0 || owner !== owners[i - 1]);
  return shown.length === 1 ? [...shown, ...shown] : shown;
}
