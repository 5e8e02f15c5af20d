import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../../build/lib/run.mjs';
import { eventually } from '../fakes/engine-fixture.ts';
import type { AgentUnderTest } from './support/agent.ts';
import { deployment, single } from './support/blueprints.ts';
import { Ground } from './support/ground.ts';
import { healed, livesOf, running } from './support/healing.ts';

const ground = new Ground('live');
const { engine, prefix } = ground;
const names = [`${prefix}-a`, `${prefix}-b`];
const [first = ''] = names;
const mounted = new Set<string>();
let image: string;
let agent: AgentUnderTest;

before(async () => {
  image = await ground.plainImage();
  agent = await ground.startAgent({ flags: ['--resync', '2s'], blueprints: { 'two.json': two({}) } });
  await agent.converged();
});

after(async () => {
  for (const path of mounted) await unmount(path);
  await ground.close();
});

function two(environment: object): Record<string, unknown> {
  return deployment(
    'two',
    names.map((name) => ({ name, image, environment })),
  );
}

/** A file system of a few pages in memory on this folder; needs root. */
async function mountSmall(path: string, size: string): Promise<void> {
  mkdirSync(path, { recursive: true });
  const options = ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', path];
  const { code, output } = await run('mount', options, { output: 'capture', deadlineMs: 10_000 });
  assert.equal(code, 0, `this test needs root and the right to mount a tmpfs: ${output}`);
  mounted.add(path);
}

async function unmount(path: string): Promise<void> {
  // Lazily: a watcher may hold the folder open.
  const { code, output } = await run('umount', ['-l', path], { output: 'capture', deadlineMs: 10_000 });
  assert.equal(code, 0, output);
  mounted.delete(path);
}

/** Waits until the container runs with a variable that begins so. */
function runsWith(name: string, variable: string): Promise<boolean> {
  return eventually(
    `${name} runs with ${variable}`,
    async () => {
      const found = await engine.inspect(name);
      const env: readonly string[] = found?.Config.Env ?? [];
      return found?.State.Running === true && env.some((text) => text.startsWith(variable));
    },
    30_000,
  );
}

test('a second agent on the same state directory refuses to start and names the first one', async () => {
  const other = ['--socket', join(ground.dir, 'other.sock')];
  const { code, stderr } = await agent.cli('run', ...agent.flags(), ...other);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`\\b${agent.pid}\\b`));
  assert.ok(stderr.includes(agent.stateDir), stderr);
  assert.ok(agent.alive);
  await agent.converged();
});

test('a second agent on the same socket refuses to start, too', async () => {
  const other = ['--state-dir', ground.folder('other-state')];
  const { code, stderr } = await agent.cli('run', ...agent.flags(), ...other);
  assert.equal(code, 1);
  assert.ok(stderr.includes(agent.socket), stderr);
  assert.ok(agent.alive);
});

test('after a power cut without directory and containers everything comes back from the checkpoint', async () => {
  const lives = await livesOf(engine, names);
  await agent.kill('SIGKILL');
  for (const { id } of lives.values()) await engine.remove(id);
  renameSync(agent.blueprintDir, `${agent.blueprintDir}.away`);
  await agent.start();
  for (const [name, life] of lives) await healed(engine, name, life);
  const status = await agent.until(({ converged }) => converged, 'it says so');
  assert.equal(status.checkpoint.state, 'loaded');
  assert.equal(status.source.state, 'away');
  assert.match(status.source.lastError ?? '', /blueprints/);
  renameSync(`${agent.blueprintDir}.away`, agent.blueprintDir);
  await agent.until(({ source }) => source.state === 'ok', 'the directory is back');
  assert.deepEqual(await agent.quiet(), []);
});

test('a directory that is moved away changes nothing, and what dies is healed', async () => {
  const lives = await livesOf(engine, names);
  renameSync(agent.blueprintDir, `${agent.blueprintDir}.away`);
  await agent.until(({ source }) => source.state === 'away', 'the loss is noticed');
  assert.deepEqual(await agent.quiet(), []);
  assert.deepEqual(await livesOf(engine, names), lives);
  const life = await running(engine, first);
  await engine.remove(life.id);
  await healed(engine, first, life);
  renameSync(`${agent.blueprintDir}.away`, agent.blueprintDir);
  await agent.until(({ source }) => source.state === 'ok', 'the directory is back');
});

test('when the newest checkpoint is damaged the one before is used, and the status says so', async () => {
  for (const V of ['1', '2']) {
    agent.write('two.json', two({ V }));
    await runsWith(first, `V=${V}`);
    await agent.converged();
  }
  await agent.kill('SIGKILL');
  renameSync(agent.blueprintDir, `${agent.blueprintDir}.away`);
  const slots = readdirSync(agent.stateDir).filter((file) => /^checkpoint\.[ab]$/.test(file));
  assert.equal(slots.length, 2, slots.join());
  const byAge = slots
    .map((file) => join(agent.stateDir, file))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  const [newest = ''] = byAge;
  const bytes = readFileSync(newest);
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
  writeFileSync(newest, bytes);
  await agent.start();
  const status = await agent.until(
    ({ checkpoint }) => checkpoint.state === 'loaded',
    'the older one is in force',
  );
  assert.match(status.checkpoint.note ?? '', /checkpoint\.[ab]/);
  await runsWith(first, 'V=1');
  renameSync(`${agent.blueprintDir}.away`, agent.blueprintDir);
  await runsWith(first, 'V=2');
  await agent.converged();
});

test('when both checkpoints are damaged nothing is known, and nothing is touched', async () => {
  await agent.stop();
  renameSync(agent.blueprintDir, `${agent.blueprintDir}.away`);
  for (const file of readdirSync(agent.stateDir).filter((name) => name.startsWith('checkpoint.')))
    writeFileSync(join(agent.stateDir, file), 'nonsense');
  const lives = await livesOf(engine, names);
  await agent.start();
  const status = await agent.until(
    ({ checkpoint }) => checkpoint.state === 'failed',
    'it says that it has none',
  );
  assert.equal(status.converged, false);
  assert.deepEqual(await agent.quiet(), []);
  assert.deepEqual(await livesOf(engine, names), lives);
  renameSync(`${agent.blueprintDir}.away`, agent.blueprintDir);
  await agent.converged();
  assert.deepEqual(await livesOf(engine, names), lives);
});

test('a file that becomes invalid keeps its last valid version in force, and the status says what is wrong', async () => {
  const lives = await livesOf(engine, names);
  const file = agent.write('two.json', deployment('two', [{ name: first, image: 5 }]));
  const status = await agent.until(({ refusals }) => refusals.length > 0, 'the refusal is shown');
  const [refusal] = status.refusals;
  assert.equal(refusal?.file, file);
  const [problem] = refusal?.problems ?? [];
  assert.equal(problem?.path, 'spec.instances[0].image');
  assert.equal(problem?.value, '5');
  assert.equal(status.converged, false);
  const shown = await agent.cli('status', '--socket', agent.socket);
  assert.equal(shown.code, 3);
  assert.match(shown.stdout, /spec\.instances\[0\]\.image/);
  agent.write('two.json', '{ "kind": ');
  await agent.until(
    ({ refusals }) => refusals.some(({ name }) => name === undefined),
    'the broken file is shown',
  );
  assert.deepEqual(await agent.quiet(), []);
  assert.deepEqual(await livesOf(engine, names), lives);
  // Also over a restart: the refused file is all that the directory has.
  await agent.restart();
  await agent.until(({ refusals }) => refusals.length > 0, 'the broken file is shown');
  assert.deepEqual(await livesOf(engine, names), lives);
  agent.write('two.json', two({ V: '2' }));
  await agent.converged();
  assert.deepEqual(await livesOf(engine, names), lives);
});

test('on a full state disk the agent goes on healing and deploying, and says so', async () => {
  const state = join(ground.dir, 'small');
  await mountSmall(state, '64k');
  const name = `${prefix}-full`;
  const full = await ground.startAgent({
    flags: ['--resync', '2s', '--state-dir', state],
    blueprints: { 'full.json': single('full', image, { name }) },
  });
  await full.converged();
  await agent.stop();
  writeFull(join(state, 'filler'));
  full.write('full.json', single('full', image, { name, environment: { LONG: 'x'.repeat(20_000) } }));
  const status = await full.until(
    ({ checkpoint }) => checkpoint.state === 'failed',
    'it cannot save',
    40_000,
  );
  assert.match(status.checkpoint.note ?? '', /full/);
  await runsWith(name, 'LONG=');
  const life = await running(engine, name);
  await engine.kill(life.id);
  await healed(engine, name, life);
  // Killed on the full disk it starts again all the same, from what was saved last.
  await full.kill('SIGKILL');
  await full.start();
  await full.until(({ blueprints }) => blueprints.length === 1, 'it knows its blueprint');
  await running(engine, name);
  rmSync(join(state, 'filler'));
  await full.until(({ checkpoint }) => checkpoint.state === 'saved', 'it can save again', 40_000);
  await full.converged();
  full.remove('full.json');
  await full.until(({ blueprints }) => blueprints.length === 0, 'it is gone');
  await full.stop();
  await unmount(state);
  await agent.start();
  await agent.converged();
});

/** Writes until the disk is full. */
function writeFull(path: string): void {
  assert.throws(() => {
    for (;;) writeFileSync(path, Buffer.alloc(4096), { flag: 'a' });
  }, /ENOSPC/);
}

test('a directory whose disk is unmounted is a suspected mass removal: nothing is removed until it is confirmed', async () => {
  const name = `${prefix}-disk`;
  const disk = await ground.agent({ flags: ['--resync', '2s'] });
  await mountSmall(disk.blueprintDir, '1m');
  disk.write('disk.json', single('disk', image, { name }));
  await disk.start();
  await disk.converged();
  const life = await running(engine, name);
  await unmount(disk.blueprintDir);
  const status = await disk.until(({ source }) => source.suspect !== undefined, 'it is suspected', 40_000);
  assert.match(status.source.suspect ?? '', /remove-all/);
  assert.deepEqual(await disk.quiet(), []);
  assert.deepEqual(await running(engine, name), life);
  await disk.restart();
  await disk.until(({ source }) => source.suspect !== undefined, 'it is suspected after a restart as well');
  assert.deepEqual(await running(engine, name), life);
  writeFileSync(join(disk.blueprintDir, '.remove-all'), '');
  await eventually('the container is gone', async () => (await engine.byName(name)) === undefined, 40_000);
  await disk.stop();
});

test('a directory that is emptied in place is a removal; what is left is nothing', async () => {
  agent.remove('two.json');
  await agent.until(({ blueprints }) => blueprints.length === 0, 'the blueprint is gone');
  for (const name of names) assert.equal(await engine.byName(name), undefined);
  await agent.stop();
});
