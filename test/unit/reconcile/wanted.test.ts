import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineEvent } from '../../../src/model/ports.ts';
import { plan } from '../../../src/reconcile/plan.ts';
import { isNoise } from '../../../src/reconcile/wanted.ts';
import { blueprintOf, containerFor, convergedOf, desiredOf } from '../../fakes/planning.ts';

const DESIRED = desiredOf(blueprintOf('web'));
const BASE = convergedOf(DESIRED);
const [OURS] = BASE.containers;
const FOREIGN = {
  ...BASE.containers[0],
  id: 'f',
  name: 'job',
  labels: {},
} as (typeof BASE.containers)[number];
const OBSERVED = { ...BASE, containers: [...BASE.containers, FOREIGN] };
const CONVERGED = plan(DESIRED, OBSERVED, 0);

function noise(event: Partial<EngineEvent>, holds = CONVERGED): boolean {
  return isNoise({ type: 'container', action: 'die', id: 'f', ...event }, 'edge-1', OBSERVED, holds);
}

test('what a foreign container does is no reason to look', () => {
  assert.equal(noise({ isForeign: true }), true);
  assert.equal(noise({ type: 'network', action: 'connect', id: 'n', container: 'f' }), true);
});

test("what another node's containers do is no reason either", () => {
  assert.equal(noise({ node: 'edge-2' }), true);
  assert.equal(noise({ node: 'edge-1' }), false);
});

test('what our containers, images and networks do is a reason, and so is what we cannot place', () => {
  assert.equal(noise({ id: OURS?.id ?? '' }), false);
  assert.equal(noise({ type: 'network', action: 'disconnect', id: 'n', container: OURS?.id ?? '' }), false);
  assert.equal(noise({ type: 'network', action: 'connect', id: 'n', container: 'never seen' }), false);
  assert.equal(noise({ type: 'network', action: 'destroy', id: 'n' }), false);
  assert.equal(noise({ type: 'connected', action: '' }), false);
});

test('before the first look, everything is a reason', () => {
  assert.equal(
    isNoise({ type: 'container', action: 'die', id: 'f', isForeign: true }, 'edge-1', undefined, undefined),
    false,
  );
});

test('while a foreign container holds a wanted name, what foreign containers do is a reason', () => {
  const [service] = DESIRED.blueprints[0]?.services ?? [];
  assert.ok(service);
  const held = plan(DESIRED, { ...BASE, containers: [containerFor(service, { labels: {} })] }, 0);
  assert.equal(noise({ isForeign: true }, held), false);
});

test('images we run are a reason, under each of their names; others are none', () => {
  const image = (event: Partial<EngineEvent>, holds = CONVERGED) =>
    noise({ type: 'image', action: 'tag', ...event }, holds);
  assert.equal(image({ id: 'sha256:new', name: 'app:1' }), false);
  assert.equal(image({ id: 'sha256:new', name: 'docker.io/app:1' }), false);
  assert.equal(image({ id: BASE.images.get('app:1')?.id ?? '' }), false);
  assert.equal(image({ id: 'app:1', action: 'pull' }), false);
  assert.equal(image({ id: 'sha256:new', name: 'job:7' }), true);
  const missing = plan(DESIRED, { ...BASE, containers: [], images: new Map([['app:1', null]]) }, 0);
  assert.equal(image({ id: 'sha256:new', name: 'job:7' }, missing), false);
});
