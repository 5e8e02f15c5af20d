import type { DesiredBlueprint } from '../model/desired.ts';
import type { BadVersion, Rollout } from '../model/rollout.ts';
import { targetOf } from './order.ts';
import { updateOf } from './plan-strategy.ts';
import { contentHash, wayBack } from './plan-version.ts';

/** Versions of two blueprints that come no further apart than this are one change, milliseconds: whoever writes them does so
 *  one after the other. */
const TOGETHER_MS = 600_000;

/**
 * Blueprints that depend on this one, directly or over others, and were changed along with its version that goes back: they
 * came not long before it, and either at about the same time or so that they have not proved good yet. Without those that
 * have nothing to go back to, or are told to stay (`onFailure` other than `rollback`).
 */
export function movedAlong(
  blueprints: readonly DesiredBlueprint[],
  records: ReadonlyMap<string, Rollout>,
  goesBack: DesiredBlueprint,
): DesiredBlueprint[] {
  const since = arrivalOf(goesBack, records);
  return dependantsOf(blueprints, goesBack.name).filter((blueprint) => {
    const record = records.get(blueprint.name);
    const hash = contentHash(blueprint);
    const arrivedAt = arrivalOf(blueprint, records);
    if (since === undefined || arrivedAt === undefined || arrivedAt < since - TOGETHER_MS) return false;
    const isProven = record?.good.some(({ version }) => contentHash(version) === hash) === true;
    if (isProven && arrivedAt > since + TOGETHER_MS) return false;
    if (record?.bad.some((bad) => bad.hash === hash) || wayBack(record, hash) === undefined) return false;
    return blueprint.services.every((service) => updateOf(service).onFailure === 'rollback');
  });
}

/** true for a version that was found bad itself, and for one whose companion has neither changed nor is tried again. */
export function isStillBack(
  { with: other }: BadVersion,
  blueprints: readonly DesiredBlueprint[],
  records: ReadonlyMap<string, Rollout>,
): boolean {
  if (other === undefined) return true;
  const cause = blueprints.find(({ name }) => name === other.blueprint);
  if (cause === undefined || contentHash(cause) !== other.hash) return false;
  return records.get(other.blueprint)?.bad.some(({ hash }) => hash === other.hash) === true;
}

/** When the version that is asked for came, epoch milliseconds; undefined when that is not known. */
function arrivalOf(blueprint: DesiredBlueprint, records: ReadonlyMap<string, Rollout>): number | undefined {
  const record = records.get(blueprint.name);
  const hash = contentHash(blueprint);
  if (record?.arrived?.hash === hash) return record.arrived.at;
  return record?.good.find(({ version }) => contentHash(version) === hash)?.arrivedAt;
}

function dependantsOf(blueprints: readonly DesiredBlueprint[], name: string): DesiredBlueprint[] {
  const reached = new Set([name]);
  const found: DesiredBlueprint[] = [];
  for (let before = -1; before < found.length; ) {
    before = found.length;
    for (const blueprint of blueprints) {
      if (reached.has(blueprint.name) || blueprint.deleting) continue;
      if (!targetsOf(blueprint).some((target) => reached.has(target))) continue;
      reached.add(blueprint.name);
      found.push(blueprint);
    }
  }
  return found;
}

/** Names of the blueprints that services of this one depend on. */
function targetsOf({ name, services }: DesiredBlueprint): string[] {
  const instances = new Set(services.map(({ instance }) => instance));
  return services.flatMap(({ dependsOn }) =>
    dependsOn.map((dependency) => targetOf(dependency.name, name, (one) => instances.has(one)).blueprint),
  );
}
