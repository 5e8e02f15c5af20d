import { isAbsolute, normalize, resolve } from 'node:path';
import { formatDuration, parseDurationMs } from '../base/duration.ts';

/** What decoding a raw value gives: the value, or one clause that says what would be right. */
export type Decoded<T> = { ok: true; value: T } | { ok: false; expected: string };

/** What defaults may depend on. */
export interface Surroundings {
  hostname: string;
  /** This user's home; absent: none is known. */
  home?: string | undefined;
  exists(path: string): boolean;
}

export type Group =
  | 'Desired state'
  | 'This node'
  | 'Engine'
  | 'State'
  | 'ColonyOS server'
  | 'Pace'
  | 'Logging';

/** A value put together from environment names that are not ours, or what keeps it from being one. */
export type FromParts = { ok: true; name: string; raw: string } | { ok: false; problem: string };

/** One row of the table: everything that parsing, help, README and `colonies-edge config` need to know of an option. */
export interface Option<T> {
  /** Without the dashes; the own environment name is made of it. */
  flag: string;
  /** Key in the configuration file; empty when it cannot be set there. */
  key: string;
  /** Environment names used by others that count too, after our own `COLONIES_EDGE_...`. Two that differ are an error. */
  alsoEnv: readonly string[];
  /** Environment names that only together make a value; our own beside them must say the same. */
  parts?: {
    names: readonly string[];
    /** undefined: they are not set. */
    compose(env: Readonly<Record<string, string | undefined>>): FromParts | undefined;
  };
  /** What stands for the value in help: "DIR". */
  placeholder: string;
  /** true: the flag may be repeated, the environment separates by commas, the file takes a list. */
  list?: boolean;
  /** What separates the items of a list in flag and environment; default: a comma. */
  separator?: string;
  group: Group;
  /** One or two sentences. */
  help: string;
  /** The default as help shows it; empty: none. */
  defaultText: string;
  /** A value for the example file; absent: made of the default or the placeholder. */
  example?: string;
  /** `others` has everything that was given, and the defaults of rows further up. */
  fallback(around: Surroundings, others: Readonly<Record<string, unknown>>): T;
  /** `raw` is a string (or, for lists, strings) from flags and environment, anything from the file. Relative paths are
   *  taken from `baseDir`. */
  decode(raw: unknown, baseDir: string): Decoded<T>;
  /** The value as it would be written in the file. */
  show(value: T): unknown;
}

/** The option's own environment name: COLONIES_EDGE_STATE_DIR for `state-dir`. */
export function ownEnv(flag: string): string {
  return `COLONIES_EDGE_${flag.toUpperCase().replaceAll('-', '_')}`;
}

const good = <T>(value: T): Decoded<T> => ({ ok: true, value });
const bad = (expected: string): { ok: false; expected: string } => ({ ok: false, expected });

export function decodeText(what: string, pattern = /^[^\u0000-\u001f\u007f]+$/) {
  return (raw: unknown): Decoded<string> =>
    typeof raw === 'string' && pattern.test(raw) ? good(raw) : bad(`must be ${what}`);
}

/** An absolute path; a relative one counts from `baseDir`. */
export function decodePath(raw: unknown, baseDir: string): Decoded<string> {
  if (typeof raw !== 'string' || raw === '' || raw.includes('\0')) return bad('must be a path');
  return good(isAbsolute(raw) ? normalize(raw) : resolve(baseDir, raw));
}

/** A path, or `none` for "do without". */
export function decodePathOrNone(raw: unknown, baseDir: string): Decoded<string | undefined> {
  if (raw === 'none') return good(undefined);
  const path = decodePath(raw, baseDir);
  return path.ok ? path : bad('must be a path, or "none"');
}

export function decodeOneOf<T extends string>(words: readonly T[]) {
  return (raw: unknown): Decoded<T> => {
    const found = words.find((word) => word === raw);
    return found === undefined ? bad(`must be one of ${words.join(', ')}`) : good(found);
  };
}

export function decodeDuration(leastMs: number, mostMs: number) {
  const range = `from ${formatDuration(leastMs)} to ${formatDuration(mostMs)}`;
  return (raw: unknown): Decoded<number> => {
    const ms = typeof raw === 'string' ? parseDurationMs(raw) : undefined;
    return ms !== undefined && ms >= leastMs && ms <= mostMs
      ? good(ms)
      : bad(`must be a duration such as "90s" or "2m", ${range}`);
  };
}

export function decodeCount(least: number, most: number) {
  return (raw: unknown): Decoded<number> => {
    const count = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
    return typeof count === 'number' && Number.isInteger(count) && count >= least && count <= most
      ? good(count)
      : bad(`must be a whole number from ${least} to ${most}`);
  };
}

/** A share in percent, from 1 to 100. */
export function decodePercent(raw: unknown): Decoded<number> {
  const text = typeof raw === 'string' ? raw.replace(/\s*%$/, '') : raw;
  const percent = typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : text;
  return typeof percent === 'number' && Number.isInteger(percent) && percent >= 1 && percent <= 100
    ? good(percent)
    : bad('must be a percentage from 1 to 100');
}

/** The same, or `none`. */
export function decodePercentOrNone(raw: unknown): Decoded<number | undefined> {
  if (raw === 'none') return good(undefined);
  const percent = decodePercent(raw);
  return percent.ok ? percent : bad('must be a percentage from 1 to 100, or "none"');
}

/** The engine's socket: `unix:///path` or a bare absolute path, given back in the first form. */
export function decodeDockerHost(raw: unknown): Decoded<string> {
  const path = typeof raw === 'string' ? raw.replace(/^unix:\/\//, '') : '';
  return path.startsWith('/')
    ? good(`unix://${normalize(path)}`)
    : bad('must be unix:///path/to/socket; engines behind TCP or SSH are not supported');
}

function asList(raw: unknown): unknown[] | undefined {
  return typeof raw === 'string' ? [raw] : Array.isArray(raw) ? raw : undefined;
}

/** A list of paths or `builtin:NAME`; from flags and environment also separated by commas. */
export function decodeFileList(raw: unknown, baseDir: string): Decoded<readonly string[]> {
  const files: string[] = [];
  for (const item of asList(raw) ?? [undefined]) {
    if (typeof item === 'string' && /^builtin:[a-z0-9-]+$/.test(item)) files.push(item);
    else {
      const path = decodePath(item, baseDir);
      if (!path.ok) return bad('must be a list of files or builtin:NAME');
      files.push(path.value);
    }
  }
  return good(files);
}

/** One replacement at the start of bind sources. */
export interface PrefixPair {
  from: string;
  to: string;
}

/** A list of `from=to`, or an object in the file; both sides absolute. */
export function decodePrefixMap(raw: unknown): Decoded<readonly PrefixPair[]> {
  const expected = 'must be a list of FROM=TO with two absolute paths (or an object of them in the file)';
  const pairs: PrefixPair[] = [];
  const add = (from: unknown, to: unknown) => {
    if (typeof from !== 'string' || typeof to !== 'string') return false;
    if (!isAbsolute(from) || !isAbsolute(to)) return false;
    pairs.push({ from: normalize(from), to: normalize(to) });
    return true;
  };
  if (typeof raw === 'object' && raw !== null && !Array.isArray(raw)) {
    return Object.entries(raw).every(([from, to]) => add(from, to)) ? good(pairs) : bad(expected);
  }
  for (const item of asList(raw) ?? [undefined]) {
    const [from, ...to] = typeof item === 'string' ? item.split('=') : [];
    if (!add(from, to.join('='))) return bad(expected);
  }
  return good(pairs);
}
