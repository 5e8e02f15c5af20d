import { untilAborted } from '../base/abort.ts';
import type { DesiredBlueprint, DesiredState } from '../model/desired.ts';
import type { ForceResult } from '../model/link.ts';
import type { Journal } from './journal.ts';

/** What a forced run is begun with. */
export interface ForceParts {
  desired: DesiredState;
  /** Why the engine cannot be reached; undefined when it can. */
  awayBecause: string | undefined;
  journal: Pick<Journal, 'add'>;
  begin(blueprint: DesiredBlueprint): Promise<ForceResult>;
}

/** Begins a forced run and tells what came of it; says at once what is in the way. */
export async function forceRun(parts: ForceParts, name: string, signal: AbortSignal): Promise<ForceResult> {
  const { desired, awayBecause, journal } = parts;
  const blueprint = desired.known ? desired.blueprints.find((one) => one.name === name) : undefined;
  if (blueprint === undefined || blueprint.deleting)
    return { ok: false, text: `${name} is not in force on this node; nothing was touched` };
  if (awayBecause !== undefined)
    return { ok: false, text: `the engine cannot be reached (${awayBecause}); nothing was touched` };
  journal.add('info', 'forced run begun', { blueprint: name });
  const result = await untilAborted(parts.begin(blueprint), signal);
  const [level, message] = result.ok
    ? (['info', 'forced run replaces'] as const)
    : (['warn', 'forced run given up'] as const);
  journal.add(level, message, { blueprint: name, detail: result.text });
  return result;
}
