import assert from 'node:assert/strict';
import type { FakeImage } from '../fakes/engine-types.ts';
import { type DeploymentInput, deployment, type InstanceInput } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

const PORTS = [{ container: 80, host: 8080 }];

const web = (image: string, more: Partial<InstanceInput> = {}, input: DeploymentInput = {}) =>
  deployment('web', [{ name: 'web', image, ...more }], input);

/** An image whose containers do this. */
function behaves(sim: Harness, reference: string, program: FakeImage['program']): void {
  sim.world.tag(reference, { ...sim.offer(reference), program });
}

/** A good version is in force, and proved so. */
async function proven(sim: Harness, more: Partial<InstanceInput> = {}, input: DeploymentInput = {}) {
  sim.deploy(web('app:1', more, { generation: 1, ...input }));
  sim.start();
  await sim.settle();
  await sim.run(10_000);
}

/** Writes a version that is not what the node should come to. */
function offer(sim: Harness, document: ReturnType<typeof web>): void {
  sim.directory.write('web.json', document);
}

const condition = (sim: Harness, type: string) =>
  sim.report('web').status.conditions.find((one) => one.type === type);

async function rolledBack(sim: Harness, limitMs = 30_000): Promise<number> {
  return sim.until(
    () => sim.goal.met() && sim.waits('web').includes('RolledBack') && sim.world.boxes.size === 1,
    'rolled back',
    limitMs,
  );
}

simulation('a version that crashes at once is rolled back, and said to be', async (sim) => {
  await proven(sim);
  const { id } = sim.box('web');
  behaves(sim, 'app:bad', () => ({ exitsAfterMs: 300, exitCode: 3 }));
  offer(sim, web('app:bad', {}, { generation: 2 }));
  await rolledBack(sim, 5_000);
  assert.equal(sim.box('web').id, id, 'the old container never stopped');
  assert.equal(sim.box('web').run, 1);
  const report = sim.report('web');
  assert.equal(report.phase, 'Degraded');
  assert.deepEqual([report.ready, report.status.observedGeneration], [1, 2]);
  assert.match(
    report.waiting[0]?.message ?? '',
    /^from generation 2 \(spec \w{8}\) to generation 1 \(spec \w{8}\) at \S+: web: exited 3 after 0 s; until the blueprint changes, or colonies-edge retry web$/,
  );
  assert.equal(condition(sim, 'RolledBack')?.status, 'True');
  assert.equal(condition(sim, 'Degraded')?.reason, 'RolledBack');
  assert.equal(sim.status().converged, false);
  const mark = sim.mark();
  await sim.run(3_600_000);
  sim.expectMutations(mark, []);
});

simulation('with a fixed port the old one is started again at once', async (sim) => {
  await proven(sim, { ports: PORTS });
  const { id } = sim.box('web');
  behaves(sim, 'app:bad', () => ({ exitsAfterMs: 300, exitCode: 3 }));
  offer(sim, web('app:bad', { ports: PORTS }, { generation: 2 }));
  await sim.until(() => !sim.isRunning('web'), 'the old one is stopped', 5_000);
  const took = await sim.until(() => sim.isRunning('web'), 'the old one runs again', 5_000);
  assert.ok(took < 3_000, `took ${took} ms`);
  await rolledBack(sim);
  assert.equal(sim.box('web').id, id);
});

simulation('a version made by recreate is rolled back by making the old one anew', async (sim) => {
  const update = { strategy: 'recreate' as const };
  await proven(sim, { update });
  behaves(sim, 'app:bad', () => ({ exitsAfterMs: 300, exitCode: 3 }));
  offer(sim, web('app:bad', { update }, { generation: 2 }));
  await sim.until(() => sim.world.byName('web')?.imageRef === 'app:bad', 'the new one is tried', 5_000);
  await rolledBack(sim);
});

simulation('a version that dies after 40 s is rolled back when it has to last for longer', async (sim) => {
  await proven(sim);
  behaves(sim, 'app:bad', () => ({ exitsAfterMs: 40_000, exitCode: 1 }));
  offer(sim, web('app:bad', { update: { healthyAfter: '60s' } }, { generation: 2 }));
  await sim.run(30_000);
  assert.deepEqual(sim.waits('web'), ['Working']);
  await rolledBack(sim, 15_000);
});

for (const health of ['unhealthy', undefined] as const)
  for (const strategy of ['start-first', 'stop-first', 'recreate'] as const)
    simulation(
      `a version that is never healthy (${health ?? 'starting'}, ${strategy}) is rolled back at its deadline`,
      async (sim) => {
        await proven(sim);
        const check = health === undefined ? {} : { health: { becomes: health, afterMs: 2_000 } };
        behaves(sim, 'app:bad', () => check);
        const more = { healthcheck: { test: 'x' }, update: { deadline: '2m', strategy } };
        offer(sim, web('app:bad', more, { generation: 2 }));
        await sim.run(115_000);
        assert.ok(!sim.waits('web').includes('RolledBack'));
        await rolledBack(sim, 20_000);
      },
    );

simulation('a version whose program is not there is rolled back', async (sim) => {
  await proven(sim);
  behaves(sim, 'app:bad', () => ({ startFails: 'COMMAND_NOT_FOUND' }));
  offer(sim, web('app:bad', {}, { generation: 2 }));
  await rolledBack(sim, 5_000);
});

simulation('a new instance that does not stay up takes the whole version back', async (sim) => {
  await proven(sim);
  behaves(sim, 'app:bad', () => ({ exitsAfterMs: 300, exitCode: 3 }));
  offer(
    sim,
    deployment(
      'web',
      [
        { name: 'web', image: 'app:2' },
        { name: 'more', image: 'app:bad' },
      ],
      { generation: 2 },
    ),
  );
  await rolledBack(sim);
});

simulation('an instance that did not change is no reason to go back', async (sim) => {
  const two = (image: string) =>
    deployment('web', [
      { name: 'web', image },
      { name: 'job', restartPolicy: 'no' },
    ]);
  sim.deploy(two('app:1'));
  sim.start();
  await sim.settle();
  await sim.run(10_000);
  sim.deploy(two('app:2'));
  await sim.until(() => sim.world.boxes.size === 3, 'on its way', 5_000);
  sim.byHand.crash('job');
  await sim.settle();
  assert.equal(sim.box('web').imageRef, 'app:2');
});

simulation('all replicas go back together', async (sim) => {
  await proven(sim, {}, { replicas: 3 });
  let starts = 0;
  behaves(sim, 'app:bad', () => {
    starts += 1;
    return starts > 1 ? { exitsAfterMs: 300, exitCode: 1 } : {};
  });
  offer(sim, web('app:bad', {}, { replicas: 3, generation: 2 }));
  await sim.until(() => sim.waits('web').includes('RolledBack'), 'rolled back', 30_000);
  const made = sim.engine
    .mutations()
    .filter(({ kind, target }) => kind === 'createContainer' && /next/.test(target));
  assert.equal(made.length, 2, 'the first one had passed');
  await sim.until(() => sim.goal.met(), 'all are back');
});

simulation(
  'a bad version is not tried again after a restart, and its next version is at once',
  async (sim) => {
    await proven(sim);
    behaves(sim, 'app:bad', () => ({ exitsAfterMs: 300, exitCode: 3 }));
    offer(sim, web('app:bad', {}, { generation: 2 }));
    await rolledBack(sim);
    for (const how of ['stop', 'crash'] as const) {
      await sim.restartAgent(how);
      const mark = sim.mark();
      await sim.run(1_200_000);
      sim.expectMutations(mark, []);
      assert.deepEqual(sim.waits('web'), ['RolledBack']);
    }
    offer(sim, web('app:bad', {}, { generation: 3 }));
    await sim.run(60_000);
    assert.deepEqual(sim.waits('web'), ['RolledBack'], 'a new generation of the same content');
    sim.deploy(web('app:2', {}, { generation: 4 }));
    const took = await sim.settle();
    assert.ok(took < 10_000, `took ${took} ms`);
    assert.equal(condition(sim, 'RolledBack')?.status, 'False');
  },
);

simulation('a higher memory limit makes it another version', async (sim) => {
  await proven(sim);
  behaves(sim, 'app:greedy', ({ limits }) =>
    (limits.memoryBytes ?? 0) < 128 * 1024 ** 2 ? { exitsAfterMs: 300, exitCode: 137 } : {},
  );
  offer(sim, web('app:greedy', { resources: { memory: '64Mi' } }, { generation: 2 }));
  await rolledBack(sim);
  sim.deploy(web('app:greedy', { resources: { memory: '256Mi' } }, { generation: 3 }));
  await sim.settle();
});

simulation('a first version has nothing to go back to and is tried on and on', async (sim) => {
  let starts = 0;
  behaves(sim, 'app:bad', () => {
    starts += 1;
    return { exitsAfterMs: 300, exitCode: 3 };
  });
  offer(sim, web('app:bad', { restartPolicy: 'no' }));
  sim.start();
  await sim.run(3_600_000);
  assert.ok(starts > 8, `${starts} starts`);
  assert.ok(!sim.waits('web').includes('RolledBack'));
});

simulation('what is not the fault of a version never condemns it', async (sim) => {
  await proven(sim);
  const bind = { type: 'bind' as const, hostPath: '/srv/late', mountPath: '/l', readOnly: true };
  sim.world.foreignPorts.add('8080/tcp');
  sim.deploy(web('late:1', { ports: PORTS, volumes: [bind] }, { generation: 2 }));
  await sim.run(900_000);
  assert.deepEqual([...new Set(sim.waits('web'))], ['ImageNotFound']);
  sim.offer('late:1');
  await sim.run(900_000);
  assert.deepEqual([...new Set(sim.waits('web'))], ['BindSourceMissing']);
  sim.world.hostPaths.add('/srv/late');
  await sim.run(900_000);
  assert.deepEqual([...new Set(sim.waits('web'))], ['PortConflict']);
  assert.equal(sim.box('web').imageRef, 'app:1');
  sim.world.foreignPorts.clear();
  await sim.settle();
});

simulation('an engine that is away for longer than the deadline condemns nothing', async (sim) => {
  await proven(sim);
  let isWell = false;
  behaves(sim, 'app:slow', () => (isWell ? { health: { becomes: 'healthy', afterMs: 2_000 } } : {}));
  const more = { healthcheck: { test: 'x' }, update: { deadline: '1m' } };
  sim.deploy(web('app:slow', more, { generation: 2 }));
  await sim.run(20_000);
  await sim.engine.restart(120_000);
  await sim.run(30_000);
  assert.ok(!sim.waits('web').includes('RolledBack'));
  isWell = true;
  await sim.engine.restart();
  await sim.settle();
});

simulation(
  'onFailure pause: the old one serves, and nothing is tried until an operator says so',
  async (sim) => {
    await proven(sim, {}, { replicas: 2 });
    const update = { onFailure: 'pause' as const };
    let isBad = true;
    let starts = 0;
    behaves(sim, 'app:bad', () => {
      starts += 1;
      return isBad ? { exitsAfterMs: 300, exitCode: 3 } : {};
    });
    offer(sim, web('app:bad', { update }, { replicas: 2, generation: 2 }));
    await sim.until(() => sim.waits('web').includes('Paused'), 'paused', 10_000);
    await sim.run(1_800_000);
    const tried = starts;
    assert.ok(sim.goal.met(), sim.account());
    await sim.restartAgent();
    await sim.run(1_800_000);
    assert.equal(starts, tried, 'it is not tried again');
    assert.match(sim.report('web').waiting[0]?.message ?? '', /failed: web-0: exited 3 .*resume web goes on/);
    isBad = false;
    sim.goal.want(web('app:bad', { update }, { replicas: 2, generation: 2 }));
    assert.equal(sim.agent.commandRollout('retry', 'web').ok, true);
    await sim.settle();
  },
);

simulation('onFailure continue: the others are replaced, and what failed is tried again', async (sim) => {
  await proven(sim, {}, { replicas: 3 });
  let starts = 0;
  behaves(sim, 'app:bad', () => {
    starts += 1;
    return starts === 1 ? { exitsAfterMs: 300, exitCode: 3 } : {};
  });
  sim.deploy(web('app:bad', { update: { onFailure: 'continue' } }, { replicas: 3, generation: 2 }));
  await sim.until(
    () => ['web-1', 'web-2'].every((name) => sim.world.byName(name)?.imageRef === 'app:bad'),
    'the others are replaced',
    60_000,
  );
  assert.equal(sim.box('web-0').imageRef, 'app:1');
  await sim.settle();
});

for (const strategy of ['stop-first', 'recreate'] as const)
  simulation(
    `${strategy}: a crash that nobody saw, as the engine was quicker, counts all the same`,
    async (sim) => {
      await proven(sim);
      behaves(sim, 'app:bad', () => ({ exitsAfterMs: 40_000, exitCode: 3 }));
      const update = { strategy, healthyAfter: '60s' };
      offer(sim, web('app:bad', {}, { generation: 2, update }));
      await sim.until(
        () => [...sim.world.boxes.values()].some((box) => box.imageRef === 'app:bad'),
        'made',
        5_000,
      );
      await sim.run(10_000);
      sim.crashAgent();
      await sim.run(40_000);
      sim.start();
      await rolledBack(sim, 10_000);
      assert.equal(sim.box('web').imageRef, 'app:1');
      assert.match(sim.report('web').waiting[0]?.message ?? '', /the engine has restarted it once/);
    },
  );

simulation('repairing drift is no new version and cannot be rolled back', async (sim) => {
  await proven(sim);
  sim.byHand.recreate('web', { env: { BY: 'hand' } });
  await sim.settle();
  assert.ok(!sim.waits('web').includes('RolledBack'));
});

simulation('the images of good versions are protected', async (sim) => {
  await proven(sim);
  const id = sim.box('web').image.id;
  sim.deploy(web('app:2', {}, { generation: 2 }));
  await sim.settle();
  await sim.run(10_000);
  const saved = JSON.parse(sim.store.disk.get('rollouts') ?? '[]');
  assert.deepEqual(
    saved[0].good.map((good: { imageIds: string[] }) => good.imageIds[0]),
    [sim.box('web').image.id, id],
  );
});

simulation('an idle agent writes nothing about versions', async (sim) => {
  await proven(sim);
  const { writes } = sim.store;
  await sim.run(3_600_000);
  assert.equal(sim.store.writes, writes);
});

simulation(
  'a version tried again while its container still runs is judged by what it does from then on',
  async (sim) => {
    const update = { strategy: 'recreate' as const, healthyAfter: '60s' };
    await proven(sim, { update });
    await sim.run(60_000);
    offer(sim, web('app:2', { update }, { generation: 2 }));
    await sim.until(() => sim.world.byName('web')?.imageRef === 'app:2', 'the new one is tried', 10_000);
    await sim.run(15_000);
    sim.byHand.crash('web');
    await sim.until(() => sim.waits('web').includes('RolledBack'), 'condemned', 10_000);
    assert.equal(sim.agent.commandRollout('retry', 'web').ok, true);
    sim.goal.want(web('app:2', { update }, { generation: 2 }));
    await sim.settle();
  },
);
