import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployment, type InstanceInput } from './blueprints.ts';
import { dieAfterEach } from './dying.ts';
import { type Harness, simulation } from './harness.ts';

const CHECK: Partial<InstanceInput> = {
  healthcheck: { test: 'true', interval: '5s', retries: 1 },
  onUnhealthy: 'ignore',
};
const TCP: Partial<InstanceInput> = {
  probe: { tcp: { port: 80 }, interval: '5s', timeout: '2s', retries: 2 },
  onUnhealthy: 'ignore',
};

const web = (replicas: number, more: Partial<InstanceInput> = CHECK, generation = 1) =>
  deployment('web', [{ name: 'web', ...more }], { replicas, generation });

/** So many replicas run and are healthy, and the version has proved good. */
async function running(sim: Harness, replicas: number, more = CHECK): Promise<void> {
  for (const reference of ['app:1', 'app:2']) {
    const image = sim.world.findImage(reference);
    assert.ok(image !== undefined);
    image.program = () => ({ health: { becomes: 'healthy', afterMs: 500 } });
  }
  sim.deploy(web(replicas, more));
  sim.start();
  await sim.settle();
  await sim.run(10_000);
}

const ids = (sim: Harness, ...names: string[]) => names.map((name) => sim.box(name).id);

/** The state in which web-0 of three is gone for being sick. */
async function keptTwo(sim: Harness): Promise<void> {
  await running(sim, 3);
  sim.byHand.health('web-0', 'unhealthy');
  sim.deploy(web(2));
  await sim.settle();
  assert.deepEqual(sim.byHand.names(), ['web-1', 'web-2']);
}

simulation(
  'of three replicas the sick one goes, and the others keep number, name and process',
  async (sim) => {
    await running(sim, 3);
    const before = ids(sim, 'web-1', 'web-2');
    const mark = sim.mark();
    sim.byHand.health('web-0', 'unhealthy');
    sim.deploy(web(2));
    await sim.settle();
    sim.expectMutations(mark, ['stopContainer web-0', 'removeContainer web-0']);
    assert.deepEqual(ids(sim, 'web-1', 'web-2'), before);
    const { status, phase, ready, desired } = sim.report('web');
    assert.deepEqual([phase, ready, desired], ['Running', 2, 2]);
    assert.deepEqual([status.desiredInstances, status.readyInstances, status.totalInstances], [2, 2, 2]);
    assert.deepEqual(
      status.instances.map(({ name }) => name),
      ['web-1', 'web-2'],
    );
    const event = sim.agent.events(0).find(({ message }) => message === 'container stopped');
    assert.match(event?.cause ?? '', /no longer asked for by the blueprint \(of too many replicas, first/);
    await sim.expectQuiet();
  },
);

simulation("the agent's own probe counts, and of healthy ones the highest number goes", async (sim) => {
  await running(sim, 4, TCP);
  sim.byHand.hang('web-1');
  await sim.until(() => sim.report('web').ready === 3, 'the probe finds it sick');
  sim.deploy(web(2, TCP));
  await sim.settle();
  assert.deepEqual(sim.byHand.names(), ['web-0', 'web-2']);
  await sim.expectQuiet();
});

simulation('a replica that cannot be started goes before those that run', async (sim) => {
  await running(sim, 3);
  const isStart = (kind: string, target: string) => kind === 'startContainer' && target === 'web-1';
  sim.engine.fail({ code: 'ENGINE_REFUSED', when: ({ kind, target }) => isStart(kind, target), times: 99 });
  sim.byHand.kill('web-1');
  await sim.until(() => sim.report('web').phase === 'Degraded', 'it cannot be started');
  sim.deploy(web(2));
  await sim.settle();
  assert.deepEqual(sim.byHand.names(), ['web-0', 'web-2']);
});

simulation(
  'a single replica that is left over keeps its number, and more take the lowest free ones',
  async (sim) => {
    await running(sim, 3);
    const [kept] = ids(sim, 'web-2');
    for (const name of ['web-0', 'web-1']) sim.byHand.health(name, 'unhealthy');
    sim.deploy(web(1));
    await sim.settle();
    assert.deepEqual(sim.byHand.names(), ['web-2']);
    sim.deploy(web(3));
    await sim.settle();
    assert.deepEqual(sim.byHand.names(), ['web-0', 'web-1', 'web-2']);
    assert.equal(sim.box('web-2').id, kept);
    assert.equal(sim.box('web-2').run, 1);
  },
);

simulation(
  'the numbers stay over a restart of the agent, and what is lost takes the lowest free one',
  async (sim) => {
    await keptTwo(sim);
    const mark = sim.mark();
    await sim.restartAgent();
    await sim.settle();
    await sim.run(120_000);
    sim.expectMutations(mark, []);
    sim.byHand.remove('web-2');
    await sim.settle();
    assert.deepEqual(sim.byHand.names(), ['web-0', 'web-1']);
  },
);

simulation('a kept replica that ends is started again under its number', async (sim) => {
  await keptTwo(sim);
  const [id] = ids(sim, 'web-2');
  sim.byHand.kill('web-2');
  await sim.settle();
  assert.deepEqual(sim.byHand.names(), ['web-1', 'web-2']);
  assert.deepEqual(ids(sim, 'web-2'), [id]);
});

simulation(
  'a new version replaces the kept numbers, proves good, and a bad one goes back to it',
  async (sim) => {
    await keptTwo(sim);
    await sim.run(10_000);
    sim.deploy(web(2, { ...CHECK, image: 'app:2' }, 2));
    await sim.settle();
    await sim.run(10_000);
    assert.deepEqual(sim.byHand.names(), ['web-1', 'web-2']);
    const before = ids(sim, 'web-1', 'web-2');
    sim.world.tag('app:bad', {
      ...sim.offer('app:bad'),
      program: () => ({ exitsAfterMs: 300, exitCode: 3 }),
    });
    sim.directory.write('web.json', web(2, { ...CHECK, image: 'app:bad' }, 3));
    await sim.until(() => sim.waits('web').includes('RolledBack'), 'rolled back', 60_000);
    await sim.until(() => sim.goal.met(), 'the good version runs');
    assert.deepEqual(sim.byHand.names(), ['web-1', 'web-2']);
    assert.deepEqual(ids(sim, 'web-1', 'web-2'), before);
    assert.match(sim.report('web').waiting[0]?.message ?? '', /to generation 2 /);
  },
);

simulation('what was not changed does not condemn a version, under whichever numbers', async (sim) => {
  await keptTwo(sim);
  await sim.run(10_000);
  const image = sim.world.findImage('app:1');
  assert.ok(image !== undefined);
  image.program = () => ({ exitsAfterMs: 300, exitCode: 3 });
  sim.deploy(
    deployment(
      'web',
      [
        { name: 'web', ...CHECK },
        { name: 'more', image: 'app:2' },
      ],
      { replicas: 2 },
    ),
  );
  sim.byHand.crash('web-2');
  await sim.run(120_000);
  assert.ok(!sim.waits('web').includes('RolledBack'), sim.account());
});

simulation('fewer replicas in a new version: the sick one goes, the others are replaced', async (sim) => {
  await running(sim, 3);
  sim.byHand.health('web-1', 'unhealthy');
  sim.deploy(web(2, { ...CHECK, image: 'app:2' }, 2));
  await sim.settle();
  assert.deepEqual(sim.byHand.names(), ['web-0', 'web-2']);
});

simulation('of a roll-out that is under way the old generation goes first', async (sim) => {
  await running(sim, 4);
  sim.directory.write('web.json', web(4, { ...CHECK, image: 'app:2' }, 2));
  const isNew = (name: string) => sim.world.byName(name)?.imageRef === 'app:2';
  await sim.until(() => isNew('web-0') && isNew('web-1') && sim.isRunning('web-3'), 'half of it is done');
  sim.deploy(web(2, { ...CHECK, image: 'app:2' }, 3));
  const mark = sim.mark();
  await sim.settle();
  assert.deepEqual(sim.byHand.names(), ['web-0', 'web-1']);
  assert.ok(
    !sim.mutations(mark).some((text) => /^(stop|remove)Container web-[01]$/.test(text)),
    sim.account(),
  );
});

simulation('what depends on the instance waits for the kept numbers', async (sim) => {
  await keptTwo(sim);
  sim.deploy(deployment('api', [{ name: 'api', image: 'app:2' }], { dependsOn: ['web'] }));
  await sim.settle();
  assert.ok(sim.isRunning('api'));
});

test('an agent that dies after any engine call while a sick replica goes ends with the others untouched', () =>
  dieAfterEach(
    {
      title: 'scaling down to the healthy ones',
      prepare: (sim) => running(sim, 3),
      change: (sim) => {
        sim.byHand.health('web-0', 'unhealthy');
        sim.deploy(web(2));
      },
      check: (sim) => {
        assert.deepEqual(sim.byHand.names(), ['web-1', 'web-2']);
        assert.deepEqual([sim.box('web-1').run, sim.box('web-2').run], [1, 1]);
      },
    },
    {},
  ));
