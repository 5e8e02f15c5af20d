import { errorCode } from '../base/errors.ts';
import type { ListedBlueprint } from '../model/colony.ts';
import type { InForce } from './removal.ts';

/** A request to the listing lane, and the promise of its answer. */
export class Ask {
  readonly kind: 'look' | 'cleanup';
  /** Empty: everything. */
  readonly names: readonly string[];
  readonly answer: Promise<string>;
  /** Times that the server could not answer for one of the names. */
  failures = 0;
  resolve: (text: string) => void = () => undefined;

  constructor(kind: Ask['kind'], names: readonly string[]) {
    this.kind = kind;
    this.names = names;
    this.answer = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }
}

/** What the server answers with when it is well and only this question is too much for it. */
const NO_ANSWER = new Set(['COLONY_FAILED', 'COLONY_REFUSED', 'COLONY_PROTOCOL', 'COLONY_UNSUPPORTED']);

/** So often a name is asked for that the server cannot answer for; one such name must not stand in the way of all. */
const MOST_FAILURES = 3;

/** true: the call failed for what it asked, not for the way there. */
export function isUnanswered(error: unknown): boolean {
  return NO_ANSWER.has(errorCode(error));
}

/** Does the work of a request. When the server could not answer for the third time: `otherwise`. */
export async function patiently<T, U>(ask: Ask, work: () => Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await work();
  } catch (error) {
    if (!isUnanswered(error)) throw error;
    ask.failures += 1;
    if (ask.failures < MOST_FAILURES) throw error;
    return otherwise;
  }
}

/** What came of a cleanup process, one line for its output. `found`: what the server has under the name now. */
export function cleanupText(
  name: string,
  mine: InForce | undefined,
  found: ListedBlueprint | undefined,
): string {
  if (found === undefined)
    return mine === undefined ? `${name} is not run by this node` : `${name} is removed; its volumes stay`;
  if (!found.ok) return `${name} is on the server, but cannot be read; nothing is removed`;
  const { blueprintId, generation } = found.blueprint;
  if (mine !== undefined && mine.blueprintId !== blueprintId)
    return `${name} was made again (generation ${generation}) and replaces the earlier one`;
  return `${name} is still on the server (generation ${generation}); nothing is removed`;
}
