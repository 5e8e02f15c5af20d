import { posix } from 'node:path';
import { importsOf, onlyCode, type SourceFile } from './source.ts';

/** Everything below `src`, in the order of who may know whom. */
const ROOMS = [
  'config',
  'reconcile',
  'kinds',
  'docker',
  'colony',
  'link',
  'store',
  'local',
  'directory',
  'probe',
  'hooks',
  'relay',
];

/** Why a room may see no more than it does; shown when a rule is broken. */
const REASON: Record<string, string> = {
  base: 'base carries no domain words: it may import nothing of the project but itself',
  model:
    'model is the contract between the rooms: it may know base only, or the rooms would know each other through it',
  cli: 'cli talks to rooms; only main constructs things, so nothing may import main',
  room: 'rooms never import one another: they meet in model/ports.ts, so that each can be replaced and tested alone',
};

/** One broken rule, as a line for people. */
export type Violation = string;

/** The room of a path below `src`: its folder, or "main" for `src/main.ts`. */
export function roomOf(path: string): string {
  const parts = path.split('/');
  return parts.length === 2 ? 'main' : (parts[1] ?? '');
}

/** `main -> cli -> { rooms } -> model -> base`: imports that go another way. */
export function importViolations(files: readonly SourceFile[]): Violation[] {
  const found: Violation[] = [];
  for (const file of files) {
    const from = roomOf(file.path);
    if (!['main', 'cli', 'model', 'base', ...ROOMS].includes(from))
      found.push(`${file.path}: "${from}" is not a room of the house; DESIGN names them all`);
    for (const one of importsOf(file.text)) {
      if (!one.target.startsWith('.')) continue;
      const target = posix.join(posix.dirname(file.path), one.target);
      const where = `${file.path}:${one.line}: imports ${target}`;
      if (!target.startsWith('src/'))
        found.push(`${where}: the program may not depend on anything outside src`);
      else if (!mayImport(from, roomOf(target))) found.push(`${where}: ${reasonFor(from, roomOf(target))}`);
    }
  }
  return found;
}

function mayImport(from: string, to: string): boolean {
  if (from === to || from === 'main') return true;
  if (from === 'cli') return to !== 'main';
  if (ROOMS.includes(from)) return to === 'model' || to === 'base';
  return from === 'model' && to === 'base';
}

function reasonFor(from: string, to: string): string {
  if (to === 'main') return REASON.cli ?? '';
  return (
    REASON[from] ?? (to === 'cli' ? 'cli is above the rooms: they must not know it' : (REASON.room ?? ''))
  );
}

/** Packages with one door each. */
const DOORS: Record<string, { rooms: readonly string[]; why: string }> = {
  undici: { rooms: ['docker', 'colony'], why: 'only the two rooms that speak HTTP to the outside load it' },
  mri: { rooms: ['cli'], why: 'arguments are parsed in one place' },
  '@noble/secp256k1': { rooms: ['colony'], why: 'keys are handled in one room' },
  '@noble/hashes': { rooms: ['colony'], why: 'keys are handled in one room' },
};

/** `@noble/hashes` of "@noble/hashes/sha3.js"; undefined for built-ins and relative paths. */
export function packageOf(target: string): string | undefined {
  if (target.startsWith('.') || target.startsWith('node:')) return undefined;
  const parts = target.split('/');
  return target.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
}

/** Packages imported by a room that is not their door, or that are no declared dependency; built-ins without `node:`. */
export function packageViolations(files: readonly SourceFile[], declared: readonly string[]): Violation[] {
  const found: Violation[] = [];
  for (const file of files) {
    for (const one of importsOf(file.text)) {
      const name = packageOf(one.target);
      if (name === undefined) continue;
      const where = `${file.path}:${one.line}: imports ${one.target}`;
      const door = DOORS[name];
      if (!declared.includes(name))
        found.push(`${where}: it is no run-time dependency (built-ins are written node:...)`);
      else if (door !== undefined && !door.rooms.includes(roomOf(file.path)))
        found.push(`${where}: ${door.why} (${door.rooms.join(', ')})`);
    }
  }
  return found;
}

/** Files of which equal input must give equal output. */
export function isPure(path: string): boolean {
  return (
    /^src\/reconcile\/(plan|backoff|setback|order|readiness|drift|compose|report)[^/]*\.ts$/.test(path) ||
    /^src\/link\/(rule|removal|claim-rule)[^/]*\.ts$/.test(path) ||
    path === 'src/base/backoff.ts' ||
    /^src\/(model|kinds)\//.test(path)
  );
}

const IMPURE: readonly [RegExp, string][] = [
  [/\bDate\.now\b/, 'the clock; take the time as an argument'],
  [/\bnew Date\(\s*\)/, 'the clock; take the time as an argument'],
  [/\bperformance\.now\b/, 'the clock; take the time as an argument'],
  [/\bMath\.random\b|\brandomBytes\b|\brandomUUID\b|\brandomInt\b/, 'randomness; take it as an argument'],
  [/\bprocess\s*\./, 'the process; take what is needed of it as an argument'],
  [/\bset(Timeout|Interval|Immediate)\b/, 'timers; return the time to look again instead'],
  [/\bconsole\s*\./, 'output; return what there is to say'],
  [/\bfetch\s*\(/, 'the network'],
  [/\bsystem(Clock|Random)\b/, 'the machine; take clock and randomness as arguments'],
];

/** Built-ins that compute and nothing else. */
const PURE_BUILTINS = ['node:crypto', 'node:path', 'node:path/posix', 'node:util', 'node:net'];

/** Traces of I/O, clock, randomness, logging or process in a file that must be pure. */
export function purityViolations(file: SourceFile): Violation[] {
  const found: Violation[] = [];
  onlyCode(file.text)
    .split('\n')
    .forEach((line, index) => {
      for (const [pattern, what] of IMPURE)
        if (pattern.test(line)) found.push(`${file.path}:${index + 1}: a pure file uses ${what}`);
    });
  for (const one of importsOf(file.text)) {
    const where = `${file.path}:${one.line}: a pure file imports ${one.target}`;
    if (one.typeOnly) continue;
    if (one.target.startsWith('node:') && !PURE_BUILTINS.includes(one.target)) found.push(where);
    if (/\/base\/(log-writer|file|lock)\.ts$/.test(one.target))
      found.push(`${where}: only its types are allowed, the thing itself is passed in`);
  }
  // node:crypto is there for createHash, node:net for isIP.
  for (const match of file.text.matchAll(/import\s*\{([^}]*)\}\s*from\s*['"]node:(crypto|net)['"]/g))
    for (const name of (match[1] ?? '').split(',').map((item) => item.trim()))
      if (!['', 'createHash', 'type Hash', 'isIP', 'isIPv4', 'isIPv6'].includes(name))
        found.push(
          `${file.path}: a pure file imports ${name} of node:${match[2]}; createHash and isIP are fine`,
        );
  return found;
}
