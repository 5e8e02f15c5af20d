import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { resolveBlueprint } from '../../../src/kinds/index.ts';
import type { JsonObject } from '../../../src/model/blueprint.ts';
import type { ContainerSpec } from '../../../src/model/container.ts';
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

const names = (spec: JsonObject, instance: JsonObject = {}) =>
  desired(resolveBlueprint(docker(instance, spec), context())).services.map((item) => item.containerName);

describe('DockerDeployment.spec (FIELDS 2)', () => {
  test('instances: an empty or absent list is an error, not "remove everything"', () => {
    for (const spec of [{ instances: [] }, {}])
      matchAll(errors(blueprint('DockerDeployment', spec)), [
        /^spec\.instances must list at least one instance/,
      ]);
    matchAll(errors(blueprint('DockerDeployment', { instances: 'web' })), [
      /^spec\.instances must be a list of objects, got "web"/,
    ]);
    matchAll(errors(blueprint('DockerDeployment', { instances: [5] })), [
      /^spec\.instances\[0\] must be an object, got 5/,
    ]);
  });

  test('replicas: absent is one of each instance, named without a number', () => {
    assert.deepEqual(names({}), ['web']);
    assert.deepEqual(names({ replicas: 1 }), ['web']);
  });

  test('replicas: several make numbered copies of each instance, in blueprint order', () => {
    const two = [
      { name: 'web', image: 'nginx' },
      { name: 'db', image: 'mysql' },
    ];
    assert.deepEqual(names({ replicas: 2, instances: two }), ['web-0', 'web-1', 'db-0', 'db-1']);
  });

  test('replicas: 0 asks for no containers at all', () => {
    assert.deepEqual(names({ replicas: 0 }), []);
  });

  for (const value of [-1, 1.5, '2', null, 1e9])
    test(`replicas: ${JSON.stringify(value)} is an error`, () => {
      matchAll(errors(docker({}, { replicas: value })), [
        /^spec\.replicas must be a whole number from 0 to 1000, got /,
      ]);
    });

  test('network: name, create and driver replace the default network', () => {
    const { network } = container(
      docker({}, { network: { name: 'plant', create: false, driver: 'macvlan' } }),
    );
    assert.deepEqual(network, {
      mode: 'network',
      name: 'plant',
      aliases: ['shop', 'web'],
      create: false,
      driver: 'macvlan',
    });
  });

  test('executorName: a blueprint that names another executor is not ours', () => {
    assert.equal(resolveBlueprint(docker({}, { executorName: 'gw8' }), context()).result, 'elsewhere');
    assert.equal(resolveBlueprint(docker({}, { executorName: 'gw7' }), context()).result, 'ours');
    matchAll(errors(docker({}, { executorName: 7 })), [
      /^spec\.executorName must be the name of an executor/,
    ]);
  });

  test('executorNames: any of the list is enough, and more than one says that nodes do not agree yet', () => {
    const both = docker({}, { executorNames: ['gw8', 'gw7'] });
    assert.equal(resolveBlueprint(both, context()).result, 'ours');
    matchAll(warnings(both), [/^NotYetSupported: spec\.executorNames names several nodes/]);
    assert.equal(resolveBlueprint(docker({}, { executorNames: ['gw8'] }), context()).result, 'elsewhere');
  });

  test('volumeReclaim: only "Delete" gives up named volumes, also with no replicas', () => {
    const volumes = [{ type: 'named', name: 'data', mountPath: '/data' }];
    const reclaim = (spec: JsonObject) =>
      desired(resolveBlueprint(docker({ volumes }, spec), context())).reclaimVolumes;
    assert.deepEqual(reclaim({}), []);
    assert.deepEqual(reclaim({ volumeReclaim: 'Retain' }), []);
    assert.deepEqual(reclaim({ volumeReclaim: 'Delete', replicas: 0 }), ['data']);
    matchAll(errors(docker({}, { volumeReclaim: 'delete' })), [/must be "Retain" or "Delete", got "delete"/]);
  });
});

/** Field title, instance fields, and what the container then is. */
const ACCEPTED: readonly [string, JsonObject, Partial<ContainerSpec>][] = [
  ['type: "container" is accepted', { type: 'container' }, {}],
  [
    'image: is passed on as written',
    { image: 'registry.example.com:5000/a/b:1' },
    { image: 'registry.example.com:5000/a/b:1' },
  ],
  ['command: becomes the command', { command: ['run', '-v'] }, { command: ['run', '-v'] }],
  ['args: are appended to command', { command: ['run'], args: ['-v'] }, { command: ['run', '-v'] }],
  ['args: alone are the whole command', { args: ['-v'] }, { command: ['-v'] }],
  ["entrypoint: replaces the image's", { entrypoint: ['/bin/sh', '-c'] }, { entrypoint: ['/bin/sh', '-c'] }],
  ['workingDir: is passed on', { workingDir: '/srv' }, { workingDir: '/srv' }],
  ['user: is passed on', { user: '1000:1000' }, { user: '1000:1000' }],
  ['hostname: is passed on', { hostname: 'plc-1.yard' }, { hostname: 'plc-1.yard' }],
  [
    'hostname: goes together with networkMode host',
    { hostname: 'plc', networkMode: 'host' },
    { hostname: 'plc' },
  ],
  ['privileged: is passed on', { privileged: true }, { privileged: true }],
  ['labels: are merged', { labels: { team: 'a', 'x.y/z': '' } }, { labels: { team: 'a', 'x.y/z': '' } }],
  [
    'tmpfs: as a list',
    { tmpfs: ['/run:size=16m,mode=1777,ro', '/tmp'] },
    {
      mounts: [
        { type: 'tmpfs', target: '/run', readOnly: true, sizeBytes: 16777216, mode: '1777' },
        { type: 'tmpfs', target: '/tmp', readOnly: false },
      ],
    },
  ],
  [
    'tmpfs: as a map',
    { tmpfs: { '/run': 'size=65536,rw,noexec' } },
    { mounts: [{ type: 'tmpfs', target: '/run', readOnly: false, sizeBytes: 65536 }] },
  ],
  ['init: is passed on', { init: true }, { init: true }],
  ['stopTimeout: a duration, rounded up to seconds', { stopTimeout: '1500ms' }, { stopTimeoutS: 2 }],
  ['stopTimeout: a bare number is seconds', { stopTimeout: 60 }, { stopTimeoutS: 60 }],
  ['stopSignal: is passed on', { stopSignal: 'SIGRTMIN+3' }, { stopSignal: 'SIGRTMIN+3' }],
  [
    'logging: replaces the default',
    { logging: { driver: 'local', options: { 'max-file': 2, compress: true } } },
    { log: { driver: 'local', options: { 'max-file': '2', compress: 'true' } } },
  ],
  [
    'devices: as text',
    { devices: ['/dev/ttyUSB0', '/dev/a:/dev/b:rw', '/dev/c:r'] },
    {
      devices: [
        { hostPath: '/dev/ttyUSB0', containerPath: '/dev/ttyUSB0', permissions: 'rwm' },
        { hostPath: '/dev/a', containerPath: '/dev/b', permissions: 'rw' },
        { hostPath: '/dev/c', containerPath: '/dev/c', permissions: 'r' },
      ],
    },
  ],
  [
    'devices: as objects',
    { devices: [{ hostPath: '/dev/a', containerPath: '/dev/b', permissions: 'r' }] },
    { devices: [{ hostPath: '/dev/a', containerPath: '/dev/b', permissions: 'r' }] },
  ],
  [
    'capAdd: with and without CAP_',
    { capAdd: ['CAP_NET_ADMIN', 'sys_time'] },
    { capAdd: ['NET_ADMIN', 'SYS_TIME'] },
  ],
  ['capDrop: is passed on', { capDrop: ['ALL'] }, { capDrop: ['ALL'] }],
  [
    'extraHosts: as a list',
    { extraHosts: ['plc:192.168.1.20', 'host:host-gateway', 'six:fe80::1'] },
    { extraHosts: ['plc:192.168.1.20', 'host:host-gateway', 'six:fe80::1'] },
  ],
  ['extraHosts: as a map', { extraHosts: { plc: '192.168.1.20' } }, { extraHosts: ['plc:192.168.1.20'] }],
  ['readOnlyRootFilesystem: is passed on', { readOnlyRootFilesystem: true }, { readOnlyRootfs: true }],
];

describe('DockerDeployment.spec.instances[] (FIELDS 3.1)', () => {
  for (const [title, fields, expected] of ACCEPTED)
    test(title, () => {
      const actual: Partial<ContainerSpec> = container(docker(fields));
      const picked = Object.fromEntries(
        Object.entries(actual).filter(([key]) => Object.hasOwn(expected, key)),
      );
      assert.deepEqual(picked, expected);
    });

  test("optional fields that are not given are absent, so that a later agent keeps today's hashes", () => {
    assert.deepEqual(Object.keys(container(docker())).sort(), [
      'env',
      'image',
      'labels',
      'limits',
      'mounts',
      'network',
      'ports',
      'privileged',
      'restart',
    ]);
  });

  test('pullPolicy: IfNotPresent is the default, Always and Never are taken', () => {
    assert.equal(service(docker()).pullPolicy, 'IfNotPresent');
    assert.equal(service(docker({ pullPolicy: 'Always' })).pullPolicy, 'Always');
    assert.equal(service(docker({ pullPolicy: 'Never' })).pullPolicy, 'Never');
  });

  test('restartPolicy, healthcheck, resources, dependsOn and networkMode have tables of their own', () => {
    assert.equal(container(docker({ restartPolicy: 'always' })).restart.name, 'always');
  });
});

/** Field title, instance fields, and the one error they must give. */
const REFUSED: readonly [string, JsonObject, RegExp][] = [
  [
    'name: absent',
    { name: undefined },
    /^spec\.instances\[0\]\.name must be the name of the instance, got nothing/,
  ],
  ['name: one letter', { name: 'w' }, /\.name must be a name of two or more .*, got "w"/],
  ['name: with a slash', { name: 'a/b' }, /\.name must be a name of two or more/],
  ['name: with a blank', { name: 'a b' }, /\.name must be a name of two or more/],
  ['type: anything but container', { type: 'vm' }, /\.type must be "container", got "vm"/],
  ['image: absent', { image: undefined }, /\.image must be an image reference .*, got nothing/],
  ['image: a number', { image: 5 }, /\.image must be an image reference .*\(write it in quotes\), got 5/],
  [
    'image: capitals',
    { image: 'Nginx:1' },
    /\.image must have a repository name in lower case, got "Nginx:1"/,
  ],
  ['image: a bad tag', { image: 'nginx:-x' }, /\.image must have a tag/],
  ['image: a bad digest', { image: 'nginx@sha256:12' }, /\.image must have a digest/],
  ['image: a blank', { image: 'nginx 1' }, /\.image must not contain blanks/],
  ['image: an address', { image: 'https://example.com/x' }, /\.image must/],
  [
    'environment: null',
    { environment: null },
    /\.environment must be an object of names and values, got null/,
  ],
  [
    'environment: a null value',
    { environment: { A: null } },
    /\.environment\.A must be a string, number or boolean, got null/,
  ],
  [
    'environment: an object as value, whose content is not shown',
    { environment: { A: { k: 'secret' } } },
    /\.environment\.A must be a string, number or boolean, got "an object"$/,
  ],
  [
    'environment: an empty name',
    { environment: { '': 'x' } },
    /\.environment\[""\] must have a variable name/,
  ],
  [
    'environment: a name with "="',
    { environment: { 'A=B': 'x' } },
    /\.environment\["A=B"\] must have a variable name/,
  ],
  ['environment: a NUL sign', { environment: { A: 'x\0y' } }, /\.environment\.A must not contain a NUL sign/],
  [
    'environment: a NUL sign in a name',
    { environment: { 'A\0': 'x' } },
    /\.environment must not have a field name with a NUL sign/,
  ],
  ['envFile: a relative path', { envFile: 'x.env' }, /\.envFile must be the absolute path/],
  ['command: text instead of a list', { command: 'run' }, /\.command must be a list of strings, got "run"/],
  [
    'args: a number in the list',
    { args: [5] },
    /\.args\[0\] must be a string \(write numbers in quotes\), got 5/,
  ],
  ['entrypoint: null', { entrypoint: null }, /\.entrypoint must be a list of strings, got null/],
  ['workingDir: relative', { workingDir: 'srv' }, /\.workingDir must be an absolute path/],
  ['user: a number', { user: 1000 }, /\.user must be .* \(write it in quotes\), got 1000/],
  ['hostname: an underscore', { hostname: 'a_b' }, /\.hostname must be a host name/],
  ['hostname: too long', { hostname: 'a'.repeat(65) }, /\.hostname must be a host name/],
  ['privileged: text', { privileged: 'true' }, /\.privileged must be true or false, got "true"/],
  [
    'labels: the reserved prefix',
    { labels: { 'colonies.managed': 'false' } },
    /\.labels\["colonies\.managed"\] must not start with "colonies\."/,
  ],
  [
    'labels: the reserved prefix in capitals',
    { labels: { 'Colonies.x': 'a' } },
    /must not start with "colonies\."/,
  ],
  ['labels: a number', { labels: { n: 1 } }, /\.labels\.n must be a string/],
  ['tmpfs: the root', { tmpfs: ['/'] }, /\.tmpfs\[0\] must not be the root/],
  ['tmpfs: relative', { tmpfs: { run: '' } }, /\.tmpfs\.run must be an absolute path/],
  ['tmpfs: an unknown option', { tmpfs: ['/run:uid=5'] }, /\.tmpfs\[0\] must only have the options/],
  ['tmpfs: a bad size', { tmpfs: ['/run:size=lots'] }, /must have a size such as/],
  ['init: text', { init: 'yes' }, /\.init must be true or false/],
  ['stopTimeout: negative', { stopTimeout: -1 }, /\.stopTimeout must be a duration/],
  ['stopSignal: unknown', { stopSignal: 'SIGFOO' }, /\.stopSignal must be a signal/],
  ['logging: text', { logging: 'none' }, /\.logging must be an object/],
  [
    'logging: an object as option',
    { logging: { options: { a: {} } } },
    /\.logging\.options\.a must be a string/,
  ],
  ['devices: relative', { devices: ['ttyUSB0'] }, /\.devices\[0\] must be a device such as/],
  ['devices: bad permissions', { devices: ['/dev/a:/dev/b:rwx'] }, /\.devices\[0\] must be a device/],
  ['capAdd: a blank', { capAdd: ['NET ADMIN'] }, /\.capAdd\[0\] must be a capability/],
  ['extraHosts: no address', { extraHosts: ['plc'] }, /\.extraHosts\[0\] must be "name:address"/],
  [
    'extraHosts: a name as address',
    { extraHosts: { plc: 'other' } },
    /\.extraHosts\.plc must be "name:address"/,
  ],
  [
    'pullPolicy: unknown',
    { pullPolicy: 'Sometimes' },
    /\.pullPolicy must be "IfNotPresent", "Always" or "Never"/,
  ],
];

describe('DockerDeployment.spec.instances[] refuses', () => {
  for (const [title, fields, expected] of REFUSED)
    test(title, () => matchAll(errors(docker(fields)), [expected]));

  test('all problems at once, each with its path and value', () => {
    const bad = docker(
      { image: '', ports: [{ container: 0 }, { container: 80, protocol: 'sctp' }], user: 5 },
      { replicas: -1 },
    );
    matchAll(errors(bad), [
      /^spec\.replicas .*got -1$/,
      /^spec\.instances\[0\]\.ports\[0\]\.container must be a whole number from 1 to 65535, got 0$/,
      /^spec\.instances\[0\]\.ports\[1\]\.protocol must be "tcp" or "udp", got "sctp"$/,
      /^spec\.instances\[0\]\.image /,
      /^spec\.instances\[0\]\.user /,
    ]);
  });

  test('two instances of one name, also after replicas are numbered', () => {
    const two = (a: string, b: string, replicas: number) =>
      blueprint('DockerDeployment', {
        replicas,
        instances: [
          { name: a, image: 'x' },
          { name: b, image: 'x' },
        ],
      });
    matchAll(errors(two('web', 'web', 1)), [
      /^spec\.instances\[1\]\.name must not make a second container "web"/,
    ]);
    matchAll(errors(two('web', 'web-0', 2)), []);
    const clash = blueprint('DockerDeployment', {
      replicas: 2,
      instances: [
        { name: 'aa', image: 'x' },
        { name: 'aa-0', image: 'x' },
        { name: 'aa', image: 'x' },
      ],
    });
    matchAll(errors(clash), [/^spec\.instances\[2\]\.name must not make a second container "aa-0"/]);
  });
});
