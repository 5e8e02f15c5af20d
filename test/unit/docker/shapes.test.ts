import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeDetail, decodeImage, decodeListing } from '../../../src/docker/decode.ts';
import { encodeContainer, encodeUpdate } from '../../../src/docker/encode.ts';
import { splitReference } from '../../../src/docker/pull.ts';
import { compareApi, decodeInfo, decodeVersion } from '../../../src/docker/version.ts';
import { specOf } from '../../fakes/engine-fixture.ts';

const around = { hostname: 'machine', podman: false };

function listed(more: object) {
  const item = { Id: 'c1', Names: ['/web'], State: 'running', Status: 'Up 2 minutes', ...more };
  const [first] = decodeListing([item]);
  assert.ok(first);
  return first;
}

test('a plain container is asked for with nothing that the image or the engine should decide', () => {
  assert.deepEqual(encodeContainer(specOf('x:1'), { a: 'b' }, '1.41'), {
    Image: 'x:1',
    Env: [],
    Labels: { a: 'b' },
    HostConfig: { NetworkMode: 'bridge', RestartPolicy: { Name: 'no' } },
  });
});

test('aliases are sent for a network of its own only', () => {
  const network = { mode: 'network', name: 'n', aliases: ['a'], create: true, driver: 'bridge' } as const;
  const body = encodeContainer(specOf('x', { network }), {}, '1.41');
  assert.deepEqual(body.NetworkingConfig, { EndpointsConfig: { n: { Aliases: ['a'] } } });
  for (const mode of ['host', 'none', 'bridge'] as const)
    assert.equal(
      'NetworkingConfig' in encodeContainer(specOf('x', { network: { mode } }), {}, '1.41'),
      false,
    );
});

test('the start interval is sent only to engines that know it', () => {
  const healthcheck = {
    test: ['CMD', 'true'],
    intervalMs: 1_000,
    timeoutMs: 500,
    retries: 2,
    startPeriodMs: 0,
    startIntervalMs: 2_000,
  };
  const at = (api: string) => encodeContainer(specOf('x', { healthcheck }), {}, api).Healthcheck;
  assert.deepEqual(at('1.43'), {
    Test: ['CMD', 'true'],
    Interval: 1e9,
    Timeout: 5e8,
    Retries: 2,
    StartPeriod: 1e6,
  });
  assert.deepEqual(at('1.44'), { ...(at('1.43') as object), StartInterval: 2e9 });
});

test('a colon in a bind goes where it is no separator', () => {
  const mounts = [{ type: 'bind', source: '/a:b', target: '/x', readOnly: false }] as const;
  assert.deepEqual(encodeContainer(specOf('x', { mounts }), {}, '1.41').HostConfig, {
    NetworkMode: 'bridge',
    RestartPolicy: { Name: 'no' },
    Mounts: [{ Type: 'bind', Source: '/a:b', Target: '/x', ReadOnly: false }],
  });
});

test('an update sends swap along with memory and lifts the process limit', () => {
  const update = encodeUpdate({ name: 'always', maxRetries: 0 }, { memoryBytes: 100 });
  assert.deepEqual(update, { RestartPolicy: { Name: 'always' }, Memory: 100, MemorySwap: 200, PidsLimit: 0 });
});

test('states, exit codes and health are read from the listing, also in the words of podman', () => {
  assert.equal(listed({ State: 'exited', Status: 'Exited (137) 5 seconds ago' }).container.exitCode, 137);
  assert.equal(
    listed({ State: 'stopped', Status: 'Exited (1) About an hour ago' }).container.state,
    'exited',
  );
  assert.equal(listed({ State: 'configured', Status: '' }).container.state, 'created');
  assert.equal(listed({ State: 'whatever' }).container.state, 'restarting');
  assert.equal(listed({ Status: 'Up 3 hours (health: starting)' }).container.health, 'starting');
  assert.equal(
    listed({ State: 'exited', Status: 'Exited (0) 1s ago (unhealthy)' }).container.health,
    undefined,
  );
  assert.equal(listed({}).container.exitCode, undefined);
  assert.equal(listed({ Names: ['/other/alias', '/web'] }).container.name, 'web');
});

test('time that passes does not change the mark of a listing, everything else does', () => {
  const mark = listed({}).fingerprint;
  assert.equal(listed({ Status: 'Up 9 hours' }).fingerprint, mark);
  for (const change of [
    { State: 'paused' },
    { Status: 'Up 2 minutes (healthy)' },
    { Names: ['/other'] },
    { ImageID: 'sha256:2' },
    { Ports: [{ PrivatePort: 1, PublicPort: 2, Type: 'tcp' }] },
    { NetworkSettings: { Networks: { n: { NetworkID: '1' } } } },
    { Mounts: [{ Source: '/a', Destination: '/b' }] },
  ])
    assert.notEqual(listed(change).fingerprint, mark, JSON.stringify(change));
});

test('a list that is none, or has an entry without id, is refused', () => {
  for (const json of [null, undefined, {}, 'x', [{}], [null]])
    assert.throws(() => decodeListing(json), { code: 'ENGINE_PROTOCOL' });
});

test('an inspection with nearly nothing in it still decodes', () => {
  const detail = decodeDetail({ Id: 'c1', Config: null, HostConfig: null, State: null }, around);
  assert.deepEqual(detail.spec, {
    image: '',
    env: {},
    command: [],
    entrypoint: [],
    labels: {},
    ports: [],
    mounts: [],
    network: { mode: 'bridge' },
    privileged: false,
    restart: { name: 'no', maxRetries: 0 },
    limits: {},
  });
});

test("made-up host names, short ids as aliases and anonymous volumes are nobody's wish", () => {
  const id = '0123456789ab'.padEnd(64, 'c');
  const json = {
    Id: id,
    Config: { Hostname: '0123456789ab' },
    HostConfig: {
      NetworkMode: 'n',
      Binds: [`${'f'.repeat(64)}:/anon:rw`, 'vol:/v/:rw,nosuid', '/src/:/dst:ro,rprivate'],
      Mounts: [{ Type: 'volume', Target: '/unnamed' }],
    },
    NetworkSettings: { Networks: { n: { Aliases: ['web', '0123456789ab', 'web'] } } },
  };
  const { spec } = decodeDetail(json, around);
  assert.equal(spec.hostname, undefined);
  assert.deepEqual(spec.network, {
    mode: 'network',
    name: 'n',
    aliases: ['web'],
    create: true,
    driver: 'bridge',
  });
  assert.deepEqual(spec.mounts, [
    { type: 'bind', source: '/src', target: '/dst', readOnly: true },
    { type: 'volume', source: 'vol', target: '/v', readOnly: false },
  ]);
  const host = { Id: id, Config: { Hostname: 'machine' }, HostConfig: { NetworkMode: 'host' } };
  assert.equal(decodeDetail(host, around).spec.hostname, undefined);
});

test("newer engines' capabilities and quotas are read in our words", () => {
  const HostConfig = {
    CapAdd: ['CAP_NET_ADMIN'],
    CpuQuota: 50_000,
    CpuPeriod: 100_000,
    Memory: -1,
    PidsLimit: -1,
  };
  const { spec } = decodeDetail({ Id: 'c1', HostConfig }, around);
  assert.deepEqual(spec.capAdd, ['NET_ADMIN']);
  assert.deepEqual(spec.limits, { nanoCpus: 500_000_000 });
});

test('sizes of tmpfs are read as bytes', () => {
  const Tmpfs = { '/a': 'size=16m,mode=1777', '/b': 'rw,noexec,size=64k,ro', '/c': 'size=50%' };
  assert.deepEqual(decodeDetail({ Id: 'c1', HostConfig: { Tmpfs } }, around).spec.mounts, [
    { type: 'tmpfs', target: '/a', readOnly: false, sizeBytes: 16 * 1024 ** 2, mode: '1777' },
    { type: 'tmpfs', target: '/b', readOnly: true, sizeBytes: 64 * 1024 },
    { type: 'tmpfs', target: '/c', readOnly: false },
  ]);
});

test('the last words of a health check that failed are one line, and its end where it is long', () => {
  const words = (...Log: object[]) =>
    decodeDetail({ Id: 'c1', State: { Health: { Status: 'unhealthy', Log } } }, around).checkOutput;
  assert.equal(words({ ExitCode: 1, Output: 'old' }, { ExitCode: 1, Output: ' no\n route\n' }), 'no route');
  assert.equal(words({ ExitCode: 1, Output: 'no' }, { ExitCode: 0, Output: 'fine' }), undefined);
  assert.equal(words({ ExitCode: 7, Output: '' }), 'exit code 7');
  assert.equal(words(), undefined);
  const long = words({ ExitCode: 1, Output: `${'x'.repeat(500)} the reason` }) ?? '';
  assert.ok(long.length === 160 && long.startsWith('...') && long.endsWith(' the reason'), long);
});

test('an image without configuration has no defaults', () => {
  const image = decodeImage({ Id: 'abc', Os: 'linux', Architecture: 'arm', Variant: 'v7' });
  assert.equal(image.id, 'sha256:abc');
  assert.deepEqual([image.command, image.entrypoint, image.env, image.volumes], [[], [], {}, []]);
});

test('references are split into repository and tag', () => {
  assert.deepEqual(splitReference('a'), { fromImage: 'a', tag: 'latest' });
  assert.deepEqual(splitReference('r:5000/a/b'), { fromImage: 'r:5000/a/b', tag: 'latest' });
  assert.deepEqual(splitReference('r:5000/a:2'), { fromImage: 'r:5000/a', tag: '2' });
  assert.deepEqual(splitReference('a/b:1@sha256:ff'), { fromImage: 'a/b', tag: 'sha256:ff' });
});

test('API versions are compared as numbers, podman is recognised', () => {
  assert.ok(compareApi('1.9', '1.10') < 0);
  const json = {
    ApiVersion: '1.41',
    MinAPIVersion: '1.24',
    Components: [{ Name: 'Podman Engine', Version: '4.3.1' }],
  };
  const version = decodeVersion(json);
  assert.equal(version.name, 'podman');
  assert.equal(decodeInfo({ Architecture: 'armv7l' }, { ...version, arch: 'arm' }).variant, 'v7');
  assert.equal(decodeInfo({ Architecture: 'x86_64' }, { ...version, arch: 'amd64' }).variant, '');
});
