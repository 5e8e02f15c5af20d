import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Action } from '../../src/model/action.ts';
import { LABEL } from '../../src/model/container.ts';
import type { DesiredBlueprint, DesiredState } from '../../src/model/desired.ts';
import type {
  Ailing,
  ForcedRun,
  ObservedContainer,
  ObservedState,
  Setback,
} from '../../src/model/observed.ts';
import { servicesOf } from '../../src/reconcile/crashes.ts';
import { isOurs } from '../../src/reconcile/ownership.ts';
import { plan } from '../../src/reconcile/plan.ts';
import { overdue } from '../../src/reconcile/plan-gate.ts';
import { withReplicas } from '../../src/reconcile/plan-replicas.ts';
import { planText } from '../../src/reconcile/text.ts';
import {
  applied,
  blueprintOf,
  containerFor,
  desiredOf,
  NETWORK,
  OWNER,
  observedOf,
} from '../fakes/planning.ts';

/** Worlds with few names, so that clashes are common. */
const blueprints = fc
  .uniqueArray(
    fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      instances: fc.uniqueArray(fc.constantFrom('x', 'y'), { minLength: 1, maxLength: 2 }),
      replicas: fc.constantFrom(0, 1, 2),
      mode: fc.constantFrom('1', '2'),
      image: fc.constantFrom('app:1', 'app:2'),
      deleting: fc.boolean(),
    }),
    { selector: ({ name }) => name, maxLength: 3 },
  )
  .map((list) =>
    list.map(({ name, instances, replicas, mode, image, deleting }) =>
      blueprintOf(name, {
        // Container names are global; every blueprint has its own, as validation across blueprints would ask for.
        instances: instances.map((instance) => `${name}-${instance}`),
        replicas,
        spec: { env: { MODE: mode }, image },
        deleting,
      }),
    ),
  );

const states = fc.constantFrom('created', 'running', 'paused', 'exited', 'dead');

/** Containers of present, former and foreign versions, under right and wrong names. */
const leftovers = fc.array(
  fc.record({
    of: fc.constantFrom('a', 'b', 'c'),
    instance: fc.constantFrom('x', 'y'),
    replica: fc.constantFrom(0, 1, 2),
    mode: fc.constantFrom('1', '2', '3'),
    image: fc.constantFrom('app:1', 'app:2'),
    state: states,
    owner: fc.constantFrom('ours', 'ours', 'ours', 'other node', 'nobody'),
    name: fc.constantFrom('right', 'right', 'temporary', 'wrong'),
    isAttached: fc.boolean(),
    isMade: fc.boolean(),
    isInspected: fc.boolean(),
    health: fc.constantFrom('none', 'none', 'healthy', 'failing', 'failing for long'),
  }),
  { maxLength: 7 },
);

interface World {
  desired: DesiredState & { known: true };
  observed: ObservedState;
}

/** Forced runs of some blueprints: still pulling some images, or replacing some containers. */
const forcings = fc.array(
  fc.record({
    of: fc.constantFrom('a', 'b', 'c', 'unknown'),
    isPulling: fc.boolean(),
    refs: fc.subarray(['app:1', 'app:2']),
    containers: fc.subarray([0, 1, 2, 3, 4, 5, 6]),
  }),
  { maxLength: 2 },
);

/** `containers` are positions in the list of leftovers; only the blueprint's own containers can be meant. */
function forcedOf(
  list: typeof forcings extends fc.Arbitrary<infer T> ? T : never,
  containers: readonly ObservedContainer[],
): ObservedState['forced'] {
  return new Map(
    list.map(({ of, isPulling, refs, containers: positions }): [string, ForcedRun] => {
      if (isPulling)
        return [of, { phase: 'pulling', refs: new Set(['app:1', 'app:2']), toPull: new Set(refs) }];
      const meant = containers.filter(
        ({ id, labels }) =>
          positions.includes(Number(id.slice(3))) &&
          labels[LABEL.deployment] === of &&
          labels[LABEL.node] === OWNER.node,
      );
      return [of, { phase: 'recreating', containers: new Map(meant.map(({ id }) => [id, 'forced run'])) }];
    }),
  );
}

const worlds: fc.Arbitrary<World> = fc
  .record({
    blueprints,
    leftovers,
    forcings,
    images: fc.subarray(['app:1', 'app:2']),
    hasNetwork: fc.boolean(),
  })
  .map(({ blueprints: list, leftovers: rest, forcings: forced, images, hasNetwork }) => {
    const containers: ObservedContainer[] = [];
    const made = new Set<string>();
    const ailing = new Map<string, Ailing>();
    const names = new Set<string>();
    rest.forEach((left, index) => {
      const source = blueprintOf(left.of, {
        instances: [`${left.of}-${left.instance}`],
        replicas: left.replica + 1,
        spec: { env: { MODE: left.mode }, image: left.image },
      });
      const service = source.services[left.replica];
      assert.ok(service);
      const base =
        left.replica === 0 && index % 2 === 0 ? `${left.of}-${left.instance}` : service.containerName;
      const name = { right: base, temporary: `${base}.next-abcdef`, wrong: `stray-${index}` }[left.name];
      if (names.has(name)) return;
      names.add(name);
      const owned = containerFor(service, { id: `id-${index}`, name, state: left.state });
      const labels = {
        ours: owned.labels,
        'other node': { ...owned.labels, [LABEL.node]: 'edge-9' },
        nobody: {},
      }[left.owner];
      const detail = owned.detail;
      assert.ok(detail);
      const spec = { ...detail.spec, labels };
      const networks = left.isAttached ? detail.networks : {};
      const { detail: _detail, ...bare } = owned;
      containers.push({
        ...bare,
        labels,
        ...(left.state === 'exited' ? { exitCode: 137 } : {}),
        ...(left.state === 'running' ? healthOf(left.health) : {}),
        ...(left.isInspected ? { detail: { ...detail, spec, networks } } : {}),
      });
      if (left.isMade) made.add(owned.id);
      const notBeforeMs = left.health === 'failing' ? 20_000 : 0;
      if (left.state === 'running' && left.health.startsWith('failing'))
        ailing.set(owned.id, { attempts: 1, restarts: 1, failing: { notBeforeMs, nextTryAt: 0 } });
    });
    const empty = observedOf();
    const known = new Map(
      ['app:1', 'app:2'].map((ref) => [ref, images.includes(ref) ? containerImage(ref) : null]),
    );
    return {
      desired: desiredOf(...list),
      observed: {
        ...empty,
        runningSince: new Map(containers.map(({ id }) => [id, 0])),
        containers,
        made,
        ailing,
        forced: forcedOf(forced, containers),
        images: known,
        networks: hasNetwork ? empty.networks : [],
      },
    };
  });

function healthOf(word: string): Pick<ObservedContainer, 'health'> {
  return word === 'none' ? {} : { health: word === 'healthy' ? 'healthy' : 'unhealthy' };
}

function containerImage(ref: string) {
  return (
    applied(
      observedOf(),
      { kind: 'pullImage', image: ref, lane: '', blueprint: '', cause: '' },
      () => '',
      0,
    ).images.get(ref) ?? null
  );
}

/** Applies plan after plan, all actions of a plan in order, until nothing happens; time moves to each `wakeAt`. */
function run(
  { desired, observed }: World,
  limit = 80,
): { observed: ObservedState; actions: Action[]; rounds: number } {
  let world = observed;
  let monoMs = 1_000;
  let made = 0;
  let wanted = desired;
  const actions: Action[] = [];
  for (let round = 0; round < limit; round += 1) {
    const next = plan(wanted, world, monoMs);
    const gone = new Set(next.finished);
    wanted = { ...wanted, blueprints: wanted.blueprints.filter(({ name }) => !gone.has(name)) };
    for (const action of next.actions) {
      actions.push(action);
      world = applied(world, action, () => `new-${++made}`, monoMs);
    }
    world = {
      ...world,
      adopted: new Map([...world.adopted, ...next.adopt.map(({ id, specHash }) => [id, specHash] as const)]),
    };
    if (next.actions.length === 0 && next.wakeAtMs === undefined)
      return { observed: world, actions, rounds: round };
    monoMs = Math.max(monoMs + 1, next.wakeAtMs ?? monoMs);
    world = { ...world, setbacks: condemned(wanted, world, monoMs) };
  }
  throw new Error(`no end after ${limit} rounds; last steps:\n${planText(plan(wanted, world, monoMs))}`);
}

/** Setbacks with those of new versions that have not become healthy in time, as the agent's memory adds them. */
function condemned(
  wanted: World['desired'],
  world: ObservedState,
  monoMs: number,
): ObservedState['setbacks'] {
  const late = overdue(servicesOf(withReplicas(wanted, world)), world, OWNER, world.runningSince, monoMs);
  const fresh = late.filter(({ key }) => (world.setbacks.get(key)?.notBeforeMs ?? 0) <= monoMs);
  const notBeforeMs = monoMs + 300_000;
  const more = fresh.map(({ container, token, ...failure }): [string, Setback] => [
    failure.key,
    { ...failure, attempts: 1, since: 0, notBeforeMs, nextTryAt: 0 },
  ]);
  return new Map([...world.setbacks, ...more]);
}

function foreign(observed: ObservedState): ObservedContainer[] {
  return observed.containers.filter((container) => !isOurs(container, OWNER));
}

/** Container names that somebody else holds: their services cannot reach the goal, and must say so. */
function blocked(world: World): Set<string> {
  return new Set(foreign(world.observed).map(({ name }) => name));
}

const runs = { numRuns: 400 };

test('from any world, plan after plan reaches the goal: each service has just its one container, as asked for', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const { observed } = run(world);
      const taken = blocked(world);
      for (const blueprint of withReplicas(world.desired, observed).blueprints) {
        const own = observed.containers.filter(
          (container) => isOurs(container, OWNER) && container.labels[LABEL.deployment] === blueprint.name,
        );
        const wanted = blueprint.services.filter(({ containerName }) => !taken.has(containerName));
        for (const service of wanted) {
          const mine = own.filter(({ name }) => name === service.containerName);
          assert.equal(mine.length, 1, `${service.containerName} exists once`);
          assert.equal(mine[0]?.state, 'running');
          assert.equal(mine[0]?.labels[LABEL.specHash], service.specHash);
          if (mine[0]?.detail !== undefined) assert.ok(mine[0].detail.networks[NETWORK], 'is on its network');
        }
        const free = own.filter(({ name }) => !taken.has(name.replace(/\.next-\w+$/, '')));
        const lost = free.filter(({ labels }) => {
          const service = blueprint.services.find(
            ({ instance, replica }) =>
              instance === labels[LABEL.instance] && String(replica) === labels[LABEL.replica],
          );
          return service === undefined || !taken.has(service.containerName);
        });
        assert.equal(lost.length, wanted.length, 'nothing of ours is left over');
      }
    }),
    runs,
  );
});

test('of the containers that a forced run is to replace, none is left when the goal is reached', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      fc.pre(blocked(world).size === 0);
      const { observed } = run(world);
      const left = new Set(observed.containers.map(({ id }) => id));
      for (const [name, forced] of world.observed.forced)
        if (forced.phase === 'recreating' && world.desired.blueprints.some((one) => one.name === name))
          for (const id of forced.containers.keys()) assert.ok(!left.has(id), `${id} is gone`);
        else if (forced.phase === 'pulling')
          for (const ref of forced.toPull)
            if (world.desired.blueprints.some((one) => one.name === name && !one.deleting))
              assert.ok(observed.fresh.has(ref), `${ref} was pulled anew`);
    }),
    runs,
  );
});

test('at the goal every container is healthy that has a check', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      fc.pre(blocked(world).size === 0);
      for (const { id, health, labels } of run(world).observed.containers)
        if (labels[LABEL.node] === OWNER.node && labels[LABEL.managed] === 'true')
          if (world.desired.blueprints.some(({ name }) => name === labels[LABEL.deployment]))
            assert.notEqual(health, 'unhealthy', id);
    }),
    runs,
  );
});

test('a converged world gives an empty plan, and goes on giving it', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      fc.pre(blocked(world).size === 0);
      const { observed } = run(world);
      const again = plan(
        { ...world.desired, blueprints: world.desired.blueprints.filter(({ deleting }) => !deleting) },
        observed,
        1e9,
      );
      assert.deepEqual([again.actions, again.holds, again.wakeAtMs], [[], [], undefined]);
    }),
    runs,
  );
});

test('an unknown desired state never acts', () => {
  fc.assert(
    fc.property(worlds, ({ observed }) => {
      const nothing = plan({ known: false }, observed, 0);
      assert.deepEqual(nothing, { actions: [], holds: [], adopt: [], finished: [] });
    }),
    runs,
  );
});

test('no action ever touches what is not ours, on the whole way to the goal', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const before = foreign(world.observed);
      const { observed, actions } = run(world);
      assert.deepEqual(foreign(observed), before);
      const ids = new Set(before.map(({ id }) => id));
      for (const action of actions)
        if ('id' in action)
          assert.ok(!ids.has(action.id), planText({ actions: [action], holds: [], adopt: [], finished: [] }));
    }),
    runs,
  );
});

test('containers of blueprints that nobody told us of are never touched', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const known = new Set(world.desired.blueprints.map(({ name }) => name));
      const { actions } = run(world);
      for (const action of actions) if (action.blueprint !== '') assert.ok(known.has(action.blueprint));
    }),
    runs,
  );
});

test('the plan does not depend on the order of blueprints, containers or networks', () => {
  const shuffled = worlds.chain((world) =>
    fc
      .tuple(
        fc.shuffledSubarray([...world.desired.blueprints], { minLength: world.desired.blueprints.length }),
        fc.shuffledSubarray([...world.observed.containers], { minLength: world.observed.containers.length }),
      )
      .map(([list, containers]) => ({
        world,
        other: {
          desired: desiredOf(...(list as DesiredBlueprint[])),
          observed: { ...world.observed, containers },
        },
      })),
  );
  const asSet = ({ desired, observed }: World) =>
    planText(plan(desired, observed, 5))
      .split('\n')
      .sort();
  fc.assert(
    fc.property(shuffled, ({ world, other }) => assert.deepEqual(asSet(other), asSet(world))),
    runs,
  );
});

test('a service held by a setback gets no new start or create, is shown, and wakeAt is when its time comes', () => {
  const held = fc.record({
    world: worlds,
    permanent: fc.boolean(),
    waitMs: fc.integer({ min: 1, max: 300_000 }),
  });
  fc.assert(
    fc.property(held, ({ world, permanent, waitMs }) => {
      const here = withReplicas(world.desired, world.observed);
      const services = here.blueprints.flatMap((blueprint) => blueprint.services);
      fc.pre(services.length > 0);
      const setbacks = new Map<string, Setback>();
      for (const { key, specHash } of services)
        setbacks.set(key, {
          key,
          specHash,
          reason: 'StartFailed',
          message: 'no',
          attempts: 1,
          permanent,
          since: 0,
          notBeforeMs: 1_000 + waitMs,
          nextTryAt: 5,
        });
      const next = plan(world.desired, { ...world.observed, setbacks }, 1_000);
      for (const { key, specHash } of services) {
        const actions = next.actions.filter(({ lane }) => lane === key);
        for (const action of actions) {
          assert.notEqual(action.kind, 'createContainer');
          if (action.kind === 'startContainer') assert.notEqual(action.specHash, specHash);
        }
        assert.ok(
          next.holds.some((hold) => hold.key === key),
          `${key} is shown as held`,
        );
      }
      assert.equal(next.wakeAtMs, 1_000 + waitMs);
    }),
    runs,
  );
});

test('every action has a cause and a lane, and no lane gets two', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const { actions } = plan(world.desired, world.observed, 0);
      for (const action of actions) assert.ok(action.cause.length > 3 && action.lane.length > 3);
      assert.equal(new Set(actions.map(({ lane }) => lane)).size, actions.length);
    }),
    runs,
  );
});

test('a busy lane gets no action', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const first = plan(world.desired, world.observed, 0);
      const busy = new Set(first.actions.map(({ lane }) => lane));
      const second = plan(world.desired, { ...world.observed, busy }, 0);
      for (const { lane } of second.actions) assert.ok(!busy.has(lane));
    }),
    runs,
  );
});
