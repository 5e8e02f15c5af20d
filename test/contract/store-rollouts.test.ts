import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import type { Rollout } from '../../src/model/rollout.ts';
import { openStore } from '../../src/store/store.ts';
import { desiredOf } from '../unit/store/samples.ts';

const root = mkdtempSync(join(tmpdir(), 'edge-store-rollouts-'));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const fresh = () => join(root, String(made++));
const open = (dir: string) => openStore({ dir, clock: systemClock, log: silentLogger });

const WINDOWS = {
  update: [{ days: [0, 6], fromMinute: 60, toMinute: 30, utc: true as const }],
  download: [{ days: [1], fromMinute: 0, toMinute: 1440 }],
};

const FULL: readonly Rollout[] = [
  {
    blueprint: 'c1-db',
    good: [{ version: { ...desiredOf('c1-db', 'one'), windows: WINDOWS }, imageIds: ['sha256:1'] }],
    bad: [{ hash: 'ab', label: 'generation 2', reason: 'CrashLoop', message: 'exited 1', since: 5 }],
    pause: { by: 'operator', hash: 'ab', message: 'paused by an operator', since: 6 },
    now: 'ab',
  },
  { blueprint: 'web', good: [], bad: [] },
];

test('good and bad versions come back whole after a restart, and are written only when they change', async () => {
  const dir = fresh();
  const store = await open(dir);
  assert.deepEqual(await store.loadRollouts(), []);
  assert.equal(await store.saveRollouts(FULL), true);
  assert.equal(await store.saveRollouts([...FULL]), false);
  await store.close();
  const again = await open(dir);
  assert.deepEqual(await again.loadRollouts(), FULL);
  assert.equal(statSync(join(dir, 'rollouts.a')).mode & 0o777, 0o600);
  await again.close();
});

test('a damaged slot gives the versions of the other one, two damaged ones give none', async () => {
  const dir = fresh();
  const store = await open(dir);
  await store.saveRollouts(FULL);
  await store.saveRollouts(FULL.slice(1));
  await store.close();
  writeFileSync(join(dir, 'rollouts.b'), 'sha256:garbage');
  const second = await open(dir);
  assert.deepEqual(await second.loadRollouts(), FULL);
  await second.close();
  for (const side of ['a', 'b']) writeFileSync(join(dir, `rollouts.${side}`), 'garbage');
  const third = await open(dir);
  assert.deepEqual(await third.loadRollouts(), []);
  await third.close();
});
