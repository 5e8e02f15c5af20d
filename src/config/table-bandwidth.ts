import type { Decoded } from './option.ts';
import { option } from './rows.ts';

/** Bytes per second of one of each unit. */
const UNITS: Readonly<Record<string, number>> = {
  'B/s': 1,
  'kB/s': 1_000,
  'MB/s': 1_000_000,
  'KiB/s': 1_024,
  'MiB/s': 1_048_576,
  'kbit/s': 125,
  'Mbit/s': 125_000,
};

const LEAST = 1_000;
const MOST = 10_000_000_000;
const EXPECTED =
  'must be a number with kB/s, MB/s, KiB/s, MiB/s, kbit/s or Mbit/s (capitals count), from 1kB/s to 10000MB/s, ' +
  'such as "500kB/s" or "2.5Mbit/s"; or "none"';

/** The row of the table that says how much of the link pulls may take. */
export const BANDWIDTH_OPTIONS = {
  bandwidth: option<number | undefined>({
    flag: 'bandwidth',
    key: 'bandwidth',
    placeholder: 'RATE',
    group: 'Pace',
    help: 'Most that all pulls together take of the link, such as "500kB/s" or "4Mbit/s".',
    defaultText: 'none',
    example: '500kB/s',
    fallback: () => undefined,
    decode: decodeBandwidth,
    show: (bytesPerSecond) => (bytesPerSecond === undefined ? 'none' : bandwidthText(bytesPerSecond)),
  }),
};

/** Bytes per second out of "500kB/s", "1.5 MiB/s" or "4Mbit/s"; undefined for "none". */
export function decodeBandwidth(raw: unknown): Decoded<number | undefined> {
  if (raw === 'none') return { ok: true, value: undefined };
  const [, number = '', unit = ''] =
    (typeof raw === 'string' && /^(\d{1,9}(?:\.\d{1,6})?) ?([A-Za-z]+\/s)$/.exec(raw.trim())) || [];
  const bytesPerSecond = Math.round(Number(number) * (UNITS[unit] ?? Number.NaN));
  return number !== '' && bytesPerSecond >= LEAST && bytesPerSecond <= MOST
    ? { ok: true, value: bytesPerSecond }
    : { ok: false, expected: EXPECTED };
}

/** The rate in the largest unit in which it is a whole number. */
export function bandwidthText(bytesPerSecond: number): string {
  for (const unit of ['MB/s', 'MiB/s', 'kB/s', 'KiB/s'] as const) {
    const amount = bytesPerSecond / (UNITS[unit] ?? 1);
    if (Number.isInteger(amount)) return `${amount}${unit}`;
  }
  return `${bytesPerSecond}B/s`;
}
