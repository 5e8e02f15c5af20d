import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { type FileSystem, nodeFileSystem } from '../../src/base/file.ts';
import type { Logger } from '../../src/base/log.ts';
import { silentLogger } from '../../src/base/log.ts';
import { openStore } from '../../src/store/store.ts';
import { checkpointOf, slotOf } from '../unit/store/samples.ts';
import { failingFileSystem, mortalFileSystem, shortWriting } from './support/mortal-fs.ts';

const root = mkdtempSync(join(tmpdir(), 'edge-store-open-'));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const fresh = () => join(root, `deep/${made++}/state`);
const open = (dir: string, fs: FileSystem = nodeFileSystem, log: Logger = silentLogger) =>
  openStore({ dir, clock: systemClock, log, fs });

test('what was saved comes back whole after a restart', async () => {
  const dir = fresh();
  const memory = {
    setbacks: [
      {
        key: 'a/b/0',
        specHash: 'x',
        reason: 'BadReference',
        message: 'm',
        attempts: 2,
        permanent: true,
        since: 1,
        nextTryAt: 2,
      },
    ],
    adopted: [{ id: 'c', specHash: 'd' }],
    keptImages: [{ id: 'c', imageId: 'sha256:e' }],
    pulledImages: [
      { id: 'sha256:e', refs: ['app:1'], pulledAt: 1, lastUsedAt: 2 },
      { id: 'sha256:f', refs: ['app:2', 'app:3'], pulledAt: 3 },
    ],
  } as const;
  const store = await open(dir);
  assert.deepEqual(await store.loadCheckpoint(), { checkpoint: undefined, notes: [] });
  assert.deepEqual(await store.loadMemory(), { setbacks: [], adopted: [] });
  assert.deepEqual(await store.loadSlots(), []);
  assert.equal(await store.saveCheckpoint(checkpointOf('one')), true);
  assert.equal(await store.saveMemory(memory), true);
  assert.equal(await store.saveSlots([slotOf(0), slotOf(1)]), true);
  await store.close();
  const again = await open(dir);
  assert.deepEqual(await again.loadCheckpoint(), { checkpoint: checkpointOf('one'), notes: [] });
  assert.deepEqual(await again.loadMemory(), memory);
  assert.deepEqual(await again.loadSlots(), [slotOf(0), slotOf(1)]);
  await again.close();
});

test('only the owner can read what is stored', async () => {
  const dir = fresh();
  const store = await open(dir);
  await store.saveCheckpoint(checkpointOf('one'));
  await store.saveSlots([slotOf(0)]);
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  for (const name of ['checkpoint.a', 'slots.a', 'slots.b'])
    assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600, name);
  await store.close();
});

test('content that did not change touches nothing, whatever the time and the order of members', async () => {
  const dir = fresh();
  const { fs, operations } = mortalFileSystem(nodeFileSystem);
  const store = await open(dir, fs);
  await store.saveCheckpoint(checkpointOf('one', 1));
  await store.saveSlots([slotOf(0)]);
  const before = operations.length;
  assert.equal(await store.saveCheckpoint(checkpointOf('one', 99)), false);
  const { blueprint, ...rest } = slotOf(0);
  assert.equal(await store.saveSlots([{ ...rest, blueprint }]), false);
  assert.deepEqual(operations.slice(before), []);
  await store.close();
  const again = await open(dir);
  assert.equal(await again.saveCheckpoint(checkpointOf('one', 100)), false);
  assert.equal(await again.saveCheckpoint(checkpointOf('two', 100)), true);
  await again.close();
});

for (const [code, expected] of [
  ['ENOSPC', 'STORE_FULL'],
  ['EDQUOT', 'STORE_FULL'],
  ['EROFS', 'STORE_READONLY'],
  ['EIO', 'STORE_FAILED'],
] as const)
  for (const operation of ['create', 'write', 'sync', 'rename', 'openDirectory'] as const)
    test(`${code} at ${operation} is ${expected} and leaves the last value and no litter`, async () => {
      const dir = fresh();
      const healthy = await open(dir);
      await healthy.saveCheckpoint(checkpointOf('one'));
      await healthy.saveCheckpoint(checkpointOf('two'));
      await healthy.close();
      let broken = false;
      const failing = failingFileSystem(nodeFileSystem, operation, code);
      const fs: FileSystem = {
        ...nodeFileSystem,
        create: (...args) => (broken ? failing : nodeFileSystem).create(...args),
        openDirectory: (...args) => (broken ? failing : nodeFileSystem).openDirectory(...args),
        rename: (...args) => (broken ? failing : nodeFileSystem).rename(...args),
      };
      const store = await open(dir, fs);
      broken = true;
      await assert.rejects(store.saveCheckpoint(checkpointOf('three')), {
        code: expected,
        retry: 'transient',
      });
      assert.deepEqual(
        readdirSync(dir).filter((name) => name.endsWith('.tmp')),
        [],
      );
      // Only a folder that could not be synced may already show the new name.
      const folder = operation === 'openDirectory' || operation === 'sync';
      const image = (await store.loadCheckpoint()).checkpoint?.blueprints[0]?.services[0]?.container.image;
      assert.ok(image === 'two' || (folder && image === 'three'), image);
      broken = false;
      await store.saveCheckpoint(checkpointOf('three'));
      await store.close();
      const again = await open(dir);
      assert.deepEqual((await again.loadCheckpoint()).checkpoint, checkpointOf('three'));
      await again.close();
    });

test('a disk that takes a few bytes at a time still gets the whole file', async () => {
  const dir = fresh();
  const store = await open(dir, shortWriting(nodeFileSystem, 7));
  await store.saveCheckpoint(checkpointOf('one'));
  assert.deepEqual((await store.loadCheckpoint()).checkpoint, checkpointOf('one'));
  await store.close();
});

/** A slot as a later agent would write it. */
function laterSlot(kind: string, seq: number): string {
  const body = `${JSON.stringify({ kind, version: 2, seq, content: { new: 'form' } })}\n`;
  return `sha256:${createHash('sha256').update(body).digest('hex')}\n${body}`;
}

test('slots of a later agent are reported, never overwritten, and do not win over ours afterwards', async () => {
  const dir = fresh();
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  writeFileSync(join(dir, 'checkpoint.a'), laterSlot('checkpoint', 8));
  writeFileSync(join(dir, 'checkpoint.b'), laterSlot('checkpoint', 9));
  const store = await open(dir);
  const { checkpoint, notes } = await store.loadCheckpoint();
  assert.equal(checkpoint, undefined);
  assert.equal(notes.length, 2);
  assert.match(notes[0] ?? '', /checkpoint\.a was written by a later agent \(form 2\)/);
  await store.saveCheckpoint(checkpointOf('one'));
  assert.equal(readFileSync(join(dir, 'checkpoint.b'), 'utf8'), laterSlot('checkpoint', 9));
  await store.saveCheckpoint(checkpointOf('two'));
  assert.equal(readFileSync(join(dir, 'checkpoint.a.kept'), 'utf8'), laterSlot('checkpoint', 8));
  assert.equal(readFileSync(join(dir, 'checkpoint.b.kept'), 'utf8'), laterSlot('checkpoint', 9));
  await store.close();
  const again = await open(dir);
  assert.deepEqual(await again.loadCheckpoint(), { checkpoint: checkpointOf('two'), notes: [] });
  await again.close();
});

test('a slot whose content does not decode counts as damaged and is put aside, not lost', async () => {
  const dir = fresh();
  const store = await open(dir);
  await store.saveCheckpoint(checkpointOf('one'));
  const body = `${JSON.stringify({ kind: 'checkpoint', version: 1, seq: 5, content: { savedAt: 'x' } })}\n`;
  const odd = `sha256:${createHash('sha256').update(body).digest('hex')}\n${body}`;
  writeFileSync(join(dir, 'checkpoint.b'), odd);
  const { checkpoint, notes } = await store.loadCheckpoint();
  assert.deepEqual(checkpoint, checkpointOf('one'));
  assert.match(
    notes[0] ?? '',
    /checkpoint\.b does not decode \(savedAt must be number\); using checkpoint\.a/,
  );
  assert.equal(await store.saveCheckpoint(checkpointOf('one')), true, 'the second copy is made good at once');
  assert.equal(readFileSync(join(dir, 'checkpoint.b.kept'), 'utf8'), odd);
  assert.deepEqual((await store.loadCheckpoint()).notes, []);
  await store.close();
});

test('a value that could not be read back is refused before anything is written', async () => {
  const dir = fresh();
  const store = await open(dir);
  await store.saveCheckpoint(checkpointOf('one'));
  const broken = { ...checkpointOf('two'), savedAt: Number.NaN };
  await assert.rejects(store.saveCheckpoint(broken), { code: 'STORE_INVALID' });
  assert.deepEqual((await store.loadCheckpoint()).checkpoint, checkpointOf('one'));
  await store.close();
});

test('leftovers of a crash go, files of others stay', async () => {
  const dir = fresh();
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const name of ['.checkpoint.a.tmp', '.slots.b.tmp', 'note.txt', '.other.tmp'])
    writeFileSync(join(dir, name), 'x');
  const store = await open(dir);
  await store.saveCheckpoint(checkpointOf('one'));
  await store.close();
  assert.deepEqual(readdirSync(dir).sort(), ['.other.tmp', 'checkpoint.a', 'note.txt']);
});

test('reading beside a running agent touches nothing and cannot save', async () => {
  const dir = fresh();
  const agent = await open(dir);
  await agent.saveCheckpoint(checkpointOf('one'));
  const before = readdirSync(dir).sort();
  const beside = await openStore({ dir, clock: systemClock, log: silentLogger, access: 'read' });
  assert.deepEqual((await beside.loadCheckpoint()).checkpoint, checkpointOf('one'));
  await assert.rejects(beside.saveCheckpoint(checkpointOf('two')), { code: 'STORE_READONLY' });
  await beside.close();
  assert.deepEqual(readdirSync(dir).sort(), before);
  await agent.close();
});

test('a directory open to others is named in the log, and its mode is left alone', async () => {
  const dir = fresh();
  mkdirSync(dir, { recursive: true });
  chmodSync(dir, 0o755);
  const lines: string[] = [];
  const store = await open(dir, nodeFileSystem, { ...silentLogger, warn: (text) => lines.push(text) });
  await store.close();
  assert.deepEqual(lines, ['state directory is open to others']);
  assert.equal(statSync(dir).mode & 0o777, 0o755);
});

test('saves that overlap are done one after the other, and the last one counts', async () => {
  const dir = fresh();
  const store = await open(dir);
  await Promise.all(['1', '2', '3', '4', '5'].map((mark) => store.saveCheckpoint(checkpointOf(mark))));
  assert.deepEqual((await store.loadCheckpoint()).checkpoint, checkpointOf('5'));
  await store.close();
});
