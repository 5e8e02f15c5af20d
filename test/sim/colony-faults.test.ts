import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newKey } from '../../src/colony/port.ts';
import { EXECUTOR_STATES, PROCESS_STATES } from '../fakes/colony/index.ts';
import { HOUR, MINUTE, SECOND } from '../fakes/outages/profiles.ts';
import { seededRandom } from '../fakes/random.ts';
import { deployment } from './blueprints.ts';
import { type ColonyNode, ColonySim, type NodeOptions, onServer, seedFor, USER } from './colony-harness.ts';

const WEB = deployment('web', [{ name: 'web-a' }, { name: 'web-b' }]);
const SHOP = deployment('shop', [{ name: 'shop-a' }]);

/** Runs a story on a node that has caught up with two blueprints. */
function story(
  title: string,
  body: (node: ColonyNode, sim: ColonySim) => Promise<void>,
  options: NodeOptions = {},
): void {
  test(title, async () => {
    const seed = seedFor(31);
    const sim = new ColonySim({ keepEnded: 2_000 });
    const node = sim.node({ seed, ...options });
    try {
      node.publish(WEB, SHOP);
      node.start();
      await node.caughtUp();
      await body(node, sim);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error}`, { cause: error });
    } finally {
      sim.close();
    }
  });
}

function version(v: number) {
  return deployment('web', [{ name: 'web-a', environment: { V: String(v) } }, { name: 'web-b' }]);
}

/** Every executor's silence is over the limit: the server forgets it. */
async function away(node: ColonyNode, ms: number, mode: 'refuse' | 'blackHole' = 'refuse'): Promise<void> {
  await node.way.set({ mode });
  await node.run(ms);
  await node.way.set({ mode: 'pass' });
}

story(
  'defect 20: assignments whose answers are lost are found and closed, and the schedule goes on',
  async (node, sim) => {
    for (let round = 1; round <= 20; round += 1) {
      sim.world.faults.dropReply('assignprocessmsg', 1 + (round % 3));
      node.publish(version(round));
      await node.caughtUp();
      await node.run(3 * MINUTE);
      const open = sim.world.openProcesses();
      assert.ok(open.length <= 1, `${open.length} open processes`);
    }
    const scheduled = () =>
      sim.world
        .processes()
        .filter(({ graphId, state }) => graphId !== '' && state === PROCESS_STATES.success);
    const closed = scheduled().length;
    await node.run(HOUR);
    // Each is held for up to ten minutes, and the next one comes a minute later.
    const later = scheduled().length - closed;
    assert.ok(later >= 5, `${later} processes of the schedule in an hour`);
  },
);

story(
  'answers that come cut off or twice lead to no wrong removal, and to the goal in the end',
  async (node) => {
    const dice = seededRandom(seedFor(32));
    const before = node.livesOfContainers();
    const mark = node.mark();
    node.way.mangle = (_type, body) => {
      const roll = dice.below(4);
      if (roll === 0) return body.slice(0, dice.below(body.length));
      return roll === 1 ? body + body : body;
    };
    await node.run(2 * HOUR);
    node.expectMutations(mark, []);
    assert.equal(node.livesOfContainers(), before);
    node.publish(version(1));
    await node.run(10 * MINUTE);
    node.way.mangle = undefined;
    await node.caughtUp();
  },
);

story('a server that restarts again and again loses nothing and restarts nothing', async (node, sim) => {
  const before = node.livesOfContainers();
  for (let round = 0; round < 20; round += 1) {
    sim.world.stop();
    await node.run(round * 5 * SECOND);
    sim.world.start();
    await node.run(round * 7 * SECOND);
  }
  await node.caughtUp();
  assert.equal(node.livesOfContainers(), before);
  node.publish(version(1));
  await node.caughtUp();
});

story(
  'a server restored from an empty database empties no node, until somebody says that it is meant',
  async (node, sim) => {
    const before = node.livesOfContainers();
    await node.way.set({ mode: 'refuse' });
    await node.reaches('Offline');
    // Nobody there remembers a cleanup either.
    for (const name of ['web', 'shop']) sim.world.removeBlueprint(name);
    for (const { id } of node.openWork()) sim.world.cancel(id);
    await node.way.set({ mode: 'pass' });
    await node.run(2 * HOUR);
    assert.equal(node.livesOfContainers(), before);
    assert.match(node.link.listing.suspect ?? '', /all 2 blueprints/);
    await node.restartAgent();
    await node.run(HOUR);
    assert.equal(node.livesOfContainers(), before, 'nor after a restart');
    assert.deepEqual([...node.agent.confirmRemoval()].sort(), ['shop', 'web']);
    await node.until(() => node.world.boxes.size === 0, 'removed after the confirmation');
  },
);

story('a restored blueprint ends the suspicion', async (node, sim) => {
  await node.way.set({ mode: 'refuse' });
  await node.reaches('Offline');
  for (const name of ['web', 'shop']) sim.world.removeBlueprint(name);
  for (const { id } of node.openWork()) sim.world.cancel(id);
  await node.way.set({ mode: 'pass' });
  await node.until(() => node.link.listing.suspect !== undefined, 'suspected');
  for (const document of [WEB, SHOP]) sim.world.addBlueprint(onServer(document));
  await node.caughtUp();
  assert.equal(node.link.listing.suspect, undefined);
});

story(
  'a blueprint removed and added again while away is the new one, and its old cleanup removes nothing',
  async (node, sim) => {
    await away(node, 5 * MINUTE);
    await node.caughtUp();
    await node.way.set({ mode: 'blackHole' });
    await node.run(2 * MINUTE);
    node.unpublish('web');
    node.publish(version(7));
    await node.way.set({ mode: 'pass' });
    await node.caughtUp();
    assert.equal(node.box('web-a').spec.env.V, '7');
    assert.equal(sim.world.openProcesses().filter(({ graphId }) => graphId === '').length, 0);
  },
);

story('a cleanup that waits while the node is away is done when it is back', async (node) => {
  await node.way.set({ mode: 'blackHole' });
  await node.run(5 * MINUTE);
  node.unpublish('shop');
  await node.way.set({ mode: 'pass' });
  await node.caughtUp();
  assert.equal(node.world.byName('shop-a'), undefined);
});

story('a blueprint that moved to another place while the node was away leaves it', async (node, sim) => {
  await node.way.set({ mode: 'refuse' });
  await node.run(MINUTE);
  const document = sim.world.blueprint('shop');
  const metadata = document.metadata as Record<string, unknown>;
  sim.world.updateBlueprint({ ...document, metadata: { ...metadata, locationname: 'elsewhere' } });
  node.goal.drop('shop');
  await node.way.set({ mode: 'pass' });
  await node.reaches('Connected');
  await node.until(() => node.world.byName('shop-a') === undefined, 'shop has left', 20 * SECOND);
  assert.ok(node.isRunning('web-a'));
});

story(
  'defect 18: swept after ten minutes, a node with the owner key is back at once, under its old identity',
  async (node, sim) => {
    const before = node.livesOfContainers();
    await away(node, 15 * MINUTE);
    assert.equal(sim.world.executor(node.name)?.state, EXECUTOR_STATES.unregistered);
    await node.caughtUp();
    assert.equal(sim.world.executor(node.name)?.id, node.key.id);
    assert.equal(node.livesOfContainers(), before);
    await node.run(MINUTE);
    const functions = sim.world.functions().filter(({ executorName }) => executorName === node.name);
    assert.deepEqual(functions.map(({ name }) => name).sort(), ['cleanup', 'reconcile']);
  },
  { withOwner: true },
);

story(
  'defect 18: swept, a node without more keys heals on and catches the window after an approval',
  async (node, sim) => {
    await away(node, 15 * MINUTE);
    await node.reaches('Unregistered');
    node.publish(version(3));
    await node.run(2 * HOUR);
    node.byHand.kill('web-b');
    await node.until(() => node.isRunning('web-b'), 'healed while unregistered', 2 * SECOND);
    assert.equal(node.link.state, 'Unregistered');
    // The record's time is an hour old: without an attempt before the next sweep the approval is lost again.
    const isBack = () => node.link.state === 'Connected';
    for (let round = 0; round < 3 && !isBack(); round += 1) {
      sim.world.approve(node.name);
      await node.run(MINUTE);
    }
    assert.equal(node.link.state, 'Connected');
    await node.caughtUp();
  },
);

story(
  'defect 18: swept, a node with a user key goes on receiving blueprints and reporting',
  async (node, sim) => {
    await away(node, 15 * MINUTE);
    await node.reaches('Unregistered');
    node.publish(version(4));
    await node.until(() => node.goal.met(), 'the new version runs');
    await node.until(() => node.statusProblems().length === 0, 'the server knows');
    assert.equal(node.link.state, 'Unregistered');
    sim.world.approve(node.name);
    await node.reaches('Connected', MINUTE);
    await node.caughtUp();
  },
  { withUser: true },
);

story(
  'an agent that dies at random moments throughout forgets nothing',
  async (node, sim) => {
    const dice = seededRandom(seedFor(33));
    for (let round = 1; round <= 60; round += 1) {
      if (dice.below(3) === 0)
        await node.way.set({ mode: (['refuse', 'blackHole', 'pass'] as const)[dice.below(3)] ?? 'pass' });
      if (dice.below(3) === 0) node.publish(version(round));
      if (dice.below(4) === 0) node.byHand.kill(node.isRunning('web-b') ? 'web-b' : 'shop-a');
      if (dice.below(4) === 0) sim.world.faults.dropReply('assignprocessmsg');
      await node.run(dice.below(dice.below(2) === 0 ? 2_000 : 60_000));
      await node.restartAgent(dice.below(4) === 0 ? 'stop' : 'crash');
    }
    await node.way.set({ mode: 'pass' });
    await node.caughtUp(HOUR);
    await node.run(10 * MINUTE);
    await node.caughtUp();
    assert.deepEqual(node.world.removedVolumes, []);
  },
  { withOwner: true },
);

test('a key that nobody knows leaves the node as it was, and is taken up when it is registered', async () => {
  const sim = new ColonySim();
  const node = sim.node({ isRegistered: false, key: newKey() });
  try {
    node.publish(WEB);
    node.start();
    await node.reaches('UnknownKey');
    node.register();
    await node.caughtUp();
    assert.notEqual(USER.id, node.key.id);
  } finally {
    sim.close();
  }
});
