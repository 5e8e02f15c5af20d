import { spawn } from 'node:child_process';
import { userInfo } from 'node:os';
import { basename } from 'node:path';
import { parseDurationMs } from '../base/duration.ts';
import { errorCode, errorText } from '../base/errors.ts';
import { printable } from '../base/text.ts';
import { type AgentClient, createAgentClient, type HeldLock } from '../local/client.ts';
import type { LockCommand } from '../model/update.ts';
import type { Call } from './call.ts';
import { EXIT, usageError, writeJson } from './io.ts';

const DEFAULT_TTL_MS = 3_600_000;
const MOST_TTL_MS = 30 * 24 * 3_600_000;

/** How often a lock is taken again while the agent is away, milliseconds. */
const AGAIN_MS = 1_000;

/** Exit codes of shells: a command that is not there, and the base of an end by a signal. */
const NOT_FOUND = 127;
const BY_SIGNAL = 128;

/** Numbers of the signals that end commands. */
const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGTERM: 15,
};

type LockRequest = LockCommand & { command: 'lock' };

/** `colonies-edge lock NAME [--ttl D] [--reason TEXT] [-- COMMAND ...]`: with a command for as long as that runs. */
export async function lock(call: Call): Promise<number> {
  const [name = '', ...command] = call.args;
  const ttlMs = ttlOf(call.value('ttl'));
  const config = await call.config();
  const client = createAgentClient(config.socket);
  const reason = call.value('reason') ?? '';
  const user = userName(call.io.env);
  if (command.length > 0) {
    const owner = `${user} (${basename(command[0] ?? '')}, pid ${process.pid})`;
    const ttl = ttlMs === undefined ? {} : { ttlMs };
    return hold(call, client, { command: 'lock', name, owner, reason, isHeld: true, ...ttl }, command);
  }
  return tell(call, client, { command: 'lock', name, owner: user, reason, ttlMs: ttlMs ?? DEFAULT_TTL_MS });
}

/** `colonies-edge unlock NAME`: ends the locks of operators on it, whoever made them. */
export async function unlock(call: Call): Promise<number> {
  const config = await call.config();
  const [name = ''] = call.args;
  return tell(call, createAgentClient(config.socket), { command: 'unlock', name });
}

async function tell(call: Call, client: AgentClient, command: LockCommand): Promise<number> {
  const { out, err, signal } = call.io;
  const answer = await client.commandLock(command, { signal });
  if (call.json) writeJson(out, answer);
  else (answer.ok ? out : err).write(`${printable(answer.text)}\n`);
  return answer.ok ? EXIT.ok : EXIT.failed;
}

function ttlOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms >= 1_000 && ms <= MOST_TTL_MS) return Math.round(ms);
  throw usageError(
    [`--ttl must be a duration from 1s to 720h such as 10m, got ${JSON.stringify(text)}`],
    'lock',
  );
}

/** Who asks, as far as the machine can tell. */
function userName(env: Call['io']['env']): string {
  try {
    const { username } = userInfo();
    return env.SUDO_USER === undefined || env.SUDO_USER === username
      ? username
      : `${env.SUDO_USER} as ${username}`;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** Holds the lock by a connection while the command runs. Its exit code is the command's. */
async function hold(
  call: Call,
  client: AgentClient,
  request: LockRequest,
  command: readonly string[],
): Promise<number> {
  const { io } = call;
  // The connection outlasts an interrupt: the command may still have to clean up.
  const over = new AbortController();
  const held = await client.holdLock(request, { signal: io.signal });
  if (!held.answer.ok) {
    held.close();
    io.err.write(`${printable(held.answer.text)}\n`);
    return EXIT.failed;
  }
  const keeping = keep(call, client, { request, held, over: over.signal });
  try {
    return await runCommand(call, command);
  } finally {
    over.abort();
    await keeping;
  }
}

/** Takes the lock again, under its id, whenever the agent has gone and come back. */
async function keep(
  { io }: Call,
  client: AgentClient,
  { request, held: first, over }: { request: LockRequest; held: HeldLock; over: AbortSignal },
): Promise<void> {
  const { id } = first.answer;
  let held: HeldLock | undefined = first;
  over.addEventListener('abort', () => held?.close(), { once: true });
  while (!over.aborted) {
    await held?.ended;
    held = undefined;
    if (over.aborted) return;
    await io.clock.sleep(AGAIN_MS, over).catch(() => undefined);
    if (over.aborted) return;
    held = await client
      .holdLock({ ...request, ...(id === undefined ? {} : { id }) }, { signal: over })
      .catch(() => undefined);
    if (held?.answer.ok === false) {
      held.close();
      held = undefined;
    }
  }
}

function runCommand({ io }: Call, [program = '', ...args]: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'inherit' });
    const onAbort = () => child.kill('SIGTERM');
    io.signal.addEventListener('abort', onAbort, { once: true });
    if (io.signal.aborted) onAbort();
    child.on('error', (error) => {
      io.err.write(`${program} cannot be run: ${errorText(error)}\n`);
      resolve(errorCode(error) === 'ENOENT' ? NOT_FOUND : NOT_FOUND - 1);
    });
    child.on('exit', (code, signal) => resolve(code ?? BY_SIGNAL + (SIGNALS[signal ?? ''] ?? 0)));
  });
}
