import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { errorText } from '../base/errors.ts';
import { nodeFileSystem, readIfExists, writeDurably } from '../base/file.ts';
import type { Relay } from './relay.ts';

/** Agents at a time: one, and what is left of the one before. */
const MOST_AGENTS = 4;
const MOST_LINE_BYTES = 1_024;
/** Least time between two lines about the same connection, milliseconds. */
const QUIET_MS = 50;

/** Socket and target in a relay's folder. */
export const controlPath = (folder: string) => join(folder, 's');
const targetPath = (folder: string) => join(folder, 'target.json');

/** The target that the folder holds; undefined when there is none, or it cannot be read. */
export async function savedTarget(folder: string): Promise<string | undefined> {
  try {
    const value: unknown = JSON.parse(
      String((await readIfExists(nodeFileSystem, targetPath(folder))) ?? '{}'),
    );
    return targetOf(value);
  } catch {
    // The agent names it again.
    return undefined;
  }
}

function targetOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('target' in value)) return undefined;
  const { target } = value;
  return typeof target === 'string' && /^[0-9a-f]{12}$/.test(target) ? target : undefined;
}

/**
 * The door for the agent, a unix socket in the shared folder: says the relay's state as a line of JSON now and at each
 * change, and takes `{"target": "<short id>"}`, which is on disk before it counts.
 */
export class Control {
  readonly #folder: string;
  readonly #relay: Relay;
  readonly #agents = new Set<Socket>();
  #server: Server | undefined;
  #telling: NodeJS.Timeout | undefined;

  constructor(folder: string, relay: Relay) {
    this.#folder = folder;
    this.#relay = relay;
  }

  /** Throws the system's error when the socket cannot be made. */
  async listen(): Promise<void> {
    const path = controlPath(this.#folder);
    // Left by the run before.
    await rm(path, { force: true });
    const server = createServer((agent) => this.#meet(agent));
    server.maxConnections = MOST_AGENTS;
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    // The agent has another user; nobody else can enter the folder above.
    await chmod(path, 0o666);
  }

  close(): void {
    this.#server?.close();
    clearTimeout(this.#telling);
    for (const agent of this.#agents) agent.destroy();
  }

  /** The state is another one. */
  tell(): void {
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      for (const agent of this.#agents) this.#tellOne(agent);
    }, QUIET_MS);
  }

  #tellOne(agent: Socket): void {
    agent.write(`${JSON.stringify(this.#relay.state())}\n`);
  }

  #meet(agent: Socket): void {
    this.#agents.add(agent);
    let text = '';
    agent.setEncoding('utf8');
    agent.on('data', (chunk: string) => {
      text += chunk;
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      if (text.length > MOST_LINE_BYTES) agent.destroy();
      for (const line of lines) void this.#obey(agent, line);
    });
    agent.on('error', () => undefined);
    agent.on('close', () => this.#agents.delete(agent));
    this.#tellOne(agent);
  }

  async #obey(agent: Socket, line: string): Promise<void> {
    try {
      const target = targetOf(JSON.parse(line));
      if (target === undefined) throw new Error('target must be the short id of a container');
      const data = Buffer.from(`${JSON.stringify({ target })}\n`);
      await writeDurably(nodeFileSystem, targetPath(this.#folder), data, 0o644);
      this.#relay.target = target;
      for (const each of this.#agents) this.#tellOne(each);
    } catch (error) {
      agent.write(`${JSON.stringify({ error: errorText(error) })}\n`);
    }
  }
}
