import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EdgeError } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';
import { deriveId } from '../colony/identity.ts';
import type { Config } from '../config/table.ts';
import { readKeyFile } from '../store/key-file.ts';
import type { Io } from './io.ts';

export type KeyRole = 'executor' | 'user' | 'owner';

/** Where a key is to be had. */
export interface KeySource {
  role: KeyRole;
  from: 'environment' | 'credential' | 'file';
  /** Name of the variable, or path of the file. */
  where: string;
}

/** A key that was found and belongs to the curve. */
export interface FoundKey {
  key: Secret;
  /** 64 hexadecimal digits, the identity it stands for. */
  id: string;
  source: KeySource;
  /** Set: others can read its file; one line for people. */
  exposed?: string;
}

const NAMES = {
  executor: { variable: 'COLONIES_PRVKEY', credential: 'executor-key', option: 'keyFile' },
  user: { variable: 'COLONIES_USER_PRVKEY', credential: 'user-key', option: 'userKeyFile' },
  owner: { variable: 'COLONIES_COLONY_PRVKEY', credential: 'owner-key', option: 'ownerKeyFile' },
} as const;

type Files = Pick<Config, 'keyFile' | 'userKeyFile' | 'ownerKeyFile'>;

/**
 * Where the key of a role comes from: the environment, else the systemd credential (systemd.exec(5), LoadCredential=),
 * else the configured file, which need not exist; undefined when there is none of them.
 */
export function keySource(role: KeyRole, config: Files, env: Io['env']): KeySource | undefined {
  const { variable, credential, option } = NAMES[role];
  if (env[variable]?.trim()) return { role, from: 'environment', where: variable };
  const folder = env.CREDENTIALS_DIRECTORY;
  if (folder) {
    const where = join(folder, credential);
    if (existsSync(where)) return { role, from: 'credential', where };
  }
  const where = config[option];
  return where === undefined ? undefined : { role, from: 'file', where };
}

/** The key of a source, read now; undefined when its file does not exist. Throws `KEY_INVALID` or `KEY_UNREADABLE`. */
export async function readKey(source: KeySource, env: Io['env']): Promise<FoundKey | undefined> {
  if (source.from === 'environment') {
    const key = new Secret((env[source.where] ?? '').trim().toLowerCase());
    return { key, id: idOf(key, source.where), source };
  }
  const stored = await readKeyFile(source.where);
  if (stored === undefined) return undefined;
  const found = { key: stored.key, id: idOf(stored.key, source.where), source };
  // A credential's folder lets nobody else in, whatever the file's mode.
  return source.from === 'credential' || stored.exposed === undefined
    ? found
    : { ...found, exposed: stored.exposed };
}

/** The identity of a key; throws `KEY_INVALID` that names where the key stands, and never holds it. */
export function idOf(key: Secret, where: string): string {
  try {
    return deriveId(key.reveal());
  } catch (error) {
    const why = error instanceof EdgeError ? error.message : 'it does not derive';
    throw new EdgeError(`Cannot use the key in ${where}: ${why}`, {
      code: 'KEY_INVALID',
      retry: 'permanent',
      target: where,
    });
  }
}
