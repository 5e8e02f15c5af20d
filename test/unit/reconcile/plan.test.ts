import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LABEL } from '../../../src/model/container.ts';
import type { DesiredState } from '../../../src/model/desired.ts';
import { liveHash as hashOf } from '../../../src/model/hash.ts';
import type { ObservedContainer, ObservedState, Setback } from '../../../src/model/observed.ts';
import { plan } from '../../../src/reconcile/plan.ts';
import { planText } from '../../../src/reconcile/text.ts';
import {
  blueprintOf,
  containerFor,
  convergedOf,
  desiredOf,
  imageOf,
  NETWORK,
  observedOf,
  withContainer,
} from '../../fakes/planning.ts';

/** One base state, one mutation per case: the plan as text. */
const WEB = desiredOf(blueprintOf('web'));
const CONVERGED = 'nothing to do: converged';

function text(desired: DesiredState, observed: ObservedState, now = 10_000): string {
  return planText(plan(desired, observed, now));
}

/** The first service of a desired state. */
function serviceOf(desired: DesiredState & { known: true }) {
  const service = desired.blueprints[0]?.services[0];
  assert.ok(service);
  return service;
}

const SERVICE = serviceOf(WEB);

function setback(change: Partial<Setback> = {}): ReadonlyMap<string, Setback> {
  const base: Setback = {
    key: SERVICE.key,
    specHash: SERVICE.specHash,
    reason: 'PortConflict',
    message: 'port 80 is taken',
    attempts: 1,
    permanent: false,
    since: 0,
    notBeforeMs: 20_000,
    nextTryAt: 1_000_000,
    ...change,
  };
  return new Map([[base.key, base]]);
}

function detailOf(container: ObservedContainer) {
  assert.ok(container.detail);
  return container.detail;
}

const cases: { name: string; desired?: DesiredState; observed: ObservedState; plan: string }[] = [
  { name: 'everything runs: nothing to do', observed: convergedOf(WEB), plan: CONVERGED },
  {
    name: 'desired state unknown: nothing at all',
    desired: { known: false },
    observed: observedOf(),
    plan: CONVERGED,
  },
  { name: 'nothing exists: create', observed: observedOf(), plan: 'create web: no container exists' },
  {
    name: 'image absent: pull it and say so',
    observed: observedOf({ images: new Map([['app:1', null]]) }),
    plan: 'pull image app:1: image is not present\nhold web/web/0: Pulling, image app:1 is being pulled',
  },
  {
    name: 'image not looked up yet: wait',
    observed: observedOf({ images: new Map() }),
    plan: 'hold web/web/0: Working, image app:1 is being looked up',
  },
  {
    name: 'image of another platform: no create',
    observed: observedOf({ images: new Map([['app:1', imageOf('app:1', { arch: 'arm', variant: 'v7' })]]) }),
    plan: 'hold web/web/0: PlatformMismatch, image app:1 is for linux/arm/v7, this machine is linux/amd64',
  },
  {
    name: 'network absent: create it first',
    observed: observedOf({ networks: [] }),
    plan: `create network ${NETWORK}: network does not exist\nhold web/web/0: Working, network ${NETWORK} is being made`,
  },
  {
    name: 'created and never started: start',
    observed: withContainer(convergedOf(WEB), 'web', () => ({ state: 'created' })),
    plan: 'start web: container was never started',
  },
  {
    name: 'killed: start',
    observed: withContainer(convergedOf(WEB), 'web', () => ({ state: 'exited', exitCode: 137 })),
    plan: 'start web: container is not running (exited 137)',
  },
  {
    name: 'killed and its inspection hangs: start all the same',
    observed: withContainer(convergedOf(WEB), 'web', ({ detail: _detail, ...rest }) => {
      const without: Partial<ObservedContainer> = { ...rest, state: 'exited', exitCode: 137 };
      return { ...without, detail: undefined } as unknown as Partial<ObservedContainer>;
    }),
    plan: 'start web: container is not running (exited 137)',
  },
  {
    name: 'paused by hand: unpause',
    observed: withContainer(convergedOf(WEB), 'web', () => ({ state: 'paused' })),
    plan: 'unpause web: container is paused',
  },
  {
    name: 'restarting: left to the engine, and said',
    observed: withContainer(convergedOf(WEB), 'web', (container) => ({
      state: 'restarting',
      detail: { ...detailOf(container), exitCode: 3 },
    })),
    plan: 'hold web/web/0: CrashLoop, the engine restarts it again and again (exited 3)',
  },
  {
    name: 'renamed by hand: rename back',
    observed: withContainer(convergedOf(WEB), 'web', () => ({ name: 'other' })),
    plan: 'rename other -> web: container is named other',
  },
  {
    name: 'limits changed by hand: update in place',
    observed: withContainer(convergedOf(WEB), 'web', (container) => ({
      detail: {
        ...detailOf(container),
        spec: { ...detailOf(container).spec, restart: { name: 'no', maxRetries: 0 } },
      },
    })),
    plan: 'update web: restart policy is no instead of unless-stopped',
  },
  {
    name: 'a limit set by hand where none is asked for: new container, no call takes it away',
    observed: withContainer(convergedOf(WEB), 'web', (container) => ({
      detail: { ...detailOf(container), spec: { ...detailOf(container).spec, limits: { memoryBytes: 5e7 } } },
    })),
    plan: `create web.next-${SERVICE.specHash.slice(0, 6)}: web: memory limit 50000000 must go, which needs a new container (start-first)`,
  },
  {
    name: 'disconnected by hand: connect',
    observed: withContainer(convergedOf(WEB), 'web', (container) => ({
      detail: { ...detailOf(container), networks: {} },
    })),
    plan: `connect web (${NETWORK}): not attached to network ${NETWORK}`,
  },
  {
    name: 'alias missing: disconnect first',
    observed: withContainer(convergedOf(WEB), 'web', (container) => ({
      detail: {
        ...detailOf(container),
        networks: { [NETWORK]: { aliases: [], ip: '', networkId: `net-${NETWORK}` } },
      },
    })),
    plan: `disconnect web (${NETWORK}): alias app is missing on network ${NETWORK}`,
  },
  {
    name: 'attached to a further network by hand: disconnect',
    observed: withContainer(convergedOf(WEB), 'web', (container) => {
      const { networks } = detailOf(container);
      return {
        detail: {
          ...detailOf(container),
          networks: { ...networks, extra: { aliases: [], ip: '', networkId: 'x' } },
        },
      };
    }),
    plan: 'disconnect web (extra): attached to network extra, which the blueprint does not ask for',
  },
  {
    name: 'environment changed by hand: new container, and the cause names the variable but never its value',
    observed: withContainer(convergedOf(WEB), 'web', (container) => ({
      detail: {
        ...detailOf(container),
        spec: { ...detailOf(container).spec, env: { PATH: '/bin', MODE: 'secret' } },
      },
    })),
    plan: `create web.next-${SERVICE.specHash.slice(0, 6)}: web: environment variable MODE differs (start-first)`,
  },
  {
    name: 'image retagged: new container',
    observed: observedOf({
      containers: convergedOf(WEB).containers,
      images: new Map([['app:1', imageOf('app:1', { id: 'sha256:feedfeedfeedfeed' })]]),
    }),
    plan: `create web.next-${SERVICE.specHash.slice(0, 6)}: web: image app:1 is now feedfeedfeed, container runs ${imageOf('app:1').id.slice(7, 19)} (start-first)`,
  },
  {
    name: 'made anew by hand of another image: the cause names both, inspected or not',
    observed: withContainer(convergedOf(WEB), 'web', (container) => ({
      imageId: 'sha256:feedfeedfeedfeed',
      image: 'other:2',
      detail: { ...detailOf(container), spec: { ...detailOf(container).spec, image: 'other:2' } },
    })),
    plan: `create web.next-${SERVICE.specHash.slice(0, 6)}: web: image is other:2 instead of app:1 (start-first)`,
  },
  {
    name: 'another name of the same image: that is another image',
    observed: withContainer(convergedOf(WEB), 'web', (container) => ({
      detail: { ...detailOf(container), spec: { ...detailOf(container).spec, image: 'other:2' } },
    })),
    plan: `create web.next-${SERVICE.specHash.slice(0, 6)}: web: image is other:2 instead of app:1 (start-first)`,
  },
  {
    name: 'image gone but container runs: nothing to do',
    observed: observedOf({ containers: convergedOf(WEB).containers, images: new Map([['app:1', null]]) }),
    plan: CONVERGED,
  },
  {
    name: 'name held by a foreign container: reported',
    observed: observedOf({ containers: [containerFor(SERVICE, { id: 'f00000000000f', labels: {} })] }),
    plan: 'hold web/web/0: NameConflict, name web is held by a container that is not ours (f00000000000)',
  },
  {
    name: "another node's container: not ours, reported as holder of the name",
    observed: observedOf({
      containers: [
        containerFor(SERVICE, { id: 'abc', labels: { ...SERVICE.managedLabels, [LABEL.node]: 'edge-2' } }),
      ],
    }),
    plan: 'hold web/web/0: NameConflict, name web is held by a container that is not ours (abc)',
  },
  {
    name: 'failed before, time not come: hold with the next try',
    observed: observedOf({ setbacks: setback() }),
    plan: 'hold web/web/0: PortConflict, port 80 is taken, next try 1970-01-01T00:16:40Z',
  },
  {
    name: 'failed before with another version: that setback is void',
    observed: observedOf({ setbacks: setback({ specHash: 'other' }) }),
    plan: 'create web: no container exists',
  },
  {
    name: 'could not start: the created container is removed, the hold stays',
    observed: {
      ...withContainer(convergedOf(WEB), 'web', () => ({ state: 'created' })),
      setbacks: setback(),
    },
    plan: 'remove web: it could not start: port 80 is taken\nhold web/web/0: PortConflict, port 80 is taken, next try 1970-01-01T00:16:40Z',
  },
  {
    name: 'a call is under way: nothing for that lane',
    observed: observedOf({ busy: new Set([SERVICE.key]) }),
    plan: CONVERGED,
  },
  {
    name: 'service on hold: said, and its container untouched',
    desired: desiredOf(
      blueprintOf('web', { service: { hold: { reason: 'WaitingForRegistration', message: 'slot 0' } } }),
    ),
    observed: withContainer(convergedOf(WEB), 'web', () => ({ state: 'exited', exitCode: 1 })),
    plan: 'hold web/web/0: WaitingForRegistration, slot 0',
  },
  {
    name: 'a job that ended well stays ended',
    desired: desiredOf(blueprintOf('web', { spec: { restart: { name: 'on-failure', maxRetries: 0 } } })),
    observed: withContainer(
      convergedOf(
        desiredOf(blueprintOf('web', { spec: { restart: { name: 'on-failure', maxRetries: 0 } } })),
      ),
      'web',
      () => ({ state: 'exited', exitCode: 0 }),
    ),
    plan: CONVERGED,
  },
  {
    name: 'only the generation rose: nothing to do',
    desired: desiredOf(blueprintOf('web', { generation: 7 })),
    observed: convergedOf(WEB),
    plan: CONVERGED,
  },
  {
    name: 'removed and added again with another id: replaced although the spec is the same',
    desired: desiredOf(blueprintOf('web', { blueprintId: 'new' })),
    observed: convergedOf(desiredOf(blueprintOf('web', { blueprintId: 'old' }))),
    plan: `create web.next-${SERVICE.specHash.slice(0, 6)}: web: belongs to an earlier blueprint of this name (id old) (start-first)`,
  },
  {
    name: 'replicas down: the surplus one is stopped, the renamed rest kept',
    desired: desiredOf(blueprintOf('web', { replicas: 2 })),
    observed: convergedOf(desiredOf(blueprintOf('web', { replicas: 3 }))),
    plan: 'stop web-2: no longer asked for by the blueprint',
  },
  {
    name: 'replicas 0: all go, gracefully',
    desired: desiredOf(blueprintOf('web', { replicas: 0 })),
    observed: convergedOf(WEB),
    plan: 'stop web: no longer asked for by the blueprint',
  },
  {
    name: 'blueprint removed: stop first',
    desired: desiredOf(blueprintOf('web', { deleting: true })),
    observed: convergedOf(WEB),
    plan: 'stop web: blueprint was removed',
  },
  {
    name: 'blueprint removed and stopped: remove',
    desired: desiredOf(blueprintOf('web', { deleting: true })),
    observed: withContainer(convergedOf(WEB), 'web', () => ({ state: 'exited' })),
    plan: 'remove web: blueprint was removed',
  },
  {
    name: 'a stranger with our labels for an unknown blueprint is left alone',
    desired: desiredOf(),
    observed: convergedOf(WEB),
    plan: CONVERGED,
  },
];

for (const { name, desired = WEB, observed, plan: expected } of cases)
  test(`plan: ${name}`, () => assert.equal(text(desired, observed), expected));

test('plan: a deleted blueprint of which nothing is left is finished', () => {
  const desired = desiredOf(blueprintOf('web', { deleting: true }));
  assert.deepEqual(plan(desired, observedOf(), 0).finished, ['web']);
  assert.deepEqual(plan(desired, convergedOf(WEB), 0).finished, []);
});

test('plan: volumes of a deleted blueprint go only when it says so, and after its containers', () => {
  const deleted = { ...blueprintOf('web', { deleting: true }), reclaimVolumes: ['data'] };
  const observed = observedOf({ volumes: new Set(['data']) });
  assert.equal(
    text(desiredOf(deleted), observed),
    'remove volume data: blueprint was removed and says volumeReclaim: Delete',
  );
  assert.equal(text(desiredOf(blueprintOf('web', { deleting: true })), observed), CONVERGED);
  const stillRunning = { ...convergedOf(WEB), volumes: new Set(['data']) };
  assert.equal(text(desiredOf(deleted), stillRunning), 'stop web: blueprint was removed');
});

test('plan: a container of the Go reconciler is adopted when name, image and generation match, and kept', () => {
  const labels = { [LABEL.deployment]: 'web', [LABEL.managed]: 'true', [LABEL.generation]: '0' };
  const peer = containerFor(SERVICE, { id: 'peer', labels });
  const detail = detailOf(peer);
  // The Go reconciler sets neither log options nor instance aliases nor a restart policy.
  const bare = {
    ...peer,
    detail: {
      ...detail,
      spec: { ...detail.spec, env: { A: '1' }, restart: { name: 'no' as const, maxRetries: 0 } },
    },
  };
  const first = plan(WEB, observedOf({ containers: [bare] }), 0);
  assert.deepEqual(first.adopt, [{ id: 'peer', name: 'web', specHash: SERVICE.specHash }]);
  assert.equal(planText(first), 'update web: restart policy is no instead of unless-stopped');
  const later = observedOf({ containers: [bare], adopted: new Map([['peer', SERVICE.specHash]]) });
  assert.deepEqual(plan(WEB, later, 0).adopt, []);
  const changed = desiredOf(blueprintOf('web', { spec: { env: { MODE: 'b' } } }));
  assert.match(
    text(changed, later),
    /^create web\.next-\w{6}: web: spec changed since this container was adopted \(start-first\)$/,
  );
  const raised = desiredOf(blueprintOf('web', { generation: 1 }));
  assert.match(text(raised, observedOf({ containers: [bare] })), /was made for generation 0, wanted is 1/);
});

test('plan: what the engine reports in its own words about a container we made is adopted, not replaced', () => {
  const base = convergedOf(WEB);
  const odd = withContainer(base, 'web', (container) => ({
    detail: { ...detailOf(container), spec: { ...detailOf(container).spec, privileged: true } },
  }));
  const id = odd.containers[0]?.id ?? '';
  assert.match(text(WEB, odd), /privileged differs/);
  const made = { ...odd, made: new Set([id]) };
  assert.deepEqual(plan(WEB, made, 0).adopt, [{ id, name: 'web', specHash: SERVICE.specHash }]);
  assert.equal(text(WEB, made), CONVERGED);
  assert.equal(text(WEB, { ...odd, adopted: new Map([[id, SERVICE.specHash]]) }), CONVERGED);
});

test('plan: an engine that ignores an update is not asked again, but a later change by hand is seen', () => {
  const drifted = (maxRetries: number) =>
    withContainer(convergedOf(WEB), 'web', (container) => ({
      detail: {
        ...detailOf(container),
        spec: { ...detailOf(container).spec, restart: { name: 'on-failure', maxRetries } },
      },
    }));
  const first = plan(WEB, drifted(1), 0).actions[0];
  assert.ok(first?.kind === 'updateContainer');
  const reported = drifted(1).containers[0];
  assert.ok(reported?.detail);
  const { liveHash } = first;
  const { restart, limits } = reported.detail.spec;
  const key = `${liveHash}:${hashOfLive(restart, limits)}`;
  assert.equal(text(WEB, { ...drifted(1), updated: new Map([[reported.id, key]]) }), CONVERGED);
  assert.match(text(WEB, { ...drifted(2), updated: new Map([[reported.id, key]]) }), /^update web/);
});

function hashOfLive(
  restart: Parameters<typeof hashOf>[0]['restart'],
  limits: Parameters<typeof hashOf>[0]['limits'],
): string {
  return hashOf({ restart, limits });
}

test("plan: a container without log settings gets limits, unless the engine's own driver is another one", () => {
  const created = (loggingDriver: string) => {
    const observed = observedOf();
    const [action] = plan(WEB, { ...observed, engine: { ...observed.engine, loggingDriver } }, 0).actions;
    assert.ok(action?.kind === 'createContainer');
    return action.spec.log;
  };
  assert.deepEqual(created('json-file'), {
    driver: 'json-file',
    options: { 'max-size': '10m', 'max-file': '3' },
  });
  assert.equal(created('journald'), undefined);
});

test('plan: a start interval is not missed on an engine that does not know it', () => {
  const healthcheck = { test: ['CMD', 'x'], intervalMs: 1, timeoutMs: 1, retries: 1, startPeriodMs: 0 };
  const desired = desiredOf(
    blueprintOf('web', { spec: { healthcheck: { ...healthcheck, startIntervalMs: 500 } } }),
  );
  const dropped = withContainer(convergedOf(desired), 'web', (container) => ({
    detail: { ...detailOf(container), spec: { ...detailOf(container).spec, healthcheck } },
  }));
  assert.equal(text(desired, dropped), CONVERGED);
  const newer = { ...dropped, engine: { ...dropped.engine, apiVersion: '1.44' } };
  assert.match(text(desired, newer), /health check differs/);
});
