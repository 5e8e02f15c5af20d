import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerReading } from '../../../src/model/link.ts';
import type { DirectorySource } from '../../../src/model/ports.ts';
import { SourceLane } from '../../../src/reconcile/source-lane.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { FakeDirectory } from '../../fakes/directory.ts';
import { Life } from '../../fakes/life.ts';
import { BlueprintServer } from '../../fakes/link-nodes.ts';
import { FakeStore } from '../../fakes/store.ts';
import { deployment } from '../../sim/blueprints.ts';
import { resolver } from '../../sim/resolver.ts';

/** A lane over a directory and a server that says what the test wants. */
class Bench {
  readonly clock = new ManualClock();
  readonly directory = new FakeDirectory();
  readonly server = new BlueprintServer();
  readonly store = new FakeStore();
  readonly events: string[] = [];
  readonly stop = new AbortController();
  readonly #life = new Life();
  reading: ServerReading = { listings: 0, blueprints: [], gone: new Map(), claims: new Map() };
  readonly lane: SourceLane;

  constructor(change: (source: DirectorySource) => DirectorySource = (source) => source) {
    this.lane = new SourceLane({
      source: change(this.directory.open(this.#life)),
      link: { reading: () => this.reading },
      store: this.store.open(this.#life),
      clock: this.clock,
      owner: { node: 'sim-node', colony: '' },
      defaultNetwork: 'colonies_default',
      resyncMs: 60_000,
      resolver: async () => resolver(),
      onEvent: (level, message, { detail }) => this.events.push(`${level} ${message}: ${detail}`),
      onChange: () => undefined,
    });
  }

  /** The server has these blueprints now. */
  listed(...names: readonly string[]): void {
    for (const name of names) this.server.put(name, {}, { colonyname: '' });
    const blueprints = names.flatMap((name) => this.server.read(name) ?? []);
    this.reading = { ...this.reading, listings: 1, blueprints };
  }

  runs(): string[] {
    const { desired } = this.lane;
    return desired.known ? desired.blueprints.map(({ name }) => name) : [];
  }

  saved(): string[] {
    return this.store.checkpoint()?.blueprints.map(({ name }) => name) ?? [];
  }
}

test('a watch that fails is told of, and the directory is read by the timer all the same', async () => {
  const bench = new Bench((source) => ({
    ...source,
    watch: () => Promise.reject(new Error('no more watches')),
  }));
  await bench.lane.restore(bench.stop.signal);
  const running = bench.lane.run(bench.stop.signal);
  bench.directory.write('a.json', deployment('a', [{ name: 'a-app' }]));
  await bench.clock.advance(60_000);
  assert.deepEqual(bench.events.slice(0, 1), [
    'warn blueprint directory cannot be watched: no more watches; it is read every 60 s instead',
  ]);
  assert.deepEqual(bench.runs(), ['a']);
  bench.stop.abort(new Error('over'));
  await bench.clock.advance(1);
  await running;
});

test('a reading that does not end is given up after 30 s of the agent’s own clock', async () => {
  const bench = new Bench((source) => ({ ...source, read: () => new Promise(() => undefined) }));
  let isRead = false;
  void bench.lane.read(bench.stop.signal).then(() => {
    isRead = true;
  });
  await bench.clock.advance(29_000);
  assert.ok(!isRead);
  await bench.clock.advance(1_000);
  assert.ok(isRead);
  assert.deepEqual(bench.events, [
    'warn blueprint directory cannot be read: /blueprints was not read within 30 s',
  ]);
});

test('what the server says is taken over while the directory hangs, and is on disk by then', async () => {
  const bench = new Bench((source) => ({ ...source, read: () => new Promise(() => undefined) }));
  void bench.lane.read(bench.stop.signal);
  bench.listed('a', 'b');
  await bench.lane.take(bench.stop.signal);
  assert.deepEqual(bench.runs(), ['a', 'b']);
  assert.deepEqual(bench.saved(), ['a', 'b']);
});

test('taking over does not read the directory again, and forgets nothing of it', async () => {
  const bench = new Bench();
  bench.directory.write('x.json', deployment('x', [{ name: 'x-app' }]));
  await bench.lane.restore(bench.stop.signal);
  bench.listed('a');
  const { reads } = bench.directory;
  await Promise.all([bench.lane.take(bench.stop.signal), bench.lane.take(bench.stop.signal)]);
  assert.equal(bench.directory.reads, reads);
  assert.deepEqual(bench.runs(), ['a', 'x']);
  const { writes } = bench.store;
  for (let i = 0; i < 10; i++) await bench.lane.take(bench.stop.signal);
  assert.equal(bench.store.writes, writes, 'the same again writes nothing');
});

test('a directory that went away after it was read removes nothing when the server speaks', async () => {
  const bench = new Bench();
  bench.directory.write('x.json', deployment('x', [{ name: 'x-app' }]));
  await bench.lane.restore(bench.stop.signal);
  bench.directory.takeAway();
  await bench.lane.read(bench.stop.signal);
  bench.listed('a', 'x');
  await bench.lane.take(bench.stop.signal);
  assert.deepEqual(bench.runs(), ['a', 'x']);
  assert.deepEqual(bench.lane.view().warnings, [
    "blueprint x: the directory's version is in force, the server's is not",
  ]);
});
