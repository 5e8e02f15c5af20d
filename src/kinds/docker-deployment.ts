import { type Service, serviceKey } from '../model/desired.ts';
import { specHash } from '../model/hash.ts';
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
  const services = instances.flatMap((instance) =>
    Array.from({ length: parts.replicas }, (_, replica) => {
      const name = parts.replicas === 1 ? instance.name : `${instance.name}-${replica}`;
      const service = serviceOf(instance, scope, defaults, replica, name);
      const path = instance.fields.at('name');
      return withRelay(service, instance, scope).map((one) => ({ ...one, path }));
    }).flat(),
  );
  // A missing name is noted already.
  checkNames(
    services.filter(({ instance }) => instance !== ''),
    scope,
  );
  checkHostPorts(instances, parts.replicas);
  return {
    services: services.map(({ path: _path, ...service }) => service),
    ...reclaimOf(parts, instances),
  };
}

function readInstance(fields: Fields, scope: Scope, parts: SpecParts): Instance {
  const name = fields.requiredText('name', 'the name of the instance');
  fields.oneOf('type', ['container']);
  const env = readEnvironment(fields, 'environment', scope, { ownerKey: 'warn', structured: false });
  const template = readTemplate(fields, scope, parts.network, {
    ports: readPorts(fields),
    ...readMounts(fields, scope),
  });
  fields.done('warning', { env: 'environment', ...SYNONYMS });
  return { ...template, name: name ?? '', env };
}

function serviceOf(
  instance: Instance,
  scope: Scope,
  defaults: ReturnType<typeof readDefaults>,
  replica: number,
  containerName: string,
): Service {
  const blueprint = scope.blueprint.name;
  const env = new Map(instance.env);
  env.set('COLONIES_DEPLOYMENT', blueprint);
  env.set('COLONIES_CONTAINER_NAME', containerName);
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
