import { LABEL } from '../model/container.ts';
import type { Service } from '../model/desired.ts';
import type { ObservedContainer } from '../model/observed.ts';
import type { Candidate } from './judge.ts';
import { keepOldRunning } from './plan-create.ts';
import { gateOpen } from './plan-order.ts';
import { exitText, hold, holdBy, isCompleted, isUp, remove, retire, start, stop } from './plan-steps.ts';
import type { Planning } from './planning.ts';
import { holding } from './setback.ts';

/** A new version must have run this long before the old one is removed, milliseconds. */
const PROVEN_AFTER_MS = 3_000;

/** Both versions exist: stop the old one, start the new one, remove the old one; back to the old one if that fails. */
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
  // A forced run, or a twin: then nothing is said of a version when one of them fails.
  const isSame = others.every(({ container }) => container.labels[LABEL.specHash] === service.specHash);
  const why = old.outdated ?? 'a second container of the same version';
  const cause = isSame ? why : `replaced by the new version: ${why}`;
  if (setback !== undefined) {
    holdBy(planning, service, setback);
    if (isUp(successor)) stop(planning, service, successor, `the replacement failed: ${setback.message}`);
    else if (others.some(({ container }) => container.state === 'running'))
      remove(planning, service, successor, `the replacement failed: ${setback.message}`);
    else keepOldRunning(planning, service, others);
    return;
  }
  if (successor.state === 'running') {
    const since = observed.runningSince.get(successor.id) ?? planning.monoMs;
    const untilMs = since + PROVEN_AFTER_MS;
    const stopped = others.every(({ container }) => !isUp(container));
    if (stopped && untilMs > planning.monoMs)
      hold(planning, service, { reason: 'Working', message: 'the new version is being watched', untilMs });
    else retire(planning, old.container, cause, service.key);
    return;
  }
  if (successor.state === 'restarting') {
    hold(planning, service, {
      reason: 'CrashLoop',
      message: `the new version does not stay up (${exitText(successor)})`,
    });
    return;
  }
  const live = others.find(({ container }) => isUp(container));
  // What runs goes on until the new one may start; with neither of them up nothing is gained by waiting.
  if (live !== undefined && !isCompleted(service, successor) && !gateOpen(planning, service)) return;
  if (live !== undefined || isCompleted(service, successor))
    retire(planning, (live ?? old).container, cause, service.key);
  else
    start(
      planning,
      service,
      successor,
      `the ${isSame ? 'other container' : 'old version'} is stopped`,
      !isSame,
    );
}
