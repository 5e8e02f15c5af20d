import { EdgeError, errorCode } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';
import { printable } from '../base/text.ts';
import { changeExecutorId } from '../colony/messages-executor.ts';
import { closeSuccessful, getProcessHistory, type Process } from '../colony/messages-process.ts';
import { newKey } from '../colony/port.ts';
import { createKeyFile, dropNextKey, nextKeyPath } from '../store/key-file.ts';
import type { Call } from './call.ts';
import { type ColonySettings, requireColony } from './colony-settings.ts';
import { EXIT, type Io, writeJson } from './io.ts';
import type { FoundKey } from './key-sources.ts';
import { adoptNext, standing } from './known-key.ts';
import { beHeard, checkKey, withClient } from './registration.ts';

/** As long as anything lives. */
const EVER_S = 10 * 365 * 86_400;
/** What the agent is at work on is closed within seconds; then the moment has come. */
const QUIET_MS = 30_000;

/**
 * `colonies-edge rotate-key`: a new key for this node under its old name, also while the agent runs, which takes the
 * new one up when the old one is refused. The next key waits in a file beside the old one until the server has taken
 * it, so that whatever is cut off is carried on by the next call or by the agent.
 */
export async function rotateKey(call: Call): Promise<number> {
  const { io } = call;
  const settings = requireColony(await call.config(), io.env);
  const before = await settings.keys.executor();
  if (before.source.from !== 'file') throw notOurs(before);
  const file = before.source.where;
  const waiting = await settings.keys.next();
  if (waiting !== undefined && (await standing(settings, waiting, io)).state !== 'unknown')
    return end(call, before, await adoptNext(settings, waiting), [
      'an earlier rotation was carried to its end',
    ]);
  const now = await standing(settings, before, io);
  checkKey(settings, before, now);
  if (now.state === 'unknown') throw unknownKey(settings, before);
  if (now.state === 'approved') await untilQuiet(settings, before, io);
  if (waiting === undefined) await createKeyFile(nextKeyPath(file), new Secret(newKey().key));
  const next = await settings.keys.next();
  if (next === undefined) throw unknownKey(settings, before);
  await exchange(settings, before, next, io);
  const after = await adoptNext(settings, next);
  return end(call, before, after, await leftBehind(settings, before, after, io));
}

/** Tells the server; what counts is whom it knows afterwards, as the answer may get lost. */
async function exchange(settings: ColonySettings, before: FoundKey, next: FoundKey, io: Io): Promise<void> {
  const { signal } = io;
  let failure: unknown;
  try {
    await withClient(settings, before.key, io, (client) =>
      client.send(changeExecutorId(settings.colony, next.id), signal),
    );
  } catch (error) {
    failure = error;
  }
  if ((await standing(settings, next, io)).state !== 'unknown') return;
  // Refused for good: nothing is under way that a next key would be needed for.
  if (failure instanceof EdgeError && failure.retry === 'permanent') await dropNextKey(before.source.where);
  throw failure ?? unknownKey(settings, next);
}

/**
 * A process held under the old id could be closed by nobody afterwards, and would stop its schedule for ever. The
 * schedule's own, which the agent holds back on purpose, are closed from here.
 */
async function untilQuiet(settings: ColonySettings, own: FoundKey, io: Io): Promise<void> {
  const endMs = io.clock.monoMs() + QUIET_MS;
  for (;;) {
    const held: string[] = [];
    for (const process of await heldBy(settings, own, own, io))
      if (isSchedules(process)) await closeFor(settings, own, process, io);
      else held.push(process.processid);
    if (held.length === 0) return;
    if (io.clock.monoMs() >= endMs)
      throw new EdgeError(
        `This node is at work on ${held.length} process(es), which nobody could close under another key ` +
          `(${held.join(', ')}): try again later, or stop the agent first`,
        { code: 'KEY_BUSY', retry: 'transient' },
      );
    await io.clock.sleep(1000, io.signal);
  }
}

/** Made by the server's schedule for all blueprints of a kind: nothing is done for it that could be cut off. */
function isSchedules({ processgraphid, spec }: Process): boolean {
  return processgraphid !== '' && spec.funcname === 'reconcile' && !spec.kwargs.blueprintName;
}

async function closeFor(settings: ColonySettings, own: FoundKey, { processid }: Process, io: Io) {
  try {
    await withClient(settings, own.key, io, (client) =>
      client.send(closeSuccessful(processid, ['closed for a change of key']), io.signal),
    );
  } catch (error) {
    // The agent was faster.
    if (!['COLONY_NOT_OURS', 'COLONY_CLOSED'].includes(errorCode(error) ?? '')) throw error;
  }
}

/** Running processes of an identity. */
function heldBy(
  settings: ColonySettings,
  whose: FoundKey,
  as: FoundKey,
  io: Io,
): Promise<readonly Process[]> {
  const query = { executorId: whose.id, seconds: EVER_S, state: 'running' } as const;
  return withClient(settings, as.key, io, (client) =>
    client.send(getProcessHistory(settings.colony, query), io.signal),
  );
}

/** Makes the approval last, and looks for what was handed out in the moment of the exchange. */
async function leftBehind(settings: ColonySettings, before: FoundKey, after: FoundKey, io: Io) {
  try {
    const isHeard = await withClient(settings, after.key, io, (client) =>
      beHeard(client, settings.colony, io.signal),
    );
    if (!isHeard) return [];
    const held = await heldBy(settings, before, after, io);
    return held.map(
      ({ processid }) =>
        `process ${processid} was handed out to the old key meanwhile, and must be removed: it cannot be closed`,
    );
  } catch (error) {
    return [
      `the key is exchanged; whether a process was left behind could not be seen (${errorCode(error)})`,
    ];
  }
}

function end(call: Call, before: FoundKey, after: FoundKey, notes: readonly string[]): number {
  const { out } = call.io;
  if (call.json) writeJson(out, { id: after.id, before: before.id, key: after.source, notes });
  else {
    out.write(`before  ${before.id}\nid      ${after.id}\nkey     ${printable(after.source.where)}\n`);
    for (const note of notes) out.write(`note    ${printable(note)}\n`);
  }
  return EXIT.ok;
}

function notOurs(key: FoundKey): EdgeError {
  const { where, from } = key.source;
  return new EdgeError(
    `The key comes from ${from === 'environment' ? where : `the credential ${where}`}, which cannot be written from here: ` +
      'put a new key there, and let the server know its id with changeexecutoridmsg (colonies executor chid)',
    { code: 'KEY_NOT_OURS', retry: 'permanent', target: where },
  );
}

function unknownKey(settings: ColonySettings, key: FoundKey): EdgeError {
  const text = `Colony ${settings.colony} at ${settings.server} does not know this node's key (${key.id}): run colonies-edge register`;
  return new EdgeError(text, { code: 'KEY_UNKNOWN', retry: 'permanent', target: key.source.where });
}
