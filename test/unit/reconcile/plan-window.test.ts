import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DesiredBlueprint } from '../../../src/model/desired.ts';
import { replaces } from '../../../src/reconcile/plan-window.ts';
import { type BlueprintOptions, blueprintOf } from '../../fakes/planning.ts';

const web = (options: BlueprintOptions = {}) => blueprintOf('web', { replicas: 2, ...options });

test('a version that changes or takes away a container replaces, one that only adds or takes replicas does not', () => {
  const before = web({ instances: ['a', 'b'] });
  const cases: [string, DesiredBlueprint, boolean][] = [
    ['the same', web({ instances: ['a', 'b'], generation: 9 }), false],
    ['another image', web({ instances: ['a', 'b'], spec: { image: 'app:2' } }), true],
    ['other limits', web({ instances: ['a', 'b'], spec: { limits: { memoryBytes: 5e7 } } }), true],
    ['another pull policy', web({ instances: ['a', 'b'], service: { pullPolicy: 'Always' } }), true],
    ['one instance more', web({ instances: ['a', 'b', 'c'] }), false],
    ['one instance less', web({ instances: ['a'] }), true],
    ['a renamed instance', web({ instances: ['a', 'c'] }), true],
    ['more replicas', web({ instances: ['a', 'b'], replicas: 3 }), false],
    ['none at all', web({ instances: ['a', 'b'], replicas: 0 }), false],
  ];
  for (const [what, next, expected] of cases) assert.equal(replaces(next, before), expected, what);
  const three = web({ instances: ['a', 'b'], replicas: 3 });
  assert.equal(replaces(before, three), false, 'fewer replicas');
});

test('the identity of an executor is no part of its version, a variable of the same name elsewhere is', () => {
  const withKey = (key: string, service: BlueprintOptions['service']) =>
    web({ spec: { env: { COLONIES_PRVKEY: key } }, service: { ...service } });
  const executor = { executorName: 'worker' };
  assert.equal(replaces(withKey('two', executor), withKey('one', executor)), false);
  assert.equal(replaces(withKey('two', {}), withKey('one', {})), true);
});
