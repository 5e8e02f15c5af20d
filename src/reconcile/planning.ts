import type { Action, Hold, Plan } from '../model/action.ts';
import type { DesiredState } from '../model/desired.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import type { Replacement } from '../model/update.ts';
import type { BlueprintContainers } from './ownership.ts';

/** What the parts of the planner share: the whole picture, and the plan as it grows. */
export interface Planning {
  desired: DesiredState & { known: true };
  observed: ObservedState;
  monoMs: number;
  byName: ReadonlyMap<string, ObservedContainer>;
  /** The containers of each blueprint, by its name. */
  containers: ReadonlyMap<string, BlueprintContainers>;
  /** Services whose start is under way or is let begin, by key, with the time it began; `takeTurn` adds to it. */
  turns: Map<string, number>;
  act(action: Action): void;
  hold(hold: Hold): void;
  adopt(adoption: Plan['adopt'][number]): void;
  /** A replacement that begins once it is on disk. */
  note(replacement: Replacement): void;
  /** After this service's replacement no hook has to run any more. */
  end(key: string): void;
}
