import assert from 'node:assert/strict';
import { MINUTE, SECOND } from '../fakes/outages/profiles.ts';
import { aside } from './aside.ts';
import { deployment } from './blueprints.ts';
import { type ColonyNode, ColonySim, onServer, seedFor } from './colony-harness.ts';

const NODES = 1_000;

interface Spread {
  /** Requests per second: the busiest second, and the mean from the link's return to the last node's connection. */
  peak: number;
  mean: number;
  seconds: number;
}

aside(
  import.meta.url,
  'a thousand nodes that lost their link together for 50 min come back at no more than twice the mean rate',
  async () => {
    await fleet(async (sim) => {
      for (const node of sim.nodes) node.start();
      await sim.clock.advance(40 * SECOND);
      assert.ok(sim.nodes.every((node) => node.link.state === 'Connected'));
      for (const node of sim.nodes) void node.way.set({ mode: 'refuse' });
      await sim.clock.advance(50 * MINUTE);
      assert.ok(sim.nodes.every((node) => node.link.state === 'Offline'));
      for (const node of sim.nodes) void node.way.set({ mode: 'pass' });
      expectSpread(await recovery(sim), 'after an outage of all links');
    });
  },
);

aside(
  import.meta.url,
  'a thousand nodes that get their power back together arrive at no more than twice the mean rate',
  async () => {
    await fleet(async (sim) => {
      for (const node of sim.nodes) node.start();
      expectSpread(await recovery(sim), 'after a power cut');
    });
  },
);

/** A server that keeps silent executors for hours, as the operator's guide asks for where nodes move. */
async function fleet(body: (sim: ColonySim) => Promise<void>): Promise<void> {
  const seed = seedFor(11);
  const sim = new ColonySim({ staleAfterMs: 4 * 60 * MINUTE, keepEnded: 200_000 });
  for (let index = 0; index < NODES; index += 1) {
    const node = sim.node(cheap(index, seed));
    sim.world.addBlueprint(onServer(deployment(`app-${index}`, [{ name: 'app' }]), node.site));
  }
  try {
    await body(sim);
  } catch (error) {
    throw new Error(`seed ${seed}: ${error}`, { cause: error });
  } finally {
    sim.close();
  }
}

/** A node that costs little while nothing happens. */
function cheap(index: number, seed: number): Parameters<ColonySim['node']>[0] {
  return {
    name: `node-${index}`,
    seed: seed * 100_000 + index * 17,
    agent: { resyncMs: 60 * MINUTE },
    hasAddresses: false,
    // Else each would read the blueprints of all.
    settings: { unlocatedPolicy: 'ignore' },
    site: `site-${index}`,
  };
}

/** Runs until everybody is connected, and counts what was sent meanwhile, second by second. */
async function recovery(sim: ColonySim): Promise<Spread> {
  const startMs = sim.clock.monoMs();
  const sent = () => sim.nodes.reduce((sum, node) => sum + node.way.sent, 0);
  const perSecond: number[] = [];
  let before = sent();
  let waiting: ColonyNode[] = sim.nodes;
  while (waiting.length > 0) {
    assert.ok(sim.clock.monoMs() - startMs < 10 * MINUTE, `${waiting.length} nodes are not back`);
    await sim.clock.advance(SECOND);
    const now = sent();
    perSecond.push(now - before);
    before = now;
    waiting = waiting.filter((node) => node.link.state !== 'Connected');
  }
  const sum = perSecond.reduce((all, one) => all + one, 0);
  return { peak: Math.max(...perSecond), mean: sum / perSecond.length, seconds: perSecond.length };
}

function expectSpread({ peak, mean, seconds }: Spread, when: string): void {
  const text = `${when}: peak ${peak}/s, mean ${mean.toFixed(1)}/s over ${seconds} s`;
  assert.ok(peak <= 2 * mean, text);
}
