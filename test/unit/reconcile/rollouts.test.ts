import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Rollout } from '../../../src/model/rollout.ts';
import { contentHash, inForce, standIn, wayBack } from '../../../src/reconcile/plan-version.ts';
import { Rollouts } from '../../../src/reconcile/rollouts.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { blueprintOf, convergedOf, desiredOf } from '../../fakes/planning.ts';

const version = (value: string, generation = 1) =>
  blueprintOf('web', { spec: { env: { V: value }, image: `app:${value}` }, generation });
const [one, two, three] = [version('1'), version('2'), version('3')];
const good = (...versions: (typeof one)[]) =>
  versions.map((each) => ({ version: each, imageIds: ['sha256:x'] }));
const bad = (...versions: (typeof one)[]) =>
  versions.map((each) => {
    return { hash: contentHash(each), label: 'x', reason: 'CrashLoop' as const, message: 'm', since: 0 };
  });

async function rolloutsWith(records: readonly Rollout[]): Promise<Rollouts> {
  const rollouts = new Rollouts({
    clock: new ManualClock(),
    store: { loadRollouts: async () => records, saveRollouts: async () => true },
    journal: { add: () => undefined },
    onTurn: () => undefined,
    ring: () => undefined,
    settings: {},
  });
  await rollouts.restore();
  return rollouts;
}

test('content: a new generation is the same, another limit or variable is not', () => {
  assert.equal(contentHash(version('1', 7)), contentHash(one));
  assert.notEqual(contentHash(two), contentHash(one));
  const limited = blueprintOf('web', {
    spec: { env: { V: '1' }, image: 'app:1', limits: { memoryBytes: 5 } },
  });
  assert.equal(limited.specHash, one.specHash);
  assert.notEqual(contentHash(limited), contentHash(one));
});

test('the way back: the newest good version that is another one and not bad', () => {
  const record = { blueprint: 'web', good: good(two, one), bad: bad(three) };
  assert.equal(wayBack(record, contentHash(three))?.version, two);
  assert.equal(wayBack(record, contentHash(two))?.version, one);
  assert.equal(wayBack({ ...record, bad: bad(three, two) }, contentHash(three))?.version, one);
  assert.equal(wayBack({ ...record, good: [] }, contentHash(three)), undefined);
  assert.equal(wayBack(undefined, contentHash(three)), undefined);
});

test('what stands in for a bad version has its document and generation, and the containers of the good one', () => {
  const wanted = version('3', 9);
  const record = { blueprint: 'web', good: good(one), bad: bad(three) };
  const found = standIn(wanted, record);
  assert.deepEqual([found?.generation, found?.services], [9, one.services]);
  assert.equal(standIn(two, record), undefined);
  assert.equal(standIn({ ...wanted, deleting: true }, record), undefined);
});

test('without a bad version the desired state is the very same object', () => {
  const desired = desiredOf(one);
  assert.equal(inForce(desired, new Map()), desired);
  assert.deepEqual(inForce({ known: false }, new Map()), { known: false });
});

test('the images of good versions are protected, by reference and id', async () => {
  const rollouts = await rolloutsWith([{ blueprint: 'web', good: good(two, one), bad: [] }]);
  assert.deepEqual([...rollouts.view(desiredOf(three)).protectedImages].sort(), [
    'app:1',
    'app:2',
    'sha256:x',
  ]);
});

test('what is known of a blueprint goes with it, and not while nothing is known', async () => {
  const rollouts = await rolloutsWith([{ blueprint: 'web', good: good(one), bad: [] }]);
  const other = desiredOf(blueprintOf('other'));
  assert.ok(rollouts.of('web'));
  rollouts.review(other, convergedOf(other), []);
  assert.equal(rollouts.of('web'), undefined);
});
