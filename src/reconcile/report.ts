import { isoTime } from '../base/clock.ts';
import type { Hold } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { DesiredBlueprint, DesiredState, Refusal, Service } from '../model/desired.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import { type Problem, problemText } from '../model/problem.ts';
import type { Reason } from '../model/reason.ts';
import type { BlueprintReport, Condition, Phase, Waiting } from '../model/status.ts';
import { isOurs, isPeers, keyOf } from './ownership.ts';
import { withReplicas } from './plan-replicas.ts';
import { isReady, readinessOf } from './readiness.ts';
import { strategyWarnings } from './report-update.ts';
import { isTrouble, type ReportInput, statusDocument } from './status-document.ts';
import { actionText } from './text.ts';

/** Holds on something the operator has still to provide. */
const WAITING: ReadonlySet<Reason> = new Set<Reason>(['WaitingForRegistration', 'OwnerKeyMissing']);

/** Holds during which nothing goes on. */
const IDLE: ReadonlySet<Reason> = new Set<Reason>(['WaitingForDependency', 'OutsideWindow', 'ClockNotSet']);

/** Holds that no amount of trying will end. */
const HOPELESS: ReadonlySet<Reason> = new Set<Reason>([
  'BadReference',
  'PlatformMismatch',
  'PolicyRefused',
  'SpecInvalid',
]);

/** One report for each blueprint we run, and one for each named document that was refused and has no valid version. */
export function reportAll(asked: ReportInput): BlueprintReport[] {
  const { observed } = asked;
  const input = observed === undefined ? asked : { ...asked, desired: withReplicas(asked.desired, observed) };
  const refusals = new Map<string, Refusal[]>();
  for (const refusal of input.desired.refusals)
    if (refusal.name !== undefined)
      refusals.set(refusal.name, [...(refusals.get(refusal.name) ?? []), refusal]);
  const reports = input.desired.blueprints.map((blueprint) =>
    report(input, blueprint, refusals.get(blueprint.name) ?? []),
  );
  const names = new Set(reports.map(({ name }) => name));
  for (const [name, list] of refusals) if (!names.has(name)) reports.push(refusedReport(input, name, list));
  return reports.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function report(
  input: ReportInput,
  blueprint: DesiredBlueprint,
  refusals: readonly Refusal[],
): BlueprintReport {
  const own = ownContainers(input, blueprint);
  const warnings = [
    ...blueprint.warnings,
    ...driverWarnings(input, blueprint),
    ...strategyWarnings(blueprint),
  ];
  const waiting = (input.plan?.holds ?? []).filter((hold) => hold.blueprint === blueprint.name);
  const doing = doingNow(input, blueprint);
  const ready = blueprint.services.filter((service) =>
    isReady(service, own.get(service.key), input.observed),
  ).length;
  const isSick = blueprint.services.some(
    (service) => readinessOf(service, own.get(service.key), input.observed) === 'unhealthy',
  );
  const phase = phaseOf(input, blueprint, { ready, holds: waiting, isBusy: doing.length > 0, isSick });
  const previous = input.previous.get(blueprint.name);
  const since = previous?.phase === phase ? previous.since : isoTime(input.now);
  const problems = refusals.flatMap((refusal) => refusal.problems);
  const lastError = lastErrorOf(input, blueprint, waiting, problems);
  const status = statusDocument(input, {
    blueprint: { ...blueprint, warnings },
    own,
    waiting,
    doing,
    ready,
    phase,
    problems,
    lastError,
    previous,
  });
  return {
    name: blueprint.name,
    kind: blueprint.kind,
    generation: blueprint.generation,
    phase,
    ready,
    desired: blueprint.services.length,
    since,
    waiting: waiting.map((hold) => waitingOf(input, blueprint, hold)),
    doing,
    ...(lastError === undefined ? {} : { lastError }),
    ...(problems.length === 0 ? {} : { refused: problems }),
    warnings,
    ...(blueprint.blueprint.origin.file === undefined ? {} : { file: blueprint.blueprint.origin.file }),
    status,
  };
}

/** A network that exists is used as it is, also when the blueprint asks for another driver. */
function driverWarnings(input: ReportInput, blueprint: DesiredBlueprint): Problem[] {
  const asked = blueprint.blueprint.spec.network;
  if (typeof asked !== 'object' || asked === null || !('driver' in asked)) return [];
  const names = new Map<string, string>();
  for (const { network } of blueprint.services.map(({ container }) => container))
    if (network.mode === 'network' && network.driver === asked.driver)
      names.set(network.name, network.driver);
  return (input.observed?.networks ?? []).flatMap(({ name, driver }): Problem[] => {
    const wanted = names.get(name);
    if (wanted === undefined || driver === '' || wanted === driver) return [];
    const message = `network ${name} has driver ${driver} instead of ${wanted}; it is used as it is`;
    return [{ severity: 'warning', reason: 'SpecWarning', path: 'spec.network.driver', message }];
  });
}

/** The container that stands for each service: the wanted version first, then any running one. */
function ownContainers(input: ReportInput, blueprint: DesiredBlueprint): Map<string, ObservedContainer> {
  const own = new Map<string, ObservedContainer>();
  const rank = (service: Service, container: ObservedContainer) =>
    (container.state === 'running' ? 0 : 2) + (container.labels[LABEL.specHash] === service.specHash ? 0 : 1);
  for (const service of blueprint.services) {
    const candidates = (input.observed?.containers ?? []).filter((container) =>
      isOurs(container, input.desired.owner)
        ? keyOf(container) === service.key
        : isPeers(container) &&
          container.labels[LABEL.deployment] === blueprint.name &&
          container.name === service.containerName,
    );
    const [best] = candidates.sort((a, b) => rank(service, a) - rank(service, b));
    if (best !== undefined) own.set(service.key, best);
  }
  return own;
}

function doingNow(input: ReportInput, blueprint: DesiredBlueprint): string[] {
  const clauses: string[] = [];
  for (const action of input.running.values())
    if (action.blueprint === blueprint.name) clauses.push(actionText(action));
  for (const { container } of blueprint.services) {
    const pull = input.observed?.pulls.get(container.image);
    if (pull !== undefined) clauses.push(pullText(pull));
  }
  return [...new Set(clauses)];
}

function pullText(pull: { image: string; state: string; currentBytes: number; totalBytes: number }): string {
  if (pull.state === 'queued') return `pull of ${pull.image} waits for a lane`;
  if (pull.totalBytes === 0) return `pull of ${pull.image} has begun`;
  const percent = Math.min(100, Math.floor((100 * pull.currentBytes) / pull.totalBytes));
  return `pull of ${pull.image}: ${percent} % of ${(pull.totalBytes / 1e6).toFixed(1)} MB`;
}

function phaseOf(
  input: ReportInput,
  blueprint: DesiredBlueprint,
  {
    ready,
    holds,
    isBusy,
    isSick,
  }: { ready: number; holds: readonly Hold[]; isBusy: boolean; isSick: boolean },
): Phase {
  if (blueprint.deleting) return 'Deleting';
  if (input.observed === undefined || input.plan === undefined) return 'Pending';
  const troubles = holds.filter(isTrouble);
  if (troubles.some((hold) => HOPELESS.has(hold.reason)) && ready === 0) return 'Failed';
  if (troubles.length > 0 && troubles.every((hold) => WAITING.has(hold.reason)) && ready === 0)
    return 'Pending';
  if (troubles.length > 0) return 'Degraded';
  const acting = input.plan.actions.some((action) => action.blueprint === blueprint.name);
  const waits = holds.length > 0 && holds.every(({ reason }) => IDLE.has(reason));
  if (waits && ready === 0 && !acting && !isBusy) return 'Pending';
  // A pause of which nothing comes is no work.
  const isHeld = holds.some(({ key, reason }) => reason !== 'Paused' || key !== blueprint.name);
  if (acting || isBusy || isHeld) return 'Reconciling';
  if (ready === blueprint.services.length) return 'Running';
  const starting = blueprint.services.length > ready && input.engineAway === undefined;
  return starting && !isSick ? 'Reconciling' : 'Degraded';
}

function waitingOf(input: ReportInput, blueprint: DesiredBlueprint, hold: Hold): Waiting {
  const service = blueprint.services.find((candidate) => candidate.key === hold.key);
  const failed = hold.nextTryAt === undefined ? undefined : input.observed?.setbacks.get(hold.key);
  const attempts = hold.attempts ?? failed?.attempts;
  const since = hold.since ?? failed?.since;
  const name = service?.containerName ?? hold.key;
  const before = input.previous
    .get(blueprint.name)
    ?.waiting.find((waiting) => waiting.name === name && waiting.reason === hold.reason);
  const { untilMs, nextTryAt } = hold;
  const isDecided = nextTryAt === undefined && untilMs !== undefined && untilMs > input.monoMs;
  return {
    name,
    reason: hold.reason,
    message: hold.message,
    since: since === undefined ? (before?.since ?? isoTime(input.now)) : isoTime(since),
    ...(isDecided ? { decidedAt: isoTime(input.now + untilMs - input.monoMs) } : {}),
    ...(hold.nextTryAt === undefined ? {} : { nextTryAt: isoTime(hold.nextTryAt) }),
    ...(attempts === undefined ? {} : { attempts }),
  };
}

function lastErrorOf(
  input: ReportInput,
  blueprint: DesiredBlueprint,
  holds: readonly Hold[],
  problems: readonly Problem[],
): string | undefined {
  const hold = holds.find(isTrouble);
  if (hold !== undefined) return `${hold.reason}: ${hold.message}`;
  const [problem] = problems;
  if (problem !== undefined) return `${problem.reason}: ${problemText(problem)}`;
  for (const { key } of blueprint.services) {
    const error = input.lastErrors.get(key);
    if (error !== undefined) return error;
  }
  return undefined;
}

/** A document that was refused and of which no version was ever valid here. */
function refusedReport(input: ReportInput, name: string, refusals: readonly Refusal[]): BlueprintReport {
  const problems = refusals.flatMap((refusal) => refusal.problems);
  const [first] = problems;
  const lastError = first === undefined ? 'refused' : `${first.reason}: ${problemText(first)}`;
  const previous = input.previous.get(name);
  const now = isoTime(input.now);
  const since = previous?.phase === 'Failed' ? previous.since : now;
  const file = refusals[0]?.file;
  const generation = refusals[0]?.generation ?? 0;
  const condition = (type: Condition['type'], status: Condition['status']): Condition => ({
    type,
    status,
    reason: first?.reason ?? 'SpecInvalid',
    message: problems.map(problemText).join('; '),
    lastTransitionTime: since,
  });
  return {
    name,
    kind: 'unknown',
    generation,
    phase: 'Failed',
    ready: 0,
    desired: 0,
    since,
    waiting: [],
    doing: [],
    lastError,
    refused: problems,
    warnings: [],
    ...(file === undefined ? {} : { file }),
    status: {
      instances: [],
      runningInstances: 0,
      stoppedInstances: 0,
      totalInstances: 0,
      lastUpdated: now,
      phase: 'Failed',
      observedGeneration: 0,
      specHash: '',
      desiredInstances: 0,
      readyInstances: 0,
      conditions: [
        condition('Ready', 'False'),
        condition('Degraded', 'True'),
        condition('SpecInvalid', 'True'),
      ],
      node: input.node,
      location: input.location,
      agentVersion: input.version,
      engine:
        input.observed === undefined
          ? 'unknown'
          : `${input.observed.engine.name} ${input.observed.engine.version}`,
      lastError,
    },
  };
}

/** Containers with our labels (or the Go reconciler's) that belong to no blueprint we know: shown, never touched. */
export function strays(desired: DesiredState & { known: true }, observed: ObservedState): string[] {
  const names = new Set(desired.blueprints.map(({ name }) => name));
  return observed.containers
    .filter((container) => isOurs(container, desired.owner) || isPeers(container))
    .filter((container) => !names.has(container.labels[LABEL.deployment] ?? ''))
    .map(({ name }) => name)
    .sort();
}
