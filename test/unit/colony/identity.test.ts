import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorCode, errorText } from '../../../src/base/errors.ts';
import { deriveId } from '../../../src/colony/identity.ts';

const vectors: {
  ids: { prvkey: string; id: string }[];
  invalid_prvkeys: { name: string; prvkey: string }[];
  dev_keys: Record<string, { prvkey: string; id: string }>;
} = JSON.parse(readFileSync('test/vectors/colonyos.json', 'utf8'));

test('the id of a key is the one the server derives, also from upper-case digits', () => {
  const known = [...vectors.ids, ...Object.values(vectors.dev_keys)];
  assert.ok(known.length > 5);
  for (const { prvkey, id } of known) {
    assert.equal(deriveId(prvkey), id);
    assert.equal(deriveId(prvkey.toUpperCase()), id);
  }
});

test('keys the server refuses are refused, and no text holds them', () => {
  assert.ok(vectors.invalid_prvkeys.length > 3);
  for (const { name, prvkey } of vectors.invalid_prvkeys)
    assert.throws(
      () => deriveId(prvkey),
      (error) => {
        assert.equal(errorCode(error), 'KEY_INVALID', name);
        assert.ok(prvkey.length < 8 || !errorText(error).includes(prvkey.trim()), name);
        return true;
      },
    );
});
