/** A `DockerDeployment` document with the given instances (each needs `name` and `image`) and more of its spec. */
export function deployment(
  name: string,
  instances: readonly object[],
  spec: object = {},
  metadata: object = {},
): Record<string, unknown> {
  return { kind: 'DockerDeployment', metadata: { name, ...metadata }, spec: { instances, ...spec } };
}

/** An `ExecutorDeployment` document. */
export function executor(name: string, spec: object, metadata: object = {}): Record<string, unknown> {
  return { kind: 'ExecutorDeployment', metadata: { name, ...metadata }, spec };
}

/** A `DockerDeployment` of one container, which carries the blueprint's name. */
export function single(
  name: string,
  image: string,
  instance: object = {},
  spec: object = {},
): Record<string, unknown> {
  return deployment(name, [{ name, image, ...instance }], spec);
}
