import type { ContainerSpec, LogSpec } from '../model/container.ts';
import type { Service } from '../model/desired.ts';
import type { Fields } from './fields.ts';
import { checkHandover, containerPorts } from './handover.ts';
import {
  readDependsOn,
  readHealthcheck,
  readOnUnhealthy,
  readProbe,
  readRestart,
  readUpdate,
} from './lifecycle.ts';
import { exclusiveOf, type Mounts } from './mounts.ts';
import { checkMode, type NetworkMode, networkOf, readNetworkMode, type SharedNetwork } from './network.ts';
import { imageRefusal } from './policy.ts';
import type { LocatedPort } from './ports.ts';
import { readDurationMs } from './quantity.ts';
import { parseReference } from './reference.ts';
import { readLimits } from './resources.ts';
import type { Scope } from './scope.ts';
import { readLabels, readLogging, readRights, readStopSignal } from './settings.ts';

/** Everything of a service that does not depend on the replica. */
export interface Template {
  container: Omit<ContainerSpec, 'env' | 'network'>;
  networkMode: NetworkMode;
  /** Ports with their places, for checks across instances. */
  ports: readonly LocatedPort[];
  fields: Fields;
  service: Pick<Service, 'pullPolicy' | 'dependsOn' | 'probe' | 'update' | 'exclusive' | 'onUnhealthy'>;
}

/** What the two kinds write differently. */
export interface KindParts extends Mounts {
  ports: readonly LocatedPort[];
}

/** Field names of other tools, for "did you mean". */
export const SYNONYMS: Readonly<Record<string, string>> = {
  cmd: 'command',
  mounts: 'volumes',
  restart: 'restartPolicy',
  depends_on: 'dependsOn',
  cap_add: 'capAdd',
  cap_drop: 'capDrop',
  extra_hosts: 'extraHosts',
  network_mode: 'networkMode',
  env_file: 'envFile',
  working_dir: 'workingDir',
  livenessProbe: 'probe',
  readinessProbe: 'probe',
  imagePullPolicy: 'pullPolicy',
  pull_policy: 'pullPolicy',
  stop_grace_period: 'stopTimeout',
  read_only: 'readOnlyRootFilesystem',
};

/** Reads the fields that both kinds share, at the instance (DockerDeployment) or the spec (ExecutorDeployment). */
export function readTemplate(
  fields: Fields,
  scope: Scope,
  shared: SharedNetwork,
  parts: KindParts,
): Template {
  const networkMode = readNetworkMode(fields, scope, shared);
  const ports = checkMode(fields, networkMode, parts.ports);
  const { healthcheck, onUnhealthy } = readHealthcheck(fields);
  const instanceOnUnhealthy = readOnUnhealthy(fields);
  const log = readLogging(fields);
  checkHandover(networkMode, ports, scope);
  const probe = readProbe(fields, networkMode, ports);
  const update = readUpdate(fields);
  const container: Omit<ContainerSpec, 'env' | 'network'> = {
    image: readImage(fields, scope),
    labels: readLabels(fields),
    ports: containerPorts(ports),
    mounts: parts.mounts,
    ...readProcess(fields),
    ...readRights(fields, scope),
    ...(healthcheck === undefined ? {} : { healthcheck }),
    ...(log === undefined ? {} : { log: copyLog(log) }),
    ...readStop(fields),
    restart: readRestart(fields),
    limits: readLimits(fields),
  };
  const exclusive = exclusiveOf(parts, container.image, scope.context.policy);
  return {
    container,
    networkMode,
    ports: networkMode.mode === 'network' || networkMode.mode === 'bridge' ? ports : [],
    fields,
    service: {
      pullPolicy: fields.oneOf('pullPolicy', ['IfNotPresent', 'Always', 'Never']) ?? 'IfNotPresent',
      dependsOn: readDependsOn(fields),
      ...(probe === undefined ? {} : { probe }),
      ...(update === undefined ? {} : { update }),
      ...(exclusive.length === 0 ? {} : { exclusive }),
      onUnhealthy: onUnhealthy ?? instanceOnUnhealthy ?? 'restart',
    },
  };
}

/** The container of one replica. */
export function containerOf(
  template: Template,
  env: ReadonlyMap<string, string>,
  aliases: readonly string[],
): ContainerSpec {
  return {
    ...template.container,
    env: Object.fromEntries(env),
    network: networkOf(template.networkMode, aliases),
  };
}

function readImage(fields: Fields, scope: Scope): string {
  const image = fields.requiredText('image', 'an image reference such as "nginx:1.27"');
  if (image === undefined) return '';
  const reference = parseReference(image);
  const at = fields.at('image');
  if (typeof reference === 'string') fields.problems.error(at, reference, { value: image }, 'BadReference');
  else {
    const refusal = imageRefusal(scope.context.policy, reference);
    if (refusal !== undefined) fields.problems.error(at, refusal, { value: image }, 'PolicyRefused');
  }
  return image;
}

const HOSTNAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*$/;

function readProcess(fields: Fields): Partial<ContainerSpec> {
  const command = [...(fields.texts('command') ?? []), ...(fields.texts('args') ?? [])];
  const entrypoint = fields.texts('entrypoint') ?? [];
  const workingDir = fields.textLike('workingDir', /^\//, 'an absolute path in the container');
  const user = fields.text('user', 'a user name or number such as "1000:1000"');
  const hostname = fields.text('hostname', 'a host name');
  // Linux takes 64 signs; the engine creates a container with more and then cannot start it.
  if (hostname !== undefined && (hostname.length > 64 || !HOSTNAME.test(hostname)))
    fields.refuse('hostname', 'must be a host name of letters, digits, "-" and ".", at most 64');
  const init = fields.bool('init');
  return {
    ...(command.length === 0 ? {} : { command }),
    ...(entrypoint.length === 0 ? {} : { entrypoint }),
    ...(workingDir === undefined ? {} : { workingDir }),
    ...(user === undefined ? {} : { user }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(init === undefined ? {} : { init }),
  };
}

function readStop(fields: Fields): Partial<ContainerSpec> {
  const timeoutMs = readDurationMs(fields, 'stopTimeout');
  const stopSignal = readStopSignal(fields);
  return {
    ...(timeoutMs === undefined ? {} : { stopTimeoutS: Math.ceil(timeoutMs / 1000) }),
    ...(stopSignal === undefined ? {} : { stopSignal }),
  };
}

function copyLog(log: LogSpec): LogSpec {
  return { driver: log.driver, options: { ...log.options } };
}
