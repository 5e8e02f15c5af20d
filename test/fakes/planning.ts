import type { Action } from '../../src/model/action.ts';
import { type ContainerSpec, LABEL } from '../../src/model/container.ts';
import type { DesiredBlueprint, DesiredState, Owner, Service } from '../../src/model/desired.ts';
import { serviceKey } from '../../src/model/desired.ts';
import { fingerprint, specHash } from '../../src/model/hash.ts';
import type { ForcedRun, ObservedContainer, ObservedImage, ObservedState } from '../../src/model/observed.ts';
import type { RelayView } from '../../src/model/relay.ts';

/** Builders for planner tests: one desired blueprint, one observed world, and mutations of both. */

export const OWNER: Owner = { node: 'edge-1', colony: 'dev' };

export const NETWORK = 'colonies_default';

export function specOf(change: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    image: 'app:1',
    env: { MODE: 'a' },
    labels: {},
    ports: [],
    mounts: [],
    network: { mode: 'network', name: NETWORK, aliases: ['app'], create: true, driver: 'bridge' },
    privileged: false,
    restart: { name: 'unless-stopped', maxRetries: 0 },
    limits: {},
    ...change,
  };
}

export interface BlueprintOptions {
  instances?: readonly string[];
  replicas?: number;
  spec?: Partial<ContainerSpec>;
  service?: Partial<Service>;
  generation?: number;
  blueprintId?: string;
  deleting?: boolean;
  kind?: string;
}

export function blueprintOf(name: string, options: BlueprintOptions = {}): DesiredBlueprint {
  const {
    instances = [name],
    replicas = 1,
    generation = 0,
    blueprintId = '',
    kind = 'DockerDeployment',
  } = options;
  const services = instances.flatMap((instance) =>
    Array.from({ length: replicas }, (_, replica): Service => {
      const container = specOf({ ...options.spec });
      const hash = specHash(container);
      return {
        key: serviceKey(name, instance, replica),
        blueprint: name,
        instance,
        replica,
        containerName: replicas === 1 ? instance : `${instance}-${replica}`,
        specHash: hash,
        container,
        managedLabels: {
          [LABEL.deployment]: name,
          [LABEL.managed]: 'true',
          [LABEL.generation]: String(generation),
          [LABEL.kind]: kind,
          [LABEL.blueprintId]: blueprintId,
          [LABEL.instance]: instance,
          [LABEL.replica]: String(replica),
          [LABEL.specHash]: hash,
          [LABEL.node]: OWNER.node,
          [LABEL.colony]: OWNER.colony,
        },
        pullPolicy: 'IfNotPresent',
        dependsOn: [],
        onUnhealthy: 'restart',
        ...options.service,
      };
    }),
  );
  const document = {
    kind,
    name,
    colony: '',
    location: '',
    labels: {},
    annotations: {},
    generation,
    blueprintId,
    spec: {},
    origin: { source: 'directory' as const, file: `/blueprints/${name}.json`, document: 0 },
    warnings: [],
  };
  return {
    name,
    kind,
    blueprintId,
    generation,
    blueprint: document,
    specHash: fingerprint(services.map((service) => service.specHash)),
    services: options.deleting === true ? [] : services,
    warnings: [],
    deleting: options.deleting === true,
    reclaimVolumes: [],
    reclaimNetworks: [],
  };
}

export function desiredOf(...blueprints: DesiredBlueprint[]): DesiredState & { known: true } {
  return { known: true, owner: OWNER, blueprints, refusals: [] };
}

export function imageOf(ref: string, change: Partial<ObservedImage> = {}): ObservedImage {
  return {
    id: `sha256:${fingerprint(ref)}`,
    os: 'linux',
    arch: 'amd64',
    variant: '',
    env: { PATH: '/bin' },
    labels: { maintainer: 'nobody' },
    command: ['serve'],
    entrypoint: [],
    workingDir: '/srv',
    user: 'app',
    exposedPorts: ['80/tcp'],
    volumes: [],
    ...change,
  };
}

export const ENGINE: ObservedState['engine'] = {
  version: '20.10.24',
  apiVersion: '1.41',
  name: 'docker',
  os: 'linux',
  arch: 'amd64',
  variant: '',
  loggingDriver: 'json-file',
  memoryBytes: 1e9,
  cpus: 2,
  memoryLimit: true,
  rootDir: '/var/lib/docker',
};

/** A container exactly as the engine would report it after creating it for this service. */
export function containerFor(service: Service, change: Partial<ObservedContainer> = {}): ObservedContainer {
  const image = imageOf(service.container.image);
  const { network } = service.container;
  const labels = { ...image.labels, ...service.container.labels, ...service.managedLabels };
  const id = change.id ?? fingerprint(`${service.key}:${service.specHash}:${change.name ?? ''}`);
  return {
    id,
    name: service.containerName,
    image: service.container.image,
    imageId: image.id,
    labels,
    state: 'running',
    createdAt: 1_000,
    ports: [],
    detail: {
      startedAt: '2026-01-01T00:00:00Z',
      finishedAt: '0001-01-01T00:00:00Z',
      exitCode: 0,
      oomKilled: false,
      error: '',
      restartCount: 0,
      spec: {
        ...service.container,
        log: { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } },
        env: { ...image.env, ...service.container.env },
        labels,
        command: service.container.command ?? image.command,
        entrypoint: service.container.entrypoint ?? image.entrypoint,
        user: service.container.user ?? image.user,
        workingDir: service.container.workingDir ?? image.workingDir,
      },
      networks:
        network.mode === 'network'
          ? {
              [network.name]: {
                aliases: network.aliases,
                ip: '172.18.0.2',
                networkId: `net-${network.name}`,
              },
            }
          : {},
    },
    ...change,
  };
}

/** Neither locks nor hooks. */
export const NO_UPDATES: ObservedState['updates'] = {
  locks: [],
  lockFiles: new Map(),
  overridden: new Set(),
  passed: new Map(),
  replacing: new Map(),
};

/** A world in which nothing runs yet: the engine answers, images and the default network are there. */
export function observedOf(change: Partial<ObservedState> = {}): ObservedState {
  return {
    engine: ENGINE,
    containers: [],
    images: new Map([['app:1', imageOf('app:1')]]),
    networks: [{ id: `net-${NETWORK}`, name: NETWORK, driver: 'bridge', labels: {} }],
    volumes: new Set(),
    setbacks: new Map(),
    pulls: new Map(),
    busy: new Set(),
    adopted: new Map(),
    updated: new Map(),
    made: new Set(),
    fresh: new Set(),
    forced: new Map(),
    keptImages: new Map(),
    order: { startConcurrency: 8, starting: new Map(), beenUp: new Set(), waiting: new Map() },
    rollouts: new Map(),
    protectedImages: new Set(),
    runningSince: new Map(),
    probes: new Map(),
    ailing: new Map(),
    updates: NO_UPDATES,
    relays: new Map(),
    ...change,
  };
}

/** The world in which everything asked for runs. */
export function convergedOf(desired: DesiredState & { known: true }): ObservedState {
  const services = desired.blueprints.flatMap((blueprint) => blueprint.services);
  return observedOf({
    containers: services.map((service) => containerFor(service)),
    images: new Map(services.map(({ container }) => [container.image, imageOf(container.image)])),
  });
}

/** Changes one container of a world, by name. */
export function withContainer(
  observed: ObservedState,
  name: string,
  change: (container: ObservedContainer) => Partial<ObservedContainer>,
): ObservedState {
  return {
    ...observed,
    containers: observed.containers.map((container) =>
      container.name === name ? { ...container, ...change(container) } : container,
    ),
  };
}

function withoutPull(run: ForcedRun, image: string): ForcedRun {
  if (run.phase !== 'pulling') return run;
  return { ...run, toPull: new Set([...run.toPull].filter((ref) => ref !== image)) };
}

/** What the engine would show after an action that works. */
export function applied(
  observed: ObservedState,
  action: Action,
  nextId: () => string,
  monoMs: number,
): ObservedState {
  const edit = (id: string, change: (container: ObservedContainer) => Partial<ObservedContainer>) => ({
    ...observed,
    containers: observed.containers.map((container) =>
      container.id === id ? { ...container, ...change(container) } : container,
    ),
  });
  const runs = (id: string) => new Map([...observed.runningSince, [id, monoMs]]);
  switch (action.kind) {
    case 'pullImage':
      return {
        ...observed,
        images: new Map([...observed.images, [action.image, imageOf(action.image)]]),
        fresh: new Set([...observed.fresh, action.image]),
        forced: new Map([...observed.forced].map(([name, run]) => [name, withoutPull(run, action.image)])),
      };
    case 'createNetwork':
      return {
        ...observed,
        networks: [
          ...observed.networks,
          { id: `net-${action.name}`, name: action.name, driver: action.driver, labels: action.labels },
        ],
      };
    case 'createContainer': {
      if (observed.containers.some(({ name }) => name === action.name))
        throw new Error(`name ${action.name} is taken`);
      const id = nextId();
      const service = {
        container: action.spec,
        managedLabels: action.labels,
        containerName: action.name,
        key: id,
        specHash: action.specHash,
      } as Service;
      const container = containerFor(service, { id, state: 'created' });
      return {
        ...observed,
        containers: [...observed.containers, container],
        made: new Set([...observed.made, id]),
      };
    }
    case 'restartContainer':
    case 'startContainer': {
      const { [action.id]: _healed, ...ailing } = Object.fromEntries(observed.ailing);
      const { [action.id]: _old, ...probes } = Object.fromEntries(observed.probes);
      const next = edit(action.id, ({ health }) => ({
        state: 'running',
        ...(health === undefined ? {} : { health: 'healthy' }),
      }));
      return {
        ...next,
        ailing: new Map(Object.entries(ailing)),
        probes: new Map(Object.entries(probes)),
        runningSince: runs(action.id),
      };
    }
    case 'unpauseContainer':
      return { ...edit(action.id, () => ({ state: 'running' })), runningSince: runs(action.id) };
    case 'stopContainer':
      return edit(action.id, () => ({ state: 'exited', exitCode: 143 }));
    case 'renameContainer':
      return edit(action.id, () => ({ name: action.name }));
    case 'updateContainer':
      return edit(action.id, ({ detail }) =>
        detail === undefined
          ? {}
          : {
              detail: { ...detail, spec: { ...detail.spec, restart: action.restart, limits: action.limits } },
            },
      );
    case 'connectNetwork':
      return edit(action.id, ({ detail }) =>
        detail === undefined
          ? {}
          : {
              detail: {
                ...detail,
                networks: {
                  ...detail.networks,
                  [action.network]: { aliases: action.aliases, ip: '', networkId: `net-${action.network}` },
                },
              },
            },
      );
    case 'disconnectNetwork':
      return edit(action.id, ({ detail }) =>
        detail === undefined
          ? {}
          : {
              detail: {
                ...detail,
                networks: Object.fromEntries(
                  Object.entries(detail.networks).filter(([name]) => name !== action.network),
                ),
              },
            },
      );
    case 'removeContainer':
      return { ...observed, containers: observed.containers.filter(({ id }) => id !== action.id) };
    case 'removeNetwork':
      return { ...observed, networks: observed.networks.filter(({ id }) => id !== action.id) };
    case 'removeVolume':
      return { ...observed, volumes: new Set([...observed.volumes].filter((name) => name !== action.name)) };
    case 'removeImage':
      return { ...observed, stock: observed.stock?.filter(({ id }) => id !== action.id) ?? [] };
    case 'checkLock':
    case 'runHook':
      throw new Error(`${action.kind} is not played here`);
    case 'importImage':
      return { ...observed, images: new Map([...observed.images, [action.name, imageOf(action.name)]]) };
    case 'pointRelay': {
      const views = [...observed.relays].map(([key, view]): [string, RelayView] =>
        action.lane === `relay:${key}`
          ? [key, { hasFolder: true, state: { target: action.target, draining: [] } }]
          : [key, view],
      );
      return { ...observed, relays: new Map(views) };
    }
    default:
      return action satisfies never;
  }
}
