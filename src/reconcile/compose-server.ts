import type { Blueprint } from '../model/blueprint.ts';
import type { DesiredBlueprint, Refusal } from '../model/desired.ts';
import type { Claimable, ServerReading } from '../model/link.ts';
import type { Resolve } from '../model/ports.ts';

/** What the server's blueprints say of this node. */
export interface ServerSide {
  ours: ReadonlyMap<string, DesiredBlueprint>;
  /** Certain: another node's, another place's. */
  elsewhere: ReadonlyMap<string, string>;
  /** Any node may take them, and none was seen to. */
  undecided: ReadonlySet<string>;
  refusals: readonly Refusal[];
  claimable: readonly Claimable[];
}

/** Resolves the blueprints of the newest reading. `isInForce`: a version of it runs here. */
export function readServer(
  reading: ServerReading,
  resolve: Resolve,
  isInForce: (name: string) => boolean,
): ServerSide {
  const ours = new Map<string, DesiredBlueprint>();
  const elsewhere = new Map<string, string>();
  const undecided = new Set<string>();
  const refusals: Refusal[] = [];
  const claimable: Claimable[] = [];
  /** true: another node has it, or nobody yet; false: it is this node's as far as anybody knows. */
  const isOthers = (blueprint: Blueprint, refused: boolean): boolean => {
    const { name, blueprintId } = blueprint;
    const inForce = isInForce(name);
    claimable.push({ name, blueprintId, inForce, refused });
    const claim = reading.claims.get(name);
    if (claim?.held === false) elsewhere.set(name, claim.why);
    // Without a word of another node's claim, what runs here goes on: offline, and after a restart.
    else if (claim === undefined && !inForce) undecided.add(name);
    return claim === undefined ? !inForce : !claim.held;
  };
  for (const listed of [...reading.blueprints].sort(byName)) {
    if (!listed.ok) {
      refusals.push({ name: listed.name, problems: listed.problems });
      continue;
    }
    const { blueprint } = listed;
    const { name, generation } = blueprint;
    const resolution = resolve(blueprint);
    if (resolution.result === 'elsewhere') {
      elsewhere.set(name, resolution.why);
      continue;
    }
    const isRefused = resolution.result === 'refused';
    const isAway = resolution.needsClaim && isOthers(blueprint, isRefused);
    // A version that cannot run is told of by any node that it may be for, until one has taken it.
    if (isAway && !(isRefused && undecided.has(name))) continue;
    if (resolution.result === 'ours') ours.set(name, resolution.desired);
    else refusals.push({ name, generation, problems: resolution.problems });
  }
  return { ours, elsewhere, undecided, refusals, claimable };
}

function byName(a: ServerReading['blueprints'][number], b: ServerReading['blueprints'][number]): number {
  const [first, second] = [a, b].map((one) => (one.ok ? one.blueprint.name : (one.name ?? '')));
  return (first ?? '') < (second ?? '') ? -1 : 1;
}
