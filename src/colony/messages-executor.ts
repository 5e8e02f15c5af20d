import * as v from 'valibot';
import type { JsonObject } from '../model/blueprint.ts';
import { type Call, count, flag, listOf, name, nothing, object, reader, text, time } from './call.ts';

// Messages about executors, their functions and logs (PROTOCOL.md sections 5, 6 and 7.3).

const STATES = ['pending', 'approved', 'rejected', 'unregistered'] as const;
export type ExecutorState = (typeof STATES)[number];

const executor = v.object({
  executorid: name,
  executortype: text,
  executorname: text,
  colonyname: text,
  state: v.pipe(
    v.number('must be a state from 0 to 3'),
    v.check((value) => STATES[value] !== undefined, 'must be a state from 0 to 3'),
    v.transform((value): ExecutorState => STATES[value] ?? 'pending'),
  ),
  requirefuncreg: flag,
  commissiontime: time,
  lastheardfromtime: time,
  locationname: text,
  capabilities: object,
  allocations: object,
  blueprintid: text,
  blueprintgen: count,
});

const fun = v.object({
  functionid: name,
  executorname: text,
  executortype: text,
  colonyname: text,
  funcname: text,
  description: text,
  locationname: text,
});

const logLine = v.object({
  processid: text,
  colonyname: text,
  executorname: text,
  message: text,
  /** Nanoseconds since 1970, rounded to steps of 256. */
  timestamp: count,
});

/** An executor's record; times as epoch milliseconds, undefined when unset. */
export type Executor = v.InferOutput<typeof executor>;
export type ExecutorFunction = v.InferOutput<typeof fun>;
export type LogLine = v.InferOutput<typeof logLine>;

/** What an executor says of its machine; replaced as a whole by each update. */
export interface Capabilities {
  hardware: readonly {
    model: string;
    nodes: number;
    cpu: string;
    cores: number;
    mem: string;
    storage: string;
    gpu: { name: string; mem: string; count: number; nodecount: number };
    platform: string;
    architecture: string;
    network: readonly string[];
  }[];
  software: readonly { name: string; type: string; version: string }[];
}

/** A new executor. Its name must not hold `:`, which breaks listings of the whole colony. */
export interface NewExecutor {
  id: string;
  type: string;
  name: string;
  colony: string;
  /** Empty or absent: none. Cannot be changed later by the executor itself. */
  location?: string;
  capabilities?: Capabilities | JsonObject;
  /** The blueprint that deployed it, by id and generation; the peer sets neither. */
  blueprintId?: string;
  generation?: number;
}

/**
 * Registers an executor, which is then pending (owner key). The time last heard from is left out on purpose: sent along
 * by a slow clock it would unregister the executor at once. `COLONY_CONFLICT` when the name exists and the server does
 * not allow registering again.
 */
export function addExecutor(add: NewExecutor): Call<Executor> {
  return {
    type: 'addexecutormsg',
    message: {
      executor: {
        executorid: add.id,
        executortype: add.type,
        executorname: add.name,
        colonyname: add.colony,
        ...(add.location === undefined || add.location === '' ? {} : { locationname: add.location }),
        ...(add.capabilities === undefined ? {} : { capabilities: add.capabilities }),
        ...(add.blueprintId === undefined ? {} : { blueprintid: add.blueprintId }),
        ...(add.generation === undefined ? {} : { blueprintgen: add.generation }),
      },
    },
    purpose: 'registration',
    decode: reader('addexecutormsg', executor),
    refusals: [{ status: 400, pattern: /already exists/i, code: 'COLONY_CONFLICT' }],
    target: add.name,
  };
}

/** Approves an executor, also a rejected or unregistered one (owner key). `COLONY_NOT_FOUND`. */
export function approveExecutor(colony: string, executorName: string): Call<void> {
  return named('approveexecutormsg', colony, executorName, nothing);
}

/** Removes an executor (owner key). `COLONY_NOT_FOUND`. */
export function removeExecutor(colony: string, executorName: string): Call<void> {
  return named('removeexecutormsg', colony, executorName, nothing);
}

/** One executor by name; `COLONY_NOT_FOUND`. Only for approved callers. */
export function getExecutor(colony: string, executorName: string): Call<Executor> {
  return named('getexecutormsg', colony, executorName, reader('getexecutormsg', executor));
}

function named<T>(
  type: string,
  colony: string,
  executorName: string,
  decode: (payload: unknown) => T,
): Call<T> {
  return {
    type,
    message: { colonyname: colony, executorname: executorName },
    purpose: 'registration',
    decode,
    target: executorName,
  };
}

/** One executor by its id; `COLONY_NOT_FOUND`. */
export function getExecutorById(colony: string, executorId: string): Call<Executor> {
  return {
    type: 'getexecutorbyidmsg',
    message: { colonyname: colony, executorid: executorId },
    purpose: 'registration',
    decode: reader('getexecutorbyidmsg', executor),
    target: executorId,
  };
}

/** All executors, also unregistered ones. The one call that works in every state of the caller: tells why all else is 403. */
export function getExecutors(colony: string): Call<readonly Executor[]> {
  return {
    type: 'getexecutorsmsg',
    message: { colonyname: colony },
    purpose: 'registration',
    decode: reader('getexecutorsmsg', listOf(executor)),
  };
}

/** Replaces the capabilities of the caller's own record, nothing else. `COLONY_REFUSED` when it is not its own. */
export function updateExecutor(colony: string, executorName: string, capabilities: Capabilities): Call<void> {
  const call = named('updateexecutormsg', colony, executorName, nothing);
  return { ...call, message: { ...call.message, capabilities } };
}

/** Exchanges the caller's id (64 hexadecimal digits) for another one: the old key is dead at once, the approval stays. */
export function changeExecutorId(colony: string, newId: string): Call<void> {
  return {
    type: 'changeexecutoridmsg',
    message: { colonyname: colony, executorid: newId },
    purpose: 'registration',
    decode: nothing,
    target: newId,
  };
}

/** A function to list under an executor; the server adds it again each time, so look first. */
export interface NewFunction {
  executorName: string;
  executorType?: string;
  colony: string;
  name: string;
  description?: string;
  args?: readonly { name: string; type: string; required: boolean }[];
}

/** Lists a function of the caller. `COLONY_FORBIDDEN` for another's, `COLONY_REFUSED` for an unknown executor. */
export function addFunction(add: NewFunction): Call<ExecutorFunction> {
  const members: JsonObject = {
    executorname: add.executorName,
    ...(add.executorType === undefined ? {} : { executortype: add.executorType }),
    colonyname: add.colony,
    funcname: add.name,
    ...(add.description === undefined ? {} : { description: add.description }),
    ...(add.args === undefined ? {} : { args: add.args }),
  };
  return {
    type: 'addfunctionmsg',
    message: { fun: members },
    purpose: 'registration',
    decode: reader('addfunctionmsg', fun),
    target: add.name,
  };
}

/** The functions of one executor, or of the whole colony for an empty name; empty when there are none. */
export function getFunctions(colony: string, executorName: string): Call<readonly ExecutorFunction[]> {
  return {
    type: 'getfunctionsmsg',
    message: { executorname: executorName, colonyname: colony },
    purpose: 'registration',
    decode: reader('getfunctionsmsg', listOf(fun)),
  };
}

/** `COLONY_NOT_FOUND`. */
export function removeFunction(functionId: string): Call<void> {
  return {
    type: 'removefunctionmsg',
    message: { functionid: functionId },
    purpose: 'registration',
    decode: nothing,
    target: functionId,
  };
}

/** Adds to the executor's own log. `COLONY_FORBIDDEN` for another's. */
export function addExecutorLog(colony: string, executorName: string, message: string): Call<void> {
  return {
    type: 'addexecutorlogmsg',
    message: { colonyname: colony, executorname: executorName, message },
    purpose: 'report',
    decode: nothing,
    target: executorName,
  };
}

/** Log lines of a process or of an executor, oldest first, at most 500. With an executor's name the server ignores the process. */
export function getLogs(
  colony: string,
  query: { processId?: string; executorName?: string; count?: number; sinceNs?: number; latest?: boolean },
): Call<readonly LogLine[]> {
  return {
    type: 'getlogsmsg',
    message: {
      colonyname: colony,
      processid: query.processId ?? '',
      executorname: query.executorName ?? '',
      count: query.count ?? 100,
      since: query.sinceNs ?? 0,
      latest: query.latest ?? false,
    },
    purpose: 'report',
    decode: reader('getlogsmsg', listOf(logLine)),
  };
}
