import type { Hold } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { Service } from '../model/desired.ts';
import type { ObservedContainer } from '../model/observed.ts';
import { type Candidate, judge } from './judge.ts';
import { isOurs, isPeers, keyOf } from './ownership.ts';
import { gateOf } from './plan-gate.ts';
import { isSeenLocked } from './plan-lock.ts';
import { isUp } from './plan-steps.ts';
import { updateOf } from './plan-strategy.ts';
import type { Planning } from './planning.ts';
import { holding } from './setback.ts';

/** How one replica stands in the replacement of all of them. */
interface Standing {
  service: Service;
  /** `moving`: its new version is there and has still to pass its gate, to take the old one's place, or to run its hook. */
  state: 'done' | 'moving' | 'old';
  /** Lower goes first. */
  rank: readonly number[];
  untilMs?: number;
}

/**
 * Replicas of one instance are replaced `parallelism` at a time: those that do not run first, then those of the oldest
 * generation, then by number. Undefined when it is this one's turn, else what it waits for.
 */
export function turnOf(planning: Planning, service: Service): Omit<Hold, 'key' | 'blueprint'> | undefined {
  const blueprint = planning.desired.blueprints.find(({ name }) => name === service.blueprint);
  const replicas = (blueprint?.services ?? []).filter(({ instance }) => instance === service.instance);
  if (replicas.length < 2) return undefined;
  const { parallelism } = updateOf(service);
  const standings = replicas.map((replica) => standingOf(planning, replica));
  const moving = standings.filter(({ state }) => state === 'moving');
  const waiting = standings.filter(({ state }) => state === 'old').sort(byRank);
  const turn = waiting.findIndex((standing) => standing.service.key === service.key);
  if (moving.length + turn < parallelism) return undefined;
  const times = moving.flatMap(({ untilMs }) => (untilMs === undefined ? [] : [untilMs]));
  return {
    reason: 'Working',
    message: `waits for its turn: ${parallelism} of ${replicas.length} replicas at a time`,
    ...(times.length === 0 ? {} : { untilMs: Math.min(...times) }),
  };
}

function byRank(a: Standing, b: Standing): number {
  for (let i = 0; i < a.rank.length; i += 1) {
    const difference = (a.rank[i] ?? 0) - (b.rank[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function standingOf(planning: Planning, service: Service): Standing {
  const { observed, monoMs } = planning;
  if (service.hold !== undefined) return { service, state: 'done', rank: [] };
  const own = observed.containers.filter((container) => belongsTo(planning, service, container));
  const quiet: Planning = { ...planning, adopt: () => undefined };
  const candidates = own.map((container) => judge(quiet, service, container));
  const current = candidates.find(({ outdated }) => outdated === undefined)?.container;
  const old = candidates.filter(({ container }) => container !== current);
  if (current === undefined)
    return { service, state: old.length === 0 ? 'done' : 'old', rank: rankOf(planning, service, old) };
  const gate = gateOf(service, current, observed, monoMs);
  const isGivenUp = updateOf(service).onFailure === 'continue' && isFailing(planning, service);
  const hasHook = observed.updates.replacing.has(service.key);
  if (old.length === 0 && ((gate.isPassed && !hasHook) || isGivenUp))
    return { service, state: 'done', rank: [] };
  const { untilMs } = gate;
  const isAhead = untilMs !== undefined && untilMs > monoMs;
  return { service, state: 'moving', rank: [], ...(isAhead ? { untilMs } : {}) };
}

function belongsTo(planning: Planning, service: Service, container: ObservedContainer): boolean {
  if (isOurs(container, planning.desired.owner)) return keyOf(container) === service.key;
  return (
    isPeers(container) &&
    container.name === service.containerName &&
    container.labels[LABEL.deployment] === service.blueprint
  );
}

/** What cannot be replaced now, and under `continue` what failed, does not keep the others from their turn. */
function rankOf(planning: Planning, service: Service, old: readonly Candidate[]): number[] {
  const holder = planning.byName.get(service.containerName);
  const isBlocked = holder !== undefined && !old.some(({ container }) => container.id === holder.id);
  const isLocked = old.some(({ container }) => isSeenLocked(planning, container));
  const isPassedOver =
    isBlocked || isLocked || (updateOf(service).onFailure === 'continue' && isFailing(planning, service));
  const generations = old.map(({ container }) => Number(container.labels[LABEL.generation] ?? 0) || 0);
  return [
    isPassedOver ? 1 : 0,
    old.some(({ container }) => isUp(container)) ? 1 : 0,
    Math.min(...generations, Number.MAX_SAFE_INTEGER),
    service.replica,
  ];
}

function isFailing({ observed, monoMs }: Planning, { key, specHash }: Service): boolean {
  return holding(observed.setbacks, key, specHash, monoMs) !== undefined;
}
