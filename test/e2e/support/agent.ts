import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { program } from '../../../build/lib/project.mjs';
import type { AgentEvent, AgentStatus, BlueprintReport, PlanReport } from '../../../src/model/status.ts';
import type { Relay } from './relay.ts';

/** What an agent under test is started with. */
export interface AgentOptions {
  /** Files of the blueprint directory: name to document (written as JSON) or text (written as it is). */
  blueprints?: Readonly<Record<string, unknown>>;
  /** More flags; of a flag given twice the last one counts. */
  flags?: readonly string[];
  /** More environment variables; of the test's own only PATH and the temporary folder are passed on. */
  env?: Readonly<Record<string, string>>;
  /** Default: one of its own, made from the ground's prefix. */
  node?: string;
  /** Words in front of its command, for example those that take it into another network namespace. */
  through?: readonly string[];
  /** Default network of its containers; default: one of its own. */
  network?: string;
}

/** Where an agent lives. */
export interface AgentPlace {
  /** A folder of its own for blueprints, state and socket. */
  dir: string;
  node: string;
  network: string;
  relay: Relay;
}

/** Waiting for a condition of a running agent takes at most this long unless said otherwise, milliseconds. */
const PATIENCE_MS = 30_000;

/** The built program running as `colonies-edge run`, and a door to it. */
export class AgentUnderTest {
  readonly dir: string;
  readonly node: string;
  readonly network: string;
  /** Between this agent and the engine. */
  readonly relay: Relay;
  readonly blueprintDir: string;
  readonly stateDir: string;
  readonly socket: string;
  #options: AgentOptions;
  #child: ChildProcess | undefined;
  #log = '';

  constructor(place: AgentPlace, options: AgentOptions) {
    this.dir = place.dir;
    this.node = place.node;
    this.network = place.network;
    this.relay = place.relay;
    this.blueprintDir = join(place.dir, 'blueprints');
    this.stateDir = join(place.dir, 'state');
    this.socket = join(place.dir, 'agent.sock');
    this.#options = options;
    mkdirSync(this.blueprintDir, { recursive: true });
    for (const [file, document] of Object.entries(options.blueprints ?? {})) this.write(file, document);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Whether the process runs. */
  get alive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Everything it ever logged, over all its runs. */
  get log(): string {
    return this.#log;
  }

  /** Starts the process and waits until its socket answers. */
  async start(): Promise<void> {
    this.launch();
    await this.until(() => true, 'the agent answers on its socket', 15_000);
  }

  /** Starts the process without waiting. */
  launch(): void {
    assert.ok(!this.alive, 'the agent runs already');
    const through = this.#options.through ?? [];
    const [command = '', ...words] = [...through, process.execPath, program, 'run', ...this.flags()];
    const child = spawn(command, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: this.environment(),
    });
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text;
      });
    this.#child = child;
  }

  /** The flags that name this agent's own things; the caller's come last. */
  flags(): string[] {
    return [
      ...['--config', 'none', '--blueprints', this.blueprintDir, '--state-dir', this.stateDir],
      ...['--socket', this.socket, '--node', this.node, '--network', this.network],
      ...['--docker-host', `unix://${this.relay.path}`, ...(this.#options.flags ?? [])],
    ];
  }

  /** The next start has these variables instead of those it was made with. */
  changeEnvironment(env: Readonly<Record<string, string>>): void {
    this.#options = { ...this.#options, env };
  }

  /** Environment of the program: nothing of the machine's own settings reaches it. */
  environment(): Record<string, string> {
    const kept = ['PATH', 'HOME', 'TMPDIR', 'EDGE_TEST_RUN'].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    return { ...Object.fromEntries(kept), ...this.#options.env };
  }

  /** Runs another command of the program to its end, for example `cli('status', '--json', '--socket', agent.socket)`. */
  cli(...args: string[]): Promise<{ code: number | string; stdout: string; stderr: string }> {
    return new Promise((resolve) => {
      const options = { env: this.environment(), timeout: 20_000, killSignal: 'SIGKILL' as const };
      execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : (error.code ?? error.signal ?? -1), stdout, stderr }),
      );
    });
  }

  /** One answer of its socket, `GET path`. Throws when nobody answers. */
  ask(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const call = request({ socketPath: this.socket, path, agent: false, timeout: 5_000 }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
        response.on('error', reject);
      });
      call.on('timeout', () => call.destroy(new Error(`the agent is silent on ${path}`)));
      call.on('error', reject);
      call.end();
    });
  }

  async status(): Promise<AgentStatus> {
    return JSON.parse(await this.ask('/v1/status')) as AgentStatus;
  }

  async plan(): Promise<PlanReport> {
    return JSON.parse(await this.ask('/v1/plan')) as PlanReport;
  }

  /** Events with a number above `after`, oldest first. */
  async events(after = 0): Promise<AgentEvent[]> {
    const text = await this.ask(`/v1/events?after=${after}`);
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as AgentEvent);
  }

  /** Number of the newest event; 0 before the first one. */
  async lastEvent(): Promise<number> {
    return (await this.events()).at(-1)?.seq ?? 0;
  }

  /** Its report of one blueprint; undefined while it does not know it. */
  async blueprint(name: string): Promise<BlueprintReport | undefined> {
    return (await this.status()).blueprints.find((report) => report.name === name);
  }

  /** Asks for the status until the predicate holds, and returns it. Fails at once when the process ends. */
  async until(
    predicate: (status: AgentStatus) => boolean | Promise<boolean>,
    what: string,
    deadlineMs = PATIENCE_MS,
  ): Promise<AgentStatus> {
    const end = performance.now() + deadlineMs;
    let status: AgentStatus | undefined;
    for (;;) {
      const ended = !this.alive;
      status = await this.status().catch(() => undefined);
      if (status !== undefined && (await predicate(status))) return status;
      if (ended) throw new Error(`the agent has ended while waiting until ${what}\n${this.#tail()}`);
      if (performance.now() > end) throw new Error(this.#complaint(what, deadlineMs, status));
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  }

  /** Waits until everything asked for runs and nothing is held, refused or under way. */
  converged(deadlineMs = PATIENCE_MS): Promise<AgentStatus> {
    return this.until(
      (status) => status.converged && status.blueprints.length > 0,
      'everything is as wanted',
      deadlineMs,
    );
  }

  /** Waits until a log line contains the text, and returns that line. */
  async untilLog(text: string, deadlineMs = PATIENCE_MS): Promise<string> {
    const end = performance.now() + deadlineMs;
    for (;;) {
      const line = this.#log.split('\n').find((one) => one.includes(text));
      if (line !== undefined) return line;
      if (performance.now() > end)
        throw new Error(`not logged within ${deadlineMs} ms: ${text}\n${this.#tail()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Puts a file into the blueprint directory: JSON of a document, or a text as it is. */
  write(file: string, document: unknown): string {
    const path = join(this.blueprintDir, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof document === 'string' ? document : `${JSON.stringify(document, null, 2)}\n`);
    return path;
  }

  /** Takes a file out of the blueprint directory. */
  remove(file: string): void {
    rmSync(join(this.blueprintDir, file));
  }

  /** Stops it gracefully, which must end with exit code 0. */
  async stop(): Promise<void> {
    assert.deepEqual(await this.kill('SIGTERM'), { code: 0, signal: null }, this.#tail());
  }

  /** Sends a signal that does not end the process. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Sends a signal and waits for the end of the process. */
  async kill(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    this.#child?.kill(signal);
    return this.ended();
  }

  /** Waits for the end of the process, which is killed after 20 s. */
  async ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const child = this.#child;
    if (child === undefined) return { code: null, signal: null };
    const patience = setTimeout(() => child.kill('SIGKILL'), 20_000);
    if (this.alive) await new Promise((resolve) => child.once('exit', resolve));
    clearTimeout(patience);
    return { code: child.exitCode, signal: child.signalCode };
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Runs at least `count` complete looks more, and returns the changing calls made meanwhile. Needs a short `--resync`. */
  async quiet(count = 2): Promise<readonly string[]> {
    this.relay.reset();
    const before = (await this.status()).counters.ticks;
    await this.until(({ counters }) => counters.ticks > before + count, `${count} looks more are done`);
    return [...this.relay.mutating];
  }

  #complaint(what: string, deadlineMs: number, status: AgentStatus | undefined): string {
    const rows = (status?.blueprints ?? []).filter(({ phase }) => phase !== 'Running');
    const shown = rows.map(({ name, phase, waiting, doing, lastError, refused }) =>
      JSON.stringify({ name, phase, waiting, doing, lastError, refused }),
    );
    const refusals = (status?.refusals ?? []).map((refusal) => JSON.stringify(refusal));
    return `not within ${deadlineMs} ms: ${what}\n${[...shown, ...refusals].join('\n')}\n${this.#tail()}`;
  }

  #tail(): string {
    return `--- end of the agent's log ---\n${this.#log.split('\n').slice(-40).join('\n')}`;
  }
}
