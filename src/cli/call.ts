import type { ValueOrigin } from '../config/load.ts';
import type { Config, OptionName } from '../config/table.ts';
import type { Io } from './io.ts';

/** What a command is called with. */
export interface Call {
  io: Io;
  /** Arguments after the command's name. */
  args: readonly string[];
  /** true: the flag was given. */
  has(flag: string): boolean;
  /** Value of the command's own flag; undefined when not given. */
  value(flag: string): string | undefined;
  json: boolean;
  /** Settings from flags, environment and file; throws `CONFIG_INVALID` with all problems. */
  config(): Promise<Config>;
  /** The same, with where each came from. */
  settings(): Promise<{ config: Config; origins: Readonly<Record<OptionName, ValueOrigin>> }>;
}
