import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deployment } from './support/blueprints.ts';
import { envOf, type FieldCase, type Found, testFields, warningsOf } from './support/fields.ts';
import { WAIT } from './support/ground.ts';

/** FIELDS.md 2: the spec of a DockerDeployment. */
const SPEC: FieldCase[] = [
  {
    title: 'FIELDS 2 instances: each instance is one container',
    document: ({ name, image }) =>
      deployment(name, [
        { name: `${name}-a`, image },
        { name: `${name}-b`, image },
      ]),
    check: async ({ name, engine, report }) => {
      assert.equal(report.status.totalInstances, 2);
      for (const one of ['a', 'b']) assert.ok((await engine.container(`${name}-${one}`)).State.Running);
    },
  },
  {
    title: 'FIELDS 2 replicas: copies are made of each instance and numbered from 0',
    document: ({ name, image }) =>
      deployment(
        name,
        [
          { name: `${name}-a`, image },
          { name: `${name}-b`, image },
        ],
        { replicas: 2 },
      ),
    check: async ({ name, engine, report }) => {
      assert.equal(report.desired, 4);
      for (const one of ['a-0', 'a-1', 'b-0', 'b-1'])
        assert.ok((await engine.container(`${name}-${one}`)).State.Running);
    },
  },
  {
    title: 'FIELDS 2 replicas: absent means one, without a number in its name',
    rich: true,
    check: ({ box, report }) => {
      assert.equal(report.desired, 1);
      assert.ok(box.State.Running);
    },
  },
  {
    title: 'FIELDS 2 replicas: 0 means none, and is as wanted',
    spec: { replicas: 0 },
    check: ({ box, report }) => {
      assert.equal(box, undefined);
      assert.deepEqual([report.phase, report.desired], ['Running', 0]);
    },
  },
  {
    title: 'FIELDS 2 executorName: a blueprint that names this node is deployed',
    spec: ({ ground }) => ({ executorName: `${ground.prefix}-node` }),
    check: ({ box }) => assert.ok(box.State.Running),
  },
  {
    title:
      'FIELDS 2 executorNames: a list with this node in it is deployed, with a warning that others do it too',
    spec: ({ ground }) => ({ executorNames: ['another', `${ground.prefix}-node`] }),
    check: ({ box, report }) => {
      assert.ok(box.State.Running);
      assert.match(warningsOf(report).join(), /spec\.executorNames names several nodes/);
    },
  },
];

/** FIELDS.md 3.1: one row after the other. */
const INSTANCE: FieldCase[] = [
  {
    title: 'FIELDS 3.1 name: the container carries it as it is',
    document: ({ name, image }) => deployment(name, [{ name: `${name}_X.y-1`, image }]),
    check: async ({ name, engine }) =>
      assert.equal((await engine.container(`${name}_X.y-1`)).Name, `/${name}_X.y-1`),
  },
  {
    title: 'FIELDS 3.1 type: "container" is accepted without a word',
    instance: { type: 'container' },
    check: ({ box, report }) => {
      assert.ok(box.State.Running);
      assert.deepEqual(report.warnings, []);
    },
  },
  {
    title: 'FIELDS 3.1 image: the container is made of it',
    check: async ({ box, image, engine }) => {
      assert.equal(box.Config.Image, image);
      assert.equal(box.Image, (await engine.call('GET', `/images/${image}/json`)).Id);
    },
  },
  {
    title: 'FIELDS 3.1 environment: strings, numbers in plain decimal, booleans',
    instance: {
      environment: {
        TEXT: 'a b=c "d" $e',
        EMPTY: '',
        MANY: 1e21,
        SMALL: 1e-7,
        TWO: 2.5,
        YES: true,
        NO: false,
      },
    },
    check: async ({ box, inside }) => {
      const wanted = { TEXT: 'a b=c "d" $e', EMPTY: '', TWO: '2.5', YES: 'true', NO: 'false' };
      const numbers = { MANY: '1000000000000000000000', SMALL: '0.0000001' };
      for (const [key, value] of Object.entries({ ...wanted, ...numbers }))
        assert.equal(envOf(box)[key], value);
      assert.equal(
        await inside('sh', '-c', 'echo "$TEXT/$MANY/$YES"'),
        'a b=c "d" $e/1000000000000000000000/true',
      );
    },
  },
  {
    title: 'FIELDS 3.1 environment: wins over the variables of the image',
    instance: { environment: { SHARED: 'from-blueprint', PATH: '/bin:/sbin' } },
    rich: true,
    check: ({ box }) => assert.equal(envOf(box).SHARED, 'from-blueprint'),
  },
  {
    title: 'FIELDS 3.1 envFile: its lines are set, environment wins, comments are left out',
    instance: ({ ground }) => ({
      envFile: join(ground.dir, 'env', 'file.env'),
      environment: { OVER: 'environment' },
    }),
    rich: true,
    check: ({ box }) => {
      const env = envOf(box);
      assert.deepEqual([env.FROM_FILE, env.OVER, env.QUOTED], ['file value', 'environment', '"as is"']);
      assert.ok(!Object.keys(env).some((key) => key.startsWith('#')));
    },
  },
  {
    title: 'FIELDS 3.1 command: is the command, the image keeps its entrypoint',
    instance: { command: WAIT },
    check: ({ box }) => {
      assert.deepEqual(box.Config.Cmd, WAIT);
      assert.equal(box.Config.Entrypoint, null);
    },
  },
  {
    title: 'FIELDS 3.1 args: alone they are the whole command',
    instance: { args: ['sleep', '100000'] },
    check: ({ box }) => assert.deepEqual(box.Config.Cmd, ['sleep', '100000']),
  },
  {
    title: 'FIELDS 3.1 args: are appended to command',
    instance: { command: ['sh', '-c'], args: ['echo $0; exec sleep 100000', 'zero'] },
    check: async ({ box, engine, name }) => {
      assert.deepEqual(box.Config.Cmd, ['sh', '-c', 'echo $0; exec sleep 100000', 'zero']);
      assert.equal(await engine.output(name), 'zero');
    },
  },
  {
    title: 'FIELDS 3.1 command: replaces the command of an image that has an entrypoint',
    document: ({ name, ground }) =>
      deployment(name, [{ name, image: `${ground.prefix}-rich:1`, command: ['exec sleep 100000'] }]),
    check: ({ box }) => {
      assert.deepEqual([box.Config.Entrypoint, box.Config.Cmd], [['sh', '-c'], ['exec sleep 100000']]);
    },
  },
  {
    title: 'FIELDS 3.1 entrypoint: replaces the one of the image, whose command then does not count',
    instance: { entrypoint: ['sleep', '100000'] },
    rich: true,
    check: ({ box }) => {
      assert.deepEqual(box.Config.Entrypoint, ['sleep', '100000']);
      assert.deepEqual([...(box.Config.Cmd ?? []), ...box.Args], ['100000']);
    },
  },
  {
    title: 'FIELDS 3.1 entrypoint: with command, both are set',
    instance: { entrypoint: ['sh', '-c'], command: ['exec sleep 100000'] },
    rich: true,
    check: ({ box }) =>
      assert.deepEqual([box.Config.Entrypoint, box.Config.Cmd], [['sh', '-c'], ['exec sleep 100000']]),
  },
  {
    title: 'FIELDS 3.1 workingDir: the process starts there',
    instance: { workingDir: '/srv' },
    rich: true,
    check: async ({ box, inside }) => {
      assert.equal(box.Config.WorkingDir, '/srv');
      assert.equal(await inside('pwd'), '/srv');
    },
  },
  {
    title: 'FIELDS 3.1 user: the process runs as it, by number or name',
    instance: { user: '1000:0' },
    rich: true,
    check: async ({ box, inside }) => {
      assert.equal(box.Config.User, '1000:0');
      assert.equal(await inside('sh', '-c', 'id -u; id -g'), '1000\n0');
    },
  },
  {
    title: 'FIELDS 3.1 hostname: the container sees it',
    instance: { hostname: 'plc-7' },
    check: async ({ inside }) => assert.equal(await inside('hostname'), 'plc-7'),
  },
  {
    title: 'FIELDS 3.1 hostname: is accepted together with networkMode host',
    instance: { hostname: 'plc-8', networkMode: 'host' },
    rich: true,
    check: async ({ inside }) => assert.equal(await inside('hostname'), 'plc-8'),
  },
  {
    title: 'FIELDS 3.1 privileged: is what the blueprint says, and false otherwise',
    document: ({ name, image }) =>
      deployment(name, [
        // As an ordinary user it also starts where the engine itself lacks capabilities.
        { name, image, user: '1000', privileged: true },
        { name: `${name}-not`, image },
      ]),
    rich: true,
    check: async ({ box, engine, name }) => {
      assert.equal(box.HostConfig.Privileged, true);
      assert.equal((await engine.container(`${name}-not`)).HostConfig.Privileged, false);
    },
  },
  {
    title: 'FIELDS 5 dependsOn: starts after the instance it names, whose health it waits for',
    document: ({ name, image }) =>
      deployment(name, [
        { name, image, dependsOn: [{ name: `${name}-first`, condition: 'healthy', timeout: '5m' }] },
        { name: `${name}-first`, image, healthcheck: { test: 'true', interval: '1s' } },
      ]),
    check: async ({ box, engine, name, report }) => {
      const first = await engine.container(`${name}-first`);
      assert.equal(first.State.Health.Status, 'healthy');
      // The engine's first check comes one interval after the start.
      const laterMs = Date.parse(box.Created) - Date.parse(first.State.StartedAt);
      assert.ok(laterMs >= 1_000, `made ${laterMs} ms after its dependency was started`);
      assert.equal(warningsOf(report).join(), '');
    },
  },
  {
    title: 'FIELDS 3.1 labels: are merged with those of the image and ours',
    instance: { labels: { mine: 'yes', shared: 'from-blueprint', 'a.b/c': '' } },
    rich: true,
    check: ({ box, name }) => {
      const { Labels } = box.Config;
      assert.deepEqual([Labels.mine, Labels.shared, Labels['a.b/c']], ['yes', 'from-blueprint', '']);
      assert.equal(Labels['colonies.deployment'], name);
    },
  },
  {
    title: 'FIELDS 3.1 unknown fields: are a visible warning, with what was probably meant',
    instance: { enviroment: { A: '1' }, restart: 'always' },
    spec: { replica: 3 },
    check: ({ box, report }) => {
      assert.ok(box.State.Running);
      const text = warningsOf(report).join('\n');
      assert.match(text, /enviroment is not a known field and is ignored; did you mean environment/);
      assert.match(text, /restart .*did you mean restartPolicy/);
      assert.match(text, /spec\.replica .*did you mean replicas/);
      const condition = report.status.conditions.find(({ type }) => type === 'SpecWarnings');
      assert.equal(condition?.status, 'True');
    },
  },
];

/** Extensions beside the table of 3.1. */
const EXTENSIONS: FieldCase[] = [
  {
    title: 'extension init: a tiny init is process 1',
    instance: { init: true },
    rich: true,
    check: async ({ box, inside }) => {
      assert.equal(box.HostConfig.Init, true);
      assert.match(await inside('sh', '-c', "tr '\\0' ' ' < /proc/1/cmdline"), /docker-init|tini/);
    },
  },
  {
    title: 'extension init: false is not the same as absent and is kept',
    instance: { init: false },
    check: ({ box }) => assert.equal(box.HostConfig.Init, false),
  },
  {
    title: 'extension stopTimeout and stopSignal: go with the container',
    instance: { stopTimeout: '3s', stopSignal: 'SIGINT' },
    rich: true,
    check: ({ box }) => assert.deepEqual([box.Config.StopTimeout, box.Config.StopSignal], [3, 'SIGINT']),
  },
  {
    title: 'extension devices: are there, with their place and rights',
    instance: { devices: ['/dev/null:/dev/sensor0:r', { hostPath: '/dev/zero', containerPath: '/dev/z' }] },
    check: async ({ box, inside }) => {
      const places = box.HostConfig.Devices.map((one: { PathInContainer: string }) => one.PathInContainer);
      assert.deepEqual(places, ['/dev/sensor0', '/dev/z']);
      await inside('test', '-c', '/dev/sensor0');
    },
  },
  {
    title: 'extension capAdd and capDrop: with or without CAP_, in any case',
    instance: { capAdd: ['net_admin', 'CAP_SYS_TIME'], capDrop: ['CHOWN'] },
    check: ({ box }) => {
      const bare = (list: string[]) => list.map((one) => one.replace(/^CAP_/, '')).sort();
      assert.deepEqual(bare(box.HostConfig.CapAdd), ['NET_ADMIN', 'SYS_TIME']);
      assert.deepEqual(bare(box.HostConfig.CapDrop), ['CHOWN']);
    },
  },
  {
    title: 'extension extraHosts: names resolve inside',
    instance: { extraHosts: { plc: '192.0.2.20' } },
    check: async ({ inside }) => assert.match(await inside('cat', '/etc/hosts'), /192\.0\.2\.20\s+plc/),
  },
  {
    title: 'extension readOnlyRootFilesystem: a write to the root fails',
    instance: { readOnlyRootFilesystem: true },
    rich: true,
    check: async ({ engine, name }) =>
      assert.match((await engine.exec(name, 'touch', '/etc/x')).output, /Read-only file system/),
  },
  {
    title: 'extension logging: driver and options of the blueprint win over the default limits',
    instance: {
      logging: { driver: 'json-file', options: { 'max-size': '1m', 'max-file': 2, compress: true } },
    },
    check: ({ box }) =>
      assert.deepEqual(box.HostConfig.LogConfig, {
        Type: 'json-file',
        Config: { 'max-size': '1m', 'max-file': '2', compress: 'true' },
      }),
  },
  {
    title: 'extension logging: driver none',
    instance: { logging: { driver: 'none' } },
    check: ({ box }) => assert.equal(box.HostConfig.LogConfig.Type, 'none'),
  },
];

/** FIELDS.md 3.2: what the agent adds to the environment. */
const ADDED: FieldCase[] = [
  {
    title: 'FIELDS 3.2: deployment and container name are always in the environment',
    check: ({ box, name }) => {
      const env = envOf(box);
      assert.deepEqual([env.COLONIES_DEPLOYMENT, env.COLONIES_CONTAINER_NAME], [name, name]);
      assert.ok(!('COLONIES_NODE_NAME' in env));
    },
  },
  {
    title: 'FIELDS 3.2: the container name is the one of the replica, and ours wins over the blueprint',
    document: ({ name, image }) =>
      deployment(name, [{ name: `${name}-x`, image, environment: { COLONIES_DEPLOYMENT: 'forged' } }], {
        replicas: 2,
      }),
    check: async ({ name, engine }) => {
      const env = envOf(await engine.container(`${name}-x-1`));
      assert.deepEqual([env.COLONIES_DEPLOYMENT, env.COLONIES_CONTAINER_NAME], [name, `${name}-x-1`]);
    },
  },
  {
    title: 'FIELDS 3.2: an instance with COLONIES_EXECUTOR_NAME gets the name and the location of the node',
    instance: { environment: { COLONIES_EXECUTOR_NAME: 'exec-1' } },
    check: ({ box, ground }) => {
      const env = envOf(box);
      assert.deepEqual(
        [env.COLONIES_NODE_NAME, env.COLONIES_NODE_LOCATION],
        [`${ground.prefix}-node`, 'hall-3'],
      );
    },
  },
];

/** FIELDS.md 3.4: restart policies. */
const RESTART: FieldCase[] = [
  restart(undefined, { Name: 'unless-stopped', MaximumRetryCount: 0 }),
  restart('no', { Name: 'no', MaximumRetryCount: 0 }),
  restart('always', { Name: 'always', MaximumRetryCount: 0 }),
  restart('unless-stopped', { Name: 'unless-stopped', MaximumRetryCount: 0 }),
  restart('on-failure', { Name: 'on-failure', MaximumRetryCount: 0 }),
  restart('on-failure:3', { Name: 'on-failure', MaximumRetryCount: 3 }),
];

function restart(restartPolicy: string | undefined, sent: object): FieldCase {
  return {
    title: `FIELDS 3.4 restartPolicy: ${restartPolicy ?? 'absent'} is sent as ${JSON.stringify(sent)}`,
    instance: restartPolicy === undefined ? {} : { restartPolicy },
    check: ({ box }: Found) => assert.deepEqual(box.HostConfig.RestartPolicy, sent),
  };
}

testFields('fc', [...SPEC, ...INSTANCE, ...EXTENSIONS, ...ADDED, ...RESTART], {
  flags: () => ['--location', 'hall-3'],
  prepare: async ({ dir }) => {
    mkdirSync(join(dir, 'env'));
    const lines = ['# a comment', '', 'FROM_FILE=file value', 'OVER=file', 'QUOTED="as is"', ''];
    writeFileSync(join(dir, 'env', 'file.env'), lines.join('\n'));
  },
});
