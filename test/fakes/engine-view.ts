import type { ContainerSpec, MountSpec, PortSpec } from '../../src/model/container.ts';
import type {
  ContainerDetail,
  EngineInfo,
  EngineSnapshot,
  ObservedContainer,
  ObservedImage,
} from '../../src/model/observed.ts';
import type { Wanted } from '../../src/model/ports.ts';
import type { Box } from './engine-types.ts';
import type { EngineWorld } from './engine-world.ts';

const NEVER = '0001-01-01T00:00:00Z';

/** What the real adapter would see of the world right now; `hung` names containers whose inspection does not answer. */
export function viewOf(world: EngineWorld, info: EngineInfo, wanted: Wanted, hung: ReadonlySet<string>) {
  const images = new Map<string, ObservedImage | null>();
  for (const reference of wanted.images) {
    const found = world.findImage(reference);
    if (found === undefined) images.set(reference, null);
    else {
      const { program: _program, ...observed } = found;
      images.set(reference, observed);
    }
  }
  const snapshot: EngineSnapshot = {
    engine: { ...info, arch: world.arch },
    containers: [...world.boxes.values()].map((box) => containerView(world, box, hung)),
    images,
    networks: [...world.networks.values()].map((network) => ({ ...network })),
    stock: world.stock(),
    volumes: new Set(wanted.volumes.filter((name) => world.volumes.has(name))),
  };
  return snapshot;
}

function containerView(world: EngineWorld, box: Box, hung: ReadonlySet<string>): ObservedContainer {
  const labels = { ...box.image.labels, ...box.labels };
  const managed = labels['colonies.managed'] === 'true';
  return {
    id: box.id,
    name: box.name,
    image: world.findImage(box.imageRef)?.id === box.image.id ? box.imageRef : box.image.id,
    imageId: box.image.id,
    labels,
    state: box.state,
    ...(box.state === 'exited' ? { exitCode: box.exitCode } : {}),
    createdAt: Math.floor(box.createdAt / 1000) * 1000,
    ...(box.health !== undefined && box.state === 'running' ? { health: box.health } : {}),
    ports: box.ports.map((port) => ({ ...port })),
    ...(managed && !hung.has(box.name) ? { detail: detailView(box, labels) } : {}),
  };
}

function detailView(box: Box, labels: Record<string, string>): ContainerDetail {
  return {
    startedAt: box.startedAt === 0 ? NEVER : new Date(box.startedAt).toISOString(),
    finishedAt: box.finishedAt === 0 ? NEVER : new Date(box.finishedAt).toISOString(),
    exitCode: box.exitCode,
    oomKilled: box.oomKilled,
    error: box.error,
    restartCount: box.restartCount,
    spec: effectiveSpec(box, labels),
    networks: Object.fromEntries(
      [...box.networks].map(([name, endpoint]) => [name, { ...endpoint, aliases: [...endpoint.aliases] }]),
    ),
  };
}

/** The container as it is: what was asked for, with the image's own defaults mixed in as Docker merges them. */
function effectiveSpec(box: Box, labels: Record<string, string>): ContainerSpec {
  const { spec, image } = box;
  const command = spec.command ?? (spec.entrypoint === undefined ? image.command : []);
  const { healthcheck: _h, workingDir: _w, user: _u, stopSignal: _s, ...rest } = spec;
  const healthcheck = spec.healthcheck ?? image.healthcheck;
  const workingDir = spec.workingDir ?? image.workingDir;
  const user = spec.user ?? image.user;
  const stopSignal = spec.stopSignal ?? image.stopSignal;
  // Shares the nested parts with the world: whoever looks must not change what it sees.
  return {
    ...rest,
    env: { ...image.env, ...spec.env },
    labels,
    command: [...command],
    entrypoint: [...(spec.entrypoint ?? image.entrypoint)],
    ports: withExposed(spec.ports, image.exposedPorts),
    mounts: [...spec.mounts].sort(byTarget),
    log: spec.log ?? { driver: 'json-file', options: {} },
    ...(healthcheck === undefined ? {} : { healthcheck }),
    ...(workingDir === '' ? {} : { workingDir }),
    ...(user === '' ? {} : { user }),
    ...(stopSignal === undefined ? {} : { stopSignal }),
  };
}

function withExposed(ports: readonly PortSpec[], exposed: readonly string[]): PortSpec[] {
  const all = ports.map((port) => ({ ...port }));
  for (const text of exposed) {
    const [number, protocol] = text.split('/');
    const containerPort = Number(number);
    const wire = protocol === 'udp' ? 'udp' : 'tcp';
    if (!all.some((port) => port.containerPort === containerPort && port.protocol === wire))
      all.push({ containerPort, protocol: wire, publish: false, hostIp: '' });
  }
  return all;
}

function byTarget(a: MountSpec, b: MountSpec): number {
  return a.target < b.target ? -1 : a.target > b.target ? 1 : 0;
}
