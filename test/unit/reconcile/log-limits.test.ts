import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveBlueprint } from '../../../src/kinds/index.ts';
import type { JsonObject } from '../../../src/model/blueprint.ts';
import type { LogSpec } from '../../../src/model/container.ts';
import { plan } from '../../../src/reconcile/plan.ts';
import { containerFor, ENGINE, imageOf, observedOf } from '../../fakes/planning.ts';
import { context, desired, docker, executor, slot } from '../kinds/support.ts';

// From the blueprint to the container that is asked for, as what each room does alone says nothing about the whole.

const kinds: [string, (logging: JsonObject) => ReturnType<typeof docker>][] = [
  ['DockerDeployment', (logging) => docker(logging)],
  ['ExecutorDeployment', (logging) => executor(logging)],
];

const LIMITS = { 'max-size': '10m', 'max-file': '3' };
const cases: [string, JsonObject, string, LogSpec | undefined][] = [
  ['nothing is said', {}, 'json-file', { driver: 'json-file', options: LIMITS }],
  ['nothing is said and the engine writes to the journal', {}, 'journald', undefined],
  ['nothing is said and the engine uses local files', {}, 'local', undefined],
  ['nothing is said and the engine keeps none', {}, 'none', undefined],
  [
    'the size is said',
    { logging: { options: { 'max-size': '1m' } } },
    'json-file',
    { driver: 'json-file', options: { 'max-size': '1m', 'max-file': '3' } },
  ],
  [
    'something else is said',
    { logging: { driver: 'json-file', options: { compress: true } } },
    'journald',
    { driver: 'json-file', options: { ...LIMITS, compress: 'true' } },
  ],
  [
    'another driver is said',
    { logging: { driver: 'syslog', options: { tag: 'x' } } },
    'json-file',
    { driver: 'syslog', options: { tag: 'x' } },
  ],
];

for (const [kind, made] of kinds)
  for (const [what, logging, loggingDriver, expected] of cases)
    test(`${kind}: when ${what}, the log is bounded or left to whoever chose it, and stays as it was made`, () => {
      const owner = { node: 'gw7', colony: '' };
      const blueprint = desired(resolveBlueprint(made(logging), context({ slots: [slot(0)] })));
      const [service] = blueprint.services;
      assert.ok(service !== undefined);
      const { image, network } = service.container;
      const networks =
        network.mode === 'network'
          ? [{ id: `net-${network.name}`, name: network.name, driver: 'bridge', labels: {} }]
          : [];
      const images = new Map([[image, imageOf(image)]]);
      const observed = observedOf({ images, networks, engine: { ...ENGINE, loggingDriver } });
      const state = { known: true as const, owner, blueprints: [blueprint], refusals: [] };
      const [action] = plan(state, observed, 0).actions;
      assert.ok(action?.kind === 'createContainer', JSON.stringify(action));
      assert.deepEqual(action.spec.log, expected);
      const container = containerFor(service);
      assert.ok(container.detail !== undefined);
      const log = expected ?? { driver: loggingDriver, options: {} };
      const detail = { ...container.detail, spec: { ...container.detail.spec, log } };
      const after = plan(state, { ...observed, containers: [{ ...container, detail }] }, 0);
      assert.deepEqual(after.actions, []);
    });
