import type { DesiredBlueprint, Refusal } from '../model/desired.ts';
import { dependencyCycle } from '../model/graph.ts';
import { canonicalJson } from '../model/hash.ts';

/** Instances that are gone and whose order is kept; the newest count. */
const MOST_GONE = 100;

/**
 * The blueprint with what instances depended on that its version before (`old`) asked for and it does not: their containers
 * may still run, and are stopped in order. Kept until an instance returns; nothing is kept where nothing depended on anything.
 */
export function withOrder(blueprint: DesiredBlueprint, old: DesiredBlueprint | undefined): DesiredBlueprint {
  const { order: _own, ...plain } = blueprint;
  if (old === undefined) return plain;
  const present = new Set(blueprint.services.map(({ instance }) => instance));
  const gone = new Map<string, readonly string[]>();
  for (const { instance, dependsOn } of old.services)
    if (!present.has(instance)) gone.set(instance, [...new Set(dependsOn.map(({ name }) => name))]);
  for (const [instance, names] of Object.entries(old.order ?? {}))
    if (!present.has(instance) && !gone.has(instance)) gone.set(instance, names);
  if (![...gone.values()].some((names) => names.length > 0)) return plain;
  return { ...plain, order: Object.fromEntries([...gone].slice(0, MOST_GONE)) };
}

/**
 * Refuses versions that would close a cycle of `dependsOn`, of which nobody could be started first. Of the blueprints in a
 * cycle it is the last by name that is new or changed; its version before stays in force. A cycle that was in force before
 * anybody looked for it is opened at its last one, whose dependencies no longer count.
 */
export function withoutCycles(
  blueprints: readonly DesiredBlueprint[],
  before: ReadonlyMap<string, DesiredBlueprint>,
): { blueprints: DesiredBlueprint[]; refusals: Refusal[] } {
  let list = [...blueprints];
  const refusals: Refusal[] = [];
  for (;;) {
    const cycle = dependencyCycle(list.filter(({ deleting }) => !deleting));
    if (cycle === undefined) return { blueprints: list, refusals };
    const names = new Set(cycle.map((node) => node.split('/')[0]));
    const members = list.filter(({ name }) => names.has(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
    const isNew = (one: DesiredBlueprint) => {
      const old = before.get(one.name);
      return old === undefined || canonicalJson(old) !== canonicalJson(one);
    };
    const changed = members.filter(isNew).at(-1);
    const refused = changed ?? members.at(-1);
    if (refused === undefined) return { blueprints: list, refusals };
    refusals.push(refusalOf(refused, cycle));
    const instead = changed === undefined ? freed(refused) : before.get(refused.name);
    list = list.flatMap((one) => (one !== refused ? [one] : instead === undefined ? [] : [instead]));
  }
}

/** Without its dependencies. */
function freed(blueprint: DesiredBlueprint): DesiredBlueprint {
  return {
    ...blueprint,
    services: blueprint.services.map((service) => ({ ...service, dependsOn: [] })),
  };
}

function refusalOf({ name, generation, blueprint }: DesiredBlueprint, cycle: readonly string[]): Refusal {
  const { file, document } = blueprint.origin;
  return {
    name,
    ...(file === undefined ? {} : { file }),
    ...(document === undefined ? {} : { document }),
    generation,
    problems: [
      {
        severity: 'error',
        reason: 'SpecInvalid',
        path: 'spec.dependsOn',
        message: `must not form a cycle: ${cycle.join(' -> ')}`,
      },
    ],
  };
}
