import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type KindContext, resolveBlueprint } from '../../../src/kinds/index.ts';
import type { JsonObject } from '../../../src/model/blueprint.ts';
import type { ContainerSpec } from '../../../src/model/container.ts';
import {
  blueprint,
  container,
  context,
  desired,
  docker,
  errors,
  executor,
  matchAll,
  service,
  slot,
  warnings,
} from './support.ts';

const env = (spec: JsonObject = {}, over: Partial<KindContext> = {}) =>
  container(executor(spec), { slots: [slot(0)], ...over }).env;

const ACCEPTED: readonly [string, JsonObject, Partial<ContainerSpec>][] = [
  ['image: is passed on', { image: 'a/b:1' }, { image: 'a/b:1' }],
  ['cpu: "500m" is half a core', { cpu: '500m' }, { limits: { nanoCpus: 5e8 } }],
  ['cpu: "1" is one core', { cpu: '1' }, { limits: { nanoCpus: 1e9 } }],
  ['memory: "512Mi"', { memory: '512Mi' }, { limits: { memoryBytes: 536870912 } }],
  [
    "ports[]: port is both the container's and the host's",
    { ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
    { ports: [{ containerPort: 80, protocol: 'tcp', publish: true, hostPort: 80, hostIp: '0.0.0.0' }] },
  ],
  [
    'ports[]: protocol in either case',
    { ports: [{ port: 53, protocol: 'udp' }] },
    { ports: [{ containerPort: 53, protocol: 'udp', publish: true, hostPort: 53, hostIp: '0.0.0.0' }] },
  ],
  [
    'ports[]: hostIp, publish and containerEnd',
    {
      ports: [
        { port: 80, containerEnd: 81, publish: false },
        { port: 90, hostIp: '127.0.0.1' },
      ],
    },
    {
      ports: [
        { containerPort: 80, protocol: 'tcp', publish: false, hostIp: '' },
        { containerPort: 81, protocol: 'tcp', publish: false, hostIp: '' },
        { containerPort: 90, protocol: 'tcp', publish: true, hostPort: 90, hostIp: '127.0.0.1' },
      ],
    },
  ],
  [
    'volumes[]: host with a slash is a bind, otherwise a volume',
    {
      volumes: [
        { host: '/srv', container: '/a' },
        { host: 'data', container: '/b', readOnly: true },
      ],
    },
    {
      mounts: [
        { type: 'bind', source: '/srv', target: '/a', readOnly: false },
        { type: 'volume', source: 'data', target: '/b', readOnly: true },
      ],
    },
  ],
  ['privileged: is passed on', { privileged: true }, { privileged: true }],
  ['command: with args appended', { command: ['run'], args: ['-v'] }, { command: ['run', '-v'] }],
  ['args: alone are the command', { args: ['-v'] }, { command: ['-v'] }],
  ['entrypoint: is passed on', { entrypoint: ['sh'] }, { entrypoint: ['sh'] }],
  [
    'restartPolicy: as in the other kind',
    { restartPolicy: 'on-failure:3' },
    { restart: { name: 'on-failure', maxRetries: 3 } },
  ],
  [
    'healthcheck: as in the other kind',
    { healthcheck: { test: 'x' } },
    {
      healthcheck: {
        test: ['CMD-SHELL', 'x'],
        intervalMs: 30000,
        timeoutMs: 30000,
        retries: 3,
        startPeriodMs: 0,
      },
    },
  ],
  [
    'labels, user, workingDir, hostname, stopTimeout: as in the other kind',
    { labels: { a: 'b' }, user: 'u', workingDir: '/w', hostname: 'h', stopTimeout: '5s' },
    { labels: { a: 'b' }, user: 'u', workingDir: '/w', hostname: 'h', stopTimeoutS: 5 },
  ],
  ['networkMode: as in the other kind', { networkMode: 'host' }, { network: { mode: 'host' } }],
  [
    'network: the blueprint name is the only alias',
    {},
    {
      network: {
        mode: 'network',
        name: 'colonies_default',
        aliases: ['shop'],
        create: true,
        driver: 'bridge',
      },
    },
  ],
  [
    'resources: memorySwap and pidsLimit beside cpu',
    { cpu: 1, resources: { pidsLimit: 9, memory: '64m', memorySwap: -1 } },
    { limits: { nanoCpus: 1e9, pidsLimit: 9, memoryBytes: 67108864, memorySwapBytes: -1 } },
  ],
  [
    'init, stopSignal, logging, tmpfs, capAdd, capDrop, extraHosts, readOnlyRootFilesystem, devices: as in the other kind',
    {
      init: true,
      stopSignal: 'SIGINT',
      logging: { driver: 'none' },
      tmpfs: ['/t'],
      capAdd: ['SYS_TIME'],
      capDrop: ['ALL'],
      extraHosts: ['a:10.0.0.1'],
      readOnlyRootFilesystem: true,
      devices: ['/dev/a'],
    },
    {
      init: true,
      stopSignal: 'SIGINT',
      log: { driver: 'none', options: {} },
      mounts: [{ type: 'tmpfs', target: '/t', readOnly: false }],
      capAdd: ['SYS_TIME'],
      capDrop: ['ALL'],
      extraHosts: ['a:10.0.0.1'],
      readOnlyRootfs: true,
      devices: [{ hostPath: '/dev/a', containerPath: '/dev/a', permissions: 'rwm' }],
    },
  ],
];

describe('ExecutorDeployment.spec (FIELDS 6.1)', () => {
  for (const [title, fields, expected] of ACCEPTED)
    test(title, () => {
      const actual = container(executor(fields), { slots: [slot(0)] });
      const picked = Object.fromEntries(
        Object.entries(actual).filter(([key]) => Object.hasOwn(expected, key)),
      );
      assert.deepEqual(picked, expected);
    });

  test('executorType: absent is container-executor, with a warning', () => {
    assert.equal(env({ executorType: undefined }).EXECUTOR_TYPE, 'container-executor');
    matchAll(warnings(executor({ executorType: undefined })), [
      /executorType is missing and taken as "container-executor"/,
    ]);
    matchAll(errors(executor({ executorType: 5 })), [/^spec\.executorType must be/]);
  });
  test('replicas: absent is one, 0 is none, negative is an error', () => {
    const count = (spec: JsonObject) => desired(resolveBlueprint(executor(spec), context())).services.length;
    assert.equal(count({}), 1);
    assert.equal(count({ replicas: 0 }), 0);
    assert.equal(count({ replicas: 3 }), 3);
    matchAll(errors(executor({ replicas: -1 })), [/^spec\.replicas must be a whole number/]);
  });
  test('executorName and executorNames: filter the node', () => {
    assert.equal(resolveBlueprint(executor({ executorName: 'gw8' }), context()).result, 'elsewhere');
    assert.equal(resolveBlueprint(executor({ executorNames: ['gw7'] }), context()).result, 'ours');
  });
  test('env: numbers are plain decimals, objects and lists JSON text with sorted keys', () => {
    const found = env({ env: { N: 1000000, B: false, O: { b: 1e21, a: [1, 'x', null] }, L: [true] } });
    assert.equal(found.N, '1000000');
    assert.equal(found.B, 'false');
    assert.equal(found.O, '{"a":[1,"x",null],"b":1000000000000000000000}');
    assert.equal(found.L, '[true]');
    matchAll(errors(executor({ env: { A: null } })), [
      /^spec\.env\.A must be a string, number or boolean, got null/,
    ]);
    matchAll(errors(executor({ env: [] })), [/^spec\.env must be an object/]);
  });
  test('cpu and memory: not twice, here and in resources', () => {
    matchAll(errors(executor({ cpu: 1, resources: { cpus: 1 } })), [/^spec\.cpu must not be given twice/]);
    matchAll(errors(executor({ memory: '64m', resources: { memory: '64m' } })), [
      /^spec\.memory must not be given twice/,
    ]);
  });
  test('ports[]: a published port with several replicas is an error', () => {
    matchAll(errors(executor({ replicas: 2, ports: [{ port: 80 }] })), [
      /ports\[0\] must not fix host port 80 with 2 replicas/,
    ]);
    matchAll(errors(executor({ replicas: 2, ports: [{ port: 80, publish: false }] })), []);
    matchAll(errors(executor({ ports: [{}] })), [/ports\[0\]\.port must be a port number/]);
  });
  test('volumes[]: host and container are required', () => {
    matchAll(errors(executor({ volumes: [{}] })), [
      /volumes\[0\]\.container must be/,
      /volumes\[0\]\.host must be/,
    ]);
    matchAll(errors(executor({ volumes: [{ host: './x', container: '/a' }] })), [
      /volumes\[0\]\.host must be a volume name/,
    ]);
  });
  test('identityPool: asks for spare identities beside those of the replicas', () => {
    const wish = (spec: JsonObject) => desired(resolveBlueprint(executor(spec), context())).executors;
    assert.equal(wish({})?.identities, 1);
    assert.equal(wish({ replicas: 3, identityPool: 2 })?.identities, 5);
    assert.equal(wish({ replicas: 0, identityPool: 2 })?.identities, 2);
    matchAll(warnings(executor({ identityPool: 2 })), []);
    matchAll(errors(executor({ identityPool: -1 })), [/^spec\.identityPool must be a whole number/]);
  });
  test('dependsOn, update, pullPolicy, probe: as in the other kind', () => {
    const found = service(
      executor({ dependsOn: ['db'], update: {}, pullPolicy: 'Never', probe: { tcp: { port: 1 } } }),
      { slots: [slot(0)] },
    );
    assert.equal(found.dependsOn[0]?.name, 'db');
    assert.equal(found.update?.strategy, 'auto');
    assert.equal(found.pullPolicy, 'Never');
    assert.equal(found.probe?.tcp?.port, 1);
  });
  test("environment: the other kind's word is a warning that names the right one", () => {
    matchAll(warnings(executor({ environment: {} })), [
      /^SpecWarning: spec\.environment .* did you mean env\?/,
    ]);
  });
});

describe('environment contract (FIELDS 6.2)', () => {
  const inheritedNames = [
    'COLONIES_CLIENT_BACKENDS',
    'COLONIES_SERVER_HOST',
    'COLONIES_SERVER_PORT',
    'COLONIES_CLIENT_HTTP_HOST',
    'COLONIES_CLIENT_HTTP_PORT',
    'COLONIES_TLS',
    'AWS_S3_TLS',
    'AWS_S3_SKIPVERIFY',
    'AWS_S3_ENDPOINT',
    'AWS_S3_ACCESSKEY',
    'AWS_S3_SECRETKEY',
    'AWS_S3_BUCKET',
    'AWS_S3_REGION_KEY',
  ];
  for (const name of inheritedNames)
    test(`(a) ${name}: inherited when set, overridden by env, absent otherwise`, () => {
      assert.equal(env({}, { agentEnvironment: { [name]: 'v' } })[name], 'v');
      assert.equal(env({ env: { [name]: 'w' } }, { agentEnvironment: { [name]: 'v' } })[name], 'w');
      assert.equal(env({}, { agentEnvironment: { [name]: '' } })[name], undefined);
    });
  test('(a) AWS_S3_REGION: comes with AWS_S3_REGION_KEY, whichever is set', () => {
    for (const name of ['AWS_S3_REGION_KEY', 'AWS_S3_REGION']) {
      const found = env({}, { agentEnvironment: { [name]: 'eu' } });
      assert.deepEqual([found.AWS_S3_REGION_KEY, found.AWS_S3_REGION], ['eu', 'eu']);
    }
  });
  test('(a) COLONIES_SERVER_HOST, COLONIES_SERVER_PORT, COLONIES_TLS: from the configuration; COLONIES_CLIENT_HTTP_* fall back to them', () => {
    const found = env(
      {},
      {
        server: { host: 'colony.example', port: 443, tls: true },
        agentEnvironment: { COLONIES_CLIENT_HTTP_PORT: '8080' },
      },
    );
    assert.equal(found.COLONIES_SERVER_HOST, 'colony.example');
    assert.equal(found.COLONIES_SERVER_PORT, '443');
    assert.equal(found.COLONIES_TLS, 'true');
    assert.equal(found.COLONIES_CLIENT_HTTP_HOST, 'colony.example');
    assert.equal(found.COLONIES_CLIENT_HTTP_PORT, '8080');
  });
  test("(a) nothing else of the agent's environment is inherited", () => {
    const found = env(
      {},
      {
        agentEnvironment: { PATH: '/bin', COLONIES_COLONY_PRVKEY: 'k', COLONIES_PRVKEY: 'mine', SECRET: 's' },
      },
    );
    assert.equal(found.PATH, undefined);
    assert.equal(found.SECRET, undefined);
    assert.equal(found.COLONIES_COLONY_PRVKEY, undefined);
    assert.equal(found.COLONIES_PRVKEY, 'ab'.repeat(32));
  });
  const fixed: readonly [string, string][] = [
    ['COLONIES_COLONY_NAME', 'trains'],
    ['LANG', 'en_US.UTF-8'],
    ['LANGUAGE', 'en_US.UTF-8'],
    ['LC_ALL', 'en_US.UTF-8'],
    ['LC_CTYPE', 'UTF-8'],
    ['TZ', 'Europe/Vienna'],
    ['EXECUTOR_TYPE', 'runner'],
    ['EXECUTOR_ADD_DEBUG_LOGS', 'false'],
    ['EXECUTOR_FS_DIR', '/tmp/colonies'],
    ['EXECUTOR_HW_NODES', '1'],
    ['EXECUTOR_HW_GPU_COUNT', '0'],
    ['EXECUTOR_HW_GPU_NODES_COUNT', '0'],
    ['EXECUTOR_LOCATION_LONG', '0'],
    ['EXECUTOR_LOCATION_LAT', '0'],
    ['EXECUTOR_SW_TYPE', 'docker'],
  ];
  for (const [name, value] of fixed)
    test(`(b) ${name}: ${value}, unless env says otherwise (c)`, () => {
      assert.equal(env()[name], value);
      assert.equal(env({ env: { [name]: 'own' } })[name], 'own');
    });
  test("(b) TZ: the agent's own, else the host's zone, else UTC", () => {
    assert.equal(env({}, { agentEnvironment: { TZ: 'Asia/Tokyo' } }).TZ, 'Asia/Tokyo');
    assert.equal(env({}, { timeZone: '' }).TZ, 'UTC');
  });
  test('(c) envFile: lies under env', () => {
    const from = executor({ envFile: '/e', env: { B: '2' } });
    const found = desired(resolveBlueprint(from, context({ slots: [slot(0)] }, { '/e': 'A=1\nB=1' })))
      .services[0]?.container.env;
    assert.deepEqual([found?.A, found?.B], ['1', '2']);
  });
  const forced: readonly [string, string][] = [
    ['EXECUTOR_SW_NAME', 'colonyos/dockerexecutor:v1.0.7'],
    ['EXECUTOR_SW_VERSION', 'colonyos/dockerexecutor:v1.0.7'],
    ['COLONIES_DEPLOYMENT', 'shop'],
    ['COLONIES_CONTAINER_NAME', 'shop-1a2b0'],
    ['COLONIES_PRVKEY', 'ab'.repeat(32)],
    ['COLONIES_EXECUTOR_ID', 'cd'.repeat(32)],
    ['COLONIES_EXECUTOR_NAME', 'shop-1a2b0-3'],
    ['COLONIES_NODE_NAME', 'gw7'],
    ['COLONIES_NODE_LOCATION', 'yard'],
  ];
  for (const [name, value] of forced)
    test(`(d) ${name}: forced, and env says so when it tries`, () => {
      assert.equal(env({ env: { [name]: 'x' } })[name], value);
      matchAll(warnings(executor({ env: { [name]: 'x' } }), { slots: [slot(0)] }), [
        /has no effect: the agent sets this variable/,
      ]);
    });
  test('COLONIES_NODE_NAME and COLONIES_NODE_LOCATION: the agent\'s variables first, host name and "default" last', () => {
    const own = env({}, { agentEnvironment: { COLONIES_NODE_NAME: 'n', COLONIES_NODE_LOCATION: 'l' } });
    assert.deepEqual([own.COLONIES_NODE_NAME, own.COLONIES_NODE_LOCATION], ['n', 'l']);
    const none = env({}, { node: '', location: '' });
    assert.deepEqual([none.COLONIES_NODE_NAME, none.COLONIES_NODE_LOCATION], ['gw7-host', 'default']);
  });
  test('COLONIES_COLONY_PRVKEY: refused in env and envFile, and never shown', () => {
    const secret = executor({ env: { COLONIES_COLONY_PRVKEY: 'topsecret' } });
    matchAll(errors(secret), [/^spec\.env\.COLONIES_COLONY_PRVKEY must not set/]);
    assert.doesNotMatch(JSON.stringify(resolveBlueprint(secret, context())), /must.*topsecret/);
    const file = resolveBlueprint(
      executor({ envFile: '/e' }),
      context({}, { '/e': 'COLONIES_COLONY_PRVKEY=topsecret' }),
    );
    assert.equal(file.result, 'refused');
    assert.doesNotMatch(JSON.stringify(file), /topsecret/);
  });
});

describe('registration of executors (FIELDS 6.4)', () => {
  const wish = (spec: JsonObject = {}, over: Partial<KindContext> = {}) => {
    const found = desired(resolveBlueprint(executor(spec), context(over))).executors;
    return found ?? assert.fail('no registration');
  };

  test("type, location and hardware come from the blueprint and the executor's merged environment", () => {
    const HW = {
      EXECUTOR_HW_MODEL: 'box',
      EXECUTOR_HW_CPU: '4000m',
      EXECUTOR_HW_CPU_CORES: 4,
      EXECUTOR_HW_MEM: '8Gi',
      EXECUTOR_HW_STORAGE: '64Gi',
      EXECUTOR_HW_PLATFORM: 'linux',
      EXECUTOR_HW_ARCHITECTURE: 'arm64',
      EXECUTOR_HW_NETWORK: 'eth0, wlan0,',
      EXECUTOR_HW_GPU_NAME: 'g',
      EXECUTOR_HW_GPU_MEM: '2Gi',
      EXECUTOR_HW_GPU_COUNT: '1',
    };
    const found = wish({ env: { ...HW, EXECUTOR_LOCATION_NAME: 'shed', EXECUTOR_SW_VERSION: 'x' } });
    assert.equal(found.executorType, 'runner');
    assert.equal(found.location, 'shed');
    assert.deepEqual(found.capabilities, {
      hardware: [
        {
          model: 'box',
          nodes: 1,
          cpu: '4000m',
          cores: 4,
          mem: '8Gi',
          storage: '64Gi',
          gpu: { name: 'g', mem: '2Gi', count: 1, nodecount: 0 },
          platform: 'linux',
          architecture: 'arm64',
          network: ['eth0', 'wlan0'],
        },
      ],
      software: [
        {
          name: 'colonyos/dockerexecutor:v1.0.7',
          type: 'docker',
          version: 'colonyos/dockerexecutor:v1.0.7',
        },
      ],
    });
  });
  test("without a location of its own an executor is at the node's", () => {
    assert.equal(wish().location, 'yard');
  });
  test('a count that is no number is none, and no key is in it', () => {
    const found = wish({ env: { EXECUTOR_HW_NODES: 'many' } }, { slots: [slot(0)] });
    assert.match(JSON.stringify(found.capabilities), /"nodes":0/);
    assert.doesNotMatch(JSON.stringify(found), /abab/);
  });
  test('identities that are there are told by index, spare ones too, and the first of two wins', () => {
    const slots = [slot(1, { id: 'b' }), slot(0, { id: 'a' }), slot(1, { id: 'late' }), slot(2, { id: 'c' })];
    assert.deepEqual(wish({ identityPool: 1 }, { slots }).known, [
      { index: 0, id: 'a' },
      { index: 1, id: 'b' },
    ]);
  });
});

describe('identity slots (FIELDS 6.4)', () => {
  const hold = (over: Partial<KindContext>) => service(executor(), over).hold;
  const server = { host: 'c', port: 1, tls: false };

  test('a registered and approved slot runs under its own names', () => {
    const found = service(executor({ replicas: 2 }), { slots: [slot(1), slot(0)] }, 1);
    assert.equal(found.hold, undefined);
    assert.equal(found.containerName, 'shop-1a2b1');
    assert.equal(found.executorName, 'shop-1a2b1-3');
    assert.equal(found.managedLabels['colonies.executor'], 'shop-1a2b1-3');
    assert.equal(found.key, 'shop/shop/1');
  });
  test('the key is in no label', () => {
    const found = service(executor(), { slots: [slot(0)] });
    assert.doesNotMatch(JSON.stringify([found.managedLabels, found.container.labels]), /abab/);
  });
  test('a missing slot waits: for registration, or for the owner key when only that is missing', () => {
    assert.equal(hold({})?.reason, 'WaitingForRegistration');
    assert.match(
      hold({})?.message ?? '',
      /executor identity 0 of shop does not exist; put it into the slots file/,
    );
    assert.equal(hold({ server })?.reason, 'OwnerKeyMissing');
    assert.equal(hold({ server, hasOwnerKey: true })?.reason, 'WaitingForRegistration');
    assert.equal(service(executor()).containerName, 'shop-0');
    const smuggled = service(executor({ env: { COLONIES_PRVKEY: 'x' } }));
    assert.equal(smuggled.container.env.COLONIES_PRVKEY, undefined);
  });
  test('a slot that is not registered or not approved waits too', () => {
    assert.match(hold({ slots: [slot(0, { registered: false })] })?.message ?? '', /is not registered/);
    assert.match(
      hold({ server, slots: [slot(0, { approved: false })] })?.message ?? '',
      /waits for approval/,
    );
    assert.equal(hold({ server, slots: [slot(0, { approved: false })] })?.reason, 'WaitingForRegistration');
  });
  test('identities that cannot be read: nothing new is made, and with those of before all goes on', () => {
    const text = 'slot file /s is not valid';
    const never = resolveBlueprint(executor(), context({ slotsFault: { text, hadReading: false } }));
    assert.ok(never.result === 'refused');
    assert.deepEqual(
      never.problems.map(({ reason, message }) => [reason, message]),
      [['SlotsInvalid', `needs executor identities: ${text}`]],
    );
    const before = { slots: [slot(0)], slotsFault: { text, hadReading: true } };
    const kept = resolveBlueprint(executor(), context(before));
    assert.ok(kept.result === 'ours');
    assert.equal(kept.desired.services[0]?.executorName, 'shop-1a2b0-3');
    assert.deepEqual(
      kept.desired.warnings.map(({ reason }) => reason),
      ['SlotsInvalid'],
    );
    assert.equal(resolveBlueprint(docker(), context(before)).result, 'ours');
  });
  test('the slots of another blueprint are not taken', () => {
    assert.notEqual(hold({ slots: [slot(0, { blueprint: 'other' })] }), undefined);
  });
  test('the same slot gives the same hash, another key another one', () => {
    const hash = (key: string) => service(executor(), { slots: [slot(0, { key })] }).specHash;
    assert.equal(hash('aa'), hash('aa'));
    assert.notEqual(hash('aa'), hash('bb'));
  });
  test('a blueprint name that makes no container name is refused', () => {
    matchAll(errors(blueprint('ExecutorDeployment', { image: 'x', executorType: 'y' }, { name: 'a_b' })), [
      /^metadata\.name must be a DNS label/,
    ]);
  });
});
