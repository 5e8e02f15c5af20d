import type { ListedBlueprint } from '../model/colony.ts';
import type { InForce } from './removal.ts';

/** A request to the listing lane, and the promise of its answer. */
export class Ask {
  readonly kind: 'look' | 'cleanup';
  /** Empty: everything. */
  readonly names: readonly string[];
  readonly answer: Promise<string>;
  resolve: (text: string) => void = () => undefined;

  constructor(kind: Ask['kind'], names: readonly string[]) {
    this.kind = kind;
    this.names = names;
    this.answer = new Promise((resolve) => {
      this.resolve = resolve;
    });
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
