import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { errorCode } from '../../src/base/errors.ts';
import { openRooms, type Rooms } from '../../src/cli/rooms.ts';
import { deriveId } from '../../src/colony/identity.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Link } from '../../src/model/link.ts';
import { createFakeColony, type FakeColony } from '../fakes/colony/index.ts';
import { FakeHost } from '../fakes/link-parts.ts';
import { CollectingLog } from '../fakes/log.ts';
import { seededRandom } from '../fakes/random.ts';
import { scaledClock } from '../fakes/scaled-clock.ts';

const root = mkdtempSync(join(tmpdir(), 'edge-link-rooms-'));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

const KEY = '1'.repeat(64);
const NEXT_KEY = '2'.repeat(64);
const OWNER_KEY = '3'.repeat(64);

interface Opened {
  dir: string;
  rooms: Rooms;
  log: CollectingLog;
}

/** Node and server live twenty times as fast. */
const clock = scaledClock(20);

/** The rooms of a node whose state directory is new. */
async function open(
  t: TestContext,
  env: Record<string, string>,
  options: { access?: 'own' | 'read'; dir?: string; before?(dir: string): void } = {},
): Promise<Opened> {
  const dir = options.dir ?? mkdtempSync(join(root, `${made++}-`));
  options.before?.(dir);
  const flags = { 'state-dir': [dir], config: ['none'], blueprints: ['none'], node: ['edge-1'] };
  const loaded = await loadConfig({ flags, env, cwd: dir });
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.problems.join());
  const stop = new AbortController();
  const log = new CollectingLog();
  const io = { env, clock, random: seededRandom(1), signal: stop.signal };
  const rooms = await openRooms(loaded.config, { io, log, access: options.access ?? 'own' });
  t.after(async () => {
    stop.abort();
    await rooms.close();
  });
  return { dir, rooms, log };
}

function linkOf({ rooms }: Opened): Link {
  return rooms.parts.link ?? assert.fail('there is no link');
}

/** Lets the link run until the test is over. */
function run(t: TestContext, opened: Opened): FakeHost {
  const host = new FakeHost();
  const stop = new AbortController();
  const running = linkOf(opened).run(host, stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
  });
  return host;
}

/** Waits until it holds, at most ten minutes of the clock. */
async function until(opened: Opened, done: () => boolean, what: string): Promise<void> {
  const endMs = clock.monoMs() + 600_000;
  while (!done()) {
    if (clock.monoMs() > endMs)
      assert.fail(`${what}: ${JSON.stringify(linkOf(opened).status())} ${opened.log.text()}`);
    await clock.sleep(200);
  }
}

async function colonyFor(t: TestContext): Promise<{ colony: FakeColony; env: Record<string, string> }> {
  const colony = await createFakeColony({ clock, ownerId: deriveId(OWNER_KEY) });
  t.after(() => colony.stop());
  colony.world.addExecutor({ id: deriveId(KEY), name: 'edge-1', type: 'docker-reconciler' });
  colony.world.approve('edge-1');
  const env = {
    COLONIES_SERVER_HOST: '127.0.0.1',
    COLONIES_SERVER_PORT: String(colony.port),
    COLONIES_COLONY_NAME: 'dev',
  };
  return { colony, env };
}

const putKey = (key: string) => (dir: string) =>
  writeFileSync(join(dir, 'executor.key'), `${key}\n`, { mode: 0o600 });

test('without a server there is no link, and what only looks has none either', async (t) => {
  const { env } = await colonyFor(t);
  assert.equal((await open(t, {})).rooms.parts.link, undefined);
  const looking = await open(t, env, { access: 'read', before: putKey(KEY) });
  assert.equal(looking.rooms.parts.link, undefined);
  assert.deepEqual(readdirSync(looking.dir), ['executor.key'], 'nothing is written');
});

test('with the key in its file the link connects under the configured name', async (t) => {
  const { env, colony } = await colonyFor(t);
  const opened = await open(t, env, { before: putKey(KEY) });
  const link = linkOf(opened);
  assert.equal(link.status().state, 'Connecting');
  assert.equal(link.status().executorId, deriveId(KEY));
  run(t, opened);
  await until(opened, () => link.status().state === 'Connected', 'it connects');
  const { endpoint, colony: name, executorName, traffic } = link.status();
  assert.deepEqual([endpoint, name, executorName], [colony.url, 'dev', 'edge-1']);
  assert.ok((traffic.heartbeat?.receivedBytes ?? 0) > 0);
});

test('a node that has no key yet says so, heals on, and takes the key up when it is made', async (t) => {
  const { env } = await colonyFor(t);
  const opened = await open(t, env);
  const link = linkOf(opened);
  run(t, opened);
  await until(opened, () => link.status().state === 'UnknownKey', 'it says that it has no key');
  assert.match(link.status().lastError ?? '', /no key yet .*executor\.key.*register/);
  putKey(KEY)(opened.dir);
  await until(opened, () => link.status().state === 'Connected', 'it takes the key up');
  assert.equal(link.status().executorId, deriveId(KEY));
});

test('a rotation that was cut off is carried to its end when the old key is refused', async (t) => {
  const { env, colony } = await colonyFor(t);
  colony.world.addExecutor({ id: deriveId(NEXT_KEY), name: 'edge-2', type: 'docker-reconciler' });
  const opened = await open(t, env, { before: putKey('4'.repeat(64)) });
  const link = linkOf(opened);
  run(t, opened);
  await until(opened, () => link.status().state === 'UnknownKey', 'the old key is refused');
  writeFileSync(join(opened.dir, 'executor.key.next'), NEXT_KEY, { mode: 0o600 });
  await until(opened, () => link.status().executorId === deriveId(NEXT_KEY), 'it has the new key');
  assert.ok(!readdirSync(opened.dir).includes('executor.key.next'), 'the new key is in its place');
  colony.world.approve('edge-2');
  await until(opened, () => link.status().state === 'Connected', 'it connects');
});

test('keys the node could do without are named when they cannot be used, and no output shows a key', async (t) => {
  const { env } = await colonyFor(t);
  const dir = mkdtempSync(join(root, `${made++}-`));
  writeFileSync(join(dir, 'user.key'), `${KEY}${KEY}`, { mode: 0o600 });
  writeFileSync(join(dir, 'owner.key'), OWNER_KEY, { mode: 0o644 });
  const files = {
    COLONIES_EDGE_USER_KEY_FILE: join(dir, 'user.key'),
    COLONIES_EDGE_OWNER_KEY_FILE: join(dir, 'owner.key'),
  };
  const opened = await open(t, { ...env, ...files }, { dir, before: putKey(KEY) });
  assert.deepEqual(
    opened.log.lines.map(({ level, message, fields }) => [level, message, fields.code]),
    [
      ['error', 'key cannot be used', 'KEY_INVALID'],
      ['warn', 'key file is doubtful', undefined],
    ],
  );
  const text = JSON.stringify([opened.log.lines, linkOf(opened).status()]);
  for (const key of [KEY, OWNER_KEY]) assert.ok(!text.includes(key));
});

test('a proxy that cannot be one is a problem of the configuration', async (t) => {
  const { env } = await colonyFor(t);
  await assert.rejects(open(t, { ...env, HTTP_PROXY: 'ftp://user:secret@proxy' }), (error: Error) => {
    assert.equal(errorCode(error), 'CONFIG_INVALID');
    assert.match(error.message, /HTTP_PROXY/);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
});

test('with the owner key a lost registration is revived', async (t) => {
  const { env, colony } = await colonyFor(t);
  colony.world.removeExecutor('edge-1');
  const keyless = await open(t, env, { before: putKey(KEY) });
  run(t, keyless);
  await until(keyless, () => linkOf(keyless).status().state === 'Unregistered', 'it cannot help itself');
  const owned = { ...env, COLONIES_COLONY_PRVKEY: OWNER_KEY };
  const opened = await open(t, owned, { before: putKey(KEY) });
  run(t, opened);
  await until(opened, () => linkOf(opened).status().state === 'Connected', 'it is approved again');
  assert.deepEqual(opened.log.lines, []);
});
