import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.ts';
import { createHookRunner } from '../../src/hooks/run.ts';

const signal = AbortSignal.timeout(60_000);
const SLOW_MS = 30_000;

interface Cleanup {
  after(fn: () => unknown): void;
}

async function folder(t: Cleanup) {
  const path = await mkdtemp(join(tmpdir(), 'ce-hooks-'));
  await chmod(path, 0o755);
  t.after(() => rm(path, { recursive: true, force: true }));
  const runner = createHookRunner(path, systemClock);
  return {
    path,
    put: async (name: string, script: string, mode = 0o755) => {
      await writeFile(join(path, name), `#!/bin/sh\n${script}\n`);
      await chmod(join(path, name), mode);
    },
    run: (name: string, env: Record<string, string> = {}, timeoutMs = SLOW_MS, until = signal) =>
      runner.run(name, { env, timeoutMs }, until),
  };
}

test('exit code and the end of both streams come back', async (t) => {
  const { put, run } = await folder(t);
  await put('both', 'echo out; echo err >&2; exit 3');
  const { exitCode, output } = await run('both');
  assert.equal(exitCode, 3);
  assert.deepEqual(output.trim().split('\n').sort(), ['err', 'out']);
});

test('it sees what it is given and PATH, and nothing of the agent', async (t) => {
  const { put, run } = await folder(t);
  process.env.COLONIES_HOOKS_TEST_SECRET = 'hidden';
  t.after(() => {
    delete process.env.COLONIES_HOOKS_TEST_SECRET;
  });
  await put('env', 'env');
  const { output } = await run('env', { COLONIES_HOOK: 'before-update' });
  assert.match(output, /^COLONIES_HOOK=before-update$/m);
  assert.match(output, /^PATH=/m);
  assert.doesNotMatch(output, /SECRET|HOME=/);
});

test('of much output the end is kept', async (t) => {
  const { put, run } = await folder(t);
  await put('much', 'i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done');
  const { output } = await run('much');
  assert.ok(output.length <= 4_096);
  assert.match(output, /line 2999\n$/);
});

test('one that does not end in time is ended with all it has started, also what does not listen', async (t) => {
  const { path, put, run } = await folder(t);
  await put(
    'deaf',
    `trap '' TERM; sleep 1000 & echo $! > ${path}/pid; echo begun; while :; do sleep 1; done`,
  );
  assert.deepEqual(await run('deaf', {}, 500), { output: 'begun\n' });
  const pid = (await readFile(join(path, 'pid'), 'utf8')).trim();
  while (existsSync(`/proc/${pid}`)) await sleep(20, undefined, { signal });
});

test('a child that keeps the output open does not keep the agent', async (t) => {
  const { put, run } = await folder(t);
  await put('leaves', 'sleep 1000 & echo done');
  assert.deepEqual(await run('leaves'), { exitCode: 0, output: 'done\n' });
});

test('who gives up is let go, and the group ends', async (t) => {
  const { path, put, run } = await folder(t);
  await put('long', `echo $$ > ${path}/pid; sleep 1000`);
  const stop = new AbortController();
  const running = run('long', {}, SLOW_MS, stop.signal);
  while (!existsSync(join(path, 'pid'))) await sleep(20, undefined, { signal });
  stop.abort(new Error('over'));
  await assert.rejects(running, /over/);
  const pid = (await readFile(join(path, 'pid'), 'utf8')).trim();
  while (existsSync(`/proc/${pid}`)) await sleep(20, undefined, { signal });
});

test('what others could have written, what is not executable, not there, or a path, is refused', async (t) => {
  const { path, put, run } = await folder(t);
  await put('open', 'true', 0o777);
  await put('plain', 'true', 0o644);
  await put('good', 'true');
  await mkdir(join(path, 'dir'));
  await symlink(join(path, 'open'), join(path, 'link'));
  await assert.rejects(run('open'), { code: 'HOOK_REFUSED', message: /open can be changed by others/ });
  await assert.rejects(run('link'), { code: 'HOOK_REFUSED', message: /can be changed by others/ });
  await assert.rejects(run('plain'), { code: 'HOOK_REFUSED', message: /not executable: chmod \+x/ });
  await assert.rejects(run('dir'), { code: 'HOOK_REFUSED', message: /not executable/ });
  await assert.rejects(run('none'), { code: 'HOOK_REFUSED', message: /none is not there/ });
  await assert.rejects(run('../good'), { code: 'HOOK_REFUSED', message: /not the name of an executable/ });
  await chmod(path, 0o777);
  await assert.rejects(run('good'), { code: 'HOOK_REFUSED', message: /can be changed by others/ });
});

test('without a directory there are no hooks', async () => {
  const runner = createHookRunner(undefined, systemClock);
  await assert.rejects(runner.run('a', { env: {}, timeoutMs: 1_000 }, signal), { code: 'HOOK_REFUSED' });
});
