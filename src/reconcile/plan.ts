import type { Action, Hold, Plan } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { DesiredBlueprint, DesiredState } from '../model/desired.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import type { Replacement } from '../model/update.ts';
import { stillStarting } from './order.ts';
import { stoppedLater } from './order-stop.ts';
import { type BlueprintContainers, containersOf, keyOf } from './ownership.ts';
import { pullAnew } from './plan-forced.ts';
import { withReplicas } from './plan-replicas.ts';
import { planService } from './plan-service.ts';
import { heldBack, retire } from './plan-steps.ts';
import { pullAhead } from './plan-window.ts';
import type { Planning } from './planning.ts';

/**
 * The next steps that bring the observed state closer to the desired one: at most one for each lane, none while the
 * desired state is unknown. Pure; `now` is monotonic milliseconds. A converged state gives a plan without actions and
 * holds. The order of blueprints and containers in the input does not matter.
 */
export function plan(asked: DesiredState, observed: ObservedState, now: number): Plan {
  if (!asked.known) return { actions: [], holds: [], adopt: [], finished: [] };
  const desired = withReplicas(asked, observed);
  const actions = new Map<string, Action>();
  const holds: Hold[] = [];
  const adopt: Plan['adopt'][number][] = [];
  const noted: Replacement[] = [];
  const ended: string[] = [];
  const containers = new Map(
    desired.blueprints.map((blueprint) => [
      blueprint.name,
      containersOf(blueprint, observed.containers, desired.owner, observed.adopted),
    ]),
  );
  const planning: Planning = {
    desired,
    observed,
    monoMs: now,
    byName: new Map(observed.containers.map((container) => [container.name, container])),
    containers,
    turns: stillStarting({ desired, observed, containers }, now),
    act: (action) => {
      if (observed.busy.has(action.lane)) return;
      const first = actions.get(action.lane);
      actions.set(action.lane, first === undefined ? action : forBoth(first, action));
    },
    hold: (hold) => holds.push(hold),
    adopt: (adoption) => adopt.push(adoption),
    note: (replacement) => noted.push(replacement),
    end: (key) => ended.push(key),
  };
  const finished: string[] = [];
  const later = stoppedLater(planning, now);
  for (const blueprint of [...desired.blueprints].sort(byName)) {
    pullAnew(planning, blueprint);
    pullAhead(planning, blueprint);
    for (const notice of observed.rollouts.get(blueprint.name)?.notices ?? [])
      planning.hold({ key: blueprint.name, blueprint: blueprint.name, ...notice });
    const own = containers.get(blueprint.name) ?? NO_CONTAINERS;
    for (const container of [...own.surplus].sort(byId)) letGo(planning, blueprint, container, later);
    for (const service of blueprint.services)
      planService(planning, blueprint, service, own.byKey.get(service.key) ?? []);
    if (blueprint.deleting && own.surplus.length === 0 && reclaim(planning, blueprint))
      finished.push(blueprint.name);
  }
  const starting = planning.turns.size === 0 ? {} : { starting: [...planning.turns.keys()] };
  const updates = { ...(noted.length === 0 ? {} : { noted }), ...(ended.length === 0 ? {} : { ended }) };
  return {
    actions: [...actions.values()],
    holds,
    adopt,
    finished,
    ...starting,
    ...updates,
    ...wakeAt(holds),
  };
}

/** The first action of a lane counts. An image that two changes need is pulled with what both of them lack: it must not fail
 *  for what only one of them is too large for. */
function forBoth(first: Action, second: Action): Action {
  if (first.kind !== 'pullImage' || second.kind !== 'pullImage' || first.together === undefined) return first;
  const { together, ...alone } = first;
  const both = together.filter((image) => second.together?.includes(image));
  return both.length === 0 ? alone : { ...alone, together: both };
}

const NO_CONTAINERS: BlueprintContainers = { byKey: new Map(), surplus: [] };

function byName(a: DesiredBlueprint, b: DesiredBlueprint): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function byId(a: ObservedContainer, b: ObservedContainer): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** The next step towards the end of a container that no service asks for, when its dependants have ended. */
function letGo(
  planning: Planning,
  blueprint: DesiredBlueprint,
  container: ObservedContainer,
  later: ReadonlyMap<string, string>,
): void {
  const dependant = later.get(container.id);
  if (dependant === undefined) retire(planning, container, surplusCause(blueprint, container));
  else
    planning.hold({
      key: keyOf(container) ?? container.id,
      blueprint: blueprint.name,
      reason: 'Working',
      message: `${container.name} is stopped after ${dependant}, which depends on it`,
    });
}

function surplusCause({ deleting, services }: DesiredBlueprint, { labels }: ObservedContainer): string {
  if (deleting) return 'blueprint was removed';
  const isPassedOver = services.some(
    ({ instance, replica }) => instance === labels[LABEL.instance] && replica > Number(labels[LABEL.replica]),
  );
  const why = isPassedOver ? ' (of too many replicas, first what is not ready, then the oldest version)' : '';
  return `no longer asked for by the blueprint${why}`;
}

function wakeAt(holds: readonly Hold[]): { wakeAtMs?: number } {
  const times = holds.flatMap((hold) => (hold.untilMs === undefined ? [] : [hold.untilMs]));
  return times.length === 0 ? {} : { wakeAtMs: Math.min(...times) };
}

/** Removes what a deleted blueprint leaves behind beside containers; true when nothing is left. */
function reclaim(planning: Planning, blueprint: DesiredBlueprint): boolean {
  const { observed } = planning;
  let left = false;
  for (const name of blueprint.reclaimVolumes) {
    if (!observed.volumes.has(name)) continue;
    left = true;
    const lane = `volume:${name}`;
    if (heldBack(planning, lane, blueprint.name, '')) continue;
    const cause = 'blueprint was removed and says volumeReclaim: Delete';
    planning.act({ kind: 'removeVolume', lane, blueprint: blueprint.name, cause, name });
  }
  for (const name of blueprint.reclaimNetworks) {
    const network = observed.networks.find((candidate) => candidate.name === name);
    if (network === undefined || !ownNetwork(planning, network.labels) || inUse(planning, name)) continue;
    left = true;
    const lane = `network:${name}`;
    if (heldBack(planning, lane, blueprint.name, '')) continue;
    planning.act({
      kind: 'removeNetwork',
      lane,
      blueprint: blueprint.name,
      cause: 'blueprint was removed',
      id: network.id,
      name,
    });
  }
  return !left && blueprint.services.length === 0;
}

function ownNetwork(planning: Planning, labels: Readonly<Record<string, string>>): boolean {
  return labels[LABEL.managed] === 'true' && labels[LABEL.node] === planning.desired.owner.node;
}

function inUse(planning: Planning, network: string): boolean {
  const wanted = planning.desired.blueprints.some((blueprint) =>
    blueprint.services.some(
      ({ container }) => container.network.mode === 'network' && container.network.name === network,
    ),
  );
  const attached = planning.observed.containers.some(
    (container) => container.detail?.networks[network] !== undefined,
  );
  return wanted || attached;
}
