import type { LogFields, Logger, LogLevel } from '../../src/base/log.ts';

export interface LogLine {
  level: LogLevel;
  message: string;
  fields: LogFields;
}

/** Keeps what is logged, for assertions; at most `limit` lines, `total` counts all. */
export class CollectingLog implements Logger {
  readonly lines: LogLine[] = [];
  total = 0;
  readonly #limit: number;

  constructor(limit = 10_000) {
    this.#limit = limit;
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#add('debug', message, fields);
  }
  info(message: string, fields: LogFields = {}): void {
    this.#add('info', message, fields);
  }
  warn(message: string, fields: LogFields = {}): void {
    this.#add('warn', message, fields);
  }
  error(message: string, fields: LogFields = {}): void {
    this.#add('error', message, fields);
  }

  #add(level: LogLevel, message: string, fields: LogFields): void {
    if (level !== 'debug') this.total += 1;
    this.lines.push({ level, message, fields });
    if (this.lines.length > this.#limit) this.lines.shift();
  }

  /** The lines as text, for the message of a failed assertion. */
  text(last = 40): string {
    return this.lines
      .slice(-last)
      .map((line) => `${line.level} ${line.message} ${JSON.stringify(line.fields)}`)
      .join('\n');
  }
}
