import type { Outcome } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { Owner, Service } from '../model/desired.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import type { Reason } from '../model/reason.ts';
import type { GoodVersion } from '../model/rollout.ts';
import { endOf, isCurrent, restartedEnd } from './crashes.ts';
import { keyOf } from './ownership.ts';
import { gateOf, standingOf } from './plan-gate.ts';
import { updateOf } from './plan-strategy.ts';

/** Something that speaks against a version: what failed of it, and how. */
export interface VersionFailure {
  /** Service key. */
  key: string;
  specHash: string;
  reason: Reason;
  message: string;
}

/** Refusals that are the version's own fault. A missing bind source, a taken port, a network or an image that is not there
 *  are the surroundings'; all else may pass. */
const FAULTS: ReadonlySet<string> = new Set(['COMMAND_NOT_FOUND', 'ENGINE_REFUSED']);

/** A creation or start that fails the same way each time, as a failure of its version; undefined for all other outcomes. */
export function refusalOf(outcome: Outcome): VersionFailure | undefined {
  const { action } = outcome;
  if (outcome.ok || !FAULTS.has(outcome.code)) return undefined;
  if (action.kind !== 'createContainer' && action.kind !== 'startContainer') return undefined;
  const { reason, message } = outcome;
  return { key: action.lane, specHash: action.specHash, reason, message };
}

/** What a version on trial is judged by. */
export interface Trial {
  good: GoodVersion;
  observed: ObservedState;
  owner: Owner;
  since(container: ObservedContainer, isHealthy: boolean): number;
  counted: ReadonlyMap<string, number>;
  monoMs: number;
}

/**
 * Containers of a version on trial that have nothing beside them to go back to (made by `recreate`, or new in this version)
 * and do not stay up, or have not become healthy in time. `since`: since when each was seen unhealthy, monotonic milliseconds; a
 * container that is restarted again and again for being unhealthy is not given more time by that. `counted`: restarts by the
 * engine that have been held against it before, by container id.
 */
export function aloneAndFailing(
  service: Service,
  { good, observed, owner, since, counted, monoMs }: Trial,
): VersionFailure | undefined {
  const own = observed.containers.filter((container) => keyOf(container) === service.key);
  const [container] = own;
  if (container === undefined || own.length > 1 || observed.busy.has(service.key)) return undefined;
  if (!isCurrent(container, service, owner)) return undefined;
  const { key, specHash } = service;
  const end = endOnTrial(service, container, good, counted.get(container.id));
  if (end !== undefined) return { key, specHash, reason: 'CrashLoop', message: end.message };
  const standing = standingOf(service, container, observed);
  const isLate = monoMs - since(container, standing === 'healthy') >= updateOf(service).deadlineMs;
  if (!isLate || (standing !== 'starting' && standing !== 'unhealthy')) return undefined;
  const { lacks } = gateOf(service, container, observed, monoMs);
  return { key, specHash, reason: 'Unhealthy', message: `it ${lacks}` };
}

/** An end for which a container is not trusted; `counted`: the engine's restarts of it that were held against it before. */
function endOnTrial(
  { key, specHash, container: { restart } }: Service,
  container: ObservedContainer,
  good: GoodVersion,
  counted: number | undefined,
): { message: string } | undefined {
  if (container.state === 'restarting')
    return container.detail?.restartCount === counted ? undefined : endOf(container, restart.name);
  // What runs on unchanged in both has a count from its life before.
  const isMade = good.version.services.find((other) => other.key === key)?.specHash !== specHash;
  return isMade ? restartedEnd(container, counted) : undefined;
}

/** What ended while nobody looked may have been ended by whatever kept us from looking; what the engine restarts by
 *  itself does not stay up: it does not count the starts at its own. */
export function isLooping(observed: ObservedState): (failure: VersionFailure) => boolean {
  const looping = new Set(
    observed.containers.flatMap(({ state, labels, detail }) =>
      state === 'restarting' || (state === 'running' && (detail?.restartCount ?? 0) > 0)
        ? [`${labels[LABEL.deployment]}/${labels[LABEL.instance]}/${labels[LABEL.replica]}`]
        : [],
    ),
  );
  return ({ key }) => looping.has(key);
}
