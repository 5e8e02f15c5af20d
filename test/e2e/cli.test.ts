import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { program } from '../../build/lib/project.mjs';
import { eventually } from '../fakes/engine-fixture.ts';
import type { AgentUnderTest } from './support/agent.ts';
import { deployment, single } from './support/blueprints.ts';
import { Ground } from './support/ground.ts';
import { healed, livesOf, running } from './support/healing.ts';

const ground = new Ground('cli');
const { engine, prefix } = ground;
const name = `${prefix}-web`;
const children: ChildProcess[] = [];
let image: string;
let agent: AgentUnderTest;
let own: string[];

before(async () => {
  image = await ground.plainImage();
  const command = [
    'sh',
    '-c',
    "echo hello from inside; trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done",
  ];
  agent = await ground.startAgent({
    flags: ['--resync', '2s'],
    blueprints: { 'web.json': single('web', image, { name, command }) },
  });
  await agent.converged();
  own = ['--socket', agent.socket, '--config', 'none'];
});

after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await ground.close();
});

/** No escape sequence: what is piped is plain. */
function plain(text: string): string {
  assert.ok(!text.includes('\u001b'), JSON.stringify(text.slice(0, 200)));
  return text;
}

/** A command that goes on; `text()` is what it wrote so far. */
function follow(...args: string[]) {
  const child = spawn(process.execPath, [program, ...args], {
    env: agent.environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return { child, ended, text: () => text };
}

test('version and help end with 0', async () => {
  const version = await agent.cli('version', '--json');
  assert.equal(version.code, 0);
  assert.match(JSON.parse(version.stdout).version, /^\d+\.\d+\.\d+/);
  assert.equal((await agent.cli('--version')).code, 0);
  const help = await agent.cli('help');
  assert.equal(help.code, 0);
  for (const command of [
    'run',
    'plan',
    'status',
    'validate',
    'events',
    'rollback',
    'retry',
    'pause',
    'resume',
    'confirm-removal',
    'gc',
    'link-class',
    'logs',
    'doctor',
    'register',
    'whoami',
    'rotate-key',
    'config',
    'version',
    'help',
  ]) {
    assert.match(plain(help.stdout), new RegExp(`^ +${command}\\b`, 'm'));
    const own = await agent.cli(command, '--help');
    assert.equal(own.code, 0, command);
    assert.match(own.stdout, /colonies-edge/);
  }
});

test('a command line that is wrong ends with 2, on standard error, with a suggestion', async () => {
  for (const [args, said] of [
    [['stauts'], /did you mean status\?/],
    [['status', '--sokcet', 'x'], /did you mean --socket\?/],
    [['logs'], /needs/],
    [['run', 'extra'], /extra/],
    [[], /colonies-edge/],
  ] as const) {
    const { code, stdout, stderr } = await agent.cli(...args);
    assert.equal(code, 2, args.join(' '));
    assert.equal(stdout, '');
    assert.match(plain(stderr), said);
  }
});

test('a configuration that is wrong ends with 78 and names every fault', async () => {
  for (const command of ['run', 'plan', 'config', 'doctor']) {
    const { code, stderr } = await agent.cli(
      command,
      '--resync',
      'soon',
      '--pull-lanes',
      '0',
      '--config',
      'none',
    );
    assert.equal(code, 78, command);
    assert.match(stderr, /--resync/);
    assert.match(stderr, /--pull-lanes/);
  }
  const file = join(ground.dir, 'config.json');
  writeFileSync(file, JSON.stringify({ resinc: '1m' }));
  const { code, stderr } = await agent.cli('config', '--config', file);
  assert.equal(code, 78);
  assert.match(stderr, /did you mean resync\?/);
});

test('status: 0 when all is as wanted, 3 when not, 1 without an agent; text, JSON and one blueprint', async () => {
  const text = await agent.cli('status', ...own);
  assert.equal(text.code, 0, text.stderr);
  assert.match(plain(text.stdout), /^web +Running/m);
  for (const line of text.stdout.split('\n')) assert.ok(line.length <= 80, line);
  const json = await agent.cli('status', '--json', ...own);
  assert.equal(JSON.parse(json.stdout).blueprints[0].name, 'web');
  const one = await agent.cli('status', 'web', ...own);
  assert.equal(one.code, 0);
  assert.ok(one.stdout.includes(name));
  assert.equal((await agent.cli('status', 'wep', ...own)).code, 1);
  const nobody = await agent.cli('status', '--socket', join(ground.dir, 'nobody.sock'), '--config', 'none');
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /no agent is running/);
  agent.write('bad.json', { kind: 'DockerDeployment', metadata: { name: 'bad' }, spec: { instances: [] } });
  await agent.until(({ refusals }) => refusals.length > 0, 'the refusal is shown');
  assert.equal((await agent.cli('status', ...own)).code, 3);
  assert.equal(JSON.parse((await agent.cli('status', '--json', ...own)).stdout).converged, false);
  agent.remove('bad.json');
  await agent.converged();
});

test('plan: 0 when there is nothing to do, from the agent and offline, and not one changing call', async () => {
  const lives = await livesOf(engine, [name]);
  agent.relay.reset();
  const asked = await agent.cli('plan', ...own);
  assert.equal(asked.code, 0);
  assert.match(plain(asked.stdout), /nothing to do/);
  const offline = await agent.cli('plan', '--offline', '--json', ...agent.flags());
  assert.equal(offline.code, 0, offline.stdout);
  assert.equal(JSON.parse(offline.stdout).converged, true);
  assert.deepEqual(agent.relay.mutating, []);
  assert.deepEqual(await livesOf(engine, [name]), lives);
});

test('plan: 3 when there is something to do, says what and why, and does not do it', async () => {
  const other = ground.folder('other');
  const document = single('web', image, { name, environment: { NEW: '1' } });
  writeFileSync(join(other, 'web.json'), JSON.stringify(document));
  writeFileSync(
    join(other, 'more.json'),
    JSON.stringify(deployment('more', [{ name: `${prefix}-more`, image }])),
  );
  const lives = await livesOf(engine, [name]);
  agent.relay.reset();
  const { code, stdout } = await agent.cli('plan', ...agent.flags(), '--blueprints', other);
  assert.equal(code, 3);
  assert.match(plain(stdout), new RegExp(`create ${prefix}-more: no container exists`));
  assert.match(stdout, /spec changed/);
  assert.deepEqual(agent.relay.mutating, []);
  assert.ok(agent.relay.calls.length > 0, 'it has looked');
  assert.equal(await engine.byName(`${prefix}-more`), undefined);
  assert.deepEqual(await livesOf(engine, [name]), lives);
});

test('plan without agent, engine or state directory says what is missing and makes none', async () => {
  const state = join(ground.dir, 'no-state');
  const flags = [...agent.flags(), '--state-dir', state, '--docker-host', `unix://${ground.dir}/no.sock`];
  const { code, stderr } = await agent.cli('plan', '--offline', ...flags);
  assert.equal(code, 1);
  assert.match(stderr, /no\.sock/);
  assert.throws(() => rmSync(state), /ENOENT/);
});

test('validate: 0 for good files, 1 with file, line and path for bad ones, without engine and agent', async () => {
  const good = await agent.cli('validate', agent.blueprintDir, '--config', 'none');
  assert.equal(good.code, 0, good.stdout);
  const bad = join(ground.dir, 'bad.yaml');
  writeFileSync(
    bad,
    'kind: DockerDeployment\nmetadata:\n  name: bad\nspec:\n  instances:\n    - name: app\n      image: 5\n      restartPolicy: sometimes\n',
  );
  const { code, stdout } = await agent.cli('validate', bad, '--config', 'none');
  assert.equal(code, 1);
  assert.match(plain(stdout), /bad\.yaml:7: error: bad: spec\.instances\[0\]\.image/);
  assert.match(stdout, /bad\.yaml:8: error: bad: spec\.instances\[0\]\.restartPolicy/);
  const json = JSON.parse((await agent.cli('validate', bad, '--json', '--config', 'none')).stdout);
  assert.equal(json.valid, false);
  assert.equal(json.findings.length, 2);
  assert.equal((await agent.cli('validate', join(ground.dir, 'none.yaml'), '--config', 'none')).code, 1);
});

test('events: what the agent did, newest last, as text and as lines of JSON', async () => {
  const text = await agent.cli('events', ...own);
  assert.equal(text.code, 0);
  assert.match(plain(text.stdout), new RegExp(`container started +${name}`));
  const { stdout } = await agent.cli('events', '--json', '-n', '3', ...own);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(lines.length, 3);
  assert.ok(lines[0].seq < lines[2].seq);
});

test('events -f goes on with what happens, and ends with 0 when interrupted', async () => {
  const events = follow('events', '-f', '--json', '-n', '0', ...own);
  const life = await running(engine, name);
  // It shows nothing of what was before it asked, so marks are made until one comes through.
  const makeMark = () =>
    agent.write('mark.json', single('mark', image, { environment: { MARK: Date.now() } }, { replicas: 0 }));
  const marks = setInterval(makeMark, 300);
  await eventually('it follows', () => events.text().includes('"mark"')).finally(() => clearInterval(marks));
  await engine.kill(life.id);
  await healed(engine, name, life);
  await eventually('the healing is told', () => events.text().includes('container started'));
  const lines = events
    .text()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.ok(lines.some(({ cause }) => /exited 137/.test(cause ?? '')));
  events.child.kill('SIGINT');
  assert.equal(await events.ended, 0);
  agent.remove('mark.json');
  await agent.converged();
});

test('logs: output of the containers of a blueprint, followed, and 1 for a name nobody has', async () => {
  const engineFlags = ['--docker-host', `unix://${agent.relay.path}`, '--config', 'none'];
  const { code, stdout } = await agent.cli('logs', 'web', ...engineFlags);
  assert.equal(code, 0);
  assert.match(plain(stdout), new RegExp(`^${name} \\| hello from inside$`, 'm'));
  const json = await agent.cli('logs', name, '--json', '--tail', '1', ...engineFlags);
  assert.deepEqual(JSON.parse(json.stdout), { container: name, stream: 'stdout', line: 'hello from inside' });
  assert.equal((await agent.cli('logs', 'nobody', ...engineFlags)).code, 1);
  assert.equal((await agent.cli('logs', 'web', '--tail', 'all', ...engineFlags)).code, 2);
  const logs = follow('logs', 'web', '-f', '--tail', '0', ...engineFlags);
  const life = await running(engine, name);
  await eventually('it asks the engine', () =>
    agent.relay.calls.some(({ path }) => path.includes('follow=1') || path.includes('follow=true')),
  );
  await engine.exec(life.id, 'sh', '-c', 'echo a new line > /proc/1/fd/1');
  await eventually('the new line is there', () => logs.text().includes('a new line'));
  logs.child.kill('SIGTERM');
  assert.equal(await logs.ended, 0);
});

test('status --watch piped shows each change as plain text, and ends with 0 when interrupted', async () => {
  const watch = follow('status', '--watch', ...own);
  await eventually('the first status is there', () => /^web +Running/m.test(watch.text()));
  agent.write('web2.json', single('web2', image, { name: `${prefix}-web2` }));
  await eventually('the change is there', () => /^web2 +Running/m.test(watch.text()), 30_000);
  plain(watch.text());
  watch.child.kill('SIGINT');
  assert.equal(await watch.ended, 0);
  agent.remove('web2.json');
  await agent.converged();
});

test('a reader that has seen enough is no failure', async () => {
  for (const command of ['status --watch', 'events -f', 'help']) {
    const line = `"$0" "$1" ${command} ${command === 'help' ? '' : '"$2" "$3"'} | head -n 1`;
    const piped = spawn(
      'bash',
      ['-o', 'pipefail', '-c', line, process.execPath, program, '--socket', agent.socket],
      {
        env: agent.environment(),
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    children.push(piped);
    let errors = '';
    piped.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    const ended = new Promise((resolve) => piped.once('exit', (code, signal) => resolve(code ?? signal)));
    // What goes on finds out with its next line.
    const mark = setInterval(() => agent.write('pipe.json', { kind: Date.now() }), 300);
    assert.equal(await ended, 0, `${command}: ${errors}`);
    clearInterval(mark);
    assert.equal(errors, '', command);
  }
  agent.remove('pipe.json');
  await agent.converged();
});

test('doctor: every line has a verdict, 0 on a sound machine, 1 with an engine that is not there, and advice', async () => {
  const sound = await agent.cli('doctor', '--json', ...agent.flags());
  const { checks } = JSON.parse(sound.stdout);
  assert.ok(checks.length >= 5);
  assert.equal(sound.code, checks.some(({ state }: { state: string }) => state === 'fail') ? 1 : 0);
  const sick = await agent.cli('doctor', ...agent.flags(), '--docker-host', `unix://${ground.dir}/no.sock`);
  assert.equal(sick.code, 1);
  assert.match(plain(sick.stdout), /no\.sock/);
});

test('config: each setting with its origin; the example is a valid configuration file', async () => {
  const { code, stdout } = await agent.cli('config', '--json', ...agent.flags());
  assert.equal(code, 0);
  const rows: { flag: string; value: unknown; from: string }[] = Object.values(
    JSON.parse(stdout),
  ).flat() as never;
  const node = rows.find(({ flag }) => flag === 'node');
  assert.deepEqual([node?.value, node?.from], [agent.node, 'flag']);
  const example = await agent.cli('config', '--example', '--config', 'none');
  const file = join(ground.dir, 'example.yaml');
  writeFileSync(file, example.stdout.replace(/^#(?=\w| {2})/gm, ''));
  chmodSync(file, 0o600);
  const used = await agent.cli('config', '--config', file);
  assert.equal(used.code, 0, used.stderr);
});

test('an agent that is told to stop ends with 0, and its containers go on', async () => {
  const life = await running(engine, name);
  await agent.stop();
  assert.deepEqual(await running(engine, name), life);
});
