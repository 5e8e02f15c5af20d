import assert from 'node:assert/strict';
import { DAY, HOUR, MINUTE, PROFILES, type ProfileName, SECOND } from '../fakes/outages/profiles.ts';
import { type LinkChange, schedule } from '../fakes/outages/schedule.ts';
import { seededRandom } from '../fakes/random.ts';
import { aside } from './aside.ts';
import { deployment } from './blueprints.ts';
import { type ColonyNode, ColonySim, seedFor } from './colony-harness.ts';

/** The belt's days without a link need room. */
const HOURS: Readonly<Record<ProfileName, number>> = { train: 24, mine: 24, satellite: 24, belt: 97 };

/** How long the longest of ten heals takes online; offline it is to be the same. */
const HEAL_WITHIN_MS = 1_000;

for (const name of Object.keys(PROFILES) as ProfileName[])
  aside(
    import.meta.url,
    `${HOURS[name]} h on the link of the profile ${name}: healed as fast offline as online, caught up in the end, nothing left open`,
    async () => {
      const seed = seedFor(21);
      const sim = new ColonySim({ keepEnded: 2_000 });
      const node = sim.node({ seed, withOwner: true });
      try {
        await through(node, schedule(PROFILES[name], { seed, hours: HOURS[name] }), seed);
      } catch (error) {
        throw new Error(`${name}, seed ${seed}: ${error}`, { cause: error });
      } finally {
        sim.close();
      }
    },
  );

async function through(node: ColonyNode, changes: readonly LinkChange[], seed: number): Promise<void> {
  const dice = seededRandom(seed * 31);
  node.publish(
    deployment('web', [{ name: 'web-a' }, { name: 'web-b' }]),
    deployment('still', [{ name: 'still-a' }]),
    deployment('leaving', [{ name: 'leaving-a' }]),
  );
  node.start();
  await node.caughtUp();
  const still = node.box('still-a');
  const before = `${still.id} ${still.startedAt}`;
  const heals = { on: [] as number[], off: [] as number[] };
  const link = { state: 'on' as 'on' | 'off', hasPower: true, losses: 0, isNew: false };
  const following = node.follow(changes, (change) => {
    link.state = change.state;
    if (change.powerLoss === true) {
      node.crashAgent();
      node.world.shutDown(255);
      link.hasPower = false;
    } else if (!link.hasPower) {
      node.world.boot();
      node.start();
      link.hasPower = true;
    }
    link.isNew = change.state === 'off' && link.hasPower;
    if (link.isNew) link.losses += 1;
  });
  const endMs = node.clock.monoMs() + (changes.at(-1)?.atMs ?? 0);
  let version = 0;
  while (node.clock.monoMs() < endMs) {
    await node.clock.runUntil(
      () => link.isNew,
      Math.min(dice.below(20 * MINUTE), endMs - node.clock.monoMs()),
    );
    if (link.isNew && version < 12) {
      version += 1;
      node.publish(
        deployment('web', [{ name: 'web-a', environment: { V: String(version) } }, { name: 'web-b' }]),
      );
    }
    if (link.isNew && link.losses === 2) node.unpublish('leaving');
    link.isNew = false;
    if (!link.hasPower || !node.isRunning('web-b')) continue;
    const at = link.state;
    node.byHand.kill('web-b');
    const ms = await node.until(() => !link.hasPower || node.isRunning('web-b'), 'web-b healed', 10 * SECOND);
    if (link.hasPower && at === link.state) heals[at].push(ms);
  }
  await following;
  await node.caughtUp(HOUR);
  // One of the schedule is held for up to ten minutes; none for ever.
  const open = new Set(node.sim.world.openProcesses().map(({ id }) => id));
  await node.run(HOUR);
  await node.caughtUp();
  const left = node.sim.world.openProcesses().filter(({ id }) => open.has(id));
  assert.deepEqual(left, [], 'no process is left open');
  assert.ok(link.losses >= 2 && version >= 2, `${link.losses} losses, ${version} changes while away`);
  assert.equal(node.world.byName('leaving-a'), undefined);
  assert.equal(node.box('web-a').spec.env.V, String(version));
  assert.ok(heals.on.length > 3 && heals.off.length > 0, `${heals.on.length} and ${heals.off.length} heals`);
  for (const ms of [...heals.on, ...heals.off]) assert.ok(ms <= HEAL_WITHIN_MS, `healed in ${ms} ms`);
  if (!changes.some(({ powerLoss }) => powerLoss)) {
    assert.equal(`${node.box('still-a').id} ${node.box('still-a').startedAt}`, before, 'never restarted');
    assert.ok(median(heals.off) <= 1.1 * median(heals.on), `${heals.off} against ${heals.on}`);
  }
  assert.ok(node.clock.sleeping < 100, `${node.clock.sleeping} sleeps`);
  assert.ok(node.agent.events(0).length <= 1_000);
  assert.ok([...node.store.disk.values()].join('').length < 30_000);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

aside(import.meta.url, 'a thousand disconnects in a row restart no container', async () => {
  const sim = new ColonySim({ keepEnded: 2_000 });
  const seed = seedFor(22);
  const node = sim.node({ seed, withOwner: true });
  const dice = seededRandom(seed);
  try {
    node.publish(deployment('web', [{ name: 'web-a' }, { name: 'web-b' }]));
    node.start();
    await node.caughtUp();
    const before = node.livesOfContainers();
    const mutations = node.mark();
    for (let round = 0; round < 1_000; round += 1) {
      const mode =
        (['refuse', 'reset', 'blackHole', 'halfOpen', 'freeze'] as const)[dice.below(5)] ?? 'reset';
      await node.way.set({ mode });
      await node.run(dice.below(20 * SECOND));
      await node.way.set({ mode: 'pass' });
      await node.run(dice.below(20 * SECOND));
    }
    await node.caughtUp();
    assert.equal(node.livesOfContainers(), before);
    node.expectMutations(mutations, []);
    await node.run(DAY / 24);
    await node.caughtUp();
  } catch (error) {
    throw new Error(`seed ${seed}: ${error}`, { cause: error });
  } finally {
    sim.close();
  }
});
