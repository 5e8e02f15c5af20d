import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { errorCode } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createDockerEngine } from '../../src/docker/engine.ts';
import { type ContainerSpec, LABEL } from '../../src/model/container.ts';
import type { ContainerDetail, ObservedImage } from '../../src/model/observed.ts';
import type { EngineAction, EngineEvent } from '../../src/model/ports.ts';
import { docker, ensureTinyImage, eventually, specOf, sweep, uniquePrefix } from '../fakes/engine-fixture.ts';

const prefix = uniquePrefix('dk');
const plain = `${prefix}/plain:1`;
const rich = `${prefix}/rich:1`;
const network = `${prefix}-net`;
const base = { lane: 'test', blueprint: 'test', cause: 'test' };
const signal = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), `${prefix}-`));
const engine = createDockerEngine({ clock: systemClock, random: systemRandom, log: silentLogger });
let count = 0;

before(async () => {
  writeFileSync(join(folder, 'file'), 'x');
  await ensureTinyImage(plain);
  await ensureTinyImage(rich, [
    'ENV IMAGE_VAR=from-image',
    'ENV BOTH=from-image',
    'LABEL image.label=1',
    'VOLUME /image-data',
    'EXPOSE 80/tcp',
    'HEALTHCHECK --interval=45s --timeout=5s --start-period=7s CMD true',
    'USER app',
    'ENTRYPOINT ["/bin/sh"]',
    'CMD ["-c","sleep 1000"]',
    'WORKDIR /srv',
  ]);
  await perform({
    ...base,
    kind: 'createNetwork',
    name: network,
    driver: 'bridge',
    labels: { 'test.net': '1' },
  });
});

after(async () => {
  await sweep(prefix);
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

function perform(action: EngineAction) {
  return engine.perform(action, signal);
}

async function create(
  spec: ContainerSpec,
  name = `${prefix}-${count++}`,
): Promise<{ id: string; name: string }> {
  const labels = { ...spec.labels, [LABEL.managed]: 'true' };
  const made = await perform({
    ...base,
    kind: 'createContainer',
    name,
    specHash: 'h',
    spec,
    labels,
    replaces: false,
  });
  assert.ok(made.id);
  return { id: made.id, name };
}

async function look(id: string, images: readonly string[] = [], volumes: readonly string[] = []) {
  const snapshot = await engine.snapshot({ images, volumes }, signal);
  return { snapshot, container: snapshot.containers.find((one) => one.id === id) };
}

async function detailOf(id: string): Promise<ContainerDetail> {
  return eventually('the inspection has come', async () => (await look(id)).container?.detail);
}

function start(id: string, name: string) {
  return perform({ ...base, kind: 'startContainer', id, name, specHash: 'h', replaces: false });
}

/** What an inspection shows of a container that was asked for like this, by the engine's own merging rules. */
function shown(spec: ContainerSpec, image: ObservedImage): ContainerSpec {
  const exposed = image.exposedPorts
    .map((key) => ({
      containerPort: Number.parseInt(key, 10),
      protocol: 'tcp' as const,
      publish: false,
      hostIp: '',
    }))
    .filter((port) => !spec.ports.some((wanted) => wanted.containerPort === port.containerPort));
  const memory = spec.limits.memoryBytes;
  return {
    ...spec,
    env: { ...image.env, ...spec.env },
    labels: { ...image.labels, ...spec.labels, [LABEL.managed]: 'true' },
    command: spec.command ?? (spec.entrypoint === undefined ? image.command : []),
    entrypoint: spec.entrypoint ?? image.entrypoint,
    ...given('user', spec.user ?? (image.user || undefined)),
    ...given('workingDir', spec.workingDir ?? (image.workingDir || undefined)),
    ...given('healthcheck', spec.healthcheck ?? image.healthcheck),
    ...given('stopSignal', spec.stopSignal ?? image.stopSignal),
    log: spec.log ?? { driver: 'json-file', options: {} },
    ports: [...exposed, ...spec.ports].sort((a, b) => a.containerPort - b.containerPort),
    mounts: [...spec.mounts].sort((a, b) => (a.target < b.target ? -1 : 1)),
    limits: {
      ...spec.limits,
      ...(memory === undefined ? {} : { memorySwapBytes: spec.limits.memorySwapBytes ?? memory * 2 }),
    },
  };
}

function given(key: string, value: unknown): object {
  return value === undefined ? {} : { [key]: value };
}

const userNetwork = {
  mode: 'network',
  name: network,
  aliases: ['db', 'c1-database'],
  create: true,
  driver: 'bridge',
} as const;

const cases: Record<string, Partial<ContainerSpec>> = {
  'nothing but an image': {},
  'an environment that overrides the image': {
    env: { BOTH: 'mine', EMPTY: '', EQUALS: 'a=b=c', LINES: 'a\nb' },
  },
  labels: { labels: { a: '1', 'image.label': '2', 'with.dots/and-more': 'x y' } },
  'a command': { command: ['-c', 'echo hi; sleep 100'] },
  'an entrypoint alone, which drops the command of the image': { entrypoint: ['/bin/sleep', '100'] },
  'an entrypoint and a command': { entrypoint: ['/bin/sh', '-c'], command: ['sleep 100'] },
  'user, folder and host name': { user: '1000:1000', workingDir: '/tmp', hostname: 'my-host' },
  'all kinds of ports': {
    ports: [
      { containerPort: 80, protocol: 'tcp', publish: true, hostPort: 18080, hostIp: '0.0.0.0' },
      { containerPort: 81, protocol: 'tcp', publish: true, hostIp: '' },
      { containerPort: 82, protocol: 'udp', publish: true, hostPort: 18082, hostIp: '127.0.0.1' },
      { containerPort: 83, protocol: 'tcp', publish: false, hostIp: '' },
    ],
  },
  'one port on two host ports': {
    ports: [
      { containerPort: 90, protocol: 'tcp', publish: true, hostPort: 18090, hostIp: '127.0.0.1' },
      { containerPort: 90, protocol: 'tcp', publish: true, hostPort: 18091, hostIp: '127.0.0.1' },
    ],
  },
  'all kinds of mounts': {
    mounts: [
      { type: 'volume', source: `${prefix}-vol`, target: '/vol', readOnly: false },
      { type: 'volume', source: `${prefix}-vol`, target: '/vol-ro', readOnly: true },
      { type: 'bind', source: folder, target: '/bind', readOnly: false },
      { type: 'bind', source: join(folder, 'file'), target: '/bind-ro', readOnly: true },
      { type: 'tmpfs', target: '/tmpfs', readOnly: false, sizeBytes: 16 * 1024 * 1024, mode: '1777' },
      { type: 'tmpfs', target: '/tmpfs-plain', readOnly: false },
    ],
  },
  'a named volume in the place of the one of the image': {
    mounts: [{ type: 'volume', source: `${prefix}-own`, target: '/image-data', readOnly: false }],
  },
  'the host network': { network: { mode: 'host' } },
  'no network': { network: { mode: 'none' } },
  'a network of its own with aliases': { network: userNetwork },
  'a health check': {
    healthcheck: {
      test: ['CMD-SHELL', 'true'],
      intervalMs: 60_000,
      timeoutMs: 2_500,
      retries: 5,
      startPeriodMs: 90_000,
    },
  },
  'a health check without the start period of the image': {
    healthcheck: {
      test: ['CMD', 'true'],
      intervalMs: 60_000,
      timeoutMs: 2_500,
      retries: 1,
      startPeriodMs: 0,
    },
  },
  'a health check switched off': {
    healthcheck: { test: ['NONE'], intervalMs: 30_000, timeoutMs: 30_000, retries: 3, startPeriodMs: 0 },
  },
  'log options': { log: { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } } },
  'another log driver': { log: { driver: 'none', options: {} } },
  'stop settings and an init': { stopTimeoutS: 3, stopSignal: 'SIGQUIT', init: true },
  privileged: { privileged: true },
  'devices and capabilities': {
    devices: [{ hostPath: '/dev/null', containerPath: '/dev/mine', permissions: 'rw' }],
    capAdd: ['NET_ADMIN', 'SYS_TIME'],
    capDrop: ['MKNOD'],
  },
  'hosts and a read-only root': { extraHosts: ['a.example:10.0.0.1'], readOnlyRootfs: true },
  'the restart policy always': { restart: { name: 'always', maxRetries: 0 } },
  'the restart policy on-failure with a count': { restart: { name: 'on-failure', maxRetries: 3 } },
  'the restart policy unless-stopped': { restart: { name: 'unless-stopped', maxRetries: 0 } },
  limits: { limits: { nanoCpus: 500_000_000, memoryBytes: 64 * 1024 * 1024, pidsLimit: 100 } },
  'a swap limit': { limits: { memoryBytes: 64 * 1024 * 1024, memorySwapBytes: 64 * 1024 * 1024 } },
};

for (const image of [plain, rich])
  for (const [name, more] of Object.entries(cases))
    test(`${name} comes back from ${image === plain ? 'a plain' : 'a rich'} image as it was asked for`, async () => {
      const spec = specOf(image, more);
      const { id } = await create(spec);
      const { snapshot } = await look(id, [image]);
      const defaults = snapshot.images.get(image);
      assert.ok(defaults);
      assert.deepEqual((await detailOf(id)).spec, shown(spec, defaults));
      await perform({ ...base, kind: 'removeContainer', id, name, specHash: 'h', force: true });
    });

test('a running container comes back as it was asked for, and with its bound ports and address', async () => {
  const spec = specOf(rich, {
    network: userNetwork,
    ports: [{ containerPort: 80, protocol: 'tcp', publish: true, hostIp: '' }],
  });
  const { id, name } = await create(spec);
  await start(id, name);
  await start(id, name);
  const { container, snapshot } = await look(id, [rich]);
  const detail = await detailOf(id);
  const defaults = snapshot.images.get(rich);
  assert.ok(defaults);
  assert.deepEqual(detail.spec, shown(spec, defaults));
  assert.equal(container?.state, 'running');
  assert.equal(container?.health, 'starting');
  assert.ok(container?.ports.every((port) => port.containerPort === 80 && port.hostPort > 0));
  assert.ok((container?.ports.length ?? 0) >= 1);
  assert.match(detail.networks[network]?.ip ?? '', /^\d+\./);
  assert.deepEqual(detail.networks[network]?.aliases, userNetwork.aliases);
  assert.equal(
    detail.networks[network]?.networkId,
    snapshot.networks.find((one) => one.name === network)?.id,
  );
});

test('a container in the network of another one names it as it was asked for', async () => {
  const target = await create(specOf(plain));
  await start(target.id, target.name);
  const spec = specOf(plain, { network: { mode: 'container', container: target.name } });
  const { id, name } = await create(spec);
  await start(id, name);
  assert.deepEqual((await detailOf(id)).spec.network, spec.network);
  assert.equal((await detailOf(id)).spec.hostname, undefined);
});

test('a killed container shows its exit code in the listing', async () => {
  const { id, name } = await create(specOf(plain));
  await start(id, name);
  await docker().kill(id);
  const container = await eventually('exited', async () => {
    const seen = (await look(id)).container;
    return seen?.state === 'exited' && seen;
  });
  assert.equal(container.exitCode, 137);
});

test('stopping, unpausing, renaming and removing what already is so is success', async () => {
  const { id, name } = await create(specOf(plain));
  await perform({ ...base, kind: 'stopContainer', id, name, specHash: 'h', timeoutS: 1 });
  await start(id, name);
  await perform({ ...base, kind: 'unpauseContainer', id, name, specHash: 'h' });
  await perform({ ...base, kind: 'renameContainer', id, from: name, name, specHash: 'h' });
  await perform({ ...base, kind: 'renameContainer', id, from: name, name: `${name}-b`, specHash: 'h' });
  assert.equal((await look(id)).container?.name, `${name}-b`);
  await perform({ ...base, kind: 'stopContainer', id, name, specHash: 'h', timeoutS: 5 });
  await perform({ ...base, kind: 'stopContainer', id, name, specHash: 'h', timeoutS: 5 });
  assert.equal((await look(id)).container?.state, 'exited');
  await perform({ ...base, kind: 'removeContainer', id, name, specHash: 'h', force: false });
  await perform({ ...base, kind: 'removeContainer', id, name, specHash: 'h', force: false });
  await perform({ ...base, kind: 'stopContainer', id, name, specHash: 'h', timeoutS: 1 });
  assert.equal((await look(id)).container, undefined);
});

test('limits and restart policy change in place', async () => {
  const { id, name } = await create(specOf(plain, { limits: { memoryBytes: 32 << 20, pidsLimit: 50 } }));
  await start(id, name);
  const restart = { name: 'on-failure', maxRetries: 2 } as const;
  const limits = { memoryBytes: 128 << 20, nanoCpus: 250_000_000 };
  const action = {
    ...base,
    kind: 'updateContainer',
    id,
    name,
    specHash: 'h',
    restart,
    limits,
    liveHash: 'l',
  } as const;
  await perform(action);
  const { spec } = await detailOf(id);
  assert.deepEqual(spec.restart, restart);
  assert.deepEqual(spec.limits, { ...limits, memorySwapBytes: 256 << 20 });
  await perform({ ...action, limits: { ...limits, memoryBytes: 16 << 20 } });
  assert.equal((await detailOf(id)).spec.limits.memoryBytes, 16 << 20);
});

test('a network is connected and disconnected, and twice is no failure', async () => {
  const { id, name } = await create(specOf(plain));
  await start(id, name);
  const link = { ...base, id, name, specHash: 'h', network };
  await perform({ ...link, kind: 'connectNetwork', aliases: ['one'] });
  await perform({ ...link, kind: 'connectNetwork', aliases: ['one'] });
  assert.deepEqual((await detailOf(id)).networks[network]?.aliases, ['one']);
  await perform({ ...link, kind: 'disconnectNetwork' });
  await perform({ ...link, kind: 'disconnectNetwork' });
  assert.equal((await detailOf(id)).networks[network], undefined);
  await assert.rejects(perform({ ...link, kind: 'connectNetwork', network: `${prefix}-no`, aliases: [] }), {
    code: 'NETWORK_NOT_FOUND',
  });
});

test('networks and volumes that exist or are gone already are no failure', async () => {
  const name = `${prefix}-net2`;
  await perform({ ...base, kind: 'createNetwork', name, driver: 'bridge', labels: {} });
  await perform({ ...base, kind: 'createNetwork', name, driver: 'bridge', labels: {} });
  const { snapshot } = await look('');
  const found = snapshot.networks.filter((one) => one.name === name);
  assert.equal(found.length, 1);
  await perform({ ...base, kind: 'removeNetwork', id: found[0]?.id ?? '', name });
  await perform({ ...base, kind: 'removeNetwork', id: found[0]?.id ?? '', name });
  await perform({ ...base, kind: 'removeVolume', name: `${prefix}-never-was` });
});

test('a removed container takes its anonymous volumes along and leaves the named ones', async () => {
  const mounts = [{ type: 'volume', source: `${prefix}-kept`, target: '/kept', readOnly: false }] as const;
  const { id, name } = await create(specOf(rich, { mounts }));
  await start(id, name);
  const anonymous = (await docker().inspect(id)).Mounts.find(
    (one: { Name: string }) => one.Name.length === 64,
  ).Name;
  await assert.rejects(perform({ ...base, kind: 'removeVolume', name: `${prefix}-kept` }), {
    code: 'VOLUME_IN_USE',
  });
  await perform({ ...base, kind: 'removeContainer', id, name, specHash: 'h', force: true });
  const { snapshot } = await look('', [], [anonymous, `${prefix}-kept`, `${prefix}-no`]);
  assert.deepEqual([...snapshot.volumes], [`${prefix}-kept`]);
});

const failures: {
  name: string;
  code: string;
  target?: string;
  message?: RegExp;
  run: () => Promise<unknown>;
}[] = [
  {
    name: 'an image that is not there',
    code: 'IMAGE_NOT_FOUND',
    run: () => create(specOf(`${prefix}/no:1`)),
  },
  { name: 'a bad reference', code: 'BAD_REFERENCE', run: () => create(specOf('Bad/Upper:1')) },
  {
    name: 'a read-only bind without a source',
    code: 'BIND_SOURCE_MISSING',
    target: '/no-such-source/x',
    run: () =>
      create(
        specOf(plain, {
          mounts: [{ type: 'bind', source: '/no-such-source/x', target: '/x', readOnly: true }],
        }),
      ),
  },
  {
    name: 'a memory limit below what the engine allows',
    code: 'ENGINE_REFUSED',
    run: () => create(specOf(plain, { limits: { memoryBytes: 1024 } })),
  },
  {
    name: 'a command that is not in the image',
    code: 'COMMAND_NOT_FOUND',
    run: async () => {
      const { id, name } = await create(specOf(plain, { command: ['no-such-program'] }));
      await start(id, name);
    },
  },
  {
    name: 'a network that is not there',
    code: 'NETWORK_NOT_FOUND',
    run: async () => {
      const { id, name } = await create(
        specOf(plain, { network: { ...userNetwork, name: `${prefix}-none` } }),
      );
      await start(id, name);
    },
  },
  {
    name: 'a name that is taken',
    code: 'NAME_TAKEN',
    run: async () => {
      const { name } = await create(specOf(plain));
      await create(specOf(plain), name);
    },
  },
  {
    name: 'a port that is taken',
    code: 'PORT_CONFLICT',
    message: /host port 18123 is already taken/,
    run: async () => {
      const ports = [
        { containerPort: 80, protocol: 'tcp', publish: true, hostPort: 18123, hostIp: '' },
      ] as const;
      const first = await create(specOf(plain, { ports }));
      await start(first.id, first.name);
      const second = await create(specOf(plain, { ports }));
      await start(second.id, second.name);
    },
  },
  {
    name: 'a container that is not there',
    code: 'ENGINE_NOT_FOUND',
    run: () => start('0123456789ab', 'nobody'),
  },
  {
    name: 'a pull from a registry that nobody runs',
    code: 'REGISTRY_UNREACHABLE',
    run: () => engine.pull('127.0.0.1:1/nothing/here:1', { signal, onProgress() {} }),
  },
  {
    name: 'a pull of a bad reference',
    code: 'BAD_REFERENCE',
    run: () => engine.pull('Bad/Upper:1', { signal, onProgress() {} }),
  },
];

for (const failure of failures)
  test(`${failure.name} is ${failure.code}`, async () => {
    await assert.rejects(failure.run(), (error: Error & { target?: string }) => {
      assert.equal(errorCode(error), failure.code, error.message);
      if (failure.target !== undefined) assert.equal(error.target, failure.target);
      if (failure.message !== undefined) assert.match(error.message, failure.message);
      return true;
    });
  });

test('images are found by reference and id, and absent ones are null', async () => {
  const { snapshot } = await look('', [plain, `docker.io/${plain}`, rich, `${prefix}/no:1`, 'Bad/Upper']);
  const image = snapshot.images.get(plain);
  assert.match(image?.id ?? '', /^sha256:/);
  assert.equal(snapshot.images.get(`docker.io/${plain}`)?.id, image?.id);
  assert.equal(snapshot.images.get(`${prefix}/no:1`), null);
  assert.equal(snapshot.images.get('Bad/Upper'), null);
  const byId = await look('', [image?.id ?? '']);
  assert.equal(byId.snapshot.images.get(image?.id ?? '')?.id, image?.id);
  assert.deepEqual(snapshot.images.get(rich)?.volumes, ['/image-data']);
  assert.equal(snapshot.images.get(rich)?.healthcheck?.startPeriodMs, 7_000);
});

test('events are delivered, a moved tag is noticed, and a change made by hand shows at once', async () => {
  const events: EngineEvent[] = [];
  const stop = new AbortController();
  const watching = engine.watch((event) => events.push(event), stop.signal);
  await eventually('connected', () => events.some((event) => event.type === 'connected'));
  const { id, name } = await create(specOf(plain));
  await start(id, name);
  await detailOf(id);
  await docker().call('POST', `/containers/${id}/update`, { Memory: 48 << 20, MemorySwap: 48 << 20 });
  await eventually(
    'limit seen',
    async () => (await detailOf(id)).spec.limits.memoryBytes === 48 << 20,
    2_000,
  );
  await docker().kill(id);
  await eventually('die', () =>
    events.some((event) => event.action === 'die' && event.id === id && event.name === name),
  );
  const tag = `${prefix}/moving:1`;
  const [repo = '', version = ''] = tag.split(':');
  for (const image of [plain, rich]) {
    await docker().call('POST', `/images/${image}/tag?repo=${encodeURIComponent(repo)}&tag=${version}`);
    const wantedId = (await docker().call('GET', `/images/${image}/json`)).Id;
    await eventually(
      'tag moved',
      async () => (await look('', [tag])).snapshot.images.get(tag)?.id === wantedId,
      2_000,
    );
  }
  stop.abort();
  await watching;
});
