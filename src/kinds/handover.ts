import type { ContainerSpec, MountSpec, PortSpec } from '../model/container.ts';
import { type Service, serviceKey } from '../model/desired.ts';
import { fingerprint, specHash } from '../model/hash.ts';
import { RELAY_FOLDER, RELAY_IMAGE } from '../model/relay.ts';
import type { RelayRuntime } from './context.ts';
import type { Fields } from './fields.ts';
import { managedLabels } from './labels.ts';
import { type NetworkMode, networkOf } from './network.ts';
import type { LocatedPort } from './ports.ts';
import { readDurationMs } from './quantity.ts';
import type { Scope } from './scope.ts';

const DEFAULT_DRAIN_MS = 30_000;

/** First port that a relay listens on in its own container; it may bind it without any right. */
const FIRST_PORT = 10_000;

/** What a relay may take: 1000 connections with full buffers fit in. */
const LIMITS = { memoryBytes: 192 * 1024 ** 2, pidsLimit: 64 };

/** Reads `handover` of a port: true, false or `{ drain }`. `host`: its fixed host port. */
export function readHandover(
  fields: Fields,
  protocol: 'tcp' | 'udp',
  host: number | undefined,
): { drainMs: number } | undefined {
  const value = fields.raw('handover');
  if (value === undefined || value === false) return undefined;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (value !== true && !isObject)
    return fields.refuse('handover', 'must be true, false or an object such as { "drain": "30s" }');
  const options = isObject ? fields.object('handover') : undefined;
  const drainMs = options === undefined ? undefined : readDurationMs(options, 'drain');
  options?.done();
  if (protocol !== 'tcp')
    return fields.refuse(
      'handover',
      'must be left out with protocol "udp": only tcp connections are relayed',
    );
  if (host === undefined)
    return fields.refuse('handover', 'must be left out without a fixed host port, which it is there for');
  return { drainMs: drainMs ?? DEFAULT_DRAIN_MS };
}

/** Notes ports that cannot be relayed in this network mode, or on this node. */
export function checkHandover(mode: NetworkMode, ports: readonly LocatedPort[], scope: Scope): void {
  for (const { handover, path } of ports) {
    if (handover === undefined) continue;
    if (mode.mode !== 'network')
      scope.problems.error(
        `${path}.handover`,
        `must be left out with networkMode "${mode.mode}": a relay finds its container by the names of a network`,
      );
    else if (scope.context.relay === undefined)
      scope.problems.error(
        `${path}.handover`,
        'must be left out here: the agent does not run from files that a container can be given',
      );
  }
}

/** The ports as the container itself has them: one with a relay is open to its network only. */
export function containerPorts(ports: readonly LocatedPort[]): readonly PortSpec[] {
  const own = ports.filter(({ handover }) => handover === undefined).map(({ port }) => port);
  const known = new Set(own.map(keyOf));
  for (const { handover, port } of ports) {
    if (handover === undefined || known.has(keyOf(port))) continue;
    known.add(keyOf(port));
    own.push({ containerPort: port.containerPort, protocol: port.protocol, publish: false, hostIp: '' });
  }
  return own;
}

function keyOf({ containerPort, protocol }: PortSpec): string {
  return `${containerPort}/${protocol}`;
}

/** A service, and the relay that holds its ports where it asks for one. */
export function withRelay(
  service: Service,
  template: { ports: readonly LocatedPort[]; networkMode: NetworkMode },
  scope: Scope,
): readonly Service[] {
  const relayed = template.ports.filter(({ handover }) => handover !== undefined);
  const { relay: runtime } = scope.context;
  if (relayed.length === 0 || runtime === undefined) return [service];
  const drainMs = Math.max(...relayed.map(({ handover }) => handover?.drainMs ?? 0));
  const relay = relayOf(service, relayed, template.networkMode, scope, runtime);
  return [{ ...service, handover: { relay: relay.key, drainMs } }, relay];
}

function relayOf(
  { key: to, blueprint, instance, containerName: name, update }: Service,
  relayed: readonly LocatedPort[],
  mode: NetworkMode,
  scope: Scope,
  runtime: RelayRuntime,
): Service {
  const own = `${instance}.relay`;
  const containerName = `${name}.relay`;
  const folder = fingerprint(to).slice(0, 12);
  const pairs = relayed.map(({ port }, i) => `${FIRST_PORT + i}:${port.containerPort}`);
  const container: ContainerSpec = {
    image: RELAY_IMAGE,
    env: {
      ...runtime.env,
      COLONIES_DEPLOYMENT: blueprint,
      COLONIES_CONTAINER_NAME: containerName,
    },
    entrypoint: [...runtime.command, 'relay', RELAY_FOLDER, ...pairs],
    user: '65534:65534',
    labels: {},
    ports: relayed.map(({ port }, i) => ({ ...port, containerPort: FIRST_PORT + i })),
    mounts: [
      { type: 'bind', source: `${runtime.folder}/${folder}`, target: RELAY_FOLDER, readOnly: false },
      ...runtime.mounts.map((path): MountSpec => {
        return { type: 'bind', source: path, target: path, readOnly: true };
      }),
    ],
    network: networkOf(mode, []),
    privileged: false,
    capDrop: ['ALL'],
    readOnlyRootfs: true,
    noNewPrivileges: true,
    // Also while there is no agent to start it.
    restart: { name: 'always', maxRetries: 0 },
    limits: LIMITS,
  };
  const hash = specHash(container);
  return {
    key: serviceKey(blueprint, own, 0),
    blueprint,
    instance: own,
    replica: 0,
    containerName,
    specHash: hash,
    container,
    managedLabels: managedLabels(scope, { instance: own, replica: 0, specHash: hash }),
    pullPolicy: 'Never',
    dependsOn: [],
    onUnhealthy: 'restart',
    // Of two relays only one could hold the port.
    ...(update === undefined ? {} : { update: { ...update, strategy: 'auto' } }),
    relay: { to, folder },
  };
}
