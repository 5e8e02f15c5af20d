import { decodeBlueprint } from '../model/blueprint.ts';
import type { DesiredBlueprint, Refusal } from '../model/desired.ts';
import type { DirectoryListing, Resolve, SourceDocument } from '../model/ports.ts';
import { duplicateName } from '../model/problem.ts';

/** What a directory's documents say of this node. */
export interface DirectoryReading {
  ours: ReadonlyMap<string, DesiredBlueprint>;
  elsewhere: ReadonlyMap<string, string>;
  refusals: readonly Refusal[];
  /** Names that the directory speaks of, well or badly: what another source says of them does not count. */
  names: ReadonlySet<string>;
  /** true: a refusal or a broken file stands between this blueprint and its removal. */
  keeps(blueprint: DesiredBlueprint): boolean;
}

type ByName = ReadonlyMap<string, DesiredBlueprint>;

/** An emptied directory is a removal; another, empty place under the same path is more likely a disk that is not mounted. */
export function suspicion(
  before: ByName,
  listing: DirectoryListing,
  previousIdentity: string,
): string | undefined {
  const alive = [...before.values()].filter(
    ({ deleting, blueprint }) => !deleting && blueprint.origin.source === 'directory',
  ).length;
  if (alive === 0 || listing.documents.length > 0 || listing.broken.length > 0) return undefined;
  if (listing.confirmedEmpty || previousIdentity === '' || previousIdentity === listing.identity)
    return undefined;
  return `${listing.path} is empty and not the directory it was (is a disk not mounted?); ${alive} blueprints stay in force. To remove them, create ${listing.path}/.remove-all`;
}

/** Decodes and resolves a directory's documents. Of two with one name the one in force stays, else the first by file name. */
export function readDocuments(listing: DirectoryListing, resolve: Resolve, before: ByName): DirectoryReading {
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
    blueprint.origin.source === 'directory' &&
    !elsewhere.has(name) &&
    (refusedNames.has(name) ||
      (blueprint.origin.file !== undefined && doubtfulFiles.has(blueprint.origin.file)));
  const kept = [...before.values()].filter((old) => !old.deleting && keeps(old)).map(({ name }) => name);
  const names = new Set([...takenBy.keys(), ...refusedNames, ...kept]);
  return { ours, elsewhere, refusals, names, keeps };
}

/** Of two documents with one name, the one that is in force already stays; otherwise the first by file name. */
function inForceFirst(documents: readonly SourceDocument[], before: ByName): readonly SourceDocument[] {
  const inForce = new Set<string>();
  for (const { blueprint } of before.values())
    inForce.add(`${blueprint.origin.file}#${blueprint.origin.document ?? 0}`);
  const first = documents.filter((document) => inForce.has(`${document.file}#${document.document}`));
  const rest = documents.filter((document) => !inForce.has(`${document.file}#${document.document}`));
  return [...first, ...rest];
}
