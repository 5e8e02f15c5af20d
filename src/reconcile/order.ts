import { isoTime } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';
import type { Hold } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { Dependency, DesiredState, Service } from '../model/desired.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import type { BlueprintContainers } from './ownership.ts';
import { exitText } from './plan-steps.ts';
import { type Readiness, readinessOf } from './readiness.ts';

/** The whole picture, as far as order looks at it. */
export interface Scene {
  desired: DesiredState & { known: true };
  observed: ObservedState;
  /** The containers of each blueprint, by its name. */
  containers: ReadonlyMap<string, BlueprintContainers>;
}

/** One that starts and does not get healthy keeps others waiting for no longer than this, milliseconds. */
export const START_PATIENCE_MS = 180_000;

const SMALL_MACHINE_BYTES = 2 ** 31;

/** How many services may be starting at the same time when nobody says: 2 with less than 2 GiB of memory, else 8. */
export function usualConcurrency(memoryBytes: number): number {
  return memoryBytes > 0 && memoryBytes < SMALL_MACHINE_BYTES ? 2 : 8;
}

/** Under which it is remembered since when a service has waited for a dependency. */
export function waitKey(service: string, dependency: string): string {
  return `${service} ${dependency}`;
}

/** Whom a name in `dependsOn` means: all of a blueprint, or one instance of it. */
export interface Target {
  blueprint: string;
  instance?: string;
}

/** An instance of the same blueprint, else a blueprint, else `blueprint/instance`. */
export function targetOf(name: string, from: string, hasInstance: (name: string) => boolean): Target {
  if (hasInstance(name)) return { blueprint: from, instance: name };
  const [blueprint = name, instance] = name.split('/');
  return instance === undefined ? { blueprint } : { blueprint, instance };
}

/** How long and for what a service has to wait before it may be started; undefined when all its gates are open. */
export function gateOf(
  scene: Scene,
  service: Service,
  monoMs: number,
): Omit<Hold, 'key' | 'blueprint'> | undefined {
  const names: string[] = [];
  const clauses: string[] = [];
  const times: number[] = [];
  let overdue = false;
  for (const dependency of service.dependsOn) {
    const why = whyClosed(scene, service, dependency);
    if (why === undefined) continue;
    const { name, condition, timeoutMs } = dependency;
    const since = scene.observed.order.waiting.get(waitKey(service.key, name));
    const dueMs = (since?.monoMs ?? monoMs) + timeoutMs;
    const isLate = since !== undefined && dueMs <= monoMs;
    if (!isLate) times.push(dueMs);
    overdue ||= isLate;
    names.push(name);
    const late = isLate
      ? ` (overdue: it has waited since ${isoTime(since.at)}, longer than ${formatDuration(timeoutMs)})`
      : '';
    clauses.push(`${name} ${WISH[condition]}, ${why}${late}`);
  }
  if (names.length === 0) return undefined;
  return {
    reason: 'WaitingForDependency',
    message: `waits for ${clauses.join('; and for ')}`,
    waitsFor: names,
    ...(overdue ? { overdue } : {}),
    ...(times.length === 0 ? {} : { untilMs: Math.min(...times) }),
  };
}

const WISH: Record<Dependency['condition'], string> = {
  auto: 'to be ready',
  started: 'to be started',
  healthy: 'to be healthy',
  completed: 'to complete',
};

/** What is missing of a dependency, as a relative clause; undefined when the gate is open. */
function whyClosed(scene: Scene, service: Service, { name, condition }: Dependency): string | undefined {
  const { blueprints, refusals } = scene.desired;
  const own = blueprints.find((blueprint) => blueprint.name === service.blueprint)?.services ?? [];
  const target = targetOf(name, service.blueprint, (one) => own.some(({ instance }) => instance === one));
  const blueprint = blueprints.find((candidate) => candidate.name === target.blueprint);
  if (blueprint === undefined)
    return refusals.some((refusal) => refusal.name === target.blueprint)
      ? 'which was refused'
      : 'which is not on this node';
  if (blueprint.deleting) return 'which is being removed';
  // With `replicas: 0` somebody has decided to do without it: all of none are there.
  if (blueprint.services.length === 0) return undefined;
  const services = blueprint.services.filter(
    ({ instance }) => target.instance === undefined || instance === target.instance,
  );
  if (services.length === 0) return `which blueprint ${target.blueprint} does not have`;
  for (const one of services) {
    const state = shortOf(scene, one, condition);
    if (state !== undefined)
      return services.length === 1 ? `which ${state}` : `of which ${one.containerName} ${state}`;
  }
  return undefined;
}

/** What a service is instead of what is waited for; undefined when one of its containers is that. */
function shortOf(scene: Scene, service: Service, condition: Dependency['condition']): string | undefined {
  let best: { container: ObservedContainer; readiness: Readiness } | undefined;
  for (const container of containersOf(scene, service)) {
    const readiness = standing(scene, service, container);
    if (SUFFICES[condition].has(readiness)) return undefined;
    if (best === undefined || RANK[readiness] < RANK[best.readiness]) best = { container, readiness };
  }
  return best === undefined ? 'does not run yet' : stateText(service, best.container, best.readiness);
}

const SUFFICES: Record<Dependency['condition'], ReadonlySet<Readiness>> = {
  // What has no check says no more than that it runs, however long one waits.
  auto: new Set(['unchecked', 'healthy', 'completed']),
  healthy: new Set(['unchecked', 'healthy', 'completed']),
  started: new Set(['unchecked', 'starting', 'healthy', 'unhealthy', 'completed']),
  completed: new Set(['completed']),
};

const RANK: Record<Readiness, number> = {
  healthy: 0,
  unchecked: 1,
  completed: 2,
  starting: 3,
  unhealthy: 4,
  down: 5,
};

function stateText(service: Service, container: ObservedContainer, readiness: Readiness): string {
  if (readiness === 'starting') return 'is starting';
  if (readiness === 'unhealthy') return 'is unhealthy';
  if (readiness !== 'down') {
    const { name } = service.container.restart;
    const forever = name === 'always' || name === 'unless-stopped';
    return forever ? `runs, and is started again when it ends (restartPolicy ${name})` : 'still runs';
  }
  if (container.state === 'created') return 'is not started yet';
  if (container.state === 'exited') return `has ended (${exitText(container)})`;
  return container.state === 'restarting' ? 'does not stay up' : `is ${container.state}`;
}

/** How a container stands, of whichever version; a job counts as completed only in the version that is asked for. */
function standing({ observed }: Scene, service: Service, container: ObservedContainer): Readiness {
  const readiness = readinessOf(service, container, observed);
  if (readiness !== 'completed') return readiness;
  const hash = container.labels[LABEL.specHash] ?? observed.adopted.get(container.id);
  return hash === service.specHash ? readiness : 'down';
}

function containersOf(scene: Scene, service: Service): readonly ObservedContainer[] {
  return scene.containers.get(service.blueprint)?.byKey.get(service.key) ?? [];
}

/** Those whose start is still under way and may be waited for, by key: since when. */
export function stillStarting(scene: Scene, monoMs: number): Map<string, number> {
  const { order, busy } = scene.observed;
  const found = new Map<string, number>();
  if (order.starting.size === 0) return found;
  for (const { services } of scene.desired.blueprints)
    for (const service of services) {
      const since = order.starting.get(service.key);
      if (since === undefined || monoMs - since >= START_PATIENCE_MS) continue;
      const isGoing = containersOf(scene, service).some(
        (container) => container.state === 'created' || standing(scene, service, container) === 'starting',
      );
      if (isGoing || busy.has(service.key)) found.set(service.key, since);
    }
  return found;
}
