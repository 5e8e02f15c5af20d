import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkGraph } from '../../src/kinds/index.ts';
import type { Link, LinkHost } from '../../src/model/link.ts';
import type { Engine } from '../../src/model/ports.ts';
import type { AgentEvent } from '../../src/model/status.ts';
import { createAgent } from '../../src/reconcile/agent.ts';
import { ManualClock } from '../fakes/clock.ts';
import { FakeDirectory } from '../fakes/directory.ts';
import { FakeEngine } from '../fakes/engine.ts';
import { image, normalReference } from '../fakes/engine-types.ts';
import { Life } from '../fakes/life.ts';
import { sampleLinkStatus } from '../fakes/link-status.ts';
import { CollectingLog } from '../fakes/log.ts';
import { FakeProber } from '../fakes/prober.ts';
import { seededRandom } from '../fakes/random.ts';
import { FakeRelays } from '../fakes/relays.ts';
import { FakeStore } from '../fakes/store.ts';
import { deployment } from './blueprints.ts';
import { resolver, SIM_NODE } from './resolver.ts';

/** A link that hands its host out and ends as the test says. */
class HandLink implements Link {
  host: LinkHost | undefined;
  refreshed = 0;
  #fail: (error: unknown) => void = () => {};

  run(host: LinkHost, signal: AbortSignal): Promise<void> {
    this.host = host;
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  breakDown(error: unknown): void {
    this.#fail(error);
  }

  reading: Link['reading'] = () => ({ listings: 0, blueprints: [], gone: new Map(), claims: new Map() });
  status: Link['status'] = () => sampleLinkStatus();
  refresh(): void {
    this.refreshed += 1;
  }
  confirmRemoval: Link['confirmRemoval'] = () => [];
  setLinkClass: Link['setLinkClass'] = () => undefined;
  async close(): Promise<void> {}
}

function start(change: { watch?: Engine['watch'] } = {}) {
  const clock = new ManualClock();
  const fake = new FakeEngine(clock);
  fake.world.tags.set(normalReference('app:1'), image('image-of-app:1'));
  const directory = new FakeDirectory();
  directory.write('web.json', deployment('web', [{ name: 'web' }]));
  const life = new Life();
  const engine = fake.open(life);
  if (change.watch !== undefined) engine.watch = change.watch;
  const link = new HandLink();
  /** What was being done at each moment that the agent called quiet. */
  const quiet: string[] = [];
  const agent = createAgent({
    engine,
    prober: new FakeProber(clock, fake.world),
    relays: new FakeRelays(clock, fake).open(life),
    store: new FakeStore().open(life),
    source: directory.open(life),
    link,
    resolver: async () => resolver(),
    crossCheck: checkGraph,
    clock,
    random: seededRandom(1),
    log: new CollectingLog(),
    settings: {
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
    },
    onQuiet: () =>
      quiet.push(
        agent
          .status()
          .blueprints.flatMap(({ doing }) => doing)
          .join(),
      ),
  });
  const stop = new AbortController();
  const end: { error?: unknown; isOver: boolean } = { isOver: false };
  agent.run(stop.signal).then(
    () => {
      end.isOver = true;
    },
    (error: unknown) => {
      end.error = error;
      end.isOver = true;
    },
  );
  return { clock, fake, link, agent, quiet, stop, end };
}

test('a lane that breaks ends the agent with its error', async () => {
  const { clock, link, end } = start();
  await clock.advance(5_000);
  assert.equal(end.isOver, false);
  const broken = new Error('an invariant of the link is broken');
  link.breakDown(broken);
  assert.ok(await clock.runUntil(() => end.isOver, 15_000));
  assert.equal(end.error, broken);
});

test('an engine watch that breaks ends the agent too', async () => {
  const broken = new Error('the watch is broken');
  const { clock, end } = start({ watch: () => Promise.reject(broken) });
  assert.ok(await clock.runUntil(() => end.isOver, 15_000));
  assert.equal(end.error, broken);
});

test('an agent that is stopped ends without an error, and its link with it', async () => {
  const { clock, stop, end } = start();
  await clock.advance(5_000);
  stop.abort(new Error('stopped by the test'));
  assert.ok(await clock.runUntil(() => end.isOver, 15_000));
  assert.equal(end.error, undefined);
});

test('the link hears of each look, sees its reports, and is part of the status', async () => {
  const { clock, fake, link, agent, stop } = start();
  await clock.advance(100);
  assert.ok(link.host !== undefined);
  const phases: (string | undefined)[] = [];
  const events: AgentEvent[] = [];
  link.host.onReports(() => phases.push(link.host?.reports()[0]?.phase));
  link.host.onEvent((event) => events.push(event));
  await clock.advance(10_000);
  assert.equal(phases.at(-1), 'Running');
  assert.equal(agent.status().server?.state, 'Connected');
  assert.equal(agent.status().converged, true);

  fake.byHand.kill('web');
  await clock.advance(10_000);
  assert.equal(phases.at(-1), 'Running');
  assert.ok(phases.includes('Reconciling'));
  assert.deepEqual(
    events.filter(({ healed }) => healed).map(({ message, blueprint }) => `${message} ${blueprint}`),
    ['container started web'],
  );

  fake.outage();
  await clock.advance(10_000);
  const ready = link.host.reports()[0]?.status.conditions.find(({ type }) => type === 'Ready');
  assert.equal(ready?.status, 'Unknown');
  agent.refresh();
  assert.equal(link.refreshed, 1);
  stop.abort(new Error('stopped by the test'));
  await clock.advance(15_000);
});

test('an agent says when it has nothing to do, and never while a call is under way', async () => {
  const { clock, fake, quiet, stop } = start();
  await clock.advance(10_000);
  const before = quiet.length;
  assert.ok(before > 0);
  fake.byHand.kill('web');
  await clock.advance(10_000);
  assert.ok(quiet.length > before);
  assert.deepEqual(
    quiet.filter((doing) => doing !== ''),
    [],
  );
  stop.abort(new Error('stopped by the test'));
});
