import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ContainerSpec } from '../../../src/model/container.ts';
import type { Service } from '../../../src/model/desired.ts';
import type { Ailing, ObservedState, ProbeReport } from '../../../src/model/observed.ts';
import { plan } from '../../../src/reconcile/plan.ts';
import { planText } from '../../../src/reconcile/text.ts';
import { blueprintOf, convergedOf, desiredOf, withContainer } from '../../fakes/planning.ts';

const PROBE: NonNullable<Service['probe']> = {
  tcp: { port: 80 },
  intervalMs: 10_000,
  timeoutMs: 5_000,
  retries: 3,
  startPeriodMs: 0,
};
const NOW = 50_000;
/** 2026-03-01T12:00:00Z */
const WALL = Date.UTC(2026, 2, 1, 12);

interface Case {
  spec?: Partial<ContainerSpec>;
  service?: Partial<Service>;
  health?: 'starting' | 'healthy' | 'unhealthy';
  checkOutput?: string;
  report?: Omit<ProbeReport, 'startedAt'>;
  ailing?: Ailing;
  busy?: boolean;
}

const DUE: Ailing = { attempts: 0, restarts: 0, failing: { notBeforeMs: NOW, nextTryAt: WALL } };
const SOON: Ailing = { attempts: 3, restarts: 3, failing: { notBeforeMs: NOW + 1, nextTryAt: WALL } };

function planFor({ service = {}, spec = {}, health, checkOutput, report, ailing, busy }: Case) {
  const desired = desiredOf(blueprintOf('web', { service, spec }));
  let observed: ObservedState = withContainer(convergedOf(desired), 'web', ({ detail }) => ({
    ...(health === undefined ? {} : { health }),
    ...(detail === undefined || checkOutput === undefined ? {} : { detail: { ...detail, checkOutput } }),
  }));
  const [container] = observed.containers;
  assert.ok(container?.detail !== undefined);
  const { id, detail } = container;
  observed = {
    ...observed,
    ailing: ailing === undefined ? new Map() : new Map([[id, ailing]]),
    probes: report === undefined ? new Map() : new Map([[id, { startedAt: detail.startedAt, ...report }]]),
    busy: busy === true ? new Set(['web/web/0']) : new Set(),
  };
  return plan(desired, observed, NOW);
}

const text = (found: Case) => planText(planFor(found));
const CONVERGED = 'nothing to do: converged';
const failing = { own: { state: 'unhealthy' as const, message: 'tcp 80: connection refused' } };

describe('a container whose checks fail', () => {
  test('is restarted when its time has come, with the last words of the check', () => {
    assert.equal(
      text({ health: 'unhealthy', checkOutput: 'no route', ailing: DUE }),
      'restart web: health check fails (no route)',
    );
    assert.equal(
      text({ service: { probe: PROBE }, report: failing, ailing: DUE }),
      'restart web: probe fails (tcp 80: connection refused)',
    );
  });

  test('gets its own time to stop', () => {
    const desired = desiredOf(blueprintOf('web', { spec: { stopTimeoutS: 60 } }));
    const observed = withContainer(convergedOf(desired), 'web', () => ({ health: 'unhealthy' }));
    const id = observed.containers[0]?.id ?? '';
    const [action] = plan(desired, { ...observed, ailing: new Map([[id, DUE]]) }, NOW).actions;
    assert.ok(action?.kind === 'restartContainer');
    assert.equal(action.timeoutS, 60);
  });

  test('waits until then, and says why, how often, and when', () => {
    const found = planFor({ health: 'unhealthy', checkOutput: 'no route', ailing: SOON });
    assert.deepEqual(found.actions, []);
    assert.equal(found.wakeAtMs, NOW + 1);
    assert.deepEqual(found.holds, [
      {
        key: 'web/web/0',
        blueprint: 'web',
        reason: 'Unhealthy',
        message: 'health check fails (no route)',
        untilMs: NOW + 1,
        nextTryAt: WALL,
        attempts: 3,
      },
    ]);
  });

  test('is left alone with onUnhealthy ignore, and shown', () => {
    const found = text({ service: { onUnhealthy: 'ignore' }, health: 'unhealthy', ailing: DUE });
    assert.equal(
      found,
      'hold web/web/0: Unhealthy, health check fails; left alone, as onUnhealthy is ignore',
    );
  });

  test('is shown as waiting from the restart until it passes', () => {
    const ailing = { attempts: 2, restarts: 2 };
    const found = planFor({ health: 'starting', ailing });
    assert.deepEqual([found.actions, found.holds[0]?.reason, found.holds[0]?.attempts], [[], 'Unhealthy', 2]);
    assert.equal(text({ health: 'healthy', ailing }), CONVERGED);
  });

  test('gets nothing while a call for it is under way', () => {
    assert.equal(text({ health: 'unhealthy', ailing: DUE, busy: true }), CONVERGED);
  });

  test('is not restarted for a probe that the blueprint no longer has', () => {
    assert.equal(text({ report: failing, ailing: DUE }), CONVERGED);
  });

  test('is not restarted before anybody has counted since when it fails', () => {
    assert.deepEqual(planFor({ health: 'unhealthy' }).actions, []);
  });
});

describe('a published port that does not answer', () => {
  const published = { own: { state: 'healthy' as const, message: '' } };
  const cutOff = {
    ...published,
    published: { state: 'unhealthy' as const, message: 'tcp 127.0.0.1:80: connection refused' },
  };
  const service = { probe: { ...PROBE, published: true } };

  test('is mended although the container is healthy, with its own cause', () => {
    assert.equal(
      text({ service, report: cutOff, ailing: DUE }),
      'disconnect web (colonies_default): published port does not answer although the container does (tcp 127.0.0.1:80: connection refused)',
    );
    assert.equal(planFor({ service, report: cutOff, ailing: SOON }).holds[0]?.reason, 'PortUnreachable');
  });

  test('is mended by a restart on the default bridge, which is left to the engine otherwise', () => {
    const found = planFor({ service, spec: { network: { mode: 'bridge' } }, report: cutOff, ailing: DUE });
    assert.deepEqual(
      found.actions.map(({ kind }) => kind),
      ['restartContainer'],
    );
  });

  test('does not matter when nobody asked for it', () => {
    assert.equal(text({ service: { probe: PROBE }, report: cutOff, ailing: DUE }), CONVERGED);
  });

  test('is left alone with onUnhealthy ignore', () => {
    assert.match(
      text({ service: { ...service, onUnhealthy: 'ignore' }, report: cutOff, ailing: DUE }),
      /^hold/,
    );
  });
});
