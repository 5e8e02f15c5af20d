import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriveId } from '../../src/colony/identity.ts';
import { newKey } from '../../src/colony/port.ts';
import { checkGraph } from '../../src/kinds/index.ts';
import { createAgent } from '../../src/reconcile/agent.ts';
import type { Agent } from '../../src/reconcile/agent-parts.ts';
import { ManualClock } from '../fakes/clock.ts';
import { type ColonyWorld, createColonyWorld } from '../fakes/colony/index.ts';
import { FakeEngine } from '../fakes/engine.ts';
import { image, normalReference } from '../fakes/engine-types.ts';
import { Life } from '../fakes/life.ts';
import { bothDefinitions, LinkNode } from '../fakes/link-node.ts';
import { CollectingLog } from '../fakes/log.ts';
import { FakeProber } from '../fakes/prober.ts';
import { seededRandom } from '../fakes/random.ts';
import { FakeRelays } from '../fakes/relays.ts';
import { FakeStore } from '../fakes/store.ts';
import { deployment } from './blueprints.ts';
import { resolver } from './resolver.ts';

const MINUTE = 60_000;
/** The longest time between two listings on a normal link. */
const LISTING = 5 * MINUTE;

/** One gateway: engine, disk and agent of its own, at a colony that it shares. */
class Gateway {
  readonly engine: FakeEngine;
  readonly store = new FakeStore();
  readonly log = new CollectingLog();
  readonly node: LinkNode;
  agent: Agent | undefined;
  failure: unknown;
  #life = new Life();
  #lives = 0;

  constructor(
    readonly name: string,
    readonly clock: ManualClock,
    world: ColonyWorld,
  ) {
    this.engine = new FakeEngine(clock);
    this.engine.world.tags.set(normalReference('app:1'), image('image-of-app:1'));
    const settings = { executorName: name, node: name, unlocatedPolicy: 'claim' as const };
    this.node = new LinkNode({ clock, world, store: this.store, log: this.log, settings });
    this.node.register();
  }

  start(): void {
    const life = new Life();
    this.#lives += 1;
    const seed = 10 * Number(this.name.slice(3)) + this.#lives;
    const here = {
      node: this.name,
      executorName: this.name,
      location: 'barn',
      colony: 'dev',
      unlocatedPolicy: 'claim' as const,
    };
    this.agent = createAgent({
      engine: this.engine.open(life),
      prober: new FakeProber(this.clock, this.engine.world),
      relays: new FakeRelays(this.clock, this.engine).open(life),
      store: this.store.open(life),
      source: undefined,
      link: this.node.link(life, seed),
      resolver: async () => resolver(here),
      crossCheck: checkGraph,
      clock: life.clock(this.clock),
      random: seededRandom(seed),
      log: this.log,
      settings: {
        version: '0.0.0-sim',
        node: this.name,
        executorName: this.name,
        location: 'barn',
        colony: 'dev',
        stateDir: '/state',
        resyncMs: MINUTE,
        pullLanes: 2,
        actionLanes: 8,
        defaultNetwork: 'colonies_default',
      },
    });
    this.#life = life;
    this.agent.run(new AbortController().signal).catch((error: unknown) => {
      if (!life.over) this.failure = error;
    });
  }

  /** SIGKILL of the agent; its containers run on. */
  crash(): void {
    this.#life.end();
  }

  /** The power goes, for agent, way and containers. */
  powerOff(): void {
    this.crash();
    this.node.lose('refused');
    for (const { name } of [...this.engine.world.boxes.values()]) this.engine.byHand.kill(name);
  }

  runs(container: string): boolean {
    return this.engine.world.byName(container)?.state === 'running';
  }
}

class Site {
  readonly clock = new ManualClock();
  readonly world = createColonyWorld({
    clock: this.clock,
    ownerId: deriveId(newKey().key),
    definitions: bothDefinitions(),
  });
  readonly gateways = ['gw-1', 'gw-2', 'gw-3'].map((name) => new Gateway(name, this.clock, this.world));
  /** Longest time in a row with a container at two gateways, milliseconds. */
  longestDoubleMs = 0;
  #doubleSinceMs: number | undefined;

  add(name: string): void {
    const { kind, metadata, spec } = deployment(name, [{ name: `${name}-app` }]);
    this.world.addBlueprint({ kind, metadata: { ...metadata, colonyname: 'dev' }, spec });
  }

  async pass(ms: number, names: readonly string[]): Promise<void> {
    for (let done = 0; done < ms; done += 2_000) {
      await this.clock.advance(2_000);
      for (const { failure } of this.gateways) assert.equal(failure, undefined);
      if (names.every((name) => this.holders(name).length < 2)) this.#doubleSinceMs = undefined;
      else this.#doubleSinceMs ??= this.clock.monoMs();
      const sinceMs = this.#doubleSinceMs ?? this.clock.monoMs();
      this.longestDoubleMs = Math.max(this.longestDoubleMs, this.clock.monoMs() - sinceMs);
    }
  }

  holders(name: string): Gateway[] {
    return this.gateways.filter((gateway) => gateway.runs(`${name}-app`));
  }

  /** The one gateway that runs it, which the server's status names. */
  holder(name: string): Gateway {
    const [first, ...rest] = this.holders(name);
    assert.ok(first !== undefined, `${name} runs nowhere\n${this.account()}`);
    assert.deepEqual(
      rest.map((gateway) => gateway.name),
      [],
    );
    assert.equal(this.world.statusOf(name).node, first.name);
    return first;
  }

  account(): string {
    return this.gateways.map((gateway) => `${gateway.name}:\n${gateway.log.text(12)}`).join('\n');
  }

  close(): void {
    for (const gateway of this.gateways) gateway.crash();
    this.world.stop();
  }
}

test('three agents at one server: each blueprint runs once, survives restarts, and moves when its holder is gone', async () => {
  const site = new Site();
  try {
    const names = ['web', 'db', 'log'];
    for (const gateway of site.gateways) gateway.start();
    await site.pass(10_000, names);
    for (const name of names) site.add(name);
    // A process without location wakes no long poll of an executor that has one: it is found by the next.
    await site.pass(80_000, names);
    const first = new Map(names.map((name) => [name, site.holder(name)]));
    await site.pass(30 * MINUTE, names);
    assert.equal(site.longestDoubleMs, 0);

    for (const gateway of site.gateways) {
      gateway.crash();
      gateway.start();
    }
    site.world.changeSpec('web', (spec) => ({ ...spec, replicas: 1 }));
    await site.pass(30 * MINUTE, names);
    for (const name of names) assert.equal(site.holder(name), first.get(name), `${name} did not move`);
    assert.equal(site.longestDoubleMs, 0);

    const gone = site.holder('web');
    gone.powerOff();
    await site.pass(40 * MINUTE, names);
    assert.deepEqual(site.holders('web'), [], 'its claim lasts 45 minutes');
    await site.pass(15 * MINUTE, names);
    const next = site.holder('web');
    assert.notEqual(next, gone);

    gone.node.restore();
    site.world.approve(gone.name);
    gone.start();
    await site.pass(2 * LISTING, names);
    assert.equal(site.holder('web'), next, 'what was taken over is not taken back');
    for (const name of names) site.holder(name);
    assert.ok(site.longestDoubleMs <= LISTING, `${site.longestDoubleMs} ms at two gateways`);
    assert.equal(gone.agent?.status().server?.state, 'Connected');
  } finally {
    site.close();
  }
});
