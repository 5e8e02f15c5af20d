import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { checkColony } from '../../src/cli/doctor-colony.ts';
import { loadConfig } from '../../src/config/load.ts';
import { fakeIo } from '../fakes/io.ts';
import { freshKey, type Plant, plant } from './support/colony-cli.ts';
import { httpServer } from './support/colony-server.ts';

async function check(p: Plant, change: Record<string, string> = {}, clock = systemClock) {
  const env = { ...p.env, ...change };
  const loaded = await loadConfig({ flags: {}, env, cwd: p.dir });
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.problems.join());
  const checks = await checkColony(loaded.config, fakeIo({ env, clock }).io);
  return (name: string) => checks.find((one) => one.name === name);
}

test('a sound registration has only good lines', async (t) => {
  const p = await plant(t);
  await p.call(['register', '--owner-key-file', p.ownerFile]);
  const line = await check(p);
  for (const name of ['server', 'server clock', 'key', 'registration'])
    assert.equal(line(name)?.state, 'ok', JSON.stringify(line(name)));
  assert.equal(line('owner key'), undefined);
});

test('a node without a key, and one that is unknown, are told to register', async (t) => {
  const p = await plant(t);
  assert.deepEqual(
    [(await check(p))('key')?.state, (await check(p))('key')?.advice],
    ['warn', 'colonies-edge register'],
  );
  await p.call(['register']);
  assert.equal((await check(p))('registration')?.state, 'fail');
});

test('a registration that is not approved says what the owner is to do', async (t) => {
  const p = await plant(t);
  await p.call(['register', '--owner-key-file', p.ownerFile]);
  p.world.removeExecutor('gw-7');
  const line = (await check(p))('registration');
  assert.equal(line?.state, 'warn');
  assert.match(line?.message ?? '', /is unregistered/);
  assert.match(line?.advice ?? '', /colonies executor approve --name gw-7/);
});

test('an owner key on the node is a warning, an open one a failure', async (t) => {
  const p = await plant(t);
  const named = { COLONIES_EDGE_OWNER_KEY_FILE: p.ownerFile };
  assert.equal((await check(p, named))('owner key')?.state, 'warn');
  assert.equal((await check(p, { COLONIES_COLONY_PRVKEY: p.ownerKey }))('owner key')?.state, 'warn');
  await chmod(p.ownerFile, 0o640);
  assert.equal((await check(p, named))('owner key')?.state, 'fail');
});

test('a clock that is far from that of the server is a warning', async (t) => {
  const p = await plant(t);
  const slow = { ...systemClock, now: () => systemClock.now() - 3_600_000 };
  const line = (await check(p, {}, slow))('server clock');
  assert.equal(line?.state, 'warn');
  assert.match(line?.message ?? '', /this machine is (?:1h|59m59s) behind the server/);
});

const portal = (t: TestContext) =>
  httpServer(t, (_, response) => response.setHeader('content-type', 'text/html').end('<html>log in</html>'));
const gateway = (t: TestContext) =>
  httpServer(t, (_, response) => response.writeHead(502).end('no upstream'));

for (const [what, env, words] of [
  ['a name without address', async () => ({ COLONIES_EDGE_SERVER: 'http://nowhere.invalid' }), /resolver/],
  ['a closed port', async () => ({ COLONIES_EDGE_SERVER: 'http://127.0.0.1:9' }), /host and port/],
  [
    'TLS where there is none',
    async (_, p) => ({ COLONIES_EDGE_SERVER: `https://127.0.0.1:${p.colony.port}` }),
    /--ca-file/,
  ],
  [
    'a captive portal',
    async (t) => ({ COLONIES_EDGE_SERVER: `http://127.0.0.1:${await portal(t)}` }),
    /log in/,
  ],
  ['a gateway', async (t) => ({ COLONIES_EDGE_SERVER: `http://127.0.0.1:${await gateway(t)}` }), /in front/],
  [
    'a proxy',
    async (_, p) => ({ COLONIES_EDGE_SERVER: p.colony.url, HTTP_PROXY: 'http://127.0.0.1:9' }),
    /HTTP_PROXY/,
  ],
] as readonly [string, (t: TestContext, p: Plant) => Promise<Record<string, string>>, RegExp][])
  test(`what is in the way is told apart: ${what}`, async (t) => {
    const p = await plant(t);
    const own = { COLONIES_SERVER_HOST: '', COLONIES_SERVER_PORT: '' };
    const line = (await check(p, { ...own, ...(await env(t, p)) }))('server');
    assert.equal(line?.state, 'fail', JSON.stringify(line));
    assert.match(line?.advice ?? '', words);
  });

const COMMANDS = ['register', 'whoami', 'rotate-key', 'config', 'doctor', 'plan', 'status', 'events', 'help'];

test('no command shows a key, whatever goes wrong', async (t) => {
  const p = await plant(t);
  const credentials = join(p.dir, 'credentials');
  await mkdir(credentials);
  const [inEnv, inCredential, broken] = [freshKey(), freshKey(), freshKey()];
  await writeFile(join(credentials, 'user-key'), inCredential);
  const files = ['--owner-key-file', p.ownerFile, '--user-key-file', p.userFile];
  const own = new Set<string>();
  const everything = async (env: Record<string, string>) => {
    for (const name of COMMANDS)
      for (const rest of [[], ['--json'], files]) {
        await p.call([name, ...rest], { env });
        // Rotations change it: each that ever was counts.
        own.add((await readFile(p.keyFile, 'utf8').catch(() => broken)).trim());
      }
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 300);
    await p.call(['run', '--log-level', 'debug', ...files], { env, signal: stop.signal });
  };
  await everything({});
  assert.ok(own.size > 2, 'the key was exchanged');
  await everything({
    COLONIES_PRVKEY: inEnv,
    COLONIES_COLONY_PRVKEY: p.ownerKey,
    CREDENTIALS_DIRECTORY: credentials,
  });
  await everything({ COLONIES_PRVKEY: `${broken}0` });
  await writeFile(p.keyFile, `${broken.slice(1)}\n`);
  await everything({});
  await p.colony.stop();
  await everything({});
  const text = p.said.join('\n').toLowerCase();
  assert.ok(text.includes('[redacted]'));
  for (const key of [...own, inEnv, inCredential, p.ownerKey, p.userKey, broken.slice(1)])
    for (const part of [key, key.slice(0, 16), key.slice(-16)])
      assert.ok(!text.includes(part), 'a part of a key was shown');
});
