import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LABEL } from '../../../src/model/container.ts';
import type { Dependency, DesiredBlueprint, DesiredState, Service } from '../../../src/model/desired.ts';
import type { ObservedContainer, ObservedState } from '../../../src/model/observed.ts';
import { START_PATIENCE_MS, usualConcurrency, waitKey } from '../../../src/reconcile/order.ts';
import { plan } from '../../../src/reconcile/plan.ts';
import { planText } from '../../../src/reconcile/text.ts';
import {
  blueprintOf,
  containerFor,
  convergedOf,
  desiredOf,
  observedOf,
  withContainer,
} from '../../fakes/planning.ts';

const CONVERGED = 'nothing to do: converged';
const WAITS = 'hold web/web/0: WaitingForDependency, waits for';

function needs(name: string, condition: Dependency['condition'] = 'auto', timeoutMs = 600_000): Dependency {
  return { name, condition, timeoutMs };
}

/** Blueprint `web` of one instance with these dependencies. */
function web(...dependsOn: Dependency[]): DesiredBlueprint {
  return blueprintOf('web', { service: { dependsOn } });
}

function serviceOf(blueprint: DesiredBlueprint): Service {
  const service = blueprint.services[0];
  assert.ok(service);
  return service;
}

function text(desired: DesiredState, observed: ObservedState, now = 10_000): string {
  return planText(plan(desired, observed, now));
}

/** The world in which the database is as given, and nothing else is there. */
function withDatabase(
  desired: DesiredState & { known: true },
  change: Partial<ObservedContainer>,
): ObservedState {
  const database = desired.blueprints.find(({ name }) => name === 'db');
  assert.ok(database);
  return observedOf({ containers: [containerFor(serviceOf(database), change)] });
}

const DB = blueprintOf('db');
const JOB = blueprintOf('db', { spec: { restart: { name: 'no', maxRetries: 0 } } });

test('nothing is made for a service whose dependency does not run; the dependency is', () => {
  assert.equal(
    text(desiredOf(web(needs('db')), DB), observedOf()),
    `create db: no container exists\n${WAITS} db to be ready, which does not run yet`,
  );
});

test('an unknown target is waited for by name, and so is one that was refused or is being removed', () => {
  const alone = desiredOf(web(needs('db')));
  assert.equal(text(alone, observedOf()), `${WAITS} db to be ready, which is not on this node`);
  const refused = { ...alone, refusals: [{ name: 'db', problems: [] }] };
  assert.equal(text(refused, observedOf()), `${WAITS} db to be ready, which was refused`);
  const leaving = { ...DB, services: [], deleting: true, reclaimVolumes: ['v'] };
  assert.match(
    text(desiredOf(web(needs('db')), leaving), observedOf()),
    /waits for db to be ready, which is being removed/,
  );
});

/** What `web` does while `db` is in this state: `create`, or what it waits for. */
const gates: [Dependency['condition'], string, Partial<ObservedContainer>, string][] = [
  ['started', 'running', {}, 'create'],
  ['started', 'with a check that has not passed', { health: 'starting' }, 'create'],
  ['started', 'unhealthy', { health: 'unhealthy' }, 'create'],
  ['started', 'created', { state: 'created' }, 'to be started, which is not started yet'],
  ['started', 'ended', { state: 'exited', exitCode: 1 }, 'to be started, which has ended (exited 1)'],
  ['started', 'crashing', { state: 'restarting' }, 'to be started, which does not stay up'],
  ['healthy', 'without a check', {}, 'create'],
  ['healthy', 'starting', { health: 'starting' }, 'to be healthy, which is starting'],
  ['healthy', 'healthy', { health: 'healthy' }, 'create'],
  ['healthy', 'unhealthy', { health: 'unhealthy' }, 'to be healthy, which is unhealthy'],
  ['healthy', 'paused', { state: 'paused', health: 'healthy' }, 'to be healthy, which is paused'],
  ['auto', 'without a check', {}, 'create'],
  ['auto', 'starting', { health: 'starting' }, 'to be ready, which is starting'],
  ['auto', 'healthy', { health: 'healthy' }, 'create'],
  [
    'completed',
    'a service that never ends',
    {},
    'to complete, which runs, and is started again when it ends (restartPolicy unless-stopped)',
  ],
];

for (const [condition, state, change, expected] of gates)
  test(`a gate that asks for "${condition}" of a dependency that is ${state}: ${expected}`, () => {
    const desired = desiredOf(web(needs('db', condition)), DB);
    const [line = ''] = text(desired, withDatabase(desired, change))
      .split('\n')
      .filter((one) => one.includes('web'));
    assert.equal(line, expected === 'create' ? 'create web: no container exists' : `${WAITS} db ${expected}`);
  });

test('a job that ended well opens all gates, but only the job of the version that is asked for', () => {
  for (const condition of ['started', 'healthy', 'auto', 'completed'] as const) {
    const desired = desiredOf(web(needs('db', condition)), JOB);
    const ended = { state: 'exited', exitCode: 0 } as const;
    assert.equal(text(desired, withDatabase(desired, ended)), 'create web: no container exists');
    const labels = { ...serviceOf(JOB).managedLabels, [LABEL.specHash]: 'older' };
    assert.match(text(desired, withDatabase(desired, { ...ended, labels })), /web.*waits for db/);
  }
  const desired = desiredOf(web(needs('db', 'completed')), JOB);
  assert.equal(text(desired, withDatabase(desired, {})), `${WAITS} db to complete, which still runs`);
});

test('a version before that still serves opens the gate while its successor is on its way', () => {
  const desired = desiredOf(web(needs('db', 'healthy')), DB);
  const labels = { ...serviceOf(DB).managedLabels, [LABEL.specHash]: 'older' };
  assert.match(text(desired, withDatabase(desired, { labels })), /create web: no container exists/);
});

test('all wanted replicas and instances of a dependency count, and the one that is missing is named', () => {
  const db = blueprintOf('db', { instances: ['db-a', 'db-b'], replicas: 2 });
  const desired = desiredOf(web(needs('db')), db);
  const whole = convergedOf(desiredOf(db));
  assert.equal(text(desired, whole), 'create web: no container exists');
  const short = withContainer(whole, 'db-b-1', () => ({ health: 'starting' }));
  assert.equal(text(desired, short), `${WAITS} db to be ready, of which db-b-1 is starting`);
  const one = desiredOf(web(needs('db/db-a')), db);
  assert.equal(text(one, short), 'create web: no container exists');
  const none = desiredOf(web(needs('db/db-z')), db);
  assert.equal(text(none, whole), `${WAITS} db/db-z to be ready, which blueprint db does not have`);
});

test('a dependency with replicas 0 holds nobody up', () => {
  const off = blueprintOf('db', { replicas: 0 });
  assert.equal(text(desiredOf(web(needs('db')), off), observedOf()), 'create web: no container exists');
});

test('a name is an instance of the same blueprint first', () => {
  const base = blueprintOf('web', { instances: ['web', 'db'] });
  const [first, second] = base.services;
  assert.ok(first && second);
  const own = { ...base, services: [{ ...first, dependsOn: [needs('db')] }, second] };
  const other = blueprintOf('db', { instances: ['db-main'] });
  const desired = desiredOf(own, other);
  const observed = observedOf({ containers: [containerFor(serviceOf(other))] });
  assert.equal(
    text(desired, observed),
    `create db: no container exists\n${WAITS} db to be ready, which does not run yet`,
  );
});

test('an ended container waits for its gate as a new one does, a running one is never touched', () => {
  const desired = desiredOf(web(needs('db')), DB);
  const sick = withContainer(convergedOf(desired), 'db', () => ({ health: 'unhealthy' }));
  assert.equal(text(desired, sick), CONVERGED);
  const ended = withContainer(sick, 'web', () => ({ state: 'exited', exitCode: 137 }));
  assert.equal(text(desired, ended), `${WAITS} db to be ready, which is unhealthy`);
});

test('images are pulled while the gate is closed', () => {
  const observed = observedOf({ images: new Map([['app:1', null]]) });
  assert.match(text(desiredOf(web(needs('db'))), observed), /^pull image app:1: image is not present$/m);
});

test('a new version waits for its gate while the one before runs on, also when it exists already', () => {
  const desired = desiredOf(web(needs('db')), DB);
  const labels = { ...serviceOf(web()).managedLabels, [LABEL.specHash]: 'older' };
  const sick = withContainer(convergedOf(desired), 'db', () => ({ health: 'unhealthy' }));
  const old = withContainer(sick, 'web', () => ({ labels, id: 'old' }));
  assert.equal(text(desired, old), `${WAITS} db to be ready, which is unhealthy`);
  const next = containerFor(serviceOf(web()), { name: 'web.next-x', id: 'new', state: 'created' });
  const both = { ...old, containers: [...old.containers, next] };
  assert.equal(text(desired, both), `${WAITS} db to be ready, which is unhealthy`);
});

test('a wait is looked at again when its time is up, then it is overdue and says since when, and goes on', () => {
  const desired = desiredOf(web(needs('db', 'healthy', 60_000), needs('mq', 'auto', 120_000)));
  const first = plan(desired, observedOf(), 10_000);
  assert.equal(first.wakeAtMs, 70_000);
  const [hold] = first.holds;
  assert.deepEqual([hold?.waitsFor, hold?.overdue], [['db', 'mq'], undefined]);
  const since = { monoMs: 5_000, at: Date.parse('2026-03-01T12:00:00Z') };
  const waiting = new Map(['db', 'mq'].map((name) => [waitKey('web/web/0', name), since]));
  const late = plan(desired, observedOf({ order: { ...observedOf().order, waiting } }), 65_000);
  assert.equal(
    planText(late),
    `${WAITS} db to be healthy, which is not on this node (overdue: it has waited since 2026-03-01T12:00:00Z, ` +
      'longer than 1m); and for mq to be ready, which is not on this node',
  );
  assert.equal(late.holds[0]?.overdue, true);
  assert.equal(late.wakeAtMs, 125_000);
  const latest = plan(desired, observedOf({ order: { ...observedOf().order, waiting } }), 125_000);
  assert.equal(latest.wakeAtMs, undefined);
});

const THREE = desiredOf(blueprintOf('a'), blueprintOf('b'), blueprintOf('c'));

function ordered(change: Partial<ObservedState['order']>, more: Partial<ObservedState> = {}): ObservedState {
  return observedOf({ ...more, order: { ...observedOf().order, ...change } });
}

test('at most so many services start at the same time, the first by name before the others', () => {
  const next = plan(THREE, ordered({ startConcurrency: 2 }), 1_000);
  assert.equal(
    planText(next),
    'create a: no container exists\ncreate b: no container exists\n' +
      'hold c/c/0: Working, waits for its turn: a/a, b/b are starting',
  );
  assert.deepEqual(next.starting, ['a/a/0', 'b/b/0']);
  assert.equal(next.wakeAtMs, 1_000 + START_PATIENCE_MS);
});

test('a start is over when the container runs, is healthy where it has a check, or has taken too long', () => {
  const service = serviceOf(blueprintOf('a'));
  const desired = desiredOf(blueprintOf('a'), blueprintOf('b'));
  const starting = new Map([['a/a/0', 1_000]]);
  const starts = (change: Partial<ObservedContainer>, now = 2_000, busy: string[] = []) =>
    text(
      desired,
      ordered(
        { startConcurrency: 1, starting },
        { containers: [containerFor(service, change)], busy: new Set(busy) },
      ),
      now,
    ).includes('create b');
  assert.equal(starts({ state: 'created' }), false);
  assert.equal(starts({}, 2_000, ['a/a/0']), false);
  assert.equal(starts({ health: 'starting' }), false);
  assert.equal(starts({}), true);
  assert.equal(starts({ health: 'healthy' }), true);
  assert.equal(starts({ health: 'unhealthy' }), true);
  assert.equal(starts({ state: 'restarting' }), true);
  assert.equal(starts({ health: 'starting' }, 1_000 + START_PATIENCE_MS), true);
});

test('what brings a service back takes no turn: an ended container, and a lost one that had been up', () => {
  const busy = { startConcurrency: 1, starting: new Map([['a/a/0', 1_000]]) };
  const a = containerFor(serviceOf(blueprintOf('a')), { health: 'starting' });
  const ended = containerFor(serviceOf(blueprintOf('b')), { state: 'exited', exitCode: 137 });
  assert.equal(
    text(THREE, ordered({ ...busy, beenUp: new Set(['c/c/0']) }, { containers: [a, ended] })),
    'start b: container is not running (exited 137)\ncreate c: no container exists',
  );
});

test('what cannot be started for another reason takes no turn', () => {
  const foreign = { ...containerFor(serviceOf(blueprintOf('a'))), labels: {} };
  const lines = text(THREE, ordered({ startConcurrency: 2 }, { containers: [foreign] }));
  assert.match(lines, /^create b: .*\ncreate c: .*\nhold a\/a\/0: NameConflict/);
});

test('a new version takes a turn while the one before runs', () => {
  const service = serviceOf(blueprintOf('b'));
  const labels = { ...service.managedLabels, [LABEL.specHash]: 'older' };
  const a = containerFor(serviceOf(blueprintOf('a')), { health: 'starting' });
  const order = { startConcurrency: 1, starting: new Map([['a/a/0', 1_000]]), beenUp: new Set(['b/b/0']) };
  const world = ordered(order, { containers: [a, containerFor(service, { labels })] });
  assert.match(
    text(desiredOf(blueprintOf('a'), blueprintOf('b')), world),
    /^hold b\/b\/0: Working, waits for its turn: a\/a is starting$/,
  );
});

test('how many may start at the same time follows from the memory of the machine', () => {
  assert.deepEqual([1e9, 2 ** 31 - 1, 2 ** 31, 0].map(usualConcurrency), [2, 2, 8, 8]);
});

/** A blueprint that goes, whose only instance depended on these. */
function leaving(name: string, ...order: string[]): DesiredBlueprint {
  return { ...blueprintOf(name), services: [], deleting: true, order: { [name]: order } };
}

function stillThere(...names: string[]): ObservedState {
  return observedOf({ containers: names.map((name) => containerFor(serviceOf(blueprintOf(name)))) });
}

test('of containers that go, a dependant is stopped before what it depends on, others at once', () => {
  const desired = desiredOf(leaving('db'), leaving('api', 'db'), leaving('web', 'api'), leaving('x'));
  const all = stillThere('db', 'api', 'web', 'x');
  assert.equal(
    text(desired, all),
    'stop web: blueprint was removed\nstop x: blueprint was removed\n' +
      'hold api/api/0: Working, api is stopped after web, which depends on it\n' +
      'hold db/db/0: Working, db is stopped after api, which depends on it',
  );
  const stopped = withContainer(all, 'web', () => ({ state: 'exited', exitCode: 143 }));
  assert.match(text(desired, stopped), /^stop api: blueprint was removed\nremove web: /);
});

test('a dependant that stays is not waited for, nor is one that cannot be stopped', () => {
  const staying = desiredOf(web(needs('db')), leaving('db'));
  assert.equal(text(staying, stillThere('db', 'web')), 'stop db: blueprint was removed');
  const desired = desiredOf(leaving('db'), leaving('api', 'db'));
  const api = serviceOf(blueprintOf('api'));
  const setback = {
    key: api.key,
    specHash: api.specHash,
    reason: 'StopFailed' as const,
    message: 'it does not end',
    attempts: 1,
    permanent: false,
    since: 0,
    notBeforeMs: 20_000,
    nextTryAt: 1_000_000,
  };
  const stuck = { ...stillThere('db', 'api'), setbacks: new Map([[api.key, setback]]) };
  assert.match(text(desired, stuck), /^stop db: blueprint was removed$/m);
});

test('containers that go and wait for one another in a circle all go', () => {
  const desired = desiredOf(leaving('db', 'api'), leaving('api', 'db'));
  assert.equal(
    text(desired, stillThere('db', 'api')),
    'stop api: blueprint was removed\nstop db: blueprint was removed',
  );
});

test('instances that a blueprint no longer has are stopped in order too, by name or through a blueprint', () => {
  const rest = { ...blueprintOf('shop', { instances: ['a'] }), order: { web: ['cache', 'db'], cache: [] } };
  const desired = desiredOf(rest, leaving('db'));
  const was = blueprintOf('shop', { instances: ['a', 'cache', 'web'] });
  const containers = [...was.services, ...DB.services].map((service) => containerFor(service));
  const lines = text(desired, observedOf({ containers })).split('\n');
  assert.deepEqual(lines, [
    'stop web: no longer asked for by the blueprint',
    'hold db/db/0: Working, db is stopped after web, which depends on it',
    'hold shop/cache/0: Working, cache is stopped after web, which depends on it',
  ]);
});
