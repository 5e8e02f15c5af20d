import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LABEL } from '../../src/model/container.ts';
import type { ObservedContainer, ObservedState } from '../../src/model/observed.ts';
import { replicaOf } from '../../src/model/replica.ts';
import { plan } from '../../src/reconcile/plan.ts';
import { withReplicas } from '../../src/reconcile/plan-replicas.ts';
import { applied, blueprintOf, containerFor, desiredOf, observedOf } from '../fakes/planning.ts';

const OLD = { env: { MODE: 'old' } };

/** One replica as it is, in the order of what is worth keeping. */
const CONDITIONS = ['down', 'unhealthy', 'starting', 'old', 'fine'] as const;

type Condition = (typeof CONDITIONS)[number];

/** Any set of numbers, each in some condition, and how many are asked for. */
const crowds = fc.record({
  replicas: fc.integer({ min: 0, max: 4 }),
  conditions: fc.uniqueArray(
    fc.record({ number: fc.integer({ min: 0, max: 6 }), condition: fc.constantFrom(...CONDITIONS) }),
    { selector: ({ number }) => number, maxLength: 7 },
  ),
});

type Crowd = typeof crowds extends fc.Arbitrary<infer T> ? T : never;

function worldOf({ replicas, conditions }: Crowd) {
  const web = blueprintOf('web', { replicas });
  const [any] = blueprintOf('web', { replicas: 2 }).services;
  const [old] = blueprintOf('web', { replicas: 2, spec: OLD }).services;
  assert.ok(any !== undefined && old !== undefined);
  const containers = conditions.map(({ number, condition }): ObservedContainer => {
    const service = replicaOf(condition === 'old' ? old : any, number, replicas);
    const container = containerFor(service, { id: `id-${number}` });
    if (condition === 'down') return { ...container, state: 'exited', exitCode: 137 };
    if (condition === 'unhealthy' || condition === 'starting') return { ...container, health: condition };
    return container;
  });
  const observed = observedOf({ containers, runningSince: new Map(containers.map(({ id }) => [id, -1e9])) });
  return { desired: desiredOf(web), observed };
}

const numbersOf = ({ desired, observed }: ReturnType<typeof worldOf>): number[] =>
  withReplicas(desired, observed).blueprints.flatMap(({ services }) =>
    services.map(({ replica }) => replica),
  );

const runs = { numRuns: 400 };

test('as many replicas stay as are asked for, and none of them that is worth less than one that goes', () => {
  fc.assert(
    fc.property(crowds, (crowd) => {
      const chosen = new Set(numbersOf(worldOf(crowd)));
      assert.equal(chosen.size, crowd.replicas);
      const worth = (condition: Condition) => CONDITIONS.indexOf(condition);
      const kept = crowd.conditions.filter(({ number }) => chosen.has(number));
      const going = crowd.conditions.filter(({ number }) => !chosen.has(number));
      for (const goes of going)
        for (const stays of kept) {
          assert.ok(
            worth(goes.condition) <= worth(stays.condition),
            `${goes.number} is ${goes.condition}, ${stays.number} ${stays.condition}`,
          );
          if (goes.condition === stays.condition) assert.ok(goes.number > stays.number);
        }
      if (going.length > 0) assert.equal(kept.length, crowd.replicas, 'nothing new beside what goes');
    }),
    runs,
  );
});

test('what is missing takes the lowest free numbers', () => {
  fc.assert(
    fc.property(crowds, (crowd) => {
      fc.pre(crowd.conditions.length <= crowd.replicas);
      const expected = new Set(crowd.conditions.map(({ number }) => number));
      for (let number = 0; expected.size < crowd.replicas; number += 1) expected.add(number);
      assert.deepEqual(
        numbersOf(worldOf(crowd)),
        [...expected].sort((a, b) => a - b),
      );
    }),
    runs,
  );
});

test('the choice depends on no order, and choosing again changes nothing', () => {
  const shuffled = crowds.chain((crowd) =>
    fc
      .shuffledSubarray(crowd.conditions, { minLength: crowd.conditions.length })
      .map((conditions) => ({ crowd, other: { ...crowd, conditions } })),
  );
  fc.assert(
    fc.property(shuffled, ({ crowd, other }) => {
      const { desired, observed } = worldOf(crowd);
      const once = withReplicas(desired, observed);
      assert.deepEqual(withReplicas(desired, worldOf(other).observed), once);
      assert.deepEqual(withReplicas(once, observed), once);
    }),
    runs,
  );
});

test('on the whole way down only the replicas that go are stopped, and the numbers then stay', () => {
  fc.assert(
    fc.property(crowds, (crowd) => {
      fc.pre(crowd.conditions.length > crowd.replicas);
      const { desired, observed } = worldOf(crowd);
      const chosen = numbersOf({ desired, observed });
      const going = new Set(crowd.conditions.map(({ number }) => number).filter((n) => !chosen.includes(n)));
      let world: ObservedState = observed;
      for (let round = 0; going.size > 0 && round < 10; round += 1) {
        assert.deepEqual(numbersOf({ desired, observed: world }), chosen);
        const { actions } = plan(desired, world, 1_000);
        const ends = actions.filter(
          ({ kind, lane }) =>
            (kind === 'stopContainer' || kind === 'removeContainer') &&
            going.has(Number(lane.split('/').at(-1))),
        );
        for (const action of ends) world = applied(world, action, () => 'new', 1_000);
        if (ends.length === 0) break;
      }
      const left = world.containers.map(({ labels }) => Number(labels[LABEL.replica]));
      assert.deepEqual(
        left.sort((a, b) => a - b),
        chosen,
      );
    }),
    runs,
  );
});

test('a replica whose end is under way goes on to it, however the others fare meanwhile', () => {
  fc.assert(
    fc.property(crowds, fc.integer({ min: 0, max: 6 }), (crowd, ending) => {
      const isThere = crowd.conditions.some(({ number }) => number === ending);
      fc.pre(isThere && crowd.conditions.length > crowd.replicas);
      const { desired, observed } = worldOf(crowd);
      const busy = new Set([`web/web/${ending}`]);
      assert.ok(!numbersOf({ desired, observed: { ...observed, busy } }).includes(ending));
    }),
    runs,
  );
});
