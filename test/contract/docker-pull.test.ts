import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createDockerEngine, type DockerEngine } from '../../src/docker/engine.ts';
import { createRegistryAuth } from '../../src/docker/registry-auth.ts';
import { INFO, VERSION } from '../fakes/bad-engine.ts';

const PIN = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;
const folder = mkdtempSync(join(tmpdir(), 'docker-pull-'));
const socket = join(folder, 'engine.sock');
const options = { signal: new AbortController().signal, onProgress() {} };

/** `X-Registry-Auth` of each pull so far, decoded. */
const shown: unknown[] = [];
/** Answers of the engine: the error of a pull, and the image that is there afterwards. */
let failure: string | undefined;
let image: object | undefined;
let engine: DockerEngine;

const server = createServer((request, response) => {
  const path = request.url ?? '';
  const reply = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify(body)}\n`);
  };
  if (path === '/version') reply(200, VERSION);
  else if (path.endsWith('/info')) reply(200, INFO);
  else if (path.includes('/images/create')) {
    const header = request.headers['x-registry-auth'];
    shown.push(
      header === undefined ? undefined : JSON.parse(Buffer.from(`${header}`, 'base64url').toString()),
    );
    reply(
      200,
      failure === undefined ? { status: 'done' } : { errorDetail: { message: failure }, error: failure },
    );
  } else if (/\/images\/.+\/json$/.test(path))
    reply(image === undefined ? 404 : 200, image ?? { message: 'No such image: x' });
  else reply(200, []);
});

before(async () => {
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const registryAuth = createRegistryAuth({ folder, dockerConfig: undefined, env: {}, clock: systemClock });
  const parts = { clock: systemClock, random: systemRandom, log: silentLogger, registryAuth };
  engine = createDockerEngine({ endpoint: `unix://${socket}`, ...parts });
});
beforeEach(() => {
  failure = undefined;
  image = undefined;
  shown.length = 0;
  put('a.json', { registry: 'a:5000', username: 'u', password: 'first' });
});
after(async () => {
  await engine.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

function put(file: string, content: unknown): void {
  writeFileSync(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content), {
    mode: 0o600,
  });
}

test('each pull shows the credentials of its registry as they are then, and of no other', async () => {
  await engine.pull('a:5000/x:1', options);
  put('a.json', { registry: 'a:5000', username: 'u', password: 'second' });
  await engine.pull('a:5000/x:1', options);
  await engine.pull('b:5000/x:1', options);
  await engine.pull('nginx', options);
  const login = (password: string) => ({ username: 'u', password, serveraddress: 'a:5000' });
  assert.deepEqual(shown, [login('first'), login('second'), undefined, undefined]);
});

test('a broken credentials file holds no pull up; where credentials are missing for it, it is named', async () => {
  put('a.json', '{"registry": "a:5000", "password": "leaked');
  await engine.pull('b:5000/x:1', options);
  failure = 'Get "https://a:5000/v2/": no basic auth credentials';
  await assert.rejects(engine.pull('a:5000/x:1', options), (error: Error) => {
    assert.match(error.message, /there are no credentials for it.*a\.json: is not valid JSON/);
    assert.ok(!error.message.includes('leaked'));
    return true;
  });
});

test('refused credentials are named by where they come from, and never shown', async () => {
  failure = 'unauthorized: authentication required';
  await assert.rejects(engine.pull('a:5000/x:1', options), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'REGISTRY_UNAUTHORIZED');
    assert.match(error.message, /a:5000 refuses the credentials from .*a\.json: renew them/);
    assert.ok(!`${error.stack}`.includes('first'));
    return true;
  });
});

test('"denied" is RegistryForbidden with credentials and RegistryUnauthorized without', async () => {
  failure = 'denied: requested access to the resource is denied';
  await assert.rejects(engine.pull('a:5000/x:1', options), {
    code: 'REGISTRY_FORBIDDEN',
    target: 'a:5000/x:1',
  });
  await assert.rejects(engine.pull('b:5000/x:1', options), { code: 'REGISTRY_UNAUTHORIZED' });
});

for (const [what, found] of [
  ['by its repository digests', { Id: OTHER, RepoDigests: [`elsewhere/x@${OTHER}`, `a:5000/x@${PIN}`] }],
  ['by its id, as with containerd', { Id: PIN, RepoDigests: [] }],
  ['as podman tells it', { Id: OTHER, Digest: PIN }],
] as const)
  test(`a pinned image that carries the digest ${what} is taken`, async () => {
    image = found;
    await engine.pull(`a:5000/x@${PIN}`, options);
    const { images } = await engine.snapshot({ images: [`a:5000/x@${PIN}`], volumes: [] }, options.signal);
    assert.equal(images.get(`a:5000/x@${PIN}`)?.id, found.Id);
  });

for (const [what, found] of [
  ['carries another digest', { Id: OTHER, RepoDigests: [`a:5000/x@${OTHER}`] }],
  ['carries none', { Id: OTHER, RepoDigests: null }],
  ['is not there after all', undefined],
] as const)
  test(`a pinned image that ${what} is refused, and does not count as there`, async () => {
    image = found;
    await assert.rejects(engine.pull(`a:5000/x@${PIN}`, options), {
      code: 'DIGEST_MISMATCH',
      message: new RegExp(`what a:5000 sent is not what .* asks for.*does not carry ${PIN}`),
    });
    const { images } = await engine.snapshot({ images: [`a:5000/x@${PIN}`], volumes: [] }, options.signal);
    assert.equal(images.get(`a:5000/x@${PIN}`), null);
  });
