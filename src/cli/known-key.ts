import { EdgeError } from '../base/errors.ts';
import { adoptNextKey } from '../store/key-file.ts';
import type { ColonySettings } from './colony-settings.ts';
import type { Io } from './io.ts';
import type { FoundKey } from './key-sources.ts';
import { type Standing, standingOf, withClient } from './registration.ts';

/** What asking the server for a key takes. */
export type KeyIo = Pick<Io, 'clock' | 'env' | 'signal'>;

/**
 * This node's key as it is to be used now: the one in its place, unless a rotation was cut off after the server had
 * taken the next one, which is then put into its place. Asks the server only while a next key waits. Throws what
 * reading keys and asking the server throw.
 */
export async function knownKey(settings: ColonySettings, io: KeyIo): Promise<FoundKey> {
  const next = await settings.keys.next();
  if (next !== undefined && (await standing(settings, next, io)).state !== 'unknown')
    return adoptNext(settings, next);
  return settings.keys.executor();
}

/** How the server knows one key. */
export function standing(settings: ColonySettings, key: FoundKey, io: KeyIo): Promise<Standing> {
  return withClient(settings, key.key, io, (client) =>
    standingOf(client, { ...settings, id: key.id }, io.signal),
  );
}

/** Puts the next key into its place, also when the agent beside us is doing the same. Throws `KEY_UNWRITABLE`. */
export async function adoptNext(settings: ColonySettings, next: FoundKey): Promise<FoundKey> {
  try {
    await adoptNextKey(next.source.where.replace(/\.next$/, ''));
  } catch (error) {
    const now = await settings.keys.executor().catch(() => undefined);
    if (now?.id !== next.id) throw error;
  }
  const adopted = await settings.keys.executor();
  if (adopted.id === next.id) return adopted;
  throw new EdgeError(`The key in ${adopted.source.where} was exchanged by somebody else`, {
    code: 'KEY_CHANGED',
    retry: 'transient',
    target: adopted.source.where,
  });
}
