import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.ts';
import { deriveId } from '../../src/colony/identity.ts';
import * as executors from '../../src/colony/messages-executor.ts';
import * as processes from '../../src/colony/messages-process.ts';
import * as server from '../../src/colony/messages-server.ts';
import { ManualClock, turn } from '../fakes/clock.ts';
import {
  createFakeColony,
  EXECUTOR_STATES,
  type JsonMap,
  PROCESS_STATES,
  type ProcessRecord,
} from '../fakes/colony/index.ts';
import { bodyOfMessage, Stage } from './support/colony-replay.ts';
import { clientTo } from './support/colony-server.ts';

// What PROTOCOL.md says of time, wake-ups and lost answers, where no single recording shows it.

const DEFINITION: JsonMap = JSON.parse(
  readFileSync('test/fixtures/seed-blueprints/docker-deployment-definition.json', 'utf8'),
);
const NEVER = new AbortController().signal;

function blueprint(
  name: string,
  more: { image?: string; location?: string; metadata?: JsonMap } = {},
): JsonMap {
  return {
    kind: 'DockerDeployment',
    metadata: { name, colonyname: 'dev', locationname: more.location ?? 'barn', ...more.metadata },
    spec: { instances: [{ name: 'a', type: 'container', image: more.image ?? 'x' }] },
  };
}

const WORK = { conditions: { executortype: 'docker-reconciler', locationname: 'barn' }, maxexectime: -1 };

function stage(options: ConstructorParameters<typeof Stage>[0] = {}): Stage {
  const made = new Stage({ definitions: [DEFINITION], ...options });
  made.approved('executor-1', 'edge-node-1');
  return made;
}

/** Asks for work and returns its id, or the status of the refusal. */
async function ask(on: Stage, role: string, timeout: number, signal?: AbortSignal): Promise<string | number> {
  const message = { colonyname: 'dev', timeout, availablecpu: '', availablemem: '' };
  const answer = await on.world.handle(bodyOfMessage(role, 'assignprocessmsg', message), signal);
  const payload = JSON.parse(Buffer.from(JSON.parse(answer.body).payload, 'base64').toString());
  return payload.processid ?? payload.status;
}

async function close(on: Stage, role: string, processid: unknown): Promise<void> {
  await on.send(role, 'closesuccessfulmsg', { processid: String(processid), out: [] });
}

function stateOf(process: ProcessRecord | undefined): string | undefined {
  return Object.entries(PROCESS_STATES).find(([, value]) => value === process?.state)?.[0];
}

test('the client registers, waits for work and closes it over HTTP, also after a restart', async (t) => {
  const owner = '5'.repeat(64);
  const colony = await createFakeColony({ ownerId: deriveId(owner) });
  t.after(() => colony.stop());
  const client = clientTo(t, colony.url);
  const own = clientTo(t, colony.url, { key: new Secret(owner) });
  await assert.rejects(client.send(executors.getExecutors('dev'), NEVER), { code: 'COLONY_FORBIDDEN' });
  const id = deriveId('1'.repeat(64));
  const node = { id, type: 'docker-reconciler', name: 'n', colony: 'dev', location: 'barn' };
  await own.send(executors.addExecutor(node), NEVER);
  await own.send(executors.approveExecutor('dev', 'n'), NEVER);
  await assert.rejects(client.send(processes.assign('dev', 0), NEVER), { code: 'COLONY_NO_PROCESS' });
  const poll = client.send(processes.assign('dev', 30), NEVER);
  while (colony.world.waitingPolls === 0) await turn();
  colony.world.submit(WORK);
  const process = await poll;
  await client.send(processes.closeSuccessful(process.processid, ['done']), NEVER);
  assert.deepEqual(colony.world.process(process.processid)?.out, ['done']);
  await colony.stop();
  await assert.rejects(client.send(server.getVersion(), NEVER), { code: 'COLONY_REFUSED_CONNECTION' });
  await colony.restart();
  await client.send(server.getVersion(), NEVER);
  assert.equal(colony.world.executor('n')?.state, EXECUTOR_STATES.approved);
});

test('a client that closes its connection gets nothing assigned', async (t) => {
  const colony = await createFakeColony();
  t.after(() => colony.stop());
  colony.world.addExecutor({
    id: deriveId('1'.repeat(64)),
    type: 'docker-reconciler',
    name: 'n',
    location: 'barn',
  });
  colony.world.approve('n');
  const client = clientTo(t, colony.url);
  const giveUp = new AbortController();
  const poll = client.send(processes.assign('dev', 30), giveUp.signal);
  while (colony.world.waitingPolls === 0) await turn();
  giveUp.abort(new Error('enough'));
  await assert.rejects(poll, { code: 'CANCELLED' });
  while (colony.world.waitingPolls > 0) await turn();
  assert.equal(stateOf(colony.world.submit(WORK)), 'waiting');
});

test('a reply that gets lost leaves the process running, where only the history tells of it', async (t) => {
  const colony = await createFakeColony();
  t.after(() => colony.stop());
  const id = deriveId('1'.repeat(64));
  colony.world.addExecutor({ id, type: 'docker-reconciler', name: 'n', location: 'barn' });
  colony.world.approve('n');
  colony.world.submit(WORK);
  colony.world.faults.dropReply('assignprocessmsg', 1);
  const client = clientTo(t, colony.url);
  await assert.rejects(client.send(processes.assign('dev', 0), NEVER), { code: 'COLONY_RESET' });
  await assert.rejects(client.send(processes.assign('dev', 0), NEVER), { code: 'COLONY_NO_PROCESS' });
  const query = { executorId: id, seconds: 3600, state: 'running' } as const;
  assert.equal((await client.send(processes.getProcessHistory('dev', query), NEVER)).length, 1);
});

test('one signal wakes one waiter, in turn, and only at the location as it is spelled', async () => {
  const on = stage();
  on.approved('executor-2', 'edge-node-2');
  on.approved('executor-3', 'edge-node-3', 'Barn');
  const polls = ['executor-1', 'executor-2', 'executor-3'].map((role) => ask(on, role, 30));
  await turn();
  const first = on.world.submit(WORK);
  await turn();
  assert.equal(on.world.waitingPolls, 2);
  assert.equal(await polls[0], first.id);
  const second = on.world.submit(WORK);
  assert.equal(await polls[1], second.id);
  // The third asks at "Barn": nobody tells it, but it would get this one.
  const third = on.world.submit(WORK);
  await on.clock.advance(30_000);
  assert.equal(await polls[2], 404);
  assert.equal(await ask(on, 'executor-3', -1), third.id);
});

test('a process for somebody else may wake the wrong waiter, who then waits on', async () => {
  const on = stage();
  on.approved('executor-2', 'edge-node-2');
  const polls = [ask(on, 'executor-1', 30), ask(on, 'executor-2', 30)];
  await turn();
  on.world.submit({ ...WORK, conditions: { ...WORK.conditions, executornames: ['edge-node-2'] } });
  await on.clock.advance(30_000);
  assert.deepEqual(await Promise.all(polls), [404, 404]);
});

test('a process that is put back wakes nobody', async () => {
  const on = stage();
  on.approved('executor-2', 'edge-node-2');
  const { id } = on.world.submit(WORK);
  assert.equal(await ask(on, 'executor-1', -1), id);
  const poll = ask(on, 'executor-2', 30);
  await turn();
  on.world.removeExecutor('edge-node-1');
  assert.equal(stateOf(on.world.process(id)), 'waiting');
  await on.clock.advance(30_000);
  assert.equal(await poll, 404);
  assert.equal(await ask(on, 'executor-2', -1), id);
});

test('a resumed colony wakes everybody who waited', async () => {
  const on = stage();
  on.world.pause();
  const poll = ask(on, 'executor-1', 30);
  await turn();
  const { id } = on.world.submit(WORK);
  await on.clock.advance(5_000);
  on.world.resume();
  assert.equal(await poll, id);
});

test('ten minutes without an assign call cost the registration, at the next full minute', async () => {
  const on = stage();
  await on.clock.advance(30_000);
  on.world.submit(WORK);
  await ask(on, 'executor-1', -1);
  await on.send('executor-1', 'addfunctionmsg', {
    fun: { colonyname: 'dev', executorname: 'edge-node-1', funcname: 'f' },
  });
  await on.clock.advance(600_000);
  // Other calls are no sign of life.
  await on.send('executor-1', 'getexecutorsmsg', { colonyname: 'dev' });
  assert.equal(on.world.executor('edge-node-1')?.state, EXECUTOR_STATES.approved);
  await on.clock.advance(30_000);
  assert.equal(on.world.executor('edge-node-1')?.state, EXECUTOR_STATES.unregistered);
  assert.deepEqual(on.world.functions(), []);
  assert.deepEqual(on.world.openProcesses().map(stateOf), ['waiting']);
});

test('an approval lasts only until the next sweep unless the executor asks for work before', async () => {
  const on = stage();
  await ask(on, 'executor-1', -1);
  await on.clock.advance(700_000);
  on.world.approve('edge-node-1');
  await on.clock.advance(60_000);
  assert.equal(on.world.executor('edge-node-1')?.state, EXECUTOR_STATES.unregistered);
  on.world.approve('edge-node-1');
  assert.equal(await ask(on, 'executor-1', -1), 404);
  await on.clock.advance(60_000);
  assert.equal(on.world.executor('edge-node-1')?.state, EXECUTOR_STATES.approved);
});

test("who was never heard of is never swept, and the clock of a gateway is not the server's", async () => {
  const on = stage();
  await on.clock.advance(86_400_000);
  assert.equal(on.world.executor('edge-node-1')?.state, EXECUTOR_STATES.approved);
  const before = on.world.now();
  on.clock.jumpWall(-50 * 365 * 86_400_000);
  assert.equal(on.world.now(), before);
});

test('a schedule has one process outstanding, and makes the next as soon as an overdue one is closed', async () => {
  const on = stage();
  on.world.addBlueprint(blueprint('a'));
  on.world.addBlueprint(blueprint('b'));
  await close(on, 'executor-1', await ask(on, 'executor-1', -1));
  await close(on, 'executor-1', await ask(on, 'executor-1', -1));
  const cron = await Promise.all([ask(on, 'executor-1', 70), on.clock.advance(61_000)]);
  assert.deepEqual(on.world.process(String(cron[0]))?.spec.kwargs, { kind: 'DockerDeployment' });
  await on.clock.advance(480_000);
  assert.equal(on.world.openProcesses().length, 1);
  await close(on, 'executor-1', cron[0]);
  await on.clock.advance(1_000);
  assert.deepEqual(on.world.openProcesses().map(stateOf), ['waiting']);
  assert.equal(on.world.processes().length, 4);
});

test('a schedule stands still for ever when its process is cancelled, stays running or fails with a NUL', async () => {
  const ways: ((on: Stage, process: ProcessRecord) => unknown)[] = [
    (on, process) => on.world.cancelGraph(process.graphId),
    (on) => ask(on, 'executor-1', -1),
    async (on, process) => {
      await ask(on, 'executor-1', -1);
      const broken = on.send('executor-1', 'closefailedmsg', { processid: process.id, errors: ['a\0'] });
      await assert.rejects(broken, /UTF8/);
      assert.equal(stateOf(process), 'failed');
      assert.deepEqual(process.errors, []);
    },
  ];
  for (const jam of ways) {
    const on = stage({ staleAfterMs: Number.MAX_SAFE_INTEGER });
    on.world.addBlueprint(blueprint('a'));
    on.world.cancel(on.world.openProcesses()[0]?.id ?? '');
    await on.clock.advance(61_000);
    const [process = assert.fail('there is no process of the schedule')] = on.world.openProcesses();
    await jam(on, process);
    const count = on.world.processes().length;
    await on.clock.advance(7 * 86_400_000);
    assert.equal(on.world.processes().length, count);
  }
});

test('a cron goes with the last blueprint of its kind and place, and what it was told comes in the next time', async () => {
  const on = stage();
  on.world.addBlueprint(blueprint('a'));
  on.world.cancel(on.world.openProcesses()[0]?.id ?? '');
  await on.clock.advance(61_000);
  await on.send('executor-1', 'closesuccessfulmsg', {
    processid: await ask(on, 'executor-1', -1),
    out: ['told'],
  });
  await on.clock.advance(61_000);
  assert.deepEqual(on.world.openProcesses()[0]?.in, ['told']);
  on.world.removeBlueprint('a');
  assert.deepEqual(on.world.crons(), []);
  assert.deepEqual(
    on.world.openProcesses().map((one) => one.spec.funcname),
    ['reconcile', 'cleanup'],
  );
});

test('an update counts the generation up when the spec differs, and takes the status away', async () => {
  const on = stage();
  const { id } = on.world.addBlueprint(blueprint('a'));
  const status = { phase: 'Running' };
  const report = () =>
    on.send('executor-1', 'updateblueprintstatusmsg', { colonyname: 'dev', blueprintname: 'a', status });
  await report();
  assert.deepEqual(on.world.statusOf('a'), status);
  on.world.changeSpec('a', () => ({ instances: [{ name: 'a', type: 'container', image: 'y' }] }));
  assert.deepEqual([on.world.generationOf('a'), on.world.statusOf('a')], [1, status]);
  on.world.updateBlueprint(blueprint('a', { image: 'y', metadata: { labels: { a: 'b' } } }));
  assert.deepEqual([on.world.generationOf('a'), on.world.statusOf('a')], [1, {}]);
  const before = on.world.openProcesses().length;
  on.world.updateBlueprint(blueprint('a', { image: 'z' }), 'owner');
  assert.equal(on.world.openProcesses().length, before);
  on.world.reconcile('a', { force: true });
  assert.equal(on.world.generationOf('a'), 3);
  on.world.removeBlueprint('a');
  assert.notEqual(on.world.addBlueprint(blueprint('a')).id, id);
  assert.throws(() => on.world.addBlueprint(blueprint('a')), { status: 409 });
});

test('schemas are enforced as far as the server does, in its words', () => {
  const { world } = stage();
  const refused: [JsonMap, string][] = [
    [{}, "required field 'instances' is missing"],
    [{ instances: 'x' }, "field 'instances' must be an array, got string"],
    [{ instances: [{ type: 'vm' }] }, "field 'instances[0].type' must be one of [container], got vm"],
  ];
  for (const [spec, problem] of refused)
    assert.throws(() => world.addBlueprint({ ...blueprint('a'), spec }), {
      message: `blueprint validation failed: ${problem}`,
    });
  // Neither nested requirements nor integers count.
  world.addBlueprint({ ...blueprint('a'), spec: { instances: [{ ports: [{ container: 'eighty' }] }] } });
});

test('a stopped world breaks the calls under way and starts again where it was', async () => {
  const on = stage();
  const poll = ask(on, 'executor-1', 30);
  await turn();
  on.world.stop();
  await assert.rejects(poll, { code: 'ECONNRESET' });
  await assert.rejects(ask(on, 'executor-1', -1), { code: 'ECONNREFUSED' });
  on.world.start();
  assert.equal(await ask(on, 'executor-1', -1), 404);
  assert.equal(on.world.waitingPolls, 0);
});

test('answers can be delayed and replaced, and every request is counted', async () => {
  const on = stage();
  on.world.traffic.reset();
  on.world.faults.answerWith('assignprocessmsg', { status: 502, body: '<html>' });
  const body = bodyOfMessage('executor-1', 'assignprocessmsg', { colonyname: 'dev', timeout: -1 });
  assert.equal((await on.world.handle(body)).status, 502);
  on.world.faults.delay('assignprocessmsg', 5_000);
  let isAnswered = false;
  const slow = ask(on, 'executor-1', -1).then(() => {
    isAnswered = true;
  });
  await on.clock.advance(4_000);
  assert.equal(isAnswered, false);
  await on.clock.advance(1_000);
  await slow;
  assert.equal(on.world.countRequests('assignprocessmsg'), 2);
  assert.equal(on.world.countRequests(), 2);
  assert.ok(on.world.count('assignprocessmsg').bytesIn > 2 * 200);
  assert.deepEqual(
    on.world.traffic.entries.map((one) => one.status),
    [502, 404],
  );
});

test('a follower does not notice that its caller has gone, and the process is lost to it', async () => {
  const on = stage({ follower: true });
  const gone = new AbortController();
  const forwarded = ask(on, 'executor-1', 30, gone.signal);
  await turn();
  gone.abort(new Error('gone'));
  await turn();
  assert.equal(stateOf(on.world.submit(WORK)), 'waiting');
  await forwarded;
  assert.deepEqual(on.world.openProcesses().map(stateOf), ['running']);
});

test('the health endpoint answers, and answers carry the date of the server', async (t) => {
  const clock = new ManualClock('2031-01-01T00:00:00Z');
  const colony = await createFakeColony({ clock });
  t.after(() => colony.stop());
  const response = await fetch(`${colony.url}/health`);
  assert.deepEqual([response.status, await response.text()], [200, '']);
  assert.equal(response.headers.get('date'), 'Wed, 01 Jan 2031 00:00:00 GMT');
});

test('a link that vouches for the sender saves the work of recovering it', async () => {
  const on = stage();
  const body = bodyOfMessage('unknown-key', 'getexecutorsmsg', { colonyname: 'dev' });
  assert.equal((await on.world.handle(body)).status, 403);
  assert.equal((await on.world.handle(body, undefined, on.world.executor('edge-node-1')?.id)).status, 200);
});

test('ten years without anybody cost no time', async () => {
  const on = stage();
  on.world.addBlueprint(blueprint('a'));
  await ask(on, 'executor-1', -1);
  const begin = process.hrtime.bigint();
  await on.clock.advance(10 * 365 * 86_400_000);
  assert.ok(process.hrtime.bigint() - begin < 2_000_000_000n);
  assert.equal(on.world.openProcesses().length, 2);
});
