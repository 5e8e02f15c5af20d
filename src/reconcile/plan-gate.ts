import type { Owner, Service } from '../model/desired.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import { type Crash, isCurrent } from './crashes.ts';
import { keyOf } from './ownership.ts';
import { forcedCause } from './plan-forced.ts';
import { updateOf } from './plan-strategy.ts';
import { type Readiness, readinessOf } from './readiness.ts';

/** A container is condemned for being late only after it was watched this long, milliseconds: the wall clock, by which a
 *  start before our own is told, may have jumped. */
const WATCHED_AT_LEAST_MS = 60_000;

/** What a new version has to show before the one it replaces may go. */
export interface Gate {
  isPassed: boolean;
  /** What it still has to show, as a clause about it. */
  lacks: string;
  /** true: it has had its time. */
  isLate?: true;
  /** Monotonic time at which it is passed or missed if nothing else happens; absent when only an event can change it. */
  untilMs?: number;
}

/** How a container stands with its checks; the one place where the gate asks for it. */
export function standingOf(
  service: Service,
  container: ObservedContainer,
  observed: ObservedState,
): Readiness {
  return readinessOf(service, container, observed);
}

/** Healthy by its check, or up for `healthyAfter` where it has none; the time counts from the container's own start. */
export function gateOf(
  service: Service,
  container: ObservedContainer,
  observed: ObservedState,
  monoMs: number,
): Gate {
  const { healthyAfterMs, deadlineMs } = updateOf(service);
  const sinceMs = observed.runningSince.get(container.id) ?? monoMs;
  const standing = standingOf(service, container, observed);
  switch (standing) {
    case 'healthy':
    case 'completed':
      return { isPassed: true, lacks: '' };
    case 'unchecked': {
      const untilMs = sinceMs + healthyAfterMs;
      const lacks = `has to stay up for ${secondsText(healthyAfterMs)}`;
      return { isPassed: untilMs <= monoMs, lacks, untilMs };
    }
    case 'starting':
    case 'unhealthy': {
      const lacks = `has to become healthy within ${secondsText(deadlineMs)} (it is ${standing})`;
      // Past its deadline it was not watched for long enough yet.
      const isLate = monoMs >= sinceMs + deadlineMs;
      const untilMs = Math.max(sinceMs + deadlineMs, monoMs + 1_000);
      return { isPassed: false, lacks, untilMs, ...(isLate ? { isLate } : {}) };
    }
    case 'down':
      return { isPassed: false, lacks: 'has to run' };
    default:
      return standing satisfies never;
  }
}

/** New versions beside the ones they replace that have not become healthy within their deadline. `watchedSince`: since
 *  when this process has seen each container run, monotonic milliseconds. */
export function overdue(
  services: ReadonlyMap<string, Service>,
  observed: ObservedState,
  owner: Owner,
  watchedSince: ReadonlyMap<string, number>,
  monoMs: number,
): Crash[] {
  const found: Crash[] = [];
  for (const container of observed.containers) {
    const key = keyOf(container);
    const service = key === undefined ? undefined : services.get(key);
    if (service === undefined || container.state !== 'running') continue;
    if (!isCurrent(container, service, owner) || observed.busy.has(service.key)) continue;
    if (forcedCause(observed, service.blueprint, container.id) !== undefined) continue;
    const others = observed.containers.filter((other) => other !== container && keyOf(other) === key);
    // The older of two is what a replacement goes back to: it is not on trial.
    if (others.length === 0 || others.some(({ createdAt }) => createdAt > container.createdAt)) continue;
    const standing = standingOf(service, container, observed);
    if (standing !== 'starting' && standing !== 'unhealthy') continue;
    const { deadlineMs } = updateOf(service);
    const ranMs = monoMs - (observed.runningSince.get(container.id) ?? monoMs);
    const watchedMs = monoMs - (watchedSince.get(container.id) ?? monoMs);
    if (ranMs < deadlineMs || watchedMs < Math.min(deadlineMs, WATCHED_AT_LEAST_MS)) continue;
    found.push({
      key: service.key,
      specHash: service.specHash,
      reason: 'ReplacementFailed',
      message: `did not become healthy within ${secondsText(deadlineMs)} (it is ${standing})`,
      permanent: true,
      container: container.id,
      token: `${container.id}:overdue`,
    });
  }
  return found;
}

function secondsText(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
