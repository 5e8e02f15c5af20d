import type {
  ContainerSpec,
  HealthcheckSpec,
  LimitSpec,
  MountSpec,
  RestartSpec,
} from '../model/container.ts';
import { compareApi } from './version.ts';

type Body = Record<string, unknown>;

/** Nanoseconds in a millisecond: the engine's unit for health checks. */
const NS_PER_MS = 1_000_000;

/**
 * The body of Docker Engine API v1.52 `POST /containers/create`. `labels` are all labels, the managed ones included;
 * `api` decides about members that older engines do not know. Members that are not asked for are left out, so that the
 * image's or the engine's own values stay in force.
 */
export function encodeContainer(
  spec: ContainerSpec,
  labels: Readonly<Record<string, string>>,
  api: string,
): Body {
  const { network } = spec;
  return compact({
    Image: spec.image,
    Env: Object.entries(spec.env).map(([key, value]) => `${key}=${value}`),
    Cmd: spec.command,
    Entrypoint: spec.entrypoint,
    WorkingDir: spec.workingDir,
    User: spec.user,
    Hostname: spec.hostname,
    Labels: labels,
    ExposedPorts: spec.ports.length === 0 ? undefined : exposedPorts(spec),
    Healthcheck: spec.healthcheck === undefined ? undefined : encodeHealthcheck(spec.healthcheck, api),
    StopSignal: spec.stopSignal,
    StopTimeout: spec.stopTimeoutS,
    HostConfig: hostConfig(spec),
    // Other modes refuse to start with endpoint settings; more than one network needs API 1.44.
    NetworkingConfig:
      network.mode === 'network'
        ? { EndpointsConfig: { [network.name]: { Aliases: [...network.aliases] } } }
        : undefined,
  });
}

function hostConfig(spec: ContainerSpec): Body {
  const mounts = encodeMounts(spec.mounts);
  const ports = portBindings(spec);
  return compact({
    NetworkMode: networkMode(spec),
    PortBindings: Object.keys(ports).length === 0 ? undefined : ports,
    Binds: mounts.binds.length === 0 ? undefined : mounts.binds,
    Mounts: mounts.mounts.length === 0 ? undefined : mounts.mounts,
    Tmpfs: Object.keys(mounts.tmpfs).length === 0 ? undefined : mounts.tmpfs,
    Privileged: spec.privileged ? true : undefined,
    Init: spec.init,
    LogConfig: spec.log === undefined ? undefined : { Type: spec.log.driver, Config: spec.log.options },
    Devices: spec.devices?.map((device) => ({
      PathOnHost: device.hostPath,
      PathInContainer: device.containerPath,
      CgroupPermissions: device.permissions,
    })),
    CapAdd: spec.capAdd,
    CapDrop: spec.capDrop,
    ExtraHosts: spec.extraHosts,
    ReadonlyRootfs: spec.readOnlyRootfs === true ? true : undefined,
    SecurityOpt: spec.noNewPrivileges === true ? ['no-new-privileges'] : undefined,
    RestartPolicy: encodeRestart(spec.restart),
    NanoCpus: spec.limits.nanoCpus,
    Memory: spec.limits.memoryBytes,
    MemorySwap: spec.limits.memorySwapBytes,
    PidsLimit: spec.limits.pidsLimit,
  });
}

/**
 * The body of `POST /containers/{id}/update`. With a memory limit the swap limit is always sent (twice the memory, the
 * engine's own default), because the engine refuses a memory limit above the swap limit it has. An absent process limit
 * is lifted; absent CPU and memory limits stay as they are, for the engine has no call that takes them away.
 */
export function encodeUpdate(restart: RestartSpec, limits: LimitSpec): Body {
  const { memoryBytes } = limits;
  return compact({
    RestartPolicy: encodeRestart(restart),
    NanoCpus: limits.nanoCpus,
    Memory: memoryBytes,
    MemorySwap: limits.memorySwapBytes ?? (memoryBytes === undefined ? undefined : memoryBytes * 2),
    PidsLimit: limits.pidsLimit ?? 0,
  });
}

function encodeRestart(restart: RestartSpec): Body {
  // A count together with any other policy is refused.
  return restart.name === 'on-failure'
    ? { Name: restart.name, MaximumRetryCount: restart.maxRetries }
    : { Name: restart.name };
}

function networkMode(spec: ContainerSpec): string {
  const { network } = spec;
  if (network.mode === 'container') return `container:${network.container}`;
  return network.mode === 'network' ? network.name : network.mode;
}

function exposedPorts(spec: ContainerSpec): Body {
  return Object.fromEntries(spec.ports.map((port) => [`${port.containerPort}/${port.protocol}`, {}]));
}

function portBindings(spec: ContainerSpec): Record<string, Body[]> {
  const bindings: Record<string, Body[]> = {};
  for (const port of spec.ports) {
    if (!port.publish) continue;
    const key = `${port.containerPort}/${port.protocol}`;
    const binding = {
      HostIp: port.hostIp,
      HostPort: port.hostPort === undefined ? '' : String(port.hostPort),
    };
    bindings[key] = [...(bindings[key] ?? []), binding];
  }
  return bindings;
}

/**
 * Read-only binds go as `Mounts`, where a missing source is a clean refusal; writable ones as `Binds`, where the engine
 * makes the directory; volumes as `Binds`, which fill a new volume from the image.
 */
function encodeMounts(list: readonly MountSpec[]): {
  binds: string[];
  mounts: Body[];
  tmpfs: Record<string, string>;
} {
  const binds: string[] = [];
  const mounts: Body[] = [];
  const tmpfs: Record<string, string> = {};
  for (const mount of list) {
    if (mount.type === 'tmpfs') tmpfs[mount.target] = tmpfsOptions(mount);
    else if (mount.type === 'volume' && !mount.target.includes(':'))
      binds.push(`${mount.source}:${mount.target}${mount.readOnly ? ':ro' : ''}`);
    else if (mount.type === 'bind' && !mount.readOnly && !/:/.test(mount.source + mount.target))
      binds.push(`${mount.source}:${mount.target}`);
    else
      mounts.push({ Type: mount.type, Source: mount.source, Target: mount.target, ReadOnly: mount.readOnly });
  }
  return { binds, mounts, tmpfs };
}

function tmpfsOptions(mount: Extract<MountSpec, { type: 'tmpfs' }>): string {
  const options: string[] = [];
  if (mount.readOnly) options.push('ro');
  if (mount.sizeBytes !== undefined) options.push(`size=${mount.sizeBytes}`);
  if (mount.mode !== undefined) options.push(`mode=${mount.mode}`);
  return options.join(',');
}

/** The shortest time the engine takes. Zero would mean "as the image says", so an explicit none is sent as this. */
const SHORTEST_MS = 1;
/** The engine's own interval during the start period. */
const DEFAULT_START_INTERVAL_MS = 5_000;

function encodeHealthcheck(check: HealthcheckSpec, api: string): Body {
  if (check.test[0] === 'NONE') return { Test: ['NONE'] };
  const startIntervalMs = check.startIntervalMs ?? DEFAULT_START_INTERVAL_MS;
  return compact({
    Test: check.test,
    Interval: Math.round(check.intervalMs * NS_PER_MS),
    Timeout: Math.round(check.timeoutMs * NS_PER_MS),
    Retries: check.retries,
    StartPeriod: Math.round(Math.max(check.startPeriodMs, SHORTEST_MS) * NS_PER_MS),
    StartInterval: compareApi(api, '1.44') >= 0 ? Math.round(startIntervalMs * NS_PER_MS) : undefined,
  });
}

/** Without `undefined` members. */
function compact(body: Body): Body {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}
