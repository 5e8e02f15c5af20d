import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { AgentUnderTest } from './support/agent.ts';
import { single } from './support/blueprints.ts';
import { Ground, WAIT } from './support/ground.ts';

const ground = new Ground('hook');
const { engine, prefix } = ground;
let agent: AgentUnderTest;
let image = '';
let hooksDir = '';
let notes = '';

before(async () => {
  image = await ground.makeImage(`${prefix}-app:1`, [`CMD ${JSON.stringify(WAIT)}`]);
  hooksDir = ground.folder('hooks');
  notes = join(ground.folder('notes'), 'notes');
  agent = await ground.startAgent({
    flags: ['--resync', '5s', '--hooks-dir', hooksDir],
    env: { COLONIES_PRVKEY: '11'.repeat(32) },
  });
});
after(() => ground.close());

/** An executable of the hooks directory. */
function executable(name: string, script: string): void {
  writeFileSync(join(hooksDir, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(hooksDir, name), 0o755);
}

const of = (name: string, version: string, update: object, more: object = {}) =>
  single(`${prefix}-${name}`, image, {
    environment: { VERSION: version },
    update: { healthyAfter: '1s', ...update },
    stopTimeout: '1s',
    ...more,
  });

async function deployed(name: string, document: object): Promise<string> {
  agent.write(`${name}.json`, document);
  await agent.until(async () => (await idOf(name)) !== undefined, `${name} is made`);
  const report = async () => agent.blueprint(`${prefix}-${name}`);
  await agent.until(async () => (await report())?.phase === 'Running', `${name} runs`);
  return (await idOf(name)) ?? '';
}

const idOf = async (name: string) => (await engine.inspect(`${prefix}-${name}`))?.Id as string | undefined;

const isVersion = async (name: string, version: string) =>
  (await engine.inspect(`${prefix}-${name}`))?.Config.Env.includes(`VERSION=${version}`) === true;

const waitOf = async (name: string) => (await agent.blueprint(`${prefix}-${name}`))?.waiting[0];

async function holds(name: string, reason: string, message: RegExp): Promise<void> {
  await agent.until(async () => (await waitOf(name))?.reason === reason, `${name} waits: ${reason}`);
  assert.match((await waitOf(name))?.message ?? '', message);
}

test('before-update in the container holds the update while it fails, and lets go when it passes', async () => {
  const hooks = {
    beforeUpdate: { exec: ['sh', '-c', 'echo "from $COLONIES_FROM_IMAGE"; test -e /tmp/ready'] },
    afterUpdate: { exec: ['sh', '-c', 'echo "$COLONIES_HOOK $COLONIES_CONTAINER" > /tmp/after'] },
  };
  const id = await deployed('exec', of('exec', '1', { hooks }));
  agent.write('exec.json', of('exec', '2', { hooks }));
  await holds(
    'exec',
    'HookFailed',
    new RegExp(`^before-update hook \\(exec sh\\) failed with exit code 1: from ${image}$`),
  );
  assert.equal(await idOf('exec'), id);
  await engine.exec(id, 'touch', '/tmp/ready');
  await agent.cli('retry', '--socket', agent.socket, '--config', 'none', `${prefix}-exec`);
  await agent.until(() => isVersion('exec', '2'), 'the new version is there', 60_000);
  await agent.until(
    async () => (await engine.exec(`${prefix}-exec`, 'test', '-e', '/tmp/after')).code === 0,
    'the after-update hook has run in it',
  );
  const { output } = await engine.exec(`${prefix}-exec`, 'cat', '/tmp/after');
  assert.equal(output.trim(), `after-update ${prefix}-exec`);
  assert.notEqual(await idOf('exec'), id);
});

test('a program that is not in the container is a hook that failed', async () => {
  const hooks = { beforeUpdate: { exec: ['/no/such/program'] } };
  const id = await deployed('none', of('none', '1', { hooks }));
  agent.write('none.json', of('none', '2', { hooks }));
  await holds('none', 'HookFailed', /before-update hook \(exec \/no\/such\/program\) .*no such file/);
  assert.equal(await idOf('none'), id);
});

test('a command in the container that does not end in time has failed, with what it had said', async () => {
  const hooks = { beforeUpdate: { exec: ['sh', '-c', 'echo begun; exec sleep 1000'], timeout: '1s' } };
  const id = await deployed('late', of('late', '1', { hooks }));
  agent.write('late.json', of('late', '2', { hooks }));
  await holds(
    'late',
    'HookFailed',
    /\(exec sh\) did not end within 1 s \(it may still run in the container\): begun$/,
  );
  assert.equal(await idOf('late'), id);
  agent.remove('late.json');
  await agent.until(async () => (await idOf('late')) === undefined, 'it is gone');
});

test('an executable that does not end in time goes with all it has started, and the update waits', async () => {
  const hooks = { beforeUpdate: { run: 'slow', timeout: '1s' } };
  executable('slow', `echo begun; sleep 1000 & echo $! > ${notes}.pid; wait`);
  const id = await deployed('slow', of('slow', '1', { hooks }));
  agent.write('slow.json', of('slow', '2', { hooks }));
  await holds('slow', 'HookFailed', /\(run slow\) did not end within 1 s \(it was ended\): begun$/);
  const pid = readFileSync(`${notes}.pid`, 'utf8').trim();
  await agent.until(() => !existsSync(`/proc/${pid}`), 'its child has ended');
  assert.equal(await idOf('slow'), id);
  agent.remove('slow.json');
  await agent.until(async () => (await idOf('slow')) === undefined, 'it is gone');
});

test('an executable is run with the facts and without secrets; others must not have been able to write it', async () => {
  const hooks = { beforeUpdate: { run: 'note' }, afterUpdate: { run: 'note' } };
  executable('note', `env >> ${notes}; echo ==== >> ${notes}`);
  chmodSync(join(hooksDir, 'note'), 0o757);
  await deployed('run', of('run', '1', { hooks }));
  agent.write('run.json', of('run', '2', { hooks }));
  await holds('run', 'HookFailed', /note can be changed by others: chmod go-w/);
  chmodSync(join(hooksDir, 'note'), 0o755);
  await agent.cli('retry', '--socket', agent.socket, '--config', 'none', `${prefix}-run`);
  await agent.until(() => isVersion('run', '2'), 'the new version is there', 60_000);
  await agent.until(() => readFileSync(notes, 'utf8').split('====').length === 3, 'both have run');
  const text = readFileSync(notes, 'utf8');
  assert.match(text, /COLONIES_HOOK=before-update/);
  assert.match(text, /COLONIES_HOOK=after-update/);
  assert.match(text, new RegExp(`COLONIES_BLUEPRINT=${prefix}-run`));
  assert.ok(!text.includes('PRVKEY'), 'no key of the agent');
});

test('on-rollback runs in the container that serves again', async () => {
  const update = { healthyAfter: '5s', hooks: { onRollback: { exec: ['touch', '/tmp/back'] } } };
  const id = await deployed('back', of('back', '1', update));
  const isKnown = () =>
    ['a', 'b'].some((side) => {
      const file = join(agent.stateDir, `rollouts.${side}`);
      return existsSync(file) && readFileSync(file, 'utf8').includes(`${prefix}-back`);
    });
  await agent.until(isKnown, 'it has proved good', 60_000);
  agent.write('back.json', of('back', '2', update, { command: ['sh', '-c', 'sleep 0.2; exit 1'] }));
  await agent.until(async () => (await waitOf('back'))?.reason === 'RolledBack', 'it is rolled back', 90_000);
  await agent.until(
    async () => (await engine.exec(id, 'test', '-e', '/tmp/back')).code === 0,
    'the hook has run in it',
    60_000,
  );
  const events = await agent.events();
  assert.equal(events.filter(({ cause }) => cause?.startsWith('it serves again')).length, 1);
});
