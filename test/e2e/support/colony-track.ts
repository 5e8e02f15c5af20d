import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { PROCESS_STATES } from '../../fakes/colony/index.ts';
import { eventually } from '../../fakes/engine-fixture.ts';
import { createFaultProxy, type FaultProxy } from '../../fakes/fault-proxy/proxy.ts';
import { scaledClock } from '../../fakes/scaled-clock.ts';
import type { AgentUnderTest } from './agent.ts';
import { deployment, single } from './blueprints.ts';
import { openFakeColony } from './colony-grounds.ts';
import { heapFile, otherTime } from './fast-life.ts';
import { Ground } from './ground.ts';
import { healed, type Life, livesOf, running } from './healing.ts';

/** Agent and server live so many times as fast as the engine. */
export const FASTER = 5;

type Colony = Awaited<ReturnType<typeof openFakeColony>>;

/** Between two kills, milliseconds. */
const KILL_EVERY_MS = 1_500;

/** A large heap hides what is kept behind what is not collected yet. */
const SMALL_HEAP = '--max-semi-space-size=1 --max-old-space-size=48';

/** How long a healing took, and whether the link was there when the container died. */
export interface Healing {
  online: boolean;
  tookMs: number;
}

/** A gateway at the far end of a bad link: containers that nobody touches, some that are killed, and one that changes. */
export class Track {
  readonly ground: Ground;
  readonly agent: AgentUnderTest;
  readonly proxy: FaultProxy;
  readonly healings: Healing[] = [];
  readonly calm: readonly string[];
  readonly hurt: readonly string[];
  readonly moving: string;
  readonly #colony: Colony;
  #version = 1;

  private constructor(parts: Pick<Track, 'ground' | 'agent' | 'proxy'>, colony: Colony) {
    this.ground = parts.ground;
    this.agent = parts.agent;
    this.proxy = parts.proxy;
    this.#colony = colony;
    const { prefix } = parts.ground;
    this.calm = [`${prefix}-calm-0`, `${prefix}-calm-1`];
    this.hurt = [0, 1, 2, 3].map((number) => `${prefix}-hurt-${number}`);
    this.moving = `${prefix}-moving`;
  }

  /** All of it, connected and converged. */
  static async open(room: string): Promise<Track> {
    const ground = new Ground(room);
    const colony = await openFakeColony(ground.prefix, {
      clock: scaledClock(FASTER),
      cronEveryMs: 10_000,
      // Shorter than the longest outages, and longer than two long polls.
      staleAfterMs: 70_000,
      cleanupEveryMs: 5_000,
    });
    const proxy = await createFaultProxy({ target: { host: '127.0.0.1', port: colony.fake.port } });
    const node = `${ground.prefix}-gw`;
    const agent = await ground.agent({
      node,
      flags: [
        ...[
          '--location',
          colony.ground.location,
          '--poll-wait',
          '30s',
          '--stale-after',
          '2m',
          '--resync',
          '10s',
        ],
        ...['--owner-key-file', colony.ground.ownerKeyFile(ground.dir), '--blueprints', 'none'],
      ],
      env: {
        ...colony.ground.env,
        COLONIES_SERVER_PORT: String(proxy.port),
        NODE_OPTIONS: `${otherTime(ground.dir, { factor: FASTER })} ${SMALL_HEAP}`,
        MALLOC_ARENA_MAX: '1',
      },
    });
    const track = new Track({ ground, agent, proxy }, colony);
    await track.#deploy(node);
    return track;
  }

  async #deploy(node: string): Promise<void> {
    const { agent, ground } = this;
    const image = await ground.plainImage();
    const { code, stdout, stderr } = await agent.cli('register', ...agent.flags());
    assert.equal(code, 0, stdout + stderr);
    this.#colony.ground.alsoRemove(node);
    const boxes = (names: readonly string[]) => names.map((name) => ({ name, type: 'container', image }));
    await this.#colony.ground.add(deployment(`${ground.prefix}-calm`, boxes(this.calm)));
    await this.#colony.ground.add(deployment(`${ground.prefix}-hurt`, boxes(this.hurt)));
    const environment = { V: '1' };
    await this.#colony.ground.add(single(this.moving, image, { type: 'container', environment }));
    await agent.start();
    await agent.until(({ server }) => server?.state === 'Connected', 'the link is up');
    await livesOf(ground.engine, [...this.calm, ...this.hurt, this.moving]);
    await agent.converged();
  }

  get world() {
    return this.#colony.fake.world;
  }

  get isOnline(): boolean {
    return this.proxy.fault.mode === 'pass';
  }

  /** Lives of the containers that nobody touches. */
  untouched(): Promise<Map<string, Life>> {
    return livesOf(this.ground.engine, this.calm);
  }

  /** Kills one container after the other and measures how long each is away, until aborted. */
  async hurtThem(signal: AbortSignal): Promise<void> {
    for (let turn = 0; !signal.aborted; turn += 1) {
      const began = performance.now();
      if (this.agent.alive) await this.hurtOne(this.hurt[turn % this.hurt.length] ?? '');
      await pause(Math.max(0, KILL_EVERY_MS - (performance.now() - began)));
    }
  }

  async hurtOne(name: string): Promise<void> {
    const { engine } = this.ground;
    const life = await running(engine, name);
    const online = this.isOnline;
    await engine.kill(life.id).catch(() => undefined);
    const { tookMs } = await healed(engine, name, life);
    this.healings.push({ online, tookMs });
  }

  /** A new version of the blueprint that changes, made on the server whatever the link is like. */
  async change(): Promise<void> {
    this.#version += 1;
    const V = String(this.#version);
    await this.#colony.ground.changeSpec(this.moving, (spec) => {
      const [instance] = spec.instances as object[];
      return { ...spec, instances: [{ ...instance, environment: { V } }] };
    });
  }

  /** Without power: agent and containers are gone at once. */
  async losePower(): Promise<void> {
    const { agent, ground } = this;
    await agent.kill('SIGKILL');
    for (const { Id } of await ground.engine.containers({ label: [`colonies.node=${agent.node}`] }))
      await ground.engine.kill(Id).catch(() => undefined);
  }

  /** Waits until all is as it should be after the last outage: connected, converged, told, and nothing left open. */
  async settled(deadlineMs: number): Promise<void> {
    const { agent, ground } = this;
    const end = performance.now() + deadlineMs;
    const left = () => Math.max(1_000, end - performance.now());
    await agent.until(({ server }) => server?.state === 'Connected', 'the link is up again', left());
    await eventually(
      `${this.moving} runs its newest version, V=${this.#version}`,
      async () => {
        const found = await ground.engine.inspect(this.moving);
        return found?.State.Running === true && found.Config.Env.includes(`V=${this.#version}`);
      },
      left(),
    );
    await agent.converged(left());
    let wrong = '';
    await eventually(
      "the server's statuses are what the engine says",
      async () => {
        wrong = await this.#untrue();
        return wrong === '';
      },
      left(),
    ).catch((error) => assert.fail(`${error}; ${wrong}`));
    await eventually(
      'the agent owes the server nothing',
      async () => {
        const { server } = await agent.status();
        return server?.unsentStatuses === 0;
      },
      left(),
    );
    let unclosed = '';
    const look = async () => {
      unclosed = await this.#unclosed();
      return unclosed === '';
    };
    await eventually('no process is left unclosed', look, left()).catch((error) =>
      assert.fail(`${error}; ${unclosed}`),
    );
  }

  /** Processes that nobody looks after: the schedule's are held by the agent for a while, all others are closed early. */
  async #unclosed(): Promise<string> {
    const { server } = await this.agent.status();
    const open = this.world.openProcesses();
    const running = open.filter(({ state }) => state === PROCESS_STATES.running);
    const wrong = open.filter(({ graphId }) => graphId === '').map(({ spec }) => JSON.stringify(spec.kwargs));
    const known = server?.openProcesses ?? 0;
    if (running.length > known) wrong.push(`${running.length} run, the agent knows of ${known}`);
    return wrong.join('; ');
  }

  /** What of the server's statuses is not what the engine says; empty: nothing. */
  async #untrue(): Promise<string> {
    const { engine, prefix } = this.ground;
    const wrong: string[] = [];
    for (const name of [`${prefix}-calm`, `${prefix}-hurt`, this.moving]) {
      const status = (await this.#colony.ground.statusOf(name)) ?? {};
      if (status.phase !== 'Running') wrong.push(`${name} is ${status.phase}`);
      const { metadata } = await this.#colony.ground.blueprint(name);
      if (status.observedGeneration !== (metadata.generation ?? 0))
        wrong.push(`${name} is of an old generation`);
      for (const { id, name: box, state, startedAt } of status.instances ?? []) {
        const found = await engine.inspect(box);
        const isSame =
          found?.Id.slice(0, 12) === id &&
          found.State.Running &&
          state === 'running' &&
          startedAt === found.State.StartedAt;
        if (!isSame) wrong.push(`${box} is said to be ${id}, ${state} since ${startedAt}`);
      }
    }
    return wrong.join('; ');
  }

  /** What the agent keeps in memory when its garbage is collected, MiB. */
  async memoryMiB(): Promise<number> {
    const file = heapFile(this.ground.dir);
    rmSync(file, { force: true });
    this.agent.signal('SIGUSR2');
    await eventually('the agent tells its memory', () => existsSync(file), 10_000);
    return Number(readFileSync(file, 'utf8')) / 2 ** 20;
  }

  async close(): Promise<void> {
    if (this.agent.alive) await this.agent.kill('SIGKILL');
    await this.proxy.close();
    await this.#colony.close();
    await this.ground.close();
  }
}

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** The middle one; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
