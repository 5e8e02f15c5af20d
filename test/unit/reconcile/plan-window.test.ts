import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveBlueprint } from '../../../src/kinds/index.ts';
import type { JsonObject } from '../../../src/model/blueprint.ts';
import type { DesiredBlueprint } from '../../../src/model/desired.ts';
import { lasting } from '../../../src/reconcile/plan-version.ts';
import { hasBegun, replaces } from '../../../src/reconcile/plan-window.ts';
import { type BlueprintOptions, blueprintOf, containerFor, observedOf } from '../../fakes/planning.ts';
import { context, desired, executor, slot } from '../kinds/support.ts';

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

const GATEWAY = { node: 'gw7', colony: 'trains' };

const executors = (key: string, spec: JsonObject = {}): DesiredBlueprint =>
  desired(resolveBlueprint(executor(spec), context({ slots: [slot(0, { key })] })));

test('the identity of an executor is no part of its version, a variable of the same name elsewhere is', () => {
  const [one, two] = ['ab'.repeat(32), 'cd'.repeat(32)];
  assert.equal(replaces(executors(two), executors(one)), false);
  assert.equal(replaces(executors(two, { image: 'app:2' }), executors(one)), true);
  const withKey = (key: string) => web({ spec: { env: { COLONIES_PRVKEY: key } } });
  assert.equal(replaces(withKey(two), withKey(one)), true);
});

test('an executor that runs unchanged is no sign that its new version has begun', () => {
  const before = executors('ab'.repeat(32));
  const [service] = before.services;
  assert.ok(service);
  const observed = observedOf({ containers: [containerFor(service)] });
  const kept = lasting(before);
  const limited = executors('ab'.repeat(32), { restartPolicy: 'on-failure' });
  assert.equal(replaces(limited, kept), true);
  assert.equal(hasBegun(limited, kept, observed, GATEWAY), false);
  const next = executors('ab'.repeat(32), { image: 'app:2' });
  assert.equal(hasBegun(next, kept, observed, GATEWAY), false);
  const [newer] = next.services;
  assert.ok(newer);
  assert.equal(hasBegun(next, kept, observedOf({ containers: [containerFor(newer)] }), GATEWAY), true);
});
