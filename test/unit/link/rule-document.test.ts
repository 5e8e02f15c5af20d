import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DocumentExtras, essenceOf, serverDocument, writerOf } from '../../../src/link/rule-document.ts';
import type { JsonObject } from '../../../src/model/blueprint.ts';
import type { Condition, InstanceStatus, StatusDocument } from '../../../src/model/status.ts';
import { sampleDocument } from '../../fakes/sample-status.ts';

const UP: DocumentExtras = { connected: { isUp: true, reason: 'Connected', since: '2026-01-02T03:00:00Z' } };

const instance = (change: Partial<InstanceStatus> = {}): InstanceStatus => ({
  id: '0123456789ab',
  name: 'c1-serviceregistry',
  type: 'container',
  state: 'running',
  created: '2026-01-02T03:00:00Z',
  image: 'aitiaiiot/arrowhead-serviceregistry:4.6.1',
  lastCheck: '2026-01-02T03:10:00Z',
  ready: true,
  restartCount: 0,
  startedAt: '2026-01-02T03:00:01.123456789Z',
  imageId: `sha256:${'ab'.repeat(32)}`,
  ports: ['8443:8443/tcp'],
  ...change,
});

const condition = (
  type: Condition['type'],
  status: Condition['status'],
  change: Partial<Condition> = {},
) => ({
  type,
  status,
  reason: 'Running',
  message: '',
  lastTransitionTime: '2026-01-02T03:00:02Z',
  ...change,
});

const HEALTHY = [
  condition('Ready', 'True', { message: '1 of 1 instances are ready' }),
  condition('Progressing', 'False', { reason: 'Idle' }),
  condition('Degraded', 'False', { reason: 'AsExpected' }),
  condition('SpecInvalid', 'False', { reason: 'Valid' }),
  condition('SpecWarnings', 'False', { reason: 'None' }),
];

const healthy = (change: Partial<StatusDocument> = {}) =>
  sampleDocument({ instances: [instance()], conditions: HEALTHY, ...change });

/** As the server gives it back: through JSON, members in another order. */
function stored(document: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(Object.fromEntries(Object.entries(document).reverse())));
}

test('the status of a healthy service has all members of the Go reconciler and costs less than 1 kB', () => {
  const document = serverDocument(healthy(), UP);
  const [first] = document.instances as JsonObject[];
  for (const key of ['id', 'name', 'type', 'state', 'created', 'image', 'lastCheck'])
    assert.equal(typeof first?.[key], 'string', key);
  for (const key of ['runningInstances', 'stoppedInstances', 'totalInstances', 'observedGeneration'])
    assert.equal(typeof document[key], 'number', key);
  assert.equal(document.phase, 'Running');
  assert.ok(JSON.stringify(document).length < 1_000, `${JSON.stringify(document).length}`);
});

test('conditions that say nothing are left out, Ready and Connected never', () => {
  const document = serverDocument(healthy(), UP);
  assert.deepEqual(document.conditions, [
    { type: 'Ready', status: 'True', reason: 'Running', lastTransitionTime: '2026-01-02T03:00:02Z' },
    { type: 'Connected', status: 'True', reason: 'Connected', lastTransitionTime: '2026-01-02T03:00:00Z' },
  ]);
  const degraded = serverDocument(
    healthy({
      conditions: [...HEALTHY.slice(1), condition('Degraded', 'True', { message: 'm'.repeat(500) })],
    }),
    UP,
  );
  const [said] = degraded.conditions as JsonObject[];
  assert.equal(said?.type, 'Degraded');
  assert.equal(String(said?.message).length, 200);
});

test('annotations pass through, and a claim is stamped on', () => {
  const annotations = { 'owner.example/team': 'barn' };
  const stamp = { node: 'gw-7', claimedAt: '2026-01-02T03:10:00Z', claimIntervalS: 900 };
  const document = serverDocument(healthy({ annotations }), { ...UP, stamp });
  assert.deepEqual(document.annotations, annotations);
  assert.equal(document.claimedAt, stamp.claimedAt);
});

test('no text goes out with U+0000 or half a character in it, and none is endless', () => {
  const document = serverDocument(
    healthy({ lastError: `a\u0000b\ud800c${'x'.repeat(1000)}`, annotations: { 'k\u0000': 'v\udc00' } }),
    UP,
  );
  assert.equal(document.lastError, `ab\ufffdc${'x'.repeat(294)}…`);
  assert.deepEqual(document.annotations, { k: 'v\ufffd' });
});

test('what the server gives back has the same essence', () => {
  const document = serverDocument(healthy({ lastError: 'a\u0000b\ud83d', annotations: { a: 'b' } }), UP);
  assert.equal(essenceOf(stored(document)), essenceOf(document));
});

test('times, claims, percentages and what is sent once do not make a status another one', () => {
  const at = (time: string, percent: number) =>
    healthy({
      lastUpdated: time,
      instances: [instance({ lastCheck: time })],
      conditions: [
        condition('Ready', 'True', { lastTransitionTime: time }),
        condition('Progressing', 'True', { reason: 'Working', message: `pull of app:1: ${percent} %` }),
      ],
    });
  const one = serverDocument(at('2026-01-02T03:10:00Z', 1), UP);
  const other = serverDocument(at('2026-01-02T04:10:00Z', 99), {
    connected: { ...UP.connected, since: '2026-01-02T04:00:00Z' },
    offline: { healedCount: 3 },
    stamp: { claimedAt: '2026-01-02T04:10:00Z', claimIntervalS: 900 },
  });
  assert.equal(essenceOf(one), essenceOf(other));
});

test('whatever else changes makes it another one', () => {
  const essences = [
    healthy(),
    healthy({ phase: 'Degraded' }),
    healthy({ observedGeneration: 4 }),
    healthy({ lastError: 'x' }),
    healthy({ agentVersion: '0.2.0' }),
    healthy({ annotations: { a: 'b' } }),
    healthy({ instances: [instance({ restartCount: 1 })] }),
    healthy({ instances: [instance({ id: 'ba9876543210' })] }),
    healthy({ instances: [] }),
    healthy({ conditions: HEALTHY.slice(1) }),
  ].map((status) => essenceOf(serverDocument(status, UP)));
  assert.equal(new Set(essences).size, essences.length);
});

test('a condition keeps the time that the server knows while its status stays the same', () => {
  const known = serverDocument(healthy(), UP);
  const later = HEALTHY.map((one) => ({ ...one, lastTransitionTime: '2026-02-02T00:00:00Z' }));
  const after = serverDocument(healthy({ conditions: later }), { ...UP, known: stored(known) });
  assert.deepEqual(after.conditions, known.conditions);
  const worse = [condition('Ready', 'False', { lastTransitionTime: '2026-02-02T00:00:00Z' })];
  const changed = serverDocument(healthy({ conditions: worse }), { ...UP, known: stored(known) });
  assert.equal((changed.conditions as JsonObject[])[0]?.lastTransitionTime, '2026-02-02T00:00:00Z');
});

test('a status of another making has an essence too, and a writer when it names one', () => {
  for (const status of [{}, { instances: 'x', conditions: [null, 3] }, { node: 7 }])
    assert.match(essenceOf(status), /^[0-9a-f]{16}$/);
  assert.equal(writerOf({ node: 7 }), undefined);
  assert.equal(writerOf({ node: '' }), undefined);
  assert.equal(writerOf({ node: 'gw-7' }), 'gw-7');
});
