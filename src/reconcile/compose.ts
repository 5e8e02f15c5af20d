import { decodeBlueprint } from '../model/blueprint.ts';
import type { DesiredBlueprint, DesiredState, Owner, Refusal } from '../model/desired.ts';
import { canonicalJson } from '../model/hash.ts';
import type { DirectoryListing, Resolve, SourceDocument } from '../model/ports.ts';
import { duplicateName } from '../model/problem.ts';

/** What a reading of the source made of the desired state before it. */
export interface Composition {
  desired: DesiredState;
  /** Names that came, changed, or went, and documents that named another node, each with a clause for the event list. */
  changes: readonly {
    name: string;
    what: 'added' | 'changed' | 'removed' | 'elsewhere' | 'returned';
    why?: string;
  }[];
  /** Set: everything is gone at once and the place looks like another one; nothing was removed. */
  suspect?: string;
}

/**
 * The desired state after a complete reading of a directory. What is valid replaces what was; what is refused leaves its
 * last valid version in force; what is broken leaves everything it held in force; what is gone is removed.
 */
export function compose(
  previous: DesiredState,
  listing: DirectoryListing,
  previousIdentity: string,
  resolve: Resolve,
  owner: Owner,
  defaultNetwork: string,
): Composition {
  const before = new Map<string, DesiredBlueprint>();
  if (previous.known) for (const blueprint of previous.blueprints) before.set(blueprint.name, blueprint);
  const suspect = suspicion(before, listing, previousIdentity);
  if (suspect !== undefined)
    return {
      desired: { known: true, owner, blueprints: [...before.values()], refusals: [] },
      changes: [],
      suspect,
    };

  const reading = readDocuments(listing, resolve, before);
  const blueprints: DesiredBlueprint[] = [...reading.ours.values()];
  const changes: Composition['changes'][number][] = [];
  for (const blueprint of blueprints) {
    const old = before.get(blueprint.name);
    if (old === undefined) changes.push({ name: blueprint.name, what: 'added' });
    else if (old.deleting) changes.push({ name: blueprint.name, what: 'returned' });
    else if (contentOf(old) !== contentOf(blueprint)) changes.push({ name: blueprint.name, what: 'changed' });
  }
  for (const old of before.values()) {
    if (reading.ours.has(old.name)) continue;
    if (old.deleting || reading.keeps(old)) {
      blueprints.push(old);
      continue;
    }
    const why = reading.elsewhere.get(old.name);
    changes.push({
      name: old.name,
      what: why === undefined ? 'removed' : 'elsewhere',
      ...(why === undefined ? {} : { why }),
    });
    blueprints.push(tombstone(old, defaultNetwork));
  }
  blueprints.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { desired: { known: true, owner, blueprints, refusals: reading.refusals }, changes };
}

/**
 * The same blueprints resolved once more, for when their source is away but slots, overlays or policy changed. What does
 * not resolve now stays as it was.
 */
export function recompose(
  previous: DesiredState,
  resolve: Resolve,
): { desired: DesiredState; changes: Composition['changes'] } {
  if (!previous.known) return { desired: previous, changes: [] };
  const changes: Composition['changes'][number][] = [];
  const blueprints = previous.blueprints.map((old) => {
    if (old.deleting) return old;
    const resolution = resolve(old.blueprint);
    if (resolution.result !== 'ours') return old;
    if (contentOf(old) !== contentOf(resolution.desired)) changes.push({ name: old.name, what: 'changed' });
    return resolution.desired;
  });
  return { desired: { ...previous, blueprints }, changes };
}

/** An emptied directory is a removal; another, empty place under the same path is more likely a disk that is not mounted. */
function suspicion(
  before: ReadonlyMap<string, DesiredBlueprint>,
  listing: DirectoryListing,
  previousIdentity: string,
): string | undefined {
  const alive = [...before.values()].filter((blueprint) => !blueprint.deleting).length;
  if (alive === 0 || listing.documents.length > 0 || listing.broken.length > 0) return undefined;
  if (listing.confirmedEmpty || previousIdentity === '' || previousIdentity === listing.identity)
    return undefined;
  return `${listing.path} is empty and not the directory it was (is a disk not mounted?); ${alive} blueprints stay in force. To remove them, create ${listing.path}/.remove-all`;
}

interface Reading {
  ours: Map<string, DesiredBlueprint>;
  elsewhere: Map<string, string>;
  refusals: Refusal[];
  /** true: a refusal or a broken file stands between this blueprint and its removal. */
  keeps(blueprint: DesiredBlueprint): boolean;
}

function readDocuments(
  listing: DirectoryListing,
  resolve: Resolve,
  before: ReadonlyMap<string, DesiredBlueprint>,
): Reading {
  const ours = new Map<string, DesiredBlueprint>();
  const elsewhere = new Map<string, string>();
  const refusals: Refusal[] = listing.broken.map(({ file, problem }) => ({
    name: undefined,
    file,
    problems: [problem],
  }));
  const refusedNames = new Set<string>();
  const doubtfulFiles = new Set(listing.broken.map(({ file }) => file));
  const takenBy = new Map<string, string>();
  for (const document of inForceFirst(listing.documents, before)) {
    const origin = { source: 'directory' as const, file: document.file, document: document.document };
    const decoded = decodeBlueprint(document.value, origin);
    const place = { file: document.file, document: document.document };
    if (!decoded.ok) {
      refusals.push({ name: decoded.name, ...place, problems: decoded.problems });
      if (decoded.name === undefined) doubtfulFiles.add(document.file);
      else refusedNames.add(decoded.name);
      continue;
    }
    const { name, generation } = decoded.blueprint;
    const first = takenBy.get(name);
    if (first !== undefined) {
      refusals.push({ name, ...place, generation, problems: [duplicateName(name, first)] });
      continue;
    }
    takenBy.set(name, document.file);
    const resolution = resolve(decoded.blueprint);
    if (resolution.result === 'ours') ours.set(name, resolution.desired);
    else if (resolution.result === 'elsewhere') elsewhere.set(name, resolution.why);
    else {
      refusals.push({ name, ...place, generation, problems: resolution.problems });
      refusedNames.add(name);
    }
  }
  const keeps = ({ name, blueprint }: DesiredBlueprint) =>
    !elsewhere.has(name) &&
    (refusedNames.has(name) ||
      (blueprint.origin.file !== undefined && doubtfulFiles.has(blueprint.origin.file)));
  return { ours, elsewhere, refusals, keeps };
}

/** Of two documents with one name, the one that is in force already stays; otherwise the first by file name. */
function inForceFirst(
  documents: readonly SourceDocument[],
  before: ReadonlyMap<string, DesiredBlueprint>,
): readonly SourceDocument[] {
  const inForce = new Set<string>();
  for (const { blueprint } of before.values())
    inForce.add(`${blueprint.origin.file}#${blueprint.origin.document ?? 0}`);
  const first = documents.filter((document) => inForce.has(`${document.file}#${document.document}`));
  const rest = documents.filter((document) => !inForce.has(`${document.file}#${document.document}`));
  return [...first, ...rest];
}

/** What of a desired blueprint is worth saving and telling when it changes. */
export function contentOf(blueprint: DesiredBlueprint): string {
  return canonicalJson(blueprint);
}

/** A removed blueprint: no services any more, and what is to be cleared away with it. */
function tombstone(blueprint: DesiredBlueprint, defaultNetwork: string): DesiredBlueprint {
  const volumes = new Set<string>();
  const networks = new Set<string>();
  for (const { container } of blueprint.services) {
    for (const mount of container.mounts) if (mount.type === 'volume') volumes.add(mount.source);
    const { network } = container;
    if (network.mode === 'network' && network.create && network.name !== defaultNetwork)
      networks.add(network.name);
  }
  const reclaim = blueprint.blueprint.spec.volumeReclaim === 'Delete';
  return {
    ...blueprint,
    services: [],
    deleting: true,
    warnings: [],
    reclaimVolumes: reclaim ? [...volumes] : [],
    reclaimNetworks: [...networks],
  };
}
