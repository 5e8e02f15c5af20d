import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { EdgeError } from '../../src/base/errors.ts';
import { Secret } from '../../src/base/secret.ts';
import { recoverId } from '../../src/colony/crypto.ts';
import type { HttpReply } from '../../src/colony/envelope.ts';
import { deriveId } from '../../src/colony/identity.ts';
import { type ColonyOptions, createColony, createColonyOwner, newKey } from '../../src/colony/port.ts';
import { TrafficCounter } from '../../src/colony/traffic.ts';
import type { JsonObject } from '../../src/model/blueprint.ts';
import { ManualClock } from '../fakes/clock.ts';
import { answer, KEY, refusal } from './support/colony-server.ts';

const never = new AbortController().signal;
const ID = deriveId(KEY.reveal());
const REPLY_HEADERS = { date: 'Sun, 22 Nov 2026 16:49:55 GMT' };

interface Sent {
  type: string;
  message: JsonObject;
  signedBy: string;
}

type Answerer = (type: string, message: JsonObject) => string | HttpReply;

/** A port whose requests are answered here: by a body, or by a whole answer. */
function port(answerer: Answerer, more: Partial<ColonyOptions> = {}) {
  const sent: Sent[] = [];
  const clock = new ManualClock();
  const options: ColonyOptions = {
    server: 'http://colony.example:50080',
    key: KEY,
    clock,
    colony: 'dev',
    executorName: 'edge-1',
    transport: async ({ body }) => {
      const { payloadtype, payload, signature } = JSON.parse(body);
      const message: JsonObject = JSON.parse(Buffer.from(payload, 'base64').toString());
      sent.push({ type: payloadtype, message, signedBy: recoverId(payload, signature) });
      const reply = answerer(payloadtype, message);
      return typeof reply === 'string' ? { status: 200, headers: REPLY_HEADERS, body: reply } : reply;
    },
    ...more,
  };
  return { colony: createColony(options), owner: createColonyOwner(options), sent, clock };
}

function recorded(name: string): string {
  return JSON.parse(readFileSync(`test/vectors/wire/${name}.json`, 'utf8')).response.body;
}

const ok = () => answer({});

test('a process taken from the queue says what is to be done, and whether the schedule made it', async () => {
  const taken = async (name: string) => port(() => recorded(name)).colony.assign(50, never);
  const asked = await taken('assign-immediate-reconcile');
  assert.deepEqual(
    { ...asked, id: asked.id.length, startedAt: typeof asked.startedAt },
    {
      id: 64,
      funcName: 'reconcile',
      kind: 'DockerDeployment',
      blueprintName: 'web',
      force: false,
      isScheduled: false,
      startedAt: 'number',
      retries: 0,
    },
  );
  const scheduled = await taken('assign-cron-reconcile');
  assert.equal(scheduled.isScheduled, true);
  assert.equal(scheduled.blueprintName, '');
  assert.equal((await taken('assign-cleanup')).funcName, 'cleanup');
});

test('a long poll waits whole seconds, and without a wait the queue is only looked at', async () => {
  const { colony, sent } = port(() => refusal(404, 'No process available for assignment'));
  await assert.rejects(colony.assign(50, never), { code: 'COLONY_NO_PROCESS' });
  await assert.rejects(colony.assign(0, never), { code: 'COLONY_NO_PROCESS' });
  assert.deepEqual(
    sent.map(({ message }) => message.timeout),
    [50, -1],
  );
  assert.equal(colony.id, ID);
  assert.ok(sent.every(({ signedBy }) => signedBy === ID));
});

test('a heartbeat is done when the queue is empty or paused, and fails when we are not taken', async () => {
  const beat = (status: number, message: string) => port(() => refusal(status, message)).colony;
  await beat(404, 'No process available for assignment').heartbeat(never);
  await beat(503, 'Process assignments are paused').heartbeat(never);
  await assert.rejects(beat(403, 'Access denied, not a member').heartbeat(never), {
    code: 'COLONY_FORBIDDEN',
  });
});

test('what we hold is asked for as far back as can be, and only what is ours and running counts', async () => {
  const [one] = JSON.parse(readFileSync('test/vectors/wire/process-hist-own-running.json', 'utf8'))
    .response_decoded.payload;
  const mine = { ...one, assignedexecutorid: ID };
  const list = [
    { ...mine, processid: 'a' },
    { ...mine, processid: 'b', state: 2 },
    { ...mine, processid: 'c', assignedexecutorid: 'e'.repeat(64) },
  ];
  const { colony, sent } = port(() => answer(list));
  assert.deepEqual(
    (await colony.heldProcesses(never)).map(({ id }) => id),
    ['a'],
  );
  const { executorid, seconds, state } = sent[0]?.message ?? {};
  assert.deepEqual([executorid, state], [ID, 1]);
  assert.ok(Number(seconds) > 9 * 365 * 86_400 && Number(seconds) < 2 ** 31);
  await assert.rejects(port(() => ({ status: 200, headers: {}, body: '' })).colony.heldProcesses(never), {
    code: 'COLONY_FORBIDDEN',
  });
});

function listed(name: string, location?: string): JsonObject {
  const metadata = { name, colonyname: 'dev', ...(location === undefined ? {} : { locationname: location }) };
  return { blueprintid: name, kind: 'DockerDeployment', metadata, spec: {}, status: { phase: name } };
}

test('a listing by location that the server cannot give is made from the whole one', async () => {
  const all = [listed('a', 'Barn'), listed('b', 'barn'), listed('c'), listed('d', 'field'), { metadata: {} }];
  const { colony, sent } = port((_, { locationname }) =>
    locationname === '' ? answer(all) : refusal(500, 'invalid byte sequence'),
  );
  const names = async (location: string | undefined) =>
    (await colony.listBlueprints('DockerDeployment', location, never)).map((one) =>
      one.ok ? one.blueprint.name : 'broken',
    );
  assert.deepEqual(await names('barn'), ['a', 'b']);
  assert.deepEqual(
    sent.map(({ message }) => message.locationname),
    ['barn', ''],
  );
  assert.deepEqual(await names(undefined), ['a', 'b', 'c', 'd', 'broken']);
});

test('a listing that fails is an error and never an empty list; null is an empty list', async () => {
  const failing = port(() => refusal(500, 'database is gone')).colony;
  await assert.rejects(failing.listBlueprints('K', 'barn', never), { code: 'COLONY_FAILED' });
  const denied = port(() => refusal(403, 'Access denied, not a member'));
  await assert.rejects(denied.colony.listBlueprints('K', 'barn', never), { code: 'COLONY_FORBIDDEN' });
  assert.equal(denied.sent.length, 1, 'only a server that failed inside is asked otherwise');
  assert.deepEqual(await port(() => answer(null)).colony.listBlueprints('K', 'barn', never), []);
});

test('a blueprint comes with its status, and none is told apart from a failure', async () => {
  const got = await port(() => answer(listed('web', 'barn'))).colony.getBlueprint('web', never);
  assert.ok(got?.ok);
  assert.deepEqual([got.blueprint.location, got.status], ['barn', { phase: 'web' }]);
  assert.ok(!('document' in got));
  const none = port(() => refusal(404, 'Blueprint not found')).colony;
  assert.equal(await none.getBlueprint('web', never), undefined);
  await assert.rejects(port(() => refusal(500, 'no')).colony.getBlueprint('web', never), {
    code: 'COLONY_FAILED',
  });
});

test('no text goes out with a NUL or without an end', async () => {
  const { colony, sent } = port(ok);
  const long = `\u0000${'x'.repeat(10_000)}`;
  await colony.logProcess('p', long, never);
  await colony.logExecutor(long, never);
  await colony.closeSuccessful('p', ['a\u0000b', long], never);
  await colony.closeFailed('p', Array<string>(1000).fill(long), never);
  await colony.updateStatus('web', { message: 'a\u0000b', list: [{ text: '\u0000' }] }, never);
  for (const { message } of sent) {
    const json = JSON.stringify(message);
    assert.ok(!json.includes('\\u0000'));
    assert.ok(json.length < 200_000, `${json.length}`);
  }
  assert.equal(String(sent[0]?.message.message).length, 4096);
  assert.ok(String(sent[0]?.message.message).endsWith('x…'));
  assert.equal(sent[1]?.message.executorname, 'edge-1');
  const errors = sent[3]?.message.errors as string[];
  assert.equal(errors.length, 32);
  assert.equal(errors.at(-1), '… and 969 more');
  assert.deepEqual(sent[4]?.message.status, { message: 'ab', list: [{ text: '' }] });
});

test('a status that is too large loses the ends of its longest texts and keeps its shape', async () => {
  const { colony, sent } = port(ok);
  const instances = Array.from({ length: 40 }, (_, index) => ({
    name: `c${index}`,
    specHash: 'f'.repeat(64),
    lastError: `${'\u{1f600}'.repeat(4000)}${index}`,
  }));
  const status = { phase: 'Degraded', observedGeneration: 4, instances, logs: 'y'.repeat(100_000) };
  await colony.updateStatus('web', status, never);
  const got = sent[0]?.message.status as typeof status;
  assert.ok(Buffer.byteLength(JSON.stringify(got)) <= 64 * 1024);
  assert.deepEqual([got.phase, got.observedGeneration, got.instances.length], ['Degraded', 4, 40]);
  for (const [index, instance] of got.instances.entries()) {
    assert.deepEqual([instance.name, instance.specHash.length], [`c${index}`, 64]);
    assert.match(instance.lastError, /^\u{1f600}{20,}…$/u);
  }
  const small = { phase: 'Running', text: 'z'.repeat(60_000) };
  await colony.updateStatus('web', small, never);
  assert.deepEqual(sent[1]?.message.status, small, 'what fits goes out as it is');
});

test('a function is listed once, whatever is listed already', async () => {
  const known = { functionid: 'f1', executorname: 'edge-1', funcname: 'reconcile' };
  const { colony, sent } = port((type) =>
    type === 'getfunctionsmsg' ? answer([known]) : answer({ ...known, funcname: 'cleanup' }),
  );
  await colony.ensureFunction('edge-1', 'docker-reconciler', 'reconcile', never);
  await colony.ensureFunction('edge-1', 'docker-reconciler', 'cleanup', never);
  assert.deepEqual(
    sent.map(({ type }) => type),
    ['getfunctionsmsg', 'getfunctionsmsg', 'addfunctionmsg'],
  );
});

test('executors come with their states', async () => {
  const own = await port(() => recorded('executor-unregistered-get-all')).colony.executors(never);
  assert.ok(own.some(({ state }) => state === 'unregistered'));
  assert.ok(own.every(({ id, name }) => id.length === 64 && name !== ''));
});

test('the owner registers an executor with the blueprint it belongs to, and signs with its own key', async () => {
  const ownerKey = new Secret('2'.repeat(64));
  const executor = { executorid: ID, executorname: 'x', state: 0 };
  const { owner, sent } = port((type) => (type === 'addexecutormsg' ? answer(executor) : answer({})), {
    key: ownerKey,
  });
  const add = { id: ID, type: 't', name: 'x', location: '', blueprintId: 'b'.repeat(64), generation: 3 };
  await owner.addExecutor(add, never);
  await owner.approveExecutor('x', never);
  await owner.removeExecutor('x', never);
  assert.deepEqual(sent[0]?.message.executor, {
    executorid: ID,
    executortype: 't',
    executorname: 'x',
    colonyname: 'dev',
    blueprintid: 'b'.repeat(64),
    blueprintgen: 3,
  });
  assert.deepEqual(
    sent.map(({ type, signedBy }) => [type, signedBy === deriveId(ownerKey.reveal())]),
    [
      ['addexecutormsg', true],
      ['approveexecutormsg', true],
      ['removeexecutormsg', true],
    ],
  );
});

test("the server's time is that of its last answer, counted on whatever this machine's clock says", async () => {
  let reply: HttpReply = { status: 404, headers: REPLY_HEADERS, body: refusal(404, 'No process available') };
  const { colony, clock } = port(() => reply);
  assert.equal(colony.serverNow(), undefined);
  await colony.heartbeat(never);
  const at = Date.parse(REPLY_HEADERS.date);
  assert.equal(colony.serverNow(), at);
  clock.jumpWall(-50 * 365 * 86_400_000);
  await clock.advance(90_000);
  assert.equal(colony.serverNow(), at + 90_000);
  const elsewhere = { date: 'Thu, 01 Jan 1970 00:00:00 GMT', 'content-type': 'text/html' };
  for (const [status, body] of [
    [200, '<html>log in</html>'],
    [502, 'bad gateway'],
  ] as const) {
    reply = { status, headers: elsewhere, body };
    await assert.rejects(colony.heartbeat(never));
  }
  assert.equal(colony.serverNow(), at + 90_000, 'a portal and a gateway are not the server');
});

test('bytes are counted by purpose, also over clients that share a counter', async () => {
  const traffic = new TrafficCounter();
  const one = port(() => answer(null), { traffic });
  const other = port(() => answer(null), { traffic, key: new Secret('3'.repeat(64)) });
  await one.colony.listBlueprints('K', undefined, never);
  await other.colony.listBlueprints('K', undefined, never);
  const { list } = one.colony.traffic();
  assert.equal(list?.requests, 2);
  assert.ok((list?.sentBytes ?? 0) > 400 && (list?.receivedBytes ?? 0) > 100);
});

test('without a key there is an identity of none, and each call says what is missing', async () => {
  const keyless: Partial<ColonyOptions> = { key: undefined };
  const { colony, sent } = port(ok, keyless);
  assert.equal(colony.id, '');
  await assert.rejects(colony.heartbeat(never), { code: 'KEY_MISSING' });
  await assert.rejects(colony.heldProcesses(never), { code: 'KEY_MISSING' });
  assert.deepEqual(sent, []);
});

test('a key that comes later is taken up by the next call, and asked for no more', async () => {
  let asked = 0;
  let key: Secret | undefined;
  const missing = new EdgeError('no key yet', { code: 'KEY_MISSING', retry: 'permanent' });
  const source = async () => {
    asked += 1;
    if (key === undefined) throw missing;
    return key;
  };
  const { colony, sent } = port(() => refusal(404, 'No process available'), { key: source });
  await assert.rejects(colony.heartbeat(never), missing);
  assert.deepEqual([colony.id, asked, sent.length], ['', 1, 0]);
  key = KEY;
  await colony.heartbeat(never);
  await colony.heartbeat(never);
  assert.deepEqual([colony.id, asked, sent.length], [ID, 2, 2]);
  key = new Secret('0'.repeat(64));
  const bad = port(ok, { key: source }).colony;
  await assert.rejects(bad.heartbeat(never), { code: 'KEY_INVALID' });
});

test('certificates that cannot be read fail the connection with their own error, until they can', async () => {
  const unreadable = new EdgeError('no such file', { code: 'TLS_FILE_UNREADABLE', retry: 'transient' });
  const colony = createColony({
    server: 'https://127.0.0.1:9',
    key: KEY,
    clock: new ManualClock(),
    colony: 'dev',
    executorName: 'edge-1',
    tls: () => Promise.reject(unreadable),
  });
  await assert.rejects(colony.heartbeat(never), unreadable);
  await colony.close();
});

test('a closed port gives up what is under way, and takes nothing more', async () => {
  const { colony } = port(ok, { transport: () => new Promise(() => undefined) });
  const waiting = colony.assign(50, never);
  await colony.close();
  await assert.rejects(waiting, { code: 'CANCELLED' });
  await assert.rejects(colony.assign(50, never), { code: 'CANCELLED' });
});

test('an answer that does not come is a timeout on the clock that was given', async () => {
  const { colony, clock } = port(ok, { transport: () => new Promise(() => undefined) });
  const waiting = colony.assign(50, never);
  const failed = assert.rejects(waiting, { code: 'COLONY_TIMEOUT' });
  await clock.advance(71_000);
  await failed;
});

test('new keys differ and fit their ids', () => {
  const [one, two] = [newKey(), newKey()];
  assert.notEqual(one.key, two.key);
  assert.equal(deriveId(one.key), one.id);
});
