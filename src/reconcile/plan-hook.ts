import type { Action } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { Service } from '../model/desired.ts';
import type { ObservedContainer } from '../model/observed.ts';
import type { HookName, HookSpec, Replacement } from '../model/update.ts';
import { gateOf } from './plan-gate.ts';
import { isFree, isGoingBack } from './plan-lock.ts';
import { isCompleted } from './plan-steps.ts';
import { updateOf } from './plan-strategy.ts';
import type { Planning } from './planning.ts';
import { holding } from './setback.ts';

/** A before-update hook that passed counts this long for a container that still runs, milliseconds. */
const PASSED_COUNTS_MS = 600_000;

/** true when this container may be replaced now: it is not busy, its hook has passed, and what has to run afterwards is on
 *  disk. Otherwise one of them is seen to, or waited for. */
export function mayBegin(planning: Planning, service: Service, old: ObservedContainer): boolean {
  return (
    isFree(planning, service, old) && isPrepared(planning, service, old) && isNoted(planning, service, old)
  );
}

/** A version that failed is not asked before it goes. */
function isPrepared(planning: Planning, service: Service, old: ObservedContainer): boolean {
  const { beforeUpdate } = updateOf(service).hooks ?? {};
  const { observed, monoMs } = planning;
  if (beforeUpdate === undefined || isGoingBack(observed, service.blueprint)) return true;
  const isUp = old.state === 'running';
  const passed = observed.updates.passed.get(service.key);
  const isPassed = passed?.from === old.id && passed.toHash === service.specHash;
  if (isPassed && (!isUp || monoMs - passed.atMs <= PASSED_COUNTS_MS)) return true;
  if ('exec' in beforeUpdate && !isUp) return isGone(planning, service, old);
  const replacement = replacementOf(service, old);
  planning.act(hookAction(service, old, 'before-update', beforeUpdate, replacement));
  planning.hold({
    key: service.key,
    blueprint: service.blueprint,
    reason: 'Working',
    message: `the before-update hook of ${old.name} runs`,
  });
  return false;
}

/** false: what only died is started again first, so that a death lets no update through that its hook holds. */
function isGone(planning: Planning, service: Service, old: ObservedContainer): boolean {
  const oldHash = old.labels[LABEL.specHash] ?? '';
  const isFailing = holding(planning.observed.setbacks, service.key, oldHash, planning.monoMs) !== undefined;
  if (old.state !== 'exited' || isFailing || isCompleted(service, old)) return true;
  planning.hold({
    key: service.key,
    blueprint: service.blueprint,
    reason: 'Working',
    message: `${old.name} has to run for its before-update hook`,
  });
  return false;
}

/** What has to run after a replacement must be known after a power cut in the middle of it too. */
function isNoted(planning: Planning, service: Service, old: ObservedContainer): boolean {
  const { afterUpdate, onRollback } = updateOf(service).hooks ?? {};
  const { observed } = planning;
  const isBack = isGoingBack(observed, service.blueprint);
  if (onRollback === undefined && (isBack || afterUpdate === undefined)) return true;
  const noted = observed.updates.replacing.get(service.key);
  if (noted?.from === old.id && noted.toHash === service.specHash && noted.isSaved) return true;
  planning.note(replacementOf(service, old));
  planning.hold({
    key: service.key,
    blueprint: service.blueprint,
    reason: 'Working',
    message: 'the replacement is being noted on disk',
  });
  return false;
}

/**
 * Runs the hook that ends a replacement, in the container that serves: on-rollback when that is the one from before or of
 * the last good version, else after-update. true: a step was planned; it fails or not, nothing else depends on it.
 */
export function afterReplacement(
  planning: Planning,
  service: Service,
  container: ObservedContainer,
): boolean {
  const { observed, monoMs } = planning;
  const noted = observed.updates.replacing.get(service.key);
  if (noted === undefined) return false;
  const isBack = container.id === noted.from;
  const isDone = isBack || container.labels[LABEL.specHash] === noted.toHash;
  const { afterUpdate, onRollback } = updateOf(service).hooks ?? {};
  const isRollback = isBack || isGoingBack(observed, service.blueprint);
  const spec = isRollback ? onRollback : afterUpdate;
  // Yet another version may have come since.
  if (!isDone || spec === undefined) {
    planning.end(service.key);
    return false;
  }
  const name = isRollback ? 'on-rollback' : 'after-update';
  const gate = gateOf(service, container, observed, monoMs);
  if (!gate.isPassed) {
    const when = gate.untilMs === undefined ? {} : { untilMs: gate.untilMs };
    const message = `the ${name} hook runs when it has passed its gate: it ${gate.lacks}`;
    planning.hold({ key: service.key, blueprint: service.blueprint, reason: 'Working', message, ...when });
    return false;
  }
  planning.act(hookAction(service, container, name, spec, noted));
  return true;
}

function replacementOf(service: Service, old: ObservedContainer): Replacement {
  return {
    key: service.key,
    from: old.id,
    fromHash: old.labels[LABEL.specHash] ?? '',
    fromImage: old.image,
    toHash: service.specHash,
    toImage: service.container.image,
  };
}

const CAUSES: Readonly<Record<HookName, string>> = {
  'before-update': 'it is about to be replaced',
  'after-update': 'it has replaced another one and passed its gate',
  'on-rollback': 'it serves again after a replacement was taken back',
};

function hookAction(
  service: Service,
  { id, name }: ObservedContainer,
  hook: HookName,
  spec: HookSpec,
  { from, fromHash, fromImage, toHash, toImage }: Replacement,
): Action {
  const { key, blueprint, instance, replica, specHash } = service;
  const env = {
    COLONIES_HOOK: hook,
    COLONIES_BLUEPRINT: blueprint,
    COLONIES_INSTANCE: instance,
    COLONIES_REPLICA: String(replica),
    COLONIES_CONTAINER: name,
    COLONIES_FROM_IMAGE: fromImage,
    COLONIES_FROM_HASH: fromHash,
    COLONIES_TO_IMAGE: toImage,
    COLONIES_TO_HASH: toHash,
  };
  return {
    kind: 'runHook',
    lane: key,
    blueprint,
    cause: CAUSES[hook],
    id,
    name,
    specHash,
    hook,
    spec,
    env,
    from,
  };
}
