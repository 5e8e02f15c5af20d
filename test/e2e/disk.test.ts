import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { GcReport } from '../../src/model/disk.ts';
import type { AgentUnderTest } from './support/agent.ts';
import { single } from './support/blueprints.ts';
import { Ground, WAIT } from './support/ground.ts';
import { ballast, TestRegistry } from './support/registry.ts';
import { SmallDisk } from './support/small-disk.ts';

/** The engine's data lie on a file system of this size. */
const DISK_MIB = 256;
const MIB = 2 ** 20;

const disk = new SmallDisk(mkdtempSync(join(tmpdir(), 'ce-d-')));
const ground = new Ground('dk', disk.engine.socket);
const { engine, prefix } = ground;
const registry = new TestRegistry();
const name = `${prefix}-web`;
let agent: AgentUnderTest;
let imported = '';

before(async () => {
  await registry.listen();
  await disk.start(DISK_MIB);
  await disk.reach(Number(registry.host.split(':')[1]));
  imported = await ground.plainImage();
  const flags = ['--resync', '2s', '--gc-start', '60', '--gc-target', '20', '--gc-min-age', '1s'];
  agent = await ground.startAgent({ flags });
});
after(async () => {
  await ground.close().finally(() => disk.close());
  await registry.close();
});

const blueprint = (image: string) => single(name, image, { networkMode: 'none' });

function offer(tag: string, mebibytes: number): string {
  return registry.offer(`${prefix}/web`, tag, { Cmd: WAIT }, [ballast(mebibytes * MIB, tag)]);
}

/** Brings the blueprint to an image of this many MiB; returns its reference. */
async function roll(tag: string, mebibytes = 10): Promise<string> {
  const image = offer(tag, mebibytes);
  agent.write('web.json', blueprint(image));
  await agent.until(
    async ({ converged }) => converged && (await engine.inspect(name))?.Config.Image === image,
    `${tag} runs`,
    60_000,
  );
  return image;
}

/** "tag" of every image of this test, and "imported". */
async function present(): Promise<string[]> {
  const listed: { RepoTags?: string[] }[] = await engine.call('GET', '/images/json');
  return listed
    .flatMap(({ RepoTags }) => RepoTags ?? [])
    .map((tag) => (tag === imported ? 'imported' : (tag.split(':').at(-1) ?? '')))
    .sort();
}

async function gc(...flags: string[]): Promise<GcReport> {
  const { code, stdout, stderr } = await agent.cli(
    'gc',
    '--json',
    ...flags,
    '--socket',
    agent.socket,
    '--config',
    'none',
  );
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as GcReport;
}

test('an update that cannot fit is refused with numbers, nothing is touched, and it comes when there is room', async (t) => {
  await roll('first', 1);
  const { Id } = await engine.container(name);
  const asked = registry.requests.length;
  agent.relay.reset();
  const big = offer('big', 80);
  agent.write('web.json', blueprint(big));
  const status = await agent.until(
    ({ blueprints }) => blueprints[0]?.waiting[0]?.reason === 'DiskFull',
    'it is refused',
  );
  const message = status.blueprints[0]?.waiting[0]?.message ?? '';
  t.diagnostic(message);
  assert.match(
    message,
    /big needs 3\d\d MiB \(8[0-2] MiB to load, and unpacked\), 2\d\d MiB are free on .*\/data, of which 13 MiB stay free; nothing was touched/,
  );
  assert.match(status.blueprints[0]?.waiting[0]?.nextTryAt ?? '', /^\d{4}-/);
  assert.deepEqual([...agent.relay.mutating], []);
  const loaded = registry.requests.slice(asked).filter((request) => request.includes('/blobs/'));
  assert.ok(loaded.length <= 1, `only the configuration was read: ${loaded}`);
  assert.deepEqual(
    [(await engine.container(name)).Id, (await engine.container(name)).State.Running],
    [Id, true],
  );
  await disk.resize(2 * DISK_MIB);
  await agent.until(async () => (await engine.inspect(name))?.Config.Image === big, 'it comes', 120_000);
  await roll('first', 1);
  await disk.resize(DISK_MIB);
});

test('a dry run says what would go and why the rest stays, and changes nothing', async () => {
  // The version before the present one is kept to go back to.
  await roll('second');
  await roll('third');
  await agent.until(async () => (await gc('--dry-run')).images.length === 2, 'two are out of use for long');
  const before = await present();
  agent.relay.reset();
  const { images, kept, disk: use } = await gc('--dry-run');
  assert.deepEqual(
    images.map(({ name }) => name.split(':').at(-1)),
    ['big', 'first'],
  );
  assert.match(kept.map(({ name, why }) => `${name} ${why}`).join(), /third container .*-web was made of it/);
  assert.ok(use !== undefined && use.totalBytes === DISK_MIB * MIB && use.path === disk.engine.dataDir);
  assert.deepEqual(await present(), before);
  assert.deepEqual([...agent.relay.mutating], []);
  const { stdout } = await agent.cli('gc', '--dry-run', '--socket', agent.socket, '--config', 'none');
  assert.match(stdout, /these would go, at most \d+ MiB:\n {2}image .*:big, 8\d MiB\n/);
  assert.match(stdout, /disk \d+% used, \d+ MiB free at .* \(unasked from 60% on\)/);
});

test('doctor says how full the disk is, and what the agent does about it', async () => {
  const { stdout } = await agent.cli('doctor', '--json', ...agent.flags());
  const { checks } = JSON.parse(stdout) as { checks: { name: string; message: string }[] };
  const line = checks.find((check) => check.name === 'engine disk');
  assert.match(
    line?.message ?? '',
    /GB free at .*\/data, \d+ % used; unused images go from 60 % down to 20 %$/,
  );
});

test('asked for, it removes what it may and keeps what it must', async () => {
  const free = (await gc('--dry-run')).disk?.freeBytes ?? 0;
  const report = await gc();
  assert.deepEqual(report.images.map(({ name }) => name.split(':').at(-1)).sort(), ['big', 'first']);
  assert.ok((report.disk?.freeBytes ?? 0) > free + 70 * MIB, 'there is more room');
  assert.deepEqual(await present(), ['imported', 'second', 'third']);
  const events = (await agent.events()).filter(({ message }) => message === 'image removed');
  assert.equal(events.length, 2);
  assert.match(events[0]?.cause ?? '', /unused for .*, garbage collection was asked for/);
});

test('on a full disk unused images of the agent go by themselves, and nothing else does', async () => {
  await roll('fourth');
  writeFileSync(join(disk.engine.dataDir, 'filler'), Buffer.alloc(130 * MIB, 1));
  await roll('fifth');
  await agent.until(async () => !(await present()).join().match(/second|third/), 'both are gone', 60_000);
  assert.deepEqual(await present(), ['fifth', 'fourth', 'imported']);
  const { disk: seen } = await agent.status();
  assert.deepEqual([seen?.gcStartPercent, seen?.gcTargetPercent, seen?.isCollecting], [60, 20, true]);
  const { stdout } = await agent.cli('status', '--socket', agent.socket, '--config', 'none');
  const text = stdout.replace(/\s+/g, ' ');
  assert.match(text, /disk \d+% used, .*; unused images go until it is down to 20%/);
  assert.equal((await engine.container(name)).State.Running, true);
  await agent.converged();
});
