import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.ts';
import type { RegistryAuth, RegistryCredentials } from '../../src/docker/registry-auth.ts';
import { type ImageSize, sumOf } from '../../src/model/disk.ts';
import {
  type Answer,
  digestOf,
  diskOf,
  documents,
  manifestOf,
  OCI_INDEX,
  OCI_MANIFEST,
  registryDouble,
} from './support/bad-registry.ts';
import { makeCertificates } from './support/colony-certs.ts';

/** The size of an image in all. */
const total = async (size: Promise<ImageSize>) => sumOf((await size).layers);
const signal = new AbortController().signal;
const plain = manifestOf([1_000, 500]);
const NEEDED = { compressedBytes: 1_500, neededBytes: 6_000 };
const good = documents({
  '/v2/app/manifests/1': plain.text,
  [`/v2/app/manifests/${plain.digest}`]: plain.text,
  [`/v2/app/blobs/${plain.configDigest}`]: plain.config,
});
const credentials = (of: RegistryCredentials | undefined): RegistryAuth => ({
  credentialsFor: async () => of,
});
const byPassword = credentials({ from: 'a test', username: 'user', password: new Secret('pass') });

test('an image is as large as its manifest says, and is asked for once while pulls are repeated', async (t) => {
  const { host, requests } = await registryDouble(t, good);
  const disk = diskOf();
  for (let round = 0; round < 3; round += 1)
    assert.deepEqual(await total(disk.sizeOf(`${host}/app:1`, false, signal)), NEEDED);
  assert.deepEqual(requests, ['GET /v2/app/manifests/1']);
  assert.deepEqual(await total(disk.sizeOf(`${host}/app@${plain.digest}`, false, signal)), NEEDED);
});

test('of an index this machine gets its own manifest', async (t) => {
  const entry = (digest: string, architecture: string) => ({
    digest,
    platform: { os: 'linux', architecture },
  });
  const other = manifestOf([7]);
  const index = JSON.stringify({
    mediaType: OCI_INDEX,
    manifests: [entry(other.digest, 'arm64'), entry(plain.digest, 'amd64')],
  });
  const { host } = await registryDouble(
    t,
    documents({
      '/v2/app/manifests/1': index,
      [`/v2/app/manifests/${plain.digest}`]: plain.text,
      [`/v2/app/manifests/${other.digest}`]: other.text,
    }),
  );
  assert.deepEqual(await total(diskOf().sizeOf(`${host}/app:1`, false, signal)), NEEDED);
  const onArm = await diskOf({ platform: { arch: 'arm64' } }).sizeOf(`${host}/app:1`, false, signal);
  assert.equal(sumOf(onArm.layers).compressedBytes, 7);
  const onMainframe = diskOf({ platform: { arch: 's390x' } });
  await assert.rejects(onMainframe.sizeOf(`${host}/app:1`, false, signal), { code: 'PLATFORM_MISMATCH' });
});

test('layers that one image of the engine has in the same order are not loaded again', async (t) => {
  const { host } = await registryDouble(t, good);
  const [first = '', second = ''] = [digestOf('0 1000'), digestOf('1 500')];
  const exactly = (images: readonly (readonly string[])[]) =>
    diskOf({ images })
      .sizeOf(`${host}/app:1`, true, signal)
      .then(({ layers }) => sumOf(layers).compressedBytes);
  assert.equal(await exactly([]), 1_500);
  assert.equal(await exactly([['x'], [first, 'y']]), 500);
  assert.equal(await exactly([[first, second, 'more']]), 0);
  assert.equal(await exactly([[second], ['x', first]]), 1_500, 'above others it is another layer');
});

/** A registry that wants a token of its own token service. */
const withTokens =
  (check: (request: IncomingMessage, form: string) => boolean): Answer =>
  (request, response, path) => {
    if (path.startsWith('/token')) {
      let form = '';
      request.on('data', (chunk) => {
        form += String(chunk);
      });
      request.on('end', () => {
        const isRight = check(request, form);
        response.writeHead(isRight ? 200 : 401).end(isRight ? '{"token":"t-1"}' : '{}');
      });
    } else if (request.headers.authorization === 'Bearer t-1') good(request, response, path);
    else
      challenge(
        request,
        response,
        'Bearer realm="http://HOST/token",service="reg",scope="repository:app:pull"',
      );
  };

function challenge(request: IncomingMessage, response: ServerResponse, text: string): void {
  const value = text.replace('HOST', request.headers.host ?? '');
  response.writeHead(401, { 'www-authenticate': value }).end('{"errors":[]}');
}

test('a token is fetched anonymously, by password, or for an identity token', async (t) => {
  const query = '/token?service=reg&scope=repository%3Aapp%3Apull';
  const anonymous = await registryDouble(
    t,
    withTokens(({ url }) => url === query),
  );
  assert.deepEqual(await total(diskOf().sizeOf(`${anonymous.host}/app:1`, false, signal)), NEEDED);
  assert.deepEqual(anonymous.requests, [
    'GET /v2/app/manifests/1',
    `GET ${query}`,
    'GET /v2/app/manifests/1 +auth',
  ]);
  const basic = `Basic ${Buffer.from('user:pass').toString('base64')}`;
  const named = await registryDouble(
    t,
    withTokens(({ headers }) => headers.authorization === basic),
  );
  assert.deepEqual(
    await total(diskOf({ auth: byPassword }).sizeOf(`${named.host}/app:1`, false, signal)),
    NEEDED,
  );
  const auth = credentials({ from: 'a test', identityToken: new Secret('refresh me') });
  const exchanged = await registryDouble(
    t,
    withTokens(({ method }, form) => method === 'POST' && form.includes('refresh_token=refresh+me')),
  );
  assert.deepEqual(await total(diskOf({ auth }).sizeOf(`${exchanged.host}/app:1`, false, signal)), NEEDED);
});

test('Basic credentials are sent after they were asked for, and a refusal ends it', async (t) => {
  const basic = `Basic ${Buffer.from('user:pass').toString('base64')}`;
  const { host, requests } = await registryDouble(t, (request, response, path) => {
    if (request.headers.authorization === basic) good(request, response, path);
    else challenge(request, response, 'Basic realm="x"');
  });
  assert.deepEqual(await total(diskOf({ auth: byPassword }).sizeOf(`${host}/app:1`, false, signal)), NEEDED);
  assert.deepEqual(requests, ['GET /v2/app/manifests/1', 'GET /v2/app/manifests/1 +auth']);
  requests.length = 0;
  const wrong = credentials({ from: 'a test', username: 'user', password: new Secret('other') });
  for (const auth of [undefined, wrong]) {
    const disk = diskOf(auth === undefined ? {} : { auth });
    await assert.rejects(disk.sizeOf(`${host}/app:1`, false, signal), { code: 'REGISTRY_UNAUTHORIZED' });
  }
  assert.equal(requests.length, 3);
});

test('a redirect is followed, and credentials do not go along to another host', async (t) => {
  const store = await registryDouble(t, good);
  const basic = `Basic ${Buffer.from('user:pass').toString('base64')}`;
  const { host } = await registryDouble(t, (request, response, path) => {
    if (request.headers.authorization !== basic) challenge(request, response, 'Basic realm="x"');
    else response.writeHead(307, { location: `http://${store.host}${path}` }).end();
  });
  assert.deepEqual(await total(diskOf({ auth: byPassword }).sizeOf(`${host}/app:1`, false, signal)), NEEDED);
  assert.deepEqual(store.requests, ['GET /v2/app/manifests/1']);
});

const failing: [string, string, Answer][] = [
  ['a 404', 'IMAGE_NOT_FOUND', documents({})],
  ['a 403', 'REGISTRY_UNAUTHORIZED', (_, response) => response.writeHead(403).end()],
  ['a 429', 'REGISTRY_UNREACHABLE', (_, response) => response.writeHead(429).end()],
  ['a 500 with a page', 'REGISTRY_UNREACHABLE', (_, response) => response.writeHead(500).end('<html>')],
  ['a portal in its place', 'REGISTRY_UNREACHABLE', (_, response) => response.end('<html>log in</html>')],
  ['a reset', 'REGISTRY_UNREACHABLE', (request) => request.socket.destroy()],
  [
    'half a body',
    'REGISTRY_UNREACHABLE',
    (_, response) => {
      response.writeHead(200, { 'content-length': 500 });
      response.write('{"lay', () => response.destroy());
    },
  ],
  [
    'a body without end',
    'REGISTRY_UNREACHABLE',
    (_, response) => {
      const block = Buffer.alloc(65_536, 32);
      const pour = () => {
        while (response.writable && response.write(block));
      };
      response.writeHead(200).on('drain', pour);
      pour();
    },
  ],
  [
    'redirects without end',
    'REGISTRY_UNREACHABLE',
    (_, response, path) => response.writeHead(302, { location: path }).end(),
  ],
  [
    'a redirect to a file',
    'REGISTRY_UNREACHABLE',
    (_, r) => r.writeHead(302, { location: 'file:///x' }).end(),
  ],
  ['a redirect to nowhere', 'REGISTRY_UNREACHABLE', (_, response) => response.writeHead(302).end()],
  ['a challenge without an end', 'REGISTRY_UNAUTHORIZED', (a, b) => challenge(a, b, 'Negotiate')],
  [
    'a token service that is none',
    'REGISTRY_UNREACHABLE',
    (request, response, path) =>
      path.startsWith('/token')
        ? response.end('hello')
        : challenge(request, response, 'Bearer realm="http://HOST/token"'),
  ],
  [
    'a manifest of the first schema',
    'REGISTRY_UNREACHABLE',
    (_, response) => response.end('{"schemaVersion":1,"fsLayers":[]}'),
  ],
  [
    'an index that names itself',
    'REGISTRY_UNREACHABLE',
    (_, response) =>
      response
        .writeHead(200, { 'content-type': OCI_MANIFEST })
        .end(`{"manifests":[{"digest":"${plain.digest}","platform":{"os":"linux","architecture":"amd64"}}]}`),
  ],
];
for (const [what, code, answer] of failing)
  test(`${what} fails with ${code}, and the registry is asked again the next time`, async (t) => {
    let isGood = false;
    const { host } = await registryDouble(t, (...about) => (isGood ? good : answer)(...about));
    const disk = diskOf();
    await assert.rejects(disk.sizeOf(`${host}/app:1`, false, signal), { code });
    isGood = true;
    assert.deepEqual(await total(disk.sizeOf(`${host}/app:1`, false, signal)), NEEDED);
  });

test('a silent registry is given up when the pull is', async (t) => {
  const { host, requests } = await registryDouble(t, () => undefined);
  const stop = new AbortController();
  const asked = diskOf().sizeOf(`${host}/app:1`, false, stop.signal);
  while (requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort();
  await assert.rejects(asked, { code: 'CANCELLED' });
});

test('a registry that nobody listens at, and one behind a proxy of the engine, cannot be asked', async () => {
  await assert.rejects(diskOf().sizeOf('127.0.0.1:1/app:1', false, signal), { code: 'REGISTRY_UNREACHABLE' });
  const behind = diskOf({ info: { HttpProxy: 'http://proxy.example:3128' } });
  await assert.rejects(behind.sizeOf('registry.example/app:1', false, signal), {
    message: /goes through a proxy/,
  });
});

test('certificates are checked with those of the registry folder, unless the engine does not check either', async (t) => {
  const made = makeCertificates();
  const certsDir = mkdtempSync(join(tmpdir(), 'ce-certs-'));
  t.after(() => rmSync(certsDir, { recursive: true, force: true }));
  // No loopback address, which would be trusted as it is.
  const { host } = await registryDouble(t, good, made.server, '[::ffff:127.0.0.1]');
  const named = host.replace('[::ffff:127.0.0.1]', 'LOCALHOST');
  const ask = (input: Parameters<typeof diskOf>[0]) => diskOf(input).sizeOf(`${named}/app:1`, false, signal);
  await assert.rejects(ask({ certsDir }), { code: 'REGISTRY_UNREACHABLE' });
  mkdirSync(join(certsDir, named));
  writeFileSync(join(certsDir, named, 'ca.crt'), made.otherCa);
  await assert.rejects(ask({ certsDir }), { code: 'REGISTRY_UNREACHABLE' });
  writeFileSync(join(certsDir, named, 'site.crt'), made.ca);
  assert.deepEqual(await total(ask({ certsDir })), NEEDED);
  const info = { RegistryConfig: { IndexConfigs: { [named]: { Secure: false } } } };
  assert.deepEqual(await total(ask({ info })), NEEDED);
});

test('a registry that has to be secure is never spoken to without TLS', async (t) => {
  const { host, requests } = await registryDouble(t, good);
  const named = host.replace('127.0.0.1', 'LOCALHOST');
  await assert.rejects(diskOf().sizeOf(`${named}/app:1`, false, signal), { code: 'REGISTRY_UNREACHABLE' });
  assert.deepEqual(requests, []);
});
