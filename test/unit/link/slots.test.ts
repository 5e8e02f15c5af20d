import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EdgeError } from '../../../src/base/errors.ts';
import { newKey } from '../../../src/colony/port.ts';
import { SlotsBench } from './slots-bench.ts';

/** A test with a bench of its own, which is put away however it ends. */
function slots(
  title: string,
  body: (bench: SlotsBench) => Promise<void>,
  options: ConstructorParameters<typeof SlotsBench>[0] = {},
): void {
  test(title, async () => {
    const bench = new SlotsBench(options);
    try {
      await body(bench);
    } finally {
      bench.stop();
    }
  });
}

const nameOf = (bench: SlotsBench, index = 0) => bench.disk[index]?.executorName ?? 'none';
const calls = (bench: SlotsBench, type: string) => bench.world.countRequests(type);

slots('an identity is made, registered and approved, then its replica may run', async (bench) => {
  await bench.deploy({ replicas: 2, env: { EXECUTOR_HW_MODEL: 'box' } });
  await bench.start();
  assert.deepEqual(bench.states(), ['approved', 'approved']);
  assert.equal(bench.running().length, 2);
  const [slot] = bench.disk;
  assert.ok(slot);
  assert.match(slot.containerName, /^shop-[0-9a-f]{5}$/);
  assert.equal(slot.executorName, `${slot.containerName}-3`);
  const record = bench.world.executor(slot.executorName);
  assert.deepEqual(
    [record?.id, record?.type, record?.location, record?.blueprintId, record?.blueprintGen],
    [slot.id, 'runner', 'yard', 'id-of-shop', 3],
  );
  assert.match(JSON.stringify(record?.hardware), /"model":"box"/);
  assert.ok(bench.host.told.includes('info executor registered'));
});

slots('the key is on disk before the server hears of it', async (bench) => {
  const seen: number[] = [];
  bench.onOwnerCall = () => seen.push(bench.disk.length);
  await bench.deploy();
  await bench.start();
  assert.deepEqual(seen, [1, 1]);
  bench.failure = new EdgeError('no space', { code: 'STORE_FULL', retry: 'transient' });
  await bench.deploy({ replicas: 2 });
  await bench.run(60_000);
  assert.equal(bench.registered().length, 1, 'nothing is registered that could be forgotten');
  assert.deepEqual(
    bench.host.told.filter((line) => line.startsWith('warn')),
    ['warn executor identities are not in order'],
  );
  bench.failure = undefined;
  await bench.run(300_000);
  assert.deepEqual(bench.states(), ['approved', 'approved']);
  assert.equal(bench.running().length, 2);
});

slots('offline a new replica waits, and is registered when the link comes', async (bench) => {
  await bench.deploy();
  await bench.start(false);
  await bench.run(600_000);
  assert.equal(bench.services()[0]?.hold?.reason, 'WaitingForRegistration');
  assert.equal(calls(bench, 'getexecutorsmsg'), 0);
  bench.connection.goUp();
  await bench.run(1_000);
  assert.equal(bench.running().length, 1);
});

slots('spare identities are registered while online, so that scaling up works offline', async (bench) => {
  await bench.deploy({ replicas: 1, identityPool: 2 });
  await bench.start();
  assert.deepEqual(bench.states(), ['approved', 'approved', 'approved']);
  assert.equal(bench.running().length, 1);
  bench.connection.goTo('Offline');
  await bench.deploy({ replicas: 3, identityPool: 2 });
  assert.equal(bench.running().length, 3);
  bench.connection.goUp();
  await bench.run(1_000);
  assert.equal(bench.registered().length, 5, 'the pool is filled up');
});

slots('an identity is kept over changes of the blueprint, restarts and disconnects', async (bench) => {
  await bench.deploy();
  await bench.start();
  const before = bench.disk;
  await bench.deploy({ image: 'colonyos/dockerexecutor:v2' }, 'shop', 4);
  bench.connection.goTo('Offline');
  bench.connection.goUp({ since: bench.clock.now() - 5_000, until: bench.clock.now() });
  await bench.restart();
  assert.deepEqual(bench.disk, before);
  assert.equal(calls(bench, 'addexecutormsg'), 1);
  assert.equal(calls(bench, 'approveexecutormsg'), 1);
});

slots('scaled down: the container goes first, then the registration, then the key', async (bench) => {
  await bench.deploy({ replicas: 2 });
  await bench.start();
  await bench.contain();
  const gone = nameOf(bench, 1);
  const both = bench.host.containers;
  await bench.deploy({ replicas: 1 });
  await bench.run(60_000);
  assert.equal(bench.queue.deregister[0]?.name, gone, 'noted on disk');
  assert.deepEqual(bench.states(), ['approved', 'approved'], 'its container is still there');
  bench.host.containers = undefined;
  await bench.look();
  assert.deepEqual(bench.states(), ['approved', 'approved'], 'or may be');
  bench.host.containers = new Set([...(both ?? [])].filter((name) => name !== gone));
  await bench.look();
  assert.deepEqual(bench.states().sort(), ['approved', 'unregistered']);
  assert.deepEqual(
    bench.disk.map(({ index }) => index),
    [0],
  );
  assert.deepEqual(bench.queue.deregister, []);
});

slots('given up and wanted again while offline: the identity is still there', async (bench) => {
  await bench.deploy({ replicas: 2 });
  await bench.start();
  await bench.contain();
  bench.connection.goTo('Offline');
  await bench.deploy({ replicas: 1 });
  await bench.contain();
  assert.equal(bench.queue.deregister.length, 1);
  await bench.deploy({ replicas: 2 });
  assert.equal(bench.running().length, 2);
  assert.deepEqual(bench.queue.deregister, []);
  bench.connection.goUp();
  await bench.run(1_000);
  assert.deepEqual(bench.states(), ['approved', 'approved']);
});

slots(
  'a removed blueprint takes its registrations along, also when a restart comes in between',
  async (bench) => {
    await bench.deploy({ replicas: 2, identityPool: 1 });
    await bench.start();
    await bench.contain();
    bench.connection.goTo('Offline');
    await bench.remove();
    bench.host.containers = new Set();
    await bench.gone();
    assert.equal(bench.queue.deregister.length, 3);
    await bench.restart();
    assert.deepEqual(bench.states(), ['unregistered', 'unregistered', 'unregistered']);
    assert.deepEqual(bench.disk, []);
    assert.deepEqual(bench.queue.deregister, []);
  },
);

slots('identities of a blueprint that nobody told us of stay', async (bench) => {
  await bench.deploy();
  await bench.start();
  await bench.gone();
  await bench.deploy({}, 'other');
  bench.host.current = { known: false };
  bench.host.looked();
  await bench.run(600_000);
  assert.equal(bench.disk.length, 2);
  assert.deepEqual(bench.states(), ['approved', 'approved']);
});

slots('what is queued but not in our slot file is never removed', async (bench) => {
  const other = newKey();
  bench.world.addExecutor({ id: other.id, name: 'shop-12345-3', type: 'runner' });
  bench.queue.deregister = [{ id: other.id, name: 'shop-12345-3' }];
  await bench.deploy();
  await bench.start();
  assert.equal(calls(bench, 'removeexecutormsg'), 0);
  assert.deepEqual(bench.queue.deregister, []);
});

slots(
  'after a sweep a running executor is approved again and its function listed; nothing else changes',
  async (bench) => {
    await bench.deploy();
    await bench.start();
    await bench.contain();
    await bench.poll(bench.disk[0]?.key ?? '');
    bench.connection.goTo('Offline');
    await bench.run(900_000);
    assert.deepEqual(bench.states(), ['unregistered']);
    const before = bench.disk;
    await bench.comeBack();
    assert.deepEqual(bench.states(), ['approved']);
    assert.deepEqual(bench.world.functions(), [{ executorName: nameOf(bench), name: 'execute' }]);
    assert.deepEqual(bench.disk, before);
    assert.equal(bench.running().length, 1, 'it was never held back');
  },
);

slots('a sweep that was faster than the executor is made good', async (bench) => {
  await bench.deploy();
  await bench.start();
  await bench.contain();
  const isApproved = () => bench.states()[0] === 'approved';
  await bench.run(700_000);
  bench.world.removeExecutor(nameOf(bench));
  assert.ok(await bench.clock.runUntil(isApproved, 700_000), 'seen without a reconnect');
  bench.world.removeExecutor(nameOf(bench));
  assert.ok(await bench.clock.runUntil(isApproved, 100_000), 'looked at again soon');
  const looks = calls(bench, 'getexecutorsmsg');
  await bench.run(3_600_000);
  // This executor never speaks for itself, and is swept again ten minutes after we did for it.
  assert.ok(calls(bench, 'getexecutorsmsg') - looks <= 12, 'and then seldom');
});

slots('a spare identity that was swept is left until it is used', async (bench) => {
  await bench.deploy({ replicas: 1, identityPool: 1 });
  await bench.start();
  await bench.contain();
  bench.world.removeExecutor(nameOf(bench, 1));
  await bench.comeBack();
  await bench.run(60_000);
  assert.deepEqual(bench.states().sort(), ['approved', 'unregistered']);
  await bench.deploy({ replicas: 2, identityPool: 0 });
  await bench.contain();
  assert.deepEqual(bench.states(), ['approved', 'approved']);
});

slots(
  'a name that another one has is given up for another, as long as it is not registered',
  async (bench) => {
    await bench.deploy();
    const taken = new SlotsBench();
    await taken.deploy();
    await taken.start();
    taken.stop();
    bench.world.addExecutor({ id: newKey().id, name: nameOf(taken), type: 'runner' });
    await bench.start();
    const [slot] = bench.disk;
    assert.notEqual(slot?.executorName, nameOf(taken));
    assert.equal(calls(bench, 'addexecutormsg'), 2, 'the taken name was tried');
    assert.equal(bench.world.executor(slot?.executorName ?? '')?.id, slot?.id);
    assert.equal(bench.running().length, 1);
  },
);

slots('a registration whose answer was lost is adopted, not made twice', async (bench) => {
  await bench.deploy();
  bench.onOwnerCall = (type) => {
    if (type !== 'addexecutormsg') return;
    bench.connection.goTo('Offline');
    throw Object.assign(new Error('reset'), { code: 'ECONNRESET' });
  };
  await bench.start();
  const first = bench.disk;
  assert.equal(first[0]?.registered, false);
  bench.onOwnerCall = () => undefined;
  await bench.restart();
  assert.deepEqual(bench.states(), ['approved']);
  assert.equal(bench.disk[0]?.executorName, first[0]?.executorName);
  assert.equal(calls(bench, 'addexecutormsg'), 1);
});

slots('one that the server does not know any more is registered again under its name', async (bench) => {
  await bench.deploy();
  await bench.start();
  await bench.contain();
  const before = bench.disk;
  bench.forgetAll();
  await bench.comeBack();
  assert.deepEqual(bench.registered(), [`${before[0]?.executorName} approved`]);
  assert.deepEqual(bench.disk, before);
});

slots('one that the owner rejected is told of and left alone', async (bench) => {
  await bench.deploy();
  await bench.start();
  await bench.contain();
  bench.world.reject(nameOf(bench));
  await bench.comeBack();
  await bench.run(60_000);
  assert.deepEqual(bench.states(), ['rejected']);
  assert.match(bench.lane.status()?.lastError ?? '', /was rejected by the colony's owner/);
  const looks = calls(bench, 'getexecutorsmsg');
  for (let round = 0; round < 50; round += 1) await bench.look();
  assert.equal(calls(bench, 'getexecutorsmsg'), looks, 'not asked for every look of the agent');
  bench.world.approve(nameOf(bench));
  bench.lane.refresh();
  await bench.run(1_000);
  assert.equal(bench.lane.status()?.lastError, undefined);
});

slots(
  'without the owner key nothing is made, and it is said what is missing',
  async (bench) => {
    await bench.deploy();
    await bench.start();
    await bench.run(3_600_000);
    assert.equal(bench.services()[0]?.hold?.reason, 'OwnerKeyMissing');
    assert.deepEqual(bench.disk, []);
    assert.equal(bench.lane.status()?.waiting, 1);
  },
  { hasOwner: false },
);

slots("identities of the operator's file are used, revived and never removed", async (bench) => {
  const { key, id } = newKey();
  const ready = { registered: true, approved: true };
  bench.file = [
    { blueprint: 'shop', index: 0, key, id, executorName: 'hand-made', containerName: 'shop-x', ...ready },
  ];
  bench.world.addExecutor({ id, name: 'hand-made', type: 'runner' });
  bench.world.approve('hand-made');
  await bench.deploy({ replicas: 1 });
  await bench.start();
  await bench.contain();
  assert.deepEqual(bench.disk, [], 'no identity of our own is made for it');
  bench.world.removeExecutor('hand-made');
  await bench.comeBack();
  assert.deepEqual(bench.registered(), ['hand-made approved']);
  assert.deepEqual(bench.world.functions(), [{ executorName: 'hand-made', name: 'execute' }]);
  await bench.remove();
  bench.host.containers = new Set();
  await bench.gone();
  await bench.run(60_000);
  assert.deepEqual(bench.registered(), ['hand-made approved']);
});

slots(
  "a refused owner key is told once and tried at growing intervals; the agent's own link is not blamed",
  async (bench) => {
    await bench.deploy();
    await bench.start();
    await bench.run(3_600_000);
    const tries = calls(bench, 'addexecutormsg');
    assert.ok(tries >= 12 && tries < 60, `${tries} tries in an hour`);
    assert.equal(bench.host.told.filter((line) => line.startsWith('warn')).length, 1);
    assert.equal(bench.connection.state, 'Connected');
  },
  { ownerId: 'f'.repeat(64) },
);
