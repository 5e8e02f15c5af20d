import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { inspect } from 'node:util';
import { systemClock } from '../../src/base/clock.ts';
import { askHelper } from '../../src/docker/credential-helper.ts';
import {
  authHeader,
  type CredentialSources,
  createRegistryAuth,
  type FoundCredentials,
  registryName,
  registryOf,
} from '../../src/docker/registry-auth.ts';
import { eventually } from '../fakes/engine-fixture.ts';

const top = mkdtempSync(join(tmpdir(), 'registry-auth-'));
after(() => rmSync(top, { recursive: true, force: true }));

let count = 0;
let folder = '';
let docker = '';
let bin = '';
let sources: CredentialSources;

beforeEach(() => {
  count += 1;
  folder = join(top, `${count}`, 'registries.d');
  docker = join(top, `${count}`, 'docker');
  bin = join(top, `${count}`, 'bin');
  for (const path of [folder, docker, bin]) mkdirSync(path, { recursive: true });
  const env = { PATH: `${bin}:${process.env.PATH}`, COLONIES_PRVKEY: 'agents-own', CLOUD: 'theirs' };
  sources = createRegistryAuth({ folder, dockerConfig: docker, env, clock: systemClock });
});

function put(file: string, content: unknown, mode = 0o600): string {
  const path = join(folder, file);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content), { mode });
  chmodSync(path, mode);
  return path;
}

function dockerConfig(content: unknown, mode = 0o600): string {
  const path = join(docker, 'config.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content), { mode });
  chmodSync(path, mode);
  return path;
}

/** A helper in shell. */
function helper(name: string, script: string): void {
  writeFileSync(join(bin, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

const basic = (text: string) => Buffer.from(text).toString('base64');

/** "user:password" or "token:..."; what was found, in the open. */
function shown({ credentials }: FoundCredentials): string | undefined {
  if (credentials === undefined) return undefined;
  return 'identityToken' in credentials
    ? `token:${credentials.identityToken.reveal()}`
    : `${credentials.username}:${credentials.password.reveal()}`;
}

const find = (registry: string) => sources.find(registry);

test('the registry of a reference is its host, and Docker Hub where there is none', () => {
  const cases: [string, string][] = [
    ['nginx', 'docker.io'],
    ['team/app:1', 'docker.io'],
    ['docker.io/library/nginx:1', 'docker.io'],
    ['index.docker.io/x/y', 'docker.io'],
    ['localhost/x', 'localhost'],
    ['r.example:5000/a/b:1', 'r.example:5000'],
    ['R.Example/a', 'r.example'],
    ['127.0.0.1:5000/a@sha256:00', '127.0.0.1:5000'],
    ['[::1]:5000/a', '[::1]:5000'],
    ['app@sha256:00', 'docker.io'],
  ];
  for (const [reference, registry] of cases) assert.equal(registryOf(reference), registry, reference);
  for (const name of ['https://index.docker.io/v1/', 'registry-1.docker.io', 'docker.io'])
    assert.equal(registryName(name), 'docker.io');
  assert.equal(registryName('https://R.example:5000/v2/'), 'r.example:5000');
});

test('nothing there at all is no credentials and no problem', async () => {
  rmSync(folder, { recursive: true });
  rmSync(docker, { recursive: true });
  assert.deepEqual(await find('r'), { problems: [] });
  assert.deepEqual(await sources.survey(), { registries: [], problems: [], exposed: [] });
});

test('a file of the folder gives user and password, password file or identity token', async () => {
  put('a.json', { registry: 'a:5000', username: 'u', password: 'p:w' });
  put('b.json', { registry: 'https://b/', username: 'u', passwordFile: 'b.secret' });
  put('b.secret', 'from file\n');
  put('c.json', { registry: 'index.docker.io', identityToken: 'tok' });
  assert.equal(shown(await find('a:5000')), 'u:p:w');
  assert.equal(shown(await find('b')), 'u:from file');
  assert.equal(shown(await find('docker.io')), 'token:tok');
  assert.equal(shown(await find('a')), undefined, 'another port is another registry');
  assert.equal((await find('a:5000')).credentials?.from, join(folder, 'a.json'));
});

test('what changes in the files counts with the next search', async () => {
  put('a.json', { registry: 'a', username: 'u', passwordFile: 'pw' });
  put('pw', 'old');
  assert.equal(shown(await find('a')), 'u:old');
  put('pw', 'new');
  assert.equal(shown(await find('a')), 'u:new');
});

const broken: [string, unknown, RegExp][] = [
  ['no JSON', '{"registry":"a","password":"leaked-1', /a\.json: is not valid JSON$/],
  ['a list', [], /a\.json: must be a JSON object/],
  ['no registry', { username: 'u', password: 'leaked-1' }, /a\.json: registry: is missing/],
  ['no user', { registry: 'a', password: 'leaked-1' }, /a\.json: username: is missing/],
  ['no password', { registry: 'a', username: 'u' }, /a\.json: password: is missing/],
  ['a number', { registry: 'a', username: 'u', password: 1 }, /password: must be a non-empty string/],
  ['a misspelt field', { registry: 'a', username: 'u', pasword: 'leaked-1' }, /pasword: .*mean password\?/],
  [
    'two passwords',
    { registry: 'a', username: 'u', password: 'leaked-1', passwordFile: 'x' },
    /passwordFile: stands beside password/,
  ],
  [
    'token and password',
    { registry: 'a', identityToken: 'leaked-1', password: 'leaked-1' },
    /identityToken: /,
  ],
  [
    'no password file',
    { registry: 'a', username: 'u', passwordFile: 'gone' },
    /passwordFile: .*gone: does not exist/,
  ],
];
for (const [what, content, problem] of broken)
  test(`a file with ${what} is a problem with file and field, and no other registry's`, async () => {
    put('a.json', content);
    put('z.json', { registry: 'z', username: 'u', password: 'p' });
    const found = await find('a');
    assert.equal(found.credentials, undefined);
    assert.match(found.problems.join('\n'), problem);
    assert.equal(shown(await find('z')), 'u:p');
    assert.ok(!inspect([found, await sources.survey()], { depth: 9 }).includes('leaked'));
    if (JSON.stringify(content).includes('"registry":"a"') && typeof content !== 'string')
      assert.deepEqual((await find('z')).problems, []);
  });

test('of two files for one registry the first by name counts, and the other is a problem', async () => {
  put('1.json', { registry: 'a', username: 'first', password: 'p' });
  put('2.json', { registry: 'a', username: 'second', password: 'p' });
  const found = await find('a');
  assert.equal(shown(found), 'first:p');
  assert.match(found.problems.join(), /2\.json: registry: a has credentials in an earlier file/);
});

test('files that others can read are used and told, also the password file', async () => {
  put('a.json', { registry: 'a', username: 'u', passwordFile: 'pw' }, 0o644);
  put('pw', 'p', 0o640);
  assert.equal(shown(await find('a')), 'u:p');
  const { exposed } = await sources.survey();
  assert.deepEqual(exposed, [
    `${join(folder, 'a.json')} is open to others (mode 0644); use 0600`,
    `${join(folder, 'pw')} is open to others (mode 0640); use 0600`,
  ]);
  assert.deepEqual(sources.warnings(), exposed);
  chmodSync(join(folder, 'a.json'), 0o600);
  chmodSync(join(folder, 'pw'), 0o600);
  await eventually('what was mended is no longer told', () => sources.warnings().length === 0);
});

test("Docker's config.json gives basic credentials, plain ones and identity tokens", async () => {
  dockerConfig({
    auths: {
      'a:5000': { auth: basic('u:p:w') },
      'https://index.docker.io/v1/': { auth: basic('hub:pw') },
      'https://b/v2/': { username: 'u', password: 'plain' },
      c: { auth: basic('u:'), identitytoken: 'tok' },
      zero: { auth: basic('u:p\0\0') },
      helped: {},
    },
  });
  assert.equal(shown(await find('a:5000')), 'u:p:w');
  assert.equal(shown(await find('docker.io')), 'hub:pw');
  assert.equal(shown(await find('b')), 'u:plain');
  assert.equal(shown(await find('c')), 'token:tok');
  assert.equal(shown(await find('zero')), 'u:p');
  assert.deepEqual(await find('helped'), { problems: [] });
});

test('the folder wins over helpers, helpers win over what config.json holds itself', async () => {
  helper('own', `echo '{"Username":"own","Secret":"s"}'`);
  helper('all', `echo '{"Username":"all","Secret":"s"}'`);
  dockerConfig({
    auths: { a: { auth: basic('file:p') }, b: { auth: basic('file:p') }, c: { auth: basic('file:p') } },
    credHelpers: { a: 'own', b: 'own' },
    credsStore: 'all',
  });
  put('a.json', { registry: 'a', username: 'folder', password: 'p' });
  assert.equal(shown(await find('a')), 'folder:p');
  assert.equal(shown(await find('b')), 'own:s');
  assert.equal(shown(await find('c')), 'all:s');
  assert.deepEqual((await sources.survey()).registries, [
    { registry: 'a', from: join(folder, 'a.json') },
    { registry: 'b', from: 'docker-credential-own' },
    { registry: 'c', from: `${join(docker, 'config.json')}, auths["c"]` },
    { registry: 'any other', from: 'docker-credential-all' },
  ]);
});

test('what is wrong in config.json is a problem with its field, and holds nothing else up', async () => {
  dockerConfig({
    auths: { a: { auth: 'not base64 leaked!' }, b: { auth: basic('u:p') }, c: { registrytoken: 'leaked' } },
    credHelpers: { d: '../evil' },
  });
  const has = async (registry: string, problem: RegExp) => {
    const found = await find(registry);
    assert.equal(found.credentials, undefined);
    assert.match(found.problems.join(), problem);
    assert.ok(!inspect(found).includes('leaked'));
  };
  await has('a', /config\.json: auths\["a"\]\.auth: must be base64/);
  await has('c', /auths\["c"\]\.registrytoken: is not supported/);
  await has('d', /credHelpers\["d"\]: must be the name of a helper/);
  assert.deepEqual(
    { shown: shown(await find('b')), problems: (await find('b')).problems },
    {
      shown: 'u:p',
      problems: [],
    },
  );
  dockerConfig('{"auths": {"b": {"auth": "leaked');
  await has('b', /config\.json: is not valid JSON$/);
});

test('a helper is told the registry, gets the environment without our keys, and no shell reads its name', async () => {
  const log = join(top, `${count}`, 'asked');
  helper(
    'seen',
    `printf '%s %s %s %s' "$1" "$(cat)" "$CLOUD" "$COLONIES_PRVKEY" > ${log}; echo '{"Username":"u","Secret":"s"}'`,
  );
  dockerConfig({ credsStore: 'seen', auths: { 'https://r.example': {} } });
  assert.equal(shown(await find('docker.io')), 'u:s');
  assert.equal(readFileSync(log, 'utf8'), 'get https://index.docker.io/v1/ theirs ');
  await find('r.example');
  assert.equal(readFileSync(log, 'utf8'), 'get https://r.example theirs ', 'the name of the login');
});

test('a helper that answers with <token> gives an identity token', async () => {
  helper('tok', `echo '{"Username":"<token>","Secret":"s"}'`);
  dockerConfig({ credHelpers: { a: 'tok' } });
  assert.equal(shown(await find('a')), 'token:s');
});

test('a helper that has nothing is no problem, and the next source is asked', async () => {
  helper('empty', `echo 'credentials not found in native keychain'; exit 1`);
  dockerConfig({ credsStore: 'empty', auths: { a: { auth: basic('u:p') } } });
  assert.equal(shown(await find('a')), 'u:p');
  assert.deepEqual(await find('b'), { problems: [] });
});

const bad: [string, string, RegExp][] = [
  ['fails', `echo 'vault is sealed'; exit 3`, /docker-credential-h ended with exit code 3: vault is sealed/],
  ['fails with an answer', `echo '{"Secret":"leaked"}'; exit 3`, /ended with exit code 3$/],
  ['answers no JSON', 'echo leaked', /answered something that is not JSON/],
  ['answers half', `echo '{"Username":"leaked"}'`, /answered without Username and Secret/],
  [
    'answers without end',
    `while :; do echo leakedleakedleakedleaked; done`,
    /answered more than 65536 bytes/,
  ],
  ['is killed', 'kill -9 $$', /ended with exit code 1/],
];
for (const [what, script, problem] of bad)
  test(`a helper that ${what} is a problem, told without what it said in confidence`, async () => {
    helper('h', script);
    dockerConfig({ credHelpers: { a: 'h' } });
    const found = await find('a');
    assert.equal(found.credentials, undefined);
    assert.match(found.problems.join(), /config\.json: credHelpers\["a"\]: /);
    assert.match(found.problems.join(), problem);
    assert.ok(!inspect(found).includes('leaked'));
  });

test('a helper that is not installed is a problem for its registry, and for the doctor', async () => {
  dockerConfig({ credHelpers: { a: 'nowhere' } });
  assert.match((await find('a')).problems.join(), /docker-credential-nowhere is not in PATH/);
  assert.deepEqual((await find('b')).problems, []);
  assert.match((await sources.survey()).problems.join(), /no program docker-credential-nowhere in PATH/);
});

test('a helper that hangs is given up at its deadline or when nobody waits, with all it started', async () => {
  const pids = join(top, `${count}`, 'pids');
  helper('hung', `sleep 1000 & echo $! >> ${pids}; wait`);
  const env = { PATH: `${bin}:${process.env.PATH}` };
  const call = { env, clock: systemClock };
  await assert.rejects(askHelper('hung', 'a', { ...call, deadlineMs: 1_500 }), {
    code: 'CREDENTIAL_HELPER',
    message: /has not answered within 1\.5 s/,
  });
  const stop = new AbortController();
  const asked = askHelper('hung', 'a', { ...call, signal: stop.signal });
  stop.abort(new Error('shutting down'));
  await assert.rejects(asked, /shutting down/);
  for (const pid of readFileSync(pids, 'utf8').trim().split('\n')) await gone(Number(pid));
});

/** A killed process may still be waited for by its new parent. */
async function gone(pid: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    let state = '';
    try {
      state = /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
    } catch {
      return;
    }
    if (state === 'Z') return;
    assert.ok(Date.now() < deadline, `process ${pid} goes on`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('the header is padded base64url of what the engine wants', async () => {
  put('a.json', { registry: 'docker.io', username: 'ü?>', password: '~~??>' });
  put('b.json', { registry: 'b:5000', identityToken: 'tok' });
  for (const [registry, want] of [
    ['docker.io', { username: 'ü?>', password: '~~??>', serveraddress: 'https://index.docker.io/v1/' }],
    ['b:5000', { identitytoken: 'tok', serveraddress: 'b:5000' }],
  ] as const) {
    const { credentials } = await find(registry);
    assert.ok(credentials !== undefined);
    const header = authHeader(registry, credentials);
    assert.match(header, /^[A-Za-z0-9_-]+={0,2}$/);
    assert.equal(header.length % 4, 0);
    assert.deepEqual(JSON.parse(Buffer.from(header, 'base64url').toString()), want);
  }
});
