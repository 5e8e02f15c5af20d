import type { Clock } from '../base/clock.ts';
import { errorCode } from '../base/errors.ts';
import type { HookCommand } from '../model/ports.ts';
import type { HookResult } from '../model/update.ts';
import type { Deadlines } from './deadlines.ts';
import { engineError } from './errors.ts';
import { booleanAt, numberAt, textAt } from './json.ts';
import { frames } from './logs.ts';
import type { Transport } from './transport.ts';

/** The end of its output that is kept, bytes. */
const TAIL_BYTES = 4_096;

/** The output ends a moment before the engine knows how the command ended. */
const ASK_AGAIN_MS = 50;
const MOST_ASKED = 40;

/**
 * Runs a command in a running container and waits for its end (Docker Engine API v1.52: `POST /containers/{id}/exec`,
 * `POST /exec/{id}/start`, `GET /exec/{id}/json`). No exit code: it did not end in time, and goes on.
 */
export async function execIn(
  parts: { transport: Transport; api: string; deadlines: Deadlines; clock: Clock },
  id: string,
  { command, env, timeoutMs }: HookCommand,
  signal: AbortSignal,
): Promise<HookResult> {
  const { transport, api, deadlines } = parts;
  const about = { subject: 'container', target: id, signal, deadlineMs: deadlines.changeMs } as const;
  const made = await transport.send({
    method: 'POST',
    path: `/v${api}/containers/${id}/exec`,
    body: {
      AttachStdout: true,
      AttachStderr: true,
      Cmd: command,
      Env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
    },
    ...about,
  });
  const exec = textAt(made.json, 'Id');
  if (exec === '') throw engineError('ENGINE_PROTOCOL', 'the engine made an exec without saying its id', id);
  const tail = new Tail();
  try {
    const stream = await transport.open(
      {
        method: 'POST',
        path: `/v${api}/exec/${exec}/start`,
        body: { Detach: false, Tty: false },
        ...about,
      },
      () => engineError('CANCELLED', TOO_LATE, id),
    );
    stream.deadline.extend(timeoutMs);
    for await (const { bytes } of frames(stream.chunks)) tail.add(bytes);
  } catch (error) {
    const isLate = !signal.aborted && errorCode(error) === 'CANCELLED';
    if (isLate) return { output: tail.text };
    throw error;
  }
  return { ...(await exitOf(parts, exec, id, signal)), output: tail.text };
}

const TOO_LATE = 'the command did not end in time';

async function exitOf(
  { transport, api, deadlines, clock }: Parameters<typeof execIn>[0],
  exec: string,
  id: string,
  signal: AbortSignal,
): Promise<{ exitCode?: number }> {
  const about = { subject: 'container', target: id, signal, deadlineMs: deadlines.inspectMs } as const;
  for (let asked = 0; asked < MOST_ASKED; asked += 1) {
    const { json } = await transport.send({ method: 'GET', path: `/v${api}/exec/${exec}/json`, ...about });
    if (!booleanAt(json, 'Running')) return { exitCode: numberAt(json, 'ExitCode') };
    await clock.sleep(ASK_AGAIN_MS, signal);
  }
  // It has closed its output and goes on.
  return {};
}

/** The last bytes of a stream. */
class Tail {
  #bytes = Buffer.alloc(0);

  add(bytes: Uint8Array): void {
    const all = Buffer.concat([this.#bytes, bytes]);
    this.#bytes = Buffer.from(all.subarray(Math.max(0, all.length - TAIL_BYTES)));
  }

  get text(): string {
    return this.#bytes.toString('utf8');
  }
}
