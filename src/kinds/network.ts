import type { NetworkSpec } from '../model/container.ts';
import type { Fields } from './fields.ts';
import type { LocatedPort } from './ports.ts';
import { OBJECT_NAME, type Scope } from './scope.ts';

/** The network a blueprint's containers join unless an instance says otherwise. */
export interface SharedNetwork {
  name: string;
  create: boolean;
  driver: string;
  /** true: the blueprint names it itself. */
  own: boolean;
}

/** Names that the engine keeps for its own modes. */
const PREDEFINED = new Set(['bridge', 'host', 'none', 'default']);

/** Reads `spec.network`; absent: the node's default network, created when missing. */
export function readSharedNetwork(fields: Fields, scope: Scope): SharedNetwork {
  const fallback = { name: scope.context.defaultNetwork, create: true, driver: 'bridge', own: false };
  const network = fields.object('network');
  if (network === undefined) return fallback;
  const name = network.textLike('name', OBJECT_NAME, 'a network name of letters, digits, "_", "." and "-"');
  const create = network.bool('create') ?? true;
  const driver = network.text('driver') ?? 'bridge';
  network.done();
  if (name !== undefined && PREDEFINED.has(name)) {
    network.refuse('name', "must not be one of the engine's own networks; use networkMode of the instance");
    return fallback;
  }
  if (name === undefined) return { ...fallback, create, driver };
  return { name, create, driver, own: name !== fallback.name };
}

/** What `networkMode` asks for, before the container's name and aliases are known. */
export type NetworkMode =
  | Exclude<NetworkSpec, { mode: 'network' }>
  | { mode: 'network'; network: SharedNetwork };

/** Reads `networkMode` of an instance; absent: the blueprint's network. */
export function readNetworkMode(fields: Fields, scope: Scope, shared: SharedNetwork): NetworkMode {
  const ours: NetworkMode = { mode: 'network', network: shared };
  const value = fields.text('networkMode', '"bridge", "host", "none", "container:<name>" or a network name');
  if (value === undefined) return ours;
  if (value === 'bridge' || value === 'default') return { mode: 'bridge' };
  if (value === 'none') return { mode: 'none' };
  if (value === 'host') {
    if (!scope.context.policy.allowHostNetwork)
      fields.problems.error(
        fields.at('networkMode'),
        'is not allowed by the policy (allowHostNetwork: false)',
        { value },
        'PolicyRefused',
      );
    return { mode: 'host' };
  }
  const container = /^container:(.*)$/s.exec(value)?.[1];
  if (container !== undefined) {
    if (OBJECT_NAME.test(container)) return { mode: 'container', container };
    fields.refuse('networkMode', 'must name a container, as in "container:web"');
    return ours;
  }
  if (!OBJECT_NAME.test(value)) {
    fields.refuse('networkMode', 'must be "bridge", "host", "none", "container:<name>" or a network name');
    return ours;
  }
  if (value === shared.name) return ours;
  const isDefault = value === scope.context.defaultNetwork;
  // Somebody else's network is used, not made: `spec.network` is the place to ask for one.
  return { mode: 'network', network: { name: value, create: isDefault, driver: 'bridge', own: false } };
}

/** The network of one container. The engine takes aliases only in networks of its users. */
export function networkOf(mode: NetworkMode, aliases: readonly string[]): NetworkSpec {
  if (mode.mode !== 'network') return mode;
  const { name, create, driver } = mode.network;
  return { mode: 'network', name, aliases: [...new Set(aliases)], create, driver };
}

/**
 * Checks what the modes `host`, `none` and `container:` exclude, and returns the ports to keep: `host` keeps them, since
 * the container really occupies them; the engine refuses them with `container:` and ignores them with `none`.
 */
export function checkMode(
  fields: Fields,
  mode: NetworkMode,
  ports: readonly LocatedPort[],
): readonly LocatedPort[] {
  if (mode.mode === 'network' || mode.mode === 'bridge') return ports;
  const { problems } = fields;
  const shown = mode.mode === 'container' ? 'container:' : mode.mode;
  const noted = new Set<string>();
  for (const { port, path } of ports) {
    if (!port.publish || noted.has(path)) continue;
    noted.add(path);
    if (port.hostPort !== undefined && port.hostPort !== port.containerPort)
      problems.error(
        path,
        `must not move port ${port.containerPort} to ${port.hostPort}: networkMode "${shown}" publishes no ports`,
      );
    else problems.warn(path, `has no effect with networkMode "${shown}", which publishes no ports`);
  }
  if (mode.mode === 'container')
    for (const key of ['hostname', 'extraHosts'])
      if (fields.has(key)) fields.refuse(key, 'must be left out with networkMode "container:"');
  return mode.mode === 'host' ? ports : [];
}
