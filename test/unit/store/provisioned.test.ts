import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { errorCode, errorText } from '../../../src/base/errors.ts';
import { readSlotFile } from '../../../src/store/provisioned.ts';

const root = mkdtempSync(join(tmpdir(), 'edge-slots-'));
after(() => rmSync(root, { recursive: true, force: true }));
const path = join(root, 'slots.json');
const key = (digit: string) => digit.repeat(64);
const deriveId = (given: string) => {
  if (given === key('0')) throw new Error(`bad key ${given}`);
  return `1d${given.slice(0, 62)}`;
};
const write = (content: unknown, mode = 0o600) => {
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  chmodSync(path, mode);
};

test('slots of the file become registered identities, with a container name that stays the same', async () => {
  write({
    slots: [
      { blueprint: 'exec', index: 0, key: key('A'), executorName: 'e0' },
      { blueprint: 'exec', index: 1, key: key('b'), executorName: 'e1', containerName: 'mine' },
    ],
  });
  const common = { blueprint: 'exec', registered: true, approved: true };
  assert.deepEqual(await readSlotFile(path, deriveId), {
    slots: [
      {
        ...common,
        index: 0,
        key: key('a'),
        id: `1d${'a'.repeat(62)}`,
        executorName: 'e0',
        containerName: 'exec-1daaa',
      },
      {
        ...common,
        index: 1,
        key: key('b'),
        id: `1d${'b'.repeat(62)}`,
        executorName: 'e1',
        containerName: 'mine',
      },
    ],
    warnings: [],
  });
});

test('an empty list is no slots, and a mode that lets others read is a warning', async () => {
  write({ slots: [] }, 0o640);
  const { slots, warnings } = await readSlotFile(path, deriveId);
  assert.deepEqual(slots, []);
  assert.deepEqual(warnings, [`${path} holds keys and can be read by others (mode 640); use 0600`]);
});

test('every fault is named with its place, and no key is in the text', async () => {
  write({
    slots: [
      { blueprint: 'exec', index: -1, key: key('c').slice(1), executorName: '' },
      { blueprint: 'exec', index: 0, key: key('0'), executorName: 'e' },
      5,
      { blueprint: 'exec', index: 2, key: key('d'), executorName: 'same' },
      { blueprint: 'exec', index: 2, key: key('d'), executorName: 'same', containerName: '/x', owner: 1 },
      { blueprint: 'exec', index: 2, key: key('d'), executorName: 'same' },
    ],
  });
  await assert.rejects(readSlotFile(path, deriveId), (error) => {
    assert.equal(errorCode(error), 'SLOTS_INVALID');
    const text = errorText(error);
    for (const part of [
      'slots[0].executorName must be the name',
      'slots[0].key must be 64 hexadecimal digits',
      'slots[0].index must be a whole number from 0',
      'slots[1].key is not a private key of the curve',
      'slots[2] must be an object',
      'slots[4].containerName must be a container name',
      'slots[4].owner is not a known field',
      'the same key',
      '"exec 2" occur twice',
    ])
      assert.ok(text.includes(part), `${part} in ${text}`);
    assert.doesNotMatch(text, /c{60}|d{60}|0{60}/);
    return true;
  });
});

test('broken JSON is said without quoting the file, and a missing file is worth another try', async () => {
  write(`{"slots": [{"key": "${key('e')}" oops`);
  await assert.rejects(readSlotFile(path, deriveId), (error) => {
    assert.equal(errorCode(error), 'SLOTS_INVALID');
    assert.doesNotMatch(errorText(error), /eeee|oops/);
    return true;
  });
  write({});
  await assert.rejects(readSlotFile(path, deriveId), /slots must be a list/);
  await assert.rejects(readSlotFile(join(root, 'none'), deriveId), {
    code: 'SLOTS_UNREADABLE',
    retry: 'transient',
  });
});
