import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createDockerEngine } from '../../src/docker/engine.ts';
import { type ContainerSpec, LABEL } from '../../src/model/container.ts';
import { ensureTinyImage, specOf, sweep, uniquePrefix } from '../fakes/engine-fixture.ts';

// What the command line asks the engine itself: logs, versions, disk.
const prefix = uniquePrefix('do');
const plain = `${prefix}/plain:1`;
const base = { lane: 'test', blueprint: 'test', cause: 'test' };
const signal = new AbortController().signal;
const engine = createDockerEngine({ clock: systemClock, random: systemRandom, log: silentLogger });
let count = 0;

before(() => ensureTinyImage(plain));

after(async () => {
  await sweep(prefix);
  await engine.close();
});

async function create(spec: ContainerSpec): Promise<string> {
  const labels = { ...spec.labels, [LABEL.managed]: 'true' };
  const name = `${prefix}-${count++}`;
  const action = {
    ...base,
    kind: 'createContainer',
    name,
    specHash: 'h',
    spec,
    labels,
    replaces: false,
  } as const;
  const { id } = await engine.perform(action, signal);
  assert.ok(id);
  return id;
}

test('logs come as lines, followed until the container ends', async () => {
  const command = ['sh', '-c', 'echo out; echo err >&2; printf "h\\303\\244lf"; sleep 0.1; echo " line"'];
  const id = await create(specOf(plain, { command }));
  await engine.perform(
    { ...base, kind: 'startContainer', id, name: 'x', specHash: 'h', replaces: false },
    signal,
  );
  const seen: string[] = [];
  for await (const { stream, line } of engine.logs(id, { follow: true, signal }))
    seen.push(`${stream}: ${line}`);
  assert.deepEqual(seen.sort(), ['stderr: err', 'stdout: hälf line', 'stdout: out']);
  const last: string[] = [];
  for await (const { line } of engine.logs(id, { tail: 1, signal })) last.push(line);
  assert.equal(last.length, 1);
});

test('the command line learns version, machine, disk and its own containers', async () => {
  await engine.ping(signal);
  assert.equal((await engine.version(signal)).name, 'docker');
  const info = await engine.info(signal);
  assert.ok(info.cpus > 0 && info.memoryBytes > 0 && info.rootDir !== '');
  assert.ok((await engine.disk(signal)).imagesBytes > 0);
  const id = await create(specOf(plain, { labels: { 'test.mark': prefix } }));
  const found = await engine.findContainers({ 'test.mark': prefix, [LABEL.managed]: '' }, signal);
  assert.deepEqual(
    found.map((one) => one.id),
    [id],
  );
});
