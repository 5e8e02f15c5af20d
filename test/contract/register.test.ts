import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { deriveId } from '../../src/colony/identity.ts';
import { freshKey, hurriedClock, plant } from './support/colony-cli.ts';

const idIn = async (path: string) => deriveId((await readFile(path, 'utf8')).trim());

test('register makes a key once, for its owner only, and ends with 3 until the colony approves', async (t) => {
  const p = await plant(t);
  const first = await p.call(['register']);
  assert.equal(first.code, 3, first.err);
  const id = await idIn(p.keyFile);
  assert.match(first.out, new RegExp(`^id +${id}$`, 'm'));
  assert.match(first.out, /^key +made in /m);
  assert.equal((await stat(p.keyFile)).mode & 0o777, 0o600);
  assert.equal((await stat(p.state)).mode & 0o777, 0o700);
  const again = await p.call(['register']);
  assert.match(again.out, /^key +is in /m);
  assert.equal(await idIn(p.keyFile), id);
  assert.equal(p.world.executors().length, 0);
});

test('the owner can copy the commands into a shell, and the calls into a client', async (t) => {
  const p = await plant(t);
  const env = { COLONIES_EXECUTOR_NAME: "o'brien", COLONIES_EXECUTOR_LOCATION: 'the barn' };
  const told = JSON.parse((await p.call(['register', '--json'], { env })).out);
  assert.deepEqual([told.state, told.made], ['unknown', true]);
  const [spec, add, approve] = told.owner.commands;
  execFileSync('sh', ['-c', spec], { cwd: p.dir });
  assert.deepEqual(JSON.parse(await readFile(join(p.dir, 'executor.json'), 'utf8')), {
    executorname: "o'brien",
    executortype: 'docker-reconciler',
    locationname: 'the barn',
  });
  assert.equal(add, `colonies executor add --spec executor.json --executorid ${told.id}`);
  assert.equal(approve, "colonies executor approve --name 'o'\\''brien'");
  assert.deepEqual(
    told.owner.calls.map((call: { payloadtype: string }) => call.payloadtype),
    ['addexecutormsg', 'approveexecutormsg'],
  );
  assert.equal(told.owner.calls[0].payload.executor.lastheardfromtime, undefined);
});

test('with the owner key register adds, approves and is heard, and once done says so', async (t) => {
  const p = await plant(t);
  const { code, out, err } = await p.call(['register', '--owner-key-file', p.ownerFile]);
  assert.equal(code, 0, err);
  assert.match(out, /^state +approved/m);
  const record = p.world.executor('gw-7');
  assert.equal(record?.id, await idIn(p.keyFile));
  assert.equal(record?.location, 'barn');
  const heard = JSON.parse((await p.call(['whoami', '--json'])).out);
  assert.equal(heard.state, 'approved');
  assert.ok(Date.parse(heard.lastHeard) > Date.now() - 60_000, heard.lastHeard);
  assert.equal((await p.call(['register'])).code, 0);
  assert.equal(p.world.countRequests('addexecutormsg'), 1);
});

test('the owner key may come by environment or as a credential', async (t) => {
  const p = await plant(t);
  const credentials = join(p.dir, 'credentials');
  await mkdir(credentials);
  await writeFile(join(credentials, 'owner-key'), p.ownerKey, { mode: 0o440 });
  const by = { CREDENTIALS_DIRECTORY: credentials };
  assert.equal((await p.call(['register'], { env: by })).code, 0);
  const other = { COLONIES_EXECUTOR_NAME: 'gw-8', COLONIES_EDGE_STATE_DIR: join(p.dir, 'state-8') };
  assert.equal(
    (await p.call(['register'], { env: { ...other, COLONIES_COLONY_PRVKEY: p.ownerKey } })).code,
    0,
  );
  assert.deepEqual(
    p.world.executors().map(({ name }) => name),
    ['gw-7', 'gw-8'],
  );
});

for (const [state, undo] of [
  ['rejected', 'reject'],
  ['unregistered', 'removeExecutor'],
] as const)
  test(`an executor that was ${state} is approved again, not added`, async (t) => {
    const p = await plant(t);
    await p.call(['register', '--owner-key-file', p.ownerFile]);
    p.world[undo]('gw-7');
    const told = JSON.parse((await p.call(['register', '--json'])).out);
    assert.equal(told.state, state);
    assert.deepEqual(told.owner.commands, ['colonies executor approve --name gw-7']);
    assert.equal((await p.call(['register', '--owner-key-file', p.ownerFile])).code, 0);
    assert.equal(p.world.countRequests('addexecutormsg'), 1);
    p.world.sweepNow();
    assert.equal((await p.call(['whoami'])).code, 0);
  });

test('a name that another key has is an error with the ways out', async (t) => {
  const p = await plant(t);
  p.world.addExecutor({ id: deriveId(freshKey()), name: 'gw-7', type: 'docker-reconciler' });
  const { code, err } = await p.call(['register', '--owner-key-file', p.ownerFile]);
  assert.equal(code, 1);
  assert.match(err, /is or was another executor's.*--executor-name.*COLONIES_ALLOW_EXECUTOR_REREGISTER/);
});

test('where the server allows registering again, a user key keeps a living node from losing its name', async (t) => {
  const p = await plant(t, { allowReregister: true });
  const rival = deriveId(freshKey());
  p.world.addExecutor({ id: rival, name: 'gw-7', type: 'docker-reconciler' });
  p.world.approve('gw-7');
  const keys = ['--owner-key-file', p.ownerFile, '--user-key-file', p.userFile];
  const { out } = await p.call(['register', '--json', ...keys]);
  assert.equal(JSON.parse(out).error.code, 'NAME_TAKEN');
  assert.equal(p.world.executor('gw-7')?.id, rival);
});

test('one key is not registered under two names, and a user is no executor', async (t) => {
  const p = await plant(t);
  await p.call(['register', '--owner-key-file', p.ownerFile]);
  const other = ['register', '--executor-name', 'gw-9', '--json'];
  for (const argv of [other, [...other, '--owner-key-file', p.ownerFile]])
    assert.equal(JSON.parse((await p.call(argv)).out).error.code, 'REGISTERED_ELSE');
  assert.equal(p.world.executor('gw-9'), undefined);
  const env = { COLONIES_PRVKEY: p.userKey };
  const asUser = await p.call(['register', '--json', '--owner-key-file', p.ownerFile], { env });
  assert.equal(JSON.parse(asUser.out).error.code, 'KEY_ROLE');
});

test('a key of somebody else than the owner is told as such', async (t) => {
  const p = await plant(t);
  const { code, err } = await p.call(['register', '--owner-key-file', p.userFile]);
  assert.equal(code, 1);
  assert.match(err, /not that of colony plant/);
});

test('a key by environment or credential is used and shown by its id, and no file is made', async (t) => {
  const p = await plant(t);
  const key = freshKey();
  const { out } = await p.call(['register', '--json'], { env: { COLONIES_PRVKEY: key } });
  const told = JSON.parse(out);
  assert.deepEqual([told.id, told.made, told.key.where], [deriveId(key), false, 'COLONIES_PRVKEY']);
  await assert.rejects(stat(p.keyFile), { code: 'ENOENT' });
});

test('an unreachable server does not keep the commands back, and whoami ends with 1', async (t) => {
  const p = await plant(t);
  await p.colony.stop();
  const { code, out } = await p.call(['register']);
  assert.equal(code, 3);
  assert.match(out, /colonies executor approve --name gw-7/);
  assert.match(out, /^state +the server cannot be asked: .*nobody listens/m);
  const who = await p.call(['whoami', '--json']);
  assert.equal(who.code, 1);
  assert.equal(JSON.parse(who.out).code, 'COLONY_REFUSED_CONNECTION');
});

test('--wait goes on through an outage until the owner approves, and is heard', async (t) => {
  const p = await plant(t);
  await p.call(['register']);
  await p.colony.stop();
  const waiting = p.call(['register', '--wait', '--json'], { clock: hurriedClock() });
  await p.colony.restart();
  const asked = () => p.world.countRequests('getexecutorsmsg');
  while (asked() < 3) await new Promise((resolve) => setImmediate(resolve));
  p.world.addExecutor({
    id: await idIn(p.keyFile),
    name: 'gw-7',
    type: 'docker-reconciler',
    location: 'barn',
  });
  p.world.approve('gw-7');
  const { code, out } = await waiting;
  assert.equal(code, 0);
  assert.equal(JSON.parse(out).state, 'approved');
  assert.ok(p.world.countRequests('assignprocessmsg') > 0);
});

test('--wait ends with 3 when its time is over or the operator interrupts', async (t) => {
  const p = await plant(t);
  const timed = await p.call(['register', '--wait', '--timeout', '30s'], { clock: hurriedClock() });
  assert.equal(timed.code, 3);
  assert.match(timed.out, /^waiting: unknown$/m);
  assert.equal((await p.call(['register', '--wait', '--timeout', 'soon'])).code, 2);
  const stop = new AbortController();
  const waiting = p.call(['register', '--wait'], { signal: stop.signal });
  setTimeout(() => stop.abort(), 200);
  assert.equal((await waiting).code, 3);
});

test('what differs between record and settings is told', async (t) => {
  const p = await plant(t);
  await p.call(['register', '--owner-key-file', p.ownerFile]);
  const { code, out } = await p.call(['whoami', '--location', 'yard', '--executor-type', 'other']);
  assert.equal(code, 0);
  assert.match(out, /^note +the colony has it as type docker-reconciler, the settings say other$/m);
  assert.match(out, /^note +the colony has it at location barn, the settings say yard/m);
});

test('whoami without a key, and every command without a server, say what to do', async (t) => {
  const p = await plant(t);
  const who = await p.call(['whoami']);
  assert.equal(who.code, 1);
  assert.match(who.err, /run colonies-edge register/);
  for (const command of ['register', 'whoami', 'rotate-key']) {
    const { code, err } = await p.call([command, '--server', 'none']);
    assert.equal(code, 78, command);
    assert.match(err, /COLONIES_SERVER_HOST/);
  }
});

test('a key file that is damaged or open to others is named', async (t) => {
  const p = await plant(t);
  await p.call(['register']);
  await chmod(p.keyFile, 0o644);
  assert.match((await p.call(['register'])).out, /^warning .*mode 0644/m);
  await writeFile(p.keyFile, 'not a key');
  const { code, err } = await p.call(['whoami']);
  assert.equal(code, 1);
  assert.match(err, /executor\.key: it must be 64 hexadecimal digits/);
  await writeFile(p.keyFile, 'f'.repeat(64));
  assert.match((await p.call(['whoami'])).err, /outside the range of the curve/);
});
