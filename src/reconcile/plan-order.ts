import type { Service } from '../model/desired.ts';
import type { ObservedContainer } from '../model/observed.ts';
import { gateOf, START_PATIENCE_MS } from './order.ts';
import { hold, isUp } from './plan-steps.ts';
import type { Planning } from './planning.ts';

/**
 * true when everything the service depends on is there; otherwise says what it waits for. Asked before a container is made or
 * started, and before a version that runs gives way to another: what runs is never touched because of a dependency.
 */
export function gateOpen(planning: Planning, service: Service): boolean {
  const wait = gateOf(planning, service, planning.monoMs);
  if (wait !== undefined) hold(planning, service, wait);
  return wait === undefined;
}

/**
 * true when the service may be started now, be it for the first time or in a new version; otherwise it waits until fewer are
 * starting. Healing takes no turn and waits for none: what has been up, or has a container that has run, is brought back at
 * once.
 */
export function takeTurn(
  planning: Planning,
  service: Service,
  containers: readonly ObservedContainer[],
): boolean {
  const { turns, observed } = planning;
  const { startConcurrency, beenUp } = observed.order;
  const hasRun = beenUp.has(service.key) || containers.some(({ state }) => state !== 'created');
  if ((hasRun && !containers.some(isUp)) || turns.has(service.key)) return true;
  if (turns.size < startConcurrency) {
    turns.set(service.key, planning.monoMs);
    return true;
  }
  const names = [...turns.keys()].slice(0, 3).map((key) => key.replace(/\/0$/, ''));
  const more = turns.size > names.length ? ` and ${turns.size - names.length} more` : '';
  hold(planning, service, {
    reason: 'Working',
    message: `waits for its turn: ${names.join(', ')}${more} ${turns.size === 1 ? 'is' : 'are'} starting`,
    untilMs: Math.min(...turns.values()) + START_PATIENCE_MS,
  });
  return false;
}
