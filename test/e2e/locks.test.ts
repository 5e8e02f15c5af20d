import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { program } from '../../build/lib/project.mjs';
import type { AgentUnderTest } from './support/agent.ts';
import { single } from './support/blueprints.ts';
import { Ground, WAIT } from './support/ground.ts';

const ground = new Ground('lock');
const { engine, prefix } = ground;
let agent: AgentUnderTest;
let image = '';

before(async () => {
  image = await ground.makeImage(`${prefix}-app:1`, [`CMD ${JSON.stringify(WAIT)}`]);
  agent = await ground.startAgent({ flags: ['--resync', '5s'] });
});
after(() => ground.close());

const cli = ([command = '', ...rest]: readonly string[]) =>
  agent.cli(command, '--socket', agent.socket, '--config', 'none', ...rest);

const of = (name: string, version: string, update: object = {}, more: object = {}) =>
  single(`${prefix}-${name}`, image, {
    environment: { VERSION: version },
    update: { healthyAfter: '1s', ...update },
    stopTimeout: '1s',
    ...more,
  });

const idOf = async (name: string) => (await engine.inspect(`${prefix}-${name}`))?.Id as string | undefined;

async function deployed(name: string, document: object): Promise<string> {
  agent.write(`${name}.json`, document);
  await agent.until(async () => (await idOf(name)) !== undefined, `${name} is made`);
  const report = async () => agent.blueprint(`${prefix}-${name}`);
  await agent.until(async () => (await report())?.phase === 'Running', `${name} runs`);
  return (await idOf(name)) ?? '';
}

async function replaced(name: string, version: string): Promise<void> {
  await agent.until(
    async () =>
      (await engine.inspect(`${prefix}-${name}`))?.Config.Env.includes(`VERSION=${version}`) === true,
    `${name} is of version ${version}`,
    60_000,
  );
}

/** Waits until the update of this blueprint is held by a lock, and gives what is said of it. */
async function locked(name: string): Promise<string> {
  const wait = async () => (await agent.blueprint(`${prefix}-${name}`))?.waiting[0];
  await agent.until(async () => (await wait())?.reason === 'UpdateLocked', `${name} is locked`);
  return (await wait())?.message ?? '';
}

test('a lock of the command line holds an update until its TTL is over, also over a restart', async () => {
  const name = `${prefix}-cli`;
  const id = await deployed('cli', of('cli', '1'));
  const begun = Date.now();
  const made = await cli(['lock', name, '--ttl', '20s', '--reason', 'shift change']);
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /is locked until/);
  agent.write('cli.json', of('cli', '2'));
  assert.match(await locked('cli'), /^locked by .+ since .+ until .+: shift change/);
  const shown = await cli(['status']);
  assert.match(
    shown.stdout.replace(/\s+/g, ' '),
    new RegExp(`locked: ${name} by .+ for .+, until .+: shift change`),
  );
  await agent.kill('SIGKILL');
  await agent.start();
  await locked('cli');
  assert.equal(await idOf('cli'), id);
  await replaced('cli', '2');
  assert.ok(Date.now() - begun >= 20_000, 'not before its time');
});

test('unlock ends it, and what is not there cannot be locked', async () => {
  await deployed('un', of('un', '1'));
  assert.equal((await cli(['lock', `${prefix}-un/${prefix}-un`])).code, 0);
  agent.write('un.json', of('un', '2'));
  await locked('un');
  assert.match((await cli(['unlock', `${prefix}-un`])).stdout, /1 lock ended/);
  await replaced('un', '2');
  const bad = await cli(['lock', `${prefix}-nobody`]);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /is not in force on this node/);
});

/** `colonies-edge lock NAME -- COMMAND`, and what it has written. */
function holder(name: string, ...command: string[]): { child: ChildProcess; ended: Promise<number | null> } {
  const args = ['lock', name, '--socket', agent.socket, '--config', 'none', '--', ...command];
  const child = spawn(process.execPath, [program, ...args], { stdio: 'ignore' });
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  return { child, ended };
}

test('a lock that a command holds ends with it: its exit code, SIGKILL, and over a restart of the agent', async () => {
  const name = `${prefix}-held`;
  await deployed('held', of('held', '1'));
  assert.equal(await holder(name, 'sh', '-c', 'exit 7').ended, 7);
  const isHeld = (status: { locks: readonly { name: string }[] }) =>
    status.locks.some((one) => one.name === name);
  await agent.until((status) => !isHeld(status), 'it has ended with the command');
  const { child, ended } = holder(name, 'sleep', '1000');
  await agent.until(isHeld, 'it is locked');
  agent.write('held.json', of('held', '2'));
  assert.match(await locked('held'), /^locked by .+ \(sleep, pid \d+\) since .+ until that ends/);
  await agent.kill('SIGKILL');
  await agent.start();
  await locked('held');
  await agent.until(
    ({ locks }) => locks.some((one) => one.name === name && one.until === undefined),
    'its holder has come back',
  );
  child.kill('SIGKILL');
  await ended;
  await replaced('held', '2');
});

test('a lock file in a mounted folder holds an update, and letting go is seen', async () => {
  const folder = ground.folder('mounted');
  const volumes = [{ type: 'bind', hostPath: folder, mountPath: '/shared' }];
  const update = { lockFile: '/shared/busy', strategy: 'stop-first' };
  const id = await deployed('file', of('file', '1', update, { volumes }));
  writeFileSync(join(folder, 'busy'), 'backup to tape\nmore\n');
  agent.write('file.json', of('file', '2', update, { volumes }));
  assert.match(await locked('file'), /-file is locked by \/shared\/busy since .+ until .+: backup to tape; /);
  assert.equal(await idOf('file'), id);
  const { locks } = await agent.status();
  assert.ok(locks.some(({ owner, reason }) => owner === '/shared/busy' && reason === 'backup to tape'));
  rmSync(join(folder, 'busy'));
  await replaced('file', '2');
});

test("a lock file in the container's own layer counts, and an operator passes over it", async () => {
  const update = { lockFile: '/tmp/busy' };
  const id = await deployed('layer', of('layer', '1', update));
  await engine.exec(id, 'sh', '-c', 'echo job 4711 > /tmp/busy');
  agent.write('layer.json', of('layer', '2', update));
  assert.match(await locked('layer'), /locked by \/tmp\/busy since .+: job 4711; .* --override-locks/);
  const answer = await cli(['retry', `${prefix}-layer`, '--override-locks']);
  assert.equal(answer.code, 0, answer.stderr);
  await replaced('layer', '2');
});
