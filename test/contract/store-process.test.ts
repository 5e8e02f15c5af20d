import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { openStore } from '../../src/store/store.ts';
import { checkpointOf } from '../unit/store/samples.ts';
import { ended, firstLine, spawnSelf } from './support/self.ts';

const open = (dir: string) => openStore({ dir, clock: systemClock, log: silentLogger });

/** Child: saves ever new checkpoints, saying which one is done. */
async function saveForEver(dir: string, from: number): Promise<void> {
  const store = await open(dir);
  for (let n = from; ; n++) {
    await store.saveCheckpoint(checkpointOf(String(n)));
    process.stdout.write(`${n}\n`);
  }
}

/** Child: saves one checkpoint, for its system calls to be watched. */
async function saveOnce(dir: string): Promise<void> {
  const store = await open(dir);
  await store.saveCheckpoint(checkpointOf('traced'));
  await store.close();
}

if (process.env.EDGE_ROLE === 'forever') await saveForEver(process.argv[2] ?? '', Number(process.argv[3]));
else if (process.env.EDGE_ROLE === 'once') await saveOnce(process.argv[2] ?? '');
else {
  const root = mkdtempSync(join(tmpdir(), 'edge-store-process-'));
  after(() => rmSync(root, { recursive: true, force: true }));

  test('after SIGKILL at 50 random moments the state is the last one reported done, or the one after it', async () => {
    const dir = join(root, 'kill');
    let done = 0;
    for (let round = 0; round < 50; round++) {
      const child = spawnSelf(import.meta.url, 'forever', [dir, String(done + 1)]);
      let output = '';
      child.stdout.on('data', (chunk) => {
        output += chunk;
      });
      await firstLine(child);
      // A random moment is what is tested; nothing is waited for.
      await systemClock.sleep(Math.random() * 8);
      child.kill('SIGKILL');
      await ended(child);
      const reported = Math.max(done, ...output.split('\n').slice(0, -1).map(Number));
      const store = await open(dir);
      const { checkpoint, notes } = await store.loadCheckpoint();
      await store.close();
      const found = Number(checkpoint?.blueprints[0]?.services[0]?.container.image);
      assert.ok(found === reported || found === reported + 1, `found ${found}, reported ${reported}`);
      assert.deepEqual(notes, []);
      done = found;
    }
    assert.ok(done > 50, `${done} saves`);
  });

  test('the real calls come in the order that survives a power cut: write, fsync, rename, fsync of the folder', async () => {
    const dir = join(root, 'trace');
    const out = join(root, 'trace.txt');
    const calls = 'trace=open,openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2';
    const child = spawnSelf(import.meta.url, 'once', [dir], ['strace', '-f', '-y', '-e', calls, '-o', out]);
    const started = await new Promise<boolean>((resolve) => {
      child.on('error', () => resolve(false));
      child.on('spawn', () => resolve(true));
    });
    assert.ok(started, 'strace is missing: install the package "strace"');
    assert.equal(await ended(child), 0);
    const lines = readFileSync(out, 'utf8').split('\n');
    const ours = lines.filter((line) => line.includes('checkpoint.a') || line.includes(`<${dir}>`));
    const order = ours.flatMap((line) => {
      const call = /^\d+\s+(\w+)\(/.exec(line)?.[1] ?? '';
      if (call === 'write' || call === 'pwrite64') return ['write'];
      if (call === 'fsync' || call === 'fdatasync')
        return [line.includes('.tmp') ? 'fsync file' : 'fsync folder'];
      return call.startsWith('rename') ? ['rename'] : [];
    });
    // The lock renames its socket before all this.
    const from = order.indexOf('write');
    assert.deepEqual(order.slice(from), ['write', 'fsync file', 'rename', 'fsync folder']);
    assert.match(ours.find((line) => line.includes('O_EXCL')) ?? '', /O_CREAT.*0600/);
  });
}
