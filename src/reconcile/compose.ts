import type { DesiredBlueprint, DesiredState, Owner, Refusal } from '../model/desired.ts';
import { canonicalJson } from '../model/hash.ts';
import type { Claimable, ServerReading } from '../model/link.ts';
import type { DirectoryListing, Resolve } from '../model/ports.ts';
import { type DirectoryReading, readDocuments, suspicion } from './compose-directory.ts';
import { withOrder, withoutCycles } from './compose-order.ts';
import { readServer, type ServerSide } from './compose-server.ts';

/** All that is known of what this node should run. */
export interface Sources {
  directory: {
    isConfigured: boolean;
    /** The newest complete reading; undefined: there is none, or it cannot be read now. */
    listing: DirectoryListing | undefined;
    /** Identity of the directory that what is in force came from; empty when unknown. */
    previousIdentity: string;
  };
  /** undefined: no server is configured. */
  server: ServerReading | undefined;
}

/** What does not change while the agent runs, but for `resolve`. */
export interface Surroundings {
  resolve: Resolve;
  owner: Owner;
  /** Name of the network that is never removed. */
  defaultNetwork: string;
}

/** A blueprint that came, changed, or went, or that turned out to be another node's, with a clause for the event list. */
export interface Change {
  name: string;
  what: 'added' | 'changed' | 'removed' | 'elsewhere' | 'returned';
  why?: string;
}

/** What the sources made of the desired state before. */
export interface Composition {
  desired: DesiredState;
  changes: readonly Change[];
  /** Set: the directory's files are gone all at once and it looks like another place; nothing of it was removed. */
  suspect?: string;
  claimable: readonly Claimable[];
  /** As `LinkHost.elsewhere`. */
  elsewhere: ReadonlyMap<string, string>;
  /** Where the sources are at odds; one line each. */
  warnings: readonly string[];
}

/**
 * The desired state after all sources. What is valid replaces what was; what is refused leaves its last valid version in
 * force; what is broken leaves everything it held in force. A complete reading of the directory removes what came from it
 * and is in it no more; of the server's blueprints only those go that are certainly gone. The directory wins by name. A
 * source that is away or was never configured changes nothing, and what it once gave is resolved anew.
 */
export function compose(previous: DesiredState, sources: Sources, around: Surroundings): Composition {
  const before = new Map<string, DesiredBlueprint>();
  if (previous.known) for (const blueprint of previous.blueprints) before.set(blueprint.name, blueprint);
  const { listing, previousIdentity } = sources.directory;
  const suspect = listing === undefined ? undefined : suspicion(before, listing, previousIdentity);
  const directory =
    listing === undefined || suspect !== undefined
      ? undefined
      : readDocuments(listing, around.resolve, before);
  const server = readServer(sources.server ?? NO_READING, around.resolve, (name) => {
    const old = before.get(name);
    return old !== undefined && !old.deleting;
  });
  const { gone } = sources.server ?? NO_READING;
  const sides: Sides = { before, directory, isConfigured: sources.directory.isConfigured, server, gone };
  const isKnown = previous.known || listing !== undefined || isHeard(sources.server);
  const composed = merge(sides, around);
  const { blueprints, refusals } = withoutCycles(composed.blueprints, before);
  const isRefused = new Set(refusals.map(({ name }) => name));
  return {
    desired: isKnown
      ? {
          known: true,
          owner: around.owner,
          blueprints,
          refusals: [...refusalsOf(previous, sides, suspect !== undefined), ...refusals],
        }
      : previous,
    changes: composed.changes.filter(({ name }) => !isRefused.has(name)),
    ...(suspect === undefined ? {} : { suspect }),
    claimable: [...server.claimable, ...composed.claimable].filter(({ name }) => !isDirectorys(sides, name)),
    elsewhere: elsewhereOf(sides),
    warnings: warningsOf(sides, sources),
  };
}

const NO_READING: ServerReading = { listings: 0, blueprints: [], gone: new Map(), claims: new Map() };

interface Sides {
  before: ReadonlyMap<string, DesiredBlueprint>;
  /** undefined: away, suspect, or not configured. */
  directory: DirectoryReading | undefined;
  isConfigured: boolean;
  server: ServerSide;
  gone: ServerReading['gone'];
}

function isHeard(server: ServerReading | undefined): boolean {
  return server !== undefined && (server.listings > 0 || server.blueprints.length > 0);
}

/** true: the directory speaks for this name, or did when it was last seen. */
function isDirectorys({ before, directory, isConfigured }: Sides, name: string): boolean {
  if (directory !== undefined) return directory.names.has(name);
  if (!isConfigured) return false;
  const old = before.get(name);
  return old !== undefined && !old.deleting && old.blueprint.origin.source === 'directory';
}

interface Merged {
  blueprints: DesiredBlueprint[];
  changes: Change[];
  claimable: Claimable[];
}

function merge(sides: Sides, around: Surroundings): Merged {
  const { before, directory, server } = sides;
  const ours = new Map<string, DesiredBlueprint>(directory?.ours ?? []);
  for (const [name, blueprint] of server.ours) if (!isDirectorys(sides, name)) ours.set(name, blueprint);
  const merged: Merged = { blueprints: [], changes: [], claimable: [] };
  for (const old of before.values()) {
    if (ours.has(old.name)) continue;
    const end = old.deleting ? undefined : endOf(sides, old);
    if (end !== undefined) {
      merged.changes.push(end);
      merged.blueprints.push(tombstone(old, end.what, around.defaultNetwork));
    } else if (old.deleting || directory?.keeps(old) === true) merged.blueprints.push(old);
    else ours.set(old.name, again(old, around, server, merged.claimable));
  }
  for (const fresh of ours.values()) {
    const old = before.get(fresh.name);
    const blueprint = withOrder(fresh, old);
    const name = blueprint.name;
    if (old === undefined) merged.changes.push({ name, what: 'added' });
    else if (old.deleting) merged.changes.push({ name, what: 'returned' });
    else if (contentOf(old) !== contentOf(blueprint)) merged.changes.push({ name, what: 'changed' });
    merged.blueprints.push(blueprint);
  }
  merged.blueprints.sort((a, b) => (a.name < b.name ? -1 : 1));
  merged.changes.sort((a, b) => (a.name < b.name ? -1 : 1));
  return merged;
}

/** Why a blueprint in force, which no source gives us now, is over; undefined: it stays. */
function endOf({ directory, isConfigured, server, gone }: Sides, old: DesiredBlueprint): Change | undefined {
  const { name, blueprintId } = old;
  const elsewhere = (why: string): Change => ({ name, what: 'elsewhere', why });
  if (old.blueprint.origin.source === 'directory' && isConfigured) {
    if (directory === undefined || directory.keeps(old)) return undefined;
    const why = directory.elsewhere.get(name) ?? server.elsewhere.get(name);
    return why === undefined ? { name, what: 'removed' } : elsewhere(why);
  }
  const why = directory?.names.has(name) ? directory.elsewhere.get(name) : server.elsewhere.get(name);
  if (why !== undefined) return elsewhere(why);
  const removal = gone.get(name);
  return removal?.blueprintId === blueprintId ? { name, what: 'removed', why: removal.why } : undefined;
}

/** The same version resolved once more: slots, overlays and policy may have changed. What does not resolve now stays as it was. */
function again(
  old: DesiredBlueprint,
  around: Surroundings,
  server: ServerSide,
  claimable: Claimable[],
): DesiredBlueprint {
  const resolution = around.resolve(old.blueprint);
  if (resolution.result === 'elsewhere') return old;
  const { name, blueprintId } = old;
  const isTold = server.claimable.some((one) => one.name === name);
  if (resolution.needsClaim && !isTold)
    claimable.push({ name, blueprintId, inForce: true, refused: resolution.result === 'refused' });
  return resolution.result === 'ours' ? resolution.desired : old;
}

/** The directory's refusals stand while it is away; the server's are those of its newest reading. */
function refusalsOf(previous: DesiredState, sides: Sides, isSuspect: boolean): readonly Refusal[] {
  const { directory, server } = sides;
  const before = previous.known ? previous.refusals.filter(({ file }) => file !== undefined) : [];
  const ofDirectory = directory?.refusals ?? (isSuspect ? [] : before);
  const ofServer = server.refusals.filter(({ name }) => name === undefined || !isDirectorys(sides, name));
  return [...ofDirectory, ...ofServer];
}

function elsewhereOf({ server }: Sides): ReadonlyMap<string, string> {
  const undecided = [...server.undecided].map(
    (name) => [name, 'it is not decided which node runs it'] as const,
  );
  return new Map([...undecided, ...server.elsewhere]);
}

function warningsOf(sides: Sides, { directory, server }: Sources): string[] {
  const lines: string[] = [];
  for (const name of sides.server.ours.keys())
    if (isDirectorys(sides, name))
      lines.push(`blueprint ${name}: the directory's version is in force, the server's is not`);
  for (const { name, deleting, blueprint } of sides.before.values()) {
    if (deleting || sides.server.ours.has(name)) continue;
    const { source } = blueprint.origin;
    if (source === 'directory' && !directory.isConfigured && server !== undefined)
      lines.push(`blueprint ${name} came from a directory, and none is configured: it stays as it is`);
    if (source === 'server' && server === undefined && directory.isConfigured && !isDirectorys(sides, name))
      lines.push(`blueprint ${name} came from a server, and none is configured: it stays as it is`);
  }
  return lines.sort();
}

/** What of a desired blueprint is worth saving and telling when it changes. */
export function contentOf(blueprint: DesiredBlueprint): string {
  return canonicalJson(blueprint);
}

/** A blueprint that is over here: no services any more, and what is to be cleared away with it. */
function tombstone(
  blueprint: DesiredBlueprint,
  end: Change['what'],
  defaultNetwork: string,
): DesiredBlueprint {
  const volumes = new Set<string>();
  const networks = new Set<string>();
  for (const { container } of blueprint.services) {
    for (const mount of container.mounts) if (mount.type === 'volume') volumes.add(mount.source);
    const { network } = container;
    if (network.mode === 'network' && network.create && network.name !== defaultNetwork)
      networks.add(network.name);
  }
  // What only moved may come back, and its author asked for nothing to be deleted.
  const reclaim = end === 'removed' && blueprint.blueprint.spec.volumeReclaim === 'Delete';
  return {
    ...withOrder({ ...blueprint, services: [] }, blueprint),
    deleting: true,
    warnings: [],
    reclaimVolumes: reclaim ? [...volumes] : [],
    reclaimNetworks: [...networks],
  };
}
