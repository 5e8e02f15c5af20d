import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NETWORKS, RESOURCES } from './cases/networks.ts';
import { executor, single } from './support/blueprints.ts';
import { type FieldCase, type Found, type Place, testFields, warningsOf } from './support/fields.ts';

const SECOND = 1e9;
const MIB = 1024 ** 2;

/** FIELDS.md 4.1: ports of a DockerDeployment. */
const PORTS: FieldCase[] = [
  {
    title: 'FIELDS 4.1 container, host: the port is published on all IPv4 addresses, and in status',
    instance: ({ port }) => ({ ports: [{ container: 80, host: port(0), protocol: 'tcp' }] }),
    rich: true,
    check: ({ box, port, report }) => {
      assert.deepEqual(box.HostConfig.PortBindings['80/tcp'], [
        { HostIp: '0.0.0.0', HostPort: String(port(0)) },
      ]);
      assert.ok('80/tcp' in box.Config.ExposedPorts);
      assert.deepEqual(report.status.instances[0]?.ports, [`${port(0)}:80/tcp`]);
    },
  },
  {
    title: 'FIELDS 4.1 host: absent means a port that the engine chooses, reported for both address families',
    instance: { ports: [{ container: 81, protocol: 'tcp' }] },
    rich: true,
    check: ({ box, report }) => {
      assert.deepEqual(box.HostConfig.PortBindings['81/tcp'], [{ HostIp: '', HostPort: '' }]);
      const bound: { HostPort: string }[] = box.NetworkSettings.Ports['81/tcp'];
      const texts = [...new Set(bound.map(({ HostPort }) => `${HostPort}:81/tcp`))].sort();
      assert.deepEqual(report.status.instances[0]?.ports, texts);
    },
  },
  {
    title: 'FIELDS 4.1 protocol: absent is tcp, any case is accepted, the same number may be both',
    instance: ({ port }) => ({
      ports: [
        { container: 53, host: port(0) },
        { container: 53, host: port(0), protocol: 'UDP' },
      ],
    }),
    check: ({ box }) =>
      assert.deepEqual(Object.keys(box.HostConfig.PortBindings).sort(), ['53/tcp', '53/udp']),
  },
  {
    title: 'FIELDS 4.1 hostIp: the port is bound to that address only',
    instance: ({ port }) => ({ ports: [{ container: 82, host: port(0), hostIp: '127.0.0.1' }] }),
    check: ({ box, port }) =>
      assert.deepEqual(box.NetworkSettings.Ports['82/tcp'], [
        { HostIp: '127.0.0.1', HostPort: String(port(0)) },
      ]),
  },
  {
    title: 'FIELDS 4.1 hostIp: an IPv6 address is an address too',
    instance: ({ port }) => ({ ports: [{ container: 82, host: port(0), hostIp: '::1' }] }),
    check: ({ box, port }) =>
      assert.deepEqual(box.HostConfig.PortBindings['82/tcp'], [{ HostIp: '::1', HostPort: String(port(0)) }]),
  },
  {
    title: 'FIELDS 4.1 publish: false exposes only',
    instance: { ports: [{ container: 83, publish: false }] },
    rich: true,
    check: ({ box, report }) => {
      assert.ok('83/tcp' in box.Config.ExposedPorts);
      assert.deepEqual(box.HostConfig.PortBindings ?? {}, {});
      assert.deepEqual(report.status.instances[0]?.ports, []);
    },
  },
  {
    title: 'FIELDS 4.1 containerEnd: a range goes onto a range',
    instance: ({ port }) => ({
      ports: [
        { container: 90, containerEnd: 92, host: Math.min(port(0), port(1), port(2)), protocol: 'udp' },
      ],
    }),
    check: ({ box, port }) => {
      const first = port(0);
      for (const i of [0, 1, 2])
        assert.equal(box.HostConfig.PortBindings[`${90 + i}/udp`][0].HostPort, String(first + i));
    },
  },
  {
    title: 'FIELDS 4.1 ports: what an image exposes and the blueprint publishes is one port',
    document: ({ name, ground, port }) =>
      single(name, `${ground.prefix}-rich:1`, { ports: [{ container: 8080, host: port(0) }] }),
    check: ({ box }) =>
      assert.deepEqual(Object.keys(box.NetworkSettings.Ports).sort(), ['8080/tcp', '9090/udp']),
  },
  {
    title: 'FIELDS 4.1 executor ports: name, port and protocol, the host port equals the container port',
    document: ({ name, image, port }) =>
      executor(name, {
        image,
        executorType: 'test',
        ports: [
          { name: 'api', port: port(0), protocol: 'TCP' },
          { port: port(1), protocol: 'udp' },
        ],
      }),
    check: ({ box, port }) =>
      assert.deepEqual(box.HostConfig.PortBindings, {
        [`${port(0)}/tcp`]: [{ HostIp: '0.0.0.0', HostPort: String(port(0)) }],
        [`${port(1)}/udp`]: [{ HostIp: '0.0.0.0', HostPort: String(port(1)) }],
      }),
  },
];

const binds = (ground: Place['ground']) => join(ground.dir, 'binds');

/** FIELDS.md 4.2: volumes of a DockerDeployment. */
const VOLUMES: FieldCase[] = [
  {
    title: 'FIELDS 4.2 named: a new volume is filled from the directory of the image',
    document: ({ name, ground }) =>
      single(name, `${ground.prefix}-seeded:1`, {
        volumes: [{ type: 'named', name: `${name}-v`, mountPath: '/seed' }],
      }),
    check: async ({ box, inside, name }) => {
      assert.deepEqual([box.Mounts[0].Type, box.Mounts[0].Name], ['volume', `${name}-v`]);
      assert.equal(await inside('cat', '/seed/file'), 'from the image');
    },
  },
  {
    title: 'FIELDS 4.2 named, readOnly: it is filled too, and refuses a write',
    document: ({ name, ground }) =>
      single(name, `${ground.prefix}-seeded:1`, {
        volumes: [{ type: 'named', name: `${name}-v`, mountPath: '/seed', readOnly: true }],
      }),
    check: async ({ inside, engine, name }) => {
      assert.equal(await inside('cat', '/seed/file'), 'from the image');
      assert.match((await engine.exec(name, 'touch', '/seed/x')).output, /Read-only file system/);
    },
  },
  {
    title: 'FIELDS 4.2 named: on the place where the image wants a volume, it is that volume',
    document: ({ name, ground }) =>
      single(name, `${ground.prefix}-rich:1`, {
        volumes: [{ type: 'named', name: `${name}-v`, mountPath: '/data' }],
      }),
    check: ({ box, name }) =>
      assert.deepEqual(
        box.Mounts.map((mount: { Name: string }) => mount.Name),
        [`${name}-v`],
      ),
  },
  {
    title: 'FIELDS 4.2 hostPath: is the source of a bind and wins over name; a write reaches the host',
    instance: ({ ground, name }) => ({
      volumes: [
        { type: 'bind', name: '/nowhere', hostPath: join(binds(ground), name), mountPath: '/mnt/host' },
      ],
    }),
    check: async ({ inside, ground, name }) => {
      await inside('sh', '-c', 'echo written > /mnt/host/file');
      assert.equal(readFileSync(join(binds(ground), name, 'file'), 'utf8'), 'written\n');
    },
  },
  {
    title: 'FIELDS 4.2 name: is the source of a bind without hostPath, as the schema has it',
    instance: ({ ground }) => ({
      volumes: [{ type: 'bind', name: join(binds(ground), 'given'), mountPath: '/mnt/host' }],
    }),
    check: async ({ inside }) => assert.equal(await inside('cat', '/mnt/host/file'), 'of the host'),
  },
  {
    title: 'FIELDS 4.2 readOnly: a bind refuses a write, a single file as well as a folder',
    instance: ({ ground }) => ({
      volumes: [
        { type: 'bind', hostPath: join(binds(ground), 'given'), mountPath: '/mnt/host', readOnly: true },
        {
          type: 'bind',
          hostPath: join(binds(ground), 'given', 'file'),
          mountPath: '/mnt/file',
          readOnly: true,
        },
      ],
    }),
    rich: true,
    check: async ({ box, inside, engine, name }) => {
      assert.equal(await inside('cat', '/mnt/file'), 'of the host');
      for (const path of ['/mnt/host/x', '/mnt/file'])
        assert.match(
          (await engine.exec(name, 'sh', '-c', `echo x > ${path}`)).output,
          /Read-only file system/,
        );
      assert.equal(box.HostConfig.Mounts.length, 2);
    },
  },
  {
    title: 'FIELDS 4.2 bind: a missing source of a writable bind is made by the engine',
    instance: ({ ground, name }) => ({
      volumes: [{ type: 'bind', hostPath: join(binds(ground), name, 'new'), mountPath: '/mnt/scratch' }],
    }),
    check: ({ ground, name }) => assert.ok(existsSync(join(binds(ground), name, 'new'))),
  },
  {
    title: 'FIELDS 4.2 mountPath and hostPath: a trailing slash and double slashes mean nothing',
    instance: ({ ground }) => ({
      volumes: [
        { type: 'bind', hostPath: `${binds(ground)}//given/`, mountPath: '/mnt//host/', readOnly: true },
        { type: 'named', name: `${ground.prefix}-slash`, mountPath: '/srv/' },
      ],
    }),
    check: async ({ inside }) => assert.equal(await inside('cat', '/mnt/host/file'), 'of the host'),
  },
  {
    title: 'FIELDS 4.2 bind: a path with a colon in it is a path',
    instance: ({ ground }) => ({
      volumes: [{ type: 'bind', hostPath: join(binds(ground), 'a:b'), mountPath: '/mnt/colon' }],
    }),
    check: async ({ inside }) => assert.equal(await inside('cat', '/mnt/colon/file'), 'colon'),
  },
  {
    title: 'FIELDS 4.2 tmpfs volume: size and mode are those of the mount',
    instance: {
      volumes: [
        { type: 'tmpfs', mountPath: '/cache', size: '4Mi', mode: '0700' },
        { type: 'tmpfs', mountPath: '/cache2' },
      ],
    },
    rich: true,
    check: async ({ inside, box, image }) => {
      assert.match(await inside('mount'), /tmpfs on \/cache type tmpfs \(.*size=4096k,mode=700/);
      if (image.includes('plain')) assert.equal(box.HostConfig.Tmpfs['/cache'], `size=${4 * MIB},mode=0700`);
    },
  },
  {
    title: 'FIELDS 4.2 tmpfs: the list form of the instance',
    instance: { tmpfs: ['/run:size=1m,mode=1777', '/scratch'] },
    check: async ({ inside }) => {
      const mounts = await inside('mount');
      assert.match(mounts, /tmpfs on \/run type tmpfs \(.*size=1024k/);
      assert.match(mounts, /tmpfs on \/scratch /);
    },
  },
  {
    title: 'FIELDS 4.2 tmpfs: the object form of the instance, read-only if asked for',
    instance: { tmpfs: { '/run': 'size=65536', '/empty': 'ro' } },
    check: async ({ inside, engine, name }) => {
      assert.match(await inside('mount'), /tmpfs on \/run type tmpfs \(.*size=64k/);
      assert.match((await engine.exec(name, 'touch', '/empty/x')).output, /Read-only file system/);
    },
  },
  {
    title: 'FIELDS 4.2 executor volumes: host with a slash is a bind, else a volume; readOnly is kept',
    document: ({ name, image, ground }) =>
      executor(name, {
        image,
        executorType: 'test',
        volumes: [
          { host: join(binds(ground), 'given'), container: '/mnt/host', readOnly: true },
          { host: `${name}-v`, container: '/mnt/volume' },
        ],
      }),
    check: async ({ inside, engine, name }) => {
      assert.match((await engine.exec(name, 'touch', '/mnt/host/x')).output, /Read-only file system/);
      await inside('touch', '/mnt/volume/x');
    },
  },
];

/** FIELDS.md 4.3: health checks as passed to the engine. */
const HEALTH: FieldCase[] = [
  health('a string runs in a shell', { test: 'true' }, ['CMD-SHELL', 'true']),
  health('a list that starts with CMD is kept', { test: ['CMD', 'true'] }, ['CMD', 'true']),
  health('a list that starts with CMD-SHELL is kept', { test: ['CMD-SHELL', 'true'] }, ['CMD-SHELL', 'true']),
  health('any other list is a command', { test: ['test', '-d', '/'] }, ['CMD', 'test', '-d', '/']),
  {
    title: 'FIELDS 4.3 test: NONE switches the check of the image off',
    document: ({ name, ground }) =>
      single(name, `${ground.prefix}-rich:1`, { healthcheck: { test: ['NONE'] } }),
    check: ({ box, report }) => {
      assert.deepEqual(box.Config.Healthcheck.Test, ['NONE']);
      assert.deepEqual([box.State.Health, report.status.instances[0]?.health], [undefined, undefined]);
    },
  },
  {
    title: 'FIELDS 4.3 interval, timeout, retries, startPeriod: Go durations and bare seconds',
    instance: {
      healthcheck: { test: 'true', interval: '1s500ms', timeout: 7, retries: 5, startPeriod: '1m30s' },
    },
    rich: true,
    check: ({ box }) => {
      const { Interval, Timeout, Retries, StartPeriod } = box.Config.Healthcheck;
      assert.deepEqual([Interval, Timeout, Retries, StartPeriod], [1.5 * SECOND, 7 * SECOND, 5, 90 * SECOND]);
    },
  },
  {
    title: 'FIELDS 4.3 startInterval: is not sent to an engine that does not know it',
    instance: { healthcheck: { test: 'true', interval: '2s', startInterval: '1s' } },
    check: ({ box, report }) => {
      assert.equal(report.phase, 'Running');
      assert.ok(box.State.Health.Status === 'healthy');
    },
  },
  {
    title: 'FIELDS 4.3 onUnhealthy: is stored and said not to be acted on yet',
    instance: { healthcheck: { test: 'true', interval: '2s', onUnhealthy: 'ignore' } },
    check: ({ report }) => assert.deepEqual(warningsOf(report), []),
  },
  {
    title: 'FIELDS 4.3 HEALTHCHECK of the image: counts too',
    document: ({ name, ground }) => single(name, `${ground.prefix}-rich:1`),
    check: ({ report, box }) => {
      assert.deepEqual(box.Config.Healthcheck.Test, ['CMD', 'true']);
      assert.equal(report.status.instances[0]?.health, 'healthy');
    },
  },
  {
    title: 'FIELDS 4.3 probe: asked by the agent, and ready when it answers',
    instance: { command: ['httpd', '-f', '-p', '80'], probe: { tcp: { port: 80 }, interval: '10s' } },
    check: ({ box, report }) => {
      assert.ok(box.State.Running);
      assert.equal(report.ready, 1);
      assert.equal(report.status.instances[0]?.health, 'healthy');
      assert.deepEqual(warningsOf(report), []);
    },
  },
];

function health(what: string, healthcheck: object, sent: readonly string[]): FieldCase {
  return {
    title: `FIELDS 4.3 test: ${what}`,
    instance: { healthcheck: { interval: '2s', ...healthcheck } },
    check: async ({ box, agent, name }: Found) => {
      assert.deepEqual(box.Config.Healthcheck.Test, sent);
      assert.equal((await agent.blueprint(name))?.status.instances[0]?.health, 'healthy');
    },
  };
}

const CASES = [...PORTS, ...VOLUMES, ...HEALTH, ...NETWORKS, ...RESOURCES];

testFields('fn', CASES, {
  flags: ({ dir }) => ['--slots', join(dir, 'slots.json')],
  prepare: async (ground) => {
    for (const [folder, text] of [
      ['given', 'of the host'],
      ['a:b', 'colon'],
    ] as const) {
      mkdirSync(join(binds(ground), folder), { recursive: true });
      writeFileSync(join(binds(ground), folder, 'file'), text);
    }
    await ground.makeImage(`${ground.prefix}-seeded:1`, undefined, [
      { path: 'seed', type: 'directory' },
      { path: 'seed/file', content: 'from the image' },
    ]);
    await ground.engine.makeNetwork(`${ground.prefix}-theirs`);
    // One identity for each executor of the table; which container name it has is the agent's matter.
    const slots = CASES.flatMap((one, index) => {
      if (!/executor/.test(one.title)) return [];
      const blueprint = `${ground.prefix}-${index}`;
      return [
        {
          blueprint,
          index: 0,
          key: String(index + 1).padStart(64, '0'),
          executorName: `${blueprint}-e`,
          containerName: blueprint,
        },
      ];
    });
    writeFileSync(join(ground.dir, 'slots.json'), JSON.stringify({ slots }), { mode: 0o600 });
  },
});
