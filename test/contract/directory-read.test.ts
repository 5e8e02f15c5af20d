import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openDirectory } from '../../src/directory/directory.ts';

const root = mkdtempSync(join(tmpdir(), 'edge-directory-'));
after(() => rmSync(root, { recursive: true, force: true }));
const never = new AbortController().signal;
const source = (path: string) =>
  openDirectory({ path, clock: systemClock, random: systemRandom, log: silentLogger });
const read = (path: string) => source(path).read(never);
/** Makes a directory of files; a name that ends in `/` is an empty directory. */
function tree(name: string, files: Record<string, string>): string {
  const top = join(root, name);
  mkdirSync(top);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(top, path, path.endsWith('/') ? '' : '..'), { recursive: true });
    if (!path.endsWith('/')) writeFileSync(join(top, path), text);
  }
  return top;
}
const names = (paths: readonly string[]) => paths.map((path) => path.slice(root.length + 1));

test('JSON and YAML files of the whole tree are read in order; leftovers, hidden and other files are not', async () => {
  const top = tree('whole', {
    'b.yaml': 'n: 1\n---\nn: 2\n',
    'a/z.json': '[{"n": 3}, {"n": 4}]',
    'a.yml': 'n: 5',
    'C.JSON': '{"n": 6}',
    '.hidden.json': '{',
    '.git/x.json': '{',
    'b.yaml~': '{',
    '.b.yaml.swp': '{',
    'c.json.tmp': '{',
    'README.md': '{',
    'empty/': '',
  });
  const listing = await read(top);
  assert.deepEqual(names(listing.files), ['whole/C.JSON', 'whole/a.yml', 'whole/a/z.json', 'whole/b.yaml']);
  assert.deepEqual(
    listing.documents.map(({ file, document, value }) => [basename(file), document, value]),
    [
      ['C.JSON', 0, { n: 6 }],
      ['a.yml', 0, { n: 5 }],
      ['z.json', 0, { n: 3 }],
      ['z.json', 1, { n: 4 }],
      ['b.yaml', 0, { n: 1 }],
      ['b.yaml', 1, { n: 2 }],
    ],
  );
  const { dev, ino } = statSync(top);
  assert.equal(listing.identity, `${dev}:${ino}`);
  assert.deepEqual(listing.broken, []);
  assert.equal(listing.confirmedEmpty, false);
});

test('an empty directory is empty; the marker says that it is meant', async () => {
  const top = tree('empty', {});
  const listing = await read(top);
  assert.deepEqual([listing.files, listing.documents, listing.confirmedEmpty], [[], [], false]);
  writeFileSync(join(top, '.remove-all'), '');
  assert.equal((await read(top)).confirmedEmpty, true);
});

test('what cannot be read or parsed is broken, beside what can', async () => {
  const top = tree('broken', {
    'good.json': '{"n": 1}',
    'zero.json': '',
    'half.json': '{"n":',
    'dup.yaml': 'a: 1\na: 2\n',
    'big.yaml': 'a: 1\n',
  });
  truncateSync(join(top, 'big.yaml'), 1024 * 1024 + 1);
  symlinkSync('gone.json', join(top, 'dangling.json'));
  execFileSync('mkfifo', [join(top, 'pipe.json')]);
  const listing = await read(top);
  assert.deepEqual(
    listing.documents.map((document) => document.value),
    [{ n: 1 }],
  );
  assert.equal(listing.files.length, 7);
  assert.deepEqual(
    listing.broken.map(({ file, line, problem }) => [basename(file), line, problem.message]),
    [
      ['big.yaml', undefined, 'is larger than 1 MiB'],
      ['dangling.json', undefined, 'cannot be read (ENOENT)'],
      ['dup.yaml', 2, 'is not valid YAML: the field "a" occurs twice'],
      ['half.json', 1, 'is not valid JSON: it ends too early'],
      ['pipe.json', undefined, 'is not a regular file'],
      ['zero.json', undefined, 'is empty (half written?)'],
    ],
  );
});

test('definitions that lie beside the blueprints are counted, not taken for blueprints', async () => {
  const definition = JSON.stringify({
    metadata: { name: 'd' },
    spec: { names: { kind: 'DockerDeployment' } },
  });
  const top = tree('definitions', { 'd.json': definition, 'b.json': '{"kind": "DockerDeployment"}' });
  const listing = await read(top);
  assert.equal(listing.definitions, 1);
  assert.deepEqual(
    listing.documents.map((document) => document.value),
    [{ kind: 'DockerDeployment' }],
  );
});

test('a mounted ConfigMap is read once, through its links; links in a circle end', async () => {
  const top = tree('configmap', { '..2024/a.yaml': 'n: 1', 'sub/b.yaml': 'n: 2' });
  symlinkSync('..2024', join(top, '..data'));
  symlinkSync('..data/a.yaml', join(top, 'a.yaml'));
  symlinkSync('..', join(top, 'sub/up'));
  symlinkSync('self', join(top, 'self.d'));
  const elsewhere = tree('elsewhere', { 'c.yaml': 'n: 3' });
  symlinkSync(elsewhere, join(top, 'linked'));
  symlinkSync(elsewhere, join(top, 'linked-again'));
  symlinkSync('nowhere.md', join(top, 'README.md'));
  const listing = await read(top);
  assert.deepEqual(names(listing.files), [
    'configmap/a.yaml',
    'configmap/linked/c.yaml',
    'configmap/sub/b.yaml',
  ]);
  assert.deepEqual(
    listing.documents.map((document) => document.value),
    [{ n: 1 }, { n: 3 }, { n: 2 }],
  );
});

test('a directory that is away, no directory, or only partly there is unavailable, not empty', async () => {
  await assert.rejects(read(join(root, 'nothing')), { code: 'SOURCE_UNAVAILABLE', retry: 'transient' });
  const file = join(root, 'file');
  writeFileSync(file, '');
  await assert.rejects(read(file), /it is not a directory/);
  const lost = tree('lost', { 'a.json': '{}' });
  symlinkSync('/nonexistent/usb', join(lost, 'site'));
  await assert.rejects(read(lost), /the link .*site leads nowhere \(ENOENT\)/);
  const deep = tree('deep', { [`${'d/'.repeat(40)}a.json`]: '{}' });
  await assert.rejects(read(deep), /deeper than 32 levels/);
  const many = tree('many', {});
  for (let n = 0; n <= 1000; n++) writeFileSync(join(many, `${n}.json`), '{}');
  await assert.rejects(read(many), {
    code: 'SOURCE_UNAVAILABLE',
    message: /more than 1000 JSON and YAML files/,
  });
  rmSync(join(many, '7.json'));
  assert.equal((await read(many)).documents.length, 1000);
});

test('a folder that cannot be listed makes the whole reading fail; a file without permission is broken', async () => {
  assert.equal(process.getuid?.(), 0, 'this test gives up root for a moment: run it as root');
  const top = tree('denied', { 'a.json': '{}', 'secret.json': '{}', 'sub/b.json': '{}' });
  execFileSync('chmod', ['755', root, top]);
  execFileSync('chmod', ['000', join(top, 'secret.json')]);
  process.seteuid?.(65534);
  try {
    const listing = await read(top);
    assert.deepEqual(
      listing.broken.map((broken) => broken.problem.message),
      ['cannot be read (EACCES)'],
    );
    process.seteuid?.(0);
    execFileSync('chmod', ['000', join(top, 'sub')]);
    process.seteuid?.(65534);
    await assert.rejects(read(top), /sub cannot be listed \(EACCES\)/);
  } finally {
    process.seteuid?.(0);
  }
});

test('a file that is moved about while the directory is read is never missing from a listing', async () => {
  // Folders between the two make it likely that a move falls between their listings.
  const between = Array.from({ length: 30 }, (_, index) => [`m${index}/`, ''] as const);
  const top = tree('moving', { 'a/': '', 'z/x.json': '{"n": 1}', ...Object.fromEntries(between) });
  let there = 'z';
  for (let round = 0; round < 80; round++) {
    const reading = read(top);
    const next = there === 'a' ? 'z' : 'a';
    for (let turns = round; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    renameSync(join(top, there, 'x.json'), join(top, next, 'x.json'));
    there = next;
    const listing = await reading;
    const known = [...listing.documents.map((one) => one.file), ...listing.broken.map((one) => one.file)];
    assert.ok(
      known.some((file) => basename(file) === 'x.json'),
      `round ${round}`,
    );
  }
});

test('the given blueprints are read, their definitions counted', async () => {
  const top = tree('fixtures', {});
  const fixtures = 'test/fixtures/seed-blueprints';
  const found = readdirSync(fixtures, { recursive: true }).filter((name) => String(name).endsWith('.json'));
  for (const name of found)
    cpSync(join(fixtures, String(name)), join(top, String(name).replaceAll('/', '-')));
  const listing = await read(top);
  assert.equal(listing.documents.length + (listing.definitions ?? 0), found.length);
  assert.equal(listing.definitions, 2);
  assert.deepEqual(listing.broken, []);
});

test('a second reading does not join one that hangs', async () => {
  const directory = source(tree('busy', { 'a.json': '{}' }));
  const first = directory.read(never);
  await assert.rejects(directory.read(never), /an earlier reading has not ended yet/);
  await first;
  await directory.read(never);
  await assert.rejects(directory.read(AbortSignal.abort(new Error('enough'))), /enough/);
});
