import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CONTAINERS, FIRST_START_MS, SYSTEM_IMAGE } from './support/arrowhead.ts';
import { Cloud } from './support/cloud.ts';
import { lifeOf, livesOf } from './support/healing.ts';

const SLOW_MS = 60_000;
const DATABASE = 'c1-database';
const REGISTRY = 'c1-serviceregistry';
const STOP = 'POST /containers/{id}/stop';

const besides = (name: string) => CONTAINERS.filter((one) => one !== name);

/** In the second pass the server is there only to hand out what is new, and the agent dies once in each phase. */
for (const isHard of [false, true])
  describe(isHard ? 'with the server away and a SIGKILL in each phase' : 'with the server in reach', () => {
    let cloud: Cloud;
    before(async () => {
      cloud = await Cloud.open();
    });
    after(() => cloud.close());

    test('the seven unchanged blueprints start in order, each once', async () => {
      const { agent } = cloud;
      await agent.start();
      if (isHard) {
        await agent.until(({ blueprints }) => blueprints.length === 7, 'the blueprints are known', SLOW_MS);
        const isStarted = (name: string) => () => cloud.times('start', name).length > 0;
        await cloud.goOffline();
        await cloud.dieWhen('the database starts', isStarted(DATABASE));
        assert.deepEqual(cloud.times('start', REGISTRY), [], 'the registry waits for the database');
        await cloud.dieWhen('the registry starts', isStarted(REGISTRY));
      }
      await agent.until(({ blueprints }) => blueprints.length === 7, 'the blueprints are known', SLOW_MS);
      await agent.converged(SLOW_MS);
      assert.deepEqual(await cloud.names(), [...CONTAINERS].sort());
      for (const name of CONTAINERS) {
        assert.equal(cloud.times('start', name).length, 1, `${name} was started more than once`);
        assert.equal((await cloud.engine.container(name)).RestartCount, 0, name);
      }
      const start = (name: string) => cloud.times('start', `c1-${name}`)[0] ?? 0;
      assert.ok(
        start('serviceregistry') - start('database') > FIRST_START_MS,
        'the database is not waited for',
      );
      assert.ok(start('authorization') > start('serviceregistry'));
      for (const system of ['orchestrator', 'eventhandler', 'gateway'])
        assert.ok(start(system) > start('authorization'), system);
      assert.ok(start('gatekeeper') > start('gateway'));
    });

    test('a bad image version of the registry comes and goes back, and its dependants go on', async () => {
      const { agent, colony } = cloud;
      const old = (await cloud.engine.container(REGISTRY)).Id;
      const lives = await livesOf(cloud.engine, besides(REGISTRY));
      cloud.log.clear();
      if (isHard) await cloud.goOnline();
      await cloud.change(REGISTRY, { image: isHard ? cloud.silent : cloud.crashing });
      if (isHard) {
        await cloud.goOffline();
        await cloud.dieWhen('the bad version is on trial', () => cloud.times('start', REGISTRY).length > 0);
      }
      const status = await agent.until(
        async ({ blueprints }) =>
          blueprints.some(
            ({ name, waiting, ready }) =>
              name === REGISTRY && waiting[0]?.reason === 'RolledBack' && ready === 1,
          ) && (await cloud.names()).length === 7,
        'the version before is back',
        SLOW_MS,
      );
      const message = status.blueprints.find(({ name }) => name === REGISTRY)?.waiting[0]?.message ?? '';
      const why = isHard ? 'did not become healthy within 12 s' : '(exited 3 after \\d s|does not stay up)';
      assert.match(
        message,
        new RegExp(
          `^from generation 1 \\(spec \\w+\\) to generation 0 \\(spec \\w+\\) at \\S+Z: ${REGISTRY}: ${why}`,
        ),
      );
      assert.equal((await cloud.engine.container(REGISTRY)).Id, old, 'the container before serves again');
      assert.deepEqual(await livesOf(cloud.engine, besides(REGISTRY)), lives, 'nobody else was touched');
      assert.deepEqual(await cloud.names(), [...CONTAINERS].sort());
      if (isHard) await cloud.goOnline();
      const { conditions } = await colony.ground.reported(REGISTRY, 'says that it went back', (reported) =>
        (reported.conditions ?? []).some(({ type, status: is }) => type === 'RolledBack' && is === 'True'),
      );
      const told = conditions?.find(({ type }) => type === 'RolledBack')?.message ?? '';
      assert.match(told, /^from generation 1 .* to generation 0 .*: c1-serviceregistry: /);
      // Its author takes it back: nothing is left to be done.
      await cloud.change(REGISTRY, { image: SYSTEM_IMAGE });
      await agent.converged(SLOW_MS);
      assert.equal((await cloud.engine.container(REGISTRY)).Id, old, 'it is the good version already');
    });

    test('the database is replaced and keeps its volume', async () => {
      const { agent, engine } = cloud;
      const write = await engine.exec(DATABASE, 'sh', '-c', 'echo precious data > /var/lib/mysql/precious');
      assert.equal(write.code, 0);
      const lives = await livesOf(engine, besides(DATABASE));
      const old = (await engine.container(DATABASE)).Id;
      cloud.log.clear();
      agent.relay.reset();
      await cloud.change(DATABASE, { environment: { TZ: 'Europe/Stockholm' } });
      if (isHard) {
        await cloud.proxy.set({ mode: 'refuse' });
        await cloud.dieWhen(
          'the old database is stopped',
          () => agent.relay.mutating.includes(STOP),
          async () => {
            await cloud.log.wait('die', DATABASE, 0);
            assert.equal(await lifeOf(engine, DATABASE), undefined, 'it died between stop and start');
            assert.deepEqual(cloud.times('start', DATABASE), []);
          },
        );
      }
      await agent.until(
        async () => {
          const found = await engine.inspect(DATABASE);
          return found !== undefined && found.Id !== old && found.State.Running === true;
        },
        'the new database runs',
        SLOW_MS,
      );
      await agent.converged(SLOW_MS);
      assert.ok((await engine.container(DATABASE)).Config.Env.includes('TZ=Europe/Stockholm'));
      const { output } = await engine.exec(
        DATABASE,
        'cat',
        '/var/lib/mysql/baked',
        '/var/lib/mysql/precious',
      );
      assert.equal(output, 'tables\nprecious data');
      assert.equal(cloud.times('start', DATABASE).length, 1, 'one start is enough');
      assert.deepEqual(await livesOf(engine, besides(DATABASE)), lives, 'nobody else was touched');
      assert.deepEqual(await cloud.names(), [...CONTAINERS].sort());
      await agent.stop();
    });
  });
