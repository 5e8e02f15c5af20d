import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '../base/clock.ts';
import { EdgeError, errorCode } from '../base/errors.ts';
import { isObject } from './json.ts';

/** A helper that has not answered by then is given up, milliseconds. */
const DEADLINE_MS = 30_000;
/** More than any token. */
const MAX_BYTES = 64 * 1024;

export interface HelperCall {
  env: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  signal?: AbortSignal | undefined;
  deadlineMs?: number;
}

/** The program of a helper's name. */
export function helperProgram(name: string): string {
  return `docker-credential-${name}`;
}

/**
 * Asks `docker-credential-NAME get` (github.com/docker/docker-credential-helpers) without a shell; undefined when it has
 * nothing for this server. It gets the environment without the agent's own variables, and ends with everything it
 * started. Throws `CREDENTIAL_HELPER`, whose text never holds what was answered, or the signal's reason.
 */
export async function askHelper(
  name: string,
  server: string,
  call: HelperCall,
): Promise<{ username: string; secret: string } | undefined> {
  const program = helperProgram(name);
  const { code, output, isCut } = await runHelper(program, `${server}\n`, call);
  if (isCut) throw failed(program, `answered more than ${MAX_BYTES} bytes`);
  if (code !== 0) {
    if (/credentials not found/i.test(output)) return undefined;
    const [line = ''] = output.trim().split('\n');
    // Its words come on standard output; an answer would too.
    const said = line === '' || line.includes('{') ? '' : `: ${line.slice(0, 200)}`;
    throw failed(program, `ended with exit code ${code}${said}`);
  }
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    throw failed(program, 'answered something that is not JSON');
  }
  const { Username: username, Secret: secret } = isObject(answer) ? answer : {};
  if (typeof username !== 'string' || typeof secret !== 'string' || secret === '')
    throw failed(program, 'answered without Username and Secret');
  return { username, secret };
}

function runHelper(
  program: string,
  input: string,
  { env, clock, signal, deadlineMs = DEADLINE_MS }: HelperCall,
): Promise<{ code: number; output: string; isCut: boolean }> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    // A group of its own, so that nothing it starts outlives it.
    const child: ChildProcess = spawn(program, ['get'], {
      env: helperEnvironment(env),
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
      cwd: '/',
    });
    const timer = new AbortController();
    let output = '';
    let isCut = false;
    let code = 1;
    const kill = () => killGroup(child.pid);
    const end = (settle: () => void) => {
      timer.abort();
      signal?.removeEventListener('abort', onAbort);
      kill();
      child.stdout?.destroy();
      settle();
    };
    const onAbort = () => end(() => reject(signal?.reason));
    signal?.addEventListener('abort', onAbort, { once: true });
    clock.sleep(deadlineMs, timer.signal).then(
      () => {
        if (!timer.signal.aborted)
          end(() => reject(failed(program, `has not answered within ${deadlineMs / 1000} s`)));
      },
      () => undefined,
    );
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (output.length + text.length > MAX_BYTES) {
        isCut = true;
        kill();
      } else output += text;
    });
    child.on('error', (error) => {
      const why = errorCode(error) === 'ENOENT' ? 'is not in PATH' : `cannot be run (${errorCode(error)})`;
      end(() => reject(failed(program, why)));
    });
    child.on('exit', (exitCode) => {
      code = exitCode ?? 1;
      kill();
    });
    child.on('close', () => end(() => resolve({ code, output, isCut })));
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}

/** The agent's keys are none of a helper's business; what clouds and Docker tell their programs is. */
function helperEnvironment(env: HelperCall['env']): Record<string, string> {
  const kept = Object.entries(env).flatMap(([name, value]): [string, string][] =>
    value === undefined || name.startsWith('COLONIES_') || name === 'CREDENTIALS_DIRECTORY'
      ? []
      : [[name, value]],
  );
  return Object.fromEntries(kept);
}

function failed(program: string, why: string): EdgeError {
  return new EdgeError(`${program} ${why}`, {
    code: 'CREDENTIAL_HELPER',
    retry: 'transient',
    target: program,
  });
}
