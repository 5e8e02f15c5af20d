import { LABEL } from '../model/container.ts';
import type { Scope } from './scope.ts';

/** The `colonies.*` labels of one container (FIELDS.md 7); none of them is part of the spec hash. */
export function managedLabels(
  { blueprint, context }: Scope,
  service: { instance: string; replica: number; specHash: string; executorName?: string },
): Readonly<Record<string, string>> {
  return {
    [LABEL.deployment]: blueprint.name,
    [LABEL.managed]: 'true',
    [LABEL.generation]: String(blueprint.generation),
    [LABEL.kind]: blueprint.kind,
    [LABEL.blueprintId]: blueprint.blueprintId,
    [LABEL.instance]: service.instance,
    [LABEL.replica]: String(service.replica),
    [LABEL.specHash]: service.specHash,
    [LABEL.node]: context.node,
    [LABEL.colony]: context.colony,
    ...(service.executorName === undefined ? {} : { [LABEL.executor]: service.executorName }),
  };
}
