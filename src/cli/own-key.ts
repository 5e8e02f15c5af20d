import { EdgeError } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';
import { newKey } from '../colony/port.ts';
import type { Config } from '../config/table.ts';
import { createKeyFile } from '../store/key-file.ts';
import type { Io } from './io.ts';
import { type FoundKey, keySource, readKey } from './key-sources.ts';

/** This node's key; `made`: just now. */
export type OwnKey = FoundKey & { made: boolean };

/**
 * Reads the executor key from where it is, or makes one in its file when there is none anywhere; an existing one is
 * never touched. Throws `KEY_INVALID`, `KEY_UNREADABLE`, `KEY_UNWRITABLE`.
 */
export async function ownKey(config: Config, env: Io['env']): Promise<OwnKey> {
  const source = keySource('executor', config, env) ?? {
    role: 'executor',
    from: 'file',
    where: config.keyFile,
  };
  const found = await readKey(source, env);
  if (found !== undefined) return { ...found, made: false };
  const fresh = newKey();
  const key = new Secret(fresh.key);
  if (await createKeyFile(source.where, key)) return { key, id: fresh.id, source, made: true };
  // Somebody else was faster.
  const theirs = await readKey(source, env);
  if (theirs !== undefined) return { ...theirs, made: false };
  throw new EdgeError(`The key ${source.where} came and went while it was looked for`, {
    code: 'KEY_UNREADABLE',
    retry: 'transient',
    target: source.where,
  });
}
