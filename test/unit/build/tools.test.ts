import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { root } from '../../../build/lib/project.mjs';
import { run } from '../../../build/lib/run.mjs';
import { FILE_LIMIT } from '../../../build/lib/watchdog.mjs';
import { countsOf } from '../../../build/run-tests.mjs';
import { tarOf } from '../../../build/tiny-image.mjs';

it('makes tar archives that tar itself reads', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tar-'));
  try {
    const archive = join(folder, 'a.tar');
    const entries = [
      { path: 'etc', type: 'directory' as const },
      { path: 'etc/hello', content: 'hello\n', mode: 0o600, uid: 1000 },
      { path: 'etc/link', type: 'link' as const, target: 'hello' },
      { path: 'full', content: 'x'.repeat(512) },
      { path: 'empty' },
    ];
    writeFileSync(archive, new Uint8Array(tarOf(entries)));
    const list = execFileSync('tar', ['--numeric-owner', '-tvf', archive]).toString();
    assert.match(list, /^drwxr-xr-x 0\/0 .* etc\/$/m);
    assert.match(list, /^-rw------- 1000\/1000 +6 .* etc\/hello$/m);
    assert.match(list, /^l.* etc\/link -> hello$/m);
    assert.match(list, / 512 .* full$/m);
    assert.match(list, / 0 .* empty$/m);
    assert.equal(execFileSync('tar', ['-xOf', archive, 'etc/hello']).toString(), 'hello\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it('stops a command that hangs, with everything it started, and says so', async () => {
  const result = await run('sh', ['-c', 'sleep 60 & echo child $!; wait'], {
    output: 'capture',
    deadlineMs: 300,
  });
  assert.equal(result.timedOut, true);
  assert.equal(result.code, 124);
  assert.match(result.output, /not finished after 300 ms/);
  const child = Number(result.output.match(/child (\d+)/)?.[1]);
  const deadline = Date.now() + 5000;
  while (alive(child) && Date.now() < deadline) await new Promise((done) => setTimeout(done, 10));
  assert.equal(alive(child), false);
});

it('has a test file that hangs say what it waits for, and end', async () => {
  const watched = (work: string) =>
    run(process.execPath, [`--import=${join(root, 'build/lib/watchdog.mjs')}`, '-e', work], {
      output: 'capture',
      deadlineMs: 20_000,
      env: { [FILE_LIMIT]: '300', NODE_TEST_CONTEXT: 'child-v8' },
    });
  const hung = await watched("require('node:net').createServer().listen(0, '127.0.0.1')");
  assert.equal(hung.code, 1);
  assert.match(hung.output, /not finished after 300 ms; still open: .*1 TCPServerWrap/);
  assert.deepEqual(await watched(''), { code: 0, output: '', timedOut: false });
});

it('answers 127 for a command that does not exist', async () => {
  assert.equal((await run('no-such-command-here', [], { output: 'capture' })).code, 127);
});

it('counts a run that ended badly as failed even when no summary was written', () => {
  assert.deepEqual(countsOf('', 1), { passed: 0, failed: 1, skipped: 0 });
  const tap = '# tests 9\n# pass 4\n# fail 1\n# cancelled 2\n# skipped 1\n# todo 1\n';
  assert.deepEqual(countsOf(tap, 1), { passed: 4, failed: 3, skipped: 2 });
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A dead child of a dead shell stays visible until it is reaped.
    return !/^\d+ \(.*\) Z/.test(execFileSync('cat', [`/proc/${pid}/stat`]).toString());
  } catch {
    return false;
  }
}
