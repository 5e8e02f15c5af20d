import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../fakes/clock.ts';
import { BlueprintServer, FakeNode, type NodeOptions } from '../../fakes/link-nodes.ts';
import { colonyError } from '../../fakes/link-parts.ts';
import { seededRandom } from '../../fakes/random.ts';

const MINUTE = 60_000;
/** The longest time between two listings on a normal link. */
const LISTING = 5 * MINUTE;
const never = new AbortController().signal;

/** Several nodes of one colony, and how long any two of them had the same blueprint. */
class Colony {
  readonly clock = new ManualClock();
  readonly server = new BlueprintServer();
  readonly nodes: FakeNode[] = [];
  readonly alive = new Set<FakeNode>();
  /** Longest time in a row that a blueprint was in force at more than one node, milliseconds. */
  longestDoubleMs = 0;
  readonly #doubleSince = new Map<string, number>();

  async add(options: NodeOptions = {}): Promise<FakeNode> {
    const node = new FakeNode(this.clock, this.server, `gw-${this.nodes.length + 1}`, {
      seed: this.nodes.length + 1,
      ...options,
    });
    this.nodes.push(node);
    await this.start(node);
    return node;
  }

  async start(node: FakeNode): Promise<void> {
    this.alive.add(node);
    await node.start();
    node.connection.goUp();
  }

  /** SIGKILL of agent and containers. */
  kill(node: FakeNode): void {
    this.alive.delete(node);
    node.crash();
    node.connection.goTo('Offline');
  }

  /** Time passes, watched in steps of 5 s. */
  async pass(ms: number): Promise<void> {
    for (let done = 0; done < ms; done += 5_000) {
      await this.clock.advance(Math.min(5_000, ms - done));
      for (const name of this.server.documents.keys()) {
        if (this.holders(name).length < 2) this.#doubleSince.delete(name);
        else if (!this.#doubleSince.has(name)) this.#doubleSince.set(name, this.clock.monoMs());
        const since = this.#doubleSince.get(name) ?? this.clock.monoMs();
        this.longestDoubleMs = Math.max(this.longestDoubleMs, this.clock.monoMs() - since);
      }
    }
  }

  holders(name: string): FakeNode[] {
    return [...this.alive].filter((node) => node.runs().includes(name));
  }

  holder(name: string): FakeNode {
    const [first, ...rest] = this.holders(name);
    assert.ok(first !== undefined, `${name} is run by nobody`);
    assert.deepEqual(rest, []);
    return first;
  }

  other(name: string): FakeNode {
    const node = [...this.alive].find((one) => !one.runs().includes(name));
    assert.ok(node !== undefined);
    return node;
  }
}

function colony(title: string, body: (colony: Colony) => Promise<void>): void {
  test(title, async () => {
    const world = new Colony();
    try {
      await body(world);
    } finally {
      for (const node of world.nodes) {
        node.crash();
        assert.equal(node.failure, undefined);
      }
    }
  });
}

colony('of three nodes exactly one runs a blueprint without location', async (world) => {
  for (const name of ['a', 'b', 'c', 'd', 'e']) world.server.put(name);
  for (let i = 0; i < 3; i++) await world.add();
  await world.pass(20_000);
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    const holder = world.holder(name);
    assert.equal(world.server.statusOf(name).node, holder.name);
    assert.match(world.other(name).listing.whyNotOurs(name) ?? '', /^node gw-\d runs it$/);
  }
  await world.pass(120 * MINUTE);
  assert.ok(world.longestDoubleMs <= LISTING, `${world.longestDoubleMs} ms at two nodes`);
});

colony(
  'a blueprint that appears while all are up is taken within seconds, whoever looks first',
  async (world) => {
    for (let i = 0; i < 3; i++) await world.add();
    await world.pass(10_000);
    world.server.put('a');
    const done: string[] = [];
    for (const node of world.nodes)
      void node.listing.lookNow(['a'], never).then(() => done.push(`${node.name} ${node.runs().join()}`));
    await world.pass(15_000);
    const holder = world.holder('a');
    assert.equal(done.length, 3);
    assert.ok(done.includes(`${holder.name} a`), 'a look ends when it is decided');
  },
);

colony('nodes that see it free at the same moment settle it before any of them begins', async (world) => {
  for (const latencyMs of [20, 30, 500]) await world.add({ latencyMs });
  await world.pass(10_000);
  for (let round = 0; round < 20; round++) {
    const name = `round-${round}`;
    world.server.put(name);
    for (const node of world.nodes) void node.listing.lookNow([name], never);
    await world.pass(15_000);
    world.holder(name);
    const begun = world.nodes.filter((node) => node.events.includes(`blueprint added ${name}`));
    assert.equal(begun.length, 1, `${name} was begun by ${begun.map((node) => node.name).join()}`);
  }
});

colony('a restart of the holder, and of all, moves nothing', async (world) => {
  world.server.put('a');
  for (let i = 0; i < 3; i++) await world.add();
  await world.pass(10 * MINUTE);
  const holder = world.holder('a');
  world.kill(holder);
  await world.pass(MINUTE);
  await world.start(holder);
  await world.pass(20 * MINUTE);
  assert.equal(world.holder('a'), holder);
  for (const node of world.nodes) world.kill(node);
  for (const node of world.nodes) await world.start(node);
  await world.pass(20 * MINUTE);
  assert.equal(world.holder('a'), holder);
  assert.ok(!holder.events.some((event) => event.startsWith('blueprint elsewhere')));
});

colony(
  'an update that wipes the status moves nothing, although another node sees it first',
  async (world) => {
    world.server.put('a');
    for (let i = 0; i < 3; i++) await world.add();
    await world.pass(10 * MINUTE);
    const holder = world.holder('a');
    for (let round = 0; round < 5; round++) {
      world.server.put('a', { replicas: round + 2 });
      for (const node of world.nodes) if (node !== holder) void node.listing.lookNow(['a'], never);
      await world.pass(7 * MINUTE);
      assert.equal(world.holder('a'), holder);
    }
    assert.equal(world.longestDoubleMs, 0);
  },
);

colony(
  'a holder that is gone for longer than its claim lasts is replaced by one other, and not before',
  async (world) => {
    world.server.put('a');
    for (let i = 0; i < 3; i++) await world.add();
    await world.pass(10 * MINUTE);
    const first = world.holder('a');
    world.kill(first);
    await world.pass(43 * MINUTE);
    assert.deepEqual(world.holders('a'), []);
    await world.pass(10 * MINUTE);
    const second = world.holder('a');
    // The first comes back with its checkpoint, and gives it up as soon as it hears.
    await world.start(first);
    await world.pass(LISTING);
    assert.equal(world.holder('a'), second);
    assert.ok(first.events.includes(`blueprint elsewhere a node ${second.name} runs it`));
    assert.ok(world.longestDoubleMs <= LISTING, `${world.longestDoubleMs} ms at two nodes`);
  },
);

colony('a node that is cut off keeps what it has, takes nothing new, and yields on return', async (world) => {
  world.server.put('a');
  for (let i = 0; i < 3; i++) await world.add();
  await world.pass(10 * MINUTE);
  const first = world.holder('a');
  first.connection.goTo('Offline');
  first.colony.failing.set('all', colonyError('COLONY_UNREACHABLE'));
  world.server.put('b');
  await world.pass(60 * MINUTE);
  assert.deepEqual(first.runs(), ['a'], 'it cannot know, and containers are not stopped for a guess');
  assert.equal(world.holders('a').length, 2);
  first.colony.failing.clear();
  first.connection.goUp();
  await world.pass(10_000);
  assert.notEqual(world.holder('a'), first);
  assert.equal(await first.claims.mayReport('a', never), false, 'the new holder’s status is left alone');
});

colony('the holder does not write over a rival before it has looked', async (world) => {
  world.server.put('a');
  const node = await world.add();
  await world.pass(10 * MINUTE);
  const rival = { node: 'gw-9', claimedAt: new Date(world.clock.now()).toISOString(), claimIntervalS: 900 };
  const found = world.server.documents.get('a');
  assert.ok(found !== undefined);
  found.status = rival;
  node.connection.goUp();
  assert.equal(await node.claims.mayReport('a', never), false);
  await world.pass(5_000);
  assert.deepEqual(world.server.statusOf('a'), rival);
  assert.deepEqual(node.runs(), []);
});

colony('nodes with several names in executorNames share only with those named', async (world) => {
  world.server.put('a', { executorNames: ['gw-2', 'gw-3'] });
  for (let i = 0; i < 3; i++) await world.add({ settings: { unlocatedPolicy: 'always' } });
  await world.pass(20_000);
  assert.notEqual(world.holder('a').name, 'gw-1');
  assert.match(world.nodes[0]?.listing.whyNotOurs('a') ?? '', /^is for executor gw-2, gw-3/);
});

colony(
  'a blueprint of one executor or one place needs no claim, and none is written for it',
  async (world) => {
    world.server.put('named', { executorName: 'gw-1' });
    world.server.put('placed', {}, { locationname: 'barn' });
    const node = await world.add();
    await world.pass(90_000);
    assert.deepEqual(node.runs(), ['named', 'placed']);
    assert.equal(node.claims.stamp('named'), undefined);
    assert.equal(world.server.statusOf('placed').claimedAt, undefined);
  },
);

colony(
  'the last word of a node that a blueprint has left is not written over the next one’s',
  async (world) => {
    world.server.put('a', {}, { locationname: 'barn' });
    const node = await world.add();
    await world.pass(90_000);
    world.server.put('a', {}, { locationname: 'field' });
    const found = world.server.documents.get('a');
    assert.ok(found !== undefined);
    found.status = { node: 'gw-9', lastUpdated: new Date(world.clock.now()).toISOString() };
    assert.equal(await node.claims.mayReport('a', never), true, 'it cannot know yet');
    void node.listing.lookNow(['a'], never);
    await world.pass(5_000);
    assert.deepEqual(node.runs(), []);
    assert.equal(await node.claims.mayReport('a', never), false);
  },
);

colony(
  'a version that this node refuses is claimed late, so that it is told of and others come first',
  async (world) => {
    world.server.put('a', { instances: [{ name: 'x', image: '' }] });
    const node = await world.add();
    await world.pass(50_000);
    assert.deepEqual(world.server.statusOf('a'), {});
    assert.equal(await node.claims.mayReport('a', never), false);
    await world.pass(90_000);
    assert.equal(world.server.statusOf('a').node, 'gw-1');
    assert.equal(await node.claims.mayReport('a', never), true);
  },
);

test('on slow, shaky links and with restarts at any time it stays with one, give or take a listing', async () => {
  for (const seed of [1, 2, 3, 4]) {
    const random = seededRandom(seed);
    const world = new Colony();
    for (const name of ['a', 'b', 'c']) world.server.put(name);
    for (let i = 0; i < 3; i++)
      await world.add({ seed: seed * 10 + i, latencyMs: random.below(3) === 0 ? 0 : random.below(900) });
    for (let round = 0; round < 40; round++) {
      const node = world.nodes[random.below(3)];
      assert.ok(node !== undefined);
      const what = random.below(4);
      if (what === 0 && world.alive.has(node)) world.kill(node);
      else if (!world.alive.has(node)) await world.start(node);
      else if (what === 1) world.server.put('a', { replicas: 1 + random.below(3) });
      else if (what === 2) void node.listing.lookNow(['b'], never);
      await world.pass(random.below(4 * MINUTE));
    }
    for (const node of world.nodes) if (!world.alive.has(node)) await world.start(node);
    await world.pass(60 * MINUTE);
    for (const name of ['a', 'b', 'c'])
      assert.equal(world.server.statusOf(name).node, world.holder(name).name);
    assert.ok(world.longestDoubleMs <= LISTING, `seed ${seed}: ${world.longestDoubleMs} ms at two nodes`);
    for (const node of world.nodes) {
      node.crash();
      assert.equal(node.failure, undefined);
    }
  }
});
