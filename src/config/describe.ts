import { pad, wrap } from '../base/text.ts';
import type { ValueOrigin } from './load.ts';
import { type Option, ownEnv } from './option.ts';
import { type Config, type OptionName, optionRows } from './table.ts';

/** One setting with where it came from; a secret shows as `[redacted]`. */
export interface Setting {
  flag: string;
  key: string;
  value: unknown;
  from: ValueOrigin['from'];
  /** Flag, environment name or file and key; empty for a default. */
  where: string;
}

/** Every setting in the table's order. */
export function describe(config: Config, origins: Readonly<Record<OptionName, ValueOrigin>>): Setting[] {
  return optionRows().map(([name, row]) => ({
    flag: row.flag,
    key: row.key,
    value: row.show(config[name]),
    from: origins[name].from,
    where: origins[name].name,
  }));
}

/** The options as `--help` prints them, by group; `only` limits them to some flags. */
export function optionsHelp(columns: number, only?: readonly string[]): string {
  const rows = optionRows()
    .map(([, row]) => row)
    .filter((row) => only === undefined || only.includes(row.flag));
  const lines: string[] = [];
  for (const group of new Set(rows.map((row) => row.group))) {
    lines.push(`${group}:`);
    for (const row of rows.filter((other) => other.group === group)) lines.push(...helpLines(row, columns));
  }
  return lines.join('\n');
}

const HELP_INDENT = 30;

function helpLines(row: Option<unknown>, columns: number): string[] {
  const usual = row.defaultText === '' ? '' : ` [${row.defaultText}]`;
  const head = `  --${row.flag} ${row.placeholder}`;
  const body = wrap(row.help + usual, columns - HELP_INDENT);
  const lines = head.length < HELP_INDENT - 1 ? [] : [head];
  for (const [index, text] of body.entries())
    lines.push(pad(index === 0 && lines.length === 0 ? head : '', HELP_INDENT) + text);
  return lines;
}

/** The README's table of options. */
export function optionsMarkdown(): string {
  const lines = ['| Option | Environment | File key | Default | Meaning |', '|---|---|---|---|---|'];
  for (const [, row] of optionRows()) {
    const names = [ownEnv(row.flag), ...row.alsoEnv, ...(row.parts?.names ?? [])];
    const env = names.map((name) => `\`${name}\``).join(', ');
    const key = row.key === '' ? '–' : `\`${row.key}\``;
    const usual = row.defaultText === '' ? '–' : row.defaultText;
    lines.push(`| \`--${row.flag} ${row.placeholder}\` | ${env} | ${key} | ${usual} | ${row.help} |`);
  }
  return lines.join('\n');
}

/** A configuration file in which every key stands commented out with its default. */
export function exampleFile(): string {
  const lines = [
    '# Configuration of colonies-edge: /etc/colonies-edge/config.yaml.',
    '# Flags and environment variables win over this file; `colonies-edge config` shows what is in force.',
  ];
  let group = '';
  for (const [, row] of optionRows()) {
    if (row.key === '') continue;
    if (row.group !== group) lines.push('', `# --- ${row.group} ---`);
    group = row.group;
    lines.push('', ...wrap(row.help, 98).map((text) => `# ${text}`), ...exampleValue(row));
  }
  return lines.join('\n');
}

function exampleValue(row: Option<unknown>): string[] {
  if (row.flag === 'bind-prefix-map') return [`#${row.key}:`, '#  /opt/author/cloud: /srv/cloud'];
  if (row.list) return [`#${row.key}:`, `#  - ${row.example ?? 'builtin:arrowhead'}`];
  if (row.example !== undefined) return [`#${row.key}: ${row.example}`];
  const usual = row.defaultText.replace(/ if it exists$|; .*$/, '');
  const plain = /^[\w./:-]+$/.test(usual);
  return [`#${row.key}: ${plain ? usual : `${row.placeholder.toLowerCase()}-1`}`];
}
