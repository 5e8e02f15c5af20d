import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import type { HookRunner } from '../model/ports.ts';
import type { HookResult } from '../model/update.ts';

/** The end of its output that is kept, bytes. */
const TAIL_BYTES = 4_096;

/** A process group that is to end has this long until it is killed, milliseconds. */
const GRACE_MS = 2_000;

/** What it wrote just before its end may still be on its way, milliseconds. */
const OUTPUT_MS = 200;

/** What a program finds when nobody says where. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Runs executables of one directory, as `HookRunner` promises; `directory` undefined: there are none. */
export function createHookRunner(directory: string | undefined, clock: Clock): HookRunner {
  return {
    async run(name, { env, timeoutMs }, signal) {
      if (directory === undefined) throw refused('hooks are switched off by --hooks-dir none', name);
      const path = await checked(directory, name);
      return runGroup(path, { env: { PATH, ...env }, cwd: directory, timeoutMs, clock }, signal);
    },
  };
}

/** The path of an executable that only root and the agent's own user can have put there. */
async function checked(directory: string, name: string): Promise<string> {
  if (name.includes('/') || name === '' || name === '.' || name === '..')
    throw refused(`${JSON.stringify(name)} is not the name of an executable of ${directory}`, name);
  const path = join(directory, name);
  for (const place of [directory, path]) {
    const found = await stat(place).catch((error: unknown) => {
      const why = errorCode(error) === 'ENOENT' ? 'is not there' : `cannot be read: ${errorText(error)}`;
      throw refused(`${place} ${why}`, place);
    });
    const isOwn = found.uid === 0 || found.uid === process.getuid?.();
    if (!isOwn)
      throw refused(`${place} belongs to user ${found.uid}: it must be root's or the agent's`, place);
    if ((found.mode & 0o022) !== 0)
      throw refused(`${place} can be changed by others: chmod go-w ${place}`, place);
    if (place === path && (!found.isFile() || (found.mode & 0o111) === 0))
      throw refused(`${place} is not executable: chmod +x ${place}`, place);
  }
  return path;
}

function refused(message: string, target: string): EdgeError {
  return new EdgeError(message, { code: 'HOOK_REFUSED', retry: 'transient', target });
}

interface Run {
  env: Readonly<Record<string, string>>;
  cwd: string;
  timeoutMs: number;
  clock: Clock;
}

/** Without a shell, in a process group of its own, which goes when its time is over or the caller gives up. */
function runGroup(
  path: string,
  { env, cwd, timeoutMs, clock }: Run,
  signal: AbortSignal,
): Promise<HookResult> {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    let isLate = false;
    let tail = Buffer.alloc(0);
    const child = spawn(path, [], { env, cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        const all = Buffer.concat([tail, chunk]);
        tail = Buffer.from(all.subarray(Math.max(0, all.length - TAIL_BYTES)));
      });
    const end = () => {
      endGroup(child.pid, 'SIGTERM');
      clock.sleep(GRACE_MS, over.signal).then(
        () => endGroup(child.pid, 'SIGKILL'),
        () => undefined,
      );
    };
    const onAbort = () => {
      end();
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    clock.sleep(timeoutMs, over.signal).then(
      () => {
        isLate = true;
        end();
      },
      () => undefined,
    );
    const finish = () => {
      signal.removeEventListener('abort', onAbort);
      // Those it has left behind, too.
      endGroup(child.pid, 'SIGKILL');
      over.abort();
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
    };
    child.on('error', (error) => {
      finish();
      reject(refused(`${path} cannot be run: ${errorText(error)}`, path));
    });
    child.on('exit', (code) => {
      const settle = () => {
        finish();
        const output = tail.toString('utf8');
        resolve(isLate ? { output } : { exitCode: code ?? KILLED, output });
      };
      // Somebody it has started may keep the output open for ever.
      const closed = new Promise<void>((done) => child.on('close', () => done()));
      Promise.race([closed, clock.sleep(OUTPUT_MS, over.signal).catch(() => undefined)]).then(settle);
    });
  });
}

/** Exit code for an end by a signal, as shells have it for SIGKILL. */
const KILLED = 137;

function endGroup(pid: number | undefined, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // nobody is left in it
  }
}
