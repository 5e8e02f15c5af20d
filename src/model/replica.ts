import { LABEL } from './container.ts';
import { type Service, serviceKey } from './desired.ts';
import { CONTAINER_NAME_VARIABLE } from './hash.ts';

/** Container name of one of `replicas` of an instance; its number is `replica`, from 0. A single one has the instance's own
 *  name, unless it was kept of several under another number. */
export function replicaName(instance: string, replica: number, replicas: number): string {
  return replicas === 1 && replica === 0 ? instance : `${instance}-${replica}`;
}

/** The service under another number: replicas of a DockerDeployment differ in nothing but number, name and alias. Not for
 *  executors, each of which has an identity of its own. */
export function replicaOf(service: Service, replica: number, replicas: number): Service {
  const { blueprint, instance, container } = service;
  const containerName = replicaName(instance, replica, replicas);
  if (service.replica === replica && service.containerName === containerName) return service;
  const { network } = container;
  const aliases = [...new Set([blueprint, containerName, instance])];
  return {
    ...service,
    key: serviceKey(blueprint, instance, replica),
    replica,
    containerName,
    container: {
      ...container,
      env: { ...container.env, [CONTAINER_NAME_VARIABLE]: containerName },
      network: network.mode === 'network' ? { ...network, aliases } : network,
    },
    managedLabels: { ...service.managedLabels, [LABEL.replica]: String(replica) },
  };
}
