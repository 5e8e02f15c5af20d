import type { ContainerSpec, LimitSpec, MountSpec, PortSpec } from '../model/container.ts';
import { effectiveLog, LABEL } from '../model/container.ts';
import type { Service } from '../model/desired.ts';
import { CONTAINER_NAME_VARIABLE, canonicalJson } from '../model/hash.ts';
import type { ContainerDetail, EngineInfo, ObservedContainer, ObservedImage } from '../model/observed.ts';

/** Differences between a service and its container, sorted by what mends them. */
export interface Drift {
  /** Fields that need a new container, each as a clause. */
  replace: readonly string[];
  /** Limits or restart policy: changed in place. */
  update: readonly string[];
  /** The wanted network, when the container is not attached to it with all aliases. */
  connect?: { network: string; aliases: readonly string[]; reattach: boolean; cause: string };
  /** Networks it is attached to and should not be. */
  disconnect: readonly string[];
}

/** What a comparison needs beside the two sides. */
export interface DriftContext {
  /** The wanted image; null or undefined while it is not there, then its defaults are not compared. */
  image: ObservedImage | null | undefined;
  /** Id of the wanted user network; undefined when it does not exist. */
  networkId: string | undefined;
  /** false: leave out what nobody can change on an existing container (we made it, or adopted it as it is). */
  immutable: boolean;
  /** The engine it runs on: its default log driver, and podman's habit of adding variables and labels of its own. */
  engine: EngineInfo;
}

/** Compares a container with what its service asks for, field by field; equal ones give empty lists. */
export function driftOf(service: Service, container: ObservedContainer, context: DriftContext): Drift {
  const replace: string[] = [];
  const image = context.image ?? undefined;
  const isOther = image !== undefined && container.imageId !== '' && container.imageId !== image.id;
  if (isOther) replace.push(imageClause(service.container.image, image, container));
  const detail = container.detail;
  if (detail === undefined) return { replace, update: [], disconnect: [] };
  if (context.immutable) {
    if (!isOther && detail.spec.image !== service.container.image)
      replace.push(`image is ${detail.spec.image} instead of ${service.container.image}`);
    replace.push(...immutableDrift(service, detail, image, context));
  }
  const mode = networkModeDrift(service, detail);
  if (mode !== undefined) replace.push(mode);
  const limits = limitDrift(service.container.limits, detail.spec.limits);
  replace.push(...limits.replace);
  const update = [...limits.update];
  const restart = service.container.restart;
  if (canonicalJson(restart) !== canonicalJson(detail.spec.restart))
    update.push(`restart policy is ${restartText(detail.spec.restart)} instead of ${restartText(restart)}`);
  return { replace, update, ...networkDrift(service, detail, context) };
}

/** A container made of another image, or of the one that had this name before. */
function imageClause(wanted: string, image: ObservedImage, container: ObservedContainer): string {
  const made = container.detail?.spec.image ?? container.image;
  // A listing gives the id where the name has moved on.
  const isNamed = made !== '' && made !== wanted && !shortId(container.imageId).startsWith(shortId(made));
  if (isNamed) return `image is ${made} instead of ${wanted}`;
  return `image ${wanted} is now ${shortId(image.id)}, container runs ${shortId(container.imageId)}`;
}

function immutableDrift(
  service: Service,
  detail: ContainerDetail,
  image: ObservedImage | undefined,
  context: DriftContext,
): string[] {
  const wanted = service.container;
  const actual = detail.spec;
  const lenient = context.engine.name === 'podman';
  const found: string[] = [];
  const compare = (field: string, want: unknown, have: unknown) => {
    if (canonicalJson(want) !== canonicalJson(have)) found.push(`${field} differs`);
  };
  found.push(
    ...mapDrift(
      'environment variable',
      { ...image?.env, ...wanted.env },
      actual.env,
      lenient || image === undefined,
    ),
  );
  const labels = { ...image?.labels, ...wanted.labels, ...comparableLabels(service.managedLabels) };
  found.push(...mapDrift('label', labels, comparableLabels(actual.labels), lenient || image === undefined));
  if (image !== undefined) {
    const keepsCommand = wanted.command === undefined && wanted.entrypoint === undefined;
    compare('command', keepsCommand ? image.command : (wanted.command ?? []), actual.command ?? []);
    compare('entrypoint', wanted.entrypoint ?? image.entrypoint, actual.entrypoint ?? []);
    compare('user', wanted.user ?? image.user, actual.user ?? '');
    compare('working directory', wanted.workingDir ?? image.workingDir, actual.workingDir ?? '');
    const healthcheck = wanted.healthcheck ?? image.healthcheck;
    compare(
      'health check',
      checkOf(healthcheck, context.engine),
      checkOf(actual.healthcheck, context.engine),
    );
    compare('stop signal', wanted.stopSignal ?? image.stopSignal ?? '', actual.stopSignal ?? '');
  }
  if (wanted.hostname !== undefined) compare('hostname', wanted.hostname, actual.hostname ?? '');
  compare('ports', portSet(wanted.ports), portSet(actual.ports.filter((port) => port.publish)));
  compare('mounts', mountSet(wanted.mounts), mountSet(actual.mounts));
  compare('privileged', wanted.privileged, actual.privileged);
  if (wanted.init !== undefined) compare('init', wanted.init, actual.init ?? false);
  const log = effectiveLog(wanted.log, context.engine.loggingDriver);
  if (log !== undefined) compare('log options', log, actual.log ?? null);
  compare('devices', wanted.devices ?? [], actual.devices ?? []);
  compare('added capabilities', sorted(wanted.capAdd), sorted(actual.capAdd));
  compare('dropped capabilities', sorted(wanted.capDrop), sorted(actual.capDrop));
  compare('extra hosts', sorted(wanted.extraHosts), sorted(actual.extraHosts));
  compare('read-only root', wanted.readOnlyRootfs ?? false, actual.readOnlyRootfs ?? false);
  if (wanted.noNewPrivileges === true && actual.noNewPrivileges !== true)
    found.push('new privileges are possible');
  return found;
}

/** Engines before API 1.44 drop the start interval without a word. */
function checkOf(check: ContainerSpec['healthcheck'], engine: EngineInfo): unknown {
  if (check === undefined) return null;
  const [major = 0, minor = 0] = engine.apiVersion.split('.').map(Number);
  return major === 1 && minor < 44 ? { ...check, startIntervalMs: undefined } : check;
}

/** Labels that say who made a container are not compared: generation, node and colony change without a new container. */
function comparableLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  const ignored: readonly string[] = [LABEL.generation, LABEL.node, LABEL.colony, LABEL.blueprintId];
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !ignored.includes(key)));
}

/** Names keys only: a value may be a secret. */
function mapDrift(
  what: string,
  wanted: Readonly<Record<string, string>>,
  actual: Readonly<Record<string, string>>,
  more: boolean,
): string[] {
  const found: string[] = [];
  for (const [key, value] of Object.entries(wanted)) {
    if (key === CONTAINER_NAME_VARIABLE) continue;
    if (!Object.hasOwn(actual, key)) found.push(`${what} ${key} is missing`);
    else if (actual[key] !== value) found.push(`${what} ${key} differs`);
  }
  if (!more)
    for (const key of Object.keys(actual))
      if (!Object.hasOwn(wanted, key) && key !== CONTAINER_NAME_VARIABLE)
        found.push(`${what} ${key} is not in the blueprint`);
  return found;
}

const DEFAULT_HOST_IPS = new Set(['', '0.0.0.0']);

function portSet(ports: readonly PortSpec[]): string[] {
  return ports
    .filter((port) => port.publish)
    .map((port) => {
      const ip = DEFAULT_HOST_IPS.has(port.hostIp) ? '' : port.hostIp;
      return `${ip}:${port.hostPort ?? ''}:${port.containerPort}/${port.protocol}`;
    })
    .sort();
}

function mountSet(mounts: readonly MountSpec[]): MountSpec[] {
  return [...mounts].sort((a, b) => (a.target < b.target ? -1 : a.target > b.target ? 1 : 0));
}

function sorted(list: readonly string[] | undefined): string[] {
  return [...(list ?? [])].sort();
}

const LIMITS: readonly { field: keyof LimitSpec; name: string; removable: boolean }[] = [
  { field: 'nanoCpus', name: 'CPU limit', removable: false },
  { field: 'memoryBytes', name: 'memory limit', removable: false },
  { field: 'pidsLimit', name: 'process limit', removable: true },
];

/** A limit can be changed in place; the engine offers no call that takes one away again (pids apart). */
function limitDrift(wanted: LimitSpec, actual: LimitSpec): { replace: string[]; update: string[] } {
  const replace: string[] = [];
  const update: string[] = [];
  for (const { field, name, removable } of LIMITS) {
    const want = wanted[field] ?? 0;
    const have = actual[field] ?? 0;
    if (want === have) continue;
    if (want === 0 && !removable) replace.push(`${name} ${have} must go, which needs a new container`);
    else update.push(`${name} is ${have === 0 ? 'not set' : have} instead of ${want === 0 ? 'none' : want}`);
  }
  if (wanted.memorySwapBytes !== undefined && wanted.memorySwapBytes !== actual.memorySwapBytes)
    update.push(`swap limit is ${actual.memorySwapBytes ?? 'not set'} instead of ${wanted.memorySwapBytes}`);
  return { replace, update };
}

function networkDrift(
  service: Service,
  detail: ContainerDetail,
  context: DriftContext,
): Pick<Drift, 'connect' | 'disconnect'> {
  const { network } = service.container;
  if (network.mode !== 'network') return { disconnect: [] };
  const attached = detail.networks[network.name];
  const disconnect = Object.keys(detail.networks).filter((name) => name !== network.name);
  if (attached === undefined) {
    const cause = `not attached to network ${network.name}`;
    return {
      connect: { network: network.name, aliases: network.aliases, reattach: false, cause },
      disconnect,
    };
  }
  // The engine resolves a container's own name without an alias, also after a rename.
  const needed = network.aliases.filter((alias) => alias !== service.containerName);
  const missing = needed.filter((alias) => !attached.aliases.includes(alias));
  if (missing.length > 0) {
    const cause = `alias ${missing.join(', ')} is missing on network ${network.name}`;
    return {
      connect: { network: network.name, aliases: network.aliases, reattach: true, cause },
      disconnect,
    };
  }
  if (
    context.networkId !== undefined &&
    attached.networkId !== '' &&
    attached.networkId !== context.networkId
  ) {
    const cause = `network ${network.name} was made anew`;
    return {
      connect: { network: network.name, aliases: network.aliases, reattach: true, cause },
      disconnect,
    };
  }
  return { disconnect };
}

/** Host, none, container and the default bridge cannot be swapped for one another on an existing container. */
function networkModeDrift(service: Service, detail: ContainerDetail): string | undefined {
  const want = service.container.network;
  const have = detail.spec.network;
  if (want.mode === have.mode && (want.mode !== 'container' || canonicalJson(want) === canonicalJson(have)))
    return undefined;
  return `network mode is ${have.mode} instead of ${want.mode}`;
}

function restartText(restart: ContainerSpec['restart']): string {
  return restart.name === 'on-failure' && restart.maxRetries > 0
    ? `on-failure:${restart.maxRetries}`
    : restart.name;
}

function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
