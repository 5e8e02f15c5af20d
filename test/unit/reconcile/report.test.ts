import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportAll } from '../../../src/reconcile/report.ts';
import { blueprintOf, convergedOf, desiredOf, NETWORK } from '../../fakes/planning.ts';

/** Warnings of a blueprint whose spec has this `network`, while its network exists with this driver. */
function warnings(network: object | undefined, driver: string): string[] {
  const base = blueprintOf('web');
  const spec = network === undefined ? base.blueprint.spec : { ...base.blueprint.spec, network };
  const desired = desiredOf({ ...base, blueprint: { ...base.blueprint, spec } });
  const observed = convergedOf(desired);
  const [report] = reportAll({
    desired,
    observed: {
      ...observed,
      networks: observed.networks.map((one) => (one.name === NETWORK ? { ...one, driver } : one)),
    },
    plan: undefined,
    running: new Map(),
    lastErrors: new Map(),
    engineAway: undefined,
    monoMs: 0,
    now: 0,
    node: 'edge-1',
    location: 'default',
    version: '0.0.0',
    previous: new Map(),
  });
  const condition = report?.status.conditions.find(({ type }) => type === 'SpecWarnings');
  assert.equal(condition?.status === 'True', report?.warnings.length !== 0);
  return (report?.warnings ?? []).map(({ path, message }) => `${path}: ${message}`);
}

test('a network that exists with another driver than the blueprint asks for is a warning', () => {
  assert.deepEqual(warnings({ name: NETWORK, driver: 'bridge' }, 'macvlan'), [
    `spec.network.driver: network ${NETWORK} has driver macvlan instead of bridge; it is used as it is`,
  ]);
});

test('a driver that is as asked for, or that nobody asked for, is no warning', () => {
  assert.deepEqual(warnings({ name: NETWORK, driver: 'bridge' }, 'bridge'), []);
  assert.deepEqual(warnings({ name: NETWORK }, 'macvlan'), []);
  assert.deepEqual(warnings(undefined, 'macvlan'), []);
});
