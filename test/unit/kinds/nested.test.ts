import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { resolveBlueprint } from '../../../src/kinds/index.ts';
import type { JsonObject } from '../../../src/model/blueprint.ts';
import {
  blueprint,
  container,
  context,
  desired,
  docker,
  errors,
  matchAll,
  service,
  warnings,
} from './support.ts';

describe('restartPolicy (FIELDS 3.4)', () => {
  const cases: readonly [unknown, string, number][] = [
    [undefined, 'unless-stopped', 0],
    ['no', 'no', 0],
    ['always', 'always', 0],
    ['unless-stopped', 'unless-stopped', 0],
    ['on-failure', 'on-failure', 0],
    ['on-failure:3', 'on-failure', 3],
  ];
  for (const [value, name, maxRetries] of cases)
    test(`restartPolicy: ${value ?? 'absent'} is ${name} with ${maxRetries} retries`, () => {
      assert.deepEqual(container(docker({ restartPolicy: value })).restart, { name, maxRetries });
    });
  for (const value of ['never', 'always:3', 'on-failure:-1', 'on-failure:x', '', 'Always', false, null])
    test(`restartPolicy: ${JSON.stringify(value)} is an error`, () => {
      matchAll(errors(docker({ restartPolicy: value })), [/\.restartPolicy must be "no", "always"/]);
    });
});

describe('ports[] (FIELDS 4.1)', () => {
  const ports = (list: unknown, more: JsonObject = {}) => container(docker({ ports: list, ...more })).ports;
  const http = { containerPort: 80, protocol: 'tcp', publish: true, hostPort: 8080, hostIp: '0.0.0.0' };

  test('container and host: a fixed port on all IPv4 addresses', () => {
    assert.deepEqual(ports([{ container: 80, host: 8080, protocol: 'tcp' }]), [http]);
  });
  test('host: absent means that the engine chooses one, on IPv4 and IPv6', () => {
    assert.deepEqual(ports([{ container: 80 }]), [
      { containerPort: 80, protocol: 'tcp', publish: true, hostIp: '' },
    ]);
  });
  test('protocol: any case, tcp when absent', () => {
    assert.equal(ports([{ container: 53, protocol: 'UDP' }])[0]?.protocol, 'udp');
    assert.equal(ports([{ container: 53 }])[0]?.protocol, 'tcp');
  });
  test('hostIp: binds to that address', () => {
    assert.equal(ports([{ container: 80, host: 80, hostIp: '127.0.0.1' }])[0]?.hostIp, '127.0.0.1');
    assert.equal(ports([{ container: 80, hostIp: '::1' }])[0]?.hostIp, '::1');
    matchAll(errors(docker({ ports: [{ container: 80, hostIp: 'localhost' }] })), [
      /hostIp must be an IP address/,
    ]);
  });
  test('publish: false exposes only', () => {
    assert.deepEqual(ports([{ container: 80, publish: false }]), [
      { containerPort: 80, protocol: 'tcp', publish: false, hostIp: '' },
    ]);
    matchAll(errors(docker({ ports: [{ container: 80, host: 80, publish: false }] })), [
      /\.host must be left out/,
    ]);
  });
  test('containerEnd: a range goes onto a range of the host', () => {
    const range = ports([{ container: 8001, containerEnd: 8003, host: 9001 }]);
    assert.deepEqual(
      range.map((port) => [port.containerPort, port.hostPort]),
      [
        [8001, 9001],
        [8002, 9002],
        [8003, 9003],
      ],
    );
  });
  test('containerEnd: at most 256 ports, not below the first, not past 65535', () => {
    const bad = (port: JsonObject) => errors(docker({ ports: [port] }));
    assert.equal(ports([{ container: 1000, containerEnd: 1255 }]).length, 256);
    matchAll(bad({ container: 1000, containerEnd: 1256 }), [/containerEnd must be at most 255 above/]);
    matchAll(bad({ container: 1000, containerEnd: 999 }), [/containerEnd must be a whole number from 1000/]);
    matchAll(bad({ container: 1, containerEnd: 10, host: 65530 }), [/host must leave room for 10 ports/]);
  });
  test('container: what is no port number is an error', () => {
    for (const value of [0, 65536, 80.5, '80', null, undefined])
      matchAll(errors(docker({ ports: [{ container: value }] })), [/ports\[0\]\.container must be a/]);
  });
  test('a fixed host port with several replicas is an error, for a range as well, an ephemeral one is not', () => {
    const replicas = (port: JsonObject) => errors(docker({ ports: [port] }, { replicas: 2 }));
    matchAll(replicas({ container: 80, host: 80 }), [/ports\[0\] must not fix host port 80 with 2 replicas/]);
    matchAll(replicas({ container: 80, containerEnd: 90, host: 80 }), [
      /ports\[0\] must not fix host port 80/,
    ]);
    matchAll(replicas({ container: 80 }), []);
    matchAll(replicas({ container: 80, publish: false }), []);
  });
  test('one host port cannot be used twice, unless protocol or address differ', () => {
    const two = (a: JsonObject, b: JsonObject) =>
      errors(
        blueprint('DockerDeployment', {
          instances: [
            { name: 'aa', image: 'x', ports: [{ container: 80, host: 80, ...a }] },
            { name: 'bb', image: 'x', ports: [{ container: 81, host: 80, ...b }] },
          ],
        }),
      );
    matchAll(two({}, {}), [
      /^spec\.instances\[1\]\.ports\[0\] must not use host port 80\/tcp, which spec\.instances\[0\]\.ports\[0\] has/,
    ]);
    matchAll(two({}, { hostIp: '127.0.0.1' }), [/must not use host port 80/]);
    matchAll(two({}, { protocol: 'udp' }), []);
    matchAll(two({ hostIp: '10.0.0.1' }, { hostIp: '127.0.0.1' }), []);
    matchAll(two({ hostIp: '0.0.0.0' }, { hostIp: '::1' }), []);
  });
  test('the same ephemeral port twice is an error', () => {
    matchAll(errors(docker({ ports: [{ container: 80 }, { container: 80 }] })), [
      /ports\[1\] must not list port 80\/tcp twice/,
    ]);
  });
  test('more than 32 published ports are a warning', () => {
    matchAll(warnings(docker({ ports: [{ container: 1, containerEnd: 32 }] })), []);
    matchAll(warnings(docker({ ports: [{ container: 1, containerEnd: 33 }] })), [/publishes 33 ports/]);
  });
});

describe('volumes[] (FIELDS 4.2)', () => {
  const mounts = (...volumes: JsonObject[]) => container(docker({ volumes })).mounts;
  const refused = (...volumes: JsonObject[]) => errors(docker({ volumes }));

  test('type named: name is the volume', () => {
    assert.deepEqual(mounts({ type: 'named', name: 'data', mountPath: '/data' }), [
      { type: 'volume', source: 'data', target: '/data', readOnly: false },
    ]);
  });
  test('type bind: hostPath is the source, and wins over name', () => {
    assert.deepEqual(
      mounts({ type: 'bind', hostPath: '/srv/a', name: '/srv/b', mountPath: '/a', readOnly: true }),
      [{ type: 'bind', source: '/srv/a', target: '/a', readOnly: true }],
    );
  });
  test('type bind: name is the source when there is no hostPath', () => {
    assert.deepEqual(mounts({ type: 'bind', name: '/srv/b/', mountPath: '/a' }), [
      { type: 'bind', source: '/srv/b', target: '/a', readOnly: false },
    ]);
  });
  test('type tmpfs: with size and mode', () => {
    assert.deepEqual(mounts({ type: 'tmpfs', mountPath: '/t', size: '16Mi', mode: '1777' }), [
      { type: 'tmpfs', target: '/t', readOnly: false, sizeBytes: 16777216, mode: '1777' },
    ]);
    matchAll(refused({ type: 'tmpfs', mountPath: '/t', mode: 755 }), [/mode must be octal digits/]);
  });
  test('type: absent or unknown is an error', () => {
    matchAll(refused({ mountPath: '/t' }), [
      /volumes\[0\]\.type must be "named", "bind" or "tmpfs", got nothing/,
    ]);
    matchAll(refused({ type: 'nfs', mountPath: '/t' }), [/\.type must be .*, got "nfs"/]);
  });
  test('mountPath: absent, relative or the root is an error', () => {
    const at = (mountPath: unknown) => refused({ type: 'named', name: 'data', mountPath });
    for (const value of [undefined, 5, ''])
      matchAll(at(value), [/\.mountPath must be an absolute path in the container/]);
    matchAll(at('data'), [/\.mountPath must be an absolute path/]);
    for (const value of ['/', '//', '/a/..', '/./'])
      matchAll(at(value), [/\.mountPath must not be the root/]);
  });
  test('mountPath: the same place twice is an error, in tmpfs as well', () => {
    const volume = { type: 'named', name: 'data', mountPath: '/data' };
    matchAll(refused(volume, { ...volume, name: 'other', mountPath: '/data/' }), [
      /volumes\[1\]\.mountPath must not be the same place as/,
    ]);
    matchAll(errors(docker({ volumes: [volume], tmpfs: ['/data'] })), [
      /tmpfs\[0\] must not be the same place/,
    ]);
  });
  test('hostPath: a relative or missing bind source is an error', () => {
    matchAll(refused({ type: 'bind', hostPath: 'srv', mountPath: '/a' }), [
      /\.hostPath must be an absolute path of the host, got "srv"/,
    ]);
    matchAll(refused({ type: 'bind', name: './srv', mountPath: '/a' }), [
      /\.name must be an absolute path of the host/,
    ]);
    matchAll(refused({ type: 'bind', mountPath: '/a' }), [/\.hostPath must be the absolute path/]);
  });
  test('name: a path or a single letter is no volume name', () => {
    matchAll(refused({ type: 'named', name: '/srv', mountPath: '/a' }), [
      /\.name must be a volume name .*, not a path/,
    ]);
    matchAll(refused({ type: 'named', name: 'd', mountPath: '/a' }), [
      /\.name must be a volume name of two or more/,
    ]);
  });
  test('readOnly: false when absent, only true or false', () => {
    matchAll(refused({ type: 'named', name: 'data', mountPath: '/a', readOnly: 'yes' }), [
      /\.readOnly must be true or false/,
    ]);
  });
});

describe('healthcheck (FIELDS 4.3)', () => {
  const check = (healthcheck: JsonObject) => container(docker({ healthcheck })).healthcheck;
  const refused = (healthcheck: unknown) => errors(docker({ healthcheck }));

  test("test: text is a shell command, with the engine's defaults around it", () => {
    assert.deepEqual(check({ test: 'true' }), {
      test: ['CMD-SHELL', 'true'],
      intervalMs: 30000,
      timeoutMs: 30000,
      retries: 3,
      startPeriodMs: 0,
    });
  });
  test('test: lists that start with CMD, CMD-SHELL or NONE are taken as they are, others get CMD', () => {
    assert.deepEqual(check({ test: ['CMD', 'a'] })?.test, ['CMD', 'a']);
    assert.deepEqual(check({ test: ['CMD-SHELL', 'a'] })?.test, ['CMD-SHELL', 'a']);
    assert.deepEqual(check({ test: ['NONE'] })?.test, ['NONE']);
    assert.deepEqual(check({ test: ['a', 'b'] })?.test, ['CMD', 'a', 'b']);
  });
  test('test: absent, empty or without a command is an error', () => {
    for (const value of [undefined, '', [], ['CMD'], 5])
      matchAll(refused({ test: value }), [/healthcheck\.test must/]);
  });
  test('interval, timeout, retries, startPeriod, startInterval: Go durations or seconds', () => {
    assert.deepEqual(
      check({
        test: 'x',
        interval: '1m30s',
        timeout: 5,
        retries: 4,
        startPeriod: '500ms',
        startInterval: '2',
      }),
      {
        test: ['CMD-SHELL', 'x'],
        intervalMs: 90000,
        timeoutMs: 5000,
        retries: 4,
        startPeriodMs: 500,
        startIntervalMs: 2000,
      },
    );
  });
  test('interval: 0 is the default, below 1 ms and nonsense are errors', () => {
    assert.equal(check({ test: 'x', interval: 0 })?.intervalMs, 30000);
    matchAll(refused({ test: 'x', interval: '10us' }), [/healthcheck\.interval must be 0 or at least 1ms/]);
    for (const value of ['soon', '5 s', '-1s', null, {}, -3])
      matchAll(refused({ test: 'x', interval: value }), [/healthcheck\.interval must be a duration/]);
    matchAll(refused({ test: 'x', retries: 1.5 }), [/healthcheck\.retries must be a whole number/]);
  });
  test('onUnhealthy: restart or ignore', () => {
    assert.equal(
      service(docker({ healthcheck: { test: 'x', onUnhealthy: 'ignore' } })).onUnhealthy,
      'ignore',
    );
    matchAll(refused({ test: 'x', onUnhealthy: 'kill' }), [/onUnhealthy must be "restart" or "ignore"/]);
  });
  test('probe: tcp or http with timing is stored', () => {
    assert.deepEqual(service(docker({ probe: { tcp: { port: 80 }, interval: '10s' } })).probe, {
      tcp: { port: 80 },
      intervalMs: 10000,
      timeoutMs: 30000,
      retries: 3,
      startPeriodMs: 0,
    });
    assert.deepEqual(
      service(docker({ probe: { http: { port: 80, path: '/x', tls: true, status: 204 } } })).probe?.http,
      {
        port: 80,
        path: '/x',
        tls: true,
        status: 204,
      },
    );
  });
  test('probe: neither or both of tcp and http, or no port, is an error', () => {
    matchAll(errors(docker({ probe: {} })), [/\.probe must have either tcp or http/]);
    matchAll(errors(docker({ probe: { tcp: { port: 1 }, http: { port: 1 } } })), [
      /\.probe must have either/,
    ]);
    matchAll(errors(docker({ probe: { tcp: {} } })), [/\.probe\.tcp\.port must be a port number/]);
  });
});

describe('networks (FIELDS 4.4)', () => {
  const network = (fields: JsonObject, spec: JsonObject = {}) => container(docker(fields, spec)).network;

  test("DOCKER_NETWORK: the node's default network is created as a bridge and joined under three names", () => {
    assert.deepEqual(network({}, { replicas: 2 }), {
      mode: 'network',
      name: 'colonies_default',
      aliases: ['shop', 'web-0', 'web'],
      create: true,
      driver: 'bridge',
    });
  });
  test('aliases: a name that is said twice is there once', () => {
    const { network: joined } = container(docker({ name: 'shop' }));
    assert.deepEqual(joined.mode === 'network' && joined.aliases, ['shop']);
  });
  test('spec.network: own networks are given up with the blueprint, others are not', () => {
    const reclaim = (spec: JsonObject) =>
      desired(resolveBlueprint(docker({}, spec), context())).reclaimNetworks;
    assert.deepEqual(reclaim({}), []);
    assert.deepEqual(reclaim({ network: { name: 'plant' } }), ['plant']);
    assert.deepEqual(reclaim({ network: { name: 'plant', create: false } }), []);
    assert.deepEqual(reclaim({ network: { name: 'colonies_default' } }), []);
  });
  test("spec.network.name: the engine's own networks and bad names are errors", () => {
    matchAll(errors(docker({}, { network: { name: 'host' } })), [
      /^spec\.network\.name must not be one of the engine's own/,
    ]);
    matchAll(errors(docker({}, { network: { name: 'a b' } })), [
      /^spec\.network\.name must be a network name/,
    ]);
    matchAll(errors(docker({}, { network: 'plant' })), [/^spec\.network must be an object/]);
  });
  test('spec.network.create and driver: wrong types are errors', () => {
    matchAll(errors(docker({}, { network: { name: 'plant', create: 'no', driver: 5 } })), [
      /create must be true or false/,
      /driver must be/,
    ]);
  });
  test('networkMode: each form', () => {
    assert.deepEqual(network({ networkMode: 'host' }), { mode: 'host' });
    assert.deepEqual(network({ networkMode: 'none' }), { mode: 'none' });
    assert.deepEqual(network({ networkMode: 'bridge' }), { mode: 'bridge' });
    assert.deepEqual(network({ networkMode: 'container:db' }), { mode: 'container', container: 'db' });
    assert.deepEqual(network({ networkMode: 'field' }), {
      mode: 'network',
      name: 'field',
      aliases: ['shop', 'web'],
      create: false,
      driver: 'bridge',
    });
    assert.deepEqual(network({ networkMode: 'plant' }, { network: { name: 'plant', driver: 'macvlan' } }), {
      mode: 'network',
      name: 'plant',
      aliases: ['shop', 'web'],
      create: true,
      driver: 'macvlan',
    });
  });
  test('networkMode: nonsense is an error', () => {
    for (const networkMode of ['', 'a b', 'container:', 5])
      matchAll(errors(docker({ networkMode })), [/\.networkMode must/]);
  });
  for (const networkMode of ['host', 'none', 'container:db'])
    test(`networkMode: ${networkMode} with an equal host port warns, with another one is an error`, () => {
      const from = (port: JsonObject) => docker({ networkMode, ports: [port] });
      matchAll(warnings(from({ container: 80, host: 80 })), [/ports\[0\] has no effect with networkMode/]);
      matchAll(warnings(from({ container: 80 })), [/ports\[0\] has no effect with networkMode/]);
      matchAll(errors(from({ container: 80, host: 8080 })), [/ports\[0\] must not move port 80 to 8080/]);
      const kept = container(from({ container: 80, host: 80 })).ports.length;
      assert.equal(kept, networkMode === 'host' ? 1 : 0);
    });
  test('networkMode: container: excludes hostname and extraHosts', () => {
    matchAll(errors(docker({ networkMode: 'container:db', hostname: 'h', extraHosts: ['a:10.0.0.1'] })), [
      /\.hostname must be left out/,
      /\.extraHosts must be left out/,
    ]);
  });
});

describe('resources (FIELDS 4.5)', () => {
  const limits = (resources: JsonObject) => container(docker({ resources })).limits;
  const refused = (resources: unknown) => errors(docker({ resources }));
  const cpus: readonly [unknown, number][] = [
    ['2.0', 2e9],
    [2, 2e9],
    ['500m', 5e8],
    [0.5, 5e8],
    ['.25', 25e7],
  ];
  for (const [value, nano] of cpus)
    test(`resources.cpus: ${JSON.stringify(value)}`, () =>
      assert.deepEqual(limits({ cpus: value }), { nanoCpus: nano }));
  const MIB = 1048576;
  const memory: readonly [unknown, number][] = [
    ['4096', 4096 * MIB],
    [512, 512 * MIB],
    ['512m', 512 * MIB],
    ['512Mi', 512 * MIB],
    ['1g', 1024 * MIB],
    ['1GiB', 1024 * MIB],
    ['8192k', 8 * MIB],
    ['1T', 1024 * 1024 * MIB],
    ['1.5Gi', 1536 * MIB],
    [8388608, 8 * MIB],
    ['8388608b', 8 * MIB],
    ['6291456', 6 * MIB],
  ];
  for (const [value, bytes] of memory)
    test(`resources.memory: ${JSON.stringify(value)}`, () =>
      assert.deepEqual(limits({ memory: value }), { memoryBytes: bytes }));
  test('resources.memory: a bare number is a warning that says what it was taken for', () => {
    matchAll(warnings(docker({ resources: { memory: '4096' } })), [
      /memory is a bare number and taken as 4096 MiB/,
    ]);
    matchAll(warnings(docker({ resources: { memory: '512Mi' } })), []);
  });
  test('resources.memory: less than 6 MiB or nonsense is an error', () => {
    matchAll(refused({ memory: '5Mi' }), [/resources\.memory must be at least 6 MiB/]);
    for (const value of ['lots', '', null, true, -5, '5x', '1 000m'])
      matchAll(refused({ memory: value }), [/resources\.memory must be an amount/]);
  });
  test('resources.cpus: nothing, too little or nonsense is an error', () => {
    for (const value of [0, '0', '5m', 'two', '-1', null, '1e3'])
      matchAll(refused({ cpus: value }), [/resources\.cpus must be/]);
  });
  test('resources.memorySwap: needs memory, and is not below it', () => {
    assert.deepEqual(limits({ memory: '64Mi', memorySwap: '128Mi' }), {
      memoryBytes: 64 * MIB,
      memorySwapBytes: 128 * MIB,
    });
    assert.deepEqual(limits({ memory: '64Mi', memorySwap: -1 }), {
      memoryBytes: 64 * MIB,
      memorySwapBytes: -1,
    });
    matchAll(refused({ memorySwap: '64Mi' }), [/memorySwap must come with memory/]);
    matchAll(refused({ memory: '64Mi', memorySwap: '32Mi' }), [
      /memorySwap must be at least as much as memory/,
    ]);
  });
  test('resources.pidsLimit: 0 and -1 are no limit', () => {
    assert.deepEqual(limits({ pidsLimit: 50 }), { pidsLimit: 50 });
    assert.deepEqual(limits({ pidsLimit: -1 }), {});
    matchAll(refused({ pidsLimit: '50' }), [/pidsLimit must be a whole number/]);
  });
  test('resources: limits and restart policy are not part of the spec hash', () => {
    const hash = (fields: JsonObject) => service(docker(fields)).specHash;
    assert.equal(hash({ resources: { memory: '64Mi' }, restartPolicy: 'always', stopTimeout: 5 }), hash({}));
    assert.notEqual(hash({ user: 'x' }), hash({}));
  });
});

describe('dependsOn (FIELDS 5)', () => {
  const deps = (dependsOn: unknown) => service(docker({ dependsOn })).dependsOn;

  test('dependsOn: a name, or name with condition and timeout', () => {
    assert.deepEqual(deps(['db', { name: 'mq', condition: 'healthy', timeout: '5m' }, { name: 'job' }]), [
      { name: 'db', condition: 'auto', timeoutMs: 600000 },
      { name: 'mq', condition: 'healthy', timeoutMs: 300000 },
      { name: 'job', condition: 'auto', timeoutMs: 600000 },
    ]);
  });
  test('spec.dependsOn: holds for every instance but not for the one it names', () => {
    const from = blueprint('DockerDeployment', {
      dependsOn: ['db'],
      instances: [
        { name: 'db', image: 'x' },
        { name: 'web', image: 'x' },
      ],
    });
    const { services } = desired(resolveBlueprint(from, context()));
    assert.deepEqual(
      services.map((item) => item.dependsOn.map(({ name }) => name)),
      [[], ['db']],
    );
  });
  test('dependsOn: wrong forms are errors', () => {
    for (const [value, expected] of [
      ['db', /dependsOn must be a list of names/],
      [[5], /dependsOn\[0\] must be a name/],
      [[''], /dependsOn\[0\] must be a name/],
      [[{ condition: 'healthy' }], /dependsOn\[0\]\.name must be/],
      [[{ name: 'db', condition: 'up' }], /condition must be "started", "healthy" or "completed"/],
      [[{ name: 'db', timeout: 'x' }], /timeout must be a duration/],
    ] as const)
      matchAll(errors(docker({ dependsOn: value })), [expected]);
  });
  test('dependsOn: a cycle within a blueprint is an error that names it', () => {
    const from = (a: string[], b: string[]) =>
      blueprint('DockerDeployment', {
        instances: [
          { name: 'aa', image: 'x', dependsOn: a },
          { name: 'bb', image: 'x', dependsOn: b },
        ],
      });
    matchAll(errors(from(['bb'], ['shop/aa'])), [/dependsOn must not form a cycle: aa -> bb -> aa/]);
    matchAll(errors(from(['aa'], [])), [/cycle: aa -> aa/]);
    matchAll(errors(from(['shop'], [])), [/cycle: aa -> aa/]);
    matchAll(errors(from(['bb'], ['later'])), []);
  });
  test('update: is taken whole, with its defaults, and without a warning', () => {
    matchAll(warnings(docker({ update: { strategy: 'start-first' } }, { update: {} })), []);
    assert.deepEqual(service(docker({}, { update: { strategy: 'recreate' } })).update, {
      strategy: 'recreate',
      parallelism: 1,
      healthyAfterMs: 5000,
      deadlineMs: 300000,
      onFailure: 'rollback',
    });
    assert.equal(service(docker({ update: { parallelism: 2 } }, { update: {} })).update?.parallelism, 2);
    matchAll(errors(docker({ update: { strategy: 'fast' } })), [/update\.strategy must be "auto"/]);
  });
});
