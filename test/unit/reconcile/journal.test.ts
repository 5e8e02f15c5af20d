import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Action } from '../../../src/model/action.ts';
import { Journal } from '../../../src/reconcile/journal.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { CollectingLog } from '../../fakes/log.ts';

const PULL: Action = {
  kind: 'pullImage',
  lane: 'image:app:1',
  blueprint: 'web',
  cause: 'image is not present',
  image: 'app:1',
};
const failure = { ok: false, code: 'X', permanent: false, engineOutage: false } as const;

function journal() {
  const log = new CollectingLog();
  return { log, journal: new Journal(new ManualClock(), log) };
}

test('a pull is told when it starts and when it ends, each with the image', () => {
  const { log, journal: one } = journal();
  one.begun(PULL);
  one.done({ action: PULL, tookMs: 1500, ok: true });
  const told = one.after(0).map(({ message, detail, cause }) => ({ message, detail, cause }));
  assert.deepEqual(told, [
    { message: 'image pull started', detail: 'app:1', cause: PULL.cause },
    { message: 'image pulled', detail: 'app:1, 1.50 s', cause: PULL.cause },
  ]);
  assert.equal(log.lines.length, 2);
});

test('a pull that fails again and again is not told to start each time, and names the image once', () => {
  const { log, journal: one } = journal();
  for (let i = 0; i < 3; i++) {
    one.begun(PULL);
    one.failed(
      { ...failure, action: PULL, tookMs: 1, reason: 'ImageUnavailable', message: 'refused' },
      undefined,
    );
  }
  const messages = log.lines.map(({ message, fields }) => `${message}: ${fields.detail}`);
  assert.deepEqual(messages, ['image pull started: app:1', 'pullImage failed: app:1, refused']);
  const named = {
    ...failure,
    action: PULL,
    tookMs: 1,
    reason: 'ImageUnavailable',
    message: 'no app:1 there',
  } as const;
  one.failed(named, undefined);
  assert.equal(log.lines.at(-1)?.fields.detail, 'no app:1 there');
});

test('other actions are not told to start', () => {
  const { log, journal: one } = journal();
  one.begun({ kind: 'removeVolume', lane: 'volume:v', blueprint: 'web', cause: 'x', name: 'v' });
  assert.deepEqual(log.lines, []);
});
