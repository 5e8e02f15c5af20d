import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArgs } from '../../../src/cli/args.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { commandHelp, overview } from '../../../src/cli/help.ts';

test('a command line is taken apart into command, arguments, flags and values', () => {
  const parsed = parseArgs([
    'events',
    '-f',
    '-n',
    '20',
    '--json',
    '--socket=/s',
    '--overlays',
    'a',
    '--overlays=b',
  ]);
  assert.deepEqual(parsed.problems, []);
  assert.equal(parsed.command?.name, 'events');
  assert.equal(parsed.json, true);
  assert.deepEqual(parsed.flags.get('number'), ['20']);
  assert.deepEqual(parsed.flags.get('follow'), []);
  assert.deepEqual(parsed.flags.get('socket'), ['/s']);
  assert.deepEqual(parsed.flags.get('overlays'), ['a', 'b']);
});

test('a switch before an argument does not swallow it', () => {
  const parsed = parseArgs(['--json', 'status', '--watch', 'c1-database']);
  assert.equal(parsed.command?.name, 'status');
  assert.deepEqual(parsed.args, ['c1-database']);
  assert.deepEqual(parsed.problems, []);
});

test('a name that looks like a number stays what was written', () => {
  assert.deepEqual(parseArgs(['status', '007']).args, ['007']);
  assert.deepEqual(parseArgs(['run', '--node', '007']).flags.get('node'), ['007']);
});

test('everything that is wrong is told at once, with suggestions', () => {
  assert.deepEqual(parseArgs(['statsu', '--sokcet', '/x', '-q', '--state-dir']).problems, [
    '"statsu" is not a command; did you mean status?',
    '"--sokcet" is not a known flag; did you mean --socket?',
    '"-q" is not a known flag',
    '--state-dir needs a value: --state-dir DIR',
  ]);
});

test('names of object members are flags as unknown as others', () => {
  assert.deepEqual(parseArgs(['run', '--__proto__=x', '--constructor', '--no-json']).problems, [
    '"--__proto__" is not a known flag',
    '"--constructor" is not a known flag',
    '"--no-json" is not a known flag',
  ]);
});

test('flags of another command, values of switches and arguments too many or too few are refused', () => {
  assert.deepEqual(parseArgs(['run', '--watch']).problems, ['--watch is not a flag of run']);
  assert.deepEqual(parseArgs(['plan', '--offline=yes']).problems, ['--offline takes no value']);
  assert.deepEqual(parseArgs(['run', 'x']).problems, ['run does not take "x"']);
  assert.deepEqual(parseArgs(['validate']).problems, ['validate needs PATH...']);
  assert.deepEqual(parseArgs(['run', '--socket=']).problems, ['--socket needs a value: --socket PATH']);
});

test('words after -- are arguments', () => {
  assert.deepEqual(parseArgs(['status', '--', '--odd-name']).args, ['--odd-name']);
});

test('a flag has one form wherever it occurs, as the parser knows only one', () => {
  const forms = new Map<string, string | undefined>();
  for (const flag of COMMANDS.flatMap((command) => command.flags)) {
    const form = `${flag.short} ${flag.placeholder}`;
    assert.equal(forms.get(flag.name) ?? form, form, flag.name);
    forms.set(flag.name, form);
  }
});

test('every help text fits 80 columns and has examples that parse', () => {
  for (const text of [overview(80), ...COMMANDS.map((command) => commandHelp(command, 80))])
    for (const line of text.split('\n')) assert.ok(line.length <= 80, line);
  for (const command of COMMANDS) {
    assert.ok(command.examples.length > 0, command.name);
    for (const [example] of command.examples) {
      const words =
        example
          .split(/ [|>] /)[0]
          ?.split(' ')
          .slice(1) ?? [];
      assert.deepEqual(parseArgs(words).problems, [], example);
    }
  }
});
