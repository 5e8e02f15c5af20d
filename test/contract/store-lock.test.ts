import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { errorCode } from '../../src/base/errors.ts';
import { lockDirectory } from '../../src/base/lock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { ended, firstLine, spawnSelf } from './support/self.ts';

const lock = (dir: string) => lockDirectory(dir, { clock: systemClock, random: systemRandom });

/** Child: says what came of it, and if it has the lock keeps it until its input ends. */
async function hold(dir: string): Promise<void> {
  try {
    const held = await lock(dir);
    process.stdout.write(`held ${held.kind} ${readlinkSync('/proc/self/ns/net')}\n`);
    await new Promise((resolve) => process.stdin.on('end', resolve).resume());
    await held.release();
  } catch (error) {
    process.stdout.write(`${errorCode(error)}\n`);
  }
}

if (process.env.EDGE_ROLE === 'hold') await hold(process.argv[2] ?? '');
else {
  const root = mkdtempSync(join(tmpdir(), 'edge-lock-'));
  after(() => rmSync(root, { recursive: true, force: true }));
  const children = new Set<ReturnType<typeof spawnSelf>>();
  after(() => {
    for (const child of children) child.kill('SIGKILL');
  });
  const fresh = (name: string) => {
    const dir = join(root, name);
    mkdirSync(dir, { recursive: true });
    return dir;
  };
  const start = (dir: string, wrapper: string[] = []) => {
    const child = spawnSelf(import.meta.url, 'hold', [dir], wrapper);
    children.add(child);
    return child;
  };

  test('a second agent is refused and told the pid of the first; after its end the directory is free and clean', async () => {
    const dir = fresh('two');
    const first = start(dir);
    assert.match(await firstLine(first), /^held file/);
    await assert.rejects(lock(dir), (error) => {
      assert.equal(errorCode(error), 'STATE_LOCKED');
      assert.match(String(error), new RegExp(`in use by another agent \\(pid ${first.pid}\\)`));
      return true;
    });
    first.stdin.end();
    await ended(first);
    assert.deepEqual(readdirSync(dir), []);
    const held = await lock(dir);
    await held.release();
    await held.release();
    assert.deepEqual(readdirSync(dir), []);
  });

  test('a killed holder does not lock anybody out', async () => {
    const dir = fresh('killed');
    const first = start(dir);
    await firstLine(first);
    first.kill('SIGKILL');
    await ended(first);
    assert.equal(readdirSync(dir).length, 1, 'its socket file is still there');
    const held = await lock(dir);
    assert.equal(readdirSync(dir).length, 1, 'the dead socket is removed');
    await held.release();
  });

  test('a stale lock with the pid of a living process does not lock anybody out', async () => {
    const dir = fresh('reused');
    // What a power cut leaves, its pid now being ours: a socket that nobody listens on.
    writeFileSync(join(dir, `agent-${process.pid}-00000000.lock`), '');
    writeFileSync(join(dir, `agent-${process.pid}-00000000.lock.new`), '');
    const held = await lock(dir);
    await held.release();
    assert.deepEqual(readdirSync(dir), []);
  });

  test('a frozen holder is still the holder', async () => {
    const dir = fresh('frozen');
    const first = start(dir);
    await firstLine(first);
    first.kill('SIGSTOP');
    await assert.rejects(lock(dir), { code: 'STATE_LOCKED' });
    first.kill('SIGKILL');
    await ended(first);
    await (await lock(dir)).release();
  });

  test('of many that start together exactly one gets the lock, and the others know at once', async () => {
    for (let round = 0; round < 3; round++) {
      const dir = fresh(`race-${round}`);
      const contenders = Array.from({ length: 6 }, () => start(dir));
      const words = await Promise.all(contenders.map(firstLine));
      assert.equal(words.filter((word) => word.startsWith('held')).length, 1, words.join(', '));
      assert.equal(words.filter((word) => word === 'STATE_LOCKED').length, 5, words.join(', '));
      for (const child of contenders) child.stdin.end();
      await Promise.all(contenders.map((child) => (child.exitCode === null ? ended(child) : 0)));
    }
  });

  test('within one process the second taker is refused, too, also when both start at the same moment', async () => {
    for (let round = 0; round < 20; round++) {
      const dir = fresh(`same-${round}`);
      const startedMs = systemClock.monoMs();
      const results = await Promise.allSettled([lock(dir), lock(dir), lock(dir)]);
      assert.ok(systemClock.monoMs() - startedMs < 3_000, 'they do not wait for each other to give up');
      const held = results.filter((result) => result.status === 'fulfilled');
      assert.equal(held.length, 1, `round ${round}`);
      for (const result of results)
        if (result.status === 'fulfilled') await result.value.release();
        else assert.equal(errorCode(result.reason), 'STATE_LOCKED');
      assert.deepEqual(readdirSync(dir), []);
    }
  });

  test('a directory of any depth can be locked', async () => {
    const dir = fresh(['d', 'e', 'f'].map((letter) => letter.repeat(60)).join('/'));
    const held = await lock(dir);
    assert.equal(held.kind, 'file');
    await assert.rejects(lock(dir), { code: 'STATE_LOCKED' });
    await held.release();
    assert.deepEqual(readdirSync(dir), []);
  });

  test('a holder in another network namespace and pid namespace is seen', {
    skip: process.getuid?.() !== 0 && 'not root',
  }, async () => {
    assert.equal(process.getuid?.(), 0, 'this test makes namespaces: run it as root');
    const dir = fresh('namespaces');
    const first = start(dir, ['unshare', '--net', '--pid', '--fork', '--kill-child']);
    const line = await firstLine(first);
    assert.match(line, /^held file/);
    assert.ok(!line.includes(readlinkSync('/proc/self/ns/net')), 'the namespace is another one');
    await assert.rejects(lock(dir), { code: 'STATE_LOCKED' });
    first.stdin.end();
    await ended(first);
  });

  test('on a read-only file system the lock is taken by name, and still only once', {
    skip: process.getuid?.() !== 0 && 'not root',
  }, async () => {
    assert.equal(process.getuid?.(), 0, 'this test mounts: run it as root');
    const dir = fresh('readonly');
    const script = `mount -t tmpfs -o ro none "$0" && exec "$@"`;
    const first = start(dir, ['unshare', '--mount', 'sh', '-c', script, dir]);
    assert.match(await firstLine(first), /^held named/);
    const inside = ['nsenter', '-t', String(first.pid), '-m'];
    const second = start(dir, inside);
    assert.equal(await firstLine(second), 'STATE_LOCKED');
    first.stdin.end();
    await ended(first);
  });
}
