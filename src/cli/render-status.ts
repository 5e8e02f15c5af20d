import { formatDuration } from '../base/duration.ts';
import { displayWidth, fit, pad, printable, wrap } from '../base/text.ts';
import { bytesText, type DiskUse } from '../model/disk.ts';
import { problemText } from '../model/problem.ts';
import type { AgentStatus, BlueprintReport, Phase, Reachability, Waiting } from '../model/status.ts';
import type { Painter } from './io.ts';
import { serverLines } from './render-server.ts';

/** What rendering depends on besides the status. */
export interface Look {
  columns: number;
  /** Wall time, epoch milliseconds: ages are counted from it. */
  nowMs: number;
  paint: Painter;
}

const PHASE_STYLE: Readonly<Record<Phase, Parameters<Painter>[0]>> = {
  Running: 'green',
  Pending: 'yellow',
  Reconciling: 'yellow',
  Deleting: 'yellow',
  Degraded: 'red',
  Failed: 'red',
};

/** The whole status as lines of at most `columns`: what is wrong around it first, then a row for each blueprint. */
export function renderStatus(status: AgentStatus, look: Look): string {
  const lines = [
    headLine(status, look),
    ...troubleLines(status, look),
    '',
    ...tableLines(status, look),
    ...lockLines(status, look),
    ...pullLines(status, look),
    ...refusalLines(status, look),
  ];
  return `${lines.join('\n')}\n`;
}

function headLine(status: AgentStatus, look: Look): string {
  const { agent, engine } = status;
  // Without a distribution's own suffix: 20.10.24+dfsg1.
  const engineText = engine.version === '' ? '' : `${engine.name} ${engine.version.split('+')[0]}`;
  const parts = [
    `${agent.node} (${agent.location})`,
    `agent ${agent.version}`,
    engineText,
    `up ${ageOf(agent.startedAt, look)}`,
  ];
  const verdict = status.converged ? 'converged' : 'not converged';
  const text = printable(parts.filter((part) => part !== '').join('  '));
  const room = look.columns - verdict.length - 2;
  return `${look.paint('bold', fit(text, room))}  ${look.paint(status.converged ? 'green' : 'yellow', verdict)}`;
}

/** How the link to the server is, where there is one. Then what is wrong with engine, source and checkpoint, and the
 *  agent's own warnings; nothing when all is well. */
function troubleLines(status: AgentStatus, look: Look): string[] {
  const lines: string[] = [];
  const say = (style: Parameters<Painter>[0], text: string) =>
    lines.push(...indented(printable(text), look, '  ', '').map((line) => look.paint(style, line)));
  const { engine, source, checkpoint } = status;
  if (engine.state !== 'ok')
    say('red', `engine ${reachText(engine, look)} at ${engine.endpoint}${lastText(engine)}`);
  if (status.server !== undefined)
    for (const { style, text } of serverLines(status.server, look)) say(style, text);
  if (source.state !== 'ok' && source.path !== '')
    say(
      'yellow',
      `blueprints ${reachText(source, look)} at ${source.path}${lastText(source)}: the last good ones stay in force`,
    );
  if (source.suspect !== undefined) say('yellow', `blueprints: ${source.suspect}`);
  if (checkpoint.state === 'failed')
    say('red', `checkpoint cannot be saved: ${checkpoint.note ?? 'the reason is in the log'}`);
  else if (checkpoint.note !== undefined) say('yellow', `checkpoint: ${checkpoint.note}`);
  for (const warning of status.warnings) say('yellow', warning);
  if (status.disk !== undefined) say(isTight(status.disk) ? 'yellow' : 'dim', diskLine(status.disk));
  if (status.strays.length > 0)
    say('yellow', `labelled as ours but of no known blueprint, left alone: ${status.strays.join(', ')}`);
  return lines;
}

function isTight({ usedPercent, gcStartPercent, isCollecting }: NonNullable<AgentStatus['disk']>): boolean {
  return isCollecting || usedPercent >= (gcStartPercent ?? 95);
}

/** `disk 23% used, 80.9 GiB free at /var/lib/docker; unused images go from 85% down to 75%` */
function diskLine(disk: NonNullable<AgentStatus['disk']>): string {
  const { gcStartPercent, gcTargetPercent, isCollecting } = disk;
  const rule =
    gcStartPercent === undefined
      ? 'unused images go only when asked for'
      : isCollecting
        ? `unused images go until it is down to ${gcTargetPercent}%`
        : `unused images go from ${gcStartPercent}% down to ${gcTargetPercent}%`;
  return `disk ${diskText(disk)}; ${rule}`;
}

/** `23% used, 80.9 GiB free at /var/lib/docker` */
export function diskText({ usedPercent, freeBytes, path }: DiskUse): string {
  return `${Math.floor(usedPercent)}% used, ${bytesText(freeBytes, 'down')} free at ${path}`;
}

function reachText(reach: Reachability, look: Look): string {
  return `${reach.state === 'away' ? 'away' : 'not seen yet'} for ${ageOf(reach.since, look)}`;
}

function lastText(reach: Reachability): string {
  return reach.lastError === undefined ? '' : ` (${reach.lastError})`;
}

function tableLines(status: AgentStatus, look: Look): string[] {
  if (status.blueprints.length === 0)
    return [fit(printable(`no blueprints (looked ${placesOf(status)})`), look.columns)];
  const rows = status.blueprints.map((report) => ({
    report,
    cells: [
      printable(report.name),
      report.phase,
      String(report.generation),
      `${report.ready}/${report.desired}`,
      ageOf(report.since, look),
    ],
  }));
  const heads = ['NAME', 'PHASE', 'GEN', 'READY', 'SINCE'];
  const widths = heads.map((head, column) =>
    Math.max(displayWidth(head), ...rows.map(({ cells }) => displayWidth(cells[column] ?? ''))),
  );
  // The last column gets what is left, but never less than it needs to say something.
  const others = widths.slice(1).reduce((sum, width) => sum + width + 2, 0);
  const nameWidth = Math.max(8, Math.min(widths[0] ?? 0, look.columns - others - 2 - 22));
  widths[0] = nameWidth;
  const waitWidth = Math.max(0, look.columns - nameWidth - others - 2);
  const line = (cells: readonly string[], waits: string) =>
    [...cells.map((cell, column) => alignCell(cell, widths[column] ?? 0, column)), fit(waits, waitWidth)]
      .join('  ')
      .trimEnd();
  const lines = [look.paint('dim', line(heads, 'WAITS FOR'))];
  for (const { report, cells } of rows) {
    const text = line(cells, waitCell(report, look));
    lines.push(
      paintPhase(fit(text, look.columns), report.phase, look),
      ...problemLines(report, status, look),
    );
  }
  return lines;
}

/** Where blueprints come from: "in /etc/colonies-edge/blueprints and on https://colony.example". */
function placesOf({ source, server }: AgentStatus): string {
  const places = [
    ...(source.path === '' && server !== undefined ? [] : [`in ${source.path}`]),
    ...(server === undefined ? [] : [`on ${server.endpoint}`]),
  ];
  return places.join(' and ');
}

/** Numbers to the right, words to the left. */
function alignCell(cell: string, width: number, column: number): string {
  return pad(fit(cell, width), width, column === 2 || column === 3 ? 'right' : 'left');
}

function paintPhase(line: string, phase: Phase, look: Look): string {
  // The name comes first and may hold the same word.
  const at = line.indexOf(`  ${phase}`) + 2;
  return at < 2
    ? line
    : line.slice(0, at) + look.paint(PHASE_STYLE[phase], phase) + line.slice(at + phase.length);
}

/** The last column: the nearest reason, and until when. */
function waitCell(report: BlueprintReport, look: Look): string {
  const [first, ...more] = report.waiting;
  if (first === undefined) return printable(report.doing[0] ?? '');
  const others = more.length === 0 ? '' : ` (+${more.length})`;
  return printable(`${first.reason}${others}${untilText(first, look, ', ')}`);
}

function untilText({ reason, nextTryAt, decidedAt }: Waiting, look: Look, lead: string): string {
  const time = nextTryAt ?? decidedAt;
  if (time === undefined) return '';
  const leftMs = Date.parse(time) - look.nowMs;
  const what = nextTryAt !== undefined ? 'next try' : (DECIDED[reason] ?? 'decided');
  return `${lead}${what} ${leftMs > 0 ? `in ${formatDuration(leftMs)}` : 'now'}`;
}

const DECIDED: Partial<Record<Waiting['reason'], string>> = { WaitingForDependency: 'overdue' };

/** How often something was done about it, and since when it waits: " (restarted 3 times, for 25s)". */
export function historyText({ reason, attempts, since }: Waiting, look: Pick<Look, 'nowMs'>): string {
  const times = attempts === 1 ? 'once' : `${attempts} times`;
  const did: Partial<Record<Waiting['reason'], string>> = {
    Unhealthy: `restarted ${times}`,
    PortUnreachable: `published anew ${times}`,
  };
  const parts = [
    ...(attempts === undefined ? [] : [did[reason] ?? `tried ${times}`]),
    ...(since === undefined ? [] : [`for ${ageOf(since, look)}`]),
  ];
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

function problemLines(report: BlueprintReport, status: AgentStatus, look: Look): string[] {
  const lines: string[] = [];
  const say = (text: string) => lines.push(...indented(printable(text), look, '    ', '  '));
  for (const waiting of report.waiting) {
    say(`${waiting.name}: ${waiting.message}${historyText(waiting, look)}`);
  }
  const file = status.refusals.find(({ name }) => name === report.name)?.file;
  const version = report.desired > 0 ? 'newer version refused' : 'refused';
  for (const problem of report.refused ?? [])
    say(`${version}${file === undefined ? '' : ` (${file})`}: ${problemText(problem)}`);
  const { lastError } = report;
  const told = [...report.waiting.map(({ message }) => message), ...(report.refused ?? []).map(problemText)];
  if (lastError !== undefined && !told.some((text) => lastError.endsWith(text)))
    say(`last error: ${lastError}`);
  for (const doing of report.doing.slice(report.waiting.length === 0 ? 1 : 0)) say(`now: ${doing}`);
  const { length } = report.warnings;
  if (length > 0)
    say(`${length} ${length === 1 ? 'warning' : 'warnings'}: colonies-edge status ${report.name}`);
  return lines.map((line) => look.paint('dim', line));
}

/** `locked: web by root for 5m, until 2026-...: backup` */
function lockLines({ locks = [] }: Partial<AgentStatus>, look: Look): string[] {
  return locks.flatMap(({ name, owner, reason, since, until }) => {
    const end = until === undefined ? 'until that ends' : `until ${until}`;
    const why = reason === '' ? '' : `: ${reason}`;
    const text = `locked: ${name} by ${owner} for ${ageOf(since, look)}, ${end}${why}`;
    return indented(printable(text), look, '  ', '').map((line) => look.paint('yellow', line));
  });
}

function pullLines(status: AgentStatus, look: Look): string[] {
  if (status.pulls.length === 0) return [];
  const lines = status.pulls.map((pull) => {
    const tail =
      pull.state === 'queued'
        ? 'waits for a lane'
        : `${progressText(pull.currentBytes, pull.totalBytes)} for ${ageOf(pull.since, look)}`;
    return `  ${fit(printable(pull.image), look.columns - tail.length - 4)}  ${tail}`;
  });
  return ['', 'Pulling:', ...lines];
}

/** `12.3 of 40.1 MB (31%)` */
export function progressText(currentBytes: number, totalBytes: number): string {
  const mega = (bytes: number) => (bytes / 1e6).toFixed(1);
  if (totalBytes <= 0) return `${mega(currentBytes)} MB`;
  const percent = Math.min(100, Math.floor((100 * currentBytes) / totalBytes));
  return `${mega(currentBytes)} of ${mega(totalBytes)} MB (${percent}%)`;
}

/** Documents that were refused and are not told of in a row of the table. */
function refusalLines(status: AgentStatus, look: Look): string[] {
  const inRows = new Set(status.blueprints.filter(({ refused }) => refused?.length).map(({ name }) => name));
  const refusals = status.refusals.filter(({ name }) => name === undefined || !inRows.has(name));
  if (refusals.length === 0) return [];
  const lines = ['', look.paint('red', 'Refused:')];
  for (const refusal of refusals) {
    const part = refusal.document === undefined || refusal.document === 0 ? '' : ` #${refusal.document + 1}`;
    const where = [refusal.name, refusal.file === undefined ? undefined : `${refusal.file}${part}`];
    const head = where.filter((text) => text !== undefined).join(' in ');
    lines.push(...indented(printable(head === '' ? 'a document' : head), look, '    ', '  '));
    for (const problem of refusal.problems)
      lines.push(...indented(printable(problemText(problem)), look, '      ', '    '));
  }
  return lines;
}

/** Age of an RFC 3339 time, such as "3m12s"; "?" when it is none. */
export function ageOf(time: string, look: Pick<Look, 'nowMs'>): string {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? '?' : formatDuration(look.nowMs - ms);
}

/** The text wrapped to the width, the first line after `first`, the others after `rest`. */
export function indented(text: string, look: Pick<Look, 'columns'>, rest: string, first: string): string[] {
  const lines = wrap(text, Math.max(20, look.columns - rest.length));
  return lines.map((line, index) => `${index === 0 ? first : rest}${line}`);
}
