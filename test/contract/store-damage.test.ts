import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { nodeFileSystem } from '../../src/base/file.ts';
import { silentLogger } from '../../src/base/log.ts';
import { openStore } from '../../src/store/store.ts';
import { checkpointOf, slotOf } from '../unit/store/samples.ts';

const root = mkdtempSync(join(tmpdir(), 'edge-store-damage-'));
after(() => rmSync(root, { recursive: true, force: true }));
const read = (dir: string) => openStore({ dir, clock: systemClock, log: silentLogger, access: 'read' });

async function filled(name: string) {
  const dir = join(root, name);
  const store = await openStore({ dir, clock: systemClock, log: silentLogger });
  await store.saveCheckpoint(checkpointOf('old'));
  await store.saveCheckpoint(checkpointOf('new'));
  await store.saveSlots([slotOf(0)]);
  await store.saveSlots([slotOf(0), slotOf(1)]);
  await store.close();
  return dir;
}

for (const [side, whenDamaged] of [
  ['a', 'new'],
  ['b', 'old'],
] as const)
  test(`any flipped byte or truncation of checkpoint.${side} gives the other slot and a note`, async () => {
    const dir = await filled(`flip-${side}`);
    const path = join(dir, `checkpoint.${side}`);
    const good = readFileSync(path);
    // Some thousand readings: from memory, so that the disk does not set the pace.
    const other = join(dir, `checkpoint.${side === 'a' ? 'b' : 'a'}`);
    const files = new Map<string, Buffer>();
    files.set(path, good);
    files.set(other, readFileSync(other));
    const fs = { ...nodeFileSystem, readFile: async (name: string) => files.get(name) ?? Buffer.alloc(0) };
    const store = await openStore({ dir, clock: systemClock, log: silentLogger, access: 'read', fs });
    const check = async (bytes: Buffer, what: string) => {
      files.set(path, bytes);
      const { checkpoint, notes } = await store.loadCheckpoint();
      assert.equal(checkpoint?.blueprints[0]?.services[0]?.container.image, whenDamaged, what);
      assert.equal(notes.length, 1, what);
      assert.match(notes[0] ?? '', new RegExp(`^checkpoint\\.${side} .*using checkpoint\\.[ab]$`), what);
    };
    for (let at = 0; at < good.length; at++) {
      const bytes = Buffer.from(good.toString('latin1'), 'latin1');
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
      await check(bytes, `byte ${at}`);
      await check(Buffer.from(good.toString('latin1', 0, at), 'latin1'), `length ${at}`);
    }
    await check(Buffer.from(`${good.toString('latin1')} `, 'latin1'), 'one more byte');
    files.set(path, good);
    assert.deepEqual(await store.loadCheckpoint(), { checkpoint: checkpointOf('new'), notes: [] });
  });

test('a damaged slot of identities loses none, and with both damaged the store refuses to say "none"', async () => {
  const dir = await filled('slots');
  const store = await read(dir);
  const damage = (side: string) => {
    const bytes = readFileSync(join(dir, `slots.${side}`));
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(join(dir, `slots.${side}`), bytes.toString('latin1'), 'latin1');
  };
  for (const side of ['a', 'b']) {
    const good = readFileSync(join(dir, `slots.${side}`));
    damage(side);
    assert.deepEqual(await store.loadSlots(), [slotOf(0), slotOf(1)]);
    writeFileSync(join(dir, `slots.${side}`), good.toString('latin1'), 'latin1');
  }
  damage('a');
  damage('b');
  await assert.rejects(store.loadSlots(), { code: 'STORE_DAMAGED' });
});
