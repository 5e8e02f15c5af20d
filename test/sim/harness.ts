import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkGraph } from '../../src/kinds/index.ts';
import type { Link } from '../../src/model/link.ts';
import type { Resolve, Store } from '../../src/model/ports.ts';
import type { AgentStatus, BlueprintReport } from '../../src/model/status.ts';
import { createAgent } from '../../src/reconcile/agent.ts';
import type { Agent, AgentSettings } from '../../src/reconcile/agent-parts.ts';
import { ManualClock } from '../fakes/clock.ts';
import { FakeDirectory } from '../fakes/directory.ts';
import { FakeEngine } from '../fakes/engine.ts';
import { FakeDisk } from '../fakes/engine-disk.ts';
import { type Box, type Call, type FakeImage, image, normalReference } from '../fakes/engine-types.ts';
import { FakeHooks } from '../fakes/hook-runner.ts';
import { Life } from '../fakes/life.ts';
import { CollectingLog } from '../fakes/log.ts';
import { FakeProber } from '../fakes/prober.ts';
import { seededRandom } from '../fakes/random.ts';
import { FakeRelays } from '../fakes/relays.ts';
import { FakeStore } from '../fakes/store.ts';
import type { DeploymentDocument } from './blueprints.ts';
import { Goal } from './goal.ts';
import { RELAY_MOUNTS, resolver, SIM_NODE } from './resolver.ts';

export interface HarnessOptions {
  seed?: number;
  settings?: Partial<AgentSettings>;
  /** References present on the engine from the start; default app:1, app:2, db:1. */
  images?: readonly string[];
  /** A link of the test's own, for each life or for all. */
  link?: Link | ((life: Life, seed: number) => Link);
  /** Default: one of its own. */
  clock?: ManualClock;
  /** Default: that of `resolver.ts`. */
  resolver?: () => Promise<Resolve>;
  /** Size of the engine's disk; absent: nobody looks at it. */
  diskBytes?: number;
  /** false: blueprints come from the link only. */
  hasDirectory?: boolean;
}

/** Virtual time within which everything that can heal has healed: the longest backoff and a resync, with room. */
const LONG_ENOUGH_MS = 900_000;

/** A whole agent on fakes: engine, state directory, blueprint directory and time are a test's to command. */
export class Harness {
  readonly clock: ManualClock;
  readonly engine: FakeEngine;
  readonly disk: FakeDisk;
  readonly prober: FakeProber;
  readonly hooks: FakeHooks;
  readonly relays: FakeRelays;
  readonly store = new FakeStore();
  readonly directory = new FakeDirectory();
  readonly log = new CollectingLog();
  readonly goal: Goal;
  readonly settings: AgentSettings;
  /** Lives of the agent so far. */
  lives = 0;
  readonly #options: HarnessOptions;
  #seed: number;
  #agent: Agent | undefined;
  #life = new Life();
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(options: HarnessOptions = {}) {
    this.#seed = options.seed ?? 1;
    this.#options = options;
    this.clock = options.clock ?? new ManualClock();
    this.engine = new FakeEngine(this.clock);
    this.disk = new FakeDisk(this.engine, options.diskBytes ?? 0);
    this.prober = new FakeProber(this.clock, this.engine.world);
    this.hooks = new FakeHooks(this.clock);
    for (const path of RELAY_MOUNTS) this.engine.world.hostPaths.add(path);
    this.relays = new FakeRelays(this.clock, this.engine);
    this.settings = {
      version: '0.0.0-sim',
      node: SIM_NODE,
      executorName: SIM_NODE,
      location: 'default',
      colony: '',
      stateDir: '/state',
      resyncMs: 60_000,
      pullLanes: 2,
      actionLanes: 8,
      defaultNetwork: 'colonies_default',
      ...options.settings,
    };
    this.goal = new Goal(this.engine);
    for (const reference of options.images ?? ['app:1', 'app:2', 'db:1'])
      this.engine.world.tags.set(normalReference(reference), image(`image-of-${reference}`));
  }

  get byHand() {
    return this.engine.byHand;
  }

  get world() {
    return this.engine.world;
  }

  /** The agent of the present life. */
  get agent(): Agent {
    assert.ok(this.#agent !== undefined, 'an agent was started');
    return this.#agent;
  }

  // --- desired state -----------------------------------------------------------------------------------------------

  /** Writes a valid blueprint into a file of its own name; it is what the node should come to. */
  deploy(...documents: DeploymentDocument[]): void {
    for (const document of documents) {
      this.goal.want(document);
      this.directory.write(`${document.metadata.name}.json`, document);
    }
  }

  /** Deletes a blueprint's file. */
  undeploy(name: string): void {
    this.goal.drop(name);
    this.directory.remove(`${name}.json`);
  }

  /** An image that a registry has and the engine has not. */
  offer(
    reference: string,
    pull: { takesMs?: number; code?: string; stallsAt?: number; imageBytes?: number } = {},
  ): FakeImage {
    const { imageBytes: sizeBytes } = pull;
    const offered = image(`image-of-${reference}`, sizeBytes === undefined ? {} : { sizeBytes });
    this.engine.registry.set(normalReference(reference), { image: offered, ...pull });
    return offered;
  }

  // --- the agent's lives -------------------------------------------------------------------------------------------

  /** Starts an agent on what is on disk and on the engine. */
  start(): void {
    const life = new Life();
    const stop = new AbortController();
    this.lives += 1;
    this.#seed += 1;
    const { link: given, hasDirectory = true } = this.#options;
    const link = typeof given === 'function' ? given(life, this.#seed) : given;
    const agent = createAgent({
      engine: this.engine.open(life),
      ...(this.#options.diskBytes === undefined ? {} : { storage: this.disk.open(life) }),
      prober: this.prober.inLife(life),
      hooks: this.hooks.open(life),
      relays: this.relays.open(life),
      store: this.openStore(life),
      source: hasDirectory ? this.directory.open(life) : undefined,
      ...(link === undefined ? {} : { link }),
      resolver: this.#options.resolver ?? (async () => resolver()),
      crossCheck: checkGraph,
      clock: life.clock(this.clock),
      random: seededRandom(this.#seed),
      log: this.log,
      settings: this.settings,
    });
    this.#life = life;
    this.#stop = stop;
    this.#agent = agent;
    this.#running = agent.run(stop.signal).catch((error: unknown) => {
      if (!life.over) this.#failure = error;
    });
  }

  openStore(life: Life): Store {
    return this.store.open(life);
  }

  /** SIGKILL: nothing the agent was waiting for ever comes. */
  crashAgent(): void {
    this.#life.end();
  }

  /** SIGTERM; fails when it takes longer than 10 s. */
  async stopAgent(): Promise<void> {
    let ended = false;
    void this.#running.then(() => {
      ended = true;
    });
    this.#stop.abort(new Error('stopped by the test'));
    assert.ok(await this.clock.runUntil(() => ended, 10_000), 'the agent stops within 10 s');
    this.#checkAlive();
    this.#life.end();
  }

  /** A fresh agent after a crash (default) or an orderly stop; engine, disk and directory are as they were left. */
  async restartAgent(how: 'crash' | 'stop' = 'crash'): Promise<void> {
    if (how === 'stop') await this.stopAgent();
    else this.crashAgent();
    this.start();
  }

  /** Ends the life and its timers; call at the end of a test. */
  close(): void {
    this.crashAgent();
  }

  // --- time --------------------------------------------------------------------------------------------------------

  /** Lets virtual time pass. */
  async run(ms: number): Promise<void> {
    await this.clock.advance(ms);
    this.#checkAlive();
  }

  /** Runs until the condition holds; fails with the agent's own account of itself. Returns the virtual time it took. */
  async until(condition: () => boolean, what: string, limitMs = LONG_ENOUGH_MS): Promise<number> {
    const before = this.clock.monoMs();
    const held = await this.clock.runUntil(() => this.#failure !== undefined || condition(), limitMs);
    this.#checkAlive();
    if (!held) assert.fail(`not within ${limitMs} ms: ${what}\n${this.account()}`);
    return this.clock.monoMs() - before;
  }

  /** Runs until the engine is as the blueprints ask and the agent says so itself. Returns the virtual time it took. */
  async settle(limitMs = LONG_ENOUGH_MS): Promise<number> {
    return this.until(
      () => this.goal.met() && this.agent.status().converged,
      'converged on the goal',
      limitMs,
    );
  }

  /** Lets two more resyncs pass and fails if anything was changed meanwhile. */
  async expectQuiet(): Promise<void> {
    await this.run(1_000);
    const { seq } = this.mark();
    const looks = this.engine.callCount;
    await this.run(this.settings.resyncMs * 3);
    assert.ok(this.engine.callCount - looks >= 2, 'at least two further looks');
    this.expectMutations(seq, []);
  }

  // --- what happened -----------------------------------------------------------------------------------------------

  /** A point in the journal and in time. */
  mark(): { seq: number; atMs: number } {
    return { seq: this.engine.callCount, atMs: this.clock.monoMs() };
  }

  /** Mutating calls since a mark, as "kind target". */
  mutations(since: number | { seq: number }): string[] {
    const after = typeof since === 'number' ? since : since.seq;
    return this.engine.mutations(after).map((call: Call) => `${call.kind} ${call.target}`);
  }

  expectMutations(since: number | { seq: number }, expected: readonly string[]): void {
    assert.deepEqual(this.mutations(since), expected, this.account());
  }

  box(name: string): Box {
    return this.byHand.box(name);
  }

  isRunning(name: string): boolean {
    return this.world.byName(name)?.state === 'running';
  }

  status(): AgentStatus {
    return this.agent.status();
  }

  report(blueprint: string): BlueprintReport {
    const report = this.status().blueprints.find(({ name }) => name === blueprint);
    assert.ok(report !== undefined, `status has blueprint ${blueprint}\n${this.account()}`);
    return report;
  }

  /** Reasons a blueprint waits for. */
  waits(blueprint: string): string[] {
    return this.report(blueprint).waiting.map(({ reason }) => reason);
  }

  /** Everything a person needs to see why a simulation failed. */
  account(): string {
    const status = this.#agent?.status();
    const waiting = status?.blueprints.flatMap(({ name, phase, waiting: list }) =>
      list.map((wait) => `${name} ${phase}: ${wait.name} ${wait.reason} ${wait.message} ${wait.nextTryAt}`),
    );
    const boxes = [...this.world.boxes.values()].map(
      (box) => `${box.name} ${box.state} (${box.exitCode}) ${box.id.slice(0, 8)} ${box.error}`,
    );
    const calls = this.engine.calls
      .slice(-25)
      .map((call) => `${call.atMs} ${call.kind} ${call.target} ${call.result ?? 'under way'}`);
    return [
      `at ${this.clock.monoMs()} ms, life ${this.lives}, engine ${this.engine.condition}`,
      `short of the goal: ${this.goal.problems().join('; ') || 'nothing'}`,
      `plan: ${this.#agent?.plan().text}`,
      `waiting: ${waiting?.join('; ')}`,
      `containers:\n  ${boxes.join('\n  ')}`,
      `last calls:\n  ${calls.join('\n  ')}`,
      `log:\n${this.log.text(25)}`,
    ].join('\n');
  }

  #checkAlive(): void {
    if (this.#failure === undefined) return;
    const failure = this.#failure;
    this.#failure = undefined;
    throw new Error(`the agent ended by itself: ${failure}\n${this.account()}`, { cause: failure });
  }
}

/** A test with a harness of its own, which is put away however it ends. */
export function simulation(
  title: string,
  body: (sim: Harness) => Promise<void>,
  options: HarnessOptions = {},
): void {
  test(title, async () => {
    const sim = new Harness(options);
    try {
      await body(sim);
    } finally {
      sim.close();
    }
  });
}
