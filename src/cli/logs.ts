import { parseDurationMs } from '../base/duration.ts';
import { EdgeError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { pad, printable } from '../base/text.ts';
import { createDockerEngine, type DockerEngine } from '../docker/engine.ts';
import { LABEL } from '../model/container.ts';
import type { ObservedContainer } from '../model/observed.ts';
import type { Call } from './call.ts';
import { EXIT, painterFor, usageError } from './io.ts';

/** `colonies-edge logs NAME [-f] [--tail N] [--since TIME]`: lines of all containers of a blueprint, as they come. */
export async function logs(call: Call): Promise<number> {
  const tail = tailOf(call.value('tail'));
  const sinceS = sinceOf(call.value('since'), call.io.clock.now());
  const config = await call.config();
  const { clock, random, signal } = call.io;
  const engine = createDockerEngine({ endpoint: config.dockerHost, clock, random, log: silentLogger });
  try {
    const containers = await find(engine, call.args[0] ?? '', signal);
    const width = Math.max(...containers.map(({ name }) => name.length));
    const follow = call.has('follow');
    const read = async (container: ObservedContainer) => {
      const options = { follow, tail, signal, ...(sinceS === undefined ? {} : { sinceS }) };
      for await (const line of engine.logs(container.id, options)) write(call, container.name, width, line);
    };
    // Followed together; otherwise one after the other, so that the lines of one stay together.
    if (follow) await Promise.all(containers.map(read));
    else for (const container of containers) await read(container);
    return EXIT.ok;
  } finally {
    await engine.close();
  }
}

function write(call: Call, name: string, width: number, entry: { stream: string; line: string }): void {
  const { out, env } = call.io;
  if (call.json) out.write(`${JSON.stringify({ container: name, ...entry })}\n`);
  // Piped output is for programs and keeps what the container wrote; a terminal must not be redrawn by it.
  else if (!out.isTTY) out.write(`${pad(name, width)} | ${entry.line}\n`);
  else out.write(`${painterFor(out, env)('dim', `${pad(name, width)} |`)} ${printable(entry.line)}\n`);
}

/** Containers of the blueprint of this name, else the managed container or the instance of this name. */
async function find(engine: DockerEngine, name: string, signal: AbortSignal): Promise<ObservedContainer[]> {
  const managed = await engine.findContainers({ [LABEL.managed]: 'true' }, signal);
  const byLabel = (key: string) => managed.filter(({ labels }) => labels[key] === name);
  const found = [
    byLabel(LABEL.deployment),
    managed.filter((container) => container.name === name),
    byLabel(LABEL.instance),
  ].find((list) => list.length > 0);
  if (found !== undefined) return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  throw new EdgeError(`no container here belongs to ${JSON.stringify(name)}; see colonies-edge status`, {
    code: 'NO_SUCH_BLUEPRINT',
    retry: 'permanent',
    target: name,
  });
}

function tailOf(text: string | undefined): number {
  if (text === undefined) return 100;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw usageError([`--tail must be a whole number, got ${JSON.stringify(text)}`], 'logs');
}

/** Seconds since 1970 of an RFC 3339 time, or of a duration before now. */
function sinceOf(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const agoMs = parseDurationMs(text);
  const atMs = agoMs === undefined ? Date.parse(text) : nowMs - agoMs;
  if (!Number.isNaN(atMs)) return Math.floor(atMs / 1000);
  throw usageError(
    [
      `--since must be a time such as 2026-01-02T03:04:05Z or a duration such as 10m, got ${JSON.stringify(text)}`,
    ],
    'logs',
  );
}
