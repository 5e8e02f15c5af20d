import assert from 'node:assert/strict';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.ts';
import { colonySettings } from '../../src/cli/colony-settings.ts';
import { knownKey } from '../../src/cli/known-key.ts';
import { deriveId } from '../../src/colony/identity.ts';
import { changeExecutorId } from '../../src/colony/messages-executor.ts';
import { assign, closeSuccessful } from '../../src/colony/messages-process.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { FakeColonyOptions } from '../fakes/colony/index.ts';
import { fakeIo } from '../fakes/io.ts';
import { freshKey, hurriedClock, type Plant, plant } from './support/colony-cli.ts';
import { clientTo } from './support/colony-server.ts';

const idIn = async (path: string) => deriveId((await readFile(path, 'utf8')).trim());
const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

/** A node that is approved, with a key in its file. */
async function registered(
  t: TestContext,
  options: FakeColonyOptions = {},
): Promise<Plant & { next: string; id: string }> {
  const p = await plant(t, options);
  assert.equal((await p.call(['register', '--owner-key-file', p.ownerFile])).code, 0);
  return { ...p, next: `${p.keyFile}.next`, id: await idIn(p.keyFile) };
}

/** The node's own view of the server, with the key that stands in its file now. */
async function clientOf(t: TestContext, p: Plant) {
  const key = new Secret((await readFile(p.keyFile, 'utf8')).trim());
  return clientTo(t, p.colony.url, { key });
}

/** What the agent does at its start and whenever it is refused. */
async function asTheAgent(p: Plant) {
  const loaded = await loadConfig({ flags: {}, env: p.env, cwd: p.dir });
  assert.ok(loaded.ok);
  const { io } = fakeIo({ env: p.env });
  const settings = colonySettings(loaded.config, p.env);
  assert.ok(settings);
  return (await knownKey(settings, io)).id;
}

test('rotate-key exchanges the key, keeps name and approval, and leaves nothing beside it', async (t) => {
  const p = await registered(t);
  const { code, out, err } = await p.call(['rotate-key', '--json']);
  assert.equal(code, 0, err);
  const told = JSON.parse(out);
  const now = await idIn(p.keyFile);
  assert.notEqual(now, p.id);
  assert.deepEqual([told.before, told.id, told.notes], [p.id, now, []]);
  assert.equal(p.world.executor('gw-7')?.id, now);
  assert.equal((await stat(p.keyFile)).mode & 0o777, 0o600);
  assert.equal(await exists(p.next), false);
  assert.equal((await p.call(['whoami'])).code, 0);
  assert.equal(await asTheAgent(p), now);
});

test('an answer that is lost after the server has done its work is made up for at once', async (t) => {
  const p = await registered(t);
  p.world.faults.dropReply('changeexecutoridmsg');
  assert.equal((await p.call(['rotate-key'])).code, 0);
  assert.equal(p.world.executor('gw-7')?.id, await idIn(p.keyFile));
});

test('cut off before the server has heard of it, the same next key is used by the next call', async (t) => {
  const p = await registered(t);
  p.world.faults.answerWith('changeexecutoridmsg', { status: 503, body: 'down' });
  const cut = await p.call(['rotate-key']);
  assert.equal(cut.code, 1, cut.out);
  assert.equal(await idIn(p.keyFile), p.id);
  const next = await idIn(p.next);
  assert.equal(await asTheAgent(p), p.id);
  assert.equal((await p.call(['rotate-key'])).code, 0);
  assert.equal(await idIn(p.keyFile), next);
  assert.equal(p.world.executor('gw-7')?.id, next);
});

for (const who of ['the next call', 'the agent'])
  test(`cut off after the server has taken the next key, ${who} puts it into its place`, async (t) => {
    const p = await registered(t);
    const key = freshKey();
    await writeFile(p.next, `${key}\n`, { mode: 0o600 });
    await (await clientOf(t, p)).send(changeExecutorId('plant', deriveId(key)), AbortSignal.timeout(10_000));
    if (who === 'the agent') assert.equal(await asTheAgent(p), deriveId(key));
    else assert.match((await p.call(['rotate-key'])).out, /an earlier rotation was carried to its end/);
    assert.equal(await idIn(p.keyFile), deriveId(key));
    assert.equal(await exists(p.next), false);
    assert.equal((await p.call(['whoami'])).code, 0);
  });

test('a rotation that the server refuses leaves the old key and no next one', async (t) => {
  const p = await registered(t);
  const body = Buffer.from(JSON.stringify({ status: 400, message: 'no' })).toString('base64');
  p.world.faults.answerWith('changeexecutoridmsg', {
    status: 400,
    body: JSON.stringify({ payloadtype: 'error', payload: body, error: true }),
  });
  assert.equal((await p.call(['rotate-key'])).code, 1);
  assert.equal(await idIn(p.keyFile), p.id);
  assert.equal(await exists(p.next), false);
});

test('a node at work keeps its key, as nobody could close its processes under another', async (t) => {
  const p = await registered(t);
  p.world.submit({
    funcname: 'reconcile',
    conditions: { colonyname: 'plant', executortype: 'docker-reconciler' },
    maxexectime: -1,
  });
  const client = await clientOf(t, p);
  const taken = await client.send(assign('plant', 0), AbortSignal.timeout(10_000));
  const { code, err } = await p.call(['rotate-key'], { clock: hurriedClock() });
  assert.equal(code, 1);
  assert.ok(err.includes(taken.processid), err);
  assert.equal(await idIn(p.keyFile), p.id);
  assert.equal(await exists(p.next), false);
});

test("the schedule's process that the agent holds back is closed, and is in nobody's way", async (t) => {
  const seed = 'test/fixtures/seed-blueprints/docker-deployment-definition.json';
  const definitions = [JSON.parse(await readFile(seed, 'utf8'))];
  const p = await registered(t, { cronEveryMs: 100, checkEveryMs: 50, definitions });
  const metadata = { name: 'web', colonyname: 'plant', locationname: 'barn' };
  p.world.addBlueprint({ kind: 'DockerDeployment', metadata, spec: { instances: [] } });
  const client = await clientOf(t, p);
  const signal = AbortSignal.timeout(10_000);
  const first = await client.send(assign('plant', 5), signal);
  await client.send(closeSuccessful(first.processid, []), signal);
  const held = await client.send(assign('plant', 5), signal);
  assert.notEqual(held.processgraphid, '');
  const { code, err } = await p.call(['rotate-key']);
  assert.equal(code, 0, err);
  assert.equal(p.world.processes().find(({ id }) => id === held.processid)?.state, 2);
});

test('a node that waits for its approval may exchange its key too', async (t) => {
  const p = await plant(t);
  await p.call(['register']);
  const id = await idIn(p.keyFile);
  p.world.addExecutor({ id, name: 'gw-7', type: 'docker-reconciler', location: 'barn' });
  assert.equal((await p.call(['rotate-key'])).code, 0);
  assert.equal(p.world.executor('gw-7')?.id, await idIn(p.keyFile));
});

test('a key that the colony does not know, or that comes from elsewhere, is not exchanged', async (t) => {
  const p = await registered(t);
  const env = { COLONIES_PRVKEY: freshKey() };
  const foreign = await p.call(['rotate-key', '--json'], { env });
  assert.equal(JSON.parse(foreign.out).error.code, 'KEY_NOT_OURS');
  await rm(p.keyFile);
  await p.call(['register']);
  const unknown = await p.call(['rotate-key', '--json']);
  assert.equal(JSON.parse(unknown.out).error.code, 'KEY_UNKNOWN');
  assert.equal(await exists(p.next), false);
});
