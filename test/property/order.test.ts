import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Action } from '../../src/model/action.ts';
import type { DesiredBlueprint, Service } from '../../src/model/desired.ts';
import type { ObservedState } from '../../src/model/observed.ts';
import { withOrder } from '../../src/reconcile/compose-order.ts';
import { OrderMemory } from '../../src/reconcile/memory-order.ts';
import { keyOf } from '../../src/reconcile/ownership.ts';
import { plan } from '../../src/reconcile/plan.ts';
import { planText } from '../../src/reconcile/text.ts';
import { applied, blueprintOf, convergedOf, desiredOf, observedOf } from '../fakes/planning.ts';

const CONDITIONS = ['auto', 'started', 'healthy', 'completed'] as const;

/** Services in a row, each depending on some of those before it: so there is no cycle. */
interface Node {
  needs: readonly { index: number; condition: (typeof CONDITIONS)[number] }[];
  /** A job ends well once it has run; a service gets healthy after so many rounds, or has no check. */
  kind: 'job' | 'plain' | 'checked';
  rounds: number;
}

const nodes: fc.Arbitrary<Node[]> = fc
  .array(
    fc.record({
      needs: fc.uniqueArray(fc.record({ index: fc.nat(6), condition: fc.constantFrom(...CONDITIONS) }), {
        maxLength: 3,
        selector: ({ index }) => index,
      }),
      kind: fc.constantFrom('job' as const, 'plain' as const, 'checked' as const),
      rounds: fc.integer({ min: 0, max: 4 }),
    }),
    { minLength: 1, maxLength: 7 },
  )
  .map((list) =>
    list.map((node, at) => ({
      ...node,
      needs: node.needs
        .filter(({ index }) => index < at)
        // Only a job ever completes.
        .map(({ index, condition }) => ({
          index,
          condition:
            condition === 'completed' && list[index]?.kind !== 'job' ? ('started' as const) : condition,
        })),
    })),
  );

/** Names in an order that is not that of the dependencies. */
const nameOf = (index: number) => `s${(index * 5 + 3) % 7}`;

function blueprints(list: readonly Node[]): DesiredBlueprint[] {
  return list.map(({ needs, kind }, at) =>
    blueprintOf(nameOf(at), {
      spec: { restart: { name: kind === 'job' ? 'no' : 'unless-stopped', maxRetries: 0 } },
      service: {
        dependsOn: needs.map(({ index, condition }) => ({
          name: nameOf(index),
          condition,
          timeoutMs: 1_000,
        })),
      },
    }),
  );
}

/** A world in which what was started goes its way, round after round. */
class World {
  readonly memory: OrderMemory;
  readonly list: readonly Node[];
  observed: ObservedState = observedOf();
  readonly #age = new Map<string, number>();
  #made = 0;

  constructor(list: readonly Node[], limit: number) {
    this.list = list;
    this.memory = new OrderMemory(limit);
  }

  node(name: string): Node | undefined {
    return this.list[this.list.findIndex((_, at) => nameOf(at) === name)];
  }

  look(): ObservedState {
    this.observed = { ...this.observed, order: this.memory.view(this.observed) };
    return this.observed;
  }

  apply(action: Action, monoMs: number): void {
    this.observed = applied(this.observed, action, () => `id-${++this.#made}`, monoMs);
  }

  /** Everything that runs gets one round older. */
  age(): void {
    const containers = this.observed.containers.map((container) => {
      const node = this.node(container.name);
      if (container.state !== 'running' || node === undefined || node.kind === 'plain') return container;
      const age = (this.#age.get(container.id) ?? 0) + 1;
      this.#age.set(container.id, age);
      const isOver = age > node.rounds;
      if (node.kind === 'checked')
        return { ...container, health: isOver ? ('healthy' as const) : ('starting' as const) };
      return isOver ? { ...container, state: 'exited' as const, exitCode: 0 } : container;
    });
    this.observed = { ...this.observed, containers };
  }

  isFine(name: string): boolean {
    const container = this.observed.containers.find((one) => one.name === name);
    const kind = this.node(name)?.kind;
    if (container === undefined) return false;
    if (kind === 'job') return container.state === 'exited';
    return container.state === 'running' && (kind === 'plain' || container.health === 'healthy');
  }

  /** Whether a dependency is as its dependant asks, judged without the code under test. */
  isMet({ name, condition }: Service['dependsOn'][number]): boolean {
    const container = this.observed.containers.find((one) => one.name === name);
    const isStarted =
      container !== undefined && (container.state === 'running' || container.state === 'exited');
    if (condition === 'started') return isStarted;
    if (condition === 'completed') return container?.state === 'exited';
    if (this.node(name)?.kind === 'checked') return container?.health === 'healthy';
    return isStarted;
  }

  starting(): number {
    return this.observed.containers.filter(
      ({ state, health }) => state === 'created' || (state === 'running' && health === 'starting'),
    ).length;
  }
}

const LIMIT_ROUNDS = 120;
const runs = { numRuns: 300 };

test('every acyclic graph reaches its goal, nothing starts before its gate, and no more start at once than may', () => {
  fc.assert(
    fc.property(nodes, fc.integer({ min: 1, max: 4 }), (list, limit) => {
      const world = new World(list, limit);
      const desired = desiredOf(...blueprints(list));
      const services = new Map(desired.blueprints.flatMap((one) => one.services.map((s) => [s.key, s])));
      for (let round = 0; round < LIMIT_ROUNDS; round += 1) {
        const monoMs = round * 100;
        const next = plan(desired, world.look(), monoMs);
        for (const action of next.actions) {
          if (action.kind === 'createContainer' || action.kind === 'startContainer')
            for (const need of services.get(action.lane)?.dependsOn ?? [])
              assert.ok(world.isMet(need), `${action.kind} ${action.name} before ${need.name}`);
        }
        world.memory.note(next, world.observed.busy, { now: 0, monoMs });
        for (const action of next.actions) world.apply(action, monoMs);
        world.age();
        assert.ok(world.starting() <= limit, `${world.starting()} start, ${limit} may`);
        if (list.every((_, at) => world.isFine(nameOf(at)))) return;
      }
      assert.fail(`no end:\n${planText(plan(desired, world.look(), LIMIT_ROUNDS * 100))}`);
    }),
    runs,
  );
});

test('who depends on nobody is made at once when enough may start', () => {
  fc.assert(
    fc.property(nodes, (list) => {
      const desired = desiredOf(...blueprints(list));
      const made = new Set(plan(desired, observedOf(), 0).actions.map(({ lane }) => lane));
      list.forEach(({ needs }, at) => {
        if (needs.length === 0) assert.ok(made.has(`${nameOf(at)}/${nameOf(at)}/0`));
      });
    }),
    runs,
  );
});

test('what goes is stopped in the reverse order, all of it, and nothing that stays is touched', () => {
  fc.assert(
    fc.property(nodes, fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }), (list, goes) => {
      const all = blueprints(list);
      let observed = convergedOf(desiredOf(...all));
      const leaving = new Set(all.filter((_, at) => goes[at]).map(({ name }) => name));
      const desired = desiredOf(
        ...all.map((one) =>
          leaving.has(one.name)
            ? { ...withOrder({ ...one, services: [] }, one), deleting: true }
            : { ...one, services: one.services.map((service) => ({ ...service, dependsOn: [] })) },
        ),
      );
      const dependants = (name: string) =>
        all.filter(({ services }) => services[0]?.dependsOn.some((need) => need.name === name));
      for (let round = 0; round < LIMIT_ROUNDS; round += 1) {
        const next = plan(desired, observed, round);
        if (next.actions.length === 0) break;
        for (const action of next.actions) {
          assert.ok(leaving.has(action.blueprint), planText(next));
          if (action.kind !== 'stopContainer') continue;
          for (const { name } of dependants(action.name))
            assert.ok(
              !leaving.has(name) ||
                observed.containers.every((one) => one.name !== name || one.state !== 'running'),
              `${action.name} is stopped before ${name}`,
            );
        }
        for (const action of next.actions) observed = applied(observed, action, () => '', round);
      }
      const left = observed.containers.map((container) => keyOf(container)?.split('/')[0] ?? '');
      assert.deepEqual(
        left.sort(),
        all
          .map(({ name }) => name)
          .filter((name) => !leaving.has(name))
          .sort(),
      );
    }),
    runs,
  );
});
