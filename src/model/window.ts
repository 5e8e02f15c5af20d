/** Milliseconds by which local time is ahead of UTC at a moment (epoch milliseconds). */
export type Zone = (epochMs: number) => number;

export const UTC: Zone = () => 0;

/** A time of the week, once a week for each of its days. */
export interface Window {
  /** Days on which it begins, 0 is Sunday; ascending, at least one. */
  days: readonly number[];
  /** Minutes since midnight, 0 to 1439. */
  fromMinute: number;
  /** Minutes since midnight, 1 to 1440; at or before `fromMinute` it ends on the day after. */
  toMinute: number;
  /** By UTC; absent: by local time. */
  utc?: true;
}

/** When what has to do with updates may happen; a list that is absent says nothing. */
export interface Windows {
  /** When images are pulled. */
  download?: readonly Window[];
  /** When versions change. */
  update?: readonly Window[];
}

const DAY_NAMES = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6];
const MINUTES_A_DAY = 1440;
const MINUTE_MS = 60_000;
const DAY_MS = MINUTES_A_DAY * MINUTE_MS;

/** What a window looks like, for messages. */
export const WINDOW_HINT = '"Mon-Fri 22:00-05:00", "Sat,Sun" or "daily 01:00-04:00 UTC"';

/** Far more than a week needs: a longer list is a mistake. */
const MOST_WINDOWS = 64;

export type ParsedWindows = { ok: true; windows: readonly Window[] } | { ok: false; problem: string };

/**
 * Windows of texts such as `Mon-Fri 22:00-05:00`, `Sat,Sun`, `daily 01:00-04:00,12:00-13:00 UTC`; a text may hold several,
 * separated by ";". Days without times are whole days, times without days are daily. The problem completes "must ...".
 */
export function parseWindows(texts: readonly string[]): ParsedWindows {
  const windows: Window[] = [];
  for (const text of texts.flatMap((item) => item.split(';'))) {
    const parsed = parseWindow(text);
    if (typeof parsed === 'string') return { ok: false, problem: parsed };
    windows.push(...parsed);
  }
  if (windows.length === 0) return { ok: false, problem: `be a list of windows such as ${WINDOW_HINT}` };
  if (windows.length > MOST_WINDOWS)
    return { ok: false, problem: `have at most ${MOST_WINDOWS} windows, has ${windows.length}` };
  return { ok: true, windows };
}

/** The windows of one text, or what is wrong with it. */
function parseWindow(text: string): Window[] | string {
  const words = text
    .trim()
    .toLowerCase()
    .replace(/\s*([,-])\s*/g, '$1')
    .split(/\s+/);
  const zone = words.at(-1) === 'utc' || words.at(-1) === 'local' ? words.pop() : undefined;
  const isTimes = (word: string | undefined) => word !== undefined && /^\d/.test(word);
  const dayWord = isTimes(words[0]) ? undefined : words.shift();
  const timeWord = isTimes(words[0]) ? words.shift() : undefined;
  if (words.length > 0 || (dayWord ?? timeWord ?? '') === '')
    return `be windows such as ${WINDOW_HINT}, several separated by ";"; "${text.trim()}" is none`;
  const days = parseDays(dayWord ?? 'daily');
  if (typeof days === 'string') return days;
  const windows: Window[] = [];
  for (const range of (timeWord ?? '00:00-24:00').split(',')) {
    const times = parseTimes(range);
    if (typeof times === 'string') return times;
    windows.push({ days, ...times, ...(zone === 'utc' ? { utc: true as const } : {}) });
  }
  return windows;
}

function parseDays(word: string): number[] | string {
  if (word === 'daily' || word === 'always') return EVERY_DAY;
  const days = new Set<number>();
  for (const term of word.split(',')) {
    const names = term.split('-');
    const [first, last = first] = names.map(dayOf);
    if (first === undefined || last === undefined || names.length > 2)
      return `name days as Mon, Tue, Wed, Thu, Fri, Sat, Sun, a range such as Mon-Fri, or daily; "${term}" is none`;
    for (let day = first; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === last) break;
    }
  }
  return [...days].sort((a, b) => a - b);
}

function dayOf(name: string): number | undefined {
  const day = DAY_NAMES.findIndex((full) => full === name || full.slice(0, 3) === name);
  return day < 0 ? undefined : day;
}

function parseTimes(range: string): Pick<Window, 'fromMinute' | 'toMinute'> | string {
  const ends = range.split('-').map(minuteOf);
  const [fromMinute, toMinute] = ends;
  if (fromMinute === undefined || toMinute === undefined || ends.length !== 2)
    return `give times as HH:MM-HH:MM from 00:00 to 24:00, such as 22:00-05:00; "${range}" is none`;
  if (fromMinute === toMinute || fromMinute === MINUTES_A_DAY)
    return `end at another time than it begins: "${range}" has no length; 00:00-24:00 is the whole day`;
  // What ends at midnight ends with its own day.
  return { fromMinute, toMinute: toMinute === 0 ? MINUTES_A_DAY : toMinute };
}

function minuteOf(text: string): number | undefined {
  const match = /^(\d{1,2}):(\d{2})$/.exec(text);
  const minute = Number(match?.[1]) * 60 + Number(match?.[2]);
  return match !== null && Number(match[2]) < 60 && minute <= MINUTES_A_DAY ? minute : undefined;
}

/** A list of windows as it would be written: `Mon-Fri 22:00-05:00; Sat,Sun 00:00-24:00 UTC`. */
export function windowsText(windows: readonly Window[]): string {
  return windows.map(windowText).join('; ');
}

function windowText({ days, fromMinute, toMinute, utc }: Window): string {
  const zone = utc === true ? ' UTC' : '';
  return `${daysText(days)} ${timeText(fromMinute)}-${timeText(toMinute)}${zone}`;
}

/** Ranges of three or more days, beginning with Monday. */
function daysText(days: readonly number[]): string {
  if (days.length === 7) return 'daily';
  const monday = days.map((day) => (day + 6) % 7).sort((a, b) => a - b);
  const runs: number[][] = [];
  for (const day of monday) {
    const run = runs.at(-1);
    if (run !== undefined && run.at(-1) === day - 1) run.push(day);
    else runs.push([day]);
  }
  const name = (day: number | undefined) => {
    const full = DAY_NAMES[((day ?? 0) + 1) % 7] ?? '';
    return full.charAt(0).toUpperCase() + full.slice(1, 3);
  };
  return runs
    .map((run) => (run.length > 2 ? `${name(run[0])}-${name(run.at(-1))}` : run.map(name).join(',')))
    .join(',');
}

function timeText(minute: number): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}

/** Whether one of several windows is open at a moment; times are epoch milliseconds. */
export type Opening =
  /** `closesAt` is absent when none of them closes within a fortnight. */
  | { isOpen: true; closesAt?: number }
  /** `opensAt` is absent when a fortnight has none, as when the clock skips their only hour. */
  | { isOpen: false; opensAt?: number };

/** Days that are looked at: what began up to two days ago may still be open, and each weekday comes up twice. */
const DAYS_BACK = 2;
const DAYS_AHEAD = 15;

/**
 * Where a moment is within windows. Each goes from the first moment at which its zone's clocks show its beginning to the
 * last at which they show its end: an hour that clocks skip is skipped, one that they show twice counts twice.
 */
export function openingAt(windows: readonly Window[], epochMs: number, local: Zone): Opening {
  const spans = windows.flatMap((window) => spansAround(window, epochMs, window.utc === true ? UTC : local));
  spans.sort((a, b) => a.from - b.from);
  let closesAt: number | undefined;
  for (const { from, to } of spans) {
    if (closesAt === undefined ? from <= epochMs && epochMs < to : from <= closesAt)
      closesAt = Math.max(closesAt ?? to, to);
  }
  if (closesAt === undefined) {
    const next = spans.find(({ from }) => from > epochMs);
    return { isOpen: false, ...(next === undefined ? {} : { opensAt: next.from }) };
  }
  const isEndless = closesAt > epochMs + (DAYS_AHEAD - 2) * DAY_MS;
  return { isOpen: true, ...(isEndless ? {} : { closesAt }) };
}

function spansAround(window: Window, epochMs: number, zone: Zone): { from: number; to: number }[] {
  const { days, fromMinute, toMinute } = window;
  const today = Math.floor((epochMs + zone(epochMs)) / DAY_MS);
  const spans: { from: number; to: number }[] = [];
  for (let day = today - DAYS_BACK; day <= today + DAYS_AHEAD; day += 1) {
    // Day 0 of the epoch was a Thursday.
    if (!days.includes((((day + 4) % 7) + 7) % 7)) continue;
    const lastDay = toMinute <= fromMinute ? day + 1 : day;
    const from = momentOf(day * DAY_MS + fromMinute * MINUTE_MS, zone, 'first');
    const to = momentOf(lastDay * DAY_MS + toMinute * MINUTE_MS, zone, 'last');
    if (from < to) spans.push({ from, to });
  }
  return spans;
}

/** The moment at which clocks show a local time (as if it were UTC): the first or last of two; when they skip it, the moment
 *  of the skip. */
function momentOf(localMs: number, zone: Zone, which: 'first' | 'last'): number {
  const before = zone(localMs - DAY_MS);
  const after = zone(localMs + DAY_MS);
  const shown = [localMs - before, localMs - after].filter((at) => at + zone(at) === localMs);
  if (shown.length > 0) return which === 'first' ? Math.min(...shown) : Math.max(...shown);
  let [low, high] = [localMs - DAY_MS, localMs + DAY_MS];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (zone(middle) === before) low = middle;
    else high = middle;
  }
  return high;
}
