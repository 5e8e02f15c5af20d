import type { Dependency, ExecutorWish, Service, UpdateSpec } from '../model/desired.ts';
import type { Template } from './container.ts';
import type { Fields } from './fields.ts';
import { readDependsOn, readUpdate } from './lifecycle.ts';
import { readSharedNetwork, type SharedNetwork } from './network.ts';
import { CONTAINER_NAME, type Scope } from './scope.ts';

/** What a blueprint's kind makes of it. */
export interface KindResult {
  services: readonly Service[];
  reclaimVolumes: readonly string[];
  reclaimNetworks: readonly string[];
  /** ExecutorDeployment only. */
  executors?: ExecutorWish;
}

/** Fields of the spec that both kinds have beside the containers' own. */
export interface SpecParts {
  replicas: number;
  network: SharedNetwork;
  volumeReclaim: 'Retain' | 'Delete';
}

/** More replicas than any node runs: a typing error that must not exhaust the memory. */
const MAX_REPLICAS = 1000;

/** Reads replicas, network, target names and volumeReclaim. */
export function readSpecParts(fields: Fields, scope: Scope): SpecParts {
  readTargets(fields);
  return {
    replicas: fields.int('replicas', 0, MAX_REPLICAS) ?? 1,
    network: readSharedNetwork(fields, scope),
    volumeReclaim: fields.oneOf('volumeReclaim', ['Retain', 'Delete']) ?? 'Retain',
  };
}

function readTargets(fields: Fields): void {
  // Empty text is what Go clients send for "not set".
  if (fields.raw('executorName') !== '') fields.text('executorName', 'the name of an executor');
  const names = fields.texts('executorNames', 'a list of executor names') ?? [];
  if (new Set(names).size > 1)
    fields.problems.warn(
      fields.at('executorNames'),
      'names several nodes, and each of them runs it: nodes do not agree on one yet',
      undefined,
      'NotYetSupported',
    );
}

/** Reads `dependsOn` and `update` of the spec where the containers are described below it (DockerDeployment). */
export function readDefaults(fields: Fields): {
  dependsOn: readonly Dependency[];
  update: UpdateSpec | undefined;
} {
  return { dependsOn: readDependsOn(fields), update: readUpdate(fields) };
}

/** What goes when the blueprint is removed: its named volumes if it says so, and the network made for it. */
export function reclaimOf(
  parts: SpecParts,
  templates: readonly Template[],
): Pick<KindResult, 'reclaimVolumes' | 'reclaimNetworks'> {
  const volumes = templates.flatMap(({ container }) =>
    container.mounts.flatMap((mount) => (mount.type === 'volume' ? [mount.source] : [])),
  );
  return {
    reclaimVolumes: parts.volumeReclaim === 'Delete' ? [...new Set(volumes)] : [],
    reclaimNetworks: parts.network.own && parts.network.create ? [parts.network.name] : [],
  };
}

/** Notes container names that cannot be, or that two containers would share. */
export function checkNames(
  services: readonly (Pick<Service, 'containerName'> & { path: string })[],
  scope: Scope,
) {
  const seen = new Map<string, string>();
  const noted = new Set<string>();
  for (const { containerName, path } of services) {
    if (noted.has(path)) continue;
    const other = seen.get(containerName);
    if (!CONTAINER_NAME.test(containerName)) {
      noted.add(path);
      scope.problems.error(
        path,
        'must be a name of two or more letters, digits, "_", "." and "-" that starts with a letter or digit',
        { value: containerName },
      );
    } else if (other !== undefined) {
      noted.add(path);
      scope.problems.error(path, `must not make a second container "${containerName}", as ${other} does`);
    }
    seen.set(containerName, path);
  }
}
