import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { executor } from './support/blueprints.ts';
import { envOf, type FieldCase, type Place, testFields, warningsOf } from './support/fields.ts';

/** Identities of every case: two slots each, with keys that no other case has. */
function slotsOf(name: string, index: number) {
  return [0, 1].map((replica) => ({
    blueprint: name,
    index: replica,
    key: keyOf(index, replica),
    executorName: `${name}-e${replica}`,
    containerName: replica === 0 ? name : `${name}-second`,
  }));
}

const keyOf = (index: number, replica: number) => `${index * 2 + replica + 1}`.padStart(64, '0');

/** An ExecutorDeployment as a case. */
function one(title: string, spec: object, check: FieldCase['check'], rich = false): FieldCase {
  const document = ({ name, image }: Place) =>
    executor(name, { image, executorType: 'test-executor', ...spec });
  return { title, document, check, rich };
}

/** FIELDS.md 6.1: the spec of an ExecutorDeployment. */
const SPEC: FieldCase[] = [
  one('FIELDS 6.1 image: the container is made of it', {}, ({ box, image }) =>
    assert.equal(box.Config.Image, image),
  ),
  one('FIELDS 6.1 executorType: is EXECUTOR_TYPE', {}, ({ box }) =>
    assert.equal(envOf(box).EXECUTOR_TYPE, 'test-executor'),
  ),
  one(
    'FIELDS 6.1 executorType: absent is container-executor, with a warning',
    { executorType: undefined },
    ({ box, report }) => {
      assert.equal(envOf(box).EXECUTOR_TYPE, 'container-executor');
      assert.match(warningsOf(report).join(), /executorType is missing and taken as "container-executor"/);
    },
  ),
  one('FIELDS 6.1 replicas: absent is one', {}, ({ report }) => assert.equal(report.desired, 1)),
  one(
    'FIELDS 6.1 replicas: each replica has an identity of its own',
    { replicas: 2 },
    async ({ box, engine, name }) => {
      const [first, second] = [envOf(box), envOf(await engine.container(`${name}-second`))];
      assert.deepEqual(
        [first.COLONIES_EXECUTOR_NAME, second.COLONIES_EXECUTOR_NAME],
        [`${name}-e0`, `${name}-e1`],
      );
      assert.notEqual(first.COLONIES_EXECUTOR_ID, second.COLONIES_EXECUTOR_ID);
      assert.equal(second.COLONIES_CONTAINER_NAME, `${name}-second`);
    },
  ),
  one('FIELDS 6.1 replicas: 0 is none', { replicas: 0 }, ({ box, report }) => {
    assert.equal(box, undefined);
    assert.equal(report.phase, 'Running');
  }),
  one('FIELDS 6.1 executorName: this node runs what names it', { executorName: 'hall-gateway' }, ({ box }) =>
    assert.ok(box.State.Running),
  ),
  one(
    'FIELDS 6.1 executorNames: a list with this node in it',
    { executorNames: ['hall-gateway'] },
    ({ box }) => assert.ok(box.State.Running),
  ),
  one('FIELDS 6.1 cpu, memory: are limits', { cpu: '500m', memory: '64Mi' }, ({ box }) =>
    assert.deepEqual([box.HostConfig.NanoCpus, box.HostConfig.Memory], [5e8, 64 * 1024 ** 2]),
  ),
  one(
    'FIELDS 6.1 env: plain decimals, booleans, objects and lists as JSON text',
    { env: { MANY: 1_000_000, HUGE: 1e21, YES: true, LIST: [1, 'a'], MAP: { b: 1, a: null }, TEXT: 'x' } },
    ({ box }) => {
      const { MANY, HUGE, YES, LIST, MAP, TEXT } = envOf(box);
      assert.deepEqual([MANY, HUGE, YES, TEXT], ['1000000', '1000000000000000000000', 'true', 'x']);
      assert.deepEqual([LIST, MAP], ['[1,"a"]', '{"a":null,"b":1}']);
    },
    true,
  ),
  one('FIELDS 6.1 privileged: is passed on', { privileged: true, user: '1000' }, ({ box }) =>
    assert.equal(box.HostConfig.Privileged, true),
  ),
  one(
    'FIELDS 6.1 command, args: args are appended to command',
    { command: ['sleep'], args: ['100000'] },
    ({ box }) => assert.deepEqual(box.Config.Cmd, ['sleep', '100000']),
  ),
  one('FIELDS 6.1 entrypoint: replaces that of the image', { entrypoint: ['sleep', '100000'] }, ({ box }) =>
    assert.deepEqual(box.Config.Entrypoint, ['sleep', '100000']),
  ),
  one(
    'FIELDS 6.1 extensions: the other fields mean what they mean in a DockerDeployment',
    {
      restartPolicy: 'on-failure:2',
      healthcheck: { test: 'true', interval: '2s' },
      labels: { line: '3' },
      user: '1000',
      workingDir: '/srv',
      hostname: 'exec-host',
      stopTimeout: 4,
      tmpfs: ['/run'],
      dependsOn: [],
    },
    async ({ box, inside, report }) => {
      assert.deepEqual(box.HostConfig.RestartPolicy, { Name: 'on-failure', MaximumRetryCount: 2 });
      assert.deepEqual([box.Config.Labels.line, box.Config.StopTimeout], ['3', 4]);
      assert.equal(await inside('sh', '-c', 'id -u; pwd; hostname'), '1000\n/srv\nexec-host');
      assert.equal(report.status.instances[0]?.health, 'healthy');
    },
    true,
  ),
  one('FIELDS 6.1 networkMode: is passed on', { networkMode: 'none' }, ({ box }) =>
    assert.equal(box.HostConfig.NetworkMode, 'none'),
  ),
  one('FIELDS 4.4 aliases of an executor: the name of the blueprint', { replicas: 2 }, async (found) => {
    const { engine, name, agent } = found;
    const aliases = (await engine.container(`${name}-second`)).NetworkSettings.Networks[agent.network]
      .Aliases;
    assert.ok(aliases.includes(name), aliases.join());
  }),
];

const INHERITED = {
  COLONIES_CLIENT_BACKENDS: 'http',
  COLONIES_SERVER_HOST: 'server.example',
  COLONIES_SERVER_PORT: '50080',
  COLONIES_TLS: 'true',
  AWS_S3_TLS: 'true',
  AWS_S3_SKIPVERIFY: 'false',
  AWS_S3_ENDPOINT: 's3.example:9000',
  AWS_S3_ACCESSKEY: 'access',
  AWS_S3_SECRETKEY: 'secret',
  AWS_S3_BUCKET: 'bucket',
  AWS_S3_REGION_KEY: 'eu-north-1',
};

const DEFAULTS = {
  COLONIES_COLONY_NAME: 'plant',
  LANG: 'en_US.UTF-8',
  LANGUAGE: 'en_US.UTF-8',
  LC_ALL: 'en_US.UTF-8',
  LC_CTYPE: 'UTF-8',
  TZ: 'Europe/Vienna',
  EXECUTOR_TYPE: 'test-executor',
  EXECUTOR_ADD_DEBUG_LOGS: 'false',
  EXECUTOR_FS_DIR: '/tmp/colonies',
  EXECUTOR_HW_NODES: '1',
  EXECUTOR_HW_GPU_COUNT: '0',
  EXECUTOR_HW_GPU_NODES_COUNT: '0',
  EXECUTOR_LOCATION_LONG: '0',
  EXECUTOR_LOCATION_LAT: '0',
  EXECUTOR_SW_TYPE: 'docker',
};

/** FIELDS.md 6.2: the environment contract. */
const CONTRACT: FieldCase[] = [
  one('FIELDS 6.2 (a): the variables of the agent are inherited', {}, ({ box }) => {
    const env = envOf(box);
    for (const [key, value] of Object.entries(INHERITED)) assert.equal(env[key], value, key);
    assert.deepEqual(
      [env.COLONIES_CLIENT_HTTP_HOST, env.COLONIES_CLIENT_HTTP_PORT, env.AWS_S3_REGION],
      ['server.example', '50080', 'eu-north-1'],
    );
  }),
  one('FIELDS 6.2 (b): the fixed defaults are there', {}, ({ box }) => {
    const env = envOf(box);
    for (const [key, value] of Object.entries(DEFAULTS)) assert.equal(env[key], value, key);
  }),
  one(
    'FIELDS 6.2 (c): spec.env overrides what is inherited and the defaults',
    { env: { TZ: 'UTC', EXECUTOR_HW_NODES: 4, AWS_S3_BUCKET: 'other' } },
    ({ box }) => {
      const { TZ, EXECUTOR_HW_NODES, AWS_S3_BUCKET } = envOf(box);
      assert.deepEqual([TZ, EXECUTOR_HW_NODES, AWS_S3_BUCKET], ['UTC', '4', 'other']);
    },
    true,
  ),
  one(
    'FIELDS 6.2 (d): what is forced cannot be overridden, and that is said',
    { env: { COLONIES_PRVKEY: 'mine', COLONIES_NODE_NAME: 'mine', EXECUTOR_SW_NAME: 'mine' } },
    ({ box, report, image, name }) => {
      const env = envOf(box);
      assert.deepEqual([env.EXECUTOR_SW_NAME, env.EXECUTOR_SW_VERSION], [image, image]);
      assert.deepEqual([env.COLONIES_DEPLOYMENT, env.COLONIES_CONTAINER_NAME], [name, name]);
      assert.deepEqual([env.COLONIES_NODE_NAME, env.COLONIES_NODE_LOCATION], ['hall-gateway', 'hall-3']);
      assert.equal(env.COLONIES_EXECUTOR_NAME, `${name}-e0`);
      assert.match(env.COLONIES_PRVKEY ?? '', /^0+[0-9]+$/);
      assert.match(env.COLONIES_EXECUTOR_ID ?? '', /^[0-9a-f]{64}$/);
      assert.equal(warningsOf(report).filter((text) => /the agent sets this variable/.test(text)).length, 3);
    },
    true,
  ),
  one("FIELDS 6.2: the colony owner's key of the agent reaches no container", {}, ({ box }) =>
    assert.ok(!('COLONIES_COLONY_PRVKEY' in envOf(box))),
  ),
  one("FIELDS 7 colonies.executor: the label carries the executor's name", {}, ({ box, name }) =>
    assert.equal(box.Config.Labels['colonies.executor'], `${name}-e0`),
  ),
];

const CASES = [...SPEC, ...CONTRACT];
const OWNER_KEY = 'f'.repeat(64);

const run = testFields('fe', CASES, {
  node: 'hall-gateway',
  flags: ({ dir }) => ['--location', 'hall-3', '--colony', 'plant', '--slots', join(dir, 'slots.json')],
  env: { ...INHERITED, TZ: 'Europe/Vienna', COLONIES_COLONY_PRVKEY: OWNER_KEY },
  prepare: async ({ dir, prefix }) => {
    const slots = CASES.flatMap((_, index) => [
      ...slotsOf(`${prefix}-${index}`, index),
      ...slotsOf(`${prefix}-${index}r`, CASES.length + index),
    ]);
    writeFileSync(join(dir, 'slots.json'), JSON.stringify({ slots }), { mode: 0o600 });
  },
});

test('no key of an executor or owner is in log, status, plan, events or labels', async () => {
  const { agent, ground } = run;
  await agent.start();
  await agent.converged();
  const said = [agent.log, JSON.stringify(await agent.status()), JSON.stringify(await agent.plan())];
  said.push(JSON.stringify(await agent.events()));
  for (const { Labels } of await ground.engine.containers({ label: [`colonies.node=${agent.node}`] }))
    said.push(JSON.stringify(Labels));
  const keys = CASES.map((_, index) => keyOf(index, 0));
  for (const text of said) for (const key of [...keys, OWNER_KEY]) assert.ok(!text.includes(key));
  await agent.stop();
});
