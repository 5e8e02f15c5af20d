/**
 * A container as data, in our own words: what a blueprint asks for, resolved. The engine's API shapes stay in `docker/`;
 * it maps this both ways, so that a wanted and an observed container can be compared field by field.
 */
export interface ContainerSpec {
  image: string;
  /** Complete environment that we set; the image's own variables are not in it. */
  env: Readonly<Record<string, string>>;
  /** Replaces the image's CMD; absent keeps it. */
  command?: readonly string[];
  /** Replaces the image's ENTRYPOINT; absent keeps it. */
  entrypoint?: readonly string[];
  workingDir?: string;
  user?: string;
  hostname?: string;
  /** The blueprint's own labels; the reserved `colonies.*` ones are added at creation, see `managedLabels`. */
  labels: Readonly<Record<string, string>>;
  ports: readonly PortSpec[];
  mounts: readonly MountSpec[];
  network: NetworkSpec;
  privileged: boolean;
  /** Run a tiny init as PID 1. */
  init?: boolean;
  healthcheck?: HealthcheckSpec;
  log?: LogSpec;
  /** Seconds between SIGTERM and SIGKILL when it is stopped; absent: the engine's 10 s. Not part of the spec hash. */
  stopTimeoutS?: number;
  stopSignal?: string;
  /** Host devices; read-write unless said otherwise. */
  devices?: readonly DeviceSpec[];
  capAdd?: readonly string[];
  capDrop?: readonly string[];
  extraHosts?: readonly string[];
  readOnlyRootfs?: boolean;
  /** No process of it gets more rights than it began with. */
  noNewPrivileges?: boolean;
  /** Changed in place, without a new container; not part of the spec hash. */
  restart: RestartSpec;
  /** Changed in place, without a new container; not part of the spec hash. */
  limits: LimitSpec;
}

export interface PortSpec {
  containerPort: number;
  protocol: 'tcp' | 'udp';
  /** false: exposed only. */
  publish: boolean;
  /** Absent on a published port: the engine chooses one. */
  hostPort?: number;
  /** Address of the host that the port is bound to; empty: all addresses, IPv4 and IPv6. */
  hostIp: string;
}

export type MountSpec =
  | { type: 'volume'; source: string; target: string; readOnly: boolean }
  | { type: 'bind'; source: string; target: string; readOnly: boolean }
  /** `sizeBytes` and `mode` (octal text such as "1777") are the engine's defaults when absent. */
  | { type: 'tmpfs'; target: string; readOnly: boolean; sizeBytes?: number; mode?: string };

export type NetworkSpec =
  | { mode: 'host' | 'none' }
  | { mode: 'container'; container: string }
  /** The engine's own default bridge, which knows no aliases. */
  | { mode: 'bridge' }
  | { mode: 'network'; name: string; aliases: readonly string[]; create: boolean; driver: string };

export interface HealthcheckSpec {
  /** As the engine takes it: `["CMD", ...]`, `["CMD-SHELL", "..."]` or `["NONE"]`. */
  test: readonly string[];
  intervalMs: number;
  timeoutMs: number;
  retries: number;
  startPeriodMs: number;
  startIntervalMs?: number;
}

export interface RestartSpec {
  name: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  /** Only with `on-failure`; 0 means without end. */
  maxRetries: number;
}

/** Absent: no limit. */
export interface LimitSpec {
  nanoCpus?: number;
  memoryBytes?: number;
  memorySwapBytes?: number;
  pidsLimit?: number;
}

/** The engine's json-file log grows without end; these limits do not (FIELDS.md section 12). */
const BOUNDED_LOG: LogSpec = { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } };

/**
 * Log settings of a new container: the blueprint's, with the limits it leaves out where the driver is json-file; else
 * limits for json-file. An engine whose default is another driver is the operator's choice and keeps it: undefined.
 */
export function effectiveLog(log: LogSpec | undefined, engineDriver: string): LogSpec | undefined {
  if (log === undefined) return engineDriver === BOUNDED_LOG.driver ? BOUNDED_LOG : undefined;
  if (log.driver !== BOUNDED_LOG.driver) return log;
  return { driver: log.driver, options: { ...BOUNDED_LOG.options, ...log.options } };
}

export interface LogSpec {
  driver: string;
  options: Readonly<Record<string, string>>;
}

export interface DeviceSpec {
  hostPath: string;
  containerPath: string;
  permissions: string;
}

/** Labels on every container we make (FIELDS.md section 7). The prefix `colonies.` is reserved. */
export const LABEL = {
  deployment: 'colonies.deployment',
  managed: 'colonies.managed',
  generation: 'colonies.generation',
  executor: 'colonies.executor',
  kind: 'colonies.kind',
  blueprintId: 'colonies.blueprintid',
  instance: 'colonies.instance',
  replica: 'colonies.replica',
  specHash: 'colonies.spec-hash',
  node: 'colonies.node',
  colony: 'colonies.colony',
} as const;

/** No blueprint may set a label that starts with this. */
export const RESERVED_LABEL_PREFIX = 'colonies.';
