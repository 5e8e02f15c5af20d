import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DesiredBlueprint, Service } from '../../../src/model/desired.ts';
import { fingerprint } from '../../../src/model/hash.ts';
import type { ObservedState, Setback } from '../../../src/model/observed.ts';
import { plan } from '../../../src/reconcile/plan.ts';
import { planReport } from '../../../src/reconcile/text.ts';
import { blueprintOf, containerFor, desiredOf, imageOf, observedOf } from '../../fakes/planning.ts';

/** A blueprint of two instances, "a" and "b", each made of an image of its own. */
function pair(a: string, b: string, second: Partial<Service> = {}): DesiredBlueprint {
  const blueprint = blueprintOf('pair', { instances: ['a', 'b'] });
  const services = blueprint.services.map((service, index) => {
    const container = { ...service.container, image: index === 0 ? a : b };
    const specHash = fingerprint(container);
    const managedLabels = { ...service.managedLabels, 'colonies.spec-hash': specHash };
    return { ...service, container, specHash, managedLabels, ...(index === 0 ? {} : second) };
  });
  return { ...blueprint, services };
}

const old = pair('app:1', 'db:1');

/** Both old containers run; of the new images those are there that are named. */
function world(present: readonly string[], change: Partial<ObservedState> = {}): ObservedState {
  const images = new Map(
    ['app:1', 'db:1', 'app:2', 'db:2'].map((ref) => [ref, present.includes(ref) ? imageOf(ref) : null]),
  );
  return observedOf({ containers: old.services.map((service) => containerFor(service)), images, ...change });
}

const textOf = (blueprint: DesiredBlueprint, observed: ObservedState) =>
  planReport(plan(desiredOf(blueprint), observed, 0)).text.split('\n');
const about = (lines: readonly string[], what: RegExp) => lines.filter((line) => what.test(line));

const setback: Setback = {
  key: 'image:db:2',
  specHash: 'db:2',
  reason: 'RegistryUnauthorized',
  message: 'no credentials',
  attempts: 3,
  permanent: false,
  since: 0,
  notBeforeMs: 5_000,
  nextTryAt: 5_000,
};

test('one instance waits while the image of another that changes too is pulled', () => {
  const lines = textOf(pair('app:2', 'db:2'), world(['app:1', 'db:1', 'app:2']));
  assert.deepEqual(about(lines, /create/), []);
  assert.equal(about(lines, /pull .*db:2/).length, 1, lines.join('\n'));
  assert.match(lines.join('\n'), /hold pair\/a\/0: Pulling, waits for image db:2 of b, which changes too/);
});

test('the image of a sibling is asked for also when the sibling itself is busy or waits', () => {
  const observed = world(['app:1', 'db:1', 'app:2'], { busy: new Set(['pair/b/0']) });
  assert.equal(about(textOf(pair('app:2', 'db:2'), observed), /pull .*db:2/).length, 1);
});

test('while the pull is held back, its reason and time are those of the wait', () => {
  const observed = world(['app:1', 'db:1', 'app:2'], { setbacks: new Map([['image:db:2', setback]]) });
  const { actions, holds, wakeAtMs } = plan(desiredOf(pair('app:2', 'db:2')), observed, 0);
  assert.deepEqual(actions, []);
  const hold = holds.find(({ key }) => key === 'pair/a/0');
  assert.equal(hold?.reason, 'RegistryUnauthorized');
  assert.equal(hold?.message, 'waits for the image of b, which changes too: no credentials');
  assert.deepEqual([hold?.untilMs, hold?.nextTryAt, wakeAtMs], [5_000, 5_000, 5_000]);
});

test('with pullPolicy Never nothing is pulled, and that is said', () => {
  const lines = textOf(pair('app:2', 'db:2', { pullPolicy: 'Never' }), world(['app:1', 'db:1', 'app:2']));
  assert.deepEqual(about(lines, /pull \S*db:2/), []);
  assert.match(lines.join('\n'), /hold pair\/a\/0: ImageUnavailable, .*pullPolicy is Never/);
  assert.deepEqual(about(lines, /create/), []);
});

test('with pullPolicy Always the newest image is waited for, but not for ever', () => {
  const blueprint = pair('app:2', 'db:2', { pullPolicy: 'Always' });
  const all = ['app:1', 'db:1', 'app:2', 'db:2'];
  assert.deepEqual(about(textOf(blueprint, world(all)), /create/), []);
  const fresh = world(all, { fresh: new Set(['db:2']) });
  assert.equal(about(textOf(blueprint, fresh), /create/).length, 2);
  const failed = world(all, { setbacks: new Map([['image:db:2', setback]]) });
  assert.equal(about(textOf(blueprint, failed), /create/).length, 2);
});

test('with all images there both are replaced at once', () => {
  const lines = textOf(pair('app:2', 'db:2'), world(['app:1', 'db:1', 'app:2', 'db:2']));
  assert.equal(about(lines, /create/).length, 2);
});

test('a sibling that stays as it is, or waits for somebody, is not waited for', () => {
  const without = world(['app:1', 'app:2']);
  assert.equal(about(textOf(pair('app:2', 'db:1'), without), /create/).length, 1);
  const held = pair('app:2', 'db:2', { hold: { reason: 'OwnerKeyMissing', message: 'no key' } });
  assert.equal(about(textOf(held, without), /create/).length, 1);
});

test('a container that is lost is made anew, whatever its siblings lack', () => {
  const observed = world(['app:2']);
  const lines = textOf(pair('app:2', 'db:2'), { ...observed, containers: observed.containers.slice(1) });
  assert.equal(about(lines, /create .*\ba\b/).length, 1, lines.join('\n'));
});
