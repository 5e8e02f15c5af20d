import assert from 'node:assert/strict';
import { deployment } from './blueprints.ts';
import { simulation } from './harness.ts';

const WEB = deployment('web', [{ name: 'web-a' }]);
const OPEN = deployment('open', [{ name: 'open-1', ports: [{ container: 80, host: 8080 }] }]);

simulation(
  'a port that is taken is PortConflict on that blueprint only, and is used when it is free',
  async (sim) => {
    sim.world.foreignPorts.add('8080/tcp');
    sim.goal.excused.add('open-1');
    sim.deploy(OPEN, WEB);
    sim.start();
    await sim.until(() => sim.isRunning('web-a'), 'web runs', 5_000);
    await sim.run(120_000);
    assert.deepEqual([...new Set(sim.waits('open'))], ['PortConflict']);
    assert.match(sim.report('open').waiting[0]?.message ?? '', /8080/);
    assert.equal(sim.world.byName('open-1')?.state === 'running', false);
    sim.goal.excused.clear();
    sim.world.foreignPorts.clear();
    const took = await sim.settle();
    assert.ok(took <= 300_000, `took ${took} ms`);
    await sim.expectQuiet();
  },
);

simulation('a missing bind source is BindSourceMissing, and is found when it is made', async (sim) => {
  sim.deploy(
    deployment('cert', [
      {
        name: 'cert-1',
        volumes: [{ type: 'bind', hostPath: '/etc/certs', mountPath: '/certs', readOnly: true }],
      },
    ]),
    WEB,
  );
  sim.goal.excused.add('cert-1');
  sim.start();
  await sim.run(60_000);
  assert.deepEqual([...new Set(sim.waits('cert'))], ['BindSourceMissing']);
  assert.ok((sim.report('cert').waiting[0]?.nextTryAt ?? '') !== '', 'says when it looks again');
  assert.ok(sim.isRunning('web-a'));
  assert.ok(!sim.world.hostPaths.has('/etc/certs'), 'nothing was made on the host');
  const tries = sim.engine.calls.filter((call) => call.kind === 'createContainer').length;
  await sim.run(3_600_000);
  const later = sim.engine.calls.filter((call) => call.kind === 'createContainer').length;
  assert.ok(later > tries, 'tried again');
  assert.ok(later - tries <= 30, `not too often: ${later - tries} times an hour`);
  sim.world.hostPaths.add('/etc/certs');
  sim.goal.excused.clear();
  const took = await sim.settle();
  assert.ok(took <= 301_000, `took ${took} ms`);
});

simulation('an operator who has mended something need not wait for the next try', async (sim) => {
  const volumes = [{ type: 'bind' as const, hostPath: '/etc/certs', mountPath: '/certs', readOnly: true }];
  sim.deploy(deployment('cert', [{ name: 'cert-1', volumes }]));
  sim.goal.excused.add('cert-1');
  sim.start();
  await sim.run(60_000);
  sim.world.hostPaths.add('/etc/certs');
  sim.goal.excused.clear();
  sim.agent.refresh();
  const took = await sim.settle();
  assert.ok(took <= 5_000, `took ${took} ms`);
});

simulation(
  'a bad spec is remembered over a restart of the agent, a mended one is tried at once',
  async (sim) => {
    const bad = deployment('cert', [
      { name: 'cert-1', volumes: [{ type: 'bind', hostPath: '/no', mountPath: '/certs', readOnly: true }] },
    ]);
    sim.deploy(bad);
    sim.goal.excused.add('cert-1');
    sim.start();
    await sim.run(30_000);
    await sim.restartAgent('stop');
    await sim.run(100);
    assert.ok(sim.waits('cert').length > 0);
    sim.goal.excused.clear();
    sim.deploy(deployment('cert', [{ name: 'cert-1' }]));
    const took = await sim.settle();
    assert.ok(took <= 5_000, `took ${took} ms`);
  },
);

simulation(
  'a name held by a foreign container is NameConflict; it is untouched, and deployed after it is gone',
  async (sim) => {
    sim.byHand.addForeign('web-a');
    sim.goal.protectForeign();
    sim.goal.excused.add('web-a');
    sim.deploy(WEB);
    sim.start();
    await sim.run(600_000);
    assert.deepEqual([...new Set(sim.waits('web'))], ['NameConflict']);
    assert.ok(sim.goal.met(), sim.account());
    sim.goal.excused.clear();
    sim.goal.forgetForeign();
    sim.byHand.remove('web-a');
    const took = await sim.settle();
    assert.ok(took <= 10_000, `took ${took} ms`);
  },
);

simulation('containers of another node and unlabelled ones are never touched', async (sim) => {
  sim.byHand.addForeign('theirs', {
    labels: {
      'colonies.managed': 'true',
      'colonies.node': 'other-node',
      'colonies.deployment': 'web',
      'colonies.instance': 'web-a',
      'colonies.replica': '0',
      'colonies.spec-hash': 'abc',
    },
  });
  sim.byHand.addForeign('job-of-an-executor', { start: false });
  sim.goal.protectForeign();
  sim.deploy(WEB);
  sim.start();
  await sim.settle();
  sim.undeploy('web');
  await sim.settle();
  assert.ok(sim.goal.met(), sim.account());
  assert.deepEqual(sim.byHand.names(), ['job-of-an-executor', 'theirs']);
});

simulation('containers of ours whose blueprint nobody knows are reported and not touched', async (sim) => {
  sim.deploy(WEB);
  sim.start();
  await sim.settle();
  sim.world.create(
    'leftover',
    { ...sim.box('web-a').spec },
    { ...sim.box('web-a').labels, 'colonies.deployment': 'lost', 'colonies.instance': 'leftover' },
  );
  const mark = sim.mark();
  await sim.run(300_000);
  sim.expectMutations(mark, []);
  assert.deepEqual(sim.status().strays, ['leftover']);
});

simulation(
  'containers of the Go reconciler are adopted running, only their restart policy is set',
  async (sim) => {
    sim.world.createNetwork('colonies_default', 'bridge', {});
    sim.goal.want(WEB);
    const [service] = sim.goal.services();
    assert.ok(service !== undefined);
    const peer = sim.byHand.addForeign('web-a', {
      labels: { 'colonies.managed': 'true', 'colonies.deployment': 'web', 'colonies.generation': '0' },
      spec: {
        ...service.container,
        image: 'app:1',
        env: { COLONIES_DEPLOYMENT: 'web', COLONIES_CONTAINER_NAME: 'web-a' },
        restart: { name: 'no', maxRetries: 0 },
      },
    });
    sim.goal.adopted.add(peer.id);
    sim.deploy(WEB);
    sim.start();
    await sim.settle();
    assert.equal(sim.box('web-a').id, peer.id);
    assert.equal(sim.box('web-a').run, 1);
    assert.deepEqual(
      sim.engine.mutations().map((call) => call.kind),
      ['updateContainer'],
    );
    await sim.restartAgent('stop');
    await sim.settle();
    await sim.expectQuiet();
    sim.byHand.kill('web-a');
    await sim.settle();
    assert.equal(sim.box('web-a').id, peer.id);
    sim.goal.adopted.clear();
    sim.deploy(deployment('web', [{ name: 'web-a', environment: { NEW: '1' } }]));
    await sim.settle();
    assert.notEqual(sim.box('web-a').id, peer.id);
  },
);

simulation('one service that never starts does not delay the others', async (sim) => {
  sim.offer('broken:1');
  sim.world.tag('broken:1', {
    ...sim.offer('broken:1'),
    program: () => ({ startFails: 'ENGINE_FAILED' }),
  });
  sim.goal.excused.add('broken-1');
  sim.deploy(deployment('broken', [{ name: 'broken-1', image: 'broken:1' }]), WEB);
  sim.start();
  await sim.until(() => sim.isRunning('web-a'), 'web runs', 5_000);
  for (let round = 0; round < 20; round += 1) {
    await sim.run(13_000);
    sim.byHand.kill('web-a');
    await sim.until(() => sim.isRunning('web-a'), 'healed', 3_000);
  }
  assert.deepEqual([...new Set(sim.waits('broken'))], ['StartFailed']);
});

simulation('a start that fails leaves no container behind in created while it waits', async (sim) => {
  sim.world.foreignPorts.add('8080/tcp');
  sim.goal.excused.add('open-1');
  sim.deploy(OPEN);
  sim.start();
  await sim.run(600_000);
  const waiting = sim.world.byName('open-1');
  assert.ok(waiting === undefined || waiting.state !== 'running');
  assert.ok(sim.world.boxes.size <= 1, 'no pile of failed containers');
});

simulation('an invalid edit keeps the last valid version running and shows the refusal', async (sim) => {
  sim.deploy(WEB);
  sim.start();
  await sim.settle();
  const mark = sim.mark();
  sim.directory.write('web.json', {
    kind: 'DockerDeployment',
    metadata: { name: 'web' },
    spec: { instances: [{ name: 'web-a', type: 'container', image: 5 }] },
  });
  await sim.run(300_000);
  sim.expectMutations(mark, []);
  const [problem] = sim.report('web').refused ?? [];
  assert.match(problem?.path ?? '', /^spec\.instances\[0\]\.image$/);
  assert.equal(sim.status().converged, false, 'a version that was asked for is not in force');
  const healed = () => sim.goal.met();
  sim.byHand.remove('web-a');
  await sim.until(healed, 'healed', 5_000);
  await sim.restartAgent();
  sim.byHand.remove('web-a');
  await sim.until(healed, 'healed from the checkpoint', 5_000);
  sim.deploy(deployment('web', [{ name: 'web-a', environment: { V: '2' } }]));
  await sim.settle();
  assert.equal(sim.report('web').refused, undefined);
});

simulation('a file that does not parse keeps everything it held, and is reported', async (sim) => {
  sim.deploy(WEB);
  sim.start();
  await sim.settle();
  const mark = sim.mark();
  sim.directory.writeBroken('web.json');
  await sim.run(300_000);
  sim.expectMutations(mark, []);
  const shown = JSON.stringify([sim.status().refusals, sim.report('web').refused ?? []]);
  assert.match(shown, /is not JSON/);
});
