import { EdgeError, errorCode } from '../base/errors.ts';
import type { ColonyClient } from '../colony/client.ts';
import { addExecutor, approveExecutor } from '../colony/messages-executor.ts';
import type { ColonySettings } from './colony-settings.ts';
import type { Io } from './io.ts';
import type { FoundKey } from './key-sources.ts';
import type { Outcome } from './register-wait.ts';
import { beHeard, checkKey, differences, standingOf, withClient } from './registration.ts';

/**
 * Adds and approves this node with the owner's key, or approves only when it is known already: a name that ever
 * existed is not added twice. Throws `NAME_TAKEN`, `OWNER_KEY_WRONG`, `REGISTERED_ELSE` and what the link does.
 */
export async function registerAsOwner(
  settings: ColonySettings,
  own: FoundKey,
  owner: FoundKey,
  io: Io,
): Promise<Outcome> {
  return withClient(settings, own.key, io, async (client) => {
    const { signal } = io;
    const self = { ...settings, id: own.id };
    const before = await standingOf(client, self, signal);
    checkKey(settings, own, before);
    if (before.state === 'approved') return { state: 'approved', notes: differences(settings, before) };
    await withClient(settings, owner.key, io, async (asOwner) => {
      if (before.state === 'unknown') {
        await checkTaken(settings, own, io);
        await add(asOwner, settings, own, signal);
      }
      await approve(asOwner, settings, signal);
    });
    // At once: an approval of one that was long silent lasts until the next sweep only.
    await beHeard(client, settings.colony, signal);
    const after = await standingOf(client, self, signal);
    return { state: after.state, notes: differences(settings, after) };
  });
}

async function add(asOwner: ColonyClient, settings: ColonySettings, own: FoundKey, signal: AbortSignal) {
  const { executorName: name, executorType: type, colony, location } = settings;
  try {
    await asOwner.send(addExecutor({ id: own.id, type, name, colony, location }), signal);
  } catch (error) {
    if (errorCode(error) === 'COLONY_CONFLICT') throw taken(settings, own, error);
    throw ownerError(settings, error);
  }
}

async function approve(asOwner: ColonyClient, settings: ColonySettings, signal: AbortSignal) {
  try {
    await asOwner.send(approveExecutor(settings.colony, settings.executorName), signal);
  } catch (error) {
    throw ownerError(settings, error);
  }
}

/** A server that allows registering again would hand the name of a living node over to us. Only a member can look. */
async function checkTaken(settings: ColonySettings, own: FoundKey, io: Io): Promise<void> {
  const user = await settings.keys.user();
  if (user === undefined) return;
  const view = await withClient(settings, user.key, io, (client) =>
    standingOf(client, { ...settings, id: user.id }, io.signal),
  );
  if (view.state !== 'unknown') return;
  const rival = view.others.find(
    ({ executorname, state }) => executorname === settings.executorName && state === 'approved',
  );
  if (rival !== undefined) throw taken(settings, own);
}

function taken(settings: ColonySettings, own: FoundKey, cause?: unknown): EdgeError {
  const name = JSON.stringify(settings.executorName);
  return new EdgeError(
    `The name ${name} is or was another executor's in colony ${settings.colony}, with another key than this node's ` +
      `(${own.id}). Ways out: choose another name (--executor-name); put the key it was registered with into ` +
      `${own.source.where}; or, where the server allows registering again (COLONIES_ALLOW_EXECUTOR_REREGISTER), let ` +
      `the owner remove it first: colonies executor remove --name ${settings.executorName}`,
    { code: 'NAME_TAKEN', retry: 'permanent', target: settings.executorName, cause },
  );
}

function ownerError(settings: ColonySettings, cause: unknown): unknown {
  if (errorCode(cause) !== 'COLONY_FORBIDDEN') return cause;
  const text = `The owner's key given is not that of colony ${settings.colony} at ${settings.server}`;
  return new EdgeError(text, { code: 'OWNER_KEY_WRONG', retry: 'permanent', cause });
}
