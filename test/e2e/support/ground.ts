import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineSocket } from '../../../build/lib/engine.mjs';
import { makeTinyImage } from '../../../build/tiny-image.mjs';
import { eventually, sweep, uniquePrefix } from '../../fakes/engine-fixture.ts';
import { type AgentOptions, AgentUnderTest } from './agent.ts';
import { TestEngine } from './engine.ts';
import { type ImageConfig, loadImage, type Platform } from './image.ts';
import { Relay } from './relay.ts';

/** What a tiny image does when nothing else is said: it waits, and ends at once on SIGTERM. */
export const WAIT = ['sh', '-c', "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"];

/** `CMD` line of an image that waits. */
export const WAIT_CMD = `CMD ${JSON.stringify(WAIT)}`;

/** Brings everything an image can bring; its config as an image file has it (OCI image spec, `config`). */
const RICH: ImageConfig = {
  Env: ['PATH=/bin', 'IMAGE_OWN=from-image', 'SHARED=from-image'],
  Labels: { 'image.own': 'from-image', shared: 'from-image' },
  Volumes: { '/data': {} },
  ExposedPorts: { '8080/tcp': {}, '9090/udp': {} },
  User: 'app',
  WorkingDir: '/home',
  StopSignal: 'SIGTERM',
  Entrypoint: ['sh', '-c'],
  Cmd: [WAIT[2] ?? ''],
  Healthcheck: { Test: ['CMD', 'true'], Interval: 4e9, Timeout: 4e9, Retries: 2, StartPeriod: 1e9 },
};

/**
 * Everything one test file makes, under one prefix: folders, images, agents, and whatever agents make. `close` removes all
 * of it, also after a failure.
 */
export class Ground {
  /** Begins every name this file may use on the engine. */
  readonly prefix: string;
  readonly dir: string;
  readonly engine: TestEngine;
  readonly #enginePath: string;
  readonly #agents: AgentUnderTest[] = [];
  readonly #relays: Relay[] = [];
  readonly #images = new Set<string>();
  readonly #volumes = new Set<string>();
  readonly #networks = new Set<string>();
  readonly #nodes = new Set<string>();

  /** `enginePath`: the engine's socket; default: this machine's. */
  constructor(room: string, enginePath = engineSocket()) {
    this.prefix = uniquePrefix(room);
    this.dir = mkdtempSync(join(tmpdir(), 'e2e-'));
    this.engine = new TestEngine(enginePath);
    this.#enginePath = enginePath;
  }

  /** An image with a command that waits, and nothing else of its own. */
  plainImage(name = 'plain'): Promise<string> {
    return this.makeImage(`${this.prefix}-${name}:1`);
  }

  /** An image that brings ENV, LABEL, VOLUME, EXPOSE, HEALTHCHECK, USER, ENTRYPOINT, WORKDIR and STOPSIGNAL. */
  richImage(name = 'rich'): Promise<string> {
    return this.loadImage(`${this.prefix}-${name}:1`, RICH);
  }

  /** An image for a machine that this one is not. */
  foreignImage(name = 'foreign'): Promise<string> {
    const architecture = process.arch === 's390x' ? 'ppc64le' : 's390x';
    return this.loadImage(`${this.prefix}-${name}:1`, { Cmd: [...WAIT] }, { architecture });
  }

  /** An image with exactly this config, under exactly this name. */
  async loadImage(name: string, config: ImageConfig, platform: Platform = {}): Promise<string> {
    this.#images.add(name);
    this.#images.add(await loadImage(this.#enginePath, name, config, platform));
    return name;
  }

  /** An image under exactly this name, removed at the end; returns "name:tag". Dockerfile lines as in `build/tiny-image.mjs`. */
  async makeImage(
    name: string,
    changes: readonly string[] = [WAIT_CMD],
    files: Parameters<typeof makeTinyImage>[0]['files'] = [],
  ): Promise<string> {
    this.#images.add(name);
    // Its id too: the name may be gone to another image at the end.
    this.#images.add(await makeTinyImage({ name, changes, files, socket: this.#enginePath }));
    return name;
  }

  /** Has things removed at the end whose names do not begin with the prefix. */
  alsoRemove(things: { images?: string[]; volumes?: string[]; networks?: string[]; nodes?: string[] }): void {
    for (const name of things.images ?? []) this.#images.add(name);
    for (const name of things.volumes ?? []) this.#volumes.add(name);
    for (const name of things.networks ?? []) this.#networks.add(name);
    for (const name of things.nodes ?? []) this.#nodes.add(name);
  }

  /** A new folder below this ground's. */
  folder(name: string): string {
    const path = join(this.dir, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** An agent with folders, names and a relay of its own, not started yet. */
  async agent(options: AgentOptions = {}): Promise<AgentUnderTest> {
    const number = this.#agents.length;
    const dir = this.folder(`agent-${number}`);
    const relay = await new Relay(join(dir, 'engine.sock'), this.#enginePath).listen();
    this.#relays.push(relay);
    const node = options.node ?? `${this.prefix}-node${number === 0 ? '' : number}`;
    const network = options.network ?? `${this.prefix}-net`;
    const agent = new AgentUnderTest({ dir, node, network, relay }, options);
    this.#agents.push(agent);
    this.#nodes.add(node);
    return agent;
  }

  /** The same, started. */
  async startAgent(options: AgentOptions = {}): Promise<AgentUnderTest> {
    const agent = await this.agent(options);
    await agent.start();
    return agent;
  }

  /** Ends all agents and removes everything; the engine must answer. */
  async close(): Promise<void> {
    for (const agent of this.#agents) if (agent.alive) await agent.kill('SIGKILL');
    for (const relay of this.#relays) await relay.close();
    try {
      await this.clear();
    } finally {
      rmSync(this.dir, { recursive: true, force: true });
    }
  }

  /** Removes everything this ground has on the engine. */
  async clear(): Promise<void> {
    for (const node of this.#nodes) {
      const left = await this.engine.containers({ label: [`colonies.node=${node}`] });
      await inParallel(4, left, ({ Id }) => this.engine.remove(Id));
    }
    // The engine lets go of a network a moment after it said that the container is gone.
    await eventually('everything with the prefix is removed', () => this.#swept(), 30_000);
    for (const name of this.#networks) await this.engine.removeNetwork(name);
    for (const name of this.#volumes) await this.engine.removeVolume(name);
    for (const name of this.#images) await this.engine.removeImage(name);
  }

  #swept(): Promise<boolean> {
    return sweep(this.prefix, this.#enginePath).then(
      () => true,
      () => false,
    );
  }
}

/** Does the work for each item, at most so many at the same time. */
export async function inParallel<T>(
  lanes: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = [...items];
  const lane = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
