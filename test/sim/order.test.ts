import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployment } from './blueprints.ts';
import { Harness, simulation } from './harness.ts';
import { Checks, checked, cloud, cloudUp, SEVEN } from './order-bench.ts';

const SYSTEMS = Object.keys(SEVEN).filter((name) => name !== 'c1-database');

simulation('the seven start in order from cold, each once, the last level together', async (sim) => {
  const checks = new Checks(sim);
  sim.deploy(...cloud());
  sim.start();
  await sim.until(() => sim.isRunning('c1-database'), 'the database runs', 5_000);
  await sim.run(1_000);
  assert.equal(sim.report('c1-serviceregistry').phase, 'Pending');
  assert.deepEqual(
    sim.report('c1-serviceregistry').waiting.map(({ reason, message }) => `${reason}: ${message}`),
    ['WaitingForDependency: waits for c1-database to be healthy, which is starting'],
  );
  assert.equal(sim.report('c1-serviceregistry').lastError, undefined);
  assert.equal(sim.report('c1-database').phase, 'Reconciling');
  const tookMs = await sim.settle();
  assert.deepEqual(checks.wasted, []);
  assert.deepEqual(checks.starts.slice(0, 3), ['c1-database', 'c1-serviceregistry', 'c1-authorization']);
  assert.equal(checks.starts.at(-1), 'c1-gatekeeper');
  assert.deepEqual([...checks.starts].sort(), Object.keys(SEVEN).sort());
  assert.ok(tookMs < 30_000, `five levels of 5 s took ${tookMs} ms: nothing waits for a timer`);
  await sim.expectQuiet();
});

simulation(
  'a database that dies or gets sick later is mended alone, and nobody else is touched',
  async (sim) => {
    const checks = await cloudUp(sim);
    const mark = sim.mark();
    sim.byHand.kill('c1-database');
    await sim.until(() => checks.isHealthy('c1-database'), 'the database is back', 10_000);
    sim.byHand.health('c1-database', 'unhealthy');
    await sim.run(30_000);
    for (const system of SYSTEMS) assert.equal(sim.report(system).phase, 'Running', system);
    assert.deepEqual(
      sim.mutations(mark).filter((call) => SYSTEMS.some((system) => call.endsWith(` ${system}`))),
      [],
    );
  },
);

simulation('what ends while its dependency is unhealthy comes back with it, and not before', async (sim) => {
  const checks = await cloudUp(sim);
  sim.byHand.health('c1-serviceregistry', 'unhealthy');
  sim.byHand.kill('c1-gateway');
  await sim.until(() => sim.waits('c1-gateway').includes('WaitingForDependency'), 'it waits', 2_000);
  assert.equal(sim.isRunning('c1-gateway'), false);
  // The registry is restarted for being unhealthy.
  await sim.until(() => sim.isRunning('c1-gateway'), 'the gateway is back', 120_000);
  assert.ok(checks.isHealthy('c1-serviceregistry'), 'the registry was healthy first');
});

simulation(
  'a dependency that is not there yet is waited for, and its arrival opens the gate',
  async (sim) => {
    const checks = new Checks(sim);
    const [database, ...systems] = cloud();
    assert.ok(database);
    sim.deploy(...systems);
    sim.start();
    await sim.run(60_000);
    assert.deepEqual(sim.byHand.names(), []);
    assert.match(
      sim.report('c1-serviceregistry').waiting[0]?.message ?? '',
      /^waits for c1-database to be healthy, which is not on this node$/,
    );
    sim.deploy(database);
    await sim.settle();
    assert.deepEqual(checks.wasted, []);
  },
);

simulation(
  'a wait that takes too long is shown as Degraded with its start, goes on, and ends well',
  async (sim) => {
    const checks = new Checks(sim);
    checks.never.add('db');
    sim.deploy(checked('db'), checked('web', [{ name: 'db', condition: 'healthy', timeout: '2m' }]));
    sim.start();
    await sim.run(100_000);
    assert.equal(sim.report('web').phase, 'Pending');
    await sim.run(25_000);
    assert.equal(sim.report('web').phase, 'Degraded');
    assert.match(
      sim.report('web').lastError ?? '',
      /^WaitingForDependency: .*is starting \(overdue: it has waited since 2026-03-01T12:00:0\dZ, longer than 2m\)$/,
    );
    await sim.run(3_600_000);
    assert.deepEqual(sim.byHand.names(), ['db']);
    sim.byHand.health('db', 'healthy');
    await sim.until(() => sim.isRunning('web'), 'the gate opens at once', 2_000);
    await sim.settle();
  },
);

simulation(
  'a service starts after the job it waits for has ended well, however often that is tried',
  async (sim) => {
    let runs = 0;
    sim.world.tag('job:1', {
      ...sim.offer('job:1'),
      program: () => {
        runs += 1;
        return { exitsAfterMs: 3_000, exitCode: runs < 3 ? 1 : 0 };
      },
    });
    sim.goal.excused.add('migrate');
    sim.deploy(
      deployment('shop', [
        { name: 'web', dependsOn: [{ name: 'migrate', condition: 'completed' }] },
        { name: 'migrate', image: 'job:1', restartPolicy: 'no' },
      ]),
    );
    sim.start();
    await sim.until(() => runs === 3, 'the job is tried again');
    assert.equal(sim.world.byName('web'), undefined);
    await sim.settle();
    assert.equal(sim.box('migrate').exitCode, 0);
    assert.equal(runs, 3);
    await sim.expectQuiet();
  },
);

simulation(
  'of what may start at the same time healing takes nothing, and does not wait',
  async (sim) => {
    const names = ['aa', 'bb', 'cc', 'dd', 'ee'];
    const checks = new Checks(sim, (name) => (name.startsWith('old') ? 1_000 : 60_000));
    sim.deploy(deployment('old', [{ name: 'old-1' }, { name: 'old-2' }]));
    sim.start();
    await sim.settle();
    sim.deploy(...names.map((name) => checked(name)));
    await sim.until(() => sim.isRunning('aa') && sim.isRunning('bb'), 'two start', 5_000);
    sim.byHand.kill('old-1');
    sim.byHand.remove('old-2');
    await sim.until(() => sim.isRunning('old-1') && sim.isRunning('old-2'), 'both are back', 5_000);
    assert.match(
      sim.report('cc').waiting[0]?.message ?? '',
      /^waits for its turn: aa\/aa, bb\/bb are starting$/,
    );
    await sim.settle();
    assert.equal(checks.most, 2);
    assert.deepEqual(
      checks.starts.filter((name) => !name.startsWith('old')),
      names,
    );
  },
  { settings: { startConcurrency: 2 } },
);

simulation(
  'starters that never get healthy keep others waiting for three minutes, not for ever',
  async (sim) => {
    const checks = new Checks(sim, () => 1_000);
    checks.never.add('aa').add('bb');
    sim.deploy(...['aa', 'bb', 'cc', 'dd'].map((name) => checked(name)));
    sim.start();
    await sim.run(170_000);
    assert.deepEqual(sim.byHand.names(), ['aa', 'bb']);
    await sim.until(() => checks.isHealthy('cc') && checks.isHealthy('dd'), 'the others start', 20_000);
  },
  { settings: { startConcurrency: 2 } },
);

simulation('a small machine starts two at a time when nobody says otherwise', async (sim) => {
  sim.engine.info = { ...sim.engine.info, memoryBytes: 1e9 };
  const checks = new Checks(sim);
  sim.deploy(...['aa', 'bb', 'cc', 'dd', 'ee'].map((name) => checked(name)));
  sim.start();
  await sim.settle();
  assert.equal(checks.most, 2);
});

simulation(
  'when all seven go, each is stopped after those that depend on it, the database last',
  async (sim) => {
    await cloudUp(sim);
    const mark = sim.mark();
    for (const name of Object.keys(SEVEN)) sim.goal.drop(name);
    sim.directory.clear();
    await sim.settle();
    const stops = sim.mutations(mark).filter((call) => call.startsWith('stopContainer'));
    const at = (name: string) => stops.indexOf(`stopContainer ${name}`);
    for (const [name, needs] of Object.entries(SEVEN))
      for (const need of needs) assert.ok(at(name) < at(need), `${need} is stopped after ${name}`);
    assert.equal(stops.length, 7);
    assert.deepEqual(sim.byHand.names(), []);
  },
);

simulation(
  'instances and replicas that go are stopped in order too, over a restart of the agent',
  async (sim) => {
    const db = deployment('db', [{ name: 'db-1', stopTimeout: '20s' }]);
    const shop = (instances: readonly string[]) =>
      deployment(
        'shop',
        instances.map((name) => ({ name, dependsOn: name === 'web' ? ['api', 'db'] : [] })),
      );
    sim.deploy(db, shop(['api', 'web', 'other']));
    sim.start();
    await sim.settle();
    sim.box('web').program = { stopMs: 5_000 };
    const mark = sim.mark();
    sim.deploy(shop(['other']), deployment('db', [{ name: 'db-1' }], { replicas: 0 }));
    await sim.until(
      () => sim.mutations(mark).includes('stopContainer web'),
      'the first one is being stopped',
      5_000,
    );
    await sim.restartAgent();
    await sim.settle();
    const first = sim.mutations(mark).filter((call) => call.startsWith('stopContainer'));
    assert.deepEqual([...new Set(first)][0], 'stopContainer web');
    assert.deepEqual([...new Set(first)].slice(1).sort(), ['stopContainer api', 'stopContainer db-1']);
    assert.deepEqual(sim.byHand.names(), ['other']);
  },
);

simulation('a dependant that cannot be stopped does not keep what it depends on', async (sim) => {
  sim.deploy(
    checked('db'),
    deployment('web', [{ name: 'web' }], { dependsOn: [{ name: 'db', condition: 'started' }] }),
  );
  sim.start();
  await sim.until(() => sim.isRunning('web'), 'both run');
  const mend = sim.engine.fail({
    code: 'ENGINE_FAILED',
    times: 1_000,
    when: ({ kind, target }) => kind === 'stopContainer' && target === 'web',
  });
  sim.undeploy('db');
  sim.undeploy('web');
  await sim.until(() => sim.world.byName('db') === undefined, 'the database is gone', 60_000);
  assert.ok(sim.isRunning('web'));
  mend();
  await sim.settle();
});

simulation(
  'a cycle over several blueprints is refused by name, its other members wait, and mending it opens all',
  async (sim) => {
    new Checks(sim);
    sim.directory.write('aa.json', checked('aa', ['bb']));
    sim.directory.write('bb.json', checked('bb', ['aa']));
    sim.start();
    await sim.run(30_000);
    assert.deepEqual(sim.byHand.names(), []);
    assert.equal(sim.report('bb').phase, 'Failed');
    assert.match(sim.report('bb').lastError ?? '', /dependsOn must not form a cycle: aa -> bb -> aa/);
    assert.match(sim.report('aa').waiting[0]?.message ?? '', /^waits for bb to be ready, which was refused$/);
    sim.deploy(checked('aa', ['bb']), checked('bb'));
    await sim.settle();
    const ids = [sim.box('aa').id, sim.box('bb').id];
    sim.directory.write('bb.json', checked('bb', ['aa']));
    await sim.run(30_000);
    assert.match(
      sim.log.text(),
      /blueprint refused.*bb\.json: spec\.dependsOn must not form a cycle: aa -> bb -> aa/,
    );
    sim.byHand.kill('bb');
    await sim.until(() => sim.isRunning('bb'), 'the last valid version is healed', 5_000);
    assert.deepEqual([sim.box('aa').id, sim.box('bb').id], ids);
  },
);

test('an agent that dies at any moment of a cold start goes on in order, and nothing is started twice', async () => {
  for (let calls = 1; ; calls += 1) {
    const sim = new Harness({ seed: calls, settings: { startConcurrency: 2 } });
    try {
      const checks = new Checks(sim);
      let died = false;
      sim.engine.crashAfter(calls, () => {
        died = true;
        sim.crashAgent();
      });
      sim.deploy(...cloud());
      sim.start();
      await sim.clock.runUntil(() => died || (sim.goal.met() && sim.status().converged), 60_000);
      if (died) {
        await sim.run(calls * 211);
        if (sim.store.checkpoint()?.blueprints.length === 7) sim.directory.takeAway();
        sim.start();
      } else sim.engine.cancelCrash();
      await sim.settle();
      assert.deepEqual(checks.wasted, [], `died after ${calls} calls`);
      assert.deepEqual([...checks.starts].sort(), Object.keys(SEVEN).sort(), `died after ${calls} calls`);
      if (!died) break;
    } finally {
      sim.close();
    }
    assert.ok(calls < 400, 'the story ends');
  }
});
