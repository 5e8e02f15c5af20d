import type { DesiredBlueprint, Service } from '../model/desired.ts';
import { dependencyCycle, findCycle } from '../model/graph.ts';
import type { Problem } from '../model/problem.ts';
import { clash } from './ports.ts';

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

function crossCycle(blueprints: readonly DesiredBlueprint[]): Problem[] {
  const cycle = dependencyCycle(blueprints);
  if (cycle === undefined) return [];
  return [problem('error', `${cycle[0]}: spec.dependsOn`, `must not form a cycle: ${cycle.join(' -> ')}`)];
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
