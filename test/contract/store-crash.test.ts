import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { nodeFileSystem } from '../../src/base/file.ts';
import { SlotFile } from '../../src/store/slot-file.ts';
import { type End, mortalFileSystem } from './support/mortal-fs.ts';

const root = mkdtempSync(join(tmpdir(), 'edge-store-crash-'));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const freshDirectory = () => {
  const directory = join(root, String(made++));
  mkdirSync(directory);
  return directory;
};

function slotFile(fs = nodeFileSystem, directory = '', mirrored = false) {
  return new SlotFile<string>({
    fs,
    directory,
    name: 'thing',
    version: 1,
    encode: (value) => ({ value }),
    decode: (content) => {
      if (
        typeof content === 'object' &&
        content !== null &&
        'value' in content &&
        content.value !== undefined
      )
        return String(content.value);
      throw new Error('value must be there');
    },
    mirrored,
  });
}

/** Saves `before` with a healthy disk, then `next` with one that dies, then starts anew and says what is there. */
async function crash(before: string[], next: string, dieAt: number, end: End, mirrored: boolean) {
  const directory = freshDirectory();
  for (const value of before) await slotFile(nodeFileSystem, directory, mirrored).save(value);
  const { fs, operations } = mortalFileSystem(nodeFileSystem, dieAt, end);
  const saved = await slotFile(fs, directory, mirrored)
    .save(next)
    .then(
      () => true,
      () => false,
    );
  const reopened = slotFile(nodeFileSystem, directory, mirrored);
  const loaded = await reopened.load();
  // Life goes on after the crash: the next save works and is found.
  await reopened.save('later');
  const later = await slotFile(nodeFileSystem, directory, mirrored).load();
  const left = readdirSync(directory).sort();
  return { saved, loaded, later, operations, left };
}

const ENDS: readonly End[] = [
  'before',
  'after',
  { bytes: 1 },
  { bytes: 71 },
  { bytes: 72 },
  { bytes: 100 },
  { bytes: 1e6 },
];

for (const mirrored of [false, true])
  for (const before of mirrored
    ? [[], ['one', 'two']]
    : [[], ['one'], ['one', 'two'], ['one', 'two', 'three']])
    test(`a save cut at any operation gives the new or the last value (${before.length} before, mirrored ${mirrored})`, async () => {
      const { operations, saved } = await crash(before, 'next', Number.POSITIVE_INFINITY, 'before', mirrored);
      assert.ok(saved && operations.length >= 8, 'the healthy run saves');
      const last = before.at(-1);
      for (let dieAt = 1; dieAt <= operations.length; dieAt++)
        for (const end of ENDS) {
          const isWrite = operations[dieAt - 1]?.startsWith('write') ?? false;
          if (typeof end === 'object' && !isWrite) continue;
          const where = `died at ${operations[dieAt - 1]} (${JSON.stringify(end)})`;
          const result = await crash(before, 'next', dieAt, end, mirrored);
          assert.equal(result.saved, false, where);
          assert.ok(result.loaded.value === 'next' || result.loaded.value === last, where);
          assert.deepEqual(result.loaded.notes, [], where);
          assert.equal(result.later.value, 'later', where);
          const temporary = result.left.filter((name) => name.endsWith('.tmp'));
          // The one slot that is not written next may keep its leftover until the store is opened again.
          assert.ok(temporary.length <= 1, where);
        }
    });

test('a save that was reported done survives every later crash', async () => {
  const directory = freshDirectory();
  await slotFile(nodeFileSystem, directory).save('done');
  for (let dieAt = 1; dieAt < 12; dieAt++) {
    const { fs } = mortalFileSystem(nodeFileSystem, dieAt, 'before');
    await slotFile(fs, directory)
      .save('never')
      .catch(() => {});
    const { value } = await slotFile(nodeFileSystem, directory).load();
    assert.ok(value === 'done' || value === 'never', `${value} at ${dieAt}`);
    if (value === 'never') return;
  }
  assert.fail('no death late enough to let the second save through');
});
