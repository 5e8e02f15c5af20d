import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DesiredState, UpdateSpec } from '../../../src/model/desired.ts';
import type { ObservedContainer, ObservedState } from '../../../src/model/observed.ts';
import { plan } from '../../../src/reconcile/plan.ts';
import { overdue } from '../../../src/reconcile/plan-gate.ts';
import { updateOf } from '../../../src/reconcile/plan-strategy.ts';
import { actionText, planText } from '../../../src/reconcile/text.ts';
import {
  applied,
  type BlueprintOptions,
  blueprintOf,
  containerFor,
  convergedOf,
  desiredOf,
  OWNER,
  withContainer,
} from '../../fakes/planning.ts';

const CHECK = { test: ['CMD', 'x'], intervalMs: 1, timeoutMs: 1, retries: 1, startPeriodMs: 0 };

/** The same blueprint before and after a change of its environment. */
function versions(options: BlueprintOptions = {}, generation = 2) {
  const spec = { ...options.spec };
  const old = desiredOf(
    blueprintOf('web', { ...options, spec: { ...spec, env: { V: '1' } }, generation: 1 }),
  );
  const next = desiredOf(blueprintOf('web', { ...options, spec: { ...spec, env: { V: '2' } }, generation }));
  return { old, next };
}

function update(change: Partial<UpdateSpec>): BlueprintOptions['service'] {
  const [service] = blueprintOf('web').services;
  assert.ok(service);
  return { update: { ...updateOf(service), ...change } };
}

/** Plan after plan, a second apart, as "second: action"; `change` is what happens to the containers before each look. */
function steps(
  desired: DesiredState,
  from: ObservedState,
  seconds: number,
  change: (observed: ObservedState, second: number) => ObservedState = (observed) => observed,
): string[] {
  const lines: string[] = [];
  let world = from;
  let made = 0;
  for (let second = 0; second < seconds; second += 1) {
    world = change(world, second);
    for (const action of plan(desired, world, second * 1_000).actions) {
      lines.push(`${second}: ${actionText(action).replace(/\.next-\w{6}/g, '.next')}`);
      world = applied(world, action, () => `new-${++made}`, second * 1_000);
    }
  }
  return lines;
}

const healthy = (name: string, from: number) => (observed: ObservedState, second: number) =>
  withContainer(observed, name, ({ state, health }) =>
    state !== 'running' ? {} : { health: second >= from ? 'healthy' : (health ?? 'starting') },
  );

function successorName(observed: ObservedState): string {
  return observed.containers.find(({ name }) => name.includes('.next-'))?.name ?? 'web';
}

test('start-first: the new one runs for healthyAfter beside the old one, which then goes', () => {
  const { old, next } = versions();
  assert.deepEqual(steps(next, convergedOf(old), 12), [
    '0: create web.next: web: spec changed (environment variable V differs) (start-first)',
    '1: start web.next: to run beside the old version until it is ready',
    '6: stop web: replaced by the new version: spec changed (environment variable V differs)',
    '7: remove web: replaced by the new version: spec changed (environment variable V differs)',
    '8: rename web.next -> web: container is named web.next',
  ]);
});

test('start-first: with a health check the old one goes when the new one is healthy, however long that takes', () => {
  const { old, next } = versions({ spec: { healthcheck: CHECK } });
  const lines = steps(next, convergedOf(old), 60, (observed, second) =>
    healthy(successorName(observed), 40)(observed, second),
  );
  assert.match(lines[1] ?? '', /^1: start/);
  assert.match(lines[2] ?? '', /^40: stop web:/);
});

test('start-first: an old one that is killed while the new one is not healthy yet is started again', () => {
  const { old, next } = versions({ spec: { healthcheck: CHECK } });
  const killed: Partial<ObservedContainer> = { state: 'exited', exitCode: 137 };
  const lines = steps(next, convergedOf(old), 6, (observed, second) => {
    const world = healthy(successorName(observed), 40)(observed, second);
    if (second !== 3) return world;
    return withContainer(world, 'web', ({ detail }) =>
      detail === undefined
        ? killed
        : { ...killed, detail: { ...detail, finishedAt: '2026-01-02T00:00:00Z' } },
    );
  });
  assert.equal(lines[2], '3: start web: the new version cannot run yet, the old one goes on');
});

test('stop-first: everything is prepared before the old one stops, which is kept until the gate is passed', () => {
  const { old, next } = versions({
    spec: { ports: [{ containerPort: 80, hostPort: 80, protocol: 'tcp', publish: true, hostIp: '' }] },
  });
  assert.deepEqual(
    steps(next, convergedOf(old), 12).map((line) => line.replace(/:.*?: .*/, '')),
    ['0', '1', '2', '7', '8'],
  );
  assert.deepEqual(
    steps(next, convergedOf(old), 12).map((line) => line.split(' ')[1]),
    ['create', 'stop', 'start', 'remove', 'rename'],
  );
  assert.match(
    steps(next, convergedOf(old), 1)[0] ?? '',
    /\(stop-first: host port 80\/tcp can be held only once\)$/,
  );
});

test('recreate: the old one is gone before the new one is made', () => {
  const { old, next } = versions({ service: update({ strategy: 'recreate' }) ?? {} });
  assert.deepEqual(
    steps(next, convergedOf(old), 8).map((line) => line.split(':')[1]?.trim().split(' ')[0]),
    ['stop', 'remove', 'create', 'start'],
  );
});

test('replicas are replaced one at a time, the oldest generation first', () => {
  const { old, next } = versions({ replicas: 3 }, 9);
  const world = convergedOf(old);
  const aged = withContainer(world, 'web-1', ({ labels }) => ({
    labels: { ...labels, 'colonies.generation': '0' },
  }));
  const lines = steps(next, aged, 40).filter((line) => / (create|remove) /.test(line));
  assert.deepEqual(
    lines.map((line) => line.split(':')[1]?.trim()),
    [
      'create web-1.next',
      'remove web-1',
      'create web-0.next',
      'remove web-0',
      'create web-2.next',
      'remove web-2',
    ],
  );
});

test('a replica that does not run anyway is replaced first', () => {
  const { old, next } = versions({ replicas: 3 });
  const world = withContainer(convergedOf(old), 'web-2', () => ({ state: 'exited', exitCode: 1 }));
  assert.match(steps(next, world, 1)[0] ?? '', /create web-2\.next/);
});

test('parallelism: as many at a time as it says, and the others say that they wait', () => {
  const { old, next } = versions({ replicas: 4, service: update({ parallelism: 2 }) ?? {} });
  const first = plan(next, convergedOf(old), 0);
  assert.deepEqual(
    first.actions.map(({ lane }) => lane),
    ['web/web/0', 'web/web/1'],
  );
  assert.deepEqual(
    first.holds.map(({ key, message }) => `${key}: ${message}`),
    ['web/web/2', 'web/web/3'].map((key) => `${key}: waits for its turn: 2 of 4 replicas at a time`),
  );
});

test('a hold of the gate says what is lacking and until when', () => {
  const { old, next } = versions({ spec: { healthcheck: CHECK } });
  const [service] = next.blueprints[0]?.services ?? [];
  assert.ok(service);
  const successor = containerFor(service, { id: 'new', name: 'web.next-1', health: 'starting' });
  const world = convergedOf(old);
  const both = {
    ...world,
    containers: [...world.containers, successor],
    runningSince: new Map([['new', 1_000]]),
  };
  assert.equal(
    planText(plan(next, both, 2_000)),
    'hold web/web/0: Working, the new version is being watched: it has to become healthy within 300 s (it is starting)',
  );
  assert.equal(plan(next, both, 2_000).wakeAtMs, 301_000);
});

test('a new version is late only when its deadline is over and it was watched for a while, and only beside an older one', () => {
  const { old, next } = versions({ spec: { healthcheck: CHECK } });
  const [service] = next.blueprints[0]?.services ?? [];
  assert.ok(service);
  const successor = containerFor(service, {
    id: 'new',
    name: 'web.next-1',
    health: 'starting',
    createdAt: 9e6,
  });
  const world = convergedOf(old);
  const both = {
    ...world,
    containers: [...world.containers, successor],
    runningSince: new Map([['new', -3_600_000]]),
  };
  const services = new Map([[service.key, service]]);
  const late = (observed: ObservedState, monoMs: number) =>
    overdue(services, observed, OWNER, new Map([['new', 0]]), monoMs).map(({ message }) => message);
  assert.deepEqual(late(both, 59_000), []);
  assert.deepEqual(late(both, 60_000), ['did not become healthy within 300 s (it is starting)']);
  assert.deepEqual(late({ ...both, runningSince: new Map([['new', 0]]) }, 299_999), []);
  assert.deepEqual(late({ ...both, containers: [successor] }, 60_000), []);
  assert.deepEqual(
    late({ ...both, containers: [...world.containers, { ...successor, createdAt: 1 }] }, 6e4),
    [],
  );
});

test('the older of two that stays sick is no version on trial: the newer one goes, and it is mended alone', () => {
  const { old, next } = versions({ spec: { healthcheck: CHECK } });
  const [present] = convergedOf(old).containers;
  const [newer] = convergedOf(next).containers;
  assert.ok(present && newer);
  const sick: ObservedContainer = { ...present, health: 'unhealthy' };
  const beside = { ...newer, id: 'newer', name: 'web.next-aaaaaa', createdAt: present.createdAt + 1 };
  const world: ObservedState = {
    ...convergedOf(old),
    containers: [sick, { ...beside, health: 'healthy' }],
    runningSince: new Map([
      [sick.id, 0],
      [beside.id, 0],
    ]),
  };
  assert.deepEqual(
    steps(old, world, 310).map((line) => line.replace(/:.*?: .*/, '')),
    ['300', '301'],
  );
  assert.match(steps(old, world, 310)[0] ?? '', /^300: stop web\.next/);
});
