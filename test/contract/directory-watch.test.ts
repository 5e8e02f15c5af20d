import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { openDirectory } from '../../src/directory/directory.ts';

const root = mkdtempSync(join(tmpdir(), 'edge-watch-'));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

/** A watched directory; `change` does something and waits (up to the deadline) until it is called back for it. */
function watched(prepare: (top: string) => void) {
  const top = join(root, String(made++), 'blueprints');
  mkdirSync(join(top, '..'), { recursive: true });
  prepare(top);
  const random = { next: () => 0.5, hex: () => '' };
  const stop = new AbortController();
  let calls = 0;
  let notify = () => {};
  const source = openDirectory({ path: top, clock: systemClock, random, log: silentLogger });
  const done = source.watch(() => {
    calls++;
    notify();
  }, stop.signal);
  async function until(condition: () => boolean, withinMs: number, what: string): Promise<void> {
    const deadline = systemClock.monoMs() + withinMs;
    while (!condition()) {
      assert.ok(systemClock.monoMs() < deadline, `no call within ${withinMs} ms: ${what}`);
      await new Promise<void>((resolve) => {
        notify = resolve;
        setTimeout(resolve, 25);
      });
    }
  }
  return {
    top,
    calls: () => calls,
    until,
    started: () => until(() => calls > 0, 3_000, 'the first one'),
    change: async (what: string, work: () => void, withinMs = 2_500) => {
      const before = calls;
      work();
      await until(() => calls > before, withinMs, what);
      // Whatever else the change sets off belongs to it.
      await systemClock.sleep(250);
    },
    stop: async () => {
      stop.abort();
      await done;
    },
  };
}

const inotifyWatches = () =>
  readdirSync('/proc/self/fd')
    .filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).includes('inotify');
      } catch {
        return false;
      }
    })
    .flatMap((fd) => readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').match(/^inotify wd/gm) ?? []).length;

test('every kind of change in the tree is noticed within moments', async () => {
  const w = watched((top) => {
    mkdirSync(join(top, 'sub'), { recursive: true });
    writeFileSync(join(top, 'a.json'), '{}');
    mkdirSync(join(top, '..v1'));
    mkdirSync(join(top, '..v2'));
    symlinkSync('..v1', join(top, '..data'));
  });
  await w.started();
  const { top } = w;
  await w.change('edit in place', () => appendFileSync(join(top, 'a.json'), ' '));
  await w.change('rename over', () => {
    writeFileSync(join(top, '.a.json.new'), '{"n": 1}');
    renameSync(join(top, '.a.json.new'), join(top, 'a.json'));
  });
  await w.change('edit after rename over', () => appendFileSync(join(top, 'a.json'), ' '));
  await w.change('edit below', () => writeFileSync(join(top, 'sub/b.yaml'), 'a: 1'));
  await w.change('a new folder with files', () => {
    mkdirSync(join(top, 'new/deeper'), { recursive: true });
    writeFileSync(join(top, 'new/deeper/c.yaml'), 'a: 1');
  });
  await w.change('edit in the new folder', () => appendFileSync(join(top, 'new/deeper/c.yaml'), '\n'));
  await w.change('a folder moved', () => renameSync(join(top, 'new'), join(top, 'moved')));
  await w.change('edit in the moved folder', () => appendFileSync(join(top, 'moved/deeper/c.yaml'), '\n'));
  await w.change('a file removed', () => rmSync(join(top, 'sub/b.yaml')));
  await w.change('a folder removed', () => rmSync(join(top, 'moved'), { recursive: true }));
  await w.change('links swapped as Kubernetes does', () => {
    symlinkSync('..v2', join(top, '..data_tmp'));
    renameSync(join(top, '..data_tmp'), join(top, '..data'));
  });
  await w.change('permission taken from a file', () => chmodSync(join(top, 'a.json'), 0o000));
  await w.change('the marker', () => writeFileSync(join(top, '.remove-all'), ''));
  await w.stop();
});

test('the directory may go away, be another one, and come back, with its parents', async () => {
  const w = watched((top) => mkdirSync(join(top, 'sub'), { recursive: true }));
  await w.started();
  const { top } = w;
  await w.change('moved away', () => renameSync(top, `${top}.away`));
  await w.change('moved back', () => renameSync(`${top}.away`, top));
  await w.change('edit after the return', () => writeFileSync(join(top, 'sub/a.json'), '{}'));
  await w.change('another one in its place', () => {
    mkdirSync(`${top}.other`);
    renameSync(top, `${top}.old`);
    renameSync(`${top}.other`, top);
  });
  await w.change('edit in the other one', () => writeFileSync(join(top, 'a.json'), '{}'));
  await w.change('removed with its parent', () => rmSync(join(top, '..'), { recursive: true }));
  await w.change('made anew', () => mkdirSync(top, { recursive: true }));
  await w.change('edit in the new one', () => writeFileSync(join(top, 'b.json'), '{}'));
  await w.stop();
});

test('a directory that is a link is followed when the link is swapped', async () => {
  const w = watched((top) => {
    mkdirSync(`${top}.1`);
    mkdirSync(`${top}.2`);
    symlinkSync(`${top}.1`, top);
  });
  await w.started();
  await w.change('swapped', () => {
    symlinkSync(`${w.top}.2`, `${w.top}.new`);
    renameSync(`${w.top}.new`, w.top);
  });
  await w.change('edit behind the new link', () => writeFileSync(`${w.top}.2/a.json`, '{}'));
  await w.stop();
});

test('a directory that is not there yet is waited for', async () => {
  const w = watched(() => {});
  await w.started();
  const { top } = w;
  await w.change('made', () => mkdirSync(top, { recursive: true }));
  await w.change('first file', () => writeFileSync(join(top, 'a.json'), '{}'));
  await w.stop();
});

test('a change behind a link to a file elsewhere is seen by looking over', async () => {
  const elsewhere = join(root, 'elsewhere.yaml');
  writeFileSync(elsewhere, 'a: 1');
  const w = watched((top) => {
    mkdirSync(top);
    symlinkSync(elsewhere, join(top, 'a.yaml'));
  });
  await w.started();
  await w.change('edit elsewhere', () => writeFileSync(elsewhere, 'a: 2'), 7_000);
  await w.stop();
});

test('other files, hidden ones and editor leftovers being written are no reason to call', async () => {
  const w = watched((top) => {
    mkdirSync(top);
    for (const name of ['app.log', '.a.json.swp', 'a.json~']) writeFileSync(join(top, name), '');
  });
  await w.started();
  await systemClock.sleep(300);
  const before = w.calls();
  for (const name of ['app.log', '.a.json.swp', 'a.json~'])
    for (let n = 0; n < 5; n++) appendFileSync(join(w.top, name), 'x');
  await systemClock.sleep(500);
  assert.equal(w.calls(), before);
  await w.stop();
});

test('a burst of changes is one call or two, an endless one does not silence us', async () => {
  const w = watched((top) => mkdirSync(top));
  await w.started();
  const before = w.calls();
  const endMs = systemClock.monoMs() + 2_500;
  for (let n = 0; systemClock.monoMs() < endMs; n++) {
    writeFileSync(join(w.top, 'a.json'), String(n));
    await systemClock.sleep(20);
  }
  const during = w.calls() - before;
  assert.ok(during >= 1 && during <= 5, `${during} calls in 2.5 s`);
  await w.stop();
});

test('a thousand changes leave no watch and no descriptor behind', async () => {
  const watchesBefore = inotifyWatches();
  const w = watched((top) => mkdirSync(top));
  await w.started();
  const descriptors = () => readdirSync('/proc/self/fd').length;
  const fdBefore = descriptors();
  const watches = inotifyWatches();
  for (let n = 0; n < 1000; n++) {
    const folder = join(w.top, `d${n % 7}`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(folder, 'deeper'), { recursive: true });
    writeFileSync(join(folder, 'deeper/a.json'), String(n));
    if (n % 50 === 0) await systemClock.sleep(1);
  }
  await w.change('the last folders go', () => {
    for (const name of readdirSync(w.top)) rmSync(join(w.top, name), { recursive: true });
  });
  await w.until(() => inotifyWatches() === watches, 3_000, 'watches are given back');
  assert.ok(descriptors() <= fdBefore + 2, `${descriptors()} descriptors, ${fdBefore} before`);
  await w.stop();
  assert.equal(inotifyWatches(), watchesBefore);
});
