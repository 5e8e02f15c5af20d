import { lru } from 'tiny-lru';
import { type Clock, isoTime } from './clock.ts';
import { formatDuration } from './duration.ts';
import type { LogFields, Logger, LogLevel } from './log.ts';
import { printable } from './text.ts';

export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** syslog priorities, as sd-daemon(3) wants them in front of a line. */
const PRIORITY: Readonly<Record<LogLevel, number>> = { debug: 7, info: 6, warn: 4, error: 3 };
const COLOUR: Readonly<Record<LogLevel, string>> = { debug: '2', info: '36', warn: '33', error: '31' };

/** How many different lines and episodes are remembered. */
const REMEMBERED = 256;
/** Warnings and errors that say exactly the same are written again only after this time. */
const REPEAT_AFTER_MS = 300_000;

export interface LogWriterOptions {
  /** The least level that is written. */
  level: LogLevel;
  format: 'text' | 'json';
  /** Colour in text lines. */
  colour?: boolean;
  /** `<n>` in front of each line: the reader is the systemd journal. */
  priority?: boolean;
  clock: Clock;
  /** Takes one line, its newline included. */
  write(line: string): void;
}

/** The real logger: one line per event. A warning or error that repeats word for word is written once in five minutes,
 *  then with `repeated`, the number of lines left out. */
export function createLogger(options: LogWriterOptions): Logger {
  const least = LOG_LEVELS.indexOf(options.level);
  const seen = lru<{ untilMs: number; left: number }>(REMEMBERED);
  const log = (level: LogLevel, message: string, fields: LogFields = {}) => {
    const rank = LOG_LEVELS.indexOf(level);
    if (rank < least) return;
    let shown = fields;
    if (rank >= LOG_LEVELS.indexOf('warn')) {
      const key = `${level}\0${message}\0${JSON.stringify(fields)}`;
      const before = seen.get(key);
      if (before !== undefined && options.clock.monoMs() < before.untilMs) {
        before.left += 1;
        return;
      }
      if (before !== undefined && before.left > 0) shown = { ...fields, repeated: before.left };
      seen.set(key, { untilMs: options.clock.monoMs() + REPEAT_AFTER_MS, left: 0 });
    }
    const prefix = options.priority ? `<${PRIORITY[level]}>` : '';
    const time = new Date(options.clock.now()).toISOString();
    const line =
      options.format === 'json'
        ? jsonLine(time, level, message, shown)
        : textLine(time, level, message, shown, options.colour ?? false);
    options.write(`${prefix}${line}\n`);
  };
  return {
    debug: (message, fields) => log('debug', message, fields),
    info: (message, fields) => log('info', message, fields),
    warn: (message, fields) => log('warn', message, fields),
    error: (message, fields) => log('error', message, fields),
  };
}

const HEAD_FIELDS = new Set(['time', 'level', 'message']);

function jsonLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const line: Record<string, unknown> = { time, level, message };
  for (const [key, value] of Object.entries(fields))
    if (value !== undefined) line[HEAD_FIELDS.has(key) ? `${key}_` : key] = value;
  return JSON.stringify(line);
}

function textLine(time: string, level: LogLevel, message: string, fields: LogFields, colour: boolean) {
  const paint = (code: string, text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const parts = [paint('2', time), paint(COLOUR[level], level.toUpperCase().padEnd(5)), printable(message)];
  for (const [key, value] of Object.entries(fields))
    if (value !== undefined) parts.push(`${paint('2', `${key}=`)}${fieldText(value)}`);
  return parts.join(' ');
}

function fieldText(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  const safe = printable(value);
  return safe === value && /^[^\s"=]+$/.test(safe) ? safe : JSON.stringify(safe);
}

/** A failure that goes on for a while: logged when it starts, when it changes and when it ends, never in between. */
export interface EpisodeLog {
  /** The thing named `key` fails with `fields`; written when it did not fail before, or failed otherwise. */
  failing(key: string, message: string, fields?: LogFields): void;
  /** The thing named `key` works; written (as info, with how long and how often it failed) only when it had failed. */
  working(key: string, message: string, fields?: LogFields): void;
}

/** Episodes over a logger; remembers the 256 keys used last. `changed` tells what of the fields makes a new line: all
 *  but `attempts`, `nextTryAt` and `tookMs`, which differ each time. */
export function createEpisodes(log: Logger, clock: Clock): EpisodeLog {
  const open = lru<{ text: string; since: number; sinceMs: number; times: number }>(REMEMBERED);
  return {
    failing(key, message, fields = {}) {
      const { attempts: _attempts, nextTryAt: _nextTryAt, tookMs: _tookMs, ...lasting } = fields;
      const text = `${message}\0${JSON.stringify(lasting)}`;
      const before = open.get(key);
      if (before?.text === text) {
        before.times += 1;
        return;
      }
      const since = before ?? { since: clock.now(), sinceMs: clock.monoMs(), times: 0 };
      open.set(key, { ...since, times: since.times + 1, text });
      log.warn(message, fields);
    },
    working(key, message, fields = {}) {
      const before = open.get(key);
      if (before === undefined) return;
      open.delete(key);
      log.info(message, {
        ...fields,
        failedSince: isoTime(before.since),
        failedFor: formatDuration(clock.monoMs() - before.sinceMs),
        failures: before.times,
      });
    },
  };
}

/** true when the descriptor is the journal's stream that systemd announced in `JOURNAL_STREAM` ("device:inode"), and not
 *  a pipe or terminal that a child of such a service put in its place. Source: systemd.exec(5). */
export function isJournal(
  journalStream: string | undefined,
  descriptor: { dev: number; ino: number },
): boolean {
  return journalStream === `${descriptor.dev}:${descriptor.ino}`;
}
