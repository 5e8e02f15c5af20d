import { parseDurationMs } from '../base/duration.ts';
import type { Fields } from './fields.ts';

const MIB = 1024 ** 2;
/** Smallest memory limit the engine takes; also the border below which a bare number means MiB (FIELDS.md 4.5). */
export const MIN_MEMORY_BYTES = 6 * MIB;

const SCALE: Readonly<Record<string, number>> = { '': 1, k: 1024, m: MIB, g: 1024 ** 3, t: 1024 ** 4 };

/** Bytes of "512m", "512Mi", "1.5g", "1GiB" or "4096" (bare and below 6 MiB: MiB); undefined when it is none. */
export function parseMemory(value: unknown): { bytes: number; bare: boolean } | undefined {
  const text = typeof value === 'number' ? decimalText(value) : value;
  if (typeof text !== 'string') return undefined;
  const match = /^(\d+(?:\.\d+)?|\.\d+)\s*(?:([kmgt])i?)?(b)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const unit = (match[2] ?? '').toLowerCase();
  const bare = unit === '' && match[3] === undefined;
  const number = Number(match[1]);
  const scale = bare && number < MIN_MEMORY_BYTES ? MIB : (SCALE[unit] ?? Number.NaN);
  const bytes = Math.round(number * scale);
  return Number.isSafeInteger(bytes) ? { bytes, bare } : undefined;
}

/** Bytes of a memory field; warns about a bare number. */
export function readMemory(fields: Fields, key: string, minBytes: number): number | undefined {
  if (!fields.has(key)) return undefined;
  const parsed = parseMemory(fields.raw(key));
  if (parsed === undefined) return fields.refuse(key, 'must be an amount of memory such as "512Mi" or "1g"');
  if (parsed.bytes < minBytes)
    return fields.refuse(key, minBytes > 1 ? 'must be at least 6 MiB ("6Mi")' : 'must be more than 0');
  if (parsed.bare)
    fields.problems.warn(
      fields.at(key),
      `is a bare number and taken as ${showBytes(parsed.bytes)}; write the unit, such as "512Mi"`,
      { value: fields.raw(key) },
    );
  return parsed.bytes;
}

function showBytes(bytes: number): string {
  return bytes % MIB === 0 ? `${bytes / MIB} MiB` : `${bytes} bytes`;
}

/** Billionths of a core of `2`, "1.5" or "500m"; the engine's smallest share is 0.01. */
export function readNanoCpus(fields: Fields, key: string): number | undefined {
  if (!fields.has(key)) return undefined;
  const value = fields.raw(key);
  const text = typeof value === 'number' ? decimalText(value) : value;
  const match = typeof text === 'string' ? /^(\d+(?:\.\d*)?|\.\d+)(m?)$/.exec(text.trim()) : null;
  if (match === null) return fields.refuse(key, 'must be a number of cores such as "1.5" or "500m"');
  const nano = Math.round(Number(match[1]) * (match[2] === 'm' ? 1e6 : 1e9));
  if (nano < 10_000_000 || !Number.isSafeInteger(nano))
    return fields.refuse(key, 'must be at least 0.01 cores ("10m")');
  return nano;
}

/** Milliseconds of a duration field: Go's form ("1m30s") or a bare number of seconds. */
export function readDurationMs(fields: Fields, key: string): number | undefined {
  if (!fields.has(key)) return undefined;
  const value = fields.raw(key);
  let ms: number | undefined;
  if (typeof value === 'number') ms = value * 1000;
  else if (typeof value === 'string')
    ms = /^\d+(?:\.\d+)?$/.test(value) ? Number(value) * 1000 : parseDurationMs(value);
  if (ms === undefined || !(ms >= 0) || ms > Number.MAX_SAFE_INTEGER / 1e6)
    return fields.refuse(key, 'must be a duration such as "1m30s" or "500ms", or a number of seconds');
  return ms;
}

/** A number in plain decimal, never in exponent form: 1e21 gives "1000000000000000000000", -0 gives "0". */
export function decimalText(value: number): string {
  const text = String(value);
  const match = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (match === null) return text;
  const [, sign = '', head = '', tail = '', power = '0'] = match;
  const digits = head + tail;
  const point = 1 + Number(power);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return `${sign}${digits.padEnd(point, '0')}`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** JSON with sorted keys and plain decimals, for executor variables that are objects or lists (FIELDS.md 6.1). */
export function jsonText(value: unknown): string {
  if (typeof value === 'number') return decimalText(value);
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${jsonText(member)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
