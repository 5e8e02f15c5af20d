import { LABEL } from '../model/container.ts';
import type { DesiredState, Owner, Service } from '../model/desired.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import { isOurs, keyOf } from './ownership.ts';
import { forcedCause } from './plan-forced.ts';
import type { Failure } from './setback.ts';

/** An end this soon after the start counts as a start that failed, milliseconds. */
const CRASH_WITHIN_MS = 10_000;

/** A container (by id) that does not stay up, as a failure of its service; `token` names this one end of it. */
export type Crash = Failure & { container: string; token: string };

/** All services by key. */
export function servicesOf(desired: DesiredState & { known: true }): Map<string, Service> {
  return new Map(
    desired.blueprints.flatMap(({ services }) => services.map((service) => [service.key, service] as const)),
  );
}

/** true when the container is ours and of the version that its service asks for. */
export function isCurrent(container: ObservedContainer, service: Service, owner: Owner): boolean {
  return isOurs(container, owner) && container.labels[LABEL.specHash] === service.specHash;
}

/**
 * Containers that ended by themselves right after their start and that nobody but the agent starts again, and new versions
 * that do not stay up beside the one they replace: those are given back at once, and not tried again soon.
 */
export function crashes(
  services: ReadonlyMap<string, Service>,
  observed: ObservedState,
  owner: Owner,
): Crash[] {
  const found: Crash[] = [];
  for (const container of observed.containers) {
    const key = keyOf(container);
    const service = key === undefined ? undefined : services.get(key);
    if (service === undefined || !isCurrent(container, service, owner) || observed.busy.has(service.key))
      continue;
    // It was stopped to be replaced.
    if (forcedCause(observed, service.blueprint, container.id) !== undefined) continue;
    const beside = observed.containers.filter((other) => other.id !== container.id && keyOf(other) === key);
    const isReplacing = beside.length > 0;
    // The older of two is what a replacement goes back to: what it did in its life does not speak against it.
    const isOnTrial = isReplacing && beside.every(({ createdAt }) => createdAt <= container.createdAt);
    const end =
      endOf(container, service.container.restart.name) ?? (isOnTrial ? restartedEnd(container) : undefined);
    if (end === undefined) continue;
    // Alone, it is left to the engine, which waits longer from time to time.
    if (!isReplacing && container.state === 'restarting') continue;
    found.push({
      key: service.key,
      specHash: service.specHash,
      reason: isReplacing ? 'ReplacementFailed' : 'CrashLoop',
      permanent: isReplacing,
      container: container.id,
      ...end,
    });
  }
  return found;
}

/** The end of a container that the engine has started again since, which is too quick to be seen as a state of its own after a
 *  run of more than 10 s: by the count of the engine, which begins anew with every start that was asked for. `counted`: how many
 *  are known already. */
export function restartedEnd(
  { id, state, detail }: ObservedContainer,
  counted = 0,
): { token: string; message: string } | undefined {
  if (state !== 'running' || detail === undefined || detail.restartCount <= counted) return undefined;
  const times = detail.restartCount === 1 ? 'once' : `${detail.restartCount} times`;
  return {
    token: `${id}:restarts:${detail.restartCount}`,
    message: `does not stay up: the engine has restarted it ${times}`,
  };
}

/** How a container ended that does not stay up; undefined when it did not, or was ended. */
export function endOf(
  { id, state, detail }: ObservedContainer,
  policy: Service['container']['restart']['name'],
): { token: string; message: string } | undefined {
  if (detail === undefined) return undefined;
  const ranMs = Date.parse(detail.finishedAt) - Date.parse(detail.startedAt);
  const error = detail.error === '' ? '' : `: ${detail.error}`;
  const message = `exited ${detail.exitCode} after ${Math.max(0, Math.round(ranMs / 1000))} s${error}`;
  // Between two attempts the times may be of different ones, and the code not be known yet.
  if (state === 'restarting')
    return {
      token: `${id}:restarting:${detail.restartCount}`,
      message: ranMs >= 0 && detail.exitCode !== 0 ? message : `does not stay up${error}`,
    };
  const isLeftToUs = policy === 'no' || policy === 'on-failure';
  const isSoon = ranMs >= 0 && ranMs < CRASH_WITHIN_MS;
  if (state !== 'exited' || !isLeftToUs || detail.exitCode === 0 || !isSoon) return undefined;
  return { token: `${id}:${detail.startedAt}`, message };
}
