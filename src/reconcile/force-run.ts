import { untilAborted } from '../base/abort.ts';
import type { DesiredState } from '../model/desired.ts';
import type { ForceResult } from '../model/link.ts';
import type { Journal } from './journal.ts';
import type { WorkingMemory } from './memory.ts';

/** What a forced run needs of the agent. */
export interface ForceParts {
  desired: DesiredState;
  /** Why the engine is away; undefined while it answers. */
  away: string | undefined;
  memory: WorkingMemory;
  journal: Journal;
  /** Asks for a look. */
  ring(): void;
}

/** Begins a forced run of one blueprint and waits until the replacement begins, or for what is in the way. */
export async function forceRun(parts: ForceParts, name: string, signal: AbortSignal): Promise<ForceResult> {
  const { desired, away, memory, journal, ring } = parts;
  const blueprint = desired.known ? desired.blueprints.find((one) => one.name === name) : undefined;
  if (blueprint === undefined || blueprint.deleting)
    return { ok: false, text: `${name} is not in force on this node; nothing was touched` };
  if (away !== undefined)
    return { ok: false, text: `the engine cannot be reached (${away}); nothing was touched` };
  journal.add('info', 'forced run begun', { blueprint: name });
  const going = memory.force(blueprint);
  ring();
  const result = await untilAborted(going, signal);
  const message = result.ok ? 'forced run replaces' : 'forced run given up';
  journal.add(result.ok ? 'info' : 'warn', message, { blueprint: name, detail: result.text });
  return result;
}
