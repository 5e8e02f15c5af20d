import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../fakes/engine-fixture.ts';
import type { AgentUnderTest } from './support/agent.ts';
import { deployment, single } from './support/blueprints.ts';
import { Ground, WAIT, WAIT_CMD } from './support/ground.ts';
import { healed, running } from './support/healing.ts';

const ground = new Ground('adopt');
const { engine, prefix } = ground;
const network = `${prefix}-net`;
let image: string;
let newer: string;
let agent: AgentUnderTest;

before(async () => {
  image = await ground.plainImage();
  newer = await ground.makeImage(`${prefix}-plain:2`, [WAIT_CMD, 'LABEL version=2']);
  await engine.makeNetwork(network);
  agent = await ground.startAgent({ flags: ['--resync', '1s'] });
});

after(() => ground.close());

/** A container as the Go reconciler makes it: three labels, its two variables, no restart policy, the shared network. */
async function byPeer(blueprint: string, name: string, more: { generation?: number; labels?: object } = {}) {
  return engine.make(name, {
    Image: image,
    Env: [`COLONIES_DEPLOYMENT=${blueprint}`, `COLONIES_CONTAINER_NAME=${name}`],
    Labels: {
      'colonies.deployment': blueprint,
      'colonies.managed': 'true',
      'colonies.generation': String(more.generation ?? 0),
      ...more.labels,
    },
    NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: [blueprint, name] } } },
    HostConfig: { NetworkMode: network },
  });
}

const write = (name: string, instances: readonly object[], spec: object = {}, metadata: object = {}) =>
  agent.write(`${name}.json`, deployment(name, instances, spec, metadata));

/** Takes a blueprint away and waits until nothing of it is left. */
async function drop(name: string): Promise<void> {
  agent.remove(`${name}.json`);
  await agent.until(({ blueprints }) => blueprints.every((one) => one.name !== name), `${name} is gone`);
}

test('a matching container of the Go reconciler is adopted without a restart, its restart policy set in place', async () => {
  const name = `${prefix}-same`;
  const id = await byPeer('same', name);
  const life = await running(engine, name);
  write('same', [{ name, image }]);
  await agent.converged();
  assert.deepEqual(await running(engine, name), life);
  const { HostConfig } = await engine.container(id);
  assert.equal(HostConfig.RestartPolicy.Name, 'unless-stopped');
  assert.ok(
    (await agent.events()).some(
      ({ message, container }) => message === 'container adopted' && container === name,
    ),
  );
  assert.deepEqual(await agent.quiet(), []);
});

test('an adopted container stays adopted over a restart of the agent', async () => {
  const name = `${prefix}-same`;
  const life = await running(engine, name);
  await agent.restart();
  await agent.converged();
  assert.deepEqual(await agent.quiet(), []);
  assert.deepEqual(await running(engine, name), life);
});

test('an adopted container is healed like any other', async () => {
  const name = `${prefix}-same`;
  const life = await running(engine, name);
  await engine.kill(life.id);
  assert.equal((await healed(engine, name, life)).id, life.id);
});

test('an adopted container is replaced when the spec changes, and then carries all labels', async () => {
  const name = `${prefix}-same`;
  const life = await running(engine, name);
  write('same', [{ name, image, environment: { NEW: '1' } }], {}, { generation: 1 });
  const again = await healed(engine, name, life);
  assert.notEqual(again.id, life.id);
  await agent.converged();
  const { Config } = await engine.container(name);
  assert.equal(Config.Labels['colonies.node'], agent.node);
  assert.match(Config.Labels['colonies.spec-hash'], /^[0-9a-f]+$/);
  await drop('same');
});

test('a container of the Go reconciler of an older generation is replaced', async () => {
  const name = `${prefix}-old`;
  const id = await byPeer('old', name, { generation: 3 });
  write('old', [{ name, image }], {}, { generation: 4 });
  await agent.converged();
  const life = await running(engine, name);
  assert.notEqual(life.id, id);
  await drop('old');
});

test('defect 1: a change of replicas or of one instance touches only what changed', async () => {
  const [one, other] = [`${prefix}-d1-a`, `${prefix}-d1-b`];
  write(
    'd1',
    [
      { name: one, image },
      { name: other, image },
    ],
    {},
    { generation: 1 },
  );
  await agent.converged();
  const [a, b] = [await running(engine, one), await running(engine, other)];
  write(
    'd1',
    [
      { name: one, image },
      { name: other, image, environment: { V: '2' } },
    ],
    {},
    { generation: 2 },
  );
  await healed(engine, other, b);
  await agent.converged();
  assert.deepEqual(await running(engine, one), a, 'the other instance was touched');
  write('d1r', [{ name: `${prefix}-d1r`, image }], { replicas: 2 }, { generation: 1 });
  await agent.converged();
  const kept = await running(engine, `${prefix}-d1r-0`);
  write('d1r', [{ name: `${prefix}-d1r`, image }], { replicas: 3 }, { generation: 2 });
  await running(engine, `${prefix}-d1r-2`);
  assert.deepEqual(await running(engine, `${prefix}-d1r-0`), kept);
  await drop('d1');
  await drop('d1r');
});

test('defect 2: a blueprint removed and added again under another id is made anew, though its generation is lower', async () => {
  const name = `${prefix}-d2`;
  const document = (blueprintid: string, generation: number) => ({
    blueprintid,
    ...single('d2', image, { name }),
    metadata: { name: 'd2', generation },
  });
  agent.write('d2.json', document('a'.repeat(64), 7));
  await agent.converged();
  const life = await running(engine, name);
  agent.write('d2.json', document('b'.repeat(64), 0));
  const again = await healed(engine, name, life);
  assert.notEqual(again.id, life.id);
  await drop('d2');
});

test('defect 3: while a new version cannot be pulled or started, the old one goes on', async () => {
  const name = `${prefix}-d3`;
  write('d3', [{ name, image }]);
  await agent.converged();
  const life = await running(engine, name);
  write('d3', [{ name, image: `127.0.0.1:1/${prefix}-none:1` }]);
  await agent.until(
    ({ blueprints }) => blueprints.some(({ waiting }) => waiting[0]?.reason === 'ImageUnavailable'),
    'the new image is not there',
  );
  assert.deepEqual(await running(engine, name), life, 'the old version was touched');
  write('d3', [{ name, image: newer, command: ['no-such-program'] }]);
  await agent.until(
    ({ blueprints }) => blueprints.some(({ waiting }) => waiting[0]?.reason === 'StartFailed'),
    'the new version cannot start',
  );
  const back = await running(engine, name);
  assert.equal(back.id, life.id);
  await eventually('nothing of the new version is left', async () => {
    const found = await engine.containers({
      label: [`colonies.node=${agent.node}`, 'colonies.deployment=d3'],
    });
    return found.length === 1;
  });
  await drop('d3');
});

test('defect 4: containers of others that do not run are left alone', async () => {
  const name = `${prefix}-d4`;
  const [created, paused] = [`${prefix}-d4-created`, `${prefix}-d4-paused`];
  const ids = [await byPeer('someone', created), await byPeer('someone', paused)] as const;
  await engine.kill(ids[0]);
  await engine.pause(ids[1]);
  write('d4', [{ name, image }]);
  await agent.converged();
  assert.deepEqual(await agent.quiet(), []);
  assert.equal((await engine.container(ids[0])).State.Status, 'exited');
  assert.equal((await engine.container(ids[1])).State.Status, 'paused');
  assert.deepEqual([...(await agent.status()).strays].sort(), [created, paused]);
  for (const id of ids) await engine.remove(id);
  await drop('d4');
});

test('defect 5: a stopped container of the right version is started in the same pass, not removed and made anew', async () => {
  const name = `${prefix}-d5`;
  write('d5', [{ name, image }]);
  await agent.converged();
  const life = await running(engine, name);
  agent.relay.reset();
  await engine.kill(life.id);
  assert.equal((await healed(engine, name, life)).id, life.id);
  assert.deepEqual(agent.relay.mutating, ['POST /containers/{id}/start']);
  await drop('d5');
});

test('defect 6: a running container whose health check fails is not ready, and the blueprint not Running', async () => {
  const name = `${prefix}-d6`;
  const healthcheck = { test: ['CMD', 'test', '-e', '/tmp/well'], interval: '1s', timeout: '5s', retries: 1 };
  write('d6', [{ name, image, healthcheck }]);
  const sick = await agent.until(
    ({ blueprints }) => blueprints.some((one) => one.status.instances[0]?.health === 'unhealthy'),
    'it is unhealthy',
  );
  const report = sick.blueprints.find((one) => one.name === 'd6');
  assert.equal(report?.status.instances[0]?.state, 'running');
  assert.equal(report?.status.instances[0]?.ready, false);
  assert.notEqual(report?.phase, 'Running');
  assert.equal(report?.status.readyInstances, 0);
  await engine.exec(name, 'touch', '/tmp/well');
  await agent.until(
    ({ blueprints }) => blueprints.some((one) => one.name === 'd6' && one.phase === 'Running'),
    'it is well',
  );
  await drop('d6');
});

test('defect 9: a removed blueprint is stopped gracefully within its stop time, and its volume stays', async () => {
  const name = `${prefix}-d9`;
  const volume = `${prefix}-d9-data`;
  // Says goodbye only when it gets the signal and the time to do so.
  const command = [
    'sh',
    '-c',
    "trap 'sleep 1; echo bye > /data/bye; exit 0' TERM; while :; do sleep 1000 & wait $!; done",
  ];
  const volumes = [{ type: 'named', name: volume, mountPath: '/data' }];
  write('d9', [{ name, image, command, volumes, stopTimeout: '10s' }]);
  await agent.converged();
  await drop('d9');
  const reader = await engine.make(`${prefix}-d9-reader`, {
    Image: image,
    Cmd: [...WAIT],
    HostConfig: { Binds: [`${volume}:/data`], NetworkMode: 'none' },
  });
  assert.equal((await engine.exec(reader, 'cat', '/data/bye')).output, 'bye');
  await engine.remove(reader);
});

test('defect 10: a start that fails leaves no container in created, and the reason in the status', async () => {
  const name = `${prefix}-d10`;
  write('d10', [{ name, image, command: ['no-such-program'] }]);
  const status = await agent.until(
    ({ blueprints }) => blueprints.some(({ waiting }) => waiting[0]?.reason === 'StartFailed'),
    'it cannot start',
  );
  assert.match(status.blueprints[0]?.lastError ?? '', /no-such-program/);
  await eventually('nothing is left of it', async () => (await engine.byName(name)) === undefined);
  await drop('d10');
});

test('defect 11: a name held by an unmanaged container is a conflict, and that container untouched', async () => {
  const name = `${prefix}-d11`;
  await engine.make(name, { Image: image, HostConfig: { NetworkMode: 'none' } });
  const life = await running(engine, name);
  write('d11', [{ name, image }]);
  await agent.until(
    ({ blueprints }) => blueprints.some(({ waiting }) => waiting[0]?.reason === 'NameConflict'),
    'the name is taken',
  );
  assert.deepEqual(await agent.quiet(), []);
  assert.deepEqual(await running(engine, name), life);
  await engine.remove(life.id);
  await drop('d11');
});

test('defects 12 and 13: without a server and without any key there is deployment, healing and a restart from disk', async () => {
  const name = `${prefix}-d13`;
  write('d13', [{ name, image }]);
  await agent.converged();
  const life = await running(engine, name);
  await agent.kill('SIGKILL');
  await engine.remove(life.id);
  await agent.start();
  await healed(engine, name, life);
  await drop('d13');
});

test('defect 15: replicas 0 stops everything and keeps the volume', async () => {
  const [name, volume] = [`${prefix}-d15`, `${prefix}-d15-data`];
  const instance = { name, image, volumes: [{ type: 'named', name: volume, mountPath: '/data' }] };
  write('d15', [instance], { replicas: 1 });
  await agent.converged();
  write('d15', [instance], { replicas: 0 });
  await eventually('it is stopped', async () => (await engine.byName(name)) === undefined);
  const status = await agent.converged();
  assert.equal(status.blueprints[0]?.desired, 0);
  assert.deepEqual(await agent.quiet(), []);
  await engine.call('GET', `/volumes/${volume}`);
  await drop('d15');
});

test('defect 17: a label of the reserved prefix is refused, and hides no container', async () => {
  const name = `${prefix}-d17`;
  write('d17', [{ name, image, labels: { 'colonies.managed': 'false' } }]);
  const status = await agent.until(({ refusals }) => refusals.length > 0, 'it is refused');
  assert.match(JSON.stringify(status.refusals), /colonies\.managed/);
  assert.equal(await engine.byName(name), undefined);
  agent.remove('d17.json');
  await agent.until(({ refusals }) => refusals.length === 0, 'the refusal is gone');
});
