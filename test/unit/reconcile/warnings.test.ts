import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkGraph } from '../../../src/kinds/index.ts';
import { warningsOf } from '../../../src/reconcile/warnings.ts';
import { blueprintOf, desiredOf, ENGINE, observedOf } from '../../fakes/planning.ts';

const none = () => [];
const limited = (memoryBytes: number) =>
  desiredOf(blueprintOf('web', { replicas: 2, spec: { limits: { memoryBytes } } }));
const GIB = 1024 ** 3;

test('memory limits that add up to more than the machine has are a warning with both numbers', () => {
  const observed = observedOf({ engine: { ...ENGINE, memoryBytes: GIB } });
  assert.deepEqual(warningsOf(limited(GIB / 2), observed, none), []);
  assert.deepEqual(warningsOf(limited(GIB), observed, none), [
    'memory limits add up to 2048 MiB, the machine has 1024 MiB',
  ]);
});

test('memory limits on a machine that does not control memory are a warning', () => {
  const observed = observedOf({ engine: { ...ENGINE, memoryLimit: false } });
  assert.match(warningsOf(limited(1e8), observed, none)[0] ?? '', /have no effect/);
  assert.deepEqual(warningsOf(desiredOf(blueprintOf('web')), observed, none), []);
});

test('two blueprints that claim one alias or one container name are named', () => {
  const lines = warningsOf(
    desiredOf(blueprintOf('a', { instances: ['web'] }), blueprintOf('b', { instances: ['web'] })),
    undefined,
    checkGraph,
  );
  assert.ok(lines.some((line) => /wants the container name "web", as a does/.test(line)));
  assert.ok(lines.some((line) => /answers to "app"/.test(line)));
});

test('nothing is doubtful about an unknown desired state', () => {
  assert.deepEqual(warningsOf({ known: false }, undefined, checkGraph), []);
});
