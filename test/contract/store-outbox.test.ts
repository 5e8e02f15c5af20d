import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { type FileSystem, nodeFileSystem } from '../../src/base/file.ts';
import { type Logger, silentLogger } from '../../src/base/log.ts';
import type { OpenProcess, Outbox } from '../../src/model/colony.ts';
import { openStore } from '../../src/store/store.ts';
import { type End, mortalFileSystem } from './support/mortal-fs.ts';

const root = mkdtempSync(join(tmpdir(), 'edge-store-outbox-'));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const fresh = () => join(root, String(made++));
const open = (dir: string, fs: FileSystem = nodeFileSystem, log: Logger = silentLogger) =>
  openStore({ dir, clock: systemClock, log, fs });

const EMPTY: Outbox = { processes: [], deregister: [] };

function taken(id: string, more: Partial<OpenProcess> = {}): OpenProcess {
  return {
    id,
    startedAt: 1_700_000_000_123,
    retries: 0,
    funcName: 'reconcile',
    kind: 'DockerDeployment',
    blueprintName: 'web',
    force: false,
    ...more,
  };
}

const FULL: Outbox = {
  processes: [
    taken('a'),
    taken('b', { startedAt: null, retries: 3, result: { ok: false, texts: ['no image', 'åäö'] } }),
  ],
  deregister: [{ id: 'f'.repeat(64), name: 'exec-1-0' }],
};

test('what the server has not accepted yet comes back whole after a restart', async () => {
  const dir = fresh();
  const store = await open(dir);
  assert.deepEqual(await store.loadOutbox(), EMPTY);
  assert.equal(await store.saveOutbox(FULL), true);
  assert.equal(await store.saveOutbox({ ...FULL, processes: [...FULL.processes] }), false);
  await store.close();
  const again = await open(dir);
  assert.deepEqual(await again.loadOutbox(), FULL);
  assert.equal(await again.saveOutbox(FULL), false, 'unchanged content is not written again');
  assert.equal(await again.saveOutbox(EMPTY), true);
  assert.deepEqual(await again.loadOutbox(), EMPTY);
  assert.equal(statSync(join(dir, 'outbox.a')).mode & 0o777, 0o600);
  await again.close();
});

test('a save of the outbox that is cut at any operation gives the new or the last one', async () => {
  const next: Outbox = { ...EMPTY, processes: [taken('next')] };
  const crash = async (dieAt: number, end: End) => {
    const dir = fresh();
    const healthy = await open(dir);
    await healthy.saveOutbox(FULL);
    await healthy.close();
    const { fs, operations } = mortalFileSystem(nodeFileSystem, dieAt, end);
    const dying = await openStore({ dir, clock: systemClock, log: silentLogger, fs });
    const before = operations.length;
    const isSaved = await dying.saveOutbox(next).then(
      () => true,
      () => false,
    );
    await dying.close();
    const again = await open(dir);
    const found = await again.loadOutbox();
    assert.equal(await again.saveOutbox({ ...EMPTY, processes: [taken('later')] }), true);
    await again.close();
    return { isSaved, found, before, operations };
  };
  const { before, operations, isSaved, found } = await crash(Number.POSITIVE_INFINITY, 'before');
  assert.ok(isSaved && operations.length > before + 4);
  assert.deepEqual(found, next);
  for (let dieAt = before + 1; dieAt <= operations.length; dieAt++)
    for (const end of ['before', 'after', { bytes: 80 }] as const) {
      const isWrite = operations[dieAt - 1]?.startsWith('write') ?? false;
      if (typeof end === 'object' && !isWrite) continue;
      const result = await crash(dieAt, end);
      const where = `died at ${operations[dieAt - 1]} (${JSON.stringify(end)})`;
      assert.equal(result.isSaved, false, where);
      const ids = result.found.processes.map(({ id }) => id).join();
      assert.ok(ids === 'next' || ids === 'a,b', `${where}: ${ids}`);
    }
});

test('a damaged outbox gives the one before with a warning, and with both damaged an empty one', async () => {
  const dir = fresh();
  const store = await open(dir);
  await store.saveOutbox(FULL);
  await store.saveOutbox(EMPTY);
  await store.close();
  const warnings: unknown[] = [];
  const log: Logger = { ...silentLogger, warn: (text, fields) => warnings.push([text, fields?.note]) };
  const beside = await openStore({ dir, clock: systemClock, log, access: 'read' });
  const damage = (side: string) => {
    const bytes = readFileSync(join(dir, `outbox.${side}`));
    bytes[90] = (bytes[90] ?? 0) ^ 1;
    writeFileSync(join(dir, `outbox.${side}`), bytes.toString('latin1'), 'latin1');
  };
  damage('b');
  assert.deepEqual(await beside.loadOutbox(), FULL);
  assert.deepEqual(warnings, [
    ['stored outbox was damaged', 'outbox.b is damaged (its checksum does not match); using outbox.a'],
  ]);
  damage('a');
  assert.deepEqual(await beside.loadOutbox(), EMPTY);
  await assert.rejects(beside.saveOutbox(FULL), { code: 'STORE_READONLY' });
  await beside.close();
});

test('an outbox that could not be read back is refused before anything is written', async () => {
  const dir = fresh();
  const store = await open(dir);
  await store.saveOutbox(FULL);
  const broken = { ...EMPTY, processes: [taken('a', { retries: Number.NaN })] };
  await assert.rejects(store.saveOutbox(broken), { code: 'STORE_INVALID' });
  assert.deepEqual(await store.loadOutbox(), FULL);
  await store.close();
});
