import assert from 'node:assert/strict';
import { deployment, type InstanceInput } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

const TWO: readonly InstanceInput[] = [{ name: 'web-a' }, { name: 'web-b' }];

async function deployed(sim: Harness, instances = TWO, replicas = 1): Promise<void> {
  sim.deploy(deployment('web', instances, { replicas }));
  sim.start();
  await sim.settle();
}

simulation('a new generation with the same spec changes nothing', async (sim) => {
  await deployed(sim);
  const mark = sim.mark();
  sim.deploy(deployment('web', TWO, { generation: 7, annotations: { note: 'new' } }));
  await sim.run(180_000);
  sim.expectMutations(mark, []);
  assert.equal(sim.report('web').generation, 7);
  assert.equal(sim.report('web').status.observedGeneration, 7);
});

simulation('when one instance changes only its container is replaced', async (sim) => {
  await deployed(sim);
  const [a, b] = [sim.box('web-a').id, sim.box('web-b').id];
  const mark = sim.mark();
  sim.deploy(deployment('web', [{ name: 'web-a' }, { name: 'web-b', environment: { V: '2' } }]));
  await sim.settle();
  assert.equal(sim.box('web-a').id, a);
  assert.equal(sim.box('web-a').run, 1);
  assert.notEqual(sim.box('web-b').id, b);
  const kinds = sim.engine.mutations(mark.seq).map((call) => call.kind);
  assert.deepEqual(kinds, [
    'createContainer',
    'startContainer',
    'stopContainer',
    'removeContainer',
    'renameContainer',
  ]);
  await sim.expectQuiet();
});

simulation('limits and restart policy of a new version change in place', async (sim) => {
  await deployed(sim);
  const { id } = sim.box('web-a');
  const mark = sim.mark();
  sim.deploy(
    deployment('web', [
      { name: 'web-a', resources: { memory: '64Mi', cpus: '0.5' }, restartPolicy: 'on-failure:3' },
      { name: 'web-b' },
    ]),
  );
  await sim.settle();
  assert.equal(sim.box('web-a').id, id);
  sim.expectMutations(mark, ['updateContainer web-a']);
});

simulation('replicas go up and down, and only the difference is touched', async (sim) => {
  await deployed(sim, [{ name: 'web' }], 2);
  const ids = ['web-0', 'web-1'].map((name) => sim.box(name).id);
  sim.deploy(deployment('web', [{ name: 'web' }], { replicas: 4 }));
  await sim.settle();
  assert.deepEqual(
    ['web-0', 'web-1'].map((name) => sim.box(name).id),
    ids,
  );
  sim.deploy(deployment('web', [{ name: 'web' }], { replicas: 2 }));
  await sim.settle();
  assert.deepEqual(sim.byHand.names(), ['web-0', 'web-1']);
  assert.deepEqual(
    ['web-0', 'web-1'].map((name) => sim.box(name).run),
    [1, 1],
  );
  await sim.expectQuiet();
});

simulation('zero replicas remove the containers and keep the volumes and the blueprint', async (sim) => {
  await deployed(sim, [{ name: 'web', volumes: [{ type: 'named', name: 'keep', mountPath: '/k' }] }]);
  sim.deploy(
    deployment('web', [{ name: 'web', volumes: [{ type: 'named', name: 'keep', mountPath: '/k' }] }], {
      replicas: 0,
    }),
  );
  await sim.settle();
  assert.deepEqual(sim.byHand.names(), []);
  assert.deepEqual([...sim.world.volumes], ['keep']);
  assert.equal(sim.report('web').desired, 0);
});

simulation('volumes go with a deleted blueprint only when it said so', async (sim) => {
  const volumes = [{ type: 'named', name: 'data', mountPath: '/d' }] as const;
  sim.deploy(deployment('db', [{ name: 'db-1', volumes }], { volumeReclaim: 'Delete' }));
  sim.start();
  await sim.settle();
  sim.undeploy('db');
  await sim.until(() => sim.world.volumes.size === 0, 'the volume is gone', 60_000);
  await sim.settle();
});

simulation(
  'a replacement whose start fails gives the old one back, and the bad version is not tried again soon',
  async (sim) => {
    await deployed(sim);
    const { id } = sim.box('web-a');
    sim.world.tag('app:bad', {
      ...sim.offer('app:bad'),
      program: () => ({ startFails: 'COMMAND_NOT_FOUND' }),
    });
    sim.goal.want(deployment('web', TWO));
    sim.directory.write(
      'web.json',
      deployment('web', [{ name: 'web-a', image: 'app:bad' }, { name: 'web-b' }]),
    );
    await sim.until(
      () => sim.engine.calls.some((call) => call.result === 'COMMAND_NOT_FOUND'),
      'tried the new version',
      60_000,
    );
    await sim.until(() => sim.isRunning('web-a') && sim.box('web-a').id === id, 'old one is back', 10_000);
    await sim.run(20_000);
    assert.equal(sim.box('web-a').id, id);
    assert.ok(sim.goal.met(), sim.account());
    const tries = sim.engine.calls.filter((call) => call.result === 'COMMAND_NOT_FOUND').length;
    assert.ok(tries <= 2, `${tries} tries`);
    assert.notEqual(sim.report('web').phase, 'Running');
    assert.ok(sim.waits('web').length > 0);
    sim.deploy(deployment('web', [{ name: 'web-a', image: 'app:2' }, { name: 'web-b' }]));
    const took = await sim.settle();
    assert.ok(took < 15_000, `the next version is tried at once, took ${took} ms`);
  },
);

for (const restartPolicy of ['no', 'unless-stopped', 'on-failure:2'])
  simulation(
    `a new version that dies at once is given back to the old one (restart policy ${restartPolicy})`,
    async (sim) => {
      await deployed(sim);
      const { id } = sim.box('web-a');
      const dying = sim.offer('app:dying');
      sim.world.tag('app:dying', { ...dying, program: () => ({ exitsAfterMs: 1_000, exitCode: 1 }) });
      sim.directory.write(
        'web.json',
        deployment('web', [{ name: 'web-a', image: 'app:dying', restartPolicy }, { name: 'web-b' }]),
      );
      await sim.run(60_000);
      assert.equal(sim.box('web-a').id, id);
      assert.ok(sim.goal.met(), sim.account());
      assert.deepEqual([...new Set(sim.waits('web'))], ['ReplacementFailed']);
      const mark = sim.mark();
      await sim.run(60_000);
      sim.expectMutations(mark, []);
    },
  );

simulation('when neither version can start, both wait longer and longer', async (sim) => {
  const ports = [{ container: 80, host: 8080 }];
  await deployed(sim, [{ name: 'web-a', ports, restartPolicy: 'no' }]);
  sim.world.foreignPorts.add('8080/tcp');
  sim.goal.excused.add('web-a');
  sim.byHand.crash('web-a');
  sim.deploy(deployment('web', [{ name: 'web-a', ports, restartPolicy: 'no', environment: { V: '2' } }]));
  await sim.run(3_600_000);
  const tries = sim.engine.calls.filter((call) => call.result === 'PORT_CONFLICT').length;
  assert.ok(tries >= 10 && tries <= 120, `${tries} tries in an hour`);
  sim.world.foreignPorts.clear();
  sim.goal.excused.clear();
  const took = await sim.settle();
  assert.ok(took <= 310_000, `took ${took} ms`);
});

simulation(
  'a replacement that publishes the same port stops the old one first and keeps the port',
  async (sim) => {
    await deployed(sim, [{ name: 'web-a', ports: [{ container: 80, host: 8080 }] }]);
    sim.deploy(
      deployment('web', [{ name: 'web-a', ports: [{ container: 80, host: 8080 }], environment: { V: '2' } }]),
    );
    await sim.settle();
    assert.ok(sim.box('web-a').ports.some((port) => port.hostPort === 8080));
    assert.ok(!sim.engine.calls.some((call) => call.result === 'PORT_CONFLICT'));
  },
);

simulation(
  'a replacement that finds its port held by its own old version, started once more by an earlier call, is tried again soon',
  async (sim) => {
    const ports = [{ container: 80, host: 8080 }];
    await deployed(sim, [{ name: 'web-a', ports }]);
    const { id } = sim.box('web-a');
    sim.deploy(deployment('web', [{ name: 'web-a', ports, environment: { V: '2' } }]));
    await sim.until(() => sim.world.boxes.get(id)?.state === 'exited', 'the old one is stopped', 20_000);
    // An agent that was killed had asked for this start; the engine only comes to it now.
    await sim.until(
      () => sim.engine.calls.some((call) => call.kind === 'startContainer' && call.result === undefined),
      'the new one is being started',
      5_000,
    );
    sim.world.start(sim.box('web-a'));
    const took = await sim.settle();
    assert.ok(
      sim.engine.calls.some((call) => call.result === 'PORT_CONFLICT'),
      'the port was held',
    );
    assert.ok(took < 30_000, `took ${took} ms`);
  },
);

simulation('a replacement left half done under its temporary name is finished, not repeated', async (sim) => {
  await deployed(sim);
  sim.deploy(deployment('web', [{ name: 'web-a', environment: { V: '2' } }, { name: 'web-b' }]));
  await sim.until(
    () => sim.byHand.names().some((name) => name.startsWith('web-a.')),
    'the successor is made',
    5_000,
  );
  sim.crashAgent();
  await sim.run(60_000);
  sim.start();
  await sim.settle();
  assert.deepEqual(sim.byHand.names(), ['web-a', 'web-b']);
});

simulation('an edit in the middle of a replacement goes on to the newest version', async (sim) => {
  await deployed(sim);
  for (let version = 2; version < 10; version += 1) {
    sim.deploy(
      deployment('web', [{ name: 'web-a', environment: { V: String(version) } }, { name: 'web-b' }]),
    );
    await sim.run(60 + version * 45);
  }
  await sim.settle();
  await sim.expectQuiet();
});

simulation('edit there and back again before anything happened changes nothing', async (sim) => {
  await deployed(sim);
  const mark = sim.mark();
  sim.engine.outage();
  sim.deploy(deployment('web', [{ name: 'web-a', environment: { V: '2' } }, { name: 'web-b' }]));
  await sim.run(10_000);
  sim.deploy(deployment('web', TWO));
  await sim.run(10_000);
  sim.engine.recover();
  await sim.settle();
  sim.expectMutations(mark, []);
});

simulation('a blueprint removed and added again under another id is made anew', async (sim) => {
  sim.deploy(deployment('web', TWO, { blueprintId: 'aaaa' }));
  sim.start();
  await sim.settle();
  const { id } = sim.box('web-a');
  sim.deploy(deployment('web', TWO, { blueprintId: 'bbbb' }));
  await sim.until(() => sim.world.byName('web-a')?.id !== id, 'replaced', 60_000);
  await sim.settle();
  await sim.expectQuiet();
});

simulation('a blueprint that returns while it is being deleted stays', async (sim) => {
  await deployed(sim, [{ name: 'web-a', stopTimeout: '30s' }]);
  sim.box('web-a').program.stopMs = 20_000;
  sim.undeploy('web');
  await sim.run(5_000);
  sim.deploy(deployment('web', [{ name: 'web-a', stopTimeout: '30s' }]));
  await sim.settle();
});

simulation(
  'two blueprints that want one container name: the first has it, the second says so',
  async (sim) => {
    sim.deploy(deployment('one', [{ name: 'same' }]));
    sim.start();
    await sim.settle();
    const { id } = sim.box('same');
    sim.directory.write('two.json', deployment('two', [{ name: 'same', environment: { WHO: 'two' } }]));
    await sim.run(600_000);
    assert.equal(sim.box('same').id, id);
    assert.deepEqual([...new Set(sim.waits('two'))], ['NameConflict']);
  },
);

simulation(
  'whoever hears of a change finds it in status, which is not called converged before it is',
  async (sim) => {
    sim.deploy(deployment('web', [{ name: 'web-a' }], { generation: 1 }));
    sim.start();
    await sim.settle();
    const heard: string[] = [];
    sim.agent.onEvent(({ message }) => {
      if (message !== 'blueprint changed') return;
      const { converged, blueprints } = sim.agent.status();
      heard.push(`${blueprints[0]?.generation} ${converged}`);
    });
    sim.deploy(deployment('web', [{ name: 'web-a', labels: { v: '2' } }], { generation: 2 }));
    await sim.settle();
    assert.deepEqual(heard, ['2 false']);
  },
);

simulation('converged is never said between the calls of a change', async (sim) => {
  await deployed(sim, TWO, 1);
  const changes: readonly (() => void)[] = [
    () =>
      sim.deploy(
        deployment(
          'web',
          TWO.map((one) => ({ ...one, environment: { V: '2' } })),
        ),
      ),
    () => sim.deploy(deployment('web', TWO, { replicas: 3 })),
    () => sim.deploy(deployment('web', TWO, { replicas: 0 })),
    () => sim.undeploy('web'),
  ];
  for (const change of changes) {
    change();
    await sim.until(() => !sim.status().converged, 'the change was seen');
    let early = 0;
    await sim.until(() => {
      if (!sim.status().converged) return false;
      if (sim.goal.met()) return true;
      early += 1;
      return false;
    }, 'converged on the goal');
    assert.equal(early, 0, sim.account());
  }
});
