import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Secret } from '../../../src/base/secret.ts';
import {
  adoptNextKey,
  createKeyFile,
  dropNextKey,
  nextKeyPath,
  readKeyFile,
} from '../../../src/store/key-file.ts';

const KEY = 'ab'.repeat(32);

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'ce-key-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

test('a key is written with its folder, for its owner only, and read back', async (t) => {
  const path = join(await folder(t), 'state', 'executor.key');
  assert.equal(await createKeyFile(path, new Secret(KEY)), true);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(join(path, '..'))).mode & 0o777, 0o700);
  assert.deepEqual(await readdir(join(path, '..')), ['executor.key']);
  const found = await readKeyFile(path);
  assert.equal(found?.key.reveal(), KEY);
  assert.equal(found?.exposed, undefined);
});

test('an existing key is never overwritten, also not by many at once', async (t) => {
  const dir = await folder(t);
  const path = join(dir, 'executor.key');
  const keys = Array.from({ length: 8 }, (_, i) => `${i}`.repeat(64));
  const made = await Promise.all(keys.map((key) => createKeyFile(path, new Secret(key))));
  assert.equal(made.filter((one) => one).length, 1);
  const winner = keys[made.indexOf(true)];
  assert.equal((await readFile(path, 'utf8')).trim(), winner);
  assert.deepEqual(await readdir(dir), ['executor.key']);
  assert.equal(await createKeyFile(path, new Secret(KEY)), false);
  assert.equal((await readKeyFile(path))?.key.reveal(), winner);
});

test('a dangling link in the place of the key is not written through', async (t) => {
  const dir = await folder(t);
  const path = join(dir, 'executor.key');
  await symlink(join(dir, 'elsewhere'), path);
  assert.equal(await createKeyFile(path, new Secret(KEY)), false);
  assert.deepEqual(await readdir(dir), ['executor.key']);
});

test('white space and upper case make no difference, and no file is no error', async (t) => {
  const path = join(await folder(t), 'k');
  await writeFile(path, `  ${KEY.toUpperCase()}\r\n\n`, { mode: 0o600 });
  assert.equal((await readKeyFile(path))?.key.reveal(), KEY);
  assert.equal(await readKeyFile(`${path}.none`), undefined);
});

for (const [mode, isOpen] of [
  [0o600, false],
  [0o400, false],
  [0o640, true],
  [0o604, true],
  [0o620, true],
] as const)
  test(`a key with mode ${mode.toString(8)} is ${isOpen ? '' : 'not '}open to others`, async (t) => {
    const path = join(await folder(t), 'k');
    await writeFile(path, KEY);
    await chmod(path, mode);
    const { exposed } = (await readKeyFile(path)) ?? {};
    assert.equal(exposed !== undefined, isOpen);
    if (isOpen) assert.match(exposed ?? '', new RegExp(`mode 0${mode.toString(8)}`));
  });

for (const [what, content, words] of [
  ['nothing', '', /it is empty/],
  ['too few digits', KEY.slice(1), /64 hexadecimal digits/],
  ['other letters', `${KEY.slice(1)}g`, /64 hexadecimal digits/],
  ['two keys', `${KEY}\n${KEY}`, /64 hexadecimal digits/],
  ['a whole book', KEY.repeat(200), /no file of one key/],
] as const)
  test(`a file with ${what} is refused, and the error does not show it`, async (t) => {
    const path = join(await folder(t), 'k');
    await writeFile(path, content);
    await assert.rejects(readKeyFile(path), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'KEY_INVALID');
      assert.match(error.message, words);
      assert.ok(!error.message.includes(KEY.slice(2, 20)));
      return true;
    });
  });

test('a folder in the place of the key is refused, and one that cannot be made is an error', async (t) => {
  const dir = await folder(t);
  await mkdir(join(dir, 'k'));
  await assert.rejects(readKeyFile(join(dir, 'k')), { code: 'KEY_INVALID' });
  await writeFile(join(dir, 'file'), '');
  await assert.rejects(createKeyFile(join(dir, 'file', 'state', 'k'), new Secret(KEY)), {
    code: 'KEY_UNWRITABLE',
  });
});

test('the next key takes the place of the old one, or is dropped', async (t) => {
  const path = join(await folder(t), 'k');
  await createKeyFile(path, new Secret(KEY));
  await createKeyFile(nextKeyPath(path), new Secret('cd'.repeat(32)));
  await adoptNextKey(path);
  assert.equal((await readKeyFile(path))?.key.reveal(), 'cd'.repeat(32));
  assert.equal(await readKeyFile(nextKeyPath(path)), undefined);
  await assert.rejects(adoptNextKey(path), { code: 'KEY_UNWRITABLE' });
  await createKeyFile(nextKeyPath(path), new Secret(KEY));
  await dropNextKey(path);
  await dropNextKey(path);
  assert.equal((await readKeyFile(path))?.key.reveal(), 'cd'.repeat(32));
});
