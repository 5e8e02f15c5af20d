import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../src/model/blueprint.ts';
import { colonyError } from '../../fakes/link-parts.ts';
import { sampleDocument } from '../../fakes/sample-status.ts';
import { Bench, conditionsOf, event, failing, MINUTE, reportOf } from './reporter-bench.ts';

test('each blueprint is reported once the server was listed, and then only when it changes', async () => {
  const bench = new Bench();
  bench.host.reported = [reportOf('web'), reportOf('db')];
  bench.connection.goUp();
  await bench.pass(MINUTE);
  assert.deepEqual(bench.names(), []);
  assert.equal(bench.reporter.unsent, 2);
  await bench.run(reportOf('web'), reportOf('db'));
  assert.deepEqual(bench.names().sort(), ['db', 'web']);
  assert.equal(bench.reporter.unsent, 0);
  for (let look = 0; look < 10; look += 1) {
    bench.report(
      reportOf('web', {
        status: sampleDocument({ node: 'gw-1', lastUpdated: `2026-01-02T03:1${look}:00Z` }),
      }),
      reportOf('db'),
    );
    await bench.pass(20_000);
  }
  assert.equal(bench.sent.length, 2);
  bench.report(failing('web'), reportOf('db'));
  await bench.pass(1_000);
  assert.deepEqual(
    bench.sent.slice(2).map(({ name, status }) => [name, status.phase]),
    [['web', 'Degraded']],
  );
  bench.end();
});

test('changes that come fast are one status in 10 s, and the last one gets there', async () => {
  const bench = new Bench();
  await bench.run(reportOf('web'));
  for (let change = 0; change < 50; change += 1) {
    bench.report(failing('web', `attempt ${change}`));
    await bench.pass(500);
  }
  await bench.pass(10_000);
  assert.ok(bench.sent.length <= 5, `${bench.sent.length}`);
  assert.equal(bench.sent.at(-1)?.status.lastError, 'attempt 49');
  bench.end();
});

test('an unchanged status is sent again at each heartbeat, 16 times as rarely where the link is metered', async () => {
  for (const [linkClass, expected] of [
    ['normal', 1 + 24 * 4],
    ['metered', 1 + 24 / 4],
  ] as const) {
    const bench = new Bench();
    bench.connection.linkClass = linkClass;
    await bench.run(reportOf('web'));
    await bench.pass(24 * 60 * MINUTE);
    const { length } = bench.sent;
    assert.ok(length >= expected && length <= expected * 1.12 + 1, `${linkClass}: ${length}`);
    bench.end();
  }
});

test('a claim is renewed in its own interval, metered or not', async () => {
  const bench = new Bench();
  bench.connection.linkClass = 'metered';
  bench.stamps.set('web', { node: 'gw-1', claimedAt: '2026-01-02T03:00:00Z', claimIntervalS: 900 });
  await bench.run(reportOf('web'));
  await bench.pass(60 * MINUTE);
  assert.ok(bench.sent.length >= 5, `${bench.sent.length}`);
  assert.equal(bench.sent[0]?.status.claimIntervalS, 900);
  bench.end();
});

test('after a restart nothing is sent when the server has the same', async () => {
  const bench = new Bench();
  await bench.run(reportOf('web'), failing('db'));
  const { server } = bench;
  bench.end();
  const next = new Bench();
  next.server = server;
  next.host.reported = [reportOf('web'), failing('db')];
  next.connection.goUp();
  next.list();
  await next.pass(20_000);
  assert.deepEqual(next.names(), []);
  next.report(reportOf('web'), reportOf('db'));
  await next.pass(1_000);
  assert.deepEqual(next.names(), ['db']);
  next.end();
});

test('a status that an update of the blueprint wiped is written again', async () => {
  const bench = new Bench();
  await bench.run(reportOf('web'));
  for (const copy of [{}, { phase: 'Pending', node: 'gw-1' }]) {
    await bench.pass(MINUTE);
    bench.server?.set('web', copy);
    bench.list();
    await bench.pass(1_000);
    assert.equal(bench.server?.get('web')?.phase, 'Running');
  }
  assert.equal(bench.sent.length, 3);
  bench.end();
});

test('a blueprint that was removed and added again is told of at once', async () => {
  const bench = new Bench();
  await bench.run(reportOf('web'));
  bench.ids.set('web', 'id-2');
  bench.server?.set('web', {});
  bench.list();
  await bench.pass(1_000);
  assert.equal(bench.sent.length, 2);
  bench.end();
});

test('what the directory says is not reported, nor what the server does not have', async () => {
  const bench = new Bench();
  await bench.run({ ...reportOf('web'), file: '/etc/web.json' }, reportOf('db'));
  bench.report({ ...reportOf('web'), file: '/etc/web.json' }, reportOf('db'), reportOf('unlisted'));
  await bench.pass(MINUTE);
  assert.deepEqual(bench.names(), ['db']);
  bench.end();
});

test('what another node runs is left alone', async () => {
  const bench = new Bench();
  bench.others.add('web');
  await bench.run(reportOf('web'));
  bench.report(failing('web'));
  await bench.pass(MINUTE);
  assert.deepEqual(bench.names(), []);
  bench.end();
});

test('a blueprint that leaves is told of while the last word on it was ours, and not once another node has it', async () => {
  const bench = new Bench();
  await bench.run(reportOf('web'));
  await bench.pass(MINUTE);
  bench.report(reportOf('web', { phase: 'Deleting' }));
  await bench.pass(1_000);
  assert.equal(bench.sent.at(-1)?.status.phase, 'Deleting');
  await bench.pass(MINUTE);
  bench.server?.set('web', { node: 'gw-2', phase: 'Running' });
  bench.list();
  bench.report(
    reportOf('web', { phase: 'Deleting', status: sampleDocument({ node: 'gw-1', lastError: 'x' }) }),
  );
  await bench.pass(MINUTE);
  assert.equal(bench.sent.length, 2);
  bench.end();
});

test('a document that no node could take is told of by one node only', async () => {
  const refused = reportOf('odd', { kind: 'unknown', phase: 'Failed', desired: 0 });
  for (const [writer, expected] of [
    [undefined, 1],
    ['gw-1', 1],
    ['gw-2', 0],
  ] as const) {
    const bench = new Bench();
    bench.host.reported = [refused];
    bench.server?.set('odd', writer === undefined ? {} : { node: writer, phase: 'Failed' });
    bench.connection.goUp();
    bench.list();
    await bench.pass(MINUTE);
    assert.equal(bench.sent.length, expected, writer);
    bench.end();
  }
});

test('while away nothing is tried; back again the newest status goes out with what happened, once', async () => {
  const bench = new Bench();
  await bench.run(reportOf('web'), reportOf('db'));
  const since = bench.clock.now();
  bench.connection.goTo('Offline');
  for (let look = 0; look < 30; look += 1) {
    bench.host.happened(event({ message: 'container stopped', detail: `try ${look}` }));
    bench.host.happened(event({ healed: true }));
    bench.report(failing('web', `attempt ${look}`), reportOf('db'));
    await bench.pass(MINUTE);
  }
  assert.equal(bench.sent.length, 2);
  assert.equal(bench.reporter.unsent, 1);
  bench.connection.goUp({ since, until: bench.clock.now() });
  await bench.pass(1_000);
  const [back] = bench.sent.slice(2);
  assert.equal(back?.name, 'web');
  assert.equal(back?.status.lastError, 'attempt 29');
  const offline = back?.status.offline as JsonObject;
  assert.equal(offline.since, new Date(since).toISOString().replace('.000', ''));
  assert.equal(offline.healedCount, 30);
  assert.equal((offline.events as unknown[]).length, 20);
  assert.equal(offline.lostEvents, 40);
  bench.report(reportOf('web'), reportOf('db'));
  await bench.pass(20_000);
  assert.equal(bench.sent.at(-1)?.status.phase, 'Running');
  assert.ok(!('offline' in (bench.sent.at(-1)?.status ?? {})));
  // The other one had nothing to tell, and its heartbeat was due: it goes out without a summary.
  await bench.pass(3 * MINUTE);
  assert.deepEqual(
    bench.sent.slice(4).map(({ name, status }) => [name, 'offline' in status]),
    [['db', false]],
  );
  bench.end();
});

test('a summary that could not be sent is joined with the next one', async () => {
  const bench = new Bench();
  await bench.run(reportOf('web'));
  const since = bench.clock.now();
  bench.connection.goTo('Offline');
  bench.host.happened(event({ healed: true }));
  bench.colony.failing.set('updateStatus', colonyError('COLONY_TIMEOUT'));
  bench.connection.goUp({ since, until: bench.clock.now() });
  await bench.pass(1_000);
  bench.connection.goTo('Offline');
  bench.host.happened(event({ healed: true }));
  bench.colony.failing.clear();
  await bench.pass(10 * MINUTE);
  bench.connection.goUp({ since: since + MINUTE, until: bench.clock.now() });
  await bench.pass(MINUTE);
  const offline = bench.sent.at(-1)?.status.offline as JsonObject;
  assert.equal(offline.healedCount, 2);
  assert.equal(Date.parse(String(offline.since)), Math.floor(since / 1000) * 1000);
  bench.end();
});

test('a long start without the server counts as away, a short one does not', async () => {
  for (const [ms, expected] of [
    [10 * MINUTE, true],
    [10_000, false],
  ] as const) {
    const bench = new Bench();
    await bench.pass(ms);
    bench.host.happened(event({ healed: true }));
    await bench.run(reportOf('web'));
    assert.equal('offline' in (bench.sent[0]?.status ?? {}), expected, `${ms}`);
    bench.end();
  }
});

test('the status says that the link is up and since when; with a user key, that the registration is gone', async () => {
  const bench = new Bench({}, true);
  await bench.run(reportOf('web'));
  const connected = () => conditionsOf(bench.sent.at(-1)?.status).at(-1);
  assert.equal(connected()?.status, 'True');
  bench.connection.goTo('Unregistered');
  bench.host.looked();
  await bench.pass(20_000);
  assert.equal(connected()?.status, 'False');
  assert.equal(connected()?.reason, 'Unregistered');
  bench.end();
});

test('a status that the server refuses is tried again ever more rarely, said once, and holds no other up', async () => {
  const bench = new Bench();
  const take = bench.colony.updateStatus;
  let refusals = 0;
  bench.colony.updateStatus = async (name, status, signal) => {
    if (name === 'bad') {
      refusals += 1;
      throw colonyError('COLONY_FAILED');
    }
    await take(name, status, signal);
  };
  await bench.run(reportOf('bad'), reportOf('web'));
  await bench.pass(60 * MINUTE);
  assert.deepEqual(new Set(bench.names()), new Set(['web']));
  assert.ok(refusals >= 10 && refusals <= 60, `${refusals}`);
  assert.equal(bench.log.lines.filter(({ level }) => level === 'warn').length, 1);
  assert.equal(bench.reporter.unsent, 1);
  bench.end();
});

test('a blueprint that is not there any more is told nothing again', async () => {
  const bench = new Bench();
  bench.colony.failing.set('updateStatus', colonyError('COLONY_NOT_FOUND'));
  await bench.run(reportOf('web'));
  await bench.pass(10 * MINUTE);
  assert.equal(bench.colony.count('updateStatus'), 1);
  bench.end();
});

test('a broken invariant ends the lane', async () => {
  const bench = new Bench();
  bench.colony.updateStatus = async () => {
    throw new TypeError('broken');
  };
  bench.server?.set('web', {});
  bench.host.reported = [reportOf('web')];
  bench.connection.goUp();
  bench.list();
  await bench.clock.advance(1_000);
  assert.match(String(bench.failure), /broken/);
});
