import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveBlueprint } from '../../../src/kinds/index.ts';
import { LABEL } from '../../../src/model/container.ts';
import type { Slot } from '../../../src/model/ports.ts';
import type { Rollout } from '../../../src/model/rollout.ts';
import { contentHash, isChanged, lasting, standIn } from '../../../src/reconcile/plan-version.ts';
import { Rollouts } from '../../../src/reconcile/rollouts.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { context, desired, docker, executor, slot } from '../kinds/support.ts';

const NEW_KEY = 'ef'.repeat(32);
const OLD_KEY = slot(0).key;

const version = (image: string, slots: readonly Slot[], spec = {}) =>
  desired(resolveBlueprint(executor({ image, ...spec }), context({ slots })));
const rotated = (index: number) =>
  slot(index, { key: NEW_KEY, id: '12'.repeat(32), executorName: `shop-renewed-${index}` });

const good = (image: string, slots: readonly Slot[], spec = {}): Rollout['good'][number] => ({
  version: lasting(version(image, slots, spec)),
  imageIds: [],
});
const bad = (of: ReturnType<typeof version>): Rollout['bad'] => [
  { hash: contentHash(of), label: 'x', reason: 'CrashLoop', message: 'm', since: 0 },
];

test('a version of executors is kept without their keys, names and ids', () => {
  const { version: kept } = good('app:1', [slot(0)]);
  assert.ok(!JSON.stringify(kept).includes(OLD_KEY));
  for (const known of [slot(0).id, slot(0).executorName])
    assert.ok(!JSON.stringify(kept.services).includes(known));
});

test('a rotated key is no new version, and no reason why what failed failed', () => {
  const before = version('app:1', [slot(0)]);
  const after = version('app:1', [rotated(0)]);
  assert.notEqual(before.services[0]?.specHash, after.services[0]?.specHash, 'it needs a new container');
  assert.equal(contentHash(before), contentHash(after));
  const [service] = after.services;
  assert.ok(service);
  assert.equal(isChanged(service, good('app:1', [slot(0)])), false);
  assert.equal(isChanged(service, good('app:2', [slot(0)])), true);
});

test('a rollback brings the image back and not the key of then', () => {
  const asked = version('app:2', [rotated(0)]);
  const record = { blueprint: 'shop', good: [good('app:1', [slot(0)])], bad: bad(asked) };
  const [service] = standIn(asked, record)?.services ?? [];
  assert.deepEqual(service, version('app:1', [rotated(0)]).services[0]);
  assert.equal(service?.container.env.COLONIES_PRVKEY, NEW_KEY);
  assert.equal(service?.managedLabels[LABEL.executor], 'shop-renewed-0');
  assert.ok(!JSON.stringify(standIn(asked, record)?.services).includes(OLD_KEY));
});

test('with the same identity a rollback is the very container of before', () => {
  const before = version('app:1', [slot(0)]);
  const asked = version('app:2', [slot(0)]);
  const record = { blueprint: 'shop', good: [good('app:1', [slot(0)])], bad: bad(asked) };
  assert.deepEqual(standIn(asked, record)?.services, before.services);
});

test('without an identity today it waits for one, and a replica that is not asked for does not come back', () => {
  const asked = version('app:2', [slot(0, { approved: false })]);
  const two = good('app:1', [slot(0), slot(1)], { replicas: 2 });
  const services = standIn(asked, { blueprint: 'shop', good: [two], bad: bad(asked) })?.services ?? [];
  assert.deepEqual(
    services.map(({ replica, hold }) => [replica, hold?.reason]),
    [[0, 'WaitingForRegistration']],
  );
});

test('keys that an earlier agent kept are not kept on', async () => {
  const record: Rollout = {
    blueprint: 'shop',
    good: [{ version: version('app:1', [slot(0)]), imageIds: [] }],
    bad: [],
  };
  const rollouts = new Rollouts({
    clock: new ManualClock(),
    store: { loadRollouts: async () => [record], saveRollouts: async () => true },
    journal: { add: () => undefined },
    onTurn: () => undefined,
    ring: () => undefined,
    settings: {},
  });
  await rollouts.restore();
  assert.ok(!JSON.stringify(rollouts.of('shop')).includes(OLD_KEY));
});

test('what a DockerDeployment sets itself is part of its version, whatever its name', () => {
  const own = desired(
    resolveBlueprint(docker({ environment: { COLONIES_PRVKEY: 'of its own' } }), context()),
  );
  assert.equal(lasting(own), own);
});
