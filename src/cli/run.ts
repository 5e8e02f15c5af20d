import { buildInfo } from '../base/build-info.ts';
import { errorCode, errorText } from '../base/errors.ts';
import { HeapKeeper } from '../base/heap.ts';
import type { Logger } from '../base/log.ts';
import { createEpisodes, createLogger } from '../base/log-writer.ts';
import type { Config } from '../config/table.ts';
import { type LocalServer, startLocalServer } from '../local/server.ts';
import type { AgentView } from '../model/status.ts';
import { createAgent } from '../reconcile/agent.ts';
import type { Call } from './call.ts';
import { EXIT, type Io, painterFor } from './io.ts';
import { openRooms, settingsOf } from './rooms.ts';

/** How often a local socket that cannot be made is tried again. */
const SOCKET_RETRY_MS = 30_000;

/** `colonies-edge run`: until SIGTERM or SIGINT, then 0. Refuses a state directory or a socket that is in use. */
export async function run(call: Call): Promise<number> {
  const config = await call.config();
  const { io } = call;
  const log = loggerFor(config, io, call.json);
  const { version, commit } = buildInfo;
  log.info('agent starts', {
    version,
    commit,
    node: config.node,
    location: config.location,
    blueprints: config.blueprints ?? 'none',
    server: config.server ?? 'none',
    engine: config.dockerHost,
    stateDir: config.stateDir,
    pid: process.pid,
  });
  const rooms = await openRooms(config, { io, log, access: 'own' });
  try {
    const heap = new HeapKeeper(io.clock);
    const settings = settingsOf(config, version);
    const agent = createAgent({ ...rooms.parts, log, settings, onQuiet: () => heap.tidy() });
    // On a terminal a hang-up means that it was closed, and ends the agent as it ends everything else there.
    if (!io.err.isTTY) io.onHangup(() => agent.refresh());
    const socket = new LocalSocket(config.socket, agent, log, io);
    await socket.open();
    try {
      await agent.run(io.signal);
    } finally {
      await socket.close();
    }
  } finally {
    await rooms.close();
  }
  return EXIT.ok;
}

function loggerFor(config: Config, io: Io, json: boolean): Logger {
  const auto = json || !io.err.isTTY ? 'json' : 'text';
  const colourful = painterFor(io.err, io.env)('red', 'x') !== 'x';
  return createLogger({
    level: config.logLevel,
    format: config.logFormat === 'auto' ? auto : config.logFormat,
    colour: colourful,
    priority: io.errIsJournal,
    clock: io.clock,
    write: (line) => io.err.write(line),
  });
}

/** The agent's own interface. Containers matter more: when it cannot be made the agent runs without, and tries again. */
class LocalSocket {
  readonly #path: string;
  readonly #view: AgentView;
  readonly #log: Logger;
  readonly #io: Io;
  readonly #stop = new AbortController();
  #server: LocalServer | undefined;
  #retrying: Promise<void> = Promise.resolve();

  constructor(path: string, view: AgentView, log: Logger, io: Io) {
    this.#path = path;
    this.#view = view;
    this.#log = log;
    this.#io = io;
  }

  /** Throws only `SOCKET_IN_USE`: then another agent looks after this machine already. */
  async open(): Promise<void> {
    try {
      this.#server = await this.#start();
    } catch (error) {
      if (errorCode(error) === 'SOCKET_IN_USE') throw error;
      this.#retrying = this.#retry(error);
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#retrying;
    await this.#server?.close();
  }

  #start(): Promise<LocalServer> {
    return startLocalServer({ path: this.#path, view: this.#view, log: this.#log });
  }

  async #retry(first: unknown): Promise<void> {
    const episodes = createEpisodes(this.#log, this.#io.clock);
    let failure = first;
    while (!this.#stop.signal.aborted) {
      episodes.failing('socket', 'local socket cannot be made', {
        code: errorCode(failure),
        error: errorText(failure),
      });
      await this.#io.clock.sleep(SOCKET_RETRY_MS, this.#stop.signal).catch(() => undefined);
      if (this.#stop.signal.aborted) return;
      try {
        this.#server = await this.#start();
        episodes.working('socket', 'local socket is there');
        return;
      } catch (error) {
        failure = error;
      }
    }
  }
}
