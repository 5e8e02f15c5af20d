import type { Service } from '../model/desired.ts';
import { liveHash } from '../model/hash.ts';
import type { ObservedContainer } from '../model/observed.ts';
import type { Drift } from './drift.ts';
import { type Candidate, listOf } from './judge.ts';
import { relayReady } from './plan-handover.ts';
import { heal } from './plan-health.ts';
import { afterReplacement } from './plan-hook.ts';
import { gateOpen, takeTurn } from './plan-order.ts';
import {
  exitText,
  hold,
  holdBy,
  isCompleted,
  nameConflict,
  networkReady,
  remove,
  start,
  unpause,
} from './plan-steps.ts';
import type { Planning } from './planning.ts';
import { holding } from './setback.ts';

/** The one container of the right version: keep it running, named, attached and limited as asked. */
export function keep(planning: Planning, service: Service, { container, drift }: Candidate): void {
  const setback = holding(planning.observed.setbacks, service.key, service.specHash, planning.monoMs);
  if (setback !== undefined) {
    holdBy(planning, service, setback);
    if (container.state === 'created')
      remove(planning, service, container, `it could not start: ${setback.message}`);
    return;
  }
  if (container.name !== service.containerName && !rename(planning, service, container)) return;
  if (afterReplacement(planning, service, container)) return;
  switch (container.state) {
    case 'running':
      mend(planning, service, container, drift);
      heal(planning, service, container);
      return;
    case 'paused':
      unpause(planning, service, container, 'container is paused');
      return;
    case 'restarting':
      hold(planning, service, {
        reason: 'CrashLoop',
        message: `the engine restarts it again and again (${exitText(container)})`,
      });
      return;
    case 'removing':
      hold(planning, service, { reason: 'Working', message: 'the engine is removing it' });
      return;
    case 'dead':
      remove(planning, service, container, 'the engine could not remove it completely');
      return;
    case 'created':
    case 'exited':
      if (isCompleted(service, container)) return;
      if (!networkReady(planning, service) || !gateOpen(planning, service)) return;
      if (service.relay !== undefined && !relayReady(planning, service)) return;
      if (drift?.connect !== undefined) attach(planning, service, container, drift);
      else if (takeTurn(planning, service, [container]))
        start(
          planning,
          service,
          container,
          container.state === 'created'
            ? 'container was never started'
            : `container is not running (${exitText(container)})`,
          false,
        );
      return;
    default:
      container.state satisfies never;
  }
}

/** Returns true when the name may stay as it is for now and the rest can be looked at. */
function rename(planning: Planning, service: Service, container: ObservedContainer): boolean {
  const holder = planning.byName.get(service.containerName);
  if (holder !== undefined) {
    nameConflict(planning, service, holder);
    return true;
  }
  planning.act({
    kind: 'renameContainer',
    lane: service.key,
    blueprint: service.blueprint,
    cause: `container is named ${container.name}`,
    id: container.id,
    from: container.name,
    name: service.containerName,
    specHash: service.specHash,
  });
  return false;
}

/** Settings of a running container that need no new one. */
function mend(
  planning: Planning,
  service: Service,
  container: ObservedContainer,
  drift: Drift | undefined,
): void {
  if (drift === undefined) return;
  const { restart, limits } = service.container;
  if (drift.connect !== undefined) {
    if (networkReady(planning, service)) attach(planning, service, container, drift);
    return;
  }
  const [extra] = drift.disconnect;
  const base = {
    lane: service.key,
    blueprint: service.blueprint,
    id: container.id,
    name: container.name,
    specHash: service.specHash,
  };
  if (extra !== undefined) {
    planning.act({
      ...base,
      kind: 'disconnectNetwork',
      cause: `attached to network ${extra}, which the blueprint does not ask for`,
      network: extra,
    });
    return;
  }
  if (drift.update.length === 0) return;
  const live = liveHash(service.container);
  const reported = container.detail === undefined ? '' : liveHash(container.detail.spec);
  if (planning.observed.updated.get(container.id) !== `${live}:${reported}`)
    planning.act({
      ...base,
      kind: 'updateContainer',
      cause: listOf(drift.update),
      restart,
      limits: withSwap(limits),
      liveHash: live,
    });
}

/** The engine refuses a memory limit above the swap limit of before: both are sent, swap as its default of twice. */
function withSwap(limits: Service['container']['limits']): Service['container']['limits'] {
  if (limits.memoryBytes === undefined || limits.memorySwapBytes !== undefined) return limits;
  return { ...limits, memorySwapBytes: limits.memoryBytes * 2 };
}

function attach(planning: Planning, service: Service, container: ObservedContainer, drift: Drift): void {
  const { connect } = drift;
  if (connect === undefined) return;
  const base = {
    lane: service.key,
    blueprint: service.blueprint,
    cause: connect.cause,
    id: container.id,
    name: container.name,
    specHash: service.specHash,
    network: connect.network,
  };
  if (connect.reattach) planning.act({ ...base, kind: 'disconnectNetwork' });
  else planning.act({ ...base, kind: 'connectNetwork', aliases: connect.aliases });
}
