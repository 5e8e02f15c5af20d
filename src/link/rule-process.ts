import type { ColonyProcess } from '../model/colony.ts';
import type { DesiredState } from '../model/desired.ts';
import type { LinkClass } from '../model/link.ts';
import { problemText } from '../model/problem.ts';
import type { BlueprintReport } from '../model/status.ts';

// What a process asks for, and what there is to say at its end. PURE.

/** Kinds that this agent runs; a definition may send it others. */
const KINDS: readonly string[] = ['DockerDeployment', 'ExecutorDeployment'];

/** Longest text that goes into a process, characters: it becomes the input of the schedule's next one. */
const MOST_CHARACTERS = 400;

/** The end of a process. */
export interface ProcessResult {
  ok: boolean;
  texts: readonly string[];
}

/**
 * What is to be done for a process: `summary`: only say how things are; `look`: read the blueprints anew; `force`: pull
 * and recreate; `cleanup`: find out whether the blueprint is gone.
 */
export type Task = 'summary' | 'look' | 'force' | 'cleanup';

/** What a process asks for, or why it cannot be done here. */
export function taskOf(process: ColonyProcess): { task: Task } | { refused: string } {
  const { funcName, kind, blueprintName, force } = process;
  if (funcName !== 'reconcile' && funcName !== 'cleanup')
    return { refused: `unknown function "${funcName}": this executor has reconcile and cleanup` };
  if (kind !== '' && !KINDS.includes(kind))
    return { refused: `unknown kind "${kind}": this executor has ${KINDS.join(' and ')}` };
  if (funcName === 'cleanup')
    return blueprintName === '' ? { refused: 'cleanup needs a blueprintName' } : { task: 'cleanup' };
  if (isSchedules(process)) return { task: 'summary' };
  if (blueprintName === '') return { task: 'look' };
  return { task: force ? 'force' : 'look' };
}

/** Made by the server's schedule for all blueprints of a kind. */
export function isSchedules({ blueprintName, isScheduled }: ColonyProcess): boolean {
  return isScheduled && blueprintName === '';
}

/** The first of each kind are closed at once, on a normal link a quarter of an hour's: whoever sets a node up sees the
 *  schedule go on. Then they are held this long, and twice as long each time, milliseconds. */
const HELD_FROM: Readonly<Record<LinkClass, number>> = { normal: 15, metered: 2 };
const FIRST_HOLD_MS = 60_000;
const LONGEST_HOLD_MS: Readonly<Record<LinkClass, number>> = { normal: 600_000, metered: 14_400_000 };

/** Each is held up to this part shorter. */
const HOLD_JITTER = 0.1;

/**
 * How long a schedule's process is held, milliseconds; `before`: how many of its kind were taken before it in this run.
 * Each costs some 3 kB and says nothing that our own timer does not, and the schedule makes the next one a minute after
 * the last was closed: holding it is the only way to slow the schedule (PROTOCOL.md 10.2). Should we vanish meanwhile, the
 * server takes it back with the registration.
 */
export function holdMs(before: number, linkClass: LinkClass, random: number): number {
  const later = before - HELD_FROM[linkClass];
  if (later < 0) return 0;
  const longestMs = LONGEST_HOLD_MS[linkClass];
  const ms = linkClass === 'metered' ? longestMs : FIRST_HOLD_MS * 2 ** Math.min(10, later);
  return Math.min(longestMs, ms) * (1 - HOLD_JITTER * random);
}

/** Two assignments of one process differ in this. */
export function assignmentOf({
  startedAt,
  retries,
}: {
  startedAt: number | undefined | null;
  retries: number;
}): string {
  return `${startedAt ?? 'unset'}/${retries}`;
}

/** What is known of the agent when a process ends. */
export interface View {
  desired: DesiredState;
  reports: readonly BlueprintReport[];
  /** Blueprints of other nodes, each with a clause why. */
  elsewhere: ReadonlyMap<string, string>;
}

/** "DockerDeployment: 5 blueprints, 11 of 12 running; web Degraded": one line on a kind, or on all when it is empty. */
export function summary(kind: string, { reports }: View): ProcessResult {
  const some = reports.filter((report) => kind === '' || report.kind === kind);
  const ready = some.reduce((sum, report) => sum + report.ready, 0);
  const desired = some.reduce((sum, report) => sum + report.desired, 0);
  const odd = some.filter(({ phase }) => phase !== 'Running').map(({ name, phase }) => `${name} ${phase}`);
  const blueprints = some.length === 1 ? '1 blueprint' : `${some.length} blueprints`;
  const text = `${kind === '' ? 'all kinds' : kind}: ${blueprints}, ${ready} of ${desired} running`;
  return { ok: true, texts: [short([text, ...odd].join('; '))] };
}

/** How the process of one blueprint ends after a look: early, with what is going on by now. */
export function outcome(name: string, view: View): ProcessResult {
  const { desired, reports } = view;
  if (desired.known) {
    const refusal = desired.refusals.find((one) => one.name === name);
    if (refusal !== undefined) {
      const why = refusal.problems.slice(0, 3).map(problemText).join('; ');
      const isKept = desired.blueprints.some((one) => one.name === name);
      return {
        ok: false,
        texts: [short(`refused: ${why}${isKept ? ' (the last valid version stays in force)' : ''}`)],
      };
    }
  }
  if (!isOurs(name, view)) {
    const why = view.elsewhere.get(name) ?? 'the server has no such blueprint for it';
    return { ok: true, texts: [short(`not assigned to this node: ${why}`)] };
  }
  const report = reports.find((one) => one.name === name);
  return { ok: true, texts: [short(report === undefined ? 'accepted' : `accepted: ${going(report)}`)] };
}

/** Whether a blueprint's desired state is this node's, by what was taken over last. */
export function isOurs(name: string, { desired }: View): boolean {
  return desired.known && desired.blueprints.some((one) => one.name === name);
}

/** true: the report shows the version that is desired now. */
export function isReported(name: string, { desired, reports }: View): boolean {
  const wanted = desired.known ? desired.blueprints.find((one) => one.name === name) : undefined;
  if (wanted === undefined) return true;
  const report = reports.find((one) => one.name === name);
  return report !== undefined && report.generation === wanted.generation;
}

function going({ generation, ready, desired, doing, waiting, phase, lastError }: BlueprintReport): string {
  const waits = waiting.map(({ name, message }) => `${name}: ${message}`);
  return [
    phase === 'Deleting' ? 'being removed' : `generation ${generation}`,
    `${ready} of ${desired} running`,
    ...doing.slice(0, 3),
    ...waits.slice(0, 3),
    ...(lastError === undefined ? [] : [lastError]),
  ].join(', ');
}

function short(text: string): string {
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS - 1)}…`;
}
