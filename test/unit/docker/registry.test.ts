import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../../src/base/secret.ts';
import { choosePlatform, decodeManifest, sizesOf } from '../../../src/docker/manifest.ts';
import { decodeRegistries, registryImage } from '../../../src/docker/registry-host.ts';
import { accessToken, parseChallenge, tokenRequest } from '../../../src/docker/registry-token.ts';
import { sumOf } from '../../../src/model/disk.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;

const references: [string, string][] = [
  ['nginx', 'docker.io library/nginx latest'],
  ['nginx:1.27', 'docker.io library/nginx 1.27'],
  ['team/app:2', 'docker.io team/app 2'],
  ['index.docker.io/library/nginx:1', 'docker.io library/nginx 1'],
  ['registry.example/team/app:1', 'registry.example team/app 1'],
  ['127.0.0.1:5000/app', '127.0.0.1:5000 app latest'],
  ['localhost/app:1', 'localhost app 1'],
  ['[::1]:5000/app:1', '[::1]:5000 app 1'],
  [`registry.example/app:1@${digest('a')}`, `registry.example app ${digest('a')}`],
];
for (const [reference, expected] of references)
  test(`${reference} is ${expected}`, () => {
    const { registry, repository, version } = registryImage(reference) ?? {};
    assert.equal(`${registry} ${repository} ${version}`, expected);
  });

test('a bare image id has no registry', () => {
  assert.equal(registryImage(digest('a')), undefined);
});

test('what the engine treats as insecure is told by name and by network, and loopback always is', () => {
  const { isInsecure, isBehindProxy } = decodeRegistries({
    RegistryConfig: {
      InsecureRegistryCIDRs: ['10.1.0.0/16', 'nonsense', '10.2.0.0/99', null],
      IndexConfigs: {
        'docker.io': { Secure: true },
        'plain.example:5000': { Secure: false },
        'strange.example': {},
      },
    },
  });
  const insecure = ['plain.example:5000', '10.1.2.3:5000', '127.0.0.1:5000', 'localhost:5000', '[::1]:80'];
  for (const host of insecure) assert.equal(isInsecure(host), true, host);
  const secure = ['docker.io', 'plain.example', '10.2.0.1:5000', 'strange.example', 'localhost.example'];
  for (const host of secure) assert.equal(isInsecure(host), false, host);
  assert.equal(isBehindProxy('docker.io'), false);
  assert.equal(decodeRegistries(undefined).isInsecure('127.0.0.1:1'), true);
});

test('an engine behind a proxy is not gone round, except to this machine', () => {
  const { isBehindProxy } = decodeRegistries({ HttpsProxy: 'http://proxy.example:3128' });
  assert.deepEqual([isBehindProxy('docker.io'), isBehindProxy('127.0.0.1:5000')], [true, false]);
});

test('challenges are read in every form they come in', () => {
  const bearer = {
    scheme: 'bearer',
    realm: 'https://t.example/token',
    service: 's',
    scope: 'repository:a:pull',
  };
  assert.deepEqual(
    parseChallenge('Bearer realm="https://t.example/token",service="s",scope="repository:a:pull"'),
    bearer,
  );
  assert.deepEqual(
    parseChallenge([
      'Basic realm="x"',
      'bearer Realm=https://t.example/token, service=s, scope="repository:a:pull"',
    ]),
    bearer,
  );
  assert.deepEqual(parseChallenge('Basic realm="Registry, \\"Realm\\""'), { scheme: 'basic' });
  assert.deepEqual(parseChallenge('basic'), { scheme: 'basic' });
  for (const other of [undefined, '', 'Negotiate', 'Bearer service="s"'])
    assert.equal(parseChallenge(other), undefined);
});

const challenge = {
  scheme: 'bearer',
  realm: 'https://t.example/token?a=1',
  service: 's',
  scope: '',
} as const;

test('a token is asked for with name and password, with an identity token, or with neither', () => {
  const anonymous = tokenRequest(challenge, 'team/app', undefined, false);
  assert.equal(
    anonymous.url.href,
    'https://t.example/token?a=1&service=s&scope=repository%3Ateam%2Fapp%3Apull',
  );
  assert.deepEqual([anonymous.method, anonymous.authorization], ['GET', undefined]);
  const password = new Secret('pä:ss');
  const named = tokenRequest(challenge, 'app', { from: 'a file', username: 'u', password }, false);
  assert.equal(named.authorization?.reveal(), `Basic ${Buffer.from('u:pä:ss').toString('base64')}`);
  const token = new Secret('refresh');
  const exchanged = tokenRequest(challenge, 'app', { from: 'a file', identityToken: token }, false);
  assert.equal(exchanged.method, 'POST');
  assert.match(exchanged.form?.reveal() ?? '', /grant_type=refresh_token&refresh_token=refresh&.*service=s/);
  assert.doesNotMatch(JSON.stringify([named, exchanged]), /refresh_token=|UEE|Basic /);
});

test('credentials do not leave TLS because a registry says so', () => {
  const plain = { ...challenge, realm: 'http://t.example/token' };
  assert.throws(() => tokenRequest(plain, 'app', undefined, false), { code: 'REGISTRY_UNAUTHORIZED' });
  assert.equal(tokenRequest(plain, 'app', undefined, true).url.protocol, 'http:');
  for (const realm of ['file:///etc/passwd', 'nonsense'])
    assert.throws(() => tokenRequest({ ...challenge, realm }, 'app', undefined, true));
});

test('a token under either name is taken, and what is none is not put into a header', () => {
  assert.equal(accessToken({ token: 'a.b' }).reveal(), 'a.b');
  assert.equal(accessToken({ access_token: 'c' }).reveal(), 'c');
  for (const bad of [{}, { token: '' }, { token: 'a\r\nX: y' }, { token: 5 }, null])
    assert.throws(() => accessToken(bad), { code: 'REGISTRY_UNAUTHORIZED' });
});

const index = {
  manifests: [
    { digest: digest('1'), platform: { os: 'linux', architecture: 'amd64' } },
    { digest: digest('5'), platform: { os: 'linux', architecture: 'arm', variant: 'v5' } },
    { digest: digest('7'), platform: { os: 'linux', architecture: 'arm', variant: 'v7' } },
    { digest: digest('8'), platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
    { digest: 'nonsense', platform: { os: 'linux', architecture: 'riscv64' } },
    { digest: digest('f'), platform: { os: 'unknown', architecture: 'unknown' } },
  ],
};
const platforms: [string, string | undefined][] = [
  ['linux/amd64/', digest('1')],
  ['linux/arm/v7', digest('7')],
  ['linux/arm/v6', digest('5')],
  ['linux/arm/', digest('7')],
  ['linux/arm64/', digest('8')],
  ['linux/riscv64/', undefined],
  ['linux/s390x/', undefined],
  ['windows/amd64/', undefined],
];
for (const [platform, expected] of platforms)
  test(`of an index ${platform} gets ${expected?.slice(0, 8) ?? 'nothing'}`, () => {
    const [os = '', arch = '', variant = ''] = platform.split('/');
    assert.equal(choosePlatform(index, { os, arch, variant }), expected);
  });

const TAR = 'application/vnd.oci.image.layer.v1.tar';

test('a layer counts once, as it is loaded and as it is unpacked', () => {
  const { layers } = decodeManifest({
    config: { digest: digest('c') },
    layers: [
      { digest: digest('a'), size: 100, mediaType: `${TAR}+gzip` },
      { digest: digest('b'), size: 1_000, mediaType: TAR },
      { digest: digest('a'), size: 100, mediaType: `${TAR}+gzip` },
    ],
  });
  assert.deepEqual(sumOf(sizesOf(layers)), { compressedBytes: 1_100, neededBytes: 400 + 2_000 });
});

const LAYER = { digest: digest('a'), size: 1, mediaType: TAR };
const nonsense: [string, unknown][] = [
  ['nothing', null],
  ['schema 1', { schemaVersion: 1, fsLayers: [{ blobSum: digest('a') }] }],
  ['a layer without a size', { config: { digest: digest('c') }, layers: [{ digest: digest('a') }] }],
  ['a negative size', { config: { digest: digest('c') }, layers: [{ ...LAYER, size: -1 }] }],
  ['half a byte', { config: { digest: digest('c') }, layers: [{ ...LAYER, size: 0.5 }] }],
  ['a path for a digest', { config: { digest: '../../x' }, layers: [LAYER] }],
  ['too many layers', { config: { digest: digest('c') }, layers: Array(2_000).fill(LAYER) }],
];
for (const [what, json] of nonsense)
  test(`${what} is no manifest`, () => {
    assert.throws(() => decodeManifest(json), { code: 'REGISTRY_UNREACHABLE' });
  });
