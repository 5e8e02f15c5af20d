import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR, MINUTE } from '../fakes/outages/profiles.ts';
import { seededRandom } from '../fakes/random.ts';
import { deployment } from './blueprints.ts';
import { type ColonyNode, ColonySim, onServer, seedFor } from './colony-harness.ts';

const NAMES = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'] as const;

/** Three nodes on one colony whose blueprints name no place. */
async function three(usual: number, body: (sim: ColonySim, seed: number) => Promise<void>): Promise<void> {
  const seed = seedFor(usual);
  const sim = new ColonySim({ keepEnded: 2_000, staleAfterMs: 10 * HOUR });
  for (const name of ['one', 'two', 'three'])
    sim.node({ name, seed: seed + sim.nodes.length * 1_000, site: name });
  try {
    for (const name of NAMES) sim.world.addBlueprint(onServer(app(name, 0), ''));
    for (const node of sim.nodes) node.start();
    await settled(sim);
    await body(sim, seed);
  } catch (error) {
    const accounts = sim.nodes.map((node) => `${node.name}: ${node.account()}`).join('\n');
    throw new Error(`seed ${seed}: ${error}\n${accounts}`, { cause: error });
  } finally {
    sim.close();
  }
}

function app(name: string, version: number) {
  return deployment(name, [{ name: `${name}-app`, environment: { V: String(version) } }]);
}

/** Names of the nodes on which the blueprint's container runs. */
function runners(sim: ColonySim, name: string): string[] {
  return sim.nodes.filter((node) => node.isRunning(`${name}-app`)).map((node) => node.name);
}

function where(sim: ColonySim): string {
  return NAMES.map((name) => `${name} on ${runners(sim, name).join('+') || 'nobody'}`).join(', ');
}

/** Waits until each runs on exactly one node, and the server's status names that one. */
async function settled(sim: ColonySim, limitMs = 2 * HOUR): Promise<number> {
  const before = sim.clock.monoMs();
  const isSettled = () =>
    NAMES.every((name) => {
      const [first, ...others] = runners(sim, name);
      return first !== undefined && others.length === 0 && sim.world.statusOf(name).node === first;
    });
  assert.ok(await sim.clock.runUntil(isSettled, limitMs), `not settled: ${where(sim)}`);
  return sim.clock.monoMs() - before;
}

function holder(sim: ColonySim, name: string): ColonyNode {
  const node = sim.nodes.find((one) => one.isRunning(`${name}-app`));
  assert.ok(node !== undefined, where(sim));
  return node;
}

test('of three nodes exactly one runs each blueprint without a place, and hours change nothing', async () => {
  await three(41, async (sim) => {
    const before = where(sim);
    await sim.clock.advance(6 * HOUR);
    assert.equal(where(sim), before);
    sim.world.changeSpec('alpha', () => app('alpha', 1).spec);
    await sim.clock.advance(10 * MINUTE);
    assert.equal(where(sim), before, 'an update wipes the status, not the claim');
    assert.equal(holder(sim, 'alpha').box('alpha-app').spec.env.V, '1');
  });
});

test('a holder that was restarted or away for less than its claim keeps what it had, and nobody else starts it', async () => {
  await three(42, async (sim, seed) => {
    const dice = seededRandom(seed);
    const before = where(sim);
    const lives = sim.nodes.map((node) => node.livesOfContainers());
    for (let round = 0; round < 40; round += 1) {
      const node = sim.nodes[dice.below(3)] as ColonyNode;
      if (dice.below(2) === 0) await node.restartAgent(dice.below(2) === 0 ? 'crash' : 'stop');
      else {
        await node.way.set({ mode: (['refuse', 'blackHole', 'freeze'] as const)[dice.below(3)] ?? 'refuse' });
        if (dice.below(3) === 0) await node.restartAgent();
        await sim.clock.advance(dice.below(20 * MINUTE));
        await node.way.set({ mode: 'pass' });
        // Back before the next round, and heard of: two outages without a sign of life in between may be too long.
        await node.reaches('Connected', 10 * MINUTE);
        await sim.clock.advance(MINUTE);
      }
      await sim.clock.advance(dice.below(6 * MINUTE));
      assert.equal(where(sim), before, `round ${round}`);
    }
    assert.deepEqual(
      sim.nodes.map((node) => node.livesOfContainers()),
      lives,
      'nothing was restarted',
    );
  });
});

test('what a holder that is gone ran moves to another node, and when it is back one of both gives it up', async () => {
  await three(43, async (sim) => {
    for (let round = 0; round < 3; round += 1) {
      const gone = holder(sim, 'alpha');
      const others = NAMES.filter((name) => !gone.isRunning(`${name}-app`));
      const before = others.map((name) => runners(sim, name).join());
      await gone.way.set({ mode: round === 1 ? 'blackHole' : 'refuse' });
      await sim.clock.advance(2 * HOUR);
      assert.equal(runners(sim, 'alpha').length, 2, `offline it is kept: ${where(sim)}`);
      await gone.way.set({ mode: 'pass' });
      // Its next attempt, a look at what became another's, and the time to stop.
      await settled(sim, 10 * MINUTE);
      assert.deepEqual(
        others.map((name) => runners(sim, name).join()),
        before,
        'the others stayed where they were',
      );
    }
  });
});
