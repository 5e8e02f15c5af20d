import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../fakes/clock.ts';
import { BlueprintServer, FakeNode, type NodeOptions } from '../../fakes/link-nodes.ts';
import { colonyError } from '../../fakes/link-parts.ts';

const MINUTE = 60_000;
const never = new AbortController().signal;

/** One node at its server, both kept until the test ends; with `put` called before the node is up. */
async function bench(
  t: { after(fn: () => void): void },
  names: readonly string[] = ['a', 'b'],
  options: NodeOptions = {},
) {
  const clock = new ManualClock();
  const server = new BlueprintServer();
  for (const name of names) server.put(name, {}, { locationname: 'barn' });
  const node = new FakeNode(clock, server, 'gw-1', options);
  t.after(() => {
    node.crash();
    assert.equal(node.failure, undefined);
  });
  await node.start();
  node.connection.goUp();
  await clock.advance(1_000);
  return { clock, server, node };
}

const lists = (node: FakeNode) => node.colony.count('listBlueprints DockerDeployment');

test('on each connect both kinds are listed and taken over', async (t) => {
  const { clock, node } = await bench(t);
  assert.deepEqual(node.runs(), ['a', 'b']);
  assert.deepEqual(node.colony.calls.slice(0, 2), [
    'listBlueprints DockerDeployment',
    'listBlueprints ExecutorDeployment',
  ]);
  assert.equal(lists(node), 1);
  node.connection.goTo('Offline');
  await clock.advance(MINUTE);
  node.connection.goUp();
  await clock.advance(1_000);
  assert.equal(lists(node), 2);
});

test('the own timer lists every 5 min, or every 30 min on a metered link, also after the class was switched', async (t) => {
  const { clock, node } = await bench(t);
  await clock.advance(60 * MINUTE);
  const normal = lists(node);
  assert.ok(normal >= 12 && normal <= 14, `${normal} listings in an hour`);
  node.connection.linkClass = 'metered';
  await clock.advance(10 * MINUTE);
  const before = lists(node);
  await clock.advance(120 * MINUTE);
  const metered = lists(node) - before;
  assert.ok(metered >= 4 && metered <= 5, `${metered} listings in two hours`);
  node.connection.linkClass = 'normal';
  await clock.advance(7 * MINUTE);
  assert.ok(lists(node) - before > metered);
});

test('only the policy "ignore" lists by location', async (t) => {
  const { node } = await bench(t, ['a'], { settings: { unlocatedPolicy: 'ignore' } });
  assert.equal(node.colony.calls[0], 'listBlueprints DockerDeployment barn');
  assert.deepEqual(node.runs(), ['a']);
});

test('a process that names a blueprint is answered by asking for it, one that names none by a listing', async (t) => {
  const { clock, server, node } = await bench(t);
  server.put('a', { replicas: 2 }, { locationname: 'barn' });
  let done = false;
  void node.listing.lookNow(['a'], never).then(() => {
    done = true;
  });
  await clock.advance(1_000);
  assert.ok(done);
  assert.equal(lists(node), 1);
  const desired = node.source.desired;
  assert.equal(desired.known && desired.blueprints.find(({ name }) => name === 'a')?.services.length, 2);
  void node.listing.lookNow([], never);
  await clock.advance(1_000);
  assert.equal(lists(node), 2);
});

test('many names asked for at once are one listing', async (t) => {
  const { clock, server, node } = await bench(t);
  for (const name of ['c', 'd', 'e', 'f']) {
    server.put(name, {}, { locationname: 'barn' });
    void node.listing.lookNow([name], never);
  }
  await clock.advance(1_000);
  assert.equal(lists(node), 2);
  assert.equal(node.colony.count('getBlueprint'), 0);
  assert.deepEqual(node.runs(), ['a', 'b', 'c', 'd', 'e', 'f']);
});

test('a listing that fails in its second half changes nothing, and is tried again with growing patience', async (t) => {
  const { clock, server, node } = await bench(t);
  server.remove('a');
  server.put('c', {}, { locationname: 'barn' });
  const list = node.colony.listBlueprints.bind(node.colony);
  node.colony.listBlueprints = async (kind, location, signal) => {
    const found = await list(kind, location, signal);
    if (kind === 'ExecutorDeployment') throw colonyError('COLONY_FAILED');
    return found;
  };
  const before = lists(node);
  await clock.advance(60 * MINUTE);
  assert.deepEqual(node.runs(), ['a', 'b']);
  const tries = lists(node) - before;
  assert.ok(tries > 5 && tries < 60, `${tries} attempts in an hour`);
  assert.equal(
    node.host.told.filter((line) => line.startsWith('warn blueprints cannot be listed')).length,
    1,
  );
  assert.match(node.listing.status().lastError ?? '', /COLONY_FAILED/);
  node.colony.listBlueprints = list;
  await clock.advance(6 * MINUTE);
  assert.deepEqual(node.runs(), ['a', 'b', 'c']);
  assert.equal(node.listing.status().lastError, undefined);
});

test('an answer that asks for patience gets it, but an operator does not wait', async (t) => {
  const { clock, node } = await bench(t);
  node.colony.failing.set('listBlueprints', colonyError('COLONY_GATEWAY', { retryAfterMs: 20 * MINUTE }));
  const sofar = lists(node);
  node.listing.refresh();
  await clock.advance(1_000);
  const before = lists(node);
  assert.equal(before, sofar + 1);
  await clock.advance(19 * MINUTE);
  assert.equal(lists(node), before);
  node.listing.refresh();
  await clock.advance(1_000);
  assert.equal(lists(node), before + 1);
});

test('what is missing goes after the second listing at least 10 min later, and not while away', async (t) => {
  const { clock, server, node } = await bench(t);
  server.remove('a');
  await clock.advance(6 * MINUTE);
  node.connection.goTo('Offline');
  await clock.advance(300 * MINUTE);
  assert.deepEqual(node.runs(), ['a', 'b']);
  node.connection.goUp();
  await clock.advance(1_000);
  assert.deepEqual(node.runs(), ['b']);
  assert.ok(node.events.includes('blueprint removed a two listings at least 10 min apart did not have it'));
});

test('what moved to another place goes at once, without a cleanup process', async (t) => {
  const { clock, server, node } = await bench(t);
  server.put('a', {}, { locationname: 'field' });
  await clock.advance(6 * MINUTE);
  assert.deepEqual(node.runs(), ['b']);
  assert.equal(node.listing.whyNotOurs('a'), 'is for location field, this is barn');
});

test('what moved goes at once also where the listing is by location', async (t) => {
  const { clock, server, node } = await bench(t, ['a', 'b'], { settings: { unlocatedPolicy: 'ignore' } });
  server.put('a', {}, { locationname: 'field' });
  await clock.advance(6 * MINUTE);
  assert.deepEqual(node.runs(), ['b']);
});

test('a cleanup process removes at once what the server does not have, and says so', async (t) => {
  const { clock, server, node } = await bench(t);
  server.remove('a');
  const answers: string[] = [];
  void node.listing.cleanup('a', never).then((text) => {
    answers.push(text, node.runs().join());
  });
  void node.listing.cleanup('z', never).then((text) => answers.push(text));
  await clock.advance(1_000);
  assert.deepEqual(answers.sort(), ['a is removed; its volumes stay', 'b', 'z is not run by this node']);
});

test('a cleanup process that is out of date removes nothing: the blueprint was made again', async (t) => {
  const { clock, server, node } = await bench(t);
  const idOf = () => {
    const { desired } = node.source;
    return desired.known ? desired.blueprints.find(({ name }) => name === 'a')?.blueprintId : undefined;
  };
  const before = idOf();
  server.remove('a');
  server.put('a', {}, { locationname: 'barn' });
  let text = '';
  void node.listing.cleanup('a', never).then((answer) => {
    text = answer;
  });
  await clock.advance(1_000);
  assert.match(text, /^a was made again .* replaces the earlier one$/);
  assert.deepEqual(node.runs(), ['a', 'b']);
  assert.notEqual(idOf(), before);
});

test('an emptied server removes nothing until an operator confirms it', async (t) => {
  const { clock, server, node } = await bench(t);
  server.documents.clear();
  await clock.advance(120 * MINUTE);
  assert.deepEqual(node.runs(), ['a', 'b']);
  assert.equal(node.host.told.filter((line) => line === 'error mass removal suspected').length, 1);
  assert.match(node.listing.reading().suspect ?? '', /all 2 blueprints/);
  assert.deepEqual(node.listing.confirmRemoval(), ['a', 'b']);
  await clock.advance(1_000);
  assert.deepEqual(node.runs(), []);
  assert.equal(node.listing.reading().suspect, undefined);
  assert.deepEqual(node.listing.confirmRemoval(), []);
});

test('a server that comes back from being empty ends the suspicion, and nothing was touched', async (t) => {
  const { clock, server, node } = await bench(t);
  const kept = new Map(server.documents);
  server.documents.clear();
  await clock.advance(30 * MINUTE);
  for (const [name, document] of kept) server.documents.set(name, document);
  await clock.advance(6 * MINUTE);
  assert.equal(node.listing.status().suspect, undefined);
  assert.ok(!node.events.some((event) => event.startsWith('blueprint removed')));
});

test('a restart without the server keeps everything from the checkpoint; an empty listing then removes nothing', async (t) => {
  const { clock, server, node } = await bench(t);
  node.crash();
  node.connection.goTo('Offline');
  server.documents.clear();
  await node.start();
  await clock.advance(60 * MINUTE);
  assert.deepEqual(node.runs(), ['a', 'b']);
  node.connection.goUp();
  await clock.advance(30 * MINUTE);
  assert.deepEqual(node.runs(), ['a', 'b']);
});

test('a name that the server cannot answer for stands in nobody’s way, and removes nothing', async (t) => {
  const { clock, server, node } = await bench(t, ['a', 'b', 'c']);
  node.colony.failing.set('getBlueprint', colonyError('COLONY_FAILED'));
  server.remove('a');
  const answers: string[] = [];
  void node.listing.lookNow(['z'], never).then(() => answers.push('looked'));
  void node.listing.cleanup('a', never).then((text) => answers.push(text));
  await clock.advance(30 * MINUTE);
  assert.deepEqual(answers.sort(), [
    'a cannot be asked for; it goes when the listings show that it is gone',
    'looked',
  ]);
  assert.deepEqual(node.runs(), ['a', 'b', 'c']);
  server.put('d', {}, { locationname: 'barn' });
  await clock.advance(6 * MINUTE);
  assert.deepEqual(node.runs(), ['a', 'b', 'c', 'd'], 'listings go on');
  node.colony.failing.clear();
  await clock.advance(20 * MINUTE);
  assert.deepEqual(node.runs(), ['b', 'c', 'd']);
});

test('a look that was asked for while away is made on return', async (t) => {
  const { clock, server, node } = await bench(t);
  node.connection.goTo('Offline');
  node.colony.failing.set('all', colonyError('COLONY_TIMEOUT'));
  server.put('a', { replicas: 3 }, { locationname: 'barn' });
  let done = false;
  void node.listing.lookNow(['a'], never).then(() => {
    done = true;
  });
  await assert.rejects(node.listing.lookNow(['a'], AbortSignal.abort(new Error('no time'))), /no time/);
  await clock.advance(10 * MINUTE);
  assert.ok(!done);
  node.colony.failing.clear();
  node.connection.goUp();
  await clock.advance(1_000);
  assert.ok(done);
});
