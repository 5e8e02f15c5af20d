import { parseWindows, type Window, windowsText } from '../model/window.ts';
import type { Decoded, Option } from './option.ts';
import { option } from './rows.ts';

/** The rows of the table that say when updates may happen. */
export const WINDOW_OPTIONS = {
  downloadWindows: windows({
    flag: 'download-windows',
    key: 'downloadWindows',
    example: 'daily 01:00-05:00',
    help:
      'When images are pulled for first starts and new versions; what heals is pulled at any time. ' +
      'Several are separated by ";".',
  }),
  updateWindows: windows({
    flag: 'update-windows',
    key: 'updateWindows',
    example: 'Mon-Fri 22:00-05:00',
    help: 'When versions change, such as "Mon-Fri 22:00-05:00; Sat,Sun" or "daily 01:00-04:00 UTC". May be repeated.',
  }),
};

function windows(
  row: Pick<Option<readonly Window[]>, 'flag' | 'key' | 'help'> & { example: string },
): Option<readonly Window[]> {
  return option<readonly Window[]>({
    ...row,
    placeholder: 'WINDOWS',
    list: true,
    separator: ';',
    group: 'Pace',
    defaultText: 'at any time',
    fallback: () => [],
    decode: decodeWindows,
    show: (list) => (list.length === 0 ? [] : windowsText(list).split('; ')),
  });
}

function decodeWindows(raw: unknown): Decoded<readonly Window[]> {
  const items: unknown[] = Array.isArray(raw) ? raw : [raw];
  const texts = items.filter((item) => typeof item === 'string');
  if (texts.length < items.length) return { ok: false, expected: 'must be a list of strings' };
  const parsed = parseWindows(texts);
  return parsed.ok ? { ok: true, value: parsed.windows } : { ok: false, expected: `must ${parsed.problem}` };
}
