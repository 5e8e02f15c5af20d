import mri from 'mri';
import { closest } from '../base/text.ts';
import { optionRows } from '../config/table.ts';
import { COMMANDS, type Command, type Flag } from './commands.ts';

/** A command line taken apart. */
export interface Parsed {
  /** undefined: no command was given. */
  command: Command | undefined;
  args: readonly string[];
  help: boolean;
  json: boolean;
  /** Values of the command's flags and the configuration's options; a flag without value has an empty list. */
  flags: ReadonlyMap<string, readonly string[]>;
  /** What is wrong with it, one line each. */
  problems: readonly string[];
}

const COMMON: readonly Flag[] = [
  { name: 'help', short: 'h', help: 'Show the help of the command.' },
  { name: 'json', help: 'Print JSON instead of text.' },
  { name: 'version', short: 'V', help: 'Show the version.' },
];

/** Takes a command line (without node and script) apart. Nothing is thrown, and every problem is found at once. */
export function parseArgs(argv: readonly string[]): Parsed {
  const vocabulary = allFlags();
  const { problems, bad } = flagProblems(argv, vocabulary);
  const strings = vocabulary.filter((flag) => flag.placeholder !== undefined);
  const booleans = vocabulary.filter((flag) => flag.placeholder === undefined);
  const parsed = mri<Record<string, unknown>>(
    argv.filter((_, index) => !bad.has(index)),
    {
      string: strings.map((flag) => flag.name),
      boolean: booleans.map((flag) => flag.name),
      alias: Object.fromEntries(
        vocabulary.flatMap((flag) => (flag.short === undefined ? [] : [[flag.name, flag.short]])),
      ),
    },
  );
  const [word, ...args] = parsed._.map(String);
  const given = (name: string) => parsed[name] !== undefined && parsed[name] !== false;
  const name = given('version') ? 'version' : word;
  const command = COMMANDS.find((each) => each.name === name);
  if (name !== undefined && command === undefined)
    problems.unshift(
      `${quoted(name)} is not a command${meant(
        closest(
          name,
          COMMANDS.map((c) => c.name),
        ),
      )}`,
    );
  const flags = new Map<string, readonly string[]>();
  for (const { name: flag, placeholder } of vocabulary)
    if (given(flag)) flags.set(flag, placeholder === undefined ? [] : [parsed[flag]].flat().map(String));
  if (command !== undefined) problems.push(...commandProblems(command, args, flags));
  return { command, args, help: given('help'), json: given('json'), flags, problems };
}

/** Flags of all commands and options; a name has the same form wherever it occurs. */
function allFlags(): readonly Flag[] {
  const options = optionRows().map(([, { flag, placeholder, help }]) => ({ name: flag, placeholder, help }));
  return [...COMMON, ...COMMANDS.flatMap((command) => command.flags), ...options];
}

/** Looks at the words themselves, as mri takes unknown flags as they come and a missing value as an empty one. `bad` has
 *  the places of words it must not see. */
function flagProblems(
  argv: readonly string[],
  vocabulary: readonly Flag[],
): { problems: string[]; bad: ReadonlySet<number> } {
  const problems: string[] = [];
  const bad = new Set<number>();
  for (const [index, word] of argv.entries()) {
    if (word === '--') break;
    if (!word.startsWith('-') || word === '-') continue;
    const next = argv[index + 1];
    const found = wordProblems(word, next !== undefined && !next.startsWith('-'), vocabulary);
    if (found.length > 0) bad.add(index);
    problems.push(...found);
  }
  return { problems, bad };
}

/** What is wrong with `--flag`, `--flag=value` or `-abc`. */
function wordProblems(word: string, valueFollows: boolean, vocabulary: readonly Flag[]): string[] {
  const [head = '', value] = splitOnce(word, '=');
  const isLong = head.startsWith('--');
  const names = isLong ? [head.slice(2)] : [...head.slice(1)];
  return names.flatMap((name, position) => {
    const flag = vocabulary.find((each) => (isLong ? each.name : each.short) === name);
    const shown = isLong ? head : `-${name}`;
    if (flag === undefined) {
      const known = vocabulary.map((each) => each.name);
      return [`${quoted(shown)} is not a known flag${meant(closest(name, known), '--')}`];
    }
    if (flag.placeholder === undefined) return value === undefined ? [] : [`${shown} takes no value`];
    const isLast = position === names.length - 1;
    const isGiven = value === undefined ? isLast && valueFollows : value !== '';
    return isGiven ? [] : [`${shown} needs a value: ${shown} ${flag.placeholder}`];
  });
}

function commandProblems(
  command: Command,
  args: readonly string[],
  flags: ReadonlyMap<string, readonly string[]>,
): string[] {
  const problems: string[] = [];
  const options = optionRows().map(([, row]) => row.flag);
  const allowed = [...COMMON, ...command.flags].map((flag) => flag.name).concat(options);
  for (const flag of flags.keys())
    if (!allowed.includes(flag)) problems.push(`--${flag} is not a flag of ${command.name}`);
  if (args.length > command.maxArgs)
    problems.push(`${command.name} does not take ${quoted(args[command.maxArgs] ?? '')}`);
  if (!flags.has('help') && args.length < (command.minArgs ?? 0))
    problems.push(`${command.name} needs ${command.args}`);
  return problems;
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

const quoted = (text: string) => JSON.stringify(text.slice(0, 60));

function meant(suggestion: string | undefined, prefix = ''): string {
  return suggestion === undefined ? '' : `; did you mean ${prefix}${suggestion}?`;
}
