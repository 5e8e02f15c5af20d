import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { AgentUnderTest } from './support/agent.ts';
import { deployment, single } from './support/blueprints.ts';
import { Ground } from './support/ground.ts';

const MIB = 1024 ** 2;
const ground = new Ground('fg');
const { engine, prefix } = ground;
let agent: AgentUnderTest;
let image = '';

before(async () => {
  image = await ground.plainImage();
  agent = await ground.startAgent({ flags: ['--resync', '1s'] });
});
after(() => ground.close());

const box = (name: string) => engine.container(`${prefix}-${name}`);
const lifeOf = async (name: string) => {
  const { Id, State } = await box(name);
  return `${Id} ${State.StartedAt}`;
};

/** Writes a blueprint and waits until the engine is as it says. */
async function deploy(name: string, document: object): Promise<void> {
  const seq = await agent.lastEvent();
  agent.write(`${name}.json`, document);
  await agent.until(async () => {
    const events = await agent.events(seq);
    return events.some(
      ({ message, blueprint }) =>
        blueprint === `${prefix}-${name}` && /^blueprint (added|changed|returned)$/.test(message),
    );
  }, `the new version of ${name} is read`);
  await agent.converged();
}

test('FIELDS 2 replicas: from one to two keeps the first container, which only gets its number', async () => {
  const of = (replicas: number) =>
    deployment(`${prefix}-scale`, [{ name: `${prefix}-scale`, image }], { replicas });
  await deploy('scale', of(1));
  const life = await lifeOf('scale');
  await deploy('scale', of(2));
  assert.equal(await lifeOf('scale-0'), life);
  assert.ok((await box('scale-1')).State.Running);
  await deploy('scale', of(1));
  assert.equal(await lifeOf('scale'), life);
  assert.equal(await engine.inspect(`${prefix}-scale-1`), undefined);
});

test('FIELDS 2 replicas: 0 removes the containers and keeps the volumes', async () => {
  const volumes = [{ type: 'named', name: `${prefix}-kept`, mountPath: '/srv/data' }];
  const of = (replicas: number) =>
    deployment(`${prefix}-zero`, [{ name: `${prefix}-zero`, image, volumes }], { replicas });
  await deploy('zero', of(1));
  await engine.exec(`${prefix}-zero`, 'touch', '/srv/data/mine');
  await deploy('zero', of(0));
  assert.equal(await engine.inspect(`${prefix}-zero`), undefined);
  await deploy('zero', of(1));
  assert.equal((await engine.exec(`${prefix}-zero`, 'ls', '/srv/data')).output, 'mine');
});

test('FIELDS 7 generation: a new one that changes one instance leaves the other alone', async () => {
  const of = (generation: number, value: string) => {
    const instances = [
      { name: `${prefix}-one`, image, environment: { VALUE: value } },
      { name: `${prefix}-two`, image },
    ];
    return deployment(`${prefix}-pair`, instances, {}, { generation });
  };
  await deploy('pair', of(1, 'a'));
  const lives = [await lifeOf('one'), await lifeOf('two')];
  await deploy('pair', of(2, 'b'));
  assert.notEqual(await lifeOf('one'), lives[0]);
  assert.equal(await lifeOf('two'), lives[1]);
});

test('FIELDS 7 generation: a new one with an equal hash is no call, and applied according to status', async () => {
  const of = (generation: number) =>
    deployment(`${prefix}-same`, [{ name: `${prefix}-same`, image }], {}, { generation });
  await deploy('same', of(3));
  agent.relay.reset();
  await deploy('same', of(4));
  assert.deepEqual(agent.relay.mutating, []);
  assert.equal((await agent.blueprint(`${prefix}-same`))?.status.observedGeneration, 4);
  assert.equal((await box('same')).Config.Labels['colonies.generation'], '3');
});

test('FIELDS 3.4 and 4.5: restart policy and limits of a new version change in place, up and down', async () => {
  const of = (restartPolicy: string, resources: object) =>
    single(`${prefix}-live`, image, { restartPolicy, resources });
  await deploy('live', of('always', { memory: '64Mi', cpus: '0.5' }));
  const life = await lifeOf('live');
  await deploy('live', of('on-failure:2', { memory: '512Mi', cpus: '1', pidsLimit: 40 }));
  let { HostConfig } = await box('live');
  assert.deepEqual(HostConfig.RestartPolicy, { Name: 'on-failure', MaximumRetryCount: 2 });
  assert.deepEqual([HostConfig.Memory, HostConfig.NanoCpus, HostConfig.PidsLimit], [512 * MIB, 1e9, 40]);
  await deploy('live', of('always', { memory: '32Mi', cpus: '0.25' }));
  ({ HostConfig } = await box('live'));
  assert.deepEqual([HostConfig.Memory, HostConfig.NanoCpus, HostConfig.PidsLimit || 0], [32 * MIB, 2.5e8, 0]);
  assert.equal(await lifeOf('live'), life);
});

test('FIELDS 3.1 envFile: its content is part of what is wanted', async () => {
  const file = join(ground.dir, 'change.env');
  writeFileSync(file, 'VALUE=one\n');
  await deploy('env', single(`${prefix}-env`, image, { envFile: file }));
  writeFileSync(file, 'VALUE=two\n');
  await agent.until(
    async () => (await engine.inspect(`${prefix}-env`))?.Config.Env.includes('VALUE=two') === true,
    'the new content is in force',
  );
});

test('FIELDS 4.1: two versions with the same host port are replaced one after the other', async () => {
  const ports = [{ container: 80, host: 20_900 + (process.pid % 90), protocol: 'tcp' }];
  const of = (VALUE: string) => single(`${prefix}-port`, image, { ports, environment: { VALUE } });
  await deploy('port', of('one'));
  const { failures } = (await agent.status()).counters;
  await deploy('port', of('two'));
  assert.ok((await box('port')).Config.Env.includes('VALUE=two'));
  assert.equal((await agent.status()).counters.failures, failures);
});

test('FIELDS 4.3: an instance with a health check is ready only when it is healthy', async () => {
  const name = `${prefix}-health`;
  const healthcheck = { test: 'test -f /tmp/ok', interval: '1s', retries: 2 };
  agent.write('health.json', single(name, image, { healthcheck }));
  const health = async (state: string) =>
    (await agent.blueprint(name))?.status.instances[0]?.health === state;
  await agent.until(() => health('starting'), 'it is starting');
  const starting = await agent.blueprint(name);
  assert.deepEqual([starting?.ready, starting?.phase === 'Running'], [0, false]);
  await agent.until(() => health('unhealthy'), 'it is unhealthy');
  assert.equal((await agent.blueprint(name))?.phase, 'Degraded');
  await engine.exec(name, 'touch', '/tmp/ok');
  await agent.until(() => health('healthy'), 'it is healthy');
  // It may have been restarted meanwhile for what it was.
  await agent.until(async () => {
    const report = await agent.blueprint(name);
    return report?.ready === 1 && report.phase === 'Running';
  }, 'it is ready');
});

test('FIELDS 4.4 create: false and no such network is NetworkMissing, until somebody makes it', async () => {
  const name = `${prefix}-wait`;
  agent.write(
    'wait.json',
    single(name, image, {}, { network: { name: `${name}-n`, create: false, driver: 'macvlan' } }),
  );
  await agent.until(
    async () => (await agent.blueprint(name))?.waiting[0]?.reason === 'NetworkMissing',
    'it waits',
  );
  assert.equal(await engine.inspect(name), undefined);
  await engine.makeNetwork(`${name}-n`);
  await agent.until(async () => (await agent.blueprint(name))?.phase === 'Running', 'it runs');
  const warnings = (await agent.blueprint(name))?.warnings.map(({ message }) => message).join() ?? '';
  assert.match(warnings, /has driver bridge instead of macvlan/);
});

test('FIELDS 4.4: a network that is gone is made again, and its containers join it', async () => {
  const name = `${prefix}-net-gone`;
  await deploy('net-gone', single(name, image, {}, { network: { name: `${name}-n` } }));
  const life = await lifeOf('net-gone');
  process.kill(agent.pid, 'SIGSTOP');
  await engine.disconnect(`${name}-n`, name);
  await engine.removeNetwork(`${name}-n`);
  process.kill(agent.pid, 'SIGCONT');
  await agent.until(
    async () => (await box('net-gone')).NetworkSettings.Networks[`${name}-n`] !== undefined,
    'it is attached',
  );
  assert.equal(await lifeOf('net-gone'), life);
});

test('FIELDS 4.4 and 4.2: with a blueprint goes the network made for it; its volumes stay', async () => {
  const name = `${prefix}-gone`;
  const volumes = [{ type: 'named', name: `${name}-v`, mountPath: '/srv/data' }];
  await deploy('gone', single(name, image, { volumes }, { network: { name: `${name}-n` } }));
  agent.remove('gone.json');
  await agent.until(({ blueprints }) => !blueprints.some((one) => one.name === name), 'it is removed');
  assert.equal(await engine.inspect(name), undefined);
  const networks: { Name: string }[] = await engine.call('GET', '/networks');
  assert.ok(!networks.some(({ Name }) => Name === `${name}-n`));
  assert.ok(networks.some(({ Name }) => Name === agent.network));
  assert.equal((await engine.call('GET', `/volumes/${name}-v`)).Name, `${name}-v`);
});

test('FIELDS 4.2 volumeReclaim: Delete removes the volumes with the blueprint', async () => {
  const name = `${prefix}-reclaim`;
  const volumes = [{ type: 'named', name: `${name}-v`, mountPath: '/srv/data' }];
  await deploy('reclaim', single(name, image, { volumes }, { volumeReclaim: 'Delete' }));
  agent.remove('reclaim.json');
  await agent.until(({ blueprints }) => !blueprints.some((one) => one.name === name), 'it is removed');
  const { Volumes } = await engine.call('GET', '/volumes');
  assert.ok(!Volumes.some((volume: { Name: string }) => volume.Name === `${name}-v`));
});

test('FIELDS 12 name taken: is a NameConflict, the holder is not touched, and a free name is taken', async () => {
  const name = `${prefix}-taken`;
  const id = await engine.make(name, { Image: image });
  agent.write('taken.json', single(name, image));
  await agent.until(
    async () => (await agent.blueprint(name))?.waiting[0]?.reason === 'NameConflict',
    'it is said',
  );
  assert.deepEqual([(await box('taken')).Id, (await box('taken')).State.Running], [id, true]);
  await engine.remove(id);
  await agent.until(async () => (await agent.blueprint(name))?.phase === 'Running', 'it runs');
});

test('FIELDS 12 stop: stopTimeout is passed, and init ends a shell that does not pass the signal on', async () => {
  const name = `${prefix}-stop`;
  const command = ['sh', '-c', 'sleep 100000; true'];
  await deploy('stop', single(name, image, { command, init: true, stopTimeout: '17s' }));
  agent.relay.reset();
  agent.remove('stop.json');
  await agent.until(async () => (await engine.inspect(name)) === undefined, 'it is gone', 10_000);
  assert.match(agent.relay.calls.map(({ path }) => path).join('\n'), /\/containers\/[0-9a-f]+\/stop\?t=17/);
});

test('after all these changes further looks make no changing call', async () => {
  await agent.converged();
  assert.deepEqual(await agent.quiet(2), []);
  await agent.stop();
});
