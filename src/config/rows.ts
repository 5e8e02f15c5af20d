import { formatDuration } from '../base/duration.ts';
import { decodeCount, decodeDuration, decodePathOrNone, type Option } from './option.ts';

export const MINUTE_MS = 60_000;

/** Fills in what most options have in common. */
export function option<T>(
  row: Omit<Option<T>, 'alsoEnv' | 'show'> & Partial<Pick<Option<T>, 'alsoEnv' | 'show'>>,
): Option<T> {
  return { alsoEnv: [], show: (value) => value, ...row };
}

/** A duration; least, usual and most in milliseconds. */
export function duration(
  row: Pick<Option<number>, 'flag' | 'key' | 'group' | 'help'>,
  [leastMs, usualMs, mostMs]: [number, number, number],
): Option<number> {
  return option<number>({
    ...row,
    placeholder: 'DURATION',
    defaultText: formatDuration(usualMs),
    fallback: () => usualMs,
    decode: decodeDuration(leastMs, mostMs),
    show: (ms) => formatDuration(ms),
  });
}

/** A whole number from 1. */
export function count(
  row: Pick<Option<number>, 'flag' | 'key' | 'group' | 'help'>,
  usual: number,
  most: number,
): Option<number> {
  return option<number>({
    ...row,
    placeholder: 'N',
    defaultText: String(usual),
    fallback: () => usual,
    decode: decodeCount(1, most),
  });
}

/** A file that may be left out. */
export function optionalFile(
  row: Pick<Option<string>, 'flag' | 'key' | 'group' | 'help'>,
): Option<string | undefined> {
  return option<string | undefined>({
    ...row,
    placeholder: 'FILE',
    defaultText: 'none',
    fallback: () => undefined,
    decode: decodePathOrNone,
    show: (path) => path ?? 'none',
  });
}
