import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadOverlays, resolveBlueprint } from '../../../src/kinds/index.ts';
import {
  blueprint,
  container,
  context,
  desired,
  docker,
  errors,
  executor,
  matchAll,
  seed,
  service,
  warnings,
} from './support.ts';

const metadata = { labels: { cloud: 'c2', tier: 'web' } };
const web = (instance: object = {}, spec: object = {}) =>
  blueprint('DockerDeployment', { instances: [{ name: 'web', image: 'x', ...instance }], ...spec }, metadata);
/** A reference to a label, as overlays write it. */
const label = (name: string) => `\${${name}}`;
const one = (overlay: object) =>
  loadOverlays({ overlays: [{ match: { tier: 'web' }, ...overlay }] }, 'site.json');

describe('overlay files', () => {
  test('every problem is in one error with its path', () => {
    assert.throws(
      () =>
        loadOverlays(
          [
            { match: {} },
            { match: { a: 1 } },
            5,
            { match: { a: 'b' }, instances: {} },
            { match: { a: 'b' }, kind: 'X', instance: [] },
          ],
          'f',
        ),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'OVERLAY_INVALID');
        for (const pattern of [
          /f\[0\]\.match must name at least one label/,
          /f\[1\]\.match\.a must be a string/,
          /f\[2\] must be an object/,
          /f\[3\]\.instances is not a known field; did you mean instance\?/,
          /f\[4\]\.kind must be "DockerDeployment" or/,
          /f\[4\]\.instance must be an object/,
        ])
          assert.match(error.message, pattern);
        return true;
      },
    );
    for (const value of [5, {}, { overlay: [] }, 'builtin:none', ['builtin:none']])
      assert.throws(() => loadOverlays(value), { code: 'OVERLAY_INVALID' });
  });
  test('absent is none, a name or a list item can be a built-in set', () => {
    assert.deepEqual(loadOverlays(undefined), []);
    assert.equal(loadOverlays('builtin:arrowhead').length, 7);
    assert.equal(loadOverlays(['builtin:arrowhead', { match: { a: 'b' } }]).length, 8);
  });
});

describe('merging (ARROWHEAD 6)', () => {
  test('an overlay only fills in what the blueprint leaves out', () => {
    const overlays = one({ instance: { user: 'overlay', hostname: 'overlay' }, spec: { replicas: 2 } });
    const found = container(web({ user: 'own' }), { overlays });
    assert.equal(found.user, 'own');
    assert.equal(found.hostname, 'overlay');
    assert.equal(
      desired(resolveBlueprint(web({}, { replicas: 1 }), context({ overlays }))).services.length,
      1,
    );
    assert.equal(desired(resolveBlueprint(web(), context({ overlays }))).services.length, 2);
  });
  test('environment maps are merged key by key, in both kinds', () => {
    const env = container(web({ environment: { A: 'own' } }), {
      overlays: one({ instance: { environment: { A: 'x', B: 'y' } } }),
    }).env;
    assert.deepEqual([env.A, env.B], ['own', 'y']);
    const from = blueprint(
      'ExecutorDeployment',
      { image: 'x', executorType: 'y', env: { A: 'own' } },
      metadata,
    );
    const other = container(from, {
      overlays: one({ spec: { env: { A: 'x' } }, instance: { env: { A: 'z', B: 'y' } } }),
    }).env;
    assert.deepEqual([other.A, other.B], ['own', 'y']);
  });
  test('of two overlays the earlier wins', () => {
    const overlays = [
      ...one({ instance: { user: 'first' } }),
      ...one({ instance: { user: 'second', hostname: 'h' } }),
    ];
    const found = container(web(), { overlays });
    assert.deepEqual([found.user, found.hostname], ['first', 'h']);
  });
  test('labels and kind decide which blueprints it is for', () => {
    const overlays = one({ kind: 'DockerDeployment', instance: { user: 'overlay' } });
    assert.equal(container(docker(), { overlays }).user, undefined);
    assert.equal(container(executor(), { overlays }).user, undefined);
    const both = loadOverlays([{ match: { tier: 'web', cloud: 'c1' }, instance: { user: 'o' } }]);
    assert.equal(container(web(), { overlays: both }).user, undefined);
  });
  test('a label in braces after a dollar sign is its value, after two dollar signs plain text', () => {
    const overlays = one({
      dependsOn: [`${label('cloud')}-db`],
      instance: { environment: { H: `$${label('HOME')}/${label('cloud')}/${label('tier')}` } },
    });
    assert.equal(service(web(), { overlays }).dependsOn[0]?.name, 'c2-db');
    assert.equal(container(web(), { overlays }).env.H, `${label('HOME')}/c2/web`);
  });
  test('an overlay that needs a label the blueprint lacks is left out, visibly', () => {
    const overlays = one({ instance: { user: label('owner') } });
    assert.equal(container(web(), { overlays }).user, undefined);
    matchAll(warnings(web(), { overlays }), [
      /lacks owner, which overlay site\.json\[0\] needs; it is not applied/,
    ]);
  });
  test('a problem in what an overlay added names the overlay', () => {
    const overlays = one({ instance: { user: 5, resources: { memory: '64' } } });
    matchAll(errors(web(), { overlays }), [/\.user must be .* \(added by overlay site\.json\[0\]\), got 5/]);
    matchAll(warnings(web(), { overlays }), [/resources\.memory .*\(added by overlay/]);
  });
  test("what an overlay adds is part of the hash; the document that is kept is the blueprint's own", () => {
    const overlays = one({ instance: { user: 'u' } });
    const found = desired(resolveBlueprint(web(), context({ overlays })));
    assert.equal(found.services[0]?.specHash, service(web({ user: 'u' })).specHash);
    assert.deepEqual(found.blueprint.spec, web().spec);
  });
  test('a spec that is wrong stays wrong', () => {
    const overlays = one({ instance: { image: 'x' } });
    matchAll(errors(blueprint('DockerDeployment', { instances: ['web'] }, metadata), { overlays }), [
      /instances\[0\] must be an object/,
    ]);
  });
});

describe('builtin:arrowhead', () => {
  const overlays = loadOverlays('builtin:arrowhead');
  const expected: readonly [string, number, string[], number][] = [
    ['database', 3306, [], 60],
    ['serviceregistry', 8443, ['c1-database'], 20],
    ['authorization', 8445, ['c1-serviceregistry'], 20],
    ['orchestrator', 8441, ['c1-serviceregistry', 'c1-authorization'], 20],
    ['eventhandler', 8455, ['c1-serviceregistry', 'c1-authorization'], 20],
    ['gateway', 8453, ['c1-serviceregistry', 'c1-authorization'], 20],
    ['gatekeeper', 8449, ['c1-serviceregistry', 'c1-gateway'], 20],
  ];
  for (const [component, port, after, stop] of expected)
    test(`${component}: probe on ${port}, after ${after.join(' and ') || 'nothing'}, ${stop} s to stop, no limit`, () => {
      const found = service(seed(`arrowhead-c1-${component}`), { overlays });
      assert.equal(found.probe?.tcp?.port, port);
      assert.deepEqual(
        found.dependsOn.map(({ name, condition }) => [name, condition]),
        after.map((name) => [name, 'healthy']),
      );
      assert.equal(found.container.stopTimeoutS, stop);
      assert.deepEqual(found.container.limits, {});
    });
  test('it changes no hash: nothing restarts when it is switched on', () => {
    for (const [component] of expected) {
      const from = seed(`arrowhead-c1-${component}`);
      assert.equal(service(from, { overlays }).specHash, service(from).specHash);
    }
  });
});
