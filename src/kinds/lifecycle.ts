import type { HealthcheckSpec, RestartSpec } from '../model/container.ts';
import type { Dependency, ProbeSpec, Service, UpdateSpec } from '../model/desired.ts';
import { Fields, isObject } from './fields.ts';
import { readHooks, readLockFile } from './hooks.ts';
import type { NetworkMode } from './network.ts';
import type { LocatedPort } from './ports.ts';
import { readDurationMs } from './quantity.ts';

/** Engine's defaults, written out so that the hash does not depend on them (FIELDS.md 4.3). */
const CHECK_DEFAULTS = { intervalMs: 30_000, timeoutMs: 30_000, retries: 3 };

type OnUnhealthy = Service['onUnhealthy'];

/** Reads `healthcheck` (run by the engine) and what to do when it fails. */
export function readHealthcheck(fields: Fields): {
  healthcheck: HealthcheckSpec | undefined;
  onUnhealthy: OnUnhealthy | undefined;
} {
  const check = fields.object('healthcheck');
  if (check === undefined) return { healthcheck: undefined, onUnhealthy: undefined };
  const test = readTest(check);
  const timing = readTiming(check);
  const startIntervalMs = engineDuration(check, 'startInterval');
  const onUnhealthy = check.oneOf('onUnhealthy', ['restart', 'ignore']);
  check.done();
  if (test === undefined) return { healthcheck: undefined, onUnhealthy };
  const healthcheck = { test, ...timing, ...(startIntervalMs === undefined ? {} : { startIntervalMs }) };
  return { healthcheck, onUnhealthy };
}

function readTest(fields: Fields): readonly string[] | undefined {
  const hint = 'a command as text, or a list such as ["CMD", "curl", "-f", "http://localhost/"]';
  if (!Array.isArray(fields.raw('test'))) {
    const text = fields.requiredText('test', hint);
    return text === undefined ? undefined : ['CMD-SHELL', text];
  }
  const list = fields.texts('test') ?? [];
  const [first, ...rest] = list;
  if (first === undefined) return fields.refuse('test', `must be ${hint}`);
  if (first === 'NONE')
    return rest.length === 0 ? list : fields.refuse('test', 'must have nothing after "NONE"');
  if (first !== 'CMD' && first !== 'CMD-SHELL') return ['CMD', ...list];
  if (rest.length === 0) return fields.refuse('test', `must have a command after "${first}"`);
  return list;
}

function readTiming(fields: Fields) {
  return {
    // The engine takes 0 as "default".
    intervalMs: engineDuration(fields, 'interval') || CHECK_DEFAULTS.intervalMs,
    timeoutMs: engineDuration(fields, 'timeout') || CHECK_DEFAULTS.timeoutMs,
    retries: fields.int('retries', 0, 1_000_000) || CHECK_DEFAULTS.retries,
    startPeriodMs: engineDuration(fields, 'startPeriod') ?? 0,
  };
}

/** A duration that the engine accepts: zero, or at least a millisecond. */
function engineDuration(fields: Fields, key: string): number | undefined {
  const ms = readDurationMs(fields, key);
  return ms !== undefined && ms > 0 && ms < 1 ? fields.refuse(key, 'must be 0 or at least 1ms') : ms;
}

/** The agent is one process for all containers: it does not probe one more often than this, milliseconds. */
const LEAST_PROBE_INTERVAL_MS = 1_000;

/** Reads `probe` (run by the agent): one of `tcp` and `http`, with the timing of a health check. */
export function readProbe(
  fields: Fields,
  network: NetworkMode,
  ports: readonly LocatedPort[],
): ProbeSpec | undefined {
  const probe = fields.object('probe');
  if (probe === undefined) return undefined;
  if (network.mode === 'none' || network.mode === 'container') {
    const shown = network.mode === 'none' ? 'none' : 'container:';
    fields.refuse('probe', `must be left out with networkMode "${shown}", which gives no address of its own`);
  }
  const tcp = probe.object('tcp');
  const http = probe.object('http');
  if (probe.has('tcp') === probe.has('http'))
    fields.problems.error(probe.path, 'must have either tcp or http');
  const tcpPort = tcp === undefined ? undefined : requiredPort(tcp);
  tcp?.done();
  const web = http === undefined ? undefined : readHttp(http);
  const timing = readTiming(probe);
  if (timing.intervalMs < LEAST_PROBE_INTERVAL_MS) probe.refuse('interval', 'must be at least 1s');
  const isPublished = probe.bool('published') ?? false;
  const port = tcpPort ?? web?.port;
  if (isPublished && port !== undefined && !isOnHost(port, network, ports))
    probe.refuse('published', `must be left out: ports has no published tcp port for ${port}`);
  probe.done();
  return {
    ...(tcpPort === undefined ? {} : { tcp: { port: tcpPort } }),
    ...(web === undefined ? {} : { http: web }),
    ...timing,
    ...(isPublished ? { published: true } : {}),
  };
}

function isOnHost(wanted: number, network: NetworkMode, ports: readonly LocatedPort[]): boolean {
  if (network.mode === 'host') return false;
  return ports.some(
    ({ port, handover }) =>
      port.publish && handover === undefined && port.protocol === 'tcp' && port.containerPort === wanted,
  );
}

function readHttp(fields: Fields): NonNullable<ProbeSpec['http']> | undefined {
  const port = requiredPort(fields);
  const path = fields.textLike('path', /^\/[!-~]*$/, 'a path that starts with "/", without blanks') ?? '/';
  const tls = fields.bool('tls') ?? false;
  const status = fields.int('status', 100, 599) ?? 200;
  fields.done();
  return port === undefined ? undefined : { port, path, tls, status };
}

function requiredPort(fields: Fields): number | undefined {
  if (fields.has('port')) return fields.int('port', 1, 65535);
  return fields.refuse('port', 'must be a port number');
}

const DEPENDENCY_TIMEOUT_MS = 10 * 60_000;

/** Reads `dependsOn`: names, or objects of name, condition and timeout. */
export function readDependsOn(fields: Fields): readonly Dependency[] {
  const hint = 'a list of names or of objects such as {"name": "db", "condition": "healthy"}';
  return fields.list('dependsOn', hint).flatMap(({ value, path }): Dependency[] => {
    if (typeof value === 'string' && value !== '')
      return [{ name: value, condition: 'auto', timeoutMs: DEPENDENCY_TIMEOUT_MS }];
    if (!isObject(value)) {
      fields.problems.error(path, 'must be a name or an object with "name"', { value });
      return [];
    }
    const item = new Fields(value, path, fields.problems);
    const name = item.requiredText('name', 'the name of an instance or blueprint');
    const condition = item.oneOf('condition', ['started', 'healthy', 'completed']) ?? 'auto';
    const timeoutMs = readDurationMs(item, 'timeout') ?? DEPENDENCY_TIMEOUT_MS;
    item.done();
    return name === undefined ? [] : [{ name, condition, timeoutMs }];
  });
}

/** Reads `update` of an instance or a blueprint; its `windows` are read with the blueprint (`windows.ts`). */
export function readUpdate(fields: Fields): UpdateSpec | undefined {
  const update = fields.object('update');
  if (update === undefined) return undefined;
  const spec: UpdateSpec = {
    strategy: update.oneOf('strategy', ['auto', 'start-first', 'stop-first', 'recreate']) ?? 'auto',
    parallelism: update.int('parallelism', 1, 1000) ?? 1,
    healthyAfterMs: readDurationMs(update, 'healthyAfter') ?? 5000,
    deadlineMs: readDurationMs(update, 'deadline') ?? 5 * 60_000,
    onFailure: update.oneOf('onFailure', ['rollback', 'pause', 'continue']) ?? 'rollback',
    ...readLockFile(update),
    ...readHooks(update),
  };
  update.has('windows');
  update.done();
  return spec;
}

/** Reads the instance-level `onUnhealthy`, for images that bring a health check of their own. */
export function readOnUnhealthy(fields: Fields): OnUnhealthy | undefined {
  return fields.oneOf('onUnhealthy', ['restart', 'ignore']);
}

const RESTART_NAMES = ['no', 'always', 'unless-stopped', 'on-failure'] as const;

/** Reads `restartPolicy` (FIELDS.md 3.4); absent: `unless-stopped`. */
export function readRestart(fields: Fields): RestartSpec {
  const hint = '"no", "always", "unless-stopped", "on-failure" or "on-failure:N"';
  const value = fields.text('restartPolicy', hint);
  if (value === undefined) return { name: 'unless-stopped', maxRetries: 0 };
  const retries = /^on-failure:(\d{1,6})$/.exec(value)?.[1];
  if (retries !== undefined) return { name: 'on-failure', maxRetries: Number(retries) };
  const name = RESTART_NAMES.find((candidate) => candidate === value);
  if (name === undefined) fields.refuse('restartPolicy', `must be ${hint}`);
  return { name: name ?? 'unless-stopped', maxRetries: 0 };
}
