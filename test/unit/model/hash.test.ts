import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalJson, fingerprint } from '../../../src/model/hash.ts';

test('canonical JSON sorts keys at every depth and leaves out undefined members', () => {
  assert.equal(
    canonicalJson({ b: 1, a: { d: undefined, c: [3, { z: 1, y: null }] } }),
    '{"a":{"c":[3,{"y":null,"z":1}]},"b":1}',
  );
});

test('the fingerprint does not depend on the order in which members were written', () => {
  assert.equal(fingerprint({ a: 1, b: [1, 2] }), fingerprint({ b: [1, 2], a: 1 }));
  assert.notEqual(fingerprint({ a: 1, b: [1, 2] }), fingerprint({ a: 1, b: [2, 1] }));
});
