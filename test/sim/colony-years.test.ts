import assert from 'node:assert/strict';
import { DAY, HOUR, MINUTE, PROFILES, type Profile } from '../fakes/outages/profiles.ts';
import { schedule } from '../fakes/outages/schedule.ts';
import { seededRandom } from '../fakes/random.ts';
import { aside } from './aside.ts';
import { deployment } from './blueprints.ts';
import { type ColonyNode, ColonySim, seedFor } from './colony-harness.ts';

const DAYS = 400;
const SHIP_DAYS = 120;

/** A satellite's link, but for a ship's purse: an hour or two of it every few days. */
const SHIP: Profile = {
  ...PROFILES.satellite,
  on: { min: HOUR, max: 2 * HOUR },
  off: { min: 3 * DAY, max: 12 * DAY },
};

aside(
  import.meta.url,
  '400 days without a link: what fails is healed when it can be, nothing grows, and an idle month writes nothing',
  async () => {
    await years(5, async (node) => {
      await node.way.set({ mode: 'blackHole' });
      await node.reaches('Offline');
      const attempts = node.way.sent;
      await pass(node, DAYS - 30, 5);
      const { writes } = node.store;
      await node.run(30 * DAY);
      assert.equal(node.store.writes, writes, 'nothing was written in an idle month');
      const perDay = (node.way.sent - attempts) / DAYS;
      // 15 s without an answer, and between 0 and 5 min, so 2.5 min in the mean, until the next attempt.
      assert.ok(perDay > 490 && perDay < 560, `${perDay} attempts a day`);
      await node.way.set({ mode: 'pass' });
      const backMs = await node.reaches('Connected');
      assert.ok(backMs <= 5 * MINUTE, `connected ${backMs} ms after the link was back`);
    });
  },
);

aside(
  import.meta.url,
  '120 days with a link for an hour or two every few days: the node ends as engine and server say, and nothing grows',
  async () => {
    await years(6, async (node) => {
      const changes = schedule(SHIP, { seed: seedFor(6), hours: SHIP_DAYS * 24 });
      let connections = 0;
      const following = node.follow(changes, ({ state }) => {
        if (state === 'on') connections += 1;
      });
      await pass(node, SHIP_DAYS, 6, () => {
        const version = String(connections);
        node.publish(deployment('shop', [{ name: 'shop-a', environment: { VERSION: version } }]));
      });
      await following;
      assert.ok(connections > 8, `${connections} connections`);
    });
  },
);

/** Days with services that fail and heal; `daily` does what else there is to do. */
async function pass(node: ColonyNode, days: number, seed: number, daily = () => {}): Promise<void> {
  const dice = seededRandom(seedFor(seed));
  for (let day = 0; day < days; day += 1) {
    const [name, box] = dice.below(2) === 0 ? ['web-a', 'web-b'] : ['web-b', 'web-a'];
    if (day % 3 === 0) node.byHand.kill(name);
    else if (day % 3 === 1) node.byHand.remove(name);
    await node.until(() => node.isRunning(name) && node.isRunning(box), `${name} healed`, 2_000);
    if (day % 10 === 5) await unable(node, HOUR);
    if (day % 40 === 20) await engineAway(node, 20 * MINUTE);
    if (day % 10 === 0) daily();
    await node.run(DAY);
    expectBounded(node);
  }
}

/** For a while containers of web's image do not start, and one is down. */
async function unable(node: ColonyNode, ms: number): Promise<void> {
  const broken = node.offer('app:1');
  node.world.tag('app:1', { ...broken, program: () => ({ startFails: 'ENGINE_FAILED' }) });
  node.byHand.remove('web-a');
  await node.run(ms);
  assert.ok(!node.isRunning('web-a'), 'it could not be started');
  node.world.tag('app:1', broken);
  await node.until(() => node.isRunning('web-a'), 'web-a healed once it could be');
}

async function engineAway(node: ColonyNode, ms: number): Promise<void> {
  node.engine.outage();
  node.world.kill(node.box('web-b'));
  await node.run(ms);
  node.engine.recover();
  await node.until(() => node.isRunning('web-b'), 'web-b healed after the engine was back');
}

function expectBounded(node: ColonyNode): void {
  const most = (what: string, count: number, limit: number) =>
    assert.ok(count <= limit, `${count} ${what}\n${node.account()}`);
  most('events kept', node.agent.events(0).length, 1_000);
  most('sleeps', node.clock.sleeping, 100);
  most('characters on disk', [...node.store.disk.values()].join('').length, 30_000);
  most('characters of status', JSON.stringify(node.status()).length, 20_000);
  most('processes open', node.link.openProcesses, 20);
}

/** A node with two blueprints from the server, `body` with it, and in the end everything as it should be. */
async function years(usualSeed: number, body: (node: ColonyNode) => Promise<void>): Promise<void> {
  const seed = seedFor(usualSeed);
  const sim = new ColonySim({ keepEnded: 500 });
  const node = sim.node({
    seed,
    withOwner: true,
    settings: { linkClass: 'metered' },
    hasAddresses: false,
    agent: { resyncMs: DAY },
  });
  try {
    node.publish(
      deployment('web', [{ name: 'web-a' }, { name: 'web-b' }]),
      deployment('shop', [{ name: 'shop-a' }]),
    );
    node.start();
    await node.caughtUp();
    await body(node);
    await node.caughtUp(HOUR);
    expectBounded(node);
    assert.equal(node.lives, 1);
    assert.deepEqual(node.world.removedVolumes, []);
  } catch (error) {
    throw new Error(`seed ${seed}: ${error}`, { cause: error });
  } finally {
    sim.close();
  }
}
