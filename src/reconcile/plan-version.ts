import { LABEL } from '../model/container.ts';
import type { DesiredBlueprint, DesiredState, Owner, Service } from '../model/desired.ts';
import { fingerprint } from '../model/hash.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import type { GoodVersion, Rollout } from '../model/rollout.ts';
import { isCurrent } from './crashes.ts';
import { isOurs, keyOf } from './ownership.ts';
import { gateOf, standingOf } from './plan-gate.ts';

const hashes = new WeakMap<DesiredBlueprint, string>();

/** Fingerprint of all that may decide whether a version proves good: more than what needs a new container, since a higher
 *  memory limit or a longer start period may be just what was lacking. Generation and labels of ours are not in it. */
export function contentHash(blueprint: DesiredBlueprint): string {
  const known = hashes.get(blueprint);
  if (known !== undefined) return known;
  const hash = fingerprint(
    // What relays are made of is the agent's affair, and changes with it.
    blueprint.services
      .filter(({ relay }) => relay === undefined)
      .map(({ key, container, probe, update, dependsOn, onUnhealthy, pullPolicy }) => {
        return { key, container, probe, update, dependsOn, onUnhealthy, pullPolicy };
      }),
  );
  hashes.set(blueprint, hash);
  return hash;
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

/** What stands in for a blueprint whose version is bad: the containers of its last good one. Undefined when it is not bad,
 *  or there is nothing to go back to. */
export function standIn(
  blueprint: DesiredBlueprint,
  rollout: Rollout | undefined,
): DesiredBlueprint | undefined {
  if (rollout === undefined || blueprint.deleting) return undefined;
  const hash = contentHash(blueprint);
  if (!rollout.bad.some((bad) => bad.hash === hash)) return undefined;
  const good = wayBack(rollout, hash);
  if (good === undefined) return undefined;
  const { services, specHash } = good.version;
  return { ...blueprint, services, specHash };
}

/** The desired state with what stands in for bad versions; the very same object when there are none. */
export function inForce(desired: DesiredState, rollouts: ReadonlyMap<string, Rollout>): DesiredState {
  if (!desired.known) return desired;
  let isChanged = false;
  const blueprints = desired.blueprints.map((blueprint) => {
    const other = standIn(blueprint, rollouts.get(blueprint.name));
    isChanged ||= other !== undefined;
    return other ?? blueprint;
  });
  return isChanged ? { ...desired, blueprints } : desired;
}

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
  const before = good.version.services.find(({ key }) => key === service.key);
  return before === undefined || fingerprint(essence(before)) !== fingerprint(essence(service));
}

function essence({ container, probe }: Service): unknown {
  return { container, probe };
}
