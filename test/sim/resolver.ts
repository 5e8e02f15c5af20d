import type { Blueprint } from '../../src/model/blueprint.ts';
import type { ContainerSpec, MountSpec, RestartSpec } from '../../src/model/container.ts';
import { LABEL } from '../../src/model/container.ts';
import type { Service } from '../../src/model/desired.ts';
import { serviceKey } from '../../src/model/desired.ts';
import { fingerprint, specHash } from '../../src/model/hash.ts';
import type { Resolve } from '../../src/model/ports.ts';
import type { InstanceInput } from './blueprints.ts';

/** The node that simulated agents run on. */
export const SIM_NODE = 'sim-node';

/** Resolves the documents of `blueprints.ts`; an instance without image is refused. */
export function resolver(): Resolve {
  return (blueprint) => {
    const spec = blueprint.spec as {
      instances?: InstanceInput[];
      replicas?: number;
      network?: { name: string; create?: boolean };
    };
    const instances = spec.instances ?? [];
    if (instances.length === 0 || instances.some((instance) => typeof instance.image !== 'string'))
      return {
        result: 'refused',
        problems: [
          {
            severity: 'error',
            reason: 'SpecInvalid',
            path: 'spec.instances[0].image',
            message: 'must be a non-empty string',
          },
        ],
      };
    const replicas = spec.replicas ?? 1;
    const services = instances.flatMap((instance) =>
      Array.from({ length: replicas }, (_, replica) =>
        serviceOf(blueprint, instance, replica, replicas, spec.network),
      ),
    );
    return {
      result: 'ours',
      desired: {
        name: blueprint.name,
        kind: blueprint.kind,
        blueprintId: blueprint.blueprintId,
        generation: blueprint.generation,
        blueprint,
        specHash: fingerprint(services.map((service) => service.specHash)),
        services,
        warnings: [],
        deleting: false,
        reclaimVolumes: [],
        reclaimNetworks: [],
      },
    };
  };
}

function serviceOf(
  blueprint: Blueprint,
  instance: InstanceInput,
  replica: number,
  replicas: number,
  network: { name: string; create?: boolean } | undefined,
): Service {
  const containerName = replicas > 1 ? `${instance.name}-${replica}` : instance.name;
  const container: ContainerSpec = {
    image: instance.image ?? '',
    env: {
      ...instance.environment,
      COLONIES_DEPLOYMENT: blueprint.name,
      COLONIES_CONTAINER_NAME: containerName,
    },
    labels: instance.labels ?? {},
    ports: (instance.ports ?? []).map((port) => ({
      containerPort: port.container,
      protocol: port.protocol ?? 'tcp',
      publish: true,
      ...(port.host === undefined ? {} : { hostPort: port.host }),
      hostIp: port.host === undefined ? '' : '0.0.0.0',
    })),
    mounts: (instance.volumes ?? []).map(
      (volume): MountSpec => ({
        type: volume.type === 'bind' ? 'bind' : 'volume',
        source: volume.hostPath ?? volume.name ?? '',
        target: volume.mountPath,
        readOnly: volume.readOnly ?? false,
      }),
    ),
    network: {
      mode: 'network',
      name: network?.name ?? 'colonies_default',
      aliases: [...new Set([blueprint.name, containerName, instance.name])].sort(),
      create: network?.create ?? true,
      driver: 'bridge',
    },
    privileged: false,
    log: { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } },
    ...(instance.stopTimeout === undefined
      ? {}
      : { stopTimeoutS: Number.parseInt(instance.stopTimeout, 10) }),
    restart: restartOf(instance.restartPolicy),
    limits: {
      ...(instance.resources?.cpus === undefined ? {} : { nanoCpus: Number(instance.resources.cpus) * 1e9 }),
      ...(instance.resources?.memory === undefined
        ? {}
        : { memoryBytes: Number.parseInt(instance.resources.memory, 10) * 2 ** 20 }),
    },
  };
  const hash = specHash(container);
  return {
    key: serviceKey(blueprint.name, instance.name, replica),
    blueprint: blueprint.name,
    instance: instance.name,
    replica,
    containerName,
    specHash: hash,
    container,
    managedLabels: {
      [LABEL.deployment]: blueprint.name,
      [LABEL.managed]: 'true',
      [LABEL.generation]: String(blueprint.generation),
      [LABEL.kind]: blueprint.kind,
      ...(blueprint.blueprintId === '' ? {} : { [LABEL.blueprintId]: blueprint.blueprintId }),
      [LABEL.instance]: instance.name,
      [LABEL.replica]: String(replica),
      [LABEL.specHash]: hash,
      [LABEL.node]: SIM_NODE,
    },
    pullPolicy: instance.pullPolicy ?? 'IfNotPresent',
    dependsOn: [],
    onUnhealthy: 'restart',
  };
}

function restartOf(policy = 'unless-stopped'): RestartSpec {
  const [name, retries] = policy.split(':');
  if (name === 'no' || name === 'always' || name === 'on-failure')
    return { name, maxRetries: Number(retries ?? 0) };
  return { name: 'unless-stopped', maxRetries: 0 };
}
