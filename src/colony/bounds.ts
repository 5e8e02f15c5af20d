import { bounded } from '../base/text.ts';
import type { JsonObject } from '../model/blueprint.ts';

/** Longest log line, and longest text of a closed process, in UTF-16 units. */
const MAX_TEXT = 4096;
/** Most texts of a closed process; a schedule's process hands them to the next one. */
const MAX_TEXTS = 32;
/** Largest status as JSON, in bytes. */
const MAX_STATUS_BYTES = 64 * 1024;
/** Texts of a status are never cut below this: ids, hashes, names and times are shorter. */
const LEAST_TEXT = 80;

/** Text as the server's database takes it: without U+0000, and at most `most` units, the last one `…` when it was cut. */
export function boundedText(text: string, most = MAX_TEXT): string {
  return bounded(text.replaceAll('\u0000', ''), most);
}

/** A process's output or errors, each bounded; what is too much is told by a last line. */
export function boundedTexts(texts: readonly string[]): string[] {
  const kept = texts.slice(0, texts.length > MAX_TEXTS ? MAX_TEXTS - 1 : MAX_TEXTS);
  const rest = texts.length - kept.length;
  return [...kept.map((text) => boundedText(text)), ...(rest > 0 ? [`… and ${rest} more`] : [])];
}

/** A status document of at most 64 KiB: its longest texts are cut first, all of them to one length; no member, entry or
 *  key is lost, so a document of very many short texts stays larger. */
export function boundedStatus(status: JsonObject): JsonObject {
  let shorter = status;
  for (let most = MAX_STATUS_BYTES / 2; most >= LEAST_TEXT && sizeOf(shorter) > MAX_STATUS_BYTES; most /= 2)
    shorter = cutObject(status, Math.max(LEAST_TEXT, Math.floor(most)));
  return shorter;
}

function sizeOf(status: JsonObject): number {
  return Buffer.byteLength(JSON.stringify(status));
}

function cutObject(value: JsonObject, most: number): JsonObject {
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, cut(member, most)]));
}

function cut(value: unknown, most: number): unknown {
  if (typeof value === 'string') return boundedText(value, most);
  if (Array.isArray(value)) return value.map((item) => cut(item, most));
  return typeof value === 'object' && value !== null ? cutObject({ ...value }, most) : value;
}
