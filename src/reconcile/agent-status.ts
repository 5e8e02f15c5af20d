import { isoTime } from '../base/clock.ts';
import type { Plan } from '../model/action.ts';
import type { DesiredState } from '../model/desired.ts';
import type { ObservedState } from '../model/observed.ts';
import type { AgentStatus, BlueprintReport, Reachability } from '../model/status.ts';
import type { AgentParts } from './agent-parts.ts';
import { lockReports } from './lock-operator.ts';
import { reportAll, strays } from './report.ts';
import type { SourceLane } from './source-lane.ts';
import type { ReportInput } from './status-document.ts';
import type { UpdateMemory } from './update-memory.ts';
import { warningsOf } from './warnings.ts';

/** Everything asked for is there and nothing was refused: the engine answers, and the newest plan, which has to be for just
 *  this desired state, is empty. */
export function isConverged(
  desired: DesiredState,
  plan: Plan | undefined,
  engine: Reachability['state'],
  reports: ReadonlyMap<string, BlueprintReport>,
): boolean {
  if (!desired.known || plan === undefined || engine !== 'ok') return false;
  if (plan.actions.length > 0 || plan.holds.length > 0 || desired.refusals.length > 0) return false;
  return [...reports.values()].every((report) => report.phase === 'Running');
}

/** The reports of all blueprints, by name. */
export function reportMap(
  { settings, clock }: Pick<AgentParts, 'settings' | 'clock'>,
  input: Omit<ReportInput, 'now' | 'monoMs' | 'node' | 'location' | 'version'>,
): Map<string, BlueprintReport> {
  const { executorName: node, location, version } = settings;
  const reports = reportAll({ ...input, now: clock.now(), monoMs: clock.monoMs(), node, location, version });
  return new Map(reports.map((report) => [report.name, report]));
}

/** What the agent's whole answer is made of. */
export interface StatusInput {
  parts: AgentParts;
  /** Wall time, epoch milliseconds. */
  startedAt: number;
  desired: DesiredState;
  /** Undefined before the first look. */
  observed: ObservedState | undefined;
  engine: Reachability;
  source: ReturnType<SourceLane['view']>;
  isConverged: boolean;
  /** Wall time, epoch milliseconds. */
  nextLookAt: number;
  reports: readonly BlueprintReport[];
  pulls: readonly (Omit<AgentStatus['pulls'][number], 'since'> & { since: number })[];
  disk: AgentStatus['disk'];
  /** Why failures cannot be remembered on disk. */
  memoryError: string | undefined;
  counters: AgentStatus['counters'];
  updates: UpdateMemory;
}

/** The answer to `colonies-edge status`. */
export function agentStatus(input: StatusInput): AgentStatus {
  const { parts, desired, observed, source } = input;
  const { version, node, location, colony, stateDir } = parts.settings;
  const info = observed?.engine;
  const refusals = desired.known ? desired.refusals : [];
  return {
    agent: {
      version,
      node,
      location,
      colony,
      pid: process.pid,
      startedAt: isoTime(input.startedAt),
      stateDir,
    },
    engine: {
      ...input.engine,
      endpoint: parts.engine.endpoint,
      name: info?.name ?? '',
      version: info?.version ?? '',
      apiVersion: info?.apiVersion ?? '',
    },
    source: source.source,
    ...(parts.link === undefined ? {} : { server: parts.link.status() }),
    checkpoint: source.checkpoint,
    converged: input.isConverged,
    nextLookAt: isoTime(input.nextLookAt),
    blueprints: input.reports,
    refusals: refusals.map(({ name, file, document, problems }) => ({
      ...(file === undefined ? {} : { file }),
      ...(document === undefined ? {} : { document }),
      ...(name === undefined ? {} : { name }),
      problems,
    })),
    pulls: input.pulls.map((pull) => ({ ...pull, since: isoTime(pull.since) })),
    ...(input.disk === undefined ? {} : { disk: input.disk }),
    strays: desired.known && observed !== undefined ? strays(desired, observed) : [],
    warnings: [
      ...source.warnings,
      ...(input.memoryError === undefined ? [] : [input.memoryError]),
      ...(parts.warnings?.() ?? []),
      ...input.updates.failures(),
      ...warningsOf(desired, observed, parts.crossCheck),
    ],
    locks: lockReports(input.updates),
    counters: { ...input.counters },
  };
}
