import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bytesToHex } from '@noble/hashes/utils.js';
import { errorCode, errorText } from '../../../src/base/errors.ts';
import { digestOf, recoverId, signText } from '../../../src/colony/crypto.ts';
import { encodeRequest } from '../../../src/colony/envelope.ts';
import { deriveId } from '../../../src/colony/identity.ts';

interface Payload {
  name: string;
  payload?: string;
  payload_rule?: { repeat: string; count: number };
}

const vectors: {
  invalid_prvkeys: { name: string; prvkey: string }[];
  hashes: (Payload & { sha3_256: string })[];
  signatures: (Payload & { prvkey: string; id: string; hash: string; signature: string })[];
  envelopes: {
    prvkey: string;
    id: string;
    payloadtype: string;
    message_text: string;
    payload: string;
    signature: string;
  }[];
  recover: (Payload & { id?: string; result: string; signature: string })[];
  server_answers_to_signatures: {
    payload: string;
    prvkey: string;
    cases: { name: string; signature: string; error: boolean; message?: string }[];
  };
} = JSON.parse(readFileSync('test/vectors/colonyos.json', 'utf8'));

function textOf(entry: Payload): string {
  if (entry.payload_rule !== undefined) return entry.payload_rule.repeat.repeat(entry.payload_rule.count);
  return entry.payload ?? assert.fail(`${entry.name} has no payload`);
}

test('every text hashes to the digest of the server', () => {
  assert.ok(vectors.hashes.length >= 20);
  for (const entry of vectors.hashes)
    assert.equal(bytesToHex(digestOf(textOf(entry))), entry.sha3_256, entry.name);
});

test('every signature is the one of the server, digit by digit, and leads back to its signer', () => {
  assert.ok(vectors.signatures.length >= 31);
  for (const entry of vectors.signatures) {
    assert.equal(signText(textOf(entry), entry.prvkey), entry.signature, entry.name);
    assert.equal(recoverId(textOf(entry), entry.signature), entry.id, entry.name);
  }
});

test('a key that the server refuses signs nothing, and the error does not hold it', () => {
  for (const { name, prvkey } of vectors.invalid_prvkeys)
    assert.throws(
      () => signText('hello', prvkey),
      (error) => {
        assert.equal(errorCode(error), 'KEY_INVALID', name);
        assert.ok(prvkey.length < 8 || !errorText(error).includes(prvkey.trim()), name);
        return true;
      },
    );
});

test('recovering gives the identity of the server, or refuses what the server refuses', () => {
  const results = new Set(vectors.recover.map((entry) => entry.result));
  assert.deepEqual([...results].sort(), ['error', 'id']);
  for (const entry of vectors.recover) {
    const recover = () => recoverId(textOf(entry), entry.signature);
    if (entry.result === 'id') assert.equal(recover(), entry.id, entry.name);
    else assert.throws(recover, { code: 'SIGNATURE_INVALID' }, entry.name);
  }
});

test('a whole request is the one of the server, byte by byte', () => {
  assert.ok(vectors.envelopes.length >= 5);
  let compared = 0;
  for (const entry of vectors.envelopes) {
    assert.equal(Buffer.from(entry.message_text).toString('base64'), entry.payload);
    assert.equal(signText(entry.payload, entry.prvkey), entry.signature);
    assert.equal(recoverId(entry.payload, entry.signature), entry.id);
    const { msgtype, ...message } = JSON.parse(entry.message_text);
    // Others were written with spaces or another order to show that the server signs the text, not the object.
    if (JSON.stringify({ ...message, msgtype }) !== entry.message_text) continue;
    compared += 1;
    assert.deepEqual(JSON.parse(encodeRequest(entry.payloadtype, message, entry.prvkey)), {
      payloadtype: entry.payloadtype,
      payload: entry.payload,
      signature: entry.signature,
    });
  }
  assert.ok(compared >= 3);
});

test('the variants of one signature are taken or refused as by the running server', () => {
  const { payload, prvkey, cases } = vectors.server_answers_to_signatures;
  const own = deriveId(prvkey);
  assert.ok(cases.length >= 24);
  for (const { name, signature, error, message } of cases) {
    if (!error) assert.equal(recoverId(payload, signature), own, name);
    // A well-formed wrong signature is some other identity's, and fails only as a stranger.
    else if (message?.startsWith('Access denied')) assert.notEqual(recoverId(payload, signature), own, name);
    else assert.throws(() => recoverId(payload, signature), { code: 'SIGNATURE_INVALID' }, name);
  }
});
