import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeStock } from '../../../src/docker/decode.ts';
import {
  isRelayReference,
  parseRelayReference,
  relayOwner,
  relayRepository,
} from '../../../src/docker/relay-references.ts';

const owner = relayOwner('gw-7');
const route = '0123456789abcdef';
const name = `127.0.0.1:40000/${relayRepository(owner, route)}`;
const digest = `sha256:${'a'.repeat(64)}`;

test('a reference of the relay is known by its name, with its node and its pull', () => {
  for (const reference of [`${name}:1`, `${name}@${digest}`])
    assert.deepEqual(parseRelayReference(reference), { owner, route });
  assert.notEqual(relayOwner('gw-8'), owner);
});

test('no reference of anybody else is taken for one', () => {
  const others = [
    '127.0.0.1:5000/app:1',
    `r.example/${relayRepository(owner, route)}:1`,
    `${name}/more:1`,
    name,
  ];
  for (const other of others) assert.equal(isRelayReference(other), false, other);
});

test('an image that a relay names by its digest alone is held as by a tag', () => {
  const [image] = decodeStock([
    { Id: digest, RepoTags: null, RepoDigests: [`${name}@${digest}`, `a@${digest}`] },
  ]);
  assert.deepEqual(image?.tags, [`${name}@${digest}`]);
  const [tagged] = decodeStock([{ Id: digest, RepoTags: [`${name}:1`], RepoDigests: [`${name}@${digest}`] }]);
  assert.deepEqual(tagged?.tags, [`${name}:1`]);
});
