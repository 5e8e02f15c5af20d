import assert from 'node:assert/strict';
import { image, normalReference } from '../fakes/engine-types.ts';
import { deployment } from './blueprints.ts';
import { simulation } from './harness.ts';

const SLOW = deployment('slow', [{ name: 'slow-1', image: 'big:1' }]);
const WEB = deployment('web', [{ name: 'web-a' }]);

simulation(
  'a pull of half an hour delays nobody, shows its progress, and ends in a running container',
  async (sim) => {
    sim.offer('big:1', { takesMs: 1_800_000 });
    sim.deploy(SLOW, WEB);
    sim.goal.excused.add('slow-1');
    sim.start();
    await sim.until(() => sim.isRunning('web-a'), 'web runs', 5_000);
    await sim.run(600_000);
    const [pull] = sim.status().pulls;
    assert.equal(pull?.state, 'running');
    assert.ok((pull?.currentBytes ?? 0) > 0 && (pull?.totalBytes ?? 0) > 0);
    assert.ok(sim.waits('slow').includes('Pulling'));
    sim.byHand.kill('web-a');
    await sim.until(() => sim.isRunning('web-a'), 'healed during the pull', 5_000);
    sim.goal.excused.clear();
    await sim.settle(3_600_000);
    assert.equal(sim.engine.calls.filter((call) => call.kind === 'pullImage').length, 1);
  },
);

simulation(
  'a pull that fails is tried again at growing intervals up to five minutes, for ever',
  async (sim) => {
    sim.deploy(SLOW, WEB);
    sim.goal.excused.add('slow-1');
    sim.start();
    await sim.run(4 * 3_600_000);
    assert.deepEqual([...new Set(sim.waits('slow'))], ['ImageNotFound']);
    assert.equal(sim.report('slow').ready, 0);
    const times = sim.engine.calls.filter((call) => call.kind === 'pullImage').map((call) => call.atMs);
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    assert.ok(times.length > 40, `${times.length} tries in four hours`);
    assert.ok(Math.max(...gaps) <= 305_000, `longest wait ${Math.max(...gaps)} ms`);
    assert.ok(Math.max(...gaps) > 120_000, `waits grow, longest ${Math.max(...gaps)} ms`);
    const late = gaps.slice(-10);
    assert.ok(late.reduce((sum, gap) => sum + gap, 0) / late.length > 60_000, `late waits ${late}`);
    sim.offer('big:1');
    sim.goal.excused.clear();
    const took = await sim.settle();
    assert.ok(took <= 310_000);
  },
);

simulation('a pull that stalls is given up for lack of progress and tried again', async (sim) => {
  sim.offer('big:1', { takesMs: 60_000, stallsAt: 0.5 });
  sim.deploy(SLOW);
  sim.start();
  await sim.run(600_000);
  assert.ok(sim.engine.calls.filter((call) => call.kind === 'pullImage').length >= 2);
  sim.offer('big:1', { takesMs: 60_000 });
  await sim.settle();
});

simulation('while offline the old version keeps serving; the new one comes with the link', async (sim) => {
  sim.deploy(WEB);
  sim.start();
  await sim.settle();
  const { id, run } = sim.box('web-a');
  sim.engine.online = false;
  const next = deployment('web', [{ name: 'web-a', image: 'app:9' }]);
  sim.deploy(next);
  await sim.run(3_600_000);
  assert.equal(sim.box('web-a').id, id);
  assert.equal(sim.box('web-a').run, run);
  sim.byHand.kill('web-a');
  await sim.until(() => sim.isRunning('web-a'), 'the old version is healed meanwhile', 10_000);
  assert.equal(sim.box('web-a').id, id);
  sim.engine.online = true;
  sim.offer('app:9');
  await sim.settle();
  assert.notEqual(sim.box('web-a').id, id);
});

simulation('many dead pulls keep at most the lanes busy and never a container waiting', async (sim) => {
  for (let index = 0; index < 12; index += 1) {
    sim.offer(`dead-${index}:1`, { takesMs: 100_000, stallsAt: 0 });
    sim.deploy(deployment(`dead-${index}`, [{ name: `dead-${index}`, image: `dead-${index}:1` }]));
    sim.goal.excused.add(`dead-${index}`);
  }
  sim.deploy(WEB);
  sim.start();
  await sim.until(() => sim.isRunning('web-a'), 'web runs', 5_000);
  await sim.run(600_000);
  const under = sim.status().pulls.filter(({ state }) => state === 'running');
  assert.ok(under.length <= 2, `${under.length} pulls at once`);
  for (let round = 0; round < 20; round += 1) {
    sim.byHand.kill('web-a');
    await sim.until(() => sim.isRunning('web-a'), 'healed', 5_000);
    await sim.run(7_777);
  }
  const tried = new Set(
    sim.engine.calls.filter((call) => call.kind === 'pullImage').map((call) => call.target),
  );
  await sim.run(7_200_000);
  assert.ok(tried.size >= 2);
  const all = new Set(
    sim.engine.calls.filter((call) => call.kind === 'pullImage').map((call) => call.target),
  );
  assert.equal(all.size, 12, 'every image gets its turn');
});

simulation('an image moved to another version by hand is taken over', async (sim) => {
  sim.deploy(WEB);
  sim.start();
  await sim.settle();
  sim.byHand.retag('app:1', { ...sim.offer('app:1-new') });
  await sim.settle();
  await sim.expectQuiet();
});

simulation('an image for another machine is PlatformMismatch and no restart loop', async (sim) => {
  sim.world.arch = 'arm';
  sim.deploy(WEB);
  sim.goal.excused.add('web-a');
  sim.start();
  await sim.run(600_000);
  assert.deepEqual([...new Set(sim.waits('web'))], ['PlatformMismatch']);
  assert.deepEqual(
    sim.engine.calls.filter((call) => call.kind === 'startContainer'),
    [],
  );
});

simulation(
  'with pullPolicy Always each new container is made of the image that is newest then',
  async (sim) => {
    sim.offer('app:2');
    sim.deploy(deployment('web', [{ name: 'web-a', image: 'app:2', pullPolicy: 'Always' }]));
    sim.start();
    await sim.settle();
    const pulls = () => sim.engine.calls.filter((call) => call.kind === 'pullImage').length;
    assert.equal(pulls(), 1);
    const second = image('second');
    sim.engine.registry.set(normalReference('app:2'), { image: second });
    sim.deploy(
      deployment('web', [{ name: 'web-a', image: 'app:2', pullPolicy: 'Always', labels: { v: '2' } }]),
    );
    await sim.settle();
    assert.equal(pulls(), 2);
    assert.equal(sim.byHand.box('web-a').image.id, second.id);
  },
);
