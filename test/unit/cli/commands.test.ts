import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { dispatch } from '../../../src/cli/dispatch.ts';
import { checkClock, checkStateDir } from '../../../src/cli/doctor-machine.ts';
import { eventText } from '../../../src/cli/events.ts';
import { painterFor } from '../../../src/cli/io.ts';
import { fakeIo } from '../../fakes/io.ts';

interface Cleanup {
  after(fn: () => unknown): void;
}

async function folder(t: Cleanup, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'ce-cli-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return path;
}

async function call(argv: readonly string[], change: Parameters<typeof fakeIo>[0] = {}) {
  const { io, written } = fakeIo(change);
  return { code: await dispatch(argv, io), ...written };
}

const blueprint = (name: string, instance: object = {}, spec: object = {}) =>
  JSON.stringify({
    kind: 'DockerDeployment',
    metadata: { name },
    spec: { instances: [{ name, image: 'nginx:1.27', ...instance }], ...spec },
  });

test('no command is bad usage with the overview on standard error', async () => {
  const { code, out, err } = await call([]);
  assert.equal(code, 2);
  assert.equal(out, '');
  assert.match(err, /Commands:/);
});

test('help of a command is given even when the rest of the line is wrong', async () => {
  const { code, out } = await call(['run', '--help', '--nonsense']);
  assert.equal(code, 0);
  assert.match(out, /Usage: colonies-edge run/);
});

test('a wrong line ends with 2, a wrong configuration with 78, and JSON says which', async () => {
  assert.equal((await call(['status', '--nonsense'])).code, 2);
  const { code, err } = await call(['config', '--resync', 'soon', '--pull-lanes', '0']);
  assert.equal(code, 78);
  assert.match(err, /2 configuration problems:\n {2}--resync must .*\n {2}--pull-lanes must /);
  const json = await call(['config', '--json', '--resync', 'soon']);
  assert.equal(JSON.parse(json.out).error.code, 'CONFIG_INVALID');
});

test('config says where each value comes from', async () => {
  const { out } = await call(['config', '--json', '--node', 'gw-9'], {
    env: { COLONIES_EDGE_CONFIG: 'none', DOCKER_HOST: 'unix:///run/podman.sock' },
  });
  const settings: { flag: string; value: unknown; from: string; where: string }[] = JSON.parse(out);
  const find = (flag: string) => settings.find((setting) => setting.flag === flag);
  assert.deepEqual(find('node'), { flag: 'node', key: 'node', value: 'gw-9', from: 'flag', where: '--node' });
  assert.equal(find('docker-host')?.where, 'DOCKER_HOST');
});

test('version is printed by the command and by the flag', async () => {
  assert.match((await call(['--version'])).out, /^colonies-edge \d/);
  const facts = JSON.parse((await call(['version', '--json'])).out);
  assert.deepEqual(Object.keys(facts).sort(), ['buildDate', 'commit', 'node', 'target', 'version']);
});

test('status, plan and events say that no agent is running', async (t) => {
  const socket = join(await folder(t), 'agent.sock');
  for (const command of ['status', 'events']) {
    const { code, err } = await call([command, '--socket', socket]);
    assert.equal(code, 1, command);
    assert.match(err, /no agent is running: there is no socket/);
  }
});

test('validate finds problems with file, line, path and value, and clashes among files', async (t) => {
  const dir = await folder(t, {
    'a.json': blueprint('one', { ports: [{ container: 80, host: 8080 }] }),
    'b.json': blueprint('two', { ports: [{ container: 81, host: 8080 }], colour: 'red' }),
    'c.json': `{"kind":"DockerDeployment","metadata":{"name":"three"},\n"spec":{"instances":[\n{"name":"three","image":5}]}}`,
    'd.json': '{',
    'e.json': blueprint('one'),
    'f.json': blueprint('ff', { dependsOn: ['gg'] }),
    'g.json': blueprint('gg', { dependsOn: ['ff'] }),
  });
  const { code, out } = await call(['validate', '.'], { cwd: dir });
  assert.equal(code, 1);
  assert.match(out, /^b\.json:1: error: two: spec wants host port 8080\/tcp, as one does$/m);
  assert.match(out, /^b\.json:1: warning: two: spec\.instances\[0\]\.colour is not a known field/m);
  assert.match(out, /^c\.json:3: error: three: spec\.instances\[0\]\.image must be .*, got 5$/m);
  assert.match(out, /^d\.json:1: error: /m);
  assert.match(out, /^e\.json:1: error: one: metadata\.name must be unique; .*a\.json has /m);
  assert.match(out, /must not form a cycle: ff -> gg -> ff/);
  assert.match(out, /^6 blueprints, 5 errors, \d warnings?$/m);
});

test('validate accepts the seed blueprints, also under their overlay', async () => {
  const { code, out } = await call([
    'validate',
    'test/fixtures/seed-blueprints',
    '--overlays',
    'builtin:arrowhead',
  ]);
  assert.equal(code, 0, out);
});

test('validate keeps to the policy, and stops at a policy that is wrong', async (t) => {
  const dir = await folder(t, {
    'a.json': blueprint('one', { privileged: true }),
    'policy.yaml': 'allowPrivileged: false\n',
    'wrong.yaml': 'allowPriviledged: false\n',
  });
  const strict = await call(['validate', 'a.json', '--policy', 'policy.yaml', '--json'], { cwd: dir });
  assert.equal(strict.code, 1);
  assert.equal(JSON.parse(strict.out).findings[0].reason, 'PolicyRefused');
  const wrong = await call(['validate', 'a.json', '--policy', 'wrong.yaml'], { cwd: dir });
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /wrong\.yaml: .*allowPriviledged/);
});

test('a file that is not there and one that is empty of blueprints are told', async (t) => {
  const dir = await folder(t, { 'def.json': '{"spec":{"names":{"kind":"DockerDeployment"}}}' });
  assert.equal((await call(['validate', 'missing.json'], { cwd: dir })).code, 1);
  assert.match(
    (await call(['validate', 'def.json'], { cwd: dir })).out,
    /warning: is a blueprint definition/,
  );
});

test('a clock before the build date is suspect', () => {
  assert.equal(checkClock(Date.UTC(1970, 0, 3)).state, 'warn');
  assert.match(checkClock(0).message, /^ClockSuspect/);
  assert.equal(checkClock(Date.now()).state, 'ok');
});

test('a state directory that cannot be made is a failure with advice', async (t) => {
  const dir = await folder(t, { file: '' });
  const [check] = await checkStateDir(join(dir, 'file', 'state'));
  assert.equal(check?.state, 'fail');
  assert.match(check?.advice ?? '', /--state-dir/);
});

test('an event is one line, whatever is in it', () => {
  const { io } = fakeIo();
  const event = { seq: 1, time: '2026-01-02T03:04:05.678Z', level: 'warn', message: 'pull failed' } as const;
  const text = eventText({ ...event, container: 'a', cause: 'x\ny\u001b[2J' }, painterFor(io.out, io.env));
  assert.equal(text, '2026-01-02T03:04:05.678Z pull failed            a: x y?[2J');
});

test('colour is for terminals that want it', () => {
  const colourful = (change: Parameters<typeof fakeIo>[0]) => {
    const { io } = fakeIo(change);
    return painterFor(io.out, io.env)('red', 'x') !== 'x';
  };
  assert.equal(colourful({ isTTY: true, env: {} }), true);
  assert.equal(colourful({ isTTY: false, env: {} }), false);
  assert.equal(colourful({ isTTY: true, env: { NO_COLOR: '1' } }), false);
  assert.equal(colourful({ isTTY: true, env: { TERM: 'dumb' } }), false);
});
