import type {
  ContainerSpec,
  HealthcheckSpec,
  LimitSpec,
  NetworkSpec,
  PortSpec,
  RestartSpec,
} from '../model/container.ts';
import type { ContainerDetail } from '../model/observed.ts';
import { decodeMounts } from './decode-mounts.ts';
import {
  asObject,
  booleanAt,
  isObject,
  listAt,
  numberAt,
  objectAt,
  textAt,
  textMapAt,
  textsAt,
} from './json.ts';

const NS_PER_MS = 1_000_000;

/** What decoding needs to know of the engine around the container. */
export interface Surroundings {
  /** The machine's host name: what a container in host network mode has as its own. */
  hostname: string;
  /** Podman fills in defaults of its own where nothing was asked for. */
  podman: boolean;
}

/** Podman's limit for containers that were given none. */
const PODMAN_PIDS_LIMIT = 2048;

/** Podman keeps the stop signal as a number, also when none was asked for: SIGTERM is then no wish. */
const SIGNALS: Readonly<Record<string, string>> = {
  '1': 'SIGHUP',
  '2': 'SIGINT',
  '3': 'SIGQUIT',
  '9': 'SIGKILL',
  '10': 'SIGUSR1',
  '12': 'SIGUSR2',
  '15': '',
  '28': 'SIGWINCH',
  '37': 'SIGRTMIN+3',
};

/** The wish behind a container: an inspection's `Config`, `HostConfig` and networks as a `ContainerSpec`. */
export function decodeSpec(item: unknown, around: Surroundings): ContainerSpec {
  const config = objectAt(item, 'Config');
  const host = objectAt(item, 'HostConfig');
  const network = decodeNetwork(item);
  const log = objectAt(host, 'LogConfig');
  const stopTimeout = numberAt(config, 'StopTimeout', -1);
  return {
    image: textAt(config, 'Image'),
    env: decodeEnv(config),
    command: textsAt(config, 'Cmd'),
    entrypoint: textsAt(config, 'Entrypoint'),
    ...defined('workingDir', nonEmpty(textAt(config, 'WorkingDir'))),
    ...defined('user', nonEmpty(textAt(config, 'User'))),
    ...defined('hostname', hostnameOf(item, network, around)),
    labels: textMapAt(config, 'Labels'),
    ports: decodePorts(config, host),
    mounts: decodeMounts(host),
    network,
    privileged: booleanAt(host, 'Privileged'),
    ...defined('init', typeof host.Init === 'boolean' ? host.Init : undefined),
    ...defined('healthcheck', decodeHealthcheck(config.Healthcheck)),
    ...defined(
      'log',
      textAt(log, 'Type') === ''
        ? undefined
        : { driver: textAt(log, 'Type'), options: textMapAt(log, 'Config') },
    ),
    ...defined('stopTimeoutS', stopTimeout < 0 ? undefined : stopTimeout),
    ...defined('stopSignal', nonEmpty(stopSignalOf(config, around))),
    ...defined('devices', nonEmptyList(decodeDevices(host))),
    ...defined('capAdd', nonEmptyList(capabilities(host, 'CapAdd'))),
    ...defined('capDrop', nonEmptyList(capabilities(host, 'CapDrop'))),
    ...defined('extraHosts', nonEmptyList(textsAt(host, 'ExtraHosts'))),
    ...defined('readOnlyRootfs', booleanAt(host, 'ReadonlyRootfs') ? true : undefined),
    ...defined('noNewPrivileges', isConfined(host) ? true : undefined),
    restart: decodeRestart(host),
    limits: decodeLimits(host, around),
  };
}

/** `no-new-privileges`, also as `no-new-privileges:true` and `no-new-privileges=true`. */
function isConfined(host: unknown): boolean {
  return textsAt(host, 'SecurityOpt').some((option) => /^no-new-privileges(?:[:=]true)?$/.test(option));
}

function stopSignalOf(config: unknown, around: Surroundings): string {
  const signal = textAt(config, 'StopSignal');
  return around.podman ? (SIGNALS[signal] ?? signal) : signal;
}

/** `Config.Env` as a map; a line without a name is passed over. */
export function decodeEnv(config: unknown): Record<string, string> {
  const env: Record<string, string> = {};
  for (const line of textsAt(config, 'Env')) {
    const equals = line.indexOf('=');
    if (equals > 0) env[line.slice(0, equals)] = line.slice(equals + 1);
  }
  return env;
}

/** The engine makes up a host name from the id, and takes the machine's or another container's in those network modes. */
function hostnameOf(item: unknown, network: NetworkSpec, around: Surroundings): string | undefined {
  const hostname = textAt(objectAt(item, 'Config'), 'Hostname');
  if (hostname === '' || network.mode === 'container') return undefined;
  if (network.mode === 'host' && hostname === around.hostname) return undefined;
  return textAt(item, 'Id').startsWith(hostname) && hostname.length === 12 ? undefined : hostname;
}

function decodePorts(config: unknown, host: unknown): PortSpec[] {
  const bindings = objectAt(host, 'PortBindings');
  const ports: PortSpec[] = [];
  for (const [key, list] of Object.entries(bindings)) {
    const port = portKey(key);
    if (port === undefined) continue;
    const entries = Array.isArray(list) && list.length > 0 ? list : [{}];
    for (const entry of entries) {
      const hostPort = Number(textAt(entry, 'HostPort'));
      const wanted = Number.isInteger(hostPort) && hostPort > 0 ? { hostPort } : {};
      ports.push({ ...port, publish: true, ...wanted, hostIp: textAt(entry, 'HostIp') });
    }
  }
  for (const key of Object.keys(objectAt(config, 'ExposedPorts'))) {
    const port = portKey(key);
    if (port !== undefined && !isObject(bindings[key]) && !Array.isArray(bindings[key]))
      ports.push({ ...port, publish: false, hostIp: '' });
  }
  return ports.sort(comparePorts);
}

function portKey(key: string): { containerPort: number; protocol: 'tcp' | 'udp' } | undefined {
  const [number, protocol = 'tcp'] = key.split('/');
  const containerPort = Number(number);
  if (!Number.isInteger(containerPort) || (protocol !== 'tcp' && protocol !== 'udp')) return undefined;
  return { containerPort, protocol };
}

function comparePorts(a: PortSpec, b: PortSpec): number {
  return (
    a.containerPort - b.containerPort ||
    a.protocol.localeCompare(b.protocol) ||
    (a.hostPort ?? 0) - (b.hostPort ?? 0) ||
    a.hostIp.localeCompare(b.hostIp)
  );
}

function decodeNetwork(item: unknown): NetworkSpec {
  const mode = textAt(objectAt(item, 'HostConfig'), 'NetworkMode');
  if (mode === 'host' || mode === 'none') return { mode };
  if (mode.startsWith('container:')) return { mode: 'container', container: mode.slice('container:'.length) };
  const attached = decodeAttached(item);
  const name = mode === '' || mode === 'default' || mode === 'bridge' ? ownNetwork(attached) : mode;
  if (name === undefined) return { mode: 'bridge' };
  return { mode: 'network', name, aliases: attached[name]?.aliases ?? [], create: true, driver: 'bridge' };
}

/** Podman says "bridge" for every network; the one it is attached to then tells. */
function ownNetwork(attached: ContainerDetail['networks']): string | undefined {
  const names = Object.keys(attached);
  return names.some((name) => name === 'bridge' || name === 'podman') ? undefined : names[0];
}

/** Attached networks by name, without the short id that the engine adds to the aliases. */
export function decodeAttached(item: unknown): ContainerDetail['networks'] {
  const shortId = textAt(item, 'Id').slice(0, 12);
  const networks = objectAt(objectAt(item, 'NetworkSettings'), 'Networks');
  return Object.fromEntries(
    Object.entries(networks).map(([name, end]) => [
      name,
      {
        aliases: [...new Set(textsAt(end, 'Aliases'))].filter((alias) => alias !== shortId),
        ip: textAt(end, 'IPAddress'),
        // Podman gives the name again.
        networkId: textAt(end, 'NetworkID') === name ? '' : textAt(end, 'NetworkID'),
      },
    ]),
  );
}

/** Absent members stand for the engine's defaults: 30 s, 30 s, 3, 0. A check that is switched off has only those. */
export function decodeHealthcheck(json: unknown): HealthcheckSpec | undefined {
  const test = textsAt(json, 'Test');
  if (test.length === 0) return undefined;
  const timing = test[0] === 'NONE' ? {} : json;
  const ms = (key: string, otherwise: number) => (numberAt(timing, key) || otherwise * NS_PER_MS) / NS_PER_MS;
  const startPeriodMs = ms('StartPeriod', 0);
  const startIntervalMs = ms('StartInterval', 0);
  return {
    test,
    intervalMs: ms('Interval', 30_000),
    timeoutMs: ms('Timeout', 30_000),
    retries: numberAt(timing, 'Retries') || 3,
    // See the encoder: one millisecond and five seconds stand for nothing asked for.
    startPeriodMs: startPeriodMs <= 1 ? 0 : startPeriodMs,
    ...(startIntervalMs === 0 || startIntervalMs === 5_000 ? {} : { startIntervalMs }),
  };
}

function decodeDevices(host: unknown): { hostPath: string; containerPath: string; permissions: string }[] {
  return listAt(host, 'Devices').map((device) => ({
    hostPath: textAt(device, 'PathOnHost'),
    containerPath: textAt(device, 'PathInContainer'),
    permissions: textAt(device, 'CgroupPermissions') || 'rwm',
  }));
}

/** Upper case and without the prefix, as newer engines add it: "NET_ADMIN". */
function capabilities(host: unknown, key: string): string[] {
  return textsAt(host, key).map((name) => name.toUpperCase().replace(/^CAP_/, ''));
}

function decodeRestart(host: unknown): RestartSpec {
  const policy = asObject(objectAt(host, 'RestartPolicy'));
  const name = textAt(policy, 'Name');
  if (name === 'on-failure') return { name, maxRetries: numberAt(policy, 'MaximumRetryCount') };
  return { name: name === 'always' || name === 'unless-stopped' ? name : 'no', maxRetries: 0 };
}

function decodeLimits(host: unknown, around: Surroundings): LimitSpec {
  const period = numberAt(host, 'CpuPeriod') || 100_000;
  const quota = numberAt(host, 'CpuQuota');
  // Podman keeps a CPU limit as quota and period.
  const nanoCpus = numberAt(host, 'NanoCpus') || (quota > 0 ? Math.round((quota / period) * 1e9) : 0);
  const memory = numberAt(host, 'Memory');
  const swap = numberAt(host, 'MemorySwap');
  const pids = numberAt(host, 'PidsLimit');
  return {
    ...(nanoCpus > 0 ? { nanoCpus } : {}),
    ...(memory > 0 ? { memoryBytes: memory } : {}),
    ...(memory > 0 && swap !== 0 ? { memorySwapBytes: swap } : {}),
    ...(pids > 0 && !(around.podman && pids === PODMAN_PIDS_LIMIT) ? { pidsLimit: pids } : {}),
  };
}

function defined<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}

function nonEmpty(text: string): string | undefined {
  return text === '' ? undefined : text;
}

function nonEmptyList<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}
