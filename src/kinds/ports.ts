import { ipVersion } from '../base/ip.ts';
import type { PortSpec } from '../model/container.ts';
import type { Fields } from './fields.ts';
import { readHandover } from './handover.ts';

/** Ports of one instance, with where each stands in the document. */
export interface LocatedPort {
  port: PortSpec;
  path: string;
  /** A relay holds its host port. */
  handover?: { drainMs: number };
}

/** Most ports that one range may name. */
const MAX_RANGE = 256;
/** Published ports above which the engine's helper processes weigh in (FIELDS.md 4.1). */
const MANY_PORTS = 32;

/** Reads `ports[]` of a DockerDeployment instance: container, host, protocol, hostIp, publish, containerEnd, handover. */
export function readPorts(fields: Fields): readonly LocatedPort[] {
  const ports = fields.objects('ports').flatMap((port) => {
    const first = port.int('container', 1, 65535);
    if (first === undefined && !port.has('container')) port.refuse('container', 'must be a port number');
    const host = port.int('host', 1, 65535);
    const publish = port.bool('publish') ?? true;
    if (!publish && port.has('host')) port.refuse('host', 'must be left out with publish: false');
    return readRange(port, first, publish, host);
  });
  return checked(fields, ports);
}

/** Reads `ports[]` of an ExecutorDeployment: name, port, protocol, handover; the host port equals the container port. */
export function readExecutorPorts(fields: Fields): readonly LocatedPort[] {
  const ports = fields.objects('ports').flatMap((port) => {
    port.text('name');
    const first = port.int('port', 1, 65535);
    if (first === undefined && !port.has('port')) port.refuse('port', 'must be a port number');
    const publish = port.bool('publish') ?? true;
    return readRange(port, first, publish, publish ? first : undefined);
  });
  return checked(fields, ports);
}

function readRange(
  fields: Fields,
  first: number | undefined,
  publish: boolean,
  host: number | undefined,
): LocatedPort[] {
  const protocol = readProtocol(fields);
  const hostIp = readHostIp(fields);
  const handover = readHandover(fields, protocol, publish ? host : undefined);
  const last = fields.int('containerEnd', first ?? 1, 65535) ?? first;
  fields.done('warning', { containerPort: 'container', hostPort: 'host', hostIP: 'hostIp' });
  if (first === undefined || last === undefined) return [];
  const count = last - first + 1;
  if (count > MAX_RANGE) {
    fields.refuse('containerEnd', `must be at most ${MAX_RANGE - 1} above the first port`);
    return [];
  }
  if (host !== undefined && host + count - 1 > 65535) {
    fields.refuse('host', `must leave room for ${count} ports up to 65535`);
    return [];
  }
  return Array.from({ length: count }, (_, i) => ({
    path: fields.path,
    ...(handover === undefined ? {} : { handover }),
    port: {
      containerPort: first + i,
      protocol,
      publish,
      ...(host === undefined || !publish ? {} : { hostPort: host + i }),
      // The engine binds both address families for an ephemeral port; a fixed one is IPv4, as the Go reconciler does it.
      hostIp: hostIp ?? (host === undefined || !publish ? '' : '0.0.0.0'),
    },
  }));
}

function readProtocol(fields: Fields): 'tcp' | 'udp' {
  const value = fields.text('protocol', '"tcp" or "udp"')?.toLowerCase();
  if (value === undefined || value === 'tcp') return 'tcp';
  if (value === 'udp') return 'udp';
  fields.refuse('protocol', 'must be "tcp" or "udp"');
  return 'tcp';
}

function readHostIp(fields: Fields): string | undefined {
  const value = fields.text('hostIp', 'an IP address of this host');
  if (value === undefined || ipVersion(value) !== 0) return value;
  return fields.refuse('hostIp', 'must be an IP address such as "127.0.0.1"');
}

function checked(fields: Fields, ports: readonly LocatedPort[]): readonly LocatedPort[] {
  const seen = new Set<string>();
  for (const { port, path } of ports) {
    if (port.hostPort !== undefined) continue;
    const key = `${port.containerPort}/${port.protocol}/${port.publish}`;
    if (seen.has(key))
      fields.problems.error(path, `must not list port ${port.containerPort}/${port.protocol} twice`);
    seen.add(key);
  }
  const published = ports.filter(({ port }) => port.publish).length;
  if (published > MANY_PORTS)
    fields.problems.warn(
      fields.at('ports'),
      `publishes ${published} ports, each with two helper processes of the engine; consider networkMode "host"`,
    );
  return ports;
}

/** Notes host ports that two instances, or two replicas, would both need. `instances` are those that use the host's ports. */
export function checkHostPorts(
  instances: readonly { ports: readonly LocatedPort[]; fields: Fields }[],
  replicas: number,
): void {
  const taken: { port: PortSpec; path: string }[] = [];
  const noted = new Set<string>();
  for (const { ports, fields } of instances)
    for (const { port, path } of ports) {
      if (port.hostPort === undefined || noted.has(path)) continue;
      const { problems } = fields;
      if (replicas > 1) {
        noted.add(path);
        problems.error(
          path,
          `must not fix host port ${port.hostPort} with ${replicas} replicas; only one can have it`,
        );
        continue;
      }
      const other = taken.find((earlier) => clash(earlier.port, port));
      if (other !== undefined) {
        noted.add(path);
        problems.error(
          path,
          `must not use host port ${port.hostPort}/${port.protocol}, which ${other.path} has already`,
        );
      }
      taken.push({ port, path });
    }
}

/** Whether two published ports cannot be bound at the same time. */
export function clash(a: PortSpec, b: PortSpec): boolean {
  return (
    a.hostPort !== undefined &&
    a.hostPort === b.hostPort &&
    a.protocol === b.protocol &&
    addressesOverlap(a.hostIp, b.hostIp)
  );
}

function addressesOverlap(a: string, b: string): boolean {
  if (a === b || a === '' || b === '') return true;
  if (ipVersion(a) !== ipVersion(b)) return false;
  const any = ipVersion(a) === 4 ? '0.0.0.0' : '::';
  return a === any || b === any;
}
