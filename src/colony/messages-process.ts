import * as v from 'valibot';
import type { JsonObject } from '../model/blueprint.ts';
import { type Call, count, flag, listOf, name, nothing, object, reader, text, time } from './call.ts';
import type { RefusalRule } from './errors.ts';

// Messages about processes and what belongs to them (PROTOCOL.md sections 7 and 8).

const STATES = ['waiting', 'running', 'success', 'failed', 'cancelled'] as const;
export type ProcessState = (typeof STATES)[number];

const texts = listOf(v.string());

const state = v.pipe(
  v.number('must be a state from 0 to 4'),
  v.check((value) => STATES[value] !== undefined, 'must be a state from 0 to 4'),
  v.transform((value): ProcessState => STATES[value] ?? 'waiting'),
);

const attribute = v.object({
  attributeid: text,
  targetid: text,
  targetcolonyname: text,
  attributetype: count,
  key: text,
  value: text,
});

const conditions = v.object({
  colonyname: text,
  executornames: texts,
  executortype: text,
  locationname: text,
});

const processSchema = v.object({
  processid: name,
  initiatorid: text,
  initiatorname: text,
  assignedexecutorid: text,
  isassigned: flag,
  state,
  submissiontime: time,
  starttime: time,
  endtime: time,
  waitdeadline: time,
  execdeadline: time,
  retries: count,
  attributes: listOf(attribute),
  spec: v.object({
    nodename: text,
    funcname: text,
    args: listOf(v.unknown()),
    kwargs: object,
    priority: count,
    /** Seconds; 0 or less: no limit. */
    maxwaittime: count,
    maxexectime: count,
    maxretries: count,
    conditions: v.nullish(conditions, {}),
    label: text,
  }),
  processgraphid: text,
  in: listOf(v.unknown()),
  out: listOf(v.unknown()),
  errors: texts,
});

const processes = listOf(processSchema);

/** A process as the server tells it; unset times are undefined, the others epoch milliseconds. */
export type Process = v.InferOutput<typeof processSchema>;
export type Attribute = v.InferOutput<typeof attribute>;

/** Both meanings of 403: the registration is gone ("Access denied"), or only this process is. */
const HELD: readonly RefusalRule[] = [
  { status: 403, pattern: /^Access denied/, code: 'COLONY_FORBIDDEN' },
  { status: 403, pattern: /^Failed to (?:close|set|add) /, code: 'COLONY_NOT_OURS' },
];
const CLOSING: readonly RefusalRule[] = [
  ...HELD,
  { status: 400, pattern: /^Tried to set/, code: 'COLONY_CLOSED' },
];
const ASSIGNING: readonly RefusalRule[] = [
  { status: 404, code: 'COLONY_NO_PROCESS' },
  { status: 408, code: 'COLONY_PAUSED' },
  { status: 503, code: 'COLONY_PAUSED' },
  // What a user's key gets: it is a member, but no executor.
  { status: 500, pattern: /executor not found$/, code: 'COLONY_FORBIDDEN' },
];

/** What an executor offers; empty texts mean no limit. `cpu` is written `"1500m"`, `mem` with `Ki`, `Mi` or `Gi`. */
export interface Offer {
  cpu?: string;
  mem?: string;
}

/**
 * Asks for work, waiting up to `waitS` whole seconds on the server; 0 does not wait. `COLONY_NO_PROCESS` when there is
 * none, `COLONY_PAUSED` while the colony hands out none, `COLONY_FORBIDDEN` when not an approved executor.
 */
export function assign(colony: string, waitS: number, offer: Offer = {}): Call<Process> {
  const waits = waitS > 0;
  return {
    type: 'assignprocessmsg',
    message: {
      colonyname: colony,
      // The server refuses 0 and fractions; any negative number means not to wait.
      timeout: waits ? Math.ceil(waitS) : -1,
      availablecpu: offer.cpu ?? '',
      availablemem: offer.mem ?? '',
    },
    purpose: 'poll',
    decode: reader('assignprocessmsg', processSchema),
    refusals: ASSIGNING,
    ...(waits ? { waitMs: Math.ceil(waitS) * 1000 } : {}),
  };
}

/** Stays registered without taking work: always `COLONY_NO_PROCESS` when all is well (PROTOCOL.md 5.3). */
export function heartbeat(colony: string): Call<Process> {
  return { ...assign(colony, 0, { cpu: '-1m' }), purpose: 'heartbeat' };
}

/** Closes a process as done; `out` becomes the input of the cron's next process. `COLONY_NOT_OURS`, `COLONY_CLOSED`. */
export function closeSuccessful(processId: string, out: readonly unknown[]): Call<void> {
  return held('closesuccessfulmsg', processId, { out }, CLOSING);
}

/** Closes a process as failed. `COLONY_NOT_OURS`, `COLONY_CLOSED`, `COLONY_NOT_FOUND`. */
export function closeFailed(processId: string, errors: readonly string[]): Call<void> {
  return held('closefailedmsg', processId, { errors }, CLOSING);
}

/** Sets the output of a running process; an empty list does nothing. `COLONY_NOT_OURS`. */
export function setOutput(processId: string, out: readonly unknown[]): Call<void> {
  return held('setoutputmsg', processId, { out }, HELD);
}

/** Adds to the log of a running process. `COLONY_NOT_OURS`. */
export function addLog(processId: string, message: string): Call<void> {
  return held('addlogmsg', processId, { message }, HELD);
}

function held(
  type: string,
  processId: string,
  more: JsonObject,
  refusals: readonly RefusalRule[],
): Call<void> {
  const message = { processid: processId, ...more };
  return { type, message, purpose: 'work', decode: nothing, refusals, target: processId };
}

const ATTRIBUTE_TYPES = { in: 0, out: 1, error: 2, env: 3 } as const;

/** Adds a named value to a running process. `COLONY_NOT_OURS`. */
export function addAttribute(
  colony: string,
  processId: string,
  entry: { type: keyof typeof ATTRIBUTE_TYPES; key: string; value: string },
): Call<Attribute> {
  return {
    type: 'addattributemsg',
    message: {
      attribute: {
        targetid: processId,
        targetcolonyname: colony,
        targetprocessgraphid: '',
        attributetype: ATTRIBUTE_TYPES[entry.type],
        key: entry.key,
        value: entry.value,
      },
    },
    purpose: 'work',
    decode: reader('addattributemsg', attribute),
    refusals: HELD,
    target: processId,
  };
}

export function getAttribute(attributeId: string): Call<Attribute> {
  return {
    type: 'getattributemsg',
    message: { attributeid: attributeId },
    purpose: 'work',
    decode: reader('getattributemsg', attribute),
    target: attributeId,
  };
}

/** One process; `COLONY_NOT_FOUND`. */
export function getProcess(processId: string): Call<Process> {
  return {
    type: 'getprocessmsg',
    message: { processid: processId },
    purpose: 'work',
    decode: reader('getprocessmsg', processSchema),
    target: processId,
  };
}

/** At most 100 processes in one state, oldest first as the server orders them; empty when there are none. */
export function getProcesses(
  colony: string,
  query: { state: ProcessState; executorType?: string; count?: number },
): Call<readonly Process[]> {
  return {
    type: 'getprocessesmsg',
    message: {
      colonyname: colony,
      count: query.count ?? 100,
      state: STATES.indexOf(query.state),
      executortype: query.executorType ?? '',
      label: '',
      initiator: '',
    },
    purpose: 'work',
    decode: reader('getprocessesmsg', processes),
  };
}

/**
 * An executor's processes in one state that were submitted within the last `seconds`: with `running`, the direct way to
 * what it still holds. `COLONY_FORBIDDEN` (told by an empty answer).
 */
export function getProcessHistory(
  colony: string,
  query: { executorId: string; seconds: number; state: ProcessState },
): Call<readonly Process[]> {
  return {
    type: 'getprocesshistmsg',
    message: {
      colonyname: colony,
      executorid: query.executorId,
      seconds: Math.ceil(query.seconds),
      state: STATES.indexOf(query.state),
    },
    purpose: 'work',
    decode: reader('getprocesshistmsg', processes),
    onEmpty: 'COLONY_FORBIDDEN',
  };
}
