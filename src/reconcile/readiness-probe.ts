import type { DesiredState, ProbeSpec, Service } from '../model/desired.ts';
import type {
  BoundPort,
  CheckState,
  HealthState,
  ObservedContainer,
  ObservedState,
  ProbeReport,
} from '../model/observed.ts';
import type { ProbeResult } from '../model/ports.ts';
import { containersOf } from './ownership.ts';

/**
 * A check that has not passed yet is tried this often, milliseconds, whatever its interval: what waits for the service
 * should not wait for the interval too. Failures still count at the pace of the interval.
 */
const EAGER_MS = 1_000;

/** One check between two tries; times are monotonic milliseconds. */
export interface Check extends CheckState {
  /** Failures counted in a row. */
  failures: number;
  /** When the last failure was counted; at first when the check began. */
  countedAtMs: number;
}

export function newCheck(nowMs: number): Check {
  return { state: 'starting', message: '', failures: 0, countedAtMs: nowMs };
}

/**
 * The check after one more try. `sinceMs`: when this run of the container was first seen. The start period counts from there:
 * failures in it do not count, and the first success ends it. Afterwards `retries` failures in a row are unhealthy, one
 * success is healthy again.
 */
export function nextCheck(
  check: Check,
  result: ProbeResult,
  spec: ProbeSpec,
  nowMs: number,
  sinceMs: number,
): Check {
  if (result.ok) return { state: 'healthy', message: '', failures: 0, countedAtMs: nowMs };
  const { message } = result;
  if (check.state === 'starting') {
    const isStarting = nowMs - sinceMs < spec.startPeriodMs;
    if (isStarting) return { ...check, message, countedAtMs: nowMs };
    if (nowMs - check.countedAtMs < spec.intervalMs) return { ...check, message };
  }
  const failures = check.failures + 1;
  const state = failures >= spec.retries ? 'unhealthy' : check.state;
  return { state, message, failures, countedAtMs: nowMs };
}

/** How long to wait until the next try, milliseconds. */
export function pauseAfter(states: readonly HealthState[], spec: ProbeSpec): number {
  return states.includes('starting') ? Math.min(EAGER_MS, spec.intervalMs) : spec.intervalMs;
}

/** One run of one container that is to be probed. */
export interface ProbeTarget {
  id: string;
  startedAt: string;
  spec: ProbeSpec;
  /** Its own address; empty while it has none. */
  host: string;
  /** Where its port is published on the host; port 0 while the engine publishes none. Absent: not to be probed. */
  published?: Address;
}

export interface Address {
  host: string;
  port: number;
}

/** The containers to probe; `unknown`: ids of those of which the engine has not said enough, where all stays as it is. */
export function probeTargets(
  desired: DesiredState,
  containers: readonly ObservedContainer[],
): { targets: ProbeTarget[]; unknown: Set<string> } {
  const targets: ProbeTarget[] = [];
  const unknown = new Set<string>();
  if (!desired.known) return { targets, unknown };
  for (const blueprint of desired.blueprints) {
    if (blueprint.services.every(({ probe }) => probe === undefined)) continue;
    const { byKey } = containersOf(blueprint, containers, desired.owner, new Map());
    for (const service of blueprint.services)
      for (const container of byKey.get(service.key) ?? []) {
        if (service.probe === undefined || container.state !== 'running') continue;
        if (container.detail === undefined) unknown.add(container.id);
        else targets.push(targetOf(service, service.probe, container, container.detail));
      }
  }
  return { targets, unknown };
}

function targetOf(
  { container: { network } }: Service,
  spec: ProbeSpec,
  { id, ports }: ObservedContainer,
  { startedAt, networks }: NonNullable<ObservedContainer['detail']>,
): ProbeTarget {
  const ends = Object.values(networks);
  const wanted = network.mode === 'network' ? networks[network.name] : undefined;
  const ip = wanted?.ip || (ends.find((end) => end.ip !== '')?.ip ?? '');
  const base = { id, startedAt, spec, host: network.mode === 'host' ? '127.0.0.1' : ip };
  return spec.published === true ? { ...base, published: publishedAt(ports, portOf(spec)) } : base;
}

function portOf({ tcp, http }: ProbeSpec): number {
  return tcp?.port ?? http?.port ?? 0;
}

/** IPv4 first: the engine may bind both, and every host has it. */
function publishedAt(ports: readonly BoundPort[], port: number): Address {
  const bound = ports
    .filter(({ containerPort, protocol }) => containerPort === port && protocol === 'tcp')
    .sort((a, b) => Number(a.hostIp.includes(':')) - Number(b.hostIp.includes(':')));
  const [first] = bound;
  if (first === undefined) return { host: '127.0.0.1', port: 0 };
  const host = ANY_ADDRESS[first.hostIp] ?? first.hostIp;
  return { host, port: first.hostPort };
}

const ANY_ADDRESS: Readonly<Record<string, string>> = {
  '': '127.0.0.1',
  '0.0.0.0': '127.0.0.1',
  '::': '::1',
};

/** What the agent's own probe says of a running container: `starting` until it has been asked; undefined without a probe. */
export function probeStateOf(
  service: Service,
  container: ObservedContainer,
  observed: Pick<ObservedState, 'probes'> | undefined,
): HealthState | undefined {
  if (service.probe === undefined) return undefined;
  return reportOf(container, observed?.probes)?.own.state ?? 'starting';
}

/** The probes' report of the present run of a container. */
export function reportOf(
  { id, detail }: ObservedContainer,
  probes: ObservedState['probes'] | undefined,
): ProbeReport | undefined {
  const report = probes?.get(id);
  return detail === undefined || report?.startedAt === detail.startedAt ? report : undefined;
}

/** Where a check asks, for people: `tcp 8080`, `https 8443/health`. */
export function checkText({ tcp, http }: ProbeSpec, at?: Address): string {
  const port = at === undefined ? (tcp?.port ?? http?.port) : `${at.host}:${at.port}`;
  if (http === undefined) return `tcp ${port}`;
  return `${http.tls ? 'https' : 'http'} ${port}${http.path}`;
}
