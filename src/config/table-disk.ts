import { decodePercent, decodePercentOrNone } from './option.ts';
import { duration, MINUTE_MS, option } from './rows.ts';

/** The rows of the table that have to do with the engine's disk. */
export const DISK_OPTIONS = {
  gcStartPercent: option<number | undefined>({
    flag: 'gc-start',
    key: 'gcStart',
    placeholder: 'PERCENT',
    group: 'Engine',
    help: 'Use of the engine\'s disk from which on images go that this agent pulled and nothing needs. "none": never unasked.',
    defaultText: '85',
    fallback: () => 85,
    decode: decodePercentOrNone,
    show: (percent) => percent ?? 'none',
  }),
  gcTargetPercent: option<number>({
    flag: 'gc-target',
    key: 'gcTarget',
    placeholder: 'PERCENT',
    group: 'Engine',
    help: 'Use of the disk at which no more of them go.',
    defaultText: '75',
    fallback: () => 75,
    decode: decodePercent,
  }),
  gcMinAgeMs: duration(
    {
      flag: 'gc-min-age',
      key: 'gcMinAge',
      group: 'Engine',
      help: 'How long the running agent must have seen an image out of use before it may go.',
    },
    [0, 60 * MINUTE_MS, 366 * 1440 * MINUTE_MS],
  ),
};
