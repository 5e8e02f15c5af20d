import assert from 'node:assert/strict';
import type { Program } from '../fakes/engine-types.ts';
import { deployment, type InstanceInput } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

const CHECK = { healthcheck: { test: 'true', interval: '5s', retries: 1 } };
const TCP = { probe: { tcp: { port: 80 }, interval: '5s', timeout: '2s', retries: 3 } };

/** From now on, processes of app:1 do this. */
function programOf(sim: Harness, program: Program): void {
  const image = sim.world.findImage('app:1');
  assert.ok(image !== undefined);
  image.program = () => program;
}

const HEALTHY: Program = { health: { becomes: 'healthy', afterMs: 1_000 } };
const SICK: Program = { health: { becomes: 'unhealthy', afterMs: 1_000 } };

async function running(sim: Harness, instance: Omit<InstanceInput, 'name'>, program = HEALTHY) {
  programOf(sim, program);
  sim.deploy(deployment('web', [{ name: 'web', ...instance }]));
  sim.start();
  await sim.settle();
}

/** Virtual times at which the container was restarted, milliseconds. */
function restarts(sim: Harness, name = 'web'): number[] {
  return sim.engine
    .mutations()
    .filter(({ kind, target }) => kind === 'restartContainer' && target === name)
    .map(({ atMs }) => atMs);
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((time, index) => Math.round((time - (times[index] ?? 0)) / 1_000));
}

simulation(
  'a container that its health check finds unhealthy is restarted once, and is the same',
  async (sim) => {
    await running(sim, CHECK);
    const { id } = sim.box('web');
    const mark = sim.mark();
    sim.byHand.health('web', 'unhealthy');
    await sim.until(() => restarts(sim).length > 0, 'it is restarted');
    assert.ok(sim.clock.monoMs() - mark.atMs >= 1_000, 'not before it was seen twice');
    await sim.run(60_000);
    sim.expectMutations(mark, ['restartContainer web']);
    assert.equal(sim.box('web').id, id);
    const [instance] = sim.report('web').status.instances;
    assert.deepEqual([instance?.health, instance?.ready, instance?.restartCount], ['healthy', true, 1]);
  },
);

simulation('one that is well again when it is looked at twice is left alone', async (sim) => {
  await running(sim, CHECK);
  const mark = sim.mark();
  sim.byHand.health('web', 'unhealthy');
  await sim.run(700);
  assert.deepEqual(sim.waits('web'), ['Unhealthy']);
  sim.byHand.health('web', 'healthy');
  await sim.settle();
  await sim.run(60_000);
  sim.expectMutations(mark, []);
});

simulation(
  'one that stays unhealthy is restarted at growing intervals of up to 5 min, for ever',
  async (sim) => {
    await running(sim, CHECK);
    programOf(sim, SICK);
    sim.byHand.health('web', 'unhealthy');
    await sim.run(3_600_000);
    const seconds = gaps(restarts(sim));
    const steps = [10, 20, 40, 80, 160, 300, 300];
    steps.forEach((step, index) => {
      const gap = seconds[index] ?? 0;
      assert.ok(gap >= step && gap <= step * 1.2 + 5, `gap ${index}: ${gap} s for a step of ${step}`);
    });
    assert.ok(
      seconds.slice(7).every((gap) => gap >= 300 && gap <= 305),
      String(seconds),
    );
    assert.ok(seconds.length > 14, 'it never gives up');
  },
);

simulation('status says why, how often and when next while it waits; the log says it once', async (sim) => {
  await running(sim, CHECK);
  programOf(sim, SICK);
  sim.byHand.health('web', 'unhealthy');
  await sim.until(() => restarts(sim).length === 4, 'it was restarted four times');
  await sim.run(5_000);
  const report = sim.report('web');
  assert.equal(report.phase, 'Degraded');
  const [waiting] = report.waiting;
  assert.deepEqual([waiting?.reason, waiting?.attempts], ['Unhealthy', 4]);
  assert.match(waiting?.message ?? '', /^health check fails/);
  const inMs = Date.parse(waiting?.nextTryAt ?? '') - sim.clock.now();
  assert.ok(inMs > 60_000 && inMs < 100_000, `next try in ${inMs} ms`);
  assert.equal(report.status.instances[0]?.restartCount, 4);
  const lines = sim.log.text(1_000).split('\n');
  assert.equal(lines.filter((line) => line.includes('container is unhealthy')).length, 1);
  assert.equal(lines.filter((line) => line.includes('container restarted')).length, 1);
  const events = sim.agent.events(0).filter(({ message }) => message === 'container restarted');
  assert.equal(events.length, 4);
  assert.equal(events[0]?.cause, 'health check fails');
});

simulation('after ten healthy minutes the count begins anew', async (sim) => {
  await running(sim, CHECK);
  programOf(sim, SICK);
  sim.byHand.health('web', 'unhealthy');
  await sim.until(() => restarts(sim).length === 5, 'it was restarted five times');
  await sim.run(500);
  programOf(sim, HEALTHY);
  await sim.until(() => restarts(sim).length === 6, 'it was restarted once more');
  await sim.settle();
  await sim.run(9 * 60_000);
  const early = sim.mark().atMs;
  sim.byHand.health('web', 'unhealthy');
  await sim.until(() => restarts(sim).length === 7, 'again');
  assert.ok(sim.clock.monoMs() - early > 250_000, 'nine minutes are not enough');
  await sim.settle();
  await sim.run(12 * 60_000);
  const late = sim.mark().atMs;
  sim.byHand.health('web', 'unhealthy');
  await sim.until(() => restarts(sim).length === 8, 'at once');
  assert.ok(sim.clock.monoMs() - late < 3_000);
});

simulation('one that was unhealthy before the agent began is restarted, after a while', async (sim) => {
  await running(sim, CHECK);
  sim.crashAgent();
  sim.byHand.health('web', 'unhealthy');
  await sim.run(60_000);
  const mark = sim.mark();
  sim.start();
  await sim.until(() => restarts(sim).length === 1, 'it is restarted');
  const waitedMs = sim.clock.monoMs() - mark.atMs;
  assert.ok(waitedMs >= 20_000 && waitedMs < 30_000, `after ${waitedMs} ms`);
  await sim.settle();
  assert.equal(restarts(sim).length, 1);
});

simulation('an agent that is itself restarted again and again restarts no container', async (sim) => {
  await running(sim, CHECK);
  programOf(sim, SICK);
  sim.byHand.health('web', 'unhealthy');
  await sim.run(500);
  for (let life = 0; life < 20; life += 1) {
    await sim.restartAgent();
    await sim.run(15_000);
  }
  assert.deepEqual(restarts(sim), []);
});

simulation(
  'with onUnhealthy ignore it is left alone and shown, and is well when its check passes again',
  async (sim) => {
    await running(sim, { ...CHECK, onUnhealthy: 'ignore' });
    const mark = sim.mark();
    sim.byHand.health('web', 'unhealthy');
    await sim.run(3_600_000);
    sim.expectMutations(mark, []);
    const report = sim.report('web');
    assert.deepEqual([report.phase, report.ready, sim.waits('web')], ['Degraded', 0, ['Unhealthy']]);
    sim.byHand.health('web', 'healthy');
    await sim.settle();
  },
);

simulation('a container is not restarted because another one is unhealthy', async (sim) => {
  programOf(sim, HEALTHY);
  sim.deploy(
    deployment('cloud', [
      { name: 'db', ...CHECK },
      { name: 'app', ...CHECK, ...TCP },
    ]),
  );
  sim.start();
  await sim.settle();
  const mark = sim.mark();
  programOf(sim, SICK);
  sim.byHand.health('db', 'unhealthy');
  await sim.run(1_800_000);
  const touched = new Set(sim.mutations(mark));
  assert.deepEqual(touched, new Set(['restartContainer db']));
});

simulation('a restart cut off by the end of the agent leaves one container that runs', async (sim) => {
  for (const afterMs of [5, 60, 125, 150]) {
    if (sim.lives === 0) await running(sim, CHECK);
    sim.byHand.health('web', 'unhealthy');
    const before = restarts(sim).length;
    await sim.until(() => restarts(sim).length > before, 'the restart has begun');
    await sim.run(afterMs);
    await sim.restartAgent();
    await sim.settle();
    await sim.expectQuiet();
  }
});

simulation('a restart that the engine refuses is tried again', async (sim) => {
  await running(sim, CHECK);
  sim.engine.fail({ code: 'ENGINE_FAILED', when: ({ kind }) => kind === 'restartContainer', times: 2 });
  sim.byHand.health('web', 'unhealthy');
  await sim.until(() => restarts(sim).length === 3, 'the third try');
  await sim.settle();
});

simulation('with a probe a service is ready when its port answers, and not before', async (sim) => {
  programOf(sim, { listensAfterMs: 40_000 });
  const probe = { tcp: { port: 80 }, interval: '15s', startPeriod: '1m' };
  sim.deploy(deployment('web', [{ name: 'web', probe }]));
  sim.start();
  await sim.until(() => sim.isRunning('web'), 'it runs');
  const begun = sim.clock.monoMs();
  await sim.run(39_000);
  const [early] = sim.report('web').status.instances;
  assert.deepEqual(
    [early?.ready, early?.health, sim.report('web').phase],
    [false, 'starting', 'Reconciling'],
  );
  const waitedMs = await sim.settle();
  assert.ok(sim.clock.monoMs() - begun < 42_000, `ready a second after it answers, not ${waitedMs} ms later`);
  assert.equal(sim.report('web').status.instances[0]?.health, 'healthy');
  assert.deepEqual(restarts(sim), []);
});

simulation('a service that hangs is restarted after its retries, and is ready again', async (sim) => {
  await running(sim, TCP);
  const mark = sim.mark();
  sim.byHand.hang('web');
  await sim.until(() => restarts(sim).length === 1, 'it is restarted');
  const tookMs = sim.clock.monoMs() - mark.atMs;
  assert.ok(tookMs >= 10_000 && tookMs < 30_000, `after ${tookMs} ms`);
  await sim.settle();
  sim.expectMutations(mark, ['restartContainer web']);
  const [event] = sim.agent.events(0).filter(({ message }) => message === 'container restarted');
  assert.equal(event?.cause, 'probe fails (tcp 80: no answer within 2 s)');
});

simulation('one that never answers gets its start period again after each restart', async (sim) => {
  programOf(sim, { listensAfterMs: Number.POSITIVE_INFINITY });
  const probe = { tcp: { port: 80 }, interval: '5s', retries: 2, startPeriod: '2m' };
  sim.deploy(deployment('web', [{ name: 'web', probe }]));
  sim.start();
  await sim.run(3_600_000);
  const seconds = gaps(restarts(sim));
  assert.ok(seconds.length >= 7, String(seconds));
  [10, 20, 40, 80, 160, 300, 300].forEach((step, index) => {
    const gap = seconds[index] ?? 0;
    assert.ok(gap >= step + 125 && gap <= step * 1.2 + 145, `gap ${index}: ${gap} s for a step of ${step}`);
  });
});

simulation('both checks count: it is ready only when the engine and the agent find it so', async (sim) => {
  programOf(sim, { listensAfterMs: 5_000, health: { becomes: 'healthy', afterMs: 20_000 } });
  sim.deploy(deployment('web', [{ name: 'web', ...CHECK, ...TCP }]));
  sim.start();
  await sim.until(() => sim.isRunning('web'), 'it runs');
  await sim.run(10_000);
  assert.equal(sim.report('web').ready, 0);
  await sim.settle();
  sim.byHand.hang('web');
  await sim.until(() => sim.report('web').ready === 0, 'the probe fails', 60_000);
});

const PUBLISHED = { ports: [{ container: 80, host: 8080 }], probe: { ...TCP.probe, published: true } };

simulation('a published port that is cut off is mended, and the process goes on', async (sim) => {
  await running(sim, PUBLISHED);
  const { id, run } = sim.box('web');
  const mark = sim.mark();
  sim.byHand.cutOff('web');
  await sim.until(() => sim.waits('web').includes('PortUnreachable'), 'it is noticed', 60_000);
  assert.equal(sim.report('web').status.instances[0]?.health, 'healthy', 'the container itself is well');
  await sim.settle();
  sim.expectMutations(mark, ['disconnectNetwork web', 'connectNetwork web']);
  const box = sim.box('web');
  assert.deepEqual([box.id, box.run, box.isCutOff], [id, run, false]);
  assert.equal(sim.report('web').status.instances[0]?.restartCount, 0);
});

simulation(
  'a service that keeps silent when a connection ends is not taken for a port that is cut off',
  async (sim) => {
    await running(sim, PUBLISHED, { ...HEALTHY, isSilent: true });
    await sim.run(600_000);
    assert.equal(sim.engine.mutations().filter(({ kind }) => kind === 'disconnectNetwork').length, 0);
    assert.equal(sim.report('web').phase, 'Running');
  },
);

simulation('a port that is cut off again at once is mended at growing intervals', async (sim) => {
  await running(sim, PUBLISHED);
  const repairs = () =>
    sim.engine
      .mutations()
      .filter(({ kind, result }) => kind === 'connectNetwork' && result === 'ok')
      .map(({ atMs }) => atMs);
  for (let seen = 0; seen < 6; seen += 1) {
    sim.byHand.cutOff('web');
    await sim.until(() => repairs().length > seen, `repair ${seen + 1}`);
    await sim.run(100);
  }
  const seconds = gaps(repairs());
  [10, 20, 40, 80, 160].forEach((step, index) => {
    const gap = seconds[index] ?? 0;
    assert.ok(gap >= step && gap <= step * 1.2 + 25, `gap ${index}: ${gap} s for a step of ${step}`);
  });
  await sim.settle();
});

simulation('a repair cut off by the end of the agent is finished by the next one', async (sim) => {
  await running(sim, PUBLISHED);
  for (const kind of ['disconnectNetwork', 'connectNetwork']) {
    sim.byHand.cutOff('web');
    const before = sim.mark().seq;
    await sim.until(
      () => sim.engine.mutations(before).some((call) => call.kind === kind && call.result === 'ok'),
      kind,
    );
    await sim.restartAgent();
    await sim.settle();
    await sim.expectQuiet();
  }
});

simulation('without the wish for it a cut off port is not even asked', async (sim) => {
  await running(sim, { ports: [{ container: 80, host: 8080 }], ...TCP });
  sim.byHand.cutOff('web');
  await sim.run(600_000);
  assert.ok(sim.prober.checks.every(({ port }) => port === 80));
  assert.deepEqual(restarts(sim), []);
});

simulation('probes that pass make the agent look no more often, and end with their service', async (sim) => {
  await running(sim, TCP);
  await sim.run(10_000);
  const ticks = sim.status().counters.ticks;
  const asked = sim.prober.checks.length;
  await sim.run(600_000);
  assert.ok(sim.status().counters.ticks - ticks <= 12, 'only the resync makes it look');
  assert.equal(sim.prober.checks.length - asked, 120);
  sim.undeploy('web');
  await sim.settle();
  const atEnd = sim.prober.checks.length;
  await sim.run(60_000);
  assert.equal(sim.prober.checks.length, atEnd);
});

simulation('without a probe nothing is asked and nothing waits for it', async (sim) => {
  await running(sim, CHECK);
  await sim.run(600_000);
  assert.deepEqual(sim.prober.checks, []);
});

simulation(
  'of many services that hang only so many are asked at the same time, and each is dealt with',
  async (sim) => {
    const names = Array.from({ length: 60 }, (_, index) => `web-${index}`);
    sim.deploy(
      deployment(
        'many',
        names.map((name) => ({ name, ...TCP })),
      ),
    );
    sim.start();
    await sim.settle();
    for (const name of names) sim.byHand.hang(name);
    await sim.until(() => names.every((name) => restarts(sim, name).length === 1), 'all are restarted');
    assert.ok(sim.prober.mostOpen <= 32, `${sim.prober.mostOpen} at a time`);
    await sim.settle();
  },
);

simulation('while the engine is away the probes go on, and nothing is decided', async (sim) => {
  await running(sim, TCP);
  sim.engine.outage();
  sim.byHand.hang('web');
  const mark = sim.mark();
  await sim.run(120_000);
  sim.expectMutations(mark, []);
  sim.engine.recover();
  await sim.until(() => restarts(sim).length === 1, 'it is restarted');
  await sim.settle();
});

simulation('the agent ends although a probe hangs', async (sim) => {
  await running(sim, { probe: { tcp: { port: 80 }, interval: '5s', timeout: '10m' } });
  sim.byHand.hang('web');
  await sim.run(30_000);
  assert.equal(sim.prober.open, 1);
  await sim.stopAgent();
  assert.equal(sim.prober.open, 0);
});
