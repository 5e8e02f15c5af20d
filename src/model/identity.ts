import { type ContainerSpec, LABEL } from './container.ts';
import type { Service } from './desired.ts';
import { CONTAINER_NAME_VARIABLE, specHash } from './hash.ts';

/** Variables by which an executor's container gets its identity, its private key among them. */
const VARIABLES: ReadonlySet<string> = new Set([
  'COLONIES_PRVKEY',
  'COLONIES_EXECUTOR_ID',
  'COLONIES_EXECUTOR_NAME',
  CONTAINER_NAME_VARIABLE,
]);

/** A replica of an ExecutorDeployment without its identity, which is no part of a version: what is kept of versions holds no
 *  key, and one that is replaced is no new version. */
export function withoutIdentity(service: Service): Service {
  const { executorName: _name, hold: _hold, ...rest } = service;
  const { [LABEL.executor]: _executor, ...managedLabels } = rest.managedLabels;
  return rehashed(
    { ...rest, managedLabels },
    variables(rest.container, (name) => !VARIABLES.has(name)),
  );
}

/** The replica of some version with the identity that `present`, the same replica of today, has; held when that is held. */
export function withIdentityOf(service: Service, present: Service): Service {
  const { executorName, hold, containerName } = present;
  const bare = withoutIdentity(service);
  const executor = present.managedLabels[LABEL.executor];
  const managedLabels =
    executor === undefined ? bare.managedLabels : { ...bare.managedLabels, [LABEL.executor]: executor };
  const env = { ...bare.container.env, ...variables(present.container, (name) => VARIABLES.has(name)) };
  return rehashed(
    {
      ...bare,
      containerName,
      managedLabels,
      ...(executorName === undefined ? {} : { executorName }),
      ...(hold === undefined ? {} : { hold }),
    },
    env,
  );
}

function variables({ env }: ContainerSpec, takes: (name: string) => boolean): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => takes(name)));
}

function rehashed(service: Service, env: Record<string, string>): Service {
  const container = { ...service.container, env };
  const hash = specHash(container);
  const managedLabels = { ...service.managedLabels, [LABEL.specHash]: hash };
  return { ...service, container, specHash: hash, managedLabels };
}
