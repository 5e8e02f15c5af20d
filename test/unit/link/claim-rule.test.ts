import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { claimMembers, judge, type Standing, whyForeign } from '../../../src/link/claim-rule.ts';
import type { JsonObject } from '../../../src/model/blueprint.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const MINUTE = 60_000;

const view = (node: string, atMs = NOW, refused = false) => ({ node, serverNowMs: atMs, refused });
const claimOf = (node: string, atMs = NOW): JsonObject => claimMembers(node, atMs, 15 * MINUTE);
const stateOf = (status: JsonObject, atMs = NOW, known?: Standing) =>
  judge(known, 'id', status, view('me', atMs)).state;

test('a blueprint without a node in its status is free, one with ours is ours', () => {
  assert.equal(stateOf({}), 'free');
  assert.equal(stateOf({ node: '' }), 'free');
  assert.equal(stateOf({ node: 7 }), 'free');
  assert.equal(stateOf(claimOf('me', NOW - 600 * MINUTE)), 'mine');
});

test("another node's claim lasts three of its intervals by the server's clock", () => {
  const claim = claimOf('you');
  assert.equal(stateOf(claim, NOW + 45 * MINUTE - 1), 'foreign');
  assert.equal(stateOf(claim, NOW + 45 * MINUTE), 'free');
  const standing = judge(undefined, 'id', claim, view('me'));
  assert.equal(whyForeign(standing), 'node you runs it');
});

test("while the server's time is not known no claim is over", () => {
  const old = claimOf('you', NOW - 1000 * MINUTE);
  const standing = judge(undefined, 'id', old, { node: 'me', serverNowMs: undefined, refused: false });
  assert.equal(standing.state, 'foreign');
});

test('an update that wipes the status takes nothing from the holder and frees nothing for the others', () => {
  const mine = judge(undefined, 'id', claimOf('me'), view('me'));
  assert.equal(stateOf({}, NOW, mine), 'wiped');
  const foreign = judge(undefined, 'id', claimOf('you'), view('me'));
  assert.equal(stateOf({}, NOW + 10 * MINUTE, foreign), 'foreign');
  assert.equal(stateOf({}, NOW + 50 * MINUTE, foreign), 'free');
});

test('what was known of another blueprint of the same name counts for nothing', () => {
  const foreign = judge(undefined, 'id', claimOf('you'), view('me'));
  assert.equal(judge(foreign, 'id-2', {}, view('me')).state, 'free');
});

test('a claim from a clock that is far ahead ends all the same, counted from when it was first seen', () => {
  const ahead = claimOf('you', NOW + 10_000 * MINUTE);
  const first = judge(undefined, 'id', ahead, view('me'));
  assert.equal(first.state, 'foreign');
  const later = judge(first, 'id', ahead, view('me', NOW + 44 * MINUTE));
  assert.equal(later.state, 'foreign');
  assert.equal(judge(later, 'id', ahead, view('me', NOW + 45 * MINUTE)).state, 'free');
});

test('a status of a node that writes no claim counts from its lastUpdated, an unreadable one from its first sight', () => {
  const status = { node: 'you', lastUpdated: '2026-03-01T11:30:00Z' };
  assert.equal(stateOf(status), 'foreign');
  assert.equal(stateOf(status, NOW + 15 * MINUTE), 'free');
  const first = judge(undefined, 'id', { node: 'you' }, view('me'));
  assert.equal(judge(first, 'id', { node: 'you' }, view('me', NOW + 44 * MINUTE)).state, 'foreign');
  assert.equal(judge(first, 'id', { node: 'you' }, view('me', NOW + 46 * MINUTE)).state, 'free');
});

test('a holder that is deleting gives its claim up after a minute', () => {
  const status = { ...claimOf('you'), phase: 'Deleting' };
  assert.equal(stateOf(status, NOW + MINUTE - 1), 'foreign');
  assert.equal(stateOf(status, NOW + MINUTE), 'free');
});

test('a claim of a node that refused the version gives way to one that can run it, not to one that refuses it too', () => {
  const status = { ...claimOf('you'), phase: 'Failed', desiredInstances: 0 };
  assert.equal(judge(undefined, 'id', status, view('me')).state, 'free');
  assert.equal(judge(undefined, 'id', status, view('me', NOW, true)).state, 'foreign');
});

test('an absurd interval is bounded', () => {
  const long = { ...claimOf('you'), claimIntervalS: 1e12 };
  assert.equal(stateOf(long, NOW + 3 * 86_400_000), 'free');
  const none = { ...claimOf('you'), claimIntervalS: 0 };
  assert.equal(stateOf(none, NOW + 2 * MINUTE), 'foreign');
});

test('property: whatever stands in a status, exactly the named node takes it for its own', () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.constantFrom('node', 'claimedAt', 'claimIntervalS', 'phase', 'lastUpdated', 'desiredInstances'),
        fc.oneof(fc.string(), fc.double(), fc.constantFrom('me', 'you', 'Deleting', null, 0)),
      ),
      fc.integer({ min: 0, max: 1e13 }),
      (status, now) => {
        const mine = judge(undefined, 'id', status, view('me', now)).state === 'mine';
        assert.equal(mine, status.node === 'me');
      },
    ),
  );
});
