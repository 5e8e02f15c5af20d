import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ForcedRun, ObservedState, Setback } from '../../../src/model/observed.ts';
import { plan } from '../../../src/reconcile/plan.ts';
import { planText } from '../../../src/reconcile/text.ts';
import {
  applied,
  blueprintOf,
  containerFor,
  convergedOf,
  desiredOf,
  imageOf,
  withContainer,
} from '../../fakes/planning.ts';

const WEB = desiredOf(blueprintOf('web'));
const CONVERGED = 'nothing to do: converged';
const SERVICE = WEB.blueprints[0]?.services[0];
assert.ok(SERVICE);

const pulling = (toPull: readonly string[] = ['app:1']): ObservedState['forced'] =>
  new Map([['web', { phase: 'pulling', refs: new Set(['app:1']), toPull: new Set(toPull) }]]);

const recreating = (observed: ObservedState, cause = 'forced run'): ObservedState['forced'] => {
  const run: ForcedRun = {
    phase: 'recreating',
    containers: new Map(observed.containers.map(({ id }) => [id, cause])),
  };
  return new Map([['web', run]]);
};

const text = (observed: ObservedState, desired = WEB) => planText(plan(desired, observed, 10_000));

/** The reference stands for another image than the one the container was made of. */
const moved = (observed: ObservedState): ObservedState => ({
  ...observed,
  images: new Map([['app:1', imageOf('app:1', { id: 'sha256:other' })]]),
});

test('plan: a forced run pulls every image first, also when it is there, and touches no container', () => {
  const two = desiredOf(blueprintOf('web'), blueprintOf('api', { spec: { image: 'api:1' } }));
  assert.equal(
    text({ ...convergedOf(two), forced: pulling() }, two),
    'pull image app:1: forced run',
    'the other blueprint is left alone',
  );
});

test('plan: a forced run does not wait for what failed before, nor twice for one image', () => {
  const setback: Setback = {
    key: 'image:app:1',
    specHash: 'app:1',
    reason: 'ImageUnavailable',
    message: 'no',
    attempts: 3,
    permanent: true,
    since: 0,
    notBeforeMs: 1e9,
    nextTryAt: 1e9,
  };
  const held = { ...convergedOf(WEB), forced: pulling(), setbacks: new Map([[setback.key, setback]]) };
  assert.equal(text(held), 'pull image app:1: forced run');
  assert.equal(text({ ...held, busy: new Set(['image:app:1']) }), CONVERGED);
});

test('plan: while it is not decided, a reference that has moved already is no reason to replace anything', () => {
  const world = moved(convergedOf(WEB));
  assert.match(text(world), /^create web\.next-\w+: web: image app:1 is now other/);
  assert.equal(text({ ...world, forced: pulling([]) }), CONVERGED);
});

test('plan: a container killed or lost during the pull is healed at once', () => {
  const world = { ...convergedOf(WEB), forced: pulling([]), busy: new Set(['image:app:1']) };
  const killed = withContainer(world, 'web', () => ({ state: 'exited', exitCode: 137 }));
  assert.equal(text(killed), 'start web: container is not running (exited 137)');
  const pulls = new Map([
    ['app:1', { image: 'app:1', state: 'running', currentBytes: 0, totalBytes: 0, since: 0 } as const],
  ]);
  assert.equal(text({ ...world, containers: [], pulls }), 'create web: no container exists');
});

test('plan: after the pulls the ordinary replacement, step by step, with its cause', () => {
  let world: ObservedState = convergedOf(WEB);
  world = { ...world, forced: recreating(world) };
  const steps: string[] = [];
  for (let round = 0; round < 8; round += 1) {
    const next = plan(WEB, world, 10_000 + round * 5_000);
    for (const action of next.actions) {
      steps.push(planText({ ...next, actions: [action], holds: [] }));
      world = applied(world, action, () => 'new', 10_000 + round * 5_000);
    }
  }
  const temporary = `web.next-${SERVICE.specHash.slice(0, 6)}`;
  assert.deepEqual(steps, [
    `create ${temporary}: web: forced run (start-first)`,
    `start ${temporary}: to run beside the other container until it is ready`,
    'stop web: forced run',
    'remove web: forced run',
    `rename ${temporary} -> web: container is named ${temporary}`,
  ]);
  assert.equal(text(world), CONVERGED);
});

test('plan: a container that is not meant is left alone', () => {
  const two = desiredOf(blueprintOf('web', { instances: ['web', 'api'] }));
  const world = convergedOf(two);
  const [meant] = world.containers;
  assert.ok(meant);
  const forced = recreating({ ...world, containers: [meant] });
  assert.match(text({ ...world, forced }, two), /^create web\.next-\w+: web: forced run \(start-first\)$/);
});

test('plan: when the new one fails, it goes and the one before is started again', () => {
  const old = containerFor(SERVICE, { id: 'old', state: 'exited', exitCode: 143 });
  const fresh = containerFor(SERVICE, { id: 'new', name: 'web.next-abc', state: 'restarting' });
  const base = convergedOf(WEB);
  const back = recreating({ ...base, containers: [fresh] }, 'the forced run failed');
  const looping = { ...base, containers: [old, fresh], forced: back };
  assert.equal(text(looping), 'start web: to run beside the other container until it is ready');
  const again = withContainer({ ...looping, runningSince: new Map([['old', 0]]) }, 'web', () => ({
    state: 'running',
  }));
  assert.equal(text(again), 'stop web.next-abc: the forced run failed');
});

test('plan: a container that was left behind its reference keeps its image, until the reference moves again', () => {
  const world = moved(convergedOf(WEB));
  const id = world.containers[0]?.id ?? '';
  assert.equal(text({ ...world, keptImages: new Map([[id, 'sha256:other']]) }), CONVERGED);
  assert.equal(text({ ...world, keptImages: new Map([[id, '']]) }), CONVERGED);
  assert.match(text({ ...world, keptImages: new Map([[id, 'sha256:earlier']]) }), /^create web\.next/);
});

test('plan: a blueprint that is removed is not pulled for', () => {
  const gone = desiredOf(blueprintOf('web', { deleting: true }));
  assert.doesNotMatch(text({ ...convergedOf(WEB), forced: pulling() }, gone), /pull/);
});
