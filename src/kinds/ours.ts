import type { Blueprint, JsonObject } from '../model/blueprint.ts';
import type { KindContext } from './context.ts';

/** Whether a blueprint is for this node, and why not. */
export type Ownership = { ours: true; needsClaim: boolean } | { ours: false; why: string };

/**
 * Decides by FIELDS.md section 8: executor names beat the location (compared without regard to case), which beats the
 * policy for blueprints without either. Names of a wrong type count as absent here; validation refuses them. Where
 * several nodes come into question the first one that claims it gets it; a directory's blueprints are not shared, and
 * need no claim.
 */
export function isOurs(
  blueprint: Pick<Blueprint, 'location' | 'origin'>,
  spec: JsonObject,
  context: Pick<KindContext, 'executorName' | 'location' | 'unlocatedPolicy'>,
): Ownership {
  const names = executorNames(spec);
  const isShared = blueprint.origin.source === 'server';
  if (names.length > 0) {
    if (names.includes(context.executorName)) return { ours: true, needsClaim: isShared && names.length > 1 };
    return { ours: false, why: `is for executor ${names.join(', ')}, this is ${context.executorName}` };
  }
  if (blueprint.location !== '') {
    if (blueprint.location.toLowerCase() === context.location.toLowerCase())
      return { ours: true, needsClaim: false };
    return { ours: false, why: `is for location ${blueprint.location}, this is ${context.location}` };
  }
  if (context.unlocatedPolicy !== 'ignore')
    return { ours: true, needsClaim: isShared && context.unlocatedPolicy === 'claim' };
  return { ours: false, why: 'names neither executor nor location, and unlocatedPolicy is "ignore"' };
}

/** The names of `executorName` and `executorNames` together; empty ones do not count. */
export function executorNames(spec: JsonObject): readonly string[] {
  const list: readonly unknown[] = Array.isArray(spec.executorNames) ? spec.executorNames : [];
  const names = [spec.executorName, ...list].filter(
    (name): name is string => typeof name === 'string' && name !== '',
  );
  return [...new Set(names)];
}
