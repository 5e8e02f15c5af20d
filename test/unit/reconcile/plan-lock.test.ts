import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LockLook } from '../../../src/model/update.ts';
import { lookOf, type Seen } from '../../../src/reconcile/plan-lock.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const TTL_MS = 600_000;

const seen = (agoMs: number | undefined, more: Partial<Seen> = {}): Seen => ({
  key: 'web/web/0',
  container: 'web',
  path: '/data/busy',
  ttlMs: TTL_MS,
  file: agoMs === undefined ? undefined : { changedAt: NOW - agoMs, head: '  job 4711 \nmore' },
  ...more,
});

const look = (one: Seen, previous?: LockLook, monoMs = 0) =>
  lookOf(one, previous, { now: NOW + monoMs, monoMs });

test('a file that is younger than its TTL locks, with its first line as the reason', () => {
  const found = look(seen(60_000));
  assert.equal(found.state, 'locked');
  assert.equal(found.message, 'job 4711');
  assert.equal(found.until, NOW - 60_000 + TTL_MS);
});

test('no file, one past its TTL, and one from before the container was started do not', () => {
  assert.equal(look(seen(undefined)).state, 'free');
  assert.equal(look(seen(TTL_MS)).state, 'free');
  assert.equal(look(seen(60_000, { startedAt: NOW - 30_000 })).state, 'free');
  assert.equal(look(seen(60_000, { startedAt: NOW - 90_000 })).state, 'locked');
});

test('a file written in the second of the start counts: some file systems keep whole seconds', () => {
  assert.equal(look(seen(60_000, { startedAt: NOW - 60_000 + 999 })).state, 'locked');
});

test('what cannot be told is not free', () => {
  const found = look(seen(undefined, { file: 'the engine answered 500' }));
  assert.deepEqual([found.state, found.message], ['unknown', 'the engine answered 500']);
});

test('while it holds it is looked at after 5, 10, 20 and then 30 seconds', () => {
  let previous: LockLook | undefined;
  const waits: number[] = [];
  let monoMs = 0;
  for (let i = 0; i < 6; i += 1) {
    previous = look(seen(0), previous, monoMs);
    waits.push((previous.nextMs - monoMs) / 1_000);
    monoMs = previous.nextMs;
  }
  assert.deepEqual(waits, [5, 10, 20, 30, 30, 30]);
});

test('it is looked at when its TTL ends, if that is before', () => {
  assert.equal(look(seen(TTL_MS - 2_000)).nextMs, 2_000);
});

test('a file from the future locks for its TTL from when it was first seen, and a touch begins anew', () => {
  const first = look(seen(-86_400_000));
  assert.equal(first.state, 'locked');
  assert.equal(look(seen(-86_400_000), first, TTL_MS - 1).state, 'locked');
  assert.equal(look(seen(-86_400_000), first, TTL_MS).state, 'free');
  assert.equal(look(seen(-90_000_000), first, TTL_MS).state, 'locked');
});

test('a reason is bounded', () => {
  const file = { changedAt: NOW, head: 'x'.repeat(5_000) };
  assert.equal(look(seen(0, { file })).message.length, 200);
});
