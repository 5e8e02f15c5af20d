import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadPolicy } from '../../../src/kinds/index.ts';
import type { JsonObject } from '../../../src/model/blueprint.ts';
import { docker, errors, executor, matchAll, service, slot, warnings } from './support.ts';

const data = { type: 'named', name: 'data', mountPath: '/data' };
const exclusive = (instance: JsonObject, policy: unknown = {}) =>
  service(docker(instance), { policy: loadPolicy(policy) }).exclusive;

describe('volumes that only one container may hold', () => {
  test('none, unless the blueprint or the policy says so', () => {
    assert.equal(exclusive({ volumes: [data] }), undefined);
    assert.equal(exclusive({ volumes: [{ ...data, exclusive: false }] }), undefined);
  });
  test('exclusive: true on a volume and on a bind, in both kinds', () => {
    const bind = { type: 'bind', hostPath: '/srv/a', mountPath: '/a', exclusive: true };
    assert.deepEqual(exclusive({ volumes: [{ ...data, exclusive: true }, bind] }), [
      'volume data',
      'folder /srv/a',
    ]);
    const runner = executor({ volumes: [{ host: 'data', container: '/data', exclusive: true }] });
    assert.deepEqual(service(runner, { slots: [slot(0)] }).exclusive, ['volume data']);
  });
  test('it is no reason for a new container', () => {
    assert.equal(
      service(docker({ volumes: [{ ...data, exclusive: true }] })).specHash,
      service(docker({ volumes: [data] })).specHash,
    );
  });
  test('it must be true or false, and means nothing for a tmpfs', () => {
    matchAll(errors(docker({ volumes: [{ ...data, exclusive: 'yes' }] })), [
      /\.exclusive must be true or false/,
    ]);
    const memory = { type: 'tmpfs', mountPath: '/t', exclusive: true };
    assert.equal(exclusive({ volumes: [memory] }), undefined);
    matchAll(warnings(docker({ volumes: [memory] })), []);
  });
  test('all volumes and writable binds of a database image, wherever it is from', () => {
    const volumes = [
      data,
      { type: 'bind', hostPath: '/srv/conf', mountPath: '/conf', readOnly: true },
      { type: 'bind', hostPath: '/srv/db', mountPath: '/db' },
      { type: 'tmpfs', mountPath: '/tmp' },
    ];
    for (const image of ['mysql:8', 'registry.example/team/my-mariadb', 'aitiaiiot/arrowhead-database:4.6.1'])
      assert.deepEqual(exclusive({ image, volumes }), ['volume data', 'folder /srv/db'], image);
    assert.equal(exclusive({ image: 'mysql/exporter:1', volumes }), undefined);
  });
  test('the policy may name others, or none', () => {
    assert.equal(exclusive({ image: 'mysql', volumes: [data] }, { exclusiveImages: [] }), undefined);
    const policy = { exclusiveImages: ['plant/**', 'ledger'] };
    assert.deepEqual(exclusive({ image: 'plant/a/b', volumes: [data] }, policy), ['volume data']);
    assert.deepEqual(exclusive({ image: 'other/ledger:2', volumes: [data] }, policy), ['volume data']);
    assert.throws(() => loadPolicy({ exclusiveImages: ['a b'] }), /exclusiveImages\[0\] must be an image/);
  });
});
