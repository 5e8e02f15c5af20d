import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LABEL } from '../../../src/model/container.ts';
import { executorsOf } from '../../../src/reconcile/ownership.ts';
import { blueprintOf, convergedOf, desiredOf, withContainer } from '../../fakes/planning.ts';

const WORLD = withContainer(convergedOf(desiredOf(blueprintOf('web'), blueprintOf('api'))), 'web', (one) => ({
  state: 'exited',
  labels: { ...one.labels, [LABEL.executor]: 'web-1a2b3-0' },
}));

test('the executors that exist are those with a container, running or not', () => {
  assert.deepEqual([...(executorsOf(WORLD, []) ?? [])], ['web-1a2b3-0']);
  assert.deepEqual([...(executorsOf({ ...WORLD, containers: [] }, []) ?? ['not certain'])], []);
});

test('while a container may be in the making nothing is certain; a pull makes none', () => {
  assert.equal(executorsOf(WORLD, ['api/api/0']), undefined);
  assert.equal(executorsOf({ ...WORLD, busy: new Set(['api/api/0']) }, []), undefined);
  assert.notEqual(executorsOf(WORLD, ['image:registry.example/a/b:1', 'container:12ab']), undefined);
});
