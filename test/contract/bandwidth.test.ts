import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createDockerEngine } from '../../src/docker/engine.ts';
import { INFO, VERSION } from '../fakes/bad-engine.ts';
import { type Answer, documents, manifestOf, registryDouble } from './support/bad-registry.ts';

const manifest = manifestOf([1_000]);
const good = documents({ '/v2/app/manifests/1': manifest.text });
const options = () => ({ signal: new AbortController().signal, onProgress() {} });

/** What a pull by the relay's name comes to: nothing, or the engine's error. */
type Loading = (reference: string) => Promise<string | undefined>;

interface Stage {
  info?: object;
  version?: object;
  bytesPerSecond?: number;
  pullStallMs?: number;
}

/** An engine that loads from a relay as told, has every image by its true name, and lists none. */
async function stage(t: TestContext, loading: Loading, given: Stage = {}) {
  const { info = INFO, version = VERSION, bytesPerSecond = 50_000, pullStallMs = 30_000 } = given;
  const folder = mkdtempSync(join(tmpdir(), 'bandwidth-'));
  const socket = join(folder, 'engine.sock');
  const pulled: string[] = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://engine');
    response.writeHead(200, { 'content-type': 'application/json' });
    const reply = (body: unknown) => response.end(`${JSON.stringify(body)}\n`);
    if (url.pathname === '/version') reply(version);
    else if (url.pathname.endsWith('/info')) reply(info);
    else if (url.pathname.endsWith('/images/create')) {
      const reference = `${url.searchParams.get('fromImage')}:${url.searchParams.get('tag')}`;
      pulled.push(reference);
      response.flushHeaders();
      const error = reference.includes('/colonies-edge-pull/') ? await loading(reference) : undefined;
      reply(error === undefined ? { status: 'done' } : { error, errorDetail: { message: error } });
    } else reply([]);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const engine = createDockerEngine({
    ...{ endpoint: `unix://${socket}`, clock: systemClock, random: systemRandom, log: silentLogger },
    deadlines: { pullStallMs },
    bandwidth: { node: 'gw-7', bytesPerSecond },
    certsDir: folder,
  });
  t.after(async () => {
    await engine.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });
  return { engine, pulled };
}

/** Asks a relay as the engine does: for a part of the image that the reference names. */
function ask(
  reference: string,
  part: string,
  headers = {},
): Promise<{ status: number; bytes: number; head: IncomingMessage['headers'] }> {
  const [, host = '', repository = ''] = /^([^/]+)\/(.*):[^:]*$/.exec(reference) ?? [];
  return new Promise((resolve, reject) => {
    get(`http://${host}/v2/${repository}/${part}`, { headers, agent: false }, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, bytes, head: response.headers }));
    }).on('error', reject);
  });
}

test('an engine that does not reach the relay pulls without the limit, and that is a warning until it does', async (t) => {
  const { host } = await registryDouble(t, good);
  let isAway = true;
  const { engine, pulled } = await stage(t, async (reference) => {
    if (isAway) return 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused';
    assert.equal((await ask(reference, 'manifests/1')).status, 200);
    return undefined;
  });
  await engine.pull(`${host}/app:1`, options());
  assert.equal(pulled.at(-1), `${host}/app:1`);
  assert.match(
    engine.warnings().join(),
    new RegExp(`^images from ${host} are pulled without .*does not reach this agent`),
  );
  isAway = false;
  await engine.pull(`${host}/app:1`, options());
  assert.deepEqual(engine.warnings(), []);
});

test('podman and an engine behind a proxy pull without the limit, and are never sent to the relay', async (t) => {
  const loading = async () => assert.fail('sent to the relay');
  const podman = { ...VERSION, Components: [{ Name: 'Podman Engine', Version: '4.3.1' }] };
  const one = await stage(t, loading, { version: podman });
  await one.engine.pull('r.example/app:1', options());
  assert.match(one.engine.warnings().join(), /r\.example .*podman/);
  const two = await stage(t, loading, { info: { ...INFO, HttpsProxy: 'http://proxy.example:3128' } });
  await two.engine.pull('r.example/app:1', options());
  assert.match(two.engine.warnings().join(), /r\.example .*proxy/);
  assert.deepEqual([...one.pulled, ...two.pulled], ['r.example/app:1', 'r.example/app:1']);
});

test('what the registry does not have, the engine is left to be refused', async (t) => {
  const { host } = await registryDouble(t, documents({}));
  const { engine, pulled } = await stage(t, async () => assert.fail('sent to the relay'));
  await engine.pull(`${host}/app:1`, options());
  assert.deepEqual(pulled, [`${host}/app:1`]);
});

test('a pull that fails on its way through the relay is no reason to pull without the limit; its error has the true name', async (t) => {
  const { host } = await registryDouble(t, good);
  const { engine, pulled } = await stage(t, async (reference) => {
    await ask(reference, 'manifests/1');
    return `received unexpected HTTP status for ${reference}: 503`;
  });
  const failed = engine.pull(`${host}/app:1`, options());
  await assert.rejects(failed, { code: 'REGISTRY_UNREACHABLE', target: `${host}/app:1` });
  await failed.catch((error: Error) => {
    assert.ok(
      error.message.includes(`${host}/app:1`) && !error.message.includes('colonies-edge-pull'),
      error.message,
    );
  });
  assert.equal(pulled.length, 1);
});

/** A registry with one blob of so many bytes, which knows ranges. */
function blob(bytes: number): Answer {
  return (request, response, path) => {
    if (!path.includes('/blobs/')) return good(request, response, path);
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const range = from === 0 ? {} : { 'content-range': `bytes ${from}-${bytes - 1}/${bytes}` };
    response.writeHead(from === 0 ? 200 : 206, { 'content-length': bytes - from, ...range });
    response.end(Buffer.alloc(bytes - from));
  };
}

test('bytes that pass slowly are signs of life; ranges pass on; others find nothing', async (t) => {
  const { host } = await registryDouble(t, blob(10_000));
  const stallMs = 1_000;
  const loading: Loading = async (reference) => {
    const other = reference.replace(/[0-9a-f]{16}:/, '0123456789abcdef:');
    assert.equal((await ask(other, 'manifests/1')).status, 404);
    const begun = performance.now();
    const whole = await ask(reference, 'blobs/sha256:1');
    assert.deepEqual([whole.status, whole.bytes], [200, 10_000]);
    // The engine tells nothing all this time, which is longer than it may be silent.
    assert.ok(performance.now() - begun > 2 * stallMs);
    const rest = await ask(reference, 'blobs/sha256:1', { range: 'bytes=9000-' });
    assert.deepEqual(
      [rest.status, rest.bytes, rest.head['content-range']],
      [206, 1_000, 'bytes 9000-9999/10000'],
    );
    return undefined;
  };
  const { engine, pulled } = await stage(t, loading, { bytesPerSecond: 4_000, pullStallMs: stallMs });
  await engine.pull(`${host}/app:1`, options());
  assert.equal(pulled.length, 2);
});

test('a registry that falls silent is a stall, said of the true name; the relay is closed with the pull', async (t) => {
  const silent: Answer = (request, response, path) => {
    if (!path.includes('/blobs/')) return good(request, response, path);
    response.writeHead(200, { 'content-length': 1_000_000 });
    response.write(Buffer.alloc(100));
  };
  const { host } = await registryDouble(t, silent);
  let asked = '';
  let broken: Promise<unknown> = Promise.resolve();
  const { engine } = await stage(
    t,
    async (reference) => {
      asked = reference;
      broken = ask(reference, 'blobs/sha256:1');
      await broken.catch(() => undefined);
      return undefined;
    },
    { pullStallMs: 500 },
  );
  const failed = engine.pull(`${host}/app:1`, options());
  await assert.rejects(failed, {
    code: 'PULL_STALLED',
    message: `pull of ${host}/app:1: nothing moved for 0.5 s`,
  });
  await assert.rejects(broken, 'what was under way is broken off');
  await assert.rejects(ask(asked, 'manifests/1'), { code: 'ECONNREFUSED' });
});

test('a pull that is given up ends at once and is not tried without the limit', async (t) => {
  const { host } = await registryDouble(t, good);
  const abort = new AbortController();
  const { engine, pulled } = await stage(t, async () => {
    abort.abort(new Error('no longer wanted'));
    return new Promise(() => undefined);
  });
  await assert.rejects(engine.pull(`${host}/app:1`, { ...options(), signal: abort.signal }), {
    code: 'CANCELLED',
  });
  assert.equal(pulled.length, 1);
});
