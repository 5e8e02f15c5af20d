import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { colonySettings } from '../../../src/cli/colony-settings.ts';
import { dispatch } from '../../../src/cli/dispatch.ts';
import { deriveId } from '../../../src/colony/identity.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { serverParts } from '../../../src/config/server.ts';
import { fakeIo } from '../../fakes/io.ts';

const [IN_ENV, IN_CREDENTIAL, IN_FILE] = ['1', '2', '3'].map((digit) => digit.repeat(64)) as [
  string,
  string,
  string,
];

/** A state directory with a key, a credentials folder with another one, and the settings that lead there. */
async function machine(t: TestContext, more: Record<string, string> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'ce-settings-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const credentials = join(dir, 'credentials');
  await mkdir(credentials);
  for (const name of ['executor-key', 'user-key', 'owner-key'])
    await writeFile(join(credentials, name), IN_CREDENTIAL, { mode: 0o444 });
  await writeFile(join(dir, 'executor.key'), IN_FILE, { mode: 0o600 });
  const env = {
    COLONIES_EDGE_CONFIG: 'none',
    COLONIES_EDGE_STATE_DIR: dir,
    COLONIES_EDGE_SERVER: 'https://c.example',
    COLONIES_COLONY_NAME: 'plant',
    COLONIES_NODE_NAME: 'gw-7',
    ...more,
  };
  return { dir, credentials, env, settings: await settingsOf(env) };
}

async function settingsOf(env: Record<string, string>) {
  const loaded = await loadConfig({ flags: {}, env, cwd: '/' });
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.problems.join());
  const settings = colonySettings(loaded.config, env);
  assert.ok(settings !== undefined);
  return settings;
}

test('without a server there is nothing to know about one', async () => {
  const loaded = await loadConfig({ flags: {}, env: { COLONIES_EDGE_CONFIG: 'none' }, cwd: '/' });
  assert.ok(loaded.ok);
  assert.equal(colonySettings(loaded.config, {}), undefined);
});

test('a key of the environment wins over a credential, which wins over the file', async (t) => {
  const { env, credentials, settings } = await machine(t);
  assert.equal((await settings.keys.executor()).id, deriveId(IN_FILE));
  const withCredential = { ...env, CREDENTIALS_DIRECTORY: credentials };
  const second = await (await settingsOf(withCredential)).keys.executor();
  assert.deepEqual([second.id, second.exposed], [deriveId(IN_CREDENTIAL), undefined]);
  const third = await (
    await settingsOf({ ...withCredential, COLONIES_PRVKEY: ` ${IN_ENV}\n` })
  ).keys.executor();
  assert.deepEqual([third.id, third.source.where], [deriveId(IN_ENV), 'COLONIES_PRVKEY']);
});

test('user and owner keys are optional, and come the same three ways', async (t) => {
  const { env, dir, credentials, settings } = await machine(t);
  assert.deepEqual([await settings.keys.user(), await settings.keys.owner()], [undefined, undefined]);
  const file = join(dir, 'executor.key');
  for (const [role, variable, option] of [
    ['user', 'COLONIES_USER_PRVKEY', 'COLONIES_EDGE_USER_KEY_FILE'],
    ['owner', 'COLONIES_COLONY_PRVKEY', 'COLONIES_EDGE_OWNER_KEY_FILE'],
  ] as const) {
    const by = async (more: Record<string, string>) =>
      (await (await settingsOf({ ...env, ...more })).keys[role]())?.id;
    assert.equal(await by({ [option]: file }), deriveId(IN_FILE));
    assert.equal(await by({ [option]: file, CREDENTIALS_DIRECTORY: credentials }), deriveId(IN_CREDENTIAL));
    assert.equal(await by({ CREDENTIALS_DIRECTORY: credentials, [variable]: IN_ENV }), deriveId(IN_ENV));
    await assert.rejects(by({ [option]: join(dir, 'none') }), { code: 'KEY_MISSING' });
  }
});

test('keys are read anew each time, as they may change while the agent runs', async (t) => {
  const { dir, settings } = await machine(t);
  await settings.keys.executor();
  await writeFile(join(dir, 'executor.key'), IN_ENV);
  assert.equal((await settings.keys.executor()).id, deriveId(IN_ENV));
  assert.equal(await settings.keys.next(), undefined);
  await writeFile(join(dir, 'executor.key.next'), IN_CREDENTIAL);
  assert.equal((await settings.keys.next())?.id, deriveId(IN_CREDENTIAL));
  await rm(join(dir, 'executor.key'));
  await assert.rejects(settings.keys.executor(), { code: 'KEY_MISSING' });
});

test('a key that is none is named by where it stands, and not shown', async (t) => {
  const { env } = await machine(t);
  const broken = `${IN_ENV}7`;
  const settings = await settingsOf({ ...env, COLONIES_PRVKEY: broken });
  await assert.rejects(settings.keys.executor(), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'KEY_INVALID');
    assert.match(error.message, /COLONIES_PRVKEY/);
    assert.ok(!error.message.includes(IN_ENV.slice(0, 8)));
    return true;
  });
});

test('certificates are read when asked for, and must be PEM', async (t) => {
  const { env, dir, settings } = await machine(t);
  assert.deepEqual(await settings.tls(), {});
  const ca = join(dir, 'ca.pem');
  const at = await settingsOf({ ...env, COLONIES_EDGE_CA_FILE: ca });
  await assert.rejects(at.tls(), { code: 'TLS_FILE_UNREADABLE', target: ca });
  await writeFile(ca, 'nothing');
  await assert.rejects(at.tls(), /it is not PEM/);
  await writeFile(ca, '-----BEGIN CERTIFICATE-----\n');
  assert.deepEqual(await at.tls(), { ca: '-----BEGIN CERTIFICATE-----\n' });
});

test('config shows where each key comes from, and never the key', async (t) => {
  const { env } = await machine(t, { COLONIES_COLONY_PRVKEY: IN_ENV });
  const { io, written } = fakeIo({ env });
  assert.equal(await dispatch(['config', '--json'], io), 0);
  const rows: { flag: string; value: unknown; from: string; where: string }[] = JSON.parse(written.out);
  const row = (flag: string) => rows.find((one) => one.flag === flag);
  assert.deepEqual(row('owner-key'), {
    flag: 'owner-key',
    key: '',
    value: '[redacted]',
    from: 'environment',
    where: 'COLONIES_COLONY_PRVKEY',
  });
  assert.deepEqual([row('executor-key')?.value, row('executor-key')?.from], ['[redacted]', 'file']);
  assert.equal(row('user-key')?.value, 'none');
  assert.ok(!written.out.includes(IN_ENV) && !written.out.includes(IN_FILE));
});

test('executors get host, port and TLS of the server apart', () => {
  assert.deepEqual(serverParts('https://c.example'), { host: 'c.example', port: 443, tls: true });
  assert.deepEqual(serverParts('http://[2001:db8::1]:50080'), {
    host: '2001:db8::1',
    port: 50080,
    tls: false,
  });
  assert.deepEqual(serverParts('http://c.example'), { host: 'c.example', port: 80, tls: false });
});
