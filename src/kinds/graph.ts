import type { DesiredBlueprint, Service } from '../model/desired.ts';
import type { Problem } from '../model/problem.ts';
import { clash } from './ports.ts';

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

/** A cycle among the instances of one blueprint, as `[a, b, a]`. */
export function instanceCycle(services: readonly Service[]): readonly string[] | undefined {
  const names = new Set(services.map(({ instance }) => instance));
  const edges = new Map<string, readonly string[]>();
  for (const { instance, dependsOn, blueprint } of services)
    edges.set(
      instance,
      dependsOn.flatMap(({ name }) => {
        if (names.has(name)) return [name];
        if (name === blueprint) return [...names];
        const inside = name.startsWith(`${blueprint}/`) ? name.slice(blueprint.length + 1) : undefined;
        return inside === undefined ? [] : [inside];
      }),
    );
  return findCycle(edges);
}

/**
 * Checks what only shows when blueprints are seen together: cycles of `dependsOn` through several blueprints, container
 * names and host ports that two of them want (errors), and aliases that two of them claim (warnings). Each problem's path
 * begins with a blueprint's name. Empty when all is well.
 */
export function checkGraph(blueprints: readonly DesiredBlueprint[]): Problem[] {
  const active = blueprints.filter(({ deleting }) => !deleting);
  return [...crossCycle(active), ...sharedNames(active), ...sharedPorts(active), ...sharedAliases(active)];
}

function problem(severity: Problem['severity'], path: string, message: string): Problem {
  return { severity, reason: severity === 'error' ? 'SpecInvalid' : 'SpecWarning', path, message };
}

/** Nodes are `blueprint` (all of it) and `blueprint/instance`; a blueprint leads to its instances. */
function crossCycle(blueprints: readonly DesiredBlueprint[]): Problem[] {
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
  if (cycle === undefined) return [];
  // Named by blueprint: an instance whose blueprint stands beside it would only repeat it.
  const owners = cycle.map((node) => node.split('/')[0] ?? node);
  const within = new Set(owners).size === 1 && cycle.every((node) => node.includes('/'));
  const shown = within ? cycle : owners.filter((owner, i) => i === 0 || owner !== owners[i - 1]);
  const closed = shown.length === 1 ? [...shown, ...shown] : shown;
  return [problem('error', `${closed[0]}: spec.dependsOn`, `must not form a cycle: ${closed.join(' -> ')}`)];
}

function sharedNames(blueprints: readonly DesiredBlueprint[]): Problem[] {
  const owners = new Map<string, string>();
  return blueprints.flatMap(({ name, services }) =>
    services.flatMap(({ containerName }) => {
      const owner = owners.get(containerName);
      owners.set(containerName, owner ?? name);
      if (owner === undefined || owner === name) return [];
      return [
        problem('error', `${name}: spec`, `wants the container name "${containerName}", as ${owner} does`),
      ];
    }),
  );
}

function sharedPorts(blueprints: readonly DesiredBlueprint[]): Problem[] {
  const taken: { owner: string; port: Service['container']['ports'][number] }[] = [];
  return blueprints.flatMap(({ name, services }) =>
    services.flatMap(({ container }) =>
      container.ports.flatMap((port) => {
        if (port.hostPort === undefined || !port.publish) return [];
        const other = taken.find((item) => item.owner !== name && clash(item.port, port));
        taken.push({ owner: name, port });
        const wanted = `host port ${port.hostPort}/${port.protocol}`;
        return other === undefined
          ? []
          : [problem('error', `${name}: spec`, `wants ${wanted}, as ${other.owner} does`)];
      }),
    ),
  );
}

function sharedAliases(blueprints: readonly DesiredBlueprint[]): Problem[] {
  const owners = new Map<string, string>();
  const noted = new Set<string>();
  return blueprints.flatMap(({ name, services }) =>
    services.flatMap(({ container: { network } }) => {
      if (network.mode !== 'network') return [];
      return network.aliases.flatMap((alias) => {
        const key = `${network.name}/${alias}`;
        const owner = owners.get(key);
        owners.set(key, owner ?? name);
        if (owner === undefined || owner === name || noted.has(`${key}/${name}`)) return [];
        noted.add(`${key}/${name}`);
        const message = `answers to "${alias}" in network ${network.name}, as ${owner} does; names resolve to either`;
        return [problem('warning', `${name}: metadata.name`, message)];
      });
    }),
  );
}
