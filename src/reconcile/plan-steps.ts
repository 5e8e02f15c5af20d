import type { Hold } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { Service } from '../model/desired.ts';
import type { ObservedContainer, Setback } from '../model/observed.ts';
import { isOurs, isPeers, keyOf } from './ownership.ts';
import { lockedBy } from './plan-lock.ts';
import type { Planning } from './planning.ts';
import { holding } from './setback.ts';

export function hold(planning: Planning, service: Service, hold: Omit<Hold, 'key' | 'blueprint'>): void {
  planning.hold({ key: service.key, blueprint: service.blueprint, ...hold });
}

/** Leaves a service alone until its setback's time has come. */
export function holdBy(planning: Planning, service: Service, setback: Setback): void {
  const { reason, message, notBeforeMs, nextTryAt, attempts, since } = setback;
  hold(planning, service, { reason, message, untilMs: notBeforeMs, nextTryAt, attempts, since });
}

/** Why no container of this service is replaced now; undefined when they are. */
export function pausedBy(planning: Planning, service: Service): Omit<Hold, 'key' | 'blueprint'> | undefined {
  const message = planning.observed.rollouts.get(service.blueprint)?.paused;
  if (message !== undefined) return { reason: 'Paused', message };
  return lockedBy(planning, service);
}

/** true when the network is there, or none is needed; otherwise plans it, or says that it is missing. */
export function networkReady(planning: Planning, service: Service): boolean {
  const { network } = service.container;
  if (network.mode !== 'network') return true;
  if (planning.observed.networks.some((candidate) => candidate.name === network.name)) return true;
  if (!network.create) {
    hold(planning, service, {
      reason: 'NetworkMissing',
      message: `network ${network.name} does not exist and create is false`,
    });
    return false;
  }
  const lane = `network:${network.name}`;
  const setback = holding(planning.observed.setbacks, lane, '', planning.monoMs);
  if (setback !== undefined) {
    holdBy(planning, service, setback);
    return false;
  }
  const { node, colony } = planning.desired.owner;
  planning.act({
    kind: 'createNetwork',
    lane,
    blueprint: service.blueprint,
    cause: 'network does not exist',
    name: network.name,
    driver: network.driver,
    labels: {
      [LABEL.managed]: 'true',
      [LABEL.node]: node,
      ...(colony === '' ? {} : { [LABEL.colony]: colony }),
    },
  });
  hold(planning, service, { reason: 'Working', message: `network ${network.name} is being made` });
  return false;
}

export function nameConflict(planning: Planning, service: Service, holder: ObservedContainer): void {
  const ours = isOurs(holder, planning.desired.owner) || isPeers(holder);
  const who = ours
    ? `blueprint ${holder.labels[LABEL.deployment]}`
    : `a container that is not ours (${holder.id.slice(0, 12)})`;
  hold(planning, service, {
    reason: 'NameConflict',
    message: `name ${service.containerName} is held by ${who}`,
  });
}

export function isUp(container: ObservedContainer): boolean {
  return container.state === 'running' || container.state === 'paused' || container.state === 'restarting';
}

/** A job that ended well stays ended: policies `no` and `on-failure` with exit code 0. */
export function isCompleted(service: Service, container: ObservedContainer): boolean {
  const { name } = service.container.restart;
  return container.state === 'exited' && container.exitCode === 0 && (name === 'no' || name === 'on-failure');
}

export function exitText(container: ObservedContainer): string {
  const code = container.exitCode ?? container.detail?.exitCode;
  const oom = container.detail?.oomKilled === true ? ', out of memory' : '';
  return code === undefined ? 'exit code not known yet' : `exited ${code}${oom}`;
}

export function remove(
  planning: Planning,
  service: Service,
  container: ObservedContainer,
  cause: string,
): void {
  planning.act({
    kind: 'removeContainer',
    lane: service.key,
    blueprint: service.blueprint,
    cause,
    id: container.id,
    name: container.name,
    specHash: service.specHash,
    force: container.state === 'dead',
  });
}

export function start(
  planning: Planning,
  service: Service,
  container: ObservedContainer,
  cause: string,
  replaces: boolean,
): void {
  planning.act({
    kind: 'startContainer',
    lane: service.key,
    blueprint: service.blueprint,
    cause,
    id: container.id,
    name: container.name,
    specHash: service.specHash,
    replaces,
  });
}

export function unpause(
  planning: Planning,
  service: Service,
  container: ObservedContainer,
  cause: string,
): void {
  const { key: lane, blueprint, specHash } = service;
  const { id, name } = container;
  planning.act({ kind: 'unpauseContainer', lane, blueprint, cause, id, name, specHash });
}

/** The next step towards a container's end: stop it gracefully, then remove it. */
export function retire(planning: Planning, container: ObservedContainer, cause: string, lane?: string): void {
  const { id, name, labels } = container;
  const base = {
    lane: lane ?? keyOf(container) ?? `container:${id}`,
    blueprint: labels[LABEL.deployment] ?? '',
    cause,
    id,
    name,
    specHash: labels[LABEL.specHash] ?? '',
  };
  if (heldBack(planning, base.lane, base.blueprint, base.specHash)) return;
  switch (container.state) {
    case 'removing':
      return;
    case 'running':
    case 'restarting':
      planning.act({ ...base, kind: 'stopContainer', timeoutS: container.detail?.spec.stopTimeoutS });
      return;
    case 'paused':
      planning.act({
        ...base,
        kind: 'unpauseContainer',
        cause: `${cause} (a paused container cannot be stopped gracefully)`,
      });
      return;
    case 'created':
    case 'exited':
      planning.act({ ...base, kind: 'removeContainer', force: false });
      return;
    case 'dead':
      planning.act({ ...base, kind: 'removeContainer', force: true });
      return;
    default:
      container.state satisfies never;
  }
}

/** Holds a lane whose last call failed for this version, until its time has come. */
export function heldBack(planning: Planning, lane: string, blueprint: string, specHash: string): boolean {
  const setback = holding(planning.observed.setbacks, lane, specHash, planning.monoMs);
  if (setback === undefined) return false;
  planning.hold({
    key: lane,
    blueprint,
    reason: setback.reason,
    message: setback.message,
    untilMs: setback.notBeforeMs,
    nextTryAt: setback.nextTryAt,
  });
  return true;
}

/** Stops one of several containers of a service. */
export function stop(
  planning: Planning,
  service: Service,
  container: ObservedContainer,
  cause: string,
): void {
  planning.act({
    kind: 'stopContainer',
    lane: service.key,
    blueprint: service.blueprint,
    cause,
    id: container.id,
    name: container.name,
    specHash: container.labels[LABEL.specHash] ?? '',
    timeoutS: service.container.stopTimeoutS,
  });
}
