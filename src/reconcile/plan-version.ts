import { LABEL } from '../model/container.ts';
import type { DesiredBlueprint, DesiredState, Owner, Service } from '../model/desired.ts';
import { fingerprint } from '../model/hash.ts';
import { withIdentityOf, withoutIdentity } from '../model/identity.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import { replicaOf } from '../model/replica.ts';
import type { GoodVersion, Rollout } from '../model/rollout.ts';
import { isCurrent } from './crashes.ts';
import { isOurs, keyOf } from './ownership.ts';
import { gateOf, standingOf } from './plan-gate.ts';

const EXECUTORS = 'ExecutorDeployment';

const hashes = new WeakMap<DesiredBlueprint, string>();

/** Fingerprint of all that may decide whether a version proves good: more than what needs a new container, since a higher
 *  memory limit or a longer start period may be just what was lacking. Generation, labels of ours and the identities of
 *  executors are not in it. */
export function contentHash(blueprint: DesiredBlueprint): string {
  const known = hashes.get(blueprint);
  if (known !== undefined) return known;
  const hash = fingerprint(
    // What relays are made of is the agent's affair, and changes with it.
    lasting(blueprint)
      .services.filter(({ relay }) => relay === undefined)
      .map(({ key, container, probe, update, dependsOn, onUnhealthy, pullPolicy }) => {
        return { key, container, probe, update, dependsOn, onUnhealthy, pullPolicy };
      }),
  );
  hashes.set(blueprint, hash);
  return hash;
}

/** What is kept of a version: all but the identities of its executors, which are those of the day. */
export function lasting(blueprint: DesiredBlueprint): DesiredBlueprint {
  if (blueprint.kind !== EXECUTORS) return blueprint;
  return { ...blueprint, services: blueprint.services.map(withoutIdentity) };
}

/** "generation 5 (spec 1f3a9c02)" */
export function versionText({ generation, specHash }: DesiredBlueprint): string {
  return `generation ${generation} (spec ${specHash.slice(0, 8)})`;
}

/** The version to go back to from this one: the newest good one that is another and was not found bad since. */
export function wayBack(rollout: Rollout | undefined, hash: string): GoodVersion | undefined {
  return rollout?.good.find(({ version }) => {
    const good = contentHash(version);
    return good !== hash && !rollout.bad.some((bad) => bad.hash === good);
  });
}

/** What stands in for a blueprint whose version is bad or has to wait: the containers of its last good one. Undefined when
 *  it is neither, or there is nothing to go back to. */
export function standIn(
  blueprint: DesiredBlueprint,
  rollout: Rollout | undefined,
  isWaiting = false,
): DesiredBlueprint | undefined {
  if (rollout === undefined || blueprint.deleting) return undefined;
  const hash = contentHash(blueprint);
  if (!isWaiting && !rollout.bad.some((bad) => bad.hash === hash)) return undefined;
  const good = wayBack(rollout, hash);
  if (good === undefined) return undefined;
  const { specHash } = good.version;
  return { ...blueprint, services: servicesToday(good.version, blueprint), specHash };
}

/** The services of a kept version; executors with the identities that they have today. A replica that is not asked for any more has
 *  none, and does not come back. */
function servicesToday({ services }: DesiredBlueprint, asked: DesiredBlueprint): readonly Service[] {
  if (asked.kind !== EXECUTORS) return services;
  const present = new Map(asked.services.map((service) => [service.key, service]));
  return services.flatMap((service) => {
    const today = present.get(service.key);
    return today === undefined ? [] : [withIdentityOf(service, today)];
  });
}

/** The desired state with what stands in for bad versions and for those that wait; the very same object when there are
 *  none. `waiting`: names of blueprints whose version has to wait. */
export function inForce(
  desired: DesiredState,
  rollouts: ReadonlyMap<string, Rollout>,
  waiting: { has(name: string): boolean } = NONE,
): DesiredState {
  if (!desired.known) return desired;
  let isChanged = false;
  const blueprints = desired.blueprints.map((blueprint) => {
    const other = standIn(blueprint, rollouts.get(blueprint.name), waiting.has(blueprint.name));
    isChanged ||= other !== undefined;
    return other ?? blueprint;
  });
  return isChanged ? { ...desired, blueprints } : desired;
}

const NONE: ReadonlySet<string> = new Set();

/** Whether all containers of a version are there, each alone and past its gate. */
export type Proof =
  /** Ids of their images. */
  | { isGood: true; imageIds: readonly string[] }
  /** When time alone makes it good, monotonic milliseconds; absent when something has to happen first. */
  | { isGood: false; untilMs?: number };

export function proof(
  blueprint: DesiredBlueprint,
  observed: ObservedState,
  owner: Owner,
  monoMs: number,
): Proof {
  const services = blueprint.services.filter(({ hold }) => hold === undefined);
  if (services.length === 0 || blueprint.deleting) return { isGood: false };
  const imageIds = new Set<string>();
  let untilMs = monoMs;
  for (const service of services) {
    const own = observed.containers.filter((container) => isFor(service, container, observed, owner));
    const [container] = own;
    if (container === undefined || own.length > 1 || observed.busy.has(service.key)) return { isGood: false };
    const isVersion =
      isCurrent(container, service, owner) || observed.adopted.get(container.id) === service.specHash;
    const gate = gateOf(service, container, observed, monoMs);
    if (!isVersion || (!gate.isPassed && standingOf(service, container, observed) !== 'unchecked'))
      return { isGood: false };
    untilMs = Math.max(untilMs, gate.isPassed ? monoMs : (gate.untilMs ?? monoMs));
    if (container.imageId !== '') imageIds.add(container.imageId);
  }
  return untilMs > monoMs ? { isGood: false, untilMs } : { isGood: true, imageIds: [...imageIds].sort() };
}

function isFor(
  service: Service,
  container: ObservedContainer,
  observed: ObservedState,
  owner: Owner,
): boolean {
  if (isOurs(container, owner)) return keyOf(container) === service.key;
  return (
    observed.adopted.get(container.id) === service.specHash &&
    container.name === service.containerName &&
    container.labels[LABEL.deployment] === service.blueprint
  );
}

/** true when this service is another one in the version that would be gone back to: what fails in both is not the fault of
 *  the new version. */
export function isChanged(service: Service, good: GoodVersion): boolean {
  const before = sameIn(good, service);
  const now = good.version.kind === EXECUTORS ? withoutIdentity(service) : service;
  return before === undefined || fingerprint(essence(before)) !== fingerprint(essence(now));
}

/** The replica of this number in that version, which may have asked for others of its kind. */
function sameIn({ version: { kind, services } }: GoodVersion, { key, instance, replica }: Service) {
  const same = services.find((service) => service.key === key);
  if (same !== undefined || kind !== 'DockerDeployment') return same;
  const replicas = services.filter((service) => service.instance === instance);
  const [first] = replicas;
  return first === undefined ? undefined : replicaOf(first, replica, replicas.length);
}

function essence({ container, probe }: Service): unknown {
  return { container, probe };
}
