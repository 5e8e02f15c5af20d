import type { Clock } from '../base/clock.ts';
import { EdgeError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';

/** One output stream of the process. */
export interface Output {
  write(text: string): void;
  isTTY: boolean;
  /** Width of the terminal; 80 where there is none. */
  columns: number;
}

/** Everything a command may use of the process; handed over by `main`. */
export interface Io {
  out: Output;
  err: Output;
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  clock: Clock;
  random: Random;
  /** true: standard error goes straight to the systemd journal. */
  errIsJournal: boolean;
  /** Calls back at each SIGHUP from now on; until then it ends the process. */
  onHangup(listener: () => void): void;
  /** Aborted by SIGINT, SIGTERM, and when the reader of the output has gone. */
  signal: AbortSignal;
}

/** Exit codes, documented in `colonies-edge help` and the README. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notConverged: 3, config: 78 } as const;

export type Painter = (style: 'red' | 'yellow' | 'green' | 'dim' | 'bold', text: string) => string;

const CODES = { red: '31', yellow: '33', green: '32', dim: '2', bold: '1' } as const;

/** Colours for an output: only on a terminal that wants them (https://no-color.org). */
export function painterFor(output: Output, env: Io['env']): Painter {
  const colourful = output.isTTY && !env.NO_COLOR && env.TERM !== 'dumb';
  return (style, text) => (colourful && text !== '' ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text);
}

/** Bad usage, exit code 2; each problem on a line of its own. */
export function usageError(problems: readonly string[], command?: string): EdgeError {
  const hint = command === undefined ? 'colonies-edge help' : `colonies-edge ${command} --help`;
  return new EdgeError(`${problems.join('\n')}\nSee: ${hint}`, { code: 'USAGE', retry: 'permanent' });
}

/** Bad configuration, exit code 78; each problem on a line of its own. */
export function configError(problems: readonly string[]): EdgeError {
  const head =
    problems.length === 1 ? 'configuration problem:' : `${problems.length} configuration problems:`;
  return new EdgeError([head, ...problems.map((problem) => `  ${problem}`)].join('\n'), {
    code: 'CONFIG_INVALID',
    retry: 'permanent',
  });
}

/** Writes a value as JSON, indented on a terminal and one line otherwise. */
export function writeJson(output: Output, value: unknown): void {
  output.write(`${JSON.stringify(value, null, output.isTTY ? 2 : 0)}\n`);
}
