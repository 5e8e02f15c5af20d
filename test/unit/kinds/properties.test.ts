import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadOverlays, loadPolicy, resolveBlueprint } from '../../../src/kinds/index.ts';
import type { JsonObject } from '../../../src/model/blueprint.ts';
import { canonicalJson } from '../../../src/model/hash.ts';
import { context, docker, slot } from './support.ts';

const RUNS = { numRuns: 300 };
const KINDS = ['DockerDeployment', 'ExecutorDeployment'];
const over = context({ slots: [slot(0), slot(1)], overlays: loadOverlays('builtin:arrowhead') });

/** Field names that mean something, so that the values below get past the first door. */
const field = fc.constantFrom(
  'instances',
  'replicas',
  'network',
  'name',
  'image',
  'environment',
  'env',
  'envFile',
  'ports',
  'volumes',
  'command',
  'args',
  'entrypoint',
  'user',
  'hostname',
  'privileged',
  'networkMode',
  'restartPolicy',
  'dependsOn',
  'healthcheck',
  'test',
  'interval',
  'resources',
  'cpus',
  'memory',
  'memorySwap',
  'labels',
  'tmpfs',
  'logging',
  'options',
  'devices',
  'capAdd',
  'extraHosts',
  'probe',
  'tcp',
  'http',
  'port',
  'container',
  'containerEnd',
  'host',
  'hostIp',
  'publish',
  'protocol',
  'type',
  'hostPath',
  'mountPath',
  'size',
  'mode',
  'update',
  'executorName',
  'executorNames',
  'executorType',
  'cpu',
  'stopTimeout',
  'stopSignal',
  'identityPool',
  'volumeReclaim',
  '__proto__',
  'constructor',
);
const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    1,
    2,
    -1,
    80,
    65535,
    1e21,
    0.5,
    '',
    'web',
    'nginx:1',
    '/srv',
    '/',
    'named',
    'bind',
    'tmpfs',
    '10s',
    '64Mi',
    'host',
    'container:x',
    'on-failure:3',
    'CMD',
    '\0',
    '::1',
    'A=B',
    `\${cloud}`,
    '__proto__',
  ),
  fc.string({ maxLength: 8 }),
  fc.double(),
);
const { spec } = fc.letrec<{ spec: unknown; value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 3 }),
    tie('spec'),
  ),
  spec: fc.dictionary(field, tie('value'), { maxKeys: 6 }),
}));
const anySpec = fc
  .oneof(spec, fc.dictionary(fc.string(), fc.jsonValue()))
  .map((value) => value as JsonObject);

test('any JSON value as spec is taken or refused, never thrown at', () => {
  fc.assert(
    fc.property(fc.constantFrom(...KINDS), anySpec, (kind, value) => {
      const labels = { arrowhead: 'true', component: 'database' };
      const found = resolveBlueprint({ ...docker(), kind, labels, spec: value }, over);
      if (found.result === 'refused') assert.ok(found.problems.some(({ severity }) => severity === 'error'));
      if (found.result === 'ours')
        assert.ok(found.desired.warnings.every(({ severity }) => severity === 'warning'));
    }),
    RUNS,
  );
});

test('any JSON value as one field of a valid spec is taken or refused, never thrown at', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...KINDS),
      field,
      fc.oneof(spec, leaf, fc.array(fc.oneof(spec, leaf), { maxLength: 3 })),
      (kind, key, value) => {
        const instance = { name: 'web', image: 'nginx', [key]: value };
        const whole =
          kind === 'DockerDeployment' ? { instances: [instance] } : { executorType: 'x', ...instance };
        assert.ok(
          ['ours', 'refused', 'elsewhere'].includes(
            resolveBlueprint({ ...docker(), kind, spec: whole }, over).result,
          ),
        );
      },
    ),
    { numRuns: 1500 },
  );
});

test('any JSON value as policy or overlay file is taken or refused with its own code', () => {
  fc.assert(
    fc.property(fc.oneof(spec, fc.jsonValue()), (value) => {
      for (const [load, code] of [
        [loadPolicy, 'POLICY_INVALID'],
        [loadOverlays, 'OVERLAY_INVALID'],
      ] as const)
        try {
          load(value);
        } catch (error) {
          assert.equal((error as { code?: string }).code, code);
        }
    }),
    RUNS,
  );
});

/** A valid instance with a random choice of fields. */
const instance = fc.record(
  {
    environment: fc.dictionary(
      fc.stringMatching(/^[A-Z]{1,4}$/),
      fc.oneof(
        fc.string().map((text) => text.replaceAll('\0', '')),
        fc.integer(),
        fc.boolean(),
      ),
    ),
    labels: fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), fc.stringMatching(/^\w*$/)),
    user: fc.stringMatching(/^[a-z]{1,8}$/),
    command: fc.array(fc.stringMatching(/^\w+$/), { maxLength: 3 }),
    tmpfs: fc.constantFrom({ '/a': 'size=1m', '/b': '' }),
    healthcheck: fc.record(
      { test: fc.constant('x'), interval: fc.nat(100), retries: fc.nat(9) },
      { requiredKeys: ['test'] },
    ),
    resources: fc.record({ cpus: fc.constant('1.5'), memory: fc.constant('64Mi') }, { requiredKeys: [] }),
    logging: fc.constant({ options: { b: '1', a: '2' }, driver: 'local' }),
    ports: fc.constant([{ container: 80, protocol: 'udp', hostIp: '127.0.0.1' }]),
  },
  { requiredKeys: [] },
);

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversed(item)]),
  );
}

test('the same spec gives the same services and hashes, in whatever order its keys were written', () => {
  fc.assert(
    fc.property(instance, fc.integer({ min: 0, max: 3 }), (fields, replicas) => {
      const whole = { replicas, instances: [{ name: 'web', image: 'nginx', ...fields }] };
      const resolve = (value: unknown) => {
        const found = resolveBlueprint({ ...docker(), spec: value as JsonObject }, over);
        assert.equal(found.result, 'ours');
        return found.result === 'ours' ? found.desired : assert.fail();
      };
      const [first, again, other] = [resolve(whole), resolve(whole), resolve(reversed(whole))];
      assert.deepEqual(again, first);
      assert.equal(other.specHash, first.specHash);
      assert.equal(canonicalJson(other.services), canonicalJson(first.services));
    }),
    RUNS,
  );
});
