import { type Service, serviceKey } from '../model/desired.ts';
import { CONTAINER_NAME_VARIABLE, specHash } from '../model/hash.ts';
import { replicaName, replicaOf } from '../model/replica.ts';
import { containerOf, readTemplate, SYNONYMS, type Template } from './container.ts';
import { readEnvironment } from './environment.ts';
import type { Fields } from './fields.ts';
import { withRelay } from './handover.ts';
import { managedLabels } from './labels.ts';
import { readMounts } from './mounts.ts';
import { nodeLocation, nodeName } from './node.ts';
import { checkHostPorts, readPorts } from './ports.ts';
import type { Scope } from './scope.ts';
import {
  checkNames,
  type KindResult,
  readDefaults,
  readSpecParts,
  reclaimOf,
  type SpecParts,
} from './spec.ts';
import { refuseWindows } from './windows.ts';

interface Instance extends Template {
  name: string;
  env: ReadonlyMap<string, string>;
}

/** Resolves a `DockerDeployment` spec (FIELDS.md 2 and 3): `replicas` containers of each instance. */
export function resolveDockerDeployment(fields: Fields, scope: Scope): KindResult {
  const parts = readSpecParts(fields, scope);
  const defaults = readDefaults(fields);
  const instances = fields.objects('instances').map((item) => readInstance(item, scope, parts));
  const raw = fields.raw('instances');
  if (raw === undefined || (Array.isArray(raw) && raw.length === 0))
    fields.refuse(
      'instances',
      'must list at least one instance (replicas: 0 is the way to remove containers)',
    );
  fields.done('warning', { env: 'instances[].environment', containers: 'instances', ...SYNONYMS });
  const { replicas } = parts;
  const services = instances.flatMap((instance) => {
    const first = serviceOf(instance, scope, defaults, replicas);
    const path = instance.fields.at('name');
    return Array.from({ length: replicas }, (_, number) => replicaOf(first, number, replicas))
      .flatMap((service) => withRelay(service, instance, scope))
      .map((service) => ({ ...service, path }));
  });
  // A missing name is noted already.
  checkNames(
    services.filter(({ instance }) => instance !== ''),
    scope,
  );
  checkHostPorts(instances, replicas);
  return {
    services: services.map(({ path: _path, ...service }) => service),
    ...reclaimOf(parts, instances),
  };
}

function readInstance(fields: Fields, scope: Scope, parts: SpecParts): Instance {
  const name = fields.requiredText('name', 'the name of the instance');
  fields.oneOf('type', ['container']);
  const env = readEnvironment(fields, 'environment', scope, { ownerKey: 'warn', structured: false });
  refuseWindows(fields);
  const template = readTemplate(fields, scope, parts.network, {
    ports: readPorts(fields),
    ...readMounts(fields, scope),
  });
  fields.done('warning', { env: 'environment', ...SYNONYMS });
  return { ...template, name: name ?? '', env };
}

/** The first one of an instance's replicas. */
function serviceOf(
  instance: Instance,
  scope: Scope,
  defaults: ReturnType<typeof readDefaults>,
  replicas: number,
): Service {
  const replica = 0;
  const containerName = replicaName(instance.name, replica, replicas);
  const blueprint = scope.blueprint.name;
  const env = new Map(instance.env);
  env.set('COLONIES_DEPLOYMENT', blueprint);
  env.set(CONTAINER_NAME_VARIABLE, containerName);
  if (instance.env.has('COLONIES_EXECUTOR_NAME')) {
    env.set('COLONIES_NODE_NAME', nodeName(scope.context));
    env.set('COLONIES_NODE_LOCATION', nodeLocation(scope.context));
  }
  const container = containerOf(instance, env, [blueprint, containerName, instance.name]);
  const hash = specHash(container);
  const { update, ...own } = instance.service;
  const effectiveUpdate = update ?? defaults.update;
  // What all instances wait for includes no instance itself.
  const self = new Set([instance.name, `${blueprint}/${instance.name}`]);
  const inherited = defaults.dependsOn.filter(({ name }) => !self.has(name));
  return {
    key: serviceKey(blueprint, instance.name, replica),
    blueprint,
    instance: instance.name,
    replica,
    containerName,
    specHash: hash,
    container,
    managedLabels: managedLabels(scope, { instance: instance.name, replica, specHash: hash }),
    ...own,
    dependsOn: [...own.dependsOn, ...inherited],
    ...(effectiveUpdate === undefined ? {} : { update: effectiveUpdate }),
  };
}
