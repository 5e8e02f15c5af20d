import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { describe, exampleFile, optionsHelp, optionsMarkdown } from '../../../src/config/describe.ts';
import { type ConfigInput, loadConfig } from '../../../src/config/load.ts';
import { optionRows } from '../../../src/config/table.ts';

const FILE = '/etc/colonies-edge/config.yaml';

/** A machine with the given files and nothing else. */
function load(input: Partial<ConfigInput> & { files?: Record<string, string> } = {}) {
  const { files = {}, ...rest } = input;
  return loadConfig({
    flags: {},
    env: {},
    cwd: '/opt/op',
    around: { hostname: 'gw-7', exists: (path) => path in files },
    readText: (path) => {
      const text = files[path];
      if (text === undefined)
        return Promise.reject(Object.assign(new Error('no such file'), { code: 'ENOENT' }));
      return Promise.resolve(text);
    },
    ...rest,
  });
}

async function problemsOf(input: Parameters<typeof load>[0]): Promise<readonly string[]> {
  const result = await load(input);
  return result.ok ? [] : result.problems;
}

async function configOf(input: Parameters<typeof load>[0]) {
  const result = await load(input);
  assert.ok(result.ok, result.ok ? '' : result.problems.join('\n'));
  return result;
}

test('a machine with nothing set gets the defaults', async () => {
  const { config, origins } = await configOf({});
  assert.equal(config.blueprints, '/etc/colonies-edge/blueprints');
  assert.equal(config.dockerHost, 'unix:///var/run/docker.sock');
  assert.equal(config.node, 'gw-7');
  assert.equal(config.location, 'default');
  assert.equal(config.policy, undefined);
  assert.equal(config.resyncMs, 60_000);
  assert.equal(config.pullStallMs, 120_000);
  assert.deepEqual([config.pullLanes, config.actionLanes], [2, 8]);
  assert.equal(config.unlocatedPolicy, 'always');
  assert.deepEqual(origins.node, { from: 'default', name: '' });
});

test('windows are separated by ";", as a comma separates days and times', async () => {
  const { config, origins } = await configOf({
    flags: { 'update-windows': ['Mon-Fri 22:00-05:00; Sat,Sun', 'daily 12:00-13:00 UTC'] },
    env: { COLONIES_EDGE_DOWNLOAD_WINDOWS: 'Sat,Sun 01:00-02:00' },
  });
  const shown = describe(config, origins).filter(({ flag }) => flag.endsWith('-windows'));
  assert.deepEqual(
    shown.map(({ value }) => value),
    [['Sat,Sun 01:00-02:00'], ['Mon-Fri 22:00-05:00', 'Sat,Sun 00:00-24:00', 'daily 12:00-13:00 UTC']],
  );
  const inFile = { [FILE]: 'updateWindows: [Mon 01:00-02:00]\ndownloadWindows: [1, Sat]\n' };
  assert.deepEqual(await problemsOf({ files: inFile }), [
    `${FILE}: downloadWindows must be a list of strings, got [1,"Sat"]`,
  ]);
  assert.match(
    (await problemsOf({ flags: { 'update-windows': ['Mon-Fri 22-5'] } })).join(),
    /^--update-windows must give times as HH:MM-HH:MM .* "22-5" is none, got \["Mon-Fri 22-5"\]$/,
  );
  assert.deepEqual((await configOf({})).config.updateWindows, []);
});

test('the thresholds of the disk are percentages, and the target lies below the start', async () => {
  const { config } = await configOf({});
  assert.deepEqual([config.gcStartPercent, config.gcTargetPercent, config.gcMinAgeMs], [85, 75, 3_600_000]);
  const files = { [FILE]: 'gcStart: none\ngcTarget: 90%\ngcMinAge: 0s\n' };
  const { config: other } = await configOf({ files });
  assert.deepEqual([other.gcStartPercent, other.gcTargetPercent, other.gcMinAgeMs], [undefined, 90, 0]);
  assert.match(
    (await problemsOf({ flags: { 'gc-start': ['101'] } })).join(),
    /--gc-start must be a percentage/,
  );
  assert.match(
    (await problemsOf({ flags: { 'gc-target': ['none'] } })).join(),
    /--gc-target must be a percentage/,
  );
  const problems = await problemsOf({ flags: { 'gc-start': ['70'] } });
  assert.deepEqual(problems, ['--gc-target (75) must be below --gc-start (70)']);
});

test('a flag wins over the environment, the environment over the file, the file over the default', async () => {
  const files = { [FILE]: 'node: from-file\nlocation: file-place\nnetwork: file_net\nresync: 30s\n' };
  const { config, origins } = await configOf({
    files,
    env: { COLONIES_NODE_NAME: 'from-env', COLONIES_EDGE_LOCATION: 'env-place' },
    flags: { node: ['first', 'from-flag'] },
  });
  assert.equal(config.node, 'from-flag');
  assert.equal(config.location, 'env-place');
  assert.equal(config.network, 'file_net');
  assert.equal(config.resyncMs, 30_000);
  assert.equal(config.pullLanes, 2);
  assert.deepEqual(origins.node, { from: 'flag', name: '--node' });
  assert.deepEqual(origins.location, { from: 'environment', name: 'COLONIES_EDGE_LOCATION' });
  assert.deepEqual(origins.network, { from: 'file', name: `${FILE}: network` });
});

test('the default policy is used only where it exists', async () => {
  const { config } = await configOf({ files: { '/etc/colonies-edge/policy.yaml': '' } });
  assert.equal(config.policy, '/etc/colonies-edge/policy.yaml');
});

test('two environment names for the location must agree, unless ours decides', async () => {
  const both = { COLONIES_EXECUTOR_LOCATION: 'mine-7', EXECUTOR_LOCATION_NAME: 'mine-8' };
  assert.deepEqual(await problemsOf({ env: both }), [
    'COLONIES_EXECUTOR_LOCATION and EXECUTOR_LOCATION_NAME differ ("mine-7", "mine-8"): ' +
      'unset one, or set COLONIES_EDGE_LOCATION',
  ]);
  const same = { ...both, EXECUTOR_LOCATION_NAME: 'mine-7' };
  assert.equal((await configOf({ env: same })).config.location, 'mine-7');
  assert.equal((await configOf({ env: { ...both, COLONIES_EDGE_LOCATION: 'x' } })).config.location, 'x');
});

test('an empty environment variable counts as not set', async () => {
  const { config } = await configOf({ env: { DOCKER_HOST: '', COLONIES_COLONY_NAME: '' } });
  assert.equal(config.dockerHost, 'unix:///var/run/docker.sock');
});

test('every problem is reported at once, with value and what would be right', async () => {
  const problems = await problemsOf({
    files: { [FILE]: 'nodes: x\npullLanes: 0\nbindPrefixMap: [1]\n' },
    env: { DOCKER_HOST: 'tcp://10.0.0.1:2375', COLONIES_EDGE_STATEDIR: '/x' },
    flags: { resync: ['5'], 'log-level': ['loud'] },
  });
  const expected = [
    'DOCKER_HOST must be unix:///path/to/socket; engines behind TCP or SSH are not supported, got "tcp://10.0.0.1:2375"',
    `${FILE}: bindPrefixMap must be a list of FROM=TO with two absolute paths (or an object of them in the file), got [1]`,
    '--resync must be a duration such as "90s" or "2m", from 1s to 1d, got "5"',
    `${FILE}: pullLanes must be a whole number from 1 to 16, got 0`,
    '--log-level must be one of debug, info, warn, error, got "loud"',
    `${FILE}: "nodes" is not a known key; did you mean node?`,
    'COLONIES_EDGE_STATEDIR is not a known environment variable; did you mean COLONIES_EDGE_STATE_DIR?',
  ];
  assert.deepEqual([...problems].sort(), expected.sort());
});

test('lists come from repeated flags, commas, file lists and, for prefixes, file objects', async () => {
  const flags = { overlays: ['builtin:arrowhead', 'a.yaml,/b.json'], 'bind-prefix-map': ['/opt/a=/srv/a'] };
  const fromFlags = (await configOf({ flags })).config;
  assert.deepEqual(fromFlags.overlays, ['builtin:arrowhead', '/opt/op/a.yaml', '/b.json']);
  assert.deepEqual(fromFlags.bindPrefixMap, [{ from: '/opt/a', to: '/srv/a' }]);
  const files = { [FILE]: 'overlays: [rel.yaml]\nbindPrefixMap:\n  /opt/b: /srv/b\n' };
  const fromFile = (await configOf({ files })).config;
  assert.deepEqual(fromFile.overlays, ['/etc/colonies-edge/rel.yaml']);
  assert.deepEqual(fromFile.bindPrefixMap, [{ from: '/opt/b', to: '/srv/b' }]);
});

test('a file that was asked for and is not there is a problem; without a default file there is none', async () => {
  assert.deepEqual(await problemsOf({ flags: { config: ['edge.json'] } }), [
    '/opt/op/edge.json does not exist',
  ]);
  assert.deepEqual(await problemsOf({}), []);
});

test('a file that does not parse, or holds a list, is a problem that names it', async () => {
  const [broken] = await problemsOf({ files: { '/e.json': '{' }, flags: { config: ['/e.json'] } });
  assert.match(broken ?? '', /^\/e\.json cannot be read: /);
  const [list] = await problemsOf({ files: { [FILE]: '- a\n' } });
  assert.equal(list, `${FILE} must hold keys and values, got ["a"]`);
});

test('each setting is described with its value as one would write it and where it came from', async () => {
  const { config, origins } = await configOf({ flags: { resync: ['90s'] } });
  const settings = describe(config, origins);
  assert.equal(settings.length, optionRows().length);
  assert.deepEqual(
    settings.find((setting) => setting.flag === 'resync'),
    { flag: 'resync', key: 'resync', value: '1m30s', from: 'flag', where: '--resync' },
  );
});

test('help fits 80 columns and names every option', () => {
  const help = optionsHelp(80);
  for (const line of help.split('\n')) assert.ok(line.length <= 80, line);
  for (const [, row] of optionRows()) assert.ok(help.includes(`--${row.flag} `), row.flag);
});

test('the example file loads as it stands, and with every comment sign removed', async () => {
  await configOf({ files: { [FILE]: exampleFile() } });
  const active = exampleFile()
    .replace(/^#(?! )/gm, '')
    .replace(/^# {2}/gm, '  ');
  assert.ok(Object.keys(parse(active)).length >= optionRows().length - 1);
  await configOf({ files: { [FILE]: active } });
});

test('the README shows the table as it is', () => {
  assert.ok(
    readFileSync('README.md', 'utf8').includes(optionsMarkdown()),
    'put the output of `colonies-edge config --markdown` into README.md',
  );
});
