import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import { dirname } from 'node:path';
import { errorCode, errorText } from '../base/errors.ts';
import { closest } from '../base/text.ts';
import { showValue } from '../model/problem.ts';
import { type Option, ownEnv, type Surroundings } from './option.ts';
import { type Config, type OptionName, optionRows } from './table.ts';
import { problemsTogether } from './together.ts';

/** Where a value came from: `name` is the flag, the environment name or the file. */
export interface ValueOrigin {
  from: 'flag' | 'environment' | 'file' | 'default';
  name: string;
}

/** Where settings are looked for. */
export interface ConfigInput {
  /** Values of the table's flags as given, in their order; absent: not given. */
  flags: Readonly<Record<string, readonly string[] | undefined>>;
  env: Readonly<Record<string, string | undefined>>;
  /** Relative paths in flags and environment count from here. */
  cwd: string;
  /** false: the command has nothing to do with the server, so what only it needs may be missing. */
  usesServer?: boolean | undefined;
  around?: Surroundings;
  readText?(path: string): Promise<string>;
}

export type ConfigResult =
  | { ok: true; config: Config; origins: Readonly<Record<OptionName, ValueOrigin>> }
  /** Every problem, one line each. */
  | { ok: false; problems: readonly string[] };

interface Candidate {
  raw: unknown;
  origin: ValueOrigin;
  baseDir: string;
}

/** Flag over environment over file over default, all problems at once. Nothing is thrown. */
export async function loadConfig(input: ConfigInput): Promise<ConfigResult> {
  const problems: string[] = [];
  const around = input.around ?? { hostname: hostname(), home: home(), exists: existsSync };
  const rows = optionRows();
  const values: Record<string, unknown> = {};
  const origins: Record<string, ValueOrigin> = {};
  const settle = (name: OptionName, row: Option<unknown>, candidate: Candidate | undefined) => {
    origins[name] = candidate?.origin ?? { from: 'default', name: '' };
    if (candidate === undefined) return;
    const decoded = row.decode(candidate.raw, candidate.baseDir);
    if (decoded.ok) values[name] = decoded.value;
    else problems.push(`${candidate.origin.name} ${decoded.expected}, got ${showValue(candidate.raw)}`);
  };
  // The file's own place comes first: it can be told by flag and environment only.
  for (const [name, row] of rows)
    if (row.key === '') {
      settle(name, row, fromFlag(row, input) ?? fromEnv(row, input, problems));
      if (origins[name]?.from === 'default') values[name] = row.fallback(around, values);
    }
  const path = typeof values.config === 'string' ? values.config : undefined;
  const file = path === undefined ? {} : await readConfigFile(path, input.readText ?? readUtf8, problems);
  for (const [name, row] of rows)
    if (row.key !== '')
      settle(name, row, fromFlag(row, input) ?? fromEnv(row, input, problems) ?? fromFile(row, file, path));
  // Some defaults depend on what was given.
  for (const [name, row] of rows)
    if (row.key !== '' && origins[name]?.from === 'default') values[name] = row.fallback(around, values);
  if (input.usesServer !== false)
    problems.push(...problemsTogether(values, origins as Record<OptionName, ValueOrigin>));
  problems.push(...unknownKeys(file, path), ...unknownEnv(input.env));
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, config: values as Config, origins: origins as Record<OptionName, ValueOrigin> };
}

const readUtf8 = (path: string) => readFile(path, 'utf8');

function fromFlag(row: Option<unknown>, input: ConfigInput): Candidate | undefined {
  const given = input.flags[row.flag];
  if (given === undefined || given.length === 0) return undefined;
  const raw = row.list ? given.flatMap((item) => item.split(row.separator ?? ',')) : given.at(-1);
  return { raw, origin: { from: 'flag', name: `--${row.flag}` }, baseDir: input.cwd };
}

/** An empty variable counts as not set, as in most service files. */
function fromEnv(row: Option<unknown>, input: ConfigInput, problems: string[]): Candidate | undefined {
  const candidate = (name: string, text: string): Candidate => ({
    raw: row.list ? text.split(row.separator ?? ',') : text,
    origin: { from: 'environment', name },
    baseDir: input.cwd,
  });
  const ownName = ownEnv(row.flag);
  const own = input.env[ownName];
  const parts = row.parts?.compose(input.env);
  if (parts?.ok === false) problems.push(parts.problem);
  if (parts?.ok === true) {
    if (own && !meansTheSame(row, own, parts.raw))
      problems.push(
        `${ownName} and ${parts.name} differ (${showValue(own)}, ${showValue(parts.raw)}): unset one of them`,
      );
    if (!own) return candidate(parts.name, parts.raw);
  }
  if (own) return candidate(ownName, own);
  const others = row.alsoEnv.flatMap((name) => {
    const text = input.env[name];
    return text ? [{ name, text }] : [];
  });
  const [first, ...rest] = others;
  const rival = rest.find((other) => other.text !== first?.text);
  if (first === undefined) return undefined;
  if (rival !== undefined)
    problems.push(
      `${first.name} and ${rival.name} differ (${showValue(first.text)}, ${showValue(rival.text)}): ` +
        `unset one, or set ${ownEnv(row.flag)}`,
    );
  return candidate(first.name, first.text);
}

function meansTheSame(row: Option<unknown>, one: string, other: string): boolean {
  const [a, b] = [row.decode(one, '/'), row.decode(other, '/')];
  // What cannot be decoded is told as such.
  return !a.ok || !b.ok || a.value === b.value;
}

function fromFile(
  row: Option<unknown>,
  file: Readonly<Record<string, unknown>>,
  path: string | undefined,
): Candidate | undefined {
  const raw = file[row.key];
  if (raw === undefined || raw === null || path === undefined) return undefined;
  return { raw, origin: { from: 'file', name: `${path}: ${row.key}` }, baseDir: dirname(path) };
}

async function readConfigFile(
  path: string,
  readText: (path: string) => Promise<string>,
  problems: string[],
): Promise<Readonly<Record<string, unknown>>> {
  let content: unknown;
  try {
    const text = await readText(path);
    // Loading the YAML parser costs memory that an agent with a JSON file need not spend.
    content = path.endsWith('.json') ? JSON.parse(text) : (await import('yaml')).parse(text);
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'does not exist' : `cannot be read: ${errorText(error)}`;
    problems.push(`${path} ${why}`);
    return {};
  }
  if (content === null || content === undefined) return {};
  if (typeof content === 'object' && !Array.isArray(content)) return { ...content };
  problems.push(`${path} must hold keys and values, got ${showValue(content)}`);
  return {};
}

function unknownKeys(file: Readonly<Record<string, unknown>>, path: string | undefined): string[] {
  const known = optionRows().flatMap(([, row]) => (row.key === '' ? [] : [row.key]));
  return Object.keys(file)
    .filter((key) => !known.includes(key))
    .map((key) => `${path}: ${showValue(key)} is not a known key${meant(closest(key, known))}`);
}

function unknownEnv(env: ConfigInput['env']): string[] {
  const prefix = ownEnv('');
  const known = optionRows().map(([, row]) => ownEnv(row.flag).slice(prefix.length));
  return Object.keys(env)
    .filter((name) => name.startsWith(prefix) && !known.includes(name.slice(prefix.length)))
    .map((name) => {
      const near = closest(name.slice(prefix.length), known);
      return `${name} is not a known environment variable${meant(near && prefix + near)}`;
    });
}

function meant(suggestion: string | undefined): string {
  return suggestion === undefined ? '' : `; did you mean ${suggestion}?`;
}

/** A user without an entry and without HOME has none. */
function home(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}
