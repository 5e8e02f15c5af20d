import type { DesiredBlueprint, DesiredState } from '../model/desired.ts';
import type { ObservedState } from '../model/observed.ts';
import { type Problem, problemText } from '../model/problem.ts';

/** What is doubtful about the blueprints taken together, and about this machine for them; one line each. */
export function warningsOf(
  desired: DesiredState,
  observed: ObservedState | undefined,
  crossCheck: (blueprints: readonly DesiredBlueprint[]) => readonly Problem[],
): string[] {
  if (!desired.known) return [];
  const lines = crossCheck(desired.blueprints).map(problemText);
  return observed === undefined ? lines : [...lines, ...memoryWarnings(desired.blueprints, observed.engine)];
}

/** Limits that the engine drops without a word, and limits that add up to more than there is. */
function memoryWarnings(
  blueprints: readonly DesiredBlueprint[],
  engine: Pick<ObservedState['engine'], 'memoryBytes' | 'memoryLimit'>,
): string[] {
  const limits = blueprints.flatMap(({ services }) =>
    services.map(({ container }) => container.limits.memoryBytes ?? 0),
  );
  const totalBytes = limits.reduce((sum, bytes) => sum + bytes, 0);
  if (totalBytes === 0) return [];
  if (!engine.memoryLimit)
    return [
      'memory limits have no effect: the kernel of this machine does not control memory (see colonies-edge doctor)',
    ];
  if (engine.memoryBytes === 0 || totalBytes <= engine.memoryBytes) return [];
  return [
    `memory limits add up to ${megabytes(totalBytes)}, the machine has ${megabytes(engine.memoryBytes)}`,
  ];
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}
