import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { tarOf } from '../../build/tiny-image.mjs';
import type { AgentUnderTest } from './support/agent.ts';
import { single } from './support/blueprints.ts';
import { Ground, WAIT } from './support/ground.ts';
import { TestRegistry } from './support/registry.ts';

const ground = new Ground('pr');
const { engine, prefix } = ground;
const registry = new TestRegistry();
let agent: AgentUnderTest;

before(async () => {
  await registry.listen();
  agent = await ground.startAgent();
});
after(async () => {
  registry.release();
  await ground.close();
  await registry.close();
});

/** A layer of some megabytes that only this image has. */
function bigLayer(text: string): Buffer {
  return tarOf([{ path: `big-${text}`, content: text.repeat(4_000_000 / text.length) }]);
}

function offer(name: string, text: string): string {
  const reference = registry.offer(`${prefix}/${name}`, '1', { Cmd: WAIT }, [bigLayer(text)]);
  ground.alsoRemove({ images: [reference, ...registry.imageIds] });
  return reference;
}

const isRunning = (name: string) => async () => (await engine.inspect(name))?.State.Running === true;
const blobsOf = (name: string) =>
  registry.requests.filter((one) => one.startsWith(`GET /v2/${prefix}/${name}/blobs/`));

test('a layer whose connection breaks goes on where it was, and no other is loaded twice', async () => {
  const name = `${prefix}-cut`;
  registry.cuts = { overBytes: 2_500_000, times: 1 };
  agent.write('cut.json', single(name, offer('cut', 'abcd')));
  await agent.until(isRunning(name), 'it runs', 120_000);
  const asked = blobsOf('cut');
  const digests = new Set(asked.map((one) => one.split(' ')[1]));
  assert.equal(registry.cuts.times, 0, 'a connection was cut');
  assert.equal(digests.size, 3, 'config and two layers');
  assert.equal(asked.length, 4, `one of them is asked for again: ${asked.join(', ')}`);
  assert.match(asked.at(-1) ?? '', / bytes=[1-9]\d*-/, 'and only for its rest');
});

test('layers that an image on the engine has are not loaded again', async () => {
  const name = `${prefix}-next`;
  agent.write('next.json', single(name, offer('next', 'efgh')));
  await agent.until(isRunning(name), 'it runs', 60_000);
  assert.equal(blobsOf('next').length, 2, 'its config and its own layer');
  await agent.stop();
});
