import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ProbeSpec } from '../../../src/model/desired.ts';
import type { HealthState, ObservedContainer, ProbeReport } from '../../../src/model/observed.ts';
import { healthWaitMs } from '../../../src/reconcile/backoff.ts';
import { isReady, readinessOf } from '../../../src/reconcile/readiness.ts';
import {
  type Check,
  newCheck,
  nextCheck,
  pauseAfter,
  probeTargets,
} from '../../../src/reconcile/readiness-probe.ts';
import { blueprintOf, containerFor, desiredOf, NETWORK } from '../../fakes/planning.ts';

const SPEC: ProbeSpec = {
  tcp: { port: 80 },
  intervalMs: 10_000,
  timeoutMs: 5_000,
  retries: 3,
  startPeriodMs: 60_000,
};
const NO: { ok: false; message: string } = { ok: false, message: 'connection refused' };

/** The states after these results, each at its time, of a check that began at 0. */
function states(spec: ProbeSpec, results: readonly (readonly [atMs: number, ok: boolean])[]): HealthState[] {
  let check: Check = newCheck(0);
  return results.map(([atMs, ok]) => {
    check = nextCheck(check, ok ? { ok: true } : NO, spec, atMs, 0);
    return check.state;
  });
}

describe('a check over its tries', () => {
  test('in the start period failures do not count, however many', () => {
    const many = Array.from({ length: 59 }, (_, second) => [1_000 * (second + 1), false] as const);
    assert.ok(states(SPEC, many).every((state) => state === 'starting'));
  });

  test('the first success ends the start period: from then on failures count', () => {
    const after = [
      [1_000, true],
      [11_000, false],
      [21_000, false],
      [31_000, false],
    ] as const;
    assert.deepEqual(states(SPEC, after), ['healthy', 'healthy', 'healthy', 'unhealthy']);
  });

  test('after the start period failures count at the pace of the interval, though it is tried every second', () => {
    const tries = Array.from({ length: 100 }, (_, second) => [1_000 * (second + 1), false] as const);
    const found = states(SPEC, tries);
    assert.equal(found.indexOf('unhealthy'), 88, 'three intervals after the last second of the period');
  });

  test('failures count in a row only, and one success is healthy again', () => {
    const spec = { ...SPEC, startPeriodMs: 0 };
    const tries = [
      [0, true],
      [10_000, false],
      [20_000, false],
      [30_000, true],
      [40_000, false],
      [50_000, false],
      [60_000, false],
      [70_000, true],
    ] as const;
    assert.deepEqual(states(spec, tries).slice(4), ['healthy', 'healthy', 'unhealthy', 'healthy']);
  });

  test('why it failed is kept until it passes', () => {
    const failed = nextCheck(newCheck(0), NO, SPEC, 1_000, 0);
    assert.equal(failed.message, 'connection refused');
    assert.equal(nextCheck(failed, { ok: true }, SPEC, 2_000, 0).message, '');
  });

  test('what has not passed yet is tried every second, all else at its interval', () => {
    assert.equal(pauseAfter(['starting'], SPEC), 1_000);
    assert.equal(pauseAfter(['healthy', 'starting'], SPEC), 1_000);
    assert.equal(pauseAfter(['healthy'], SPEC), 10_000);
    assert.equal(pauseAfter(['unhealthy'], SPEC), 10_000);
  });
});

describe('readiness', () => {
  const [probed] = blueprintOf('web', { service: { probe: SPEC } }).services;
  const [plain] = blueprintOf('web').services;
  assert.ok(probed !== undefined && plain !== undefined);
  const reported = (
    container: ObservedContainer,
    state: HealthState,
    startedAt = container.detail?.startedAt ?? '',
  ) => ({
    probes: new Map([[container.id, { startedAt, own: { state, message: '' } } satisfies ProbeReport]]),
  });
  const NOTHING = { probes: new Map() };

  test('without any check a container that runs is ready', () => {
    const container = containerFor(plain);
    assert.equal(readinessOf(plain, container, NOTHING), 'unchecked');
    assert.ok(isReady(plain, container, NOTHING));
  });

  test('with a probe it is ready only when the probe passed, and until it was asked it is starting', () => {
    const container = containerFor(probed);
    assert.equal(readinessOf(probed, container, NOTHING), 'starting');
    assert.equal(readinessOf(probed, container, undefined), 'starting');
    assert.equal(readinessOf(probed, container, reported(container, 'healthy')), 'healthy');
    assert.equal(readinessOf(probed, container, reported(container, 'unhealthy')), 'unhealthy');
  });

  test("of the engine's check and the agent's the worse counts", () => {
    const rows: [HealthState, HealthState, HealthState][] = [
      ['healthy', 'healthy', 'healthy'],
      ['healthy', 'starting', 'starting'],
      ['starting', 'healthy', 'starting'],
      ['unhealthy', 'healthy', 'unhealthy'],
      ['healthy', 'unhealthy', 'unhealthy'],
      ['starting', 'unhealthy', 'unhealthy'],
    ];
    for (const [health, own, expected] of rows) {
      const container = containerFor(probed, { health });
      assert.equal(readinessOf(probed, container, reported(container, own)), expected, `${health} ${own}`);
    }
  });

  test('what a probe said of an earlier run counts no more', () => {
    const container = containerFor(probed);
    const before = reported(container, 'healthy', '2020-01-01T00:00:00Z');
    assert.equal(readinessOf(probed, container, before), 'starting');
  });

  test('a report is believed while an inspection hangs', () => {
    const { detail: _detail, ...bare } = containerFor(probed);
    assert.equal(readinessOf(probed, bare, reported(bare, 'healthy', 'x')), 'healthy');
  });

  test('a container that ended is down whatever its checks said last', () => {
    const container = containerFor(probed, { state: 'exited', exitCode: 1, health: 'healthy' });
    assert.equal(readinessOf(probed, container, reported(container, 'healthy')), 'down');
  });
});

describe('what is probed', () => {
  const aim = (change: Parameters<typeof containerFor>[1], over: Parameters<typeof blueprintOf>[1] = {}) => {
    const blueprint = blueprintOf('web', { service: { probe: SPEC }, ...over });
    const [service] = blueprint.services;
    assert.ok(service !== undefined);
    return probeTargets(desiredOf(blueprint), [containerFor(service, change)]);
  };

  test('a running container at its address in its network', () => {
    const { targets } = aim({});
    assert.deepEqual(
      targets.map(({ host, published }) => [host, published]),
      [['172.18.0.2', undefined]],
    );
  });

  test('one on the host network at this machine itself', () => {
    const { targets } = aim({}, { spec: { network: { mode: 'host' } }, service: { probe: SPEC } });
    assert.equal(targets[0]?.host, '127.0.0.1');
  });

  test('nothing that does not run, and nothing without a probe or of somebody else', () => {
    assert.deepEqual(aim({ state: 'exited' }).targets, []);
    assert.deepEqual(aim({}, { service: {} }).targets, []);
    assert.deepEqual(aim({ labels: {} }).targets, []);
  });

  test('one that was not inspected is neither probed anew nor given up', () => {
    const blueprint = blueprintOf('web', { service: { probe: SPEC } });
    const [service] = blueprint.services;
    assert.ok(service !== undefined);
    const { detail: _detail, ...bare } = containerFor(service);
    assert.deepEqual(probeTargets(desiredOf(blueprint), [bare]), {
      targets: [],
      unknown: new Set([bare.id]),
    });
  });

  test('its published port at the address that it is bound to, IPv4 first', () => {
    const bound = (hostIp: string, hostPort: number) => ({
      containerPort: 80,
      protocol: 'tcp' as const,
      hostIp,
      hostPort,
    });
    const published = (ports: ObservedContainer['ports']) =>
      aim({ ports }, { service: { probe: { ...SPEC, published: true } } }).targets[0]?.published;
    assert.deepEqual(published([bound('::', 81), bound('0.0.0.0', 80)]), { host: '127.0.0.1', port: 80 });
    assert.deepEqual(published([bound('192.0.2.7', 80)]), { host: '192.0.2.7', port: 80 });
    assert.deepEqual(published([bound('::', 81)]), { host: '::1', port: 81 });
    assert.deepEqual(published([]), { host: '127.0.0.1', port: 0 });
  });

  test('a network that was left has no address', () => {
    const blueprint = blueprintOf('web', { service: { probe: SPEC } });
    const [service] = blueprint.services;
    assert.ok(service !== undefined);
    const container = containerFor(service);
    assert.ok(container.detail !== undefined && container.detail.networks[NETWORK] !== undefined);
    const alone = { ...container, detail: { ...container.detail, networks: {} } };
    assert.equal(probeTargets(desiredOf(blueprint), [alone]).targets[0]?.host, '');
  });
});

describe('the wait between restarts', () => {
  test('is 10 s doubling to 5 min, never shorter than its step and never beyond the longest', () => {
    const steps = [10, 20, 40, 80, 160, 300, 300];
    steps.forEach((seconds, index) => {
      assert.equal(healthWaitMs(index + 1, 0), seconds * 1_000);
      const longest = healthWaitMs(index + 1, 0.999_999);
      assert.ok(longest >= seconds * 1_000 && longest <= Math.min(300_000, seconds * 1_200));
    });
    assert.equal(healthWaitMs(10_000, 0.5), 300_000);
  });
});
