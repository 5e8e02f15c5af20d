// What counts as removed on the server (FIELDS.md 14.3). Times are monotonic milliseconds.

/** A blueprint from the server that is in force here. */
export interface InForce {
  name: string;
  blueprintId: string;
}

/** What the server said when it was asked for one name. `unknown`: it was not asked, or did not answer. */
export type Answer = 'there' | 'none' | 'unknown';

export interface RemovalState {
  /** First complete listing without them, and no blueprint of that name. */
  absent: ReadonlyMap<string, { blueprintId: string; sinceMs: number }>;
  /** As `ServerReading.gone`. */
  gone: ReadonlyMap<string, { blueprintId: string; why: string }>;
  /** What an operator gave free to be removed, should it still be missing: id by name. */
  confirmed: ReadonlyMap<string, string>;
  /** All of ours that are missing at once: id by name. Empty: no suspicion. */
  suspects: ReadonlyMap<string, string>;
}

/** Nothing is missing. */
export const NOTHING_MISSING: RemovalState = {
  absent: new Map(),
  gone: new Map(),
  confirmed: new Map(),
  suspects: new Map(),
};

/** Between the two listings that both lack a blueprint at least this much time lies. */
export const TWICE_MISSING_MS = 600_000;

/** What is known of the blueprints in force after a complete and successful listing of all kinds. */
export interface ListingFacts {
  inForce: readonly InForce[];
  /** Names in the listing, also of blueprints that did not decode. */
  listed: ReadonlySet<string>;
  /** For each name in force that is not listed. */
  answers: ReadonlyMap<string, Answer>;
  monoMs: number;
}

/** Names to ask for one by one before `afterListing`. */
export function toAsk(inForce: readonly InForce[], listed: ReadonlySet<string>): readonly string[] {
  return inForce.map(({ name }) => name).filter((name) => !listed.has(name));
}

/**
 * Judges after a complete listing: what is missing for the second time, at least 10 min after the first, is gone; what
 * an operator confirmed is gone at once. As long as nothing of ours is positively there, nothing goes: a server that was
 * restored from an empty database must not empty a node.
 */
export function afterListing(state: RemovalState, facts: ListingFacts): RemovalState {
  const { inForce, listed, answers, monoMs } = facts;
  const answer = (name: string): Answer => (listed.has(name) ? 'there' : (answers.get(name) ?? 'unknown'));
  const gone = new Map<string, { blueprintId: string; why: string }>();
  const confirmed = new Map<string, string>();
  const open: InForce[] = [];
  for (const one of inForce) {
    const { name, blueprintId } = one;
    const before = state.gone.get(name);
    const isConfirmed = state.confirmed.get(name) === blueprintId;
    if (before?.blueprintId === blueprintId && answer(name) !== 'there') gone.set(name, before);
    else if (isConfirmed && answer(name) === 'none')
      gone.set(name, { blueprintId, why: 'an operator confirmed its removal' });
    else open.push(one);
    if (isConfirmed && answer(name) === 'unknown') confirmed.set(name, blueprintId);
  }
  const missing = open.filter(({ name }) => answer(name) === 'none');
  if (missing.length === open.length) return { absent: new Map(), gone, confirmed, suspects: idsOf(missing) };
  if (!open.some(({ name }) => answer(name) === 'there')) return { ...state, gone, confirmed };
  const absent = new Map<string, { blueprintId: string; sinceMs: number }>();
  for (const { name, blueprintId } of open) {
    const before = state.absent.get(name);
    const isSame = before?.blueprintId === blueprintId;
    if (answer(name) === 'there') continue;
    if (answer(name) === 'unknown') {
      if (isSame) absent.set(name, before);
    } else if (isSame && monoMs - before.sinceMs >= TWICE_MISSING_MS)
      gone.set(name, { blueprintId, why: 'two listings at least 10 min apart did not have it' });
    else absent.set(name, isSame ? before : { blueprintId, sinceMs: monoMs });
  }
  return { absent, gone, confirmed, suspects: new Map() };
}

/** A cleanup process came for a blueprint in force, and the server says that there is none of this name: gone at once. */
export function afterCleanup(state: RemovalState, { name, blueprintId }: InForce): RemovalState {
  const gone = new Map(state.gone).set(name, { blueprintId, why: 'a cleanup process said so' });
  return { ...forget(state, name), gone };
}

/** The server has this name, whatever else is not known: what was held against it is void. */
export function afterSight(state: RemovalState, name: string): RemovalState {
  const gone = new Map(state.gone);
  gone.delete(name);
  return { ...forget(state, name), gone };
}

/** An operator gives the suspects free. They go with the next listing that still lacks them. */
export function confirm(state: RemovalState): RemovalState {
  return { ...state, confirmed: new Map(state.suspects) };
}

/** One sentence for status and log; undefined while nothing is suspected. */
export function suspicionText({ suspects }: RemovalState): string | undefined {
  if (suspects.size === 0) return undefined;
  const what = suspects.size === 1 ? 'the only blueprint' : `all ${suspects.size} blueprints`;
  const names = [...suspects.keys()].sort();
  const list = names.length > 5 ? `${names.slice(0, 5).join(', ')}, ...` : names.join(', ');
  return `${what} of this node (${list}) went missing on the server at once; nothing is removed. If that is meant: colonies-edge confirm-removal`;
}

function forget(state: RemovalState, name: string): RemovalState {
  const absent = new Map(state.absent);
  const confirmed = new Map(state.confirmed);
  const suspects = new Map(state.suspects);
  for (const map of [absent, confirmed, suspects]) map.delete(name);
  return { ...state, absent, confirmed, suspects };
}

function idsOf(blueprints: readonly InForce[]): Map<string, string> {
  return new Map(blueprints.map(({ name, blueprintId }) => [name, blueprintId]));
}
