import { pad, printable } from '../base/text.ts';
import { problemText } from '../model/problem.ts';
import type { BlueprintReport, InstanceStatus, Waiting } from '../model/status.ts';
import { ageOf, historyText, indented, type Look } from './render-status.ts';

/** Everything about one blueprint, lines of at most `columns`. */
export function renderBlueprint(report: BlueprintReport, look: Look): string {
  const { status } = report;
  const lines: string[] = [];
  const field = (name: string, value: string) => {
    if (value !== '') lines.push(...indented(printable(value), look, ' '.repeat(13), pad(`${name}:`, 13)));
  };
  const section = (title: string, items: readonly string[]) => {
    if (items.length === 0) return;
    lines.push('', look.paint('bold', `${title}:`));
    for (const item of items) lines.push(...indented(printable(item), look, '    ', '  '));
  };
  field('Blueprint', `${report.name} (${report.kind})`);
  field('Phase', `${report.phase}, for ${ageOf(report.since, look)}`);
  field('Ready', `${report.ready} of ${report.desired}`);
  field('Generation', `${report.generation}, spec ${status.specHash}`);
  field('File', report.file ?? '');
  field('Last error', report.lastError ?? '');
  section('Newer version refused', report.refused?.map(problemText) ?? []);
  section(
    'Waits for',
    report.waiting.map((waiting) => {
      const { name, reason, message } = waiting;
      return `${name}: ${reason}: ${message}${historyText(waiting, look)}${nextText(waiting)}`;
    }),
  );
  section('Doing now', report.doing);
  section(
    'Containers',
    status.instances.map((instance) => instanceText(instance, look)),
  );
  section(
    'Conditions',
    status.conditions.map((condition) => {
      const message = condition.message === '' ? '' : `: ${condition.message}`;
      const age = ageOf(condition.lastTransitionTime, look);
      return `${condition.type} ${condition.status} for ${age}, ${condition.reason}${message}`;
    }),
  );
  section('Warnings', report.warnings.map(problemText));
  return `${lines.join('\n')}\n`;
}

/** What the agent does about it, and when. */
function nextText({ reason, nextTryAt, decidedAt }: Waiting): string {
  if (nextTryAt !== undefined) return `, next try at ${nextTryAt}`;
  const decided = decidedAt === undefined ? '' : ` at ${decidedAt}`;
  switch (reason) {
    case 'RolledBack':
    case 'Paused':
      // Their messages say what goes on.
      return '';
    case 'WaitingForDependency':
      return `, starts as soon as that is so${decided === '' ? '' : `; overdue${decided}`}`;
    default:
      return decided === '' ? ', until something changes' : `, decided${decided}`;
  }
}

function instanceText(instance: InstanceStatus, look: Look): string {
  const exit = instance.exitCode === undefined ? '' : ` (exit code ${instance.exitCode})`;
  const parts = [
    `${instance.name}: ${instance.state}${exit}, ${instance.ready ? 'ready' : 'not ready'}`,
    instance.id === '' ? 'no container yet' : `container ${instance.id}`,
    `image ${instance.image}`,
    ...(instance.health === undefined ? [] : [`health ${instance.health}`]),
    ...(instance.startedAt === undefined ? [] : [`started ${ageOf(instance.startedAt, look)} ago`]),
    ...(instance.restartCount === 0 ? [] : [`restarted ${instance.restartCount} times`]),
    ...(instance.oomKilled === true ? ['was killed for lack of memory'] : []),
    ...(instance.ports.length === 0 ? [] : [`ports ${instance.ports.join(' ')}`]),
  ];
  return parts.join(', ');
}
