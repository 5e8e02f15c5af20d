import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createExecutorLog } from '../../../src/link/executor-log.ts';
import type { AgentEvent } from '../../../src/model/status.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { HandConnection } from '../../fakes/link-connection.ts';
import { colonyError, FakeColony, FakeHost } from '../../fakes/link-parts.ts';
import { CollectingLog } from '../../fakes/log.ts';
import { seededRandom } from '../../fakes/random.ts';

const MINUTE = 60_000;

function bench() {
  const clock = new ManualClock();
  const colony = new FakeColony(clock);
  const connection = new HandConnection(colony);
  const host = new FakeHost();
  const stop = new AbortController();
  const lane = createExecutorLog({ clock, random: seededRandom(3), log: new CollectingLog() }, connection);
  const end = { isOver: false };
  void lane.run(host, stop.signal).then(() => {
    end.isOver = true;
  });
  let seq = 0;
  const happen = (message: string, change: Partial<AgentEvent> = {}) => {
    seq += 1;
    host.happened({
      seq,
      time: '2026-01-02T03:04:05.678Z',
      level: 'info',
      message,
      blueprint: 'web',
      ...change,
    });
  };
  const messages = () => colony.calls.map((call) => call.replace(/^logExecutor /, ''));
  return { clock, colony, connection, happen, messages, stop, end };
}

test('events that come together are one message, at most one in 10 s', async () => {
  const { clock, connection, happen, messages } = bench();
  connection.goUp();
  happen('container created');
  happen('container started');
  await clock.advance(3_000);
  assert.deepEqual(messages(), [
    '03:04:05 info web: container created\n03:04:05 info web: container started',
  ]);
  for (let second = 0; second < 60; second += 1) {
    happen(`event ${second}`);
    await clock.advance(1_000);
  }
  await clock.advance(20_000);
  assert.ok(messages().length <= 8, `${messages().length}`);
  assert.match(messages().at(-1) ?? '', /event 59$/);
});

test('on a metered link there is one message in 5 min, of at most 1,000 signs, and the rest is counted', async () => {
  const { clock, connection, happen, messages } = bench();
  connection.linkClass = 'metered';
  connection.goUp();
  for (let minute = 0; minute < 60; minute += 1) {
    for (let each = 0; each < 10; each += 1) happen(`event ${minute} ${each}`, { detail: 'x'.repeat(200) });
    await clock.advance(MINUTE);
  }
  assert.ok(messages().length <= 13, `${messages().length}`);
  for (const message of messages()) assert.ok(message.length <= 1_000);
  assert.match(messages().at(-1) ?? '', /^\d+ earlier events left out\n/);
});

test('an idle agent writes nothing', async () => {
  const { clock, connection, messages } = bench();
  connection.goUp();
  await clock.advance(24 * 60 * MINUTE);
  assert.deepEqual(messages(), []);
});

test('a disconnected period is summed up, once', async () => {
  const { clock, connection, happen, messages } = bench();
  connection.goUp();
  connection.goTo('Offline');
  const since = clock.now();
  for (let minute = 0; minute < 200; minute += 1) {
    happen('container started', { healed: true });
    await clock.advance(MINUTE);
  }
  assert.deepEqual(messages(), []);
  connection.goUp({ since, until: clock.now() });
  await clock.advance(MINUTE);
  assert.equal(messages().length, 1);
  assert.match(messages()[0] ?? '', /^offline from .*: 200 events, 200 containers healed; the last 5:\n/);
});

test('what happened before the first contact is told as it was', async () => {
  const { clock, connection, happen, messages } = bench();
  happen('agent started');
  await clock.advance(30_000);
  connection.goUp();
  await clock.advance(5_000);
  assert.deepEqual(messages(), ['03:04:05 info web: agent started']);
});

test('what cannot be sent is kept and sent later; what the server will not have is counted', async () => {
  const { clock, colony, connection, happen, messages } = bench();
  connection.goUp();
  colony.failing.set('logExecutor', colonyError('COLONY_TIMEOUT'));
  happen('first');
  await clock.advance(5_000);
  colony.failing.clear();
  await clock.advance(10 * MINUTE);
  assert.deepEqual(messages(), ['03:04:05 info web: first', '03:04:05 info web: first']);
  colony.failing.set('logExecutor', colonyError('COLONY_NOT_FOUND'));
  happen('second');
  await clock.advance(MINUTE);
  colony.failing.clear();
  happen('third');
  await clock.advance(10 * MINUTE);
  assert.equal(messages().at(-1), '1 earlier event left out\n03:04:05 info web: third');
  assert.equal(messages().length, 4);
});

test('the lane ends when it is told to, wherever it waits', async () => {
  for (const before of ['nothing', 'link', 'time']) {
    const { clock, connection, happen, stop, end } = bench();
    if (before === 'time') connection.goUp();
    if (before !== 'nothing') happen('something');
    await clock.advance(100);
    if (before === 'link') connection.goUp({ since: 0, until: 1 });
    stop.abort(new Error('the test is over'));
    await clock.advance(0);
    assert.ok(end.isOver, before);
  }
});
