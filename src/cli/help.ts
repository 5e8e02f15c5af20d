import { pad, wrap } from '../base/text.ts';
import { optionsHelp } from '../config/describe.ts';
import type { Call } from './call.ts';
import { COMMANDS, type Command, type Flag } from './commands.ts';
import { EXIT, usageError, writeJson } from './io.ts';

const INDENT = 30;

const SHOWN = COMMANDS.filter(({ isHidden }) => isHidden !== true);

/** `colonies-edge help [COMMAND]`. */
export async function help(call: Call): Promise<number> {
  const [name] = call.args;
  const command = COMMANDS.find((each) => each.name === name);
  if (name !== undefined && command === undefined)
    throw usageError([`${JSON.stringify(name)} is not a command`]);
  showHelp(call, command);
  return EXIT.ok;
}

/** Prints the help of a command, or of all. */
export function showHelp(call: Pick<Call, 'io' | 'json'>, command: Command | undefined): void {
  if (call.json) writeJson(call.io.out, command === undefined ? SHOWN.map(helpData) : helpData(command));
  else {
    const columns = Math.min(Math.max(call.io.out.columns, 60), 100);
    call.io.out.write(`${command === undefined ? overview(columns) : commandHelp(command, columns)}\n`);
  }
}

function helpData({ name, summary, args, flags, examples }: Command) {
  return { name, summary, args, flags, examples: examples.map(([command, what]) => ({ command, what })) };
}

/** The text of `colonies-edge help`. */
export function overview(columns: number): string {
  return [
    'colonies-edge keeps the containers of ColonyOS blueprints running on a Docker',
    'engine, with or without its server.',
    '',
    'Usage: colonies-edge COMMAND [options]',
    '',
    'Commands:',
    ...SHOWN.flatMap((command) => entry(`  ${command.name}`, command.summary, columns, 19)),
    '',
    'Every command takes --json and --help. Options stand in flags, in environment',
    'variables or in /etc/colonies-edge/config.yaml: see colonies-edge config.',
    '',
    'Exit codes: 0 ok, 1 failed, 2 bad usage, 3 not converged, 78 bad configuration.',
  ].join('\n');
}

/** The text of `colonies-edge COMMAND --help`. */
export function commandHelp(command: Command, columns: number): string {
  const usage = ['colonies-edge', command.name, '[options]', command.args].filter((part) => part !== '');
  const lines = [...wrap(command.summary, columns), '', `Usage: ${usage.join(' ')}`];
  if (command.notes !== undefined) lines.push('', ...wrap(command.notes, columns));
  const flags: Flag[] = [
    ...command.flags,
    { name: 'json', help: 'Print JSON instead of text.' },
    { name: 'help', short: 'h', help: 'Show this.' },
  ];
  lines.push('', 'Flags:', ...flags.flatMap((flag) => entry(flagHead(flag), flag.help, columns, INDENT)));
  if (command.options === 'all') lines.push('', optionsHelp(columns));
  else if (command.options.length > 0) lines.push('', optionsHelp(columns, command.options));
  lines.push('', 'Examples:');
  for (const [example, what] of command.examples) lines.push(`  ${example}`, `      ${what}`);
  return lines.join('\n');
}

function flagHead(flag: Flag): string {
  const short = flag.short === undefined ? '' : `-${flag.short}, `;
  const value = flag.placeholder === undefined ? '' : ` ${flag.placeholder}`;
  return `  ${short}--${flag.name}${value}`;
}

function entry(head: string, text: string, columns: number, indent: number): string[] {
  return wrap(text, columns - indent).map((line, index) => pad(index === 0 ? head : '', indent) + line);
}
