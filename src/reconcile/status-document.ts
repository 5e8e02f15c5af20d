import { isoTime } from '../base/clock.ts';
import type { Action, Hold, Plan } from '../model/action.ts';
import type { DesiredBlueprint, DesiredState, Service } from '../model/desired.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import { type Problem, problemText } from '../model/problem.ts';
import type { Reason } from '../model/reason.ts';
import type { BlueprintReport, Condition, InstanceStatus, Phase, StatusDocument } from '../model/status.ts';
import { isReady, readinessOf } from './readiness.ts';

/** Everything a report is made of beside the desired state. */
export interface ReportInput {
  desired: DesiredState & { known: true };
  /** Undefined before the first look. */
  observed: ObservedState | undefined;
  plan: Plan | undefined;
  /** Calls under way, by lane. */
  running: ReadonlyMap<string, Action>;
  /** Newest failure of each service, by key, until it has been fine for long. */
  lastErrors: ReadonlyMap<string, string>;
  engineAway: string | undefined;
  /** Wall time, epoch milliseconds. */
  now: number;
  /** The same moment by the clock of `Hold.untilMs`. */
  monoMs: number;
  node: string;
  location: string;
  version: string;
  /** The reports before this one, for the times at which things changed. */
  previous: ReadonlyMap<string, BlueprintReport>;
}

/** Holds that are part of ordinary progress; all others mean that something is wrong. */
const PROGRESS: ReadonlySet<Reason> = new Set<Reason>([
  'Pulling',
  'Working',
  'Paused',
  'UpdateLocked',
  'OutsideWindow',
  'ClockNotSet',
]);

/** false for what is part of ordinary progress; to wait for a dependency is, until it takes longer than it should. */
export function isTrouble({ reason, overdue }: Hold): boolean {
  return reason === 'WaitingForDependency' ? overdue === true : !PROGRESS.has(reason);
}

/** What a status document is made of beside the report's input. */
export interface DocumentInput {
  blueprint: DesiredBlueprint;
  own: ReadonlyMap<string, ObservedContainer>;
  waiting: readonly Hold[];
  doing: readonly string[];
  ready: number;
  phase: Phase;
  problems: readonly Problem[];
  lastError: string | undefined;
  previous: BlueprintReport | undefined;
}

/** The status document of one blueprint (FIELDS.md section 11). */
export function statusDocument(input: ReportInput, parts: DocumentInput): StatusDocument {
  const { blueprint, own, ready, phase, lastError } = parts;
  const checked = isoTime(input.now);
  const instances = blueprint.services.map((service) => instanceOf(input, service, own.get(service.key)));
  const running = instances.filter((instance) => instance.state === 'running').length;
  const { annotations } = blueprint.blueprint;
  const engine = input.observed?.engine;
  return {
    instances,
    runningInstances: running,
    stoppedInstances: instances.length - running,
    totalInstances: instances.length,
    lastUpdated: checked,
    phase,
    observedGeneration: blueprint.generation,
    specHash: blueprint.specHash,
    desiredInstances: blueprint.services.length,
    readyInstances: ready,
    conditions: conditionsOf(input, parts),
    node: input.node,
    location: input.location,
    agentVersion: input.version,
    engine: engine === undefined ? 'unknown' : `${engine.name} ${engine.version}`,
    ...(lastError === undefined ? {} : { lastError }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

function instanceOf(
  { observed, now }: ReportInput,
  service: Service,
  container: ObservedContainer | undefined,
): InstanceStatus {
  const detail = container?.detail;
  const readiness = readinessOf(service, container, observed);
  const isChecked = readiness === 'starting' || readiness === 'healthy' || readiness === 'unhealthy';
  // The engine counts its own restarts only.
  const restarts = container === undefined ? 0 : (observed?.ailing.get(container.id)?.restarts ?? 0);
  const isUp = container?.state === 'running' || container?.state === 'paused';
  return {
    id: container?.id.slice(0, 12) ?? '',
    name: service.containerName,
    type: 'container',
    state: isUp ? 'running' : 'stopped',
    created: container === undefined ? '' : isoTime(container.createdAt),
    image: service.container.image,
    lastCheck: isoTime(now),
    ready: isReady(service, container, observed),
    ...(isChecked ? { health: readiness } : {}),
    restartCount: (detail?.restartCount ?? 0) + restarts,
    ...(isUp || detail === undefined ? {} : { exitCode: detail.exitCode, oomKilled: detail.oomKilled }),
    ...(detail === undefined || detail.startedAt.startsWith('0001') ? {} : { startedAt: detail.startedAt }),
    imageId: container?.imageId ?? '',
    ports: portTexts(container),
  };
}

function portTexts(container: ObservedContainer | undefined): string[] {
  const texts = (container?.ports ?? []).map(
    ({ hostPort, containerPort, protocol }) => `${hostPort}:${containerPort}/${protocol}`,
  );
  return [...new Set(texts)].sort();
}

function conditionsOf(input: ReportInput, parts: DocumentInput): Condition[] {
  const { blueprint, waiting, doing, ready, phase, problems, lastError, previous } = parts;
  const conditions: Condition[] = [];
  const add = (type: Condition['type'], on: boolean | 'Unknown', reason: string, message: string) => {
    const status = on === 'Unknown' ? 'Unknown' : on ? 'True' : 'False';
    const before = previous?.status.conditions.find((condition) => condition.type === type);
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : isoTime(input.now);
    conditions.push({ type, status, reason, message, lastTransitionTime });
  };
  const trouble = waiting.find(isTrouble);
  const count = `${ready} of ${blueprint.services.length} instances are ready`;
  const isAway = input.engineAway !== undefined;
  add(
    'Ready',
    isAway ? 'Unknown' : phase === 'Running',
    isAway ? 'EngineUnavailable' : (trouble?.reason ?? phase),
    input.engineAway ?? count,
  );
  const busy = phase === 'Reconciling' || phase === 'Deleting';
  add('Progressing', busy, busy ? 'Working' : 'Idle', doing.join('; '));
  add(
    'Degraded',
    phase === 'Degraded' || phase === 'Failed',
    trouble?.reason ?? 'AsExpected',
    trouble === undefined ? (lastError ?? '') : trouble.message,
  );
  const back = waiting.find(({ reason }) => reason === 'RolledBack');
  if (back !== undefined || previous?.status.conditions.some(({ type }) => type === 'RolledBack') === true)
    add('RolledBack', back !== undefined, back?.reason ?? 'None', back?.message ?? '');
  const [first] = problems;
  const refused = problems.map(problemText).join('; ');
  add('SpecInvalid', first !== undefined, first?.reason ?? 'Valid', refused);
  const warnings = blueprint.warnings.map(problemText).join('; ');
  add(
    'SpecWarnings',
    blueprint.warnings.length > 0,
    blueprint.warnings.length > 0 ? 'SpecWarning' : 'None',
    warnings,
  );
  return conditions;
}
