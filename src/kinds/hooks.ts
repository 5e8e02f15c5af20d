import type { UpdateSpec } from '../model/desired.ts';
import type { HookSpec } from '../model/update.ts';
import type { Fields } from './fields.ts';
import { readDurationMs } from './quantity.ts';

/** A lock nobody takes away must not hold updates for ever. */
const LOCK_TTL_MS = 3_600_000;

const HOOK_TIMEOUT_MS = 30_000;
const LEAST_TIMEOUT_MS = 1_000;
const MOST_TIMEOUT_MS = 3_600_000;

/** Reads `lockFile` and `lockTtl` of `update`. */
export function readLockFile(update: Fields): Pick<UpdateSpec, 'lockFile'> {
  const hint = 'an absolute path in the container, such as /data/busy';
  const path = update.textLike('lockFile', /^\/[^\u0000]*[^/\u0000]$/, hint);
  const ttlMs = readDurationMs(update, 'lockTtl');
  if (update.has('lockTtl') && !update.has('lockFile'))
    update.refuse('lockTtl', 'must be left out without lockFile');
  if (ttlMs !== undefined && ttlMs < 1_000) update.refuse('lockTtl', 'must be at least 1s');
  return path === undefined ? {} : { lockFile: { path, ttlMs: ttlMs ?? LOCK_TTL_MS } };
}

/** Reads `hooks` of `update`. */
export function readHooks(update: Fields): Pick<UpdateSpec, 'hooks'> {
  const hooks = update.object('hooks');
  if (hooks === undefined) return {};
  const beforeUpdate = readHook(hooks, 'beforeUpdate');
  const afterUpdate = readHook(hooks, 'afterUpdate');
  const onRollback = readHook(hooks, 'onRollback');
  hooks.done();
  return {
    hooks: {
      ...(beforeUpdate === undefined ? {} : { beforeUpdate }),
      ...(afterUpdate === undefined ? {} : { afterUpdate }),
      ...(onRollback === undefined ? {} : { onRollback }),
    },
  };
}

function readHook(hooks: Fields, key: string): HookSpec | undefined {
  const hook = hooks.object(key);
  if (hook === undefined) return undefined;
  const exec = hook.texts('exec', 'a command as a list, such as ["sh", "-c", "pg_dump > /backup/before"]');
  const name = 'the name of an executable of the hooks directory, without a path';
  const run = hook.textLike('run', /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/, name);
  const timeoutMs = readDurationMs(hook, 'timeout') ?? HOOK_TIMEOUT_MS;
  if (timeoutMs < LEAST_TIMEOUT_MS || timeoutMs > MOST_TIMEOUT_MS)
    hook.refuse('timeout', 'must be from 1s to 1h');
  if (hook.has('exec') === hook.has('run')) hook.problems.error(hook.path, 'must have either exec or run');
  if (exec !== undefined && (exec[0] ?? '') === '')
    hook.refuse('exec', 'must be a list with a command in it');
  hook.done();
  if (exec !== undefined) return { exec, timeoutMs };
  return run === undefined ? undefined : { run, timeoutMs };
}
