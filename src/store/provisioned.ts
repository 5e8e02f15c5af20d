import { open } from 'node:fs/promises';
import { EdgeError, errorCode } from '../base/errors.ts';
import type { Slot } from '../model/ports.ts';

/** What a slot file gives. */
export interface ProvisionedSlots {
  slots: readonly Slot[];
  /** One line each: what is doubtful, for example a mode that lets others read the keys. */
  warnings: readonly string[];
}

/** A container name as the engine takes it. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const MAX_SIZE_BYTES = 1024 * 1024;
const KNOWN = new Set(['blueprint', 'index', 'key', 'executorName', 'containerName']);

/**
 * Reads identities that the operator has registered elsewhere:
 * `{"slots": [{"blueprint", "index", "key", "executorName", "containerName"?}]}`, key as 64 hexadecimal digits, index
 * from 0. `containerName` is `<blueprint>-<5 hex>` of the id when absent, so it stays the same over readings.
 * Throws `SLOTS_INVALID` with every fault, or `SLOTS_UNREADABLE`; no text ever holds a key.
 */
export async function readSlotFile(
  path: string,
  deriveId: (key: string) => string,
): Promise<ProvisionedSlots> {
  const { text, mode } = await readSmall(path);
  const warnings =
    (mode & 0o077) === 0
      ? []
      : [`${path} holds keys and can be read by others (mode ${(mode & 0o777).toString(8)}); use 0600`];
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    // The parser's own text quotes the file.
    throw invalid(path, ['it is not valid JSON']);
  }
  const list = isObject(document) ? document.slots : undefined;
  if (!Array.isArray(list)) throw invalid(path, ['slots must be a list']);
  const faults: string[] = [];
  const slots = list.flatMap((item: unknown, index) => slotOf(item, `slots[${index}]`, deriveId, faults));
  for (const field of ['key', 'executorName', 'containerName'] as const) reportTwice(slots, field, faults);
  const places = slots.map((slot) => `${slot.blueprint} ${slot.index}`);
  places.forEach((place, at) => {
    if (places.indexOf(place) !== at) faults.push(`blueprint and index "${place}" occur twice`);
  });
  if (faults.length > 0) throw invalid(path, faults);
  return { slots, warnings };
}

async function readSmall(path: string): Promise<{ text: string; mode: number }> {
  try {
    const file = await open(path, 'r');
    try {
      const { mode, size } = await file.stat();
      if (size > MAX_SIZE_BYTES) throw invalid(path, ['it is larger than 1 MiB']);
      return { text: await file.readFile('utf8'), mode };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof EdgeError) throw error;
    throw new EdgeError(`Cannot read slot file ${path}: ${errorCode(error)}`, {
      code: 'SLOTS_UNREADABLE',
      retry: 'transient',
      target: path,
      cause: error,
    });
  }
}

function slotOf(item: unknown, at: string, deriveId: (key: string) => string, faults: string[]): Slot[] {
  if (!isObject(item)) {
    faults.push(`${at} must be an object`);
    return [];
  }
  const before = faults.length;
  const text = (field: string, right: RegExp, what: string): string => {
    const value = item[field];
    if (typeof value === 'string' && right.test(value)) return value;
    faults.push(`${at}.${field} must be ${what}`);
    return '';
  };
  const blueprint = text('blueprint', /./, 'the name of a blueprint');
  const executorName = text('executorName', /./, 'the name the executor is registered under');
  const key = text('key', /^[0-9a-fA-F]{64}$/, '64 hexadecimal digits').toLowerCase();
  const index = item.index;
  if (typeof index !== 'number' || !Number.isSafeInteger(index) || index < 0)
    faults.push(`${at}.index must be a whole number from 0`);
  const given = item.containerName === undefined ? '' : text('containerName', NAME, 'a container name');
  for (const field of Object.keys(item))
    if (!KNOWN.has(field)) faults.push(`${at}.${field} is not a known field`);
  if (faults.length > before || typeof index !== 'number') return [];
  let id: string;
  try {
    id = deriveId(key);
  } catch {
    faults.push(`${at}.key is not a private key of the curve`);
    return [];
  }
  const containerName = given === '' ? `${blueprint}-${id.slice(0, 5)}` : given;
  return [{ blueprint, index, key, id, executorName, containerName, registered: true, approved: true }];
}

function reportTwice(
  slots: readonly Slot[],
  field: 'key' | 'executorName' | 'containerName',
  faults: string[],
) {
  slots.forEach((slot, at) => {
    const first = slots.findIndex((other) => other[field] === slot[field]);
    if (first !== at) faults.push(`slots ${first} and ${at} have the same ${field}`);
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(path: string, faults: readonly string[]): EdgeError {
  const init = { code: 'SLOTS_INVALID', retry: 'permanent', target: path } as const;
  return new EdgeError(`Slot file ${path} is not valid: ${faults.join('; ')}`, init);
}
