import assert from 'node:assert/strict';
import { deployment, type InstanceInput } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

/** Names of the containers that run and answer on the alias `web`. */
function answering(sim: Harness): string[] {
  return [...sim.world.boxes.values()]
    .filter(
      ({ state, networks }) =>
        state === 'running' && networks.get('colonies_default')?.aliases.includes('web'),
    )
    .map(({ name }) => name);
}

const version = (value: string, more: Partial<InstanceInput> = {}) =>
  deployment('web', [{ name: 'web', environment: { V: value }, ...more }]);

async function deployed(sim: Harness, more: Partial<InstanceInput> = {}): Promise<void> {
  sim.deploy(version('1', more));
  sim.start();
  await sim.settle();
}

/** Runs until converged and returns the least number of containers that ran at any moment. */
async function fewest(sim: Harness, count: () => number): Promise<number> {
  let least = count();
  await sim.until(() => {
    least = Math.min(least, count());
    if (sim.status().converged) assert.ok(sim.goal.met(), `called converged too early\n${sim.account()}`);
    return sim.goal.met() && sim.status().converged;
  }, 'converged');
  return least;
}

simulation('start-first: somebody answers on the alias at every moment of the replacement', async (sim) => {
  await deployed(sim);
  sim.deploy(version('2'));
  await sim.until(() => !sim.status().converged, 'the new version is read');
  assert.equal(await fewest(sim, () => answering(sim).length), 1);
  assert.deepEqual(answering(sim), ['web']);
});

simulation('start-first: both answer for as long as the new one has to prove itself', async (sim) => {
  await deployed(sim);
  sim.deploy(version('2'));
  await sim.until(() => answering(sim).length === 2, 'both answer', 10_000);
  await sim.run(4_000);
  assert.equal(answering(sim).length, 2);
  assert.match(sim.report('web').waiting[0]?.message ?? '', /being watched: it has to stay up for 5 s/);
  await sim.settle();
});

simulation('stop-first: the new container is made before the old one stops', async (sim) => {
  const ports = [{ container: 80, host: 8080 }];
  await deployed(sim, { ports });
  const mark = sim.mark();
  sim.deploy(version('2', { ports }));
  await sim.settle();
  assert.deepEqual(
    sim.engine.mutations(mark.seq).map(({ kind }) => kind),
    ['createContainer', 'stopContainer', 'startContainer', 'removeContainer', 'renameContainer'],
  );
});

simulation('stop-first: a new version that is never healthy gives the old one back', async (sim) => {
  const more = {
    image: 'never:1',
    healthcheck: { test: 'false' },
    ports: [{ container: 80, host: 8080 }],
    update: { deadline: '1m' },
  };
  await deployed(sim, { ports: more.ports });
  const { id } = sim.box('web');
  sim.world.tag('never:1', sim.offer('never:1'));
  sim.directory.write('web.json', version('2', more));
  await sim.until(() => !sim.isRunning('web'), 'the new one is tried', 10_000);
  await sim.until(() => sim.isRunning('web') && sim.box('web').id === id, 'the old one is back', 90_000);
});

simulation('recreate: nothing is made before the old one is gone, but its image is there', async (sim) => {
  const update = { strategy: 'recreate' as const };
  await deployed(sim, { update });
  sim.offer('late:1', { takesMs: 20_000 });
  sim.deploy(version('2', { image: 'late:1', update }));
  await sim.run(15_000);
  assert.ok(sim.isRunning('web'), 'it runs while the image is pulled');
  const mark = sim.mark();
  await sim.settle();
  assert.deepEqual(
    sim.engine.mutations(mark.seq).map(({ kind }) => kind),
    ['stopContainer', 'removeContainer', 'createContainer', 'startContainer'],
  );
});

simulation('replicas are replaced one at a time: all but one are always untouched and up', async (sim) => {
  const of = (value: string) =>
    deployment('web', [{ name: 'web', environment: { V: value } }], { replicas: 4 });
  sim.deploy(of('1'));
  sim.start();
  await sim.settle();
  sim.deploy(of('2'));
  let most = 0;
  const least = await fewest(sim, () => {
    const running = [...sim.world.boxes.values()].filter(({ state }) => state === 'running');
    most = Math.max(most, running.length);
    return running.length;
  });
  assert.deepEqual([least, most], [4, 5]);
  await sim.expectQuiet();
});

simulation('parallelism: as many as it says at the same time', async (sim) => {
  const of = (value: string) =>
    deployment('web', [{ name: 'web', environment: { V: value } }], {
      replicas: 6,
      update: { parallelism: 3 },
    });
  sim.deploy(of('1'));
  sim.start();
  await sim.settle();
  sim.deploy(of('2'));
  let most = 0;
  await fewest(sim, () => {
    most = Math.max(most, sim.world.boxes.size);
    return 0;
  });
  assert.equal(most, 9);
});

simulation('a replica that fails keeps the others from being replaced', async (sim) => {
  const of = (image: string) => deployment('web', [{ name: 'web', image }], { replicas: 3 });
  sim.deploy(of('app:1'));
  sim.start();
  await sim.settle();
  const ids = () => ['web-0', 'web-1', 'web-2'].map((name) => sim.box(name).id);
  const before = ids();
  sim.world.tag('app:bad', { ...sim.offer('app:bad'), program: () => ({ exitsAfterMs: 800, exitCode: 1 }) });
  sim.directory.write('web.json', of('app:bad'));
  await sim.run(120_000);
  assert.deepEqual(ids(), before);
  const created = sim.engine.mutations().filter(({ kind }) => kind === 'createContainer');
  assert.equal(created.length, 4, 'only one of them was tried');
});

simulation('the time a gate has run survives a restart of the agent', async (sim) => {
  await deployed(sim);
  sim.deploy(version('2', { update: { healthyAfter: '40s' } }));
  await sim.until(() => answering(sim).length === 2, 'the new one runs', 10_000);
  await sim.run(30_000);
  await sim.restartAgent();
  const took = await sim.settle();
  assert.ok(took < 15_000, `took ${took} ms`);
});

simulation('a wall clock that jumps over years condemns no version that is on its way', async (sim) => {
  await deployed(sim);
  sim.world.tag('slow:1', {
    ...sim.offer('slow:1'),
    program: () => ({ health: { becomes: 'healthy', afterMs: 50_000 } }),
  });
  sim.deploy(version('2', { image: 'slow:1', healthcheck: { test: 'true' } }));
  await sim.until(() => answering(sim).length === 2, 'the new one runs', 10_000);
  await sim.run(5_000);
  sim.crashAgent();
  sim.clock.jumpWall(50 * 365 * 86_400_000);
  sim.start();
  const took = await sim.settle();
  assert.ok(took < 60_000, `took ${took} ms`);
  assert.equal(sim.status().counters.failures, 0);
});
