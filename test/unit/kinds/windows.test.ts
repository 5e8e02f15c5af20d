import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveBlueprint } from '../../../src/kinds/index.ts';
import type { Blueprint } from '../../../src/model/blueprint.ts';
import { blueprint, context, desired, docker, errors, matchAll, service, warnings } from './support.ts';

const resolved = (document: Blueprint) => resolveBlueprint(document, context());
const NIGHT = { days: [1, 2, 3, 4, 5], fromMinute: 22 * 60, toMinute: 5 * 60 };
const withWindows = (windows: unknown) => docker({}, { update: { windows } });

test('windows of a blueprint are its own, and no part of how its containers are updated', () => {
  const both = withWindows({ update: ['Mon-Fri 22:00-05:00'], download: 'Sat UTC' });
  const { windows, services } = desired(resolved(both));
  assert.deepEqual(windows, {
    download: [{ days: [6], fromMinute: 0, toMinute: 1440, utc: true }],
    update: [NIGHT],
  });
  assert.deepEqual(Object.keys(services[0]?.update ?? {}), [
    'strategy',
    'parallelism',
    'healthyAfterMs',
    'deadlineMs',
    'onFailure',
  ]);
  matchAll(warnings(withWindows({ update: ['daily 01:00-02:00'] })), []);
  assert.deepEqual(desired(resolved(withWindows({ update: 'Mon-Fri 22:00-05:00' }))).windows, {
    update: [NIGHT],
  });
  assert.equal('windows' in desired(resolved(docker({}))), false);
  assert.equal('windows' in desired(resolved(withWindows({}))), false);
});

test('an executor has them at its spec as well', () => {
  const spec = {
    image: 'x',
    executorType: 'worker',
    update: { windows: { update: ['Mon-Fri 22:00-05:00'] } },
  };
  assert.deepEqual(desired(resolved(blueprint('ExecutorDeployment', spec))).windows, { update: [NIGHT] });
});

test('windows that are none are refused with the way out', () => {
  const problem = (windows: unknown) => errors(withWindows(windows));
  matchAll(problem({ update: ['nightly'] }), [
    /spec\.update\.windows\.update must name days as Mon, .* "nightly" is none/,
  ]);
  matchAll(problem({ update: [] }), [
    /windows\.update must have a window, or be left out: then those of the node/,
  ]);
  matchAll(problem({ download: [7] }), [/windows\.download\[0\] must be a string/]);
  matchAll(problem({ download: true }), [/windows\.download must be a list such as \["Mon-Fri 22:00-05:00"/]);
  matchAll(problem('Mon'), [/spec\.update\.windows must be an object/]);
  matchAll(warnings(withWindows({ updates: ['Sat'] })), [
    /updates is not a known field .* did you mean update/,
  ]);
});

test('an instance has no windows of its own', () => {
  matchAll(errors(docker({ update: { windows: { update: ['Sat'] } } })), [
    /spec\.instances\[0\]\.update\.windows must stand at spec\.update\.windows: windows are for the whole blueprint/,
  ]);
  assert.equal(service(docker({ update: { strategy: 'recreate' } })).update?.strategy, 'recreate');
});
