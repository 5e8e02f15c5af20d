import type { Blueprint } from '../model/blueprint.ts';
import type { DesiredBlueprint } from '../model/desired.ts';
import { fingerprint } from '../model/hash.ts';
import type { Resolution } from '../model/ports.ts';
import type { Problem } from '../model/problem.ts';
import type { KindContext } from './context.ts';
import { resolveDockerDeployment } from './docker-deployment.ts';
import { resolveExecutorDeployment } from './executor-deployment.ts';
import { checkValue, Fields, orList, Problems } from './fields.ts';
import { instanceCycle } from './graph.ts';
import { isOurs } from './ours.ts';
import { applyOverlays } from './overlay.ts';
import { DNS_LABEL, type Scope } from './scope.ts';
import type { KindResult } from './spec.ts';
import { readWindows } from './windows.ts';

/** One reader for each blueprint kind that this agent reconciles. */
const KINDS: Readonly<Record<string, (fields: Fields, scope: Scope) => KindResult>> = {
  DockerDeployment: resolveDockerDeployment,
  ExecutorDeployment: resolveExecutorDeployment,
};

/**
 * Turns a blueprint into the containers it asks this node for, or says that it is for another node, or lists everything
 * that is wrong with it (FIELDS.md 1 to 9). Deterministic, and independent of the order in which fields were written;
 * the only look outside is `context.readFile`, for `envFile`. Never throws because of what a blueprint holds.
 */
export function resolveBlueprint(blueprint: Blueprint, context: KindContext): Resolution {
  if (blueprint.colony !== '' && context.colony !== '' && blueprint.colony !== context.colony)
    return refuse('ForeignColony', 'metadata.colonyname', blueprint.colony, `must be "${context.colony}"`);
  const problems = new Problems();
  problems.list.push(...blueprint.warnings);
  if (!checkValue(blueprint.spec, 'spec', problems))
    return { result: 'refused', problems: problems.list, needsClaim: false };
  const { spec, origins } = applyOverlays(blueprint, context.overlays, problems);
  const ownership = isOurs(blueprint, spec, context);
  if (!ownership.ours) return { result: 'elsewhere', why: ownership.why };
  const resolveKind = Object.hasOwn(KINDS, blueprint.kind) ? KINDS[blueprint.kind] : undefined;
  if (resolveKind === undefined)
    return refuse('UnsupportedKind', 'kind', blueprint.kind, `must be ${orList(Object.keys(KINDS))}`);
  if (!DNS_LABEL.test(blueprint.name))
    problems.error(
      'metadata.name',
      'must be a DNS label (letters, digits and "-", at most 63): it is a network alias',
      {
        value: blueprint.name,
      },
    );
  const fields = new Fields(spec, 'spec', problems);
  const windows = readWindows(fields);
  const result = {
    ...resolveKind(fields, { blueprint, context, problems }),
    ...(windows === undefined ? {} : { windows }),
  };
  const cycle = instanceCycle(result.services);
  if (cycle !== undefined) problems.error('spec', `dependsOn must not form a cycle: ${cycle.join(' -> ')}`);
  const list = problems.list.map((problem) => withOrigin(problem, origins));
  const { needsClaim } = ownership;
  if (problems.failed) return { result: 'refused', problems: list, needsClaim };
  return { result: 'ours', desired: desiredOf(blueprint, result, list), needsClaim };
}

type Resolved = KindResult & Pick<DesiredBlueprint, 'windows'>;

function desiredOf(blueprint: Blueprint, result: Resolved, warnings: readonly Problem[]): DesiredBlueprint {
  const { name, kind, blueprintId, generation } = blueprint;
  const specHash = fingerprint(result.services.map((service) => [service.key, service.specHash]));
  return { name, kind, blueprintId, generation, blueprint, specHash, ...result, warnings, deleting: false };
}

function refuse(reason: Problem['reason'], path: string, value: string, message: string): Resolution {
  const problem: Problem = { severity: 'error', reason, path, message, value: JSON.stringify(value) };
  return { result: 'refused', problems: [problem], needsClaim: false };
}

/** Says so when the field in question is not the blueprint's own. */
function withOrigin(problem: Problem, origins: ReadonlyMap<string, string>): Problem {
  for (const [path, overlay] of origins)
    if (problem.path === path || problem.path.startsWith(`${path}.`) || problem.path.startsWith(`${path}[`))
      return { ...problem, message: `${problem.message} (added by overlay ${overlay})` };
  return problem;
}
