import { EdgeError, errorCode } from '../base/errors.ts';
import type { Secret } from '../base/secret.ts';
import { type ColonyClient, createColonyClient } from '../colony/client.ts';
import { type Executor, type ExecutorState, getExecutors } from '../colony/messages-executor.ts';
import { heartbeat } from '../colony/messages-process.ts';
import type { ColonySettings } from './colony-settings.ts';
import type { Io } from './io.ts';
import type { FoundKey } from './key-sources.ts';

/** How the colony knows a key; `unknown`: as no executor. */
export type Standing =
  | { state: ExecutorState; executor: Executor }
  /** `isMember`: the key may look all the same, so it is a user's. */
  | { state: 'unknown'; isMember: boolean; others: readonly Executor[] };

/** A client for the time of `work`. Throws `BAD_PROXY`, `TLS_FILE_UNREADABLE` and what the work throws. */
export async function withClient<T>(
  settings: ColonySettings,
  key: Secret | undefined,
  io: Pick<Io, 'clock' | 'env'>,
  work: (client: ColonyClient) => Promise<T>,
): Promise<T> {
  const { clock, env } = io;
  const client = createColonyClient({
    server: settings.server,
    key,
    tls: await settings.tls(),
    env,
    clock,
    deadlines: { answerMs: 30_000 },
  });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/**
 * What the server says of the client's own key (PROTOCOL.md 5.2: the one call that works in every state). Of several
 * records with the id the approved one counts, then the one of our name.
 */
export async function standingOf(
  client: ColonyClient,
  own: { colony: string; id: string; executorName: string },
  signal: AbortSignal,
): Promise<Standing> {
  let all: readonly Executor[];
  try {
    all = await client.send(getExecutors(own.colony), signal);
  } catch (error) {
    if (errorCode(error) !== 'COLONY_FORBIDDEN') throw error;
    return { state: 'unknown', isMember: false, others: [] };
  }
  const mine = all.filter((executor) => executor.executorid === own.id);
  const executor =
    mine.find(({ state }) => state === 'approved') ??
    mine.find(({ executorname }) => executorname === own.executorName) ??
    mine[0];
  if (executor === undefined) return { state: 'unknown', isMember: true, others: all };
  return { state: executor.state, executor };
}

/**
 * Lets the server hear from us without taking work, so that an approval lasts (PROTOCOL.md 5.3: else the next sweep
 * takes a revived one back); false when it does not let us.
 */
export async function beHeard(client: ColonyClient, colony: string, signal: AbortSignal): Promise<boolean> {
  try {
    await client.send(heartbeat(colony), signal);
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'COLONY_NO_PROCESS' || code === 'COLONY_PAUSED') return true;
    if (code === 'COLONY_FORBIDDEN') return false;
    throw error;
  }
}

/**
 * Refuses what would confuse the server for good: one key under two names (PROTOCOL.md 5.2), or a user's key as an
 * executor's. Throws `REGISTERED_ELSE` or `KEY_ROLE`.
 */
export function checkKey(settings: ColonySettings, own: FoundKey, standing: Standing): void {
  const { where } = own.source;
  if (standing.state === 'unknown') {
    if (!standing.isMember) return;
    const text = `The key in ${where} is a user's of colony ${settings.colony}: an executor needs one of its own`;
    throw new EdgeError(text, { code: 'KEY_ROLE', retry: 'permanent', target: where });
  }
  const { executorname } = standing.executor;
  if (executorname === settings.executorName) return;
  throw new EdgeError(
    `This node's key (${own.id}) is registered as ${JSON.stringify(executorname)}, not as ` +
      `${JSON.stringify(settings.executorName)}: set --executor-name ${executorname}, or move ${where} away to get ` +
      'a new key',
    { code: 'REGISTERED_ELSE', retry: 'permanent', target: executorname },
  );
}

/** Where the record says something else than the settings; only a new registration could change it. */
export function differences(settings: ColonySettings, standing: Standing): readonly string[] {
  if (standing.state === 'unknown') return [];
  const { locationname, executortype } = standing.executor;
  const notes: string[] = [];
  if (executortype !== settings.executorType)
    notes.push(`the colony has it as type ${executortype}, the settings say ${settings.executorType}`);
  if (locationname !== settings.location)
    notes.push(
      `the colony has it at location ${locationname || '(none)'}, the settings say ${settings.location}: ` +
        'work is handed out by the former',
    );
  return notes;
}
