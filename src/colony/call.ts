import * as v from 'valibot';
import type { JsonObject } from '../model/blueprint.ts';
import { showValue } from '../model/problem.ts';
import { type ColonyCode, ColonyError, type RefusalRule } from './errors.ts';

/** What requests are for; bytes are counted under these names. */
export type Purpose = 'poll' | 'heartbeat' | 'work' | 'report' | 'list' | 'registration' | 'info';

/** One message to the server, as data, and how to read its answer. */
export interface Call<T> {
  /** The payload type, for example `assignprocessmsg`. */
  type: string;
  /** The members without `msgtype`. */
  message: JsonObject;
  purpose: Purpose;
  /** Throws `COLONY_PROTOCOL` for an answer of another shape. */
  decode(payload: unknown): T;
  /** Refusals with another meaning than usual for this call. */
  refusals?: readonly RefusalRule[];
  /** What an empty answer with HTTP status 200 means; absent: `COLONY_PROTOCOL`. */
  onEmpty?: ColonyCode;
  /** What the call is about, for errors: a process id, a blueprint's name. */
  target?: string;
  /** How long the server holds the answer back on purpose, in milliseconds; such calls have connections of their own. */
  waitMs?: number;
  /** The two types that need no key. */
  isUnsigned?: boolean;
}

/** Text; empty when absent or null. */
export const text = v.nullish(v.string(), '');
/** A number; 0 when absent or null. Integers past 2^53 come rounded. */
export const count = v.nullish(v.number(), 0);
export const flag = v.nullish(v.boolean(), false);
/** A required id or name. */
export const name = v.pipe(v.string('must be a non-empty string'), v.nonEmpty('must be a non-empty string'));

/** A JSON object; empty when absent or null. */
export const object = v.nullish(v.record(v.string(), v.unknown()), {});

/** A list; empty when absent or null, as the server writes most empty lists. */
export function listOf<const S extends v.GenericSchema>(item: S) {
  return v.nullish(v.array(item, 'must be a list'), []);
}

/** An RFC 3339 time as epoch milliseconds; undefined for absent, unreadable and years up to 1, which stand for "unset". */
export const time = v.pipe(v.nullish(v.string(), ''), v.transform(timeOf));

function timeOf(value: string): number | undefined {
  if (/^000[01]-/.test(value)) return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : at;
}

/** A decoder that names what is wrong: `getprocessmsg: spec.funcname must be ..., got 5`; throws `COLONY_PROTOCOL`. */
export function reader<T>(type: string, schema: v.GenericSchema<unknown, T>): (payload: unknown) => T {
  return (payload) => {
    const parsed = v.safeParse(schema, payload);
    if (parsed.success) return parsed.output;
    const issue = parsed.issues[0];
    const path = issue.path?.map((step) => String(step.key)).join('.') ?? 'the answer';
    throw new ColonyError(
      'COLONY_PROTOCOL',
      `${type}: ${path}: ${issue.message} (${showValue(issue.input)})`,
    );
  };
}

/** For calls whose answer says nothing more than that it worked. */
export function nothing(): void {}
