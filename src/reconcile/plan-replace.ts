import { LABEL } from '../model/container.ts';
import type { Service } from '../model/desired.ts';
import type { ObservedContainer } from '../model/observed.ts';
import type { Candidate } from './judge.ts';
import { keepOldRunning } from './plan-create.ts';
import { gateOf, standingOf } from './plan-gate.ts';
import { isHandedOver } from './plan-handover.ts';
import { isFree } from './plan-lock.ts';
import { gateOpen } from './plan-order.ts';
import {
  exitText,
  hold,
  holdBy,
  isCompleted,
  isUp,
  pausedBy,
  remove,
  retire,
  start,
  stop,
  unpause,
} from './plan-steps.ts';
import { strategyOf } from './plan-strategy.ts';
import type { Planning } from './planning.ts';
import { holding } from './setback.ts';

/** An old version that ended by itself before this is no help while the new one is on its way, milliseconds. */
const RAN_WELL_MS = 10_000;

/** What the steps of a replacement share. */
interface Replacement {
  planning: Planning;
  service: Service;
  successor: ObservedContainer;
  others: readonly Candidate[];
  /** Why the old one goes. */
  cause: string;
  /** A forced run, or a twin: then nothing is said of a version when one of them fails. */
  isSame: boolean;
  /** The wanted one is the older of the two: a version that failed, or was taken back, goes again. */
  isReturn: boolean;
}

/**
 * Both versions exist. start-first: start the new one, see it through its gate, then stop the old one; else the old one
 * stops first. The old one is removed when the gate is passed, and goes on when it is not.
 */
export function finishReplacement(
  planning: Planning,
  service: Service,
  successor: ObservedContainer,
  others: readonly Candidate[],
): void {
  const { observed } = planning;
  const setback = holding(observed.setbacks, service.key, service.specHash, planning.monoMs);
  const old = others[0];
  if (old === undefined) return;
  if (setback !== undefined) {
    holdBy(planning, service, setback);
    if (!isHandedOver(planning, service, successor)) return;
    if (isUp(successor)) stop(planning, service, successor, `the replacement failed: ${setback.message}`);
    else if (others.some(({ container }) => container.state === 'running'))
      remove(planning, service, successor, `the replacement failed: ${setback.message}`);
    else keepOldRunning(planning, service, others);
    return;
  }
  const isSame = others.every(({ container }) => container.labels[LABEL.specHash] === service.specHash);
  const why = old.outdated ?? 'a second container of the same version';
  const isReturn = !isSame && others.every(({ container }) => container.createdAt > successor.createdAt);
  const cause = isSame ? why : `replaced by the ${isReturn ? 'version before' : 'new version'}: ${why}`;
  const paused = pausedBy(planning, service);
  if (paused !== undefined && others.some(({ container }) => isUp(container))) {
    hold(planning, service, paused);
    return;
  }
  proceed({ planning, service, successor, others, cause, isSame, isReturn });
}

function proceed(replacement: Replacement): void {
  const { planning, service, successor } = replacement;
  switch (successor.state) {
    case 'running':
      watch(replacement);
      return;
    case 'paused':
      unpause(planning, service, successor, 'container is paused');
      return;
    case 'restarting':
      hold(planning, service, {
        reason: 'CrashLoop',
        message: `the new version does not stay up (${exitText(successor)})`,
      });
      return;
    case 'removing':
      hold(planning, service, { reason: 'Working', message: 'the engine is removing it' });
      return;
    case 'dead':
      remove(planning, service, successor, 'the engine could not remove it completely');
      return;
    case 'created':
    case 'exited':
      begin(replacement);
      return;
    default:
      successor.state satisfies never;
  }
}

/** The new one runs: the old one goes when it has passed its gate. */
function watch(replacement: Replacement): void {
  const { planning, service, successor, others } = replacement;
  const gate = gateOf(service, successor, planning.observed, planning.monoMs);
  const isFirst = strategyOf(service).strategy === 'start-first';
  // The older of two is no new version on trial: alone it is mended like any other.
  const isOlder = others.some(({ container }) => container.createdAt > successor.createdAt);
  const mayGo = gate.isPassed || (gate.isLate === true && isOlder);
  if (mayGo || (!isFirst && others.some(({ container }) => isUp(container)))) {
    retireOld(replacement);
    return;
  }
  const { untilMs } = gate;
  const message = `the new version is being watched: it ${gate.lacks}`;
  hold(planning, service, { reason: 'Working', message, ...(untilMs === undefined ? {} : { untilMs }) });
  // Whoever was killed beside one that is not healthy yet is still the one that serves.
  const isServing = standingOf(service, successor, planning.observed) === 'unchecked';
  if (isFirst && !isServing && others.some(({ container }) => ranWell(container)))
    keepOldRunning(planning, service, others);
}

/** The new one waits to be started. */
function begin(replacement: Replacement): void {
  const { planning, service, successor, others, isSame, isReturn } = replacement;
  const isOldUp = others.some(({ container }) => isUp(container));
  const isFirst = strategyOf(service).strategy === 'start-first';
  const isDone = isCompleted(service, successor);
  // What runs goes on until the new one may start; with neither of them up nothing is gained by waiting.
  if (isOldUp && !isDone && !gateOpen(planning, service)) return;
  if (isDone || (isOldUp && !isFirst)) {
    retireOld(replacement);
    return;
  }
  const what = isSame ? 'the other container' : isReturn ? 'the newer version' : 'the old version';
  const cause = isOldUp ? `to run beside ${what} until it is ready` : `${what} is stopped`;
  start(planning, service, successor, cause, !isSame && !isReturn);
}

function retireOld({ planning, service, others, cause, isReturn }: Replacement): void {
  const [first] = others;
  const live = others.find(({ container }) => isUp(container)) ?? first;
  if (live === undefined) return;
  // It may have become busy while the new one proved itself. A twin, and a version that failed, have no say.
  const isHeldOff = live.outdated !== undefined && !isReturn && !isFree(planning, service, live.container);
  if (isHeldOff || !isHandedOver(planning, service, live.container)) return;
  retire(planning, live.container, cause, service.key);
}

function ranWell({ state, detail }: ObservedContainer): boolean {
  if (state === 'paused') return true;
  if (state !== 'exited' || detail === undefined) return false;
  return Date.parse(detail.finishedAt) - Date.parse(detail.startedAt) >= RAN_WELL_MS;
}
