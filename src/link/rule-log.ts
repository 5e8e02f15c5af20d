import { isoTime } from '../base/clock.ts';
import { bounded } from '../base/text.ts';
import type { AgentEvent } from '../model/status.ts';
import type { OfflineSummary } from './offline.ts';
import { clean } from './rule-document.ts';

/** Characters of one line in the executor's log. */
const MOST_LINE = 240;

/** Events told one by one after a disconnected period; the newest ones. */
const TOLD_AFTER = 5;

/** `12:00:05 warn web: container does not stay up: exited 1 after 2 s` */
export function logLine(event: AgentEvent): string {
  const { time, level, message, blueprint, container, detail, cause } = event;
  const subject =
    container === undefined || container === blueprint ? blueprint : `${blueprint}/${container}`;
  const why = detail !== undefined && detail !== '' ? detail : cause;
  const text = [subject, message, why].filter((part) => part !== undefined && part !== '').join(': ');
  return bounded(oneLine(`${time.slice(11, 19)} ${level} ${text}`), MOST_LINE);
}

/** What a disconnected period comes to, a line of its own before the newest events of it. */
export function offlineLines({ away, healedCount, events, lost }: OfflineSummary): string[] {
  const total = events.length + lost;
  if (total === 0) return [];
  const told = events.slice(-TOLD_AFTER);
  const head = `offline from ${isoTime(away.since)} to ${isoTime(away.until)}: ${count(total, 'event')}, ${count(healedCount, 'container')} healed`;
  const rest = total > told.length ? `; the last ${told.length}:` : ':';
  return [`${head}${rest}`, ...told.map(logLine)];
}

/** One message of these lines, oldest first: repeated ones once, with their number; the oldest left out when there is no
 *  room, and `lost` ones, counted. */
export function logMessage(lines: readonly string[], lost: number, mostChars: number): string {
  const merged: { line: string; times: number }[] = [];
  for (const line of lines) {
    const same = merged.find((one) => withoutTime(one.line) === withoutTime(line));
    if (same === undefined) merged.push({ line, times: 1 });
    else same.times += 1;
  }
  const kept: string[] = [];
  let left = lost;
  // Room for saying how many were left out.
  let room = mostChars - 40;
  for (const { line, times } of merged.reverse()) {
    const text = times === 1 ? line : `${line} (${times} times)`;
    room -= text.length + 1;
    if (room >= 0) kept.unshift(text);
    else left += times;
  }
  return [...(left === 0 ? [] : [`${count(left, 'earlier event')} left out`]), ...kept].join('\n');
}

function withoutTime(line: string): string {
  return line.replace(/^\d\d:\d\d:\d\d /, '');
}

function oneLine(text: string): string {
  return String(clean(text)).replace(/\s+/g, ' ');
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`;
}
