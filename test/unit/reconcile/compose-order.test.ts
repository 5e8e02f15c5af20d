import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DesiredBlueprint } from '../../../src/model/desired.ts';
import { problemText } from '../../../src/model/problem.ts';
import { withOrder, withoutCycles } from '../../../src/reconcile/compose-order.ts';
import { blueprintOf } from '../../fakes/planning.ts';

function needing(name: string, ...names: string[]): DesiredBlueprint {
  const dependsOn = names.map((one) => ({ name: one, condition: 'auto' as const, timeoutMs: 1 }));
  return blueprintOf(name, { service: { dependsOn } });
}

function map(...blueprints: DesiredBlueprint[]): Map<string, DesiredBlueprint> {
  return new Map(blueprints.map((blueprint) => [blueprint.name, blueprint]));
}

/** What is in force, and the refusals as texts. */
function composed(list: DesiredBlueprint[], before: Map<string, DesiredBlueprint> = new Map()) {
  const { blueprints, refusals } = withoutCycles(list, before);
  const texts = refusals.map(({ name, problems }) => `${name}: ${problems.map(problemText).join()}`);
  return { blueprints, texts };
}

test('the order of what a version no longer asks for is kept until it is asked for again', () => {
  const old = needing('web', 'db');
  const off = withOrder({ ...old, services: [] }, old);
  assert.deepEqual(off.order, { web: ['db'] });
  assert.deepEqual(withOrder({ ...old, services: [] }, off).order, { web: ['db'] });
  assert.equal(withOrder(old, off).order, undefined);
  assert.equal('order' in withOrder(blueprintOf('web', { replicas: 0 }), blueprintOf('web')), false);
});

test('of a cycle the last new one is refused by name, and the others stay', () => {
  const [a, b, c] = [needing('a', 'b'), needing('b', 'c'), needing('c', 'a')];
  const { blueprints, texts } = composed([a, b, c]);
  assert.deepEqual(
    blueprints.map(({ name }) => name),
    ['a', 'b'],
  );
  assert.deepEqual(texts, ['c: spec.dependsOn must not form a cycle: a -> b -> c -> a']);
});

test('a change that closes a cycle leaves the version before in force', () => {
  const [a, b] = [needing('a', 'b'), needing('b')];
  const changed = needing('b', 'a');
  const { blueprints, texts } = composed([a, changed], map(a, b));
  assert.deepEqual(blueprints, [a, b]);
  assert.match(texts.join(), /^b: spec.dependsOn must not form a cycle: a -> b -> a/);
});

test('a cycle that is in force already is opened, and stays so with each further composition', () => {
  const [a, b] = [needing('a', 'b'), needing('b', 'a')];
  const first = composed([a, b], map(a, b));
  assert.deepEqual(
    first.blueprints.map(({ services }) => services[0]?.dependsOn.length),
    [1, 0],
  );
  const second = composed([a, b], map(...first.blueprints));
  assert.deepEqual(second, first);
});

test('what is being removed closes no cycle, and no dependency is no cycle', () => {
  const gone = { ...needing('b', 'a'), deleting: true };
  assert.deepEqual(composed([needing('a', 'b'), gone]).texts, []);
  assert.deepEqual(composed([needing('a', 'b'), needing('b', 'z')]).texts, []);
});
