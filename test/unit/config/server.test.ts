import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConfigInput, loadConfig } from '../../../src/config/load.ts';

const FILE = '/etc/colonies-edge/config.yaml';
const COLONY = { COLONIES_COLONY_NAME: 'plant' };

/** A machine of the name gw-7 with the given files and nothing else. */
function load(input: Partial<ConfigInput> & { files?: Record<string, string> } = {}) {
  const { files = {}, ...rest } = input;
  const around = { hostname: 'gw-7', exists: (path: string) => path in files };
  const readText = (path: string) => Promise.resolve(files[path] ?? '');
  return loadConfig({ flags: {}, env: {}, cwd: '/opt/op', around, readText, ...rest });
}

async function configOf(input: Parameters<typeof load>[0]) {
  const result = await load(input);
  assert.ok(result.ok, result.ok ? '' : result.problems.join('\n'));
  return result;
}

async function problemsOf(input: Parameters<typeof load>[0]): Promise<readonly string[]> {
  const result = await load(input);
  return result.ok ? [] : result.problems;
}

const ADDRESSES: readonly [string, Record<string, string>, string][] = [
  [
    'host and port',
    { COLONIES_SERVER_HOST: 'c.example', COLONIES_SERVER_PORT: '8080' },
    'http://c.example:8080',
  ],
  ['a host alone gets the usual port', { COLONIES_SERVER_HOST: 'c.example' }, 'http://c.example:50080'],
  [
    'TLS by COLONIES_TLS',
    { COLONIES_SERVER_HOST: 'c.example', COLONIES_SERVER_PORT: '443', COLONIES_TLS: 'true' },
    'https://c.example',
  ],
  [
    'TLS by COLONIES_SERVER_TLS',
    { COLONIES_SERVER_HOST: 'c.example', COLONIES_SERVER_PORT: '8443', COLONIES_SERVER_TLS: 'True' },
    'https://c.example:8443',
  ],
  [
    'the names of the client itself',
    {
      COLONIES_CLIENT_HTTP_HOST: 'c.example',
      COLONIES_CLIENT_HTTP_PORT: '8443',
      COLONIES_CLIENT_HTTP_INSECURE: 'false',
    },
    'https://c.example:8443',
  ],
  [
    'both families, agreeing',
    {
      COLONIES_SERVER_HOST: 'c.example',
      COLONIES_CLIENT_HTTP_HOST: 'c.example',
      COLONIES_SERVER_PORT: '80',
      COLONIES_CLIENT_HTTP_PORT: '80',
      COLONIES_TLS: 'false',
      COLONIES_CLIENT_HTTP_INSECURE: 'true',
    },
    'http://c.example',
  ],
  ['an IPv6 address', { COLONIES_SERVER_HOST: '2001:db8::1' }, 'http://[2001:db8::1]:50080'],
  [
    'our own URL',
    { COLONIES_EDGE_SERVER: 'https://c.example:8443/colony/' },
    'https://c.example:8443/colony',
  ],
  [
    'our own URL and names that say the same',
    { COLONIES_EDGE_SERVER: 'http://c.example:50080/', COLONIES_SERVER_HOST: 'c.example' },
    'http://c.example:50080',
  ],
];

for (const [what, env, url] of ADDRESSES)
  test(`the server is made of ${what}`, async () => {
    assert.equal((await configOf({ env: { ...env, ...COLONY } })).config.server, url);
  });

const WRONG: readonly [string, Record<string, string>, RegExp][] = [
  [
    'two addresses that differ',
    { COLONIES_EDGE_SERVER: 'https://other.example', COLONIES_SERVER_HOST: 'c.example' },
    /^COLONIES_EDGE_SERVER and COLONIES_SERVER_HOST differ \("https:..other.example", "http:..c.example:50080"\)/,
  ],
  [
    'two hosts that differ',
    { COLONIES_SERVER_HOST: 'c.example', COLONIES_CLIENT_HTTP_HOST: 'd.example' },
    /^COLONIES_SERVER_HOST and COLONIES_CLIENT_HTTP_HOST contradict each other/,
  ],
  [
    'two words on TLS that differ',
    { COLONIES_SERVER_HOST: 'c.example', COLONIES_TLS: 'true', COLONIES_CLIENT_HTTP_INSECURE: 'true' },
    /^COLONIES_TLS and COLONIES_CLIENT_HTTP_INSECURE contradict each other/,
  ],
  [
    'a port that is none',
    { COLONIES_SERVER_HOST: 'c.example', COLONIES_SERVER_PORT: '70000' },
    /^COLONIES_SERVER_PORT must be a port from 1 to 65535, got "70000"/,
  ],
  [
    'a host that is an address with a port',
    { COLONIES_SERVER_HOST: 'c.example:50080' },
    /^COLONIES_SERVER_HOST must be a host name or an address/,
  ],
  [
    'TLS in another word',
    { COLONIES_SERVER_HOST: 'c.example', COLONIES_TLS: 'yes' },
    /^COLONIES_TLS must be true or false, got "yes"/,
  ],
  [
    'a URL of another scheme',
    { COLONIES_EDGE_SERVER: 'ftp://c.example' },
    /^COLONIES_EDGE_SERVER must be a URL/,
  ],
  ['credentials in the URL', { COLONIES_EDGE_SERVER: 'http://u:p@c.example' }, /without user and query/],
];

for (const [what, env, text] of WRONG)
  test(`the server refuses ${what}`, async () => {
    const problems = await problemsOf({ env: { ...env, ...COLONY } });
    assert.equal(problems.length, 1, problems.join('\n'));
    assert.match(problems[0] ?? '', text);
  });

test('a flag wins over the names of the ecosystem, also to do without a server', async () => {
  const env = { COLONIES_SERVER_HOST: 'c.example' };
  const { config } = await configOf({
    env,
    flags: { server: ['http://127.0.0.1:1'], colony: ['plant'] },
  });
  assert.equal(config.server, 'http://127.0.0.1:1');
  assert.equal((await configOf({ env, flags: { server: ['none'] } })).config.server, undefined);
});

test('a server without a colony is refused, and names the variable to set', async () => {
  assert.deepEqual(await problemsOf({ env: { COLONIES_SERVER_HOST: 'c.example' } }), [
    'COLONIES_SERVER_HOST names a server, and no colony is set: set COLONIES_COLONY_NAME or --colony',
  ]);
});

test('a command that has nothing to do with the server does not mind a missing colony', async () => {
  const { config } = await configOf({ env: { COLONIES_SERVER_HOST: 'c.example' }, usesServer: false });
  assert.equal(config.colony, '');
});

test('the executor is named after the node, unless it has a name of its own', async () => {
  assert.equal((await configOf({})).config.executorName, 'gw-7');
  assert.equal((await configOf({ env: { COLONIES_NODE_NAME: 'pump-1' } })).config.executorName, 'pump-1');
  const env = { COLONIES_NODE_NAME: 'pump-1', COLONIES_EXECUTOR_NAME: 'plant-pump-1' };
  assert.equal((await configOf({ env })).config.executorName, 'plant-pump-1');
});

test('a colon in the executor name is refused, also when it comes from the node', async () => {
  const [given] = await problemsOf({ env: { COLONIES_EXECUTOR_NAME: 'a:b' } });
  assert.match(given ?? '', /^COLONIES_EXECUTOR_NAME must be a name without spaces and ":"/);
  const env = { ...COLONY, COLONIES_EDGE_SERVER: 'http://c.example', COLONIES_NODE_NAME: 'a:b' };
  const [made] = await problemsOf({ env });
  assert.match(made ?? '', /set COLONIES_EXECUTOR_NAME/);
  assert.deepEqual(await problemsOf({ env: { COLONIES_NODE_NAME: 'a:b' } }), []);
});

test('without a server every blueprint of the directory is taken; with one those without location are claimed', async () => {
  const alone = (await configOf({})).config;
  assert.deepEqual([alone.unlocatedPolicy, alone.blueprints], ['always', '/etc/colonies-edge/blueprints']);
  const env = { ...COLONY, COLONIES_EDGE_SERVER: 'http://c.example' };
  const linked = (await configOf({ env })).config;
  assert.deepEqual([linked.unlocatedPolicy, linked.blueprints], ['claim', undefined]);
  const both = await configOf({ env, files: { '/etc/colonies-edge/blueprints': '' } });
  assert.equal(both.config.blueprints, '/etc/colonies-edge/blueprints');
  const named = await configOf({ env, flags: { blueprints: ['/srv/b'], 'unlocated-policy': ['ignore'] } });
  assert.deepEqual([named.config.unlocatedPolicy, named.config.blueprints], ['ignore', '/srv/b']);
});

test('the key lies in the state directory, wherever that is', async () => {
  assert.equal((await configOf({})).config.keyFile, '/var/lib/colonies-edge/executor.key');
  assert.equal((await configOf({ flags: { 'state-dir': ['s'] } })).config.keyFile, '/opt/op/s/executor.key');
  assert.equal((await configOf({ flags: { 'key-file': ['/run/k'] } })).config.keyFile, '/run/k');
});

test('how often blueprints are listed goes with the link, unless it is said, also when the usual time is', async () => {
  assert.equal((await configOf({})).config.listEveryMs, undefined);
  const files = { [FILE]: 'listEvery: 5m\n' };
  assert.equal((await configOf({ files })).config.listEveryMs, 300_000);
  assert.equal((await configOf({ files, flags: { 'list-every': ['auto'] } })).config.listEveryMs, undefined);
  const tooOften = await problemsOf({ flags: { 'list-every': ['29s'] } });
  assert.match(tooOften.join(), /list-every.*from 30s to 1d, or "auto"/);
});

test('the pace has its usual values and its bounds', async () => {
  const { config } = await configOf({});
  assert.deepEqual(
    [config.linkClass, config.pollWaitMs, config.statusHeartbeatMs, config.staleAfterMs],
    ['normal', 50_000, 900_000, 600_000],
  );
  for (const wait of ['29s', '56s'])
    assert.match((await problemsOf({ flags: { 'poll-wait': [wait] } })).join(), /from 30s to 55s/);
});

test('a client certificate and its key come together', async () => {
  assert.deepEqual(await problemsOf({ flags: { 'client-cert-file': ['/c.pem'] } }), [
    '--client-cert-file needs COLONIES_EDGE_CLIENT_KEY_FILE or --client-key-file',
  ]);
  assert.deepEqual(await problemsOf({ env: { COLONIES_EDGE_CLIENT_KEY_FILE: '/k.pem' } }), [
    'COLONIES_EDGE_CLIENT_KEY_FILE needs COLONIES_EDGE_CLIENT_CERT_FILE or --client-cert-file',
  ]);
  const flags = { 'client-cert-file': ['/c.pem'], 'client-key-file': ['/k.pem'], 'ca-file': ['/ca.pem'] };
  assert.equal((await configOf({ flags })).config.clientKeyFile, '/k.pem');
});
