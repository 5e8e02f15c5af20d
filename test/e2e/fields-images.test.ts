import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { AgentUnderTest } from './support/agent.ts';
import { single } from './support/blueprints.ts';
import { Ground, WAIT } from './support/ground.ts';
import { TestRegistry } from './support/registry.ts';

const ground = new Ground('fi');
const { engine, prefix } = ground;
const registry = new TestRegistry();
let agent: AgentUnderTest;
let plain = '';

before(async () => {
  await registry.listen();
  plain = await ground.plainImage();
  agent = await ground.startAgent({ blueprints: { 'other.json': single(`${prefix}-other`, plain) } });
  await agent.converged();
});
after(async () => {
  registry.release();
  await ground.close();
  await registry.close();
});

/** Offers an image of this test's name; the engine forgets it at the end. */
function offer(name: string, label = 'first'): string {
  const reference = registry.offer(`${prefix}/${name}`, '1', { Cmd: WAIT, Labels: { version: label } });
  ground.alsoRemove({ images: [reference, ...registry.imageIds] });
  return reference;
}

const running = (name: string) => async () => (await engine.inspect(name))?.State.Running === true;

test('FIELDS 3.3 IfNotPresent: an image that is not there is pulled, with one line at the start and one at the end', async () => {
  const image = offer('absent');
  const name = `${prefix}-absent`;
  agent.write('absent.json', single(name, image));
  await agent.until(running(name), 'the pulled image runs');
  const events = (await agent.events()).filter(({ detail }) => detail?.includes(image) === true);
  assert.deepEqual(
    events.map(({ message }) => message),
    ['image pull started', 'image pulled'],
  );
  assert.equal(agent.log.split('\n').filter((line) => line.includes(image)).length, 2);
});

test('FIELDS 3.3 IfNotPresent: an image that is there is not asked for', async () => {
  const asked = registry.requests.length;
  const name = `${prefix}-present`;
  agent.write('present.json', single(name, `${registry.host}/${prefix}/absent:1`));
  await agent.until(running(name), 'the image that is there runs');
  assert.equal(registry.requests.length, asked);
});

test('FIELDS 3.3 Always: the newest image of this name is pulled before the container is made', async () => {
  const image = offer('always');
  const name = `${prefix}-always`;
  agent.write('always.json', single(`${name}-first`, image));
  await agent.until(running(`${name}-first`), 'the first image runs');
  agent.remove('always.json');
  await agent.until(async () => (await engine.inspect(`${name}-first`)) === undefined, 'it is gone');
  offer('always', 'second');
  agent.write('always-2.json', single(name, image, { pullPolicy: 'Always' }));
  await agent.until(running(name), 'the second image runs');
  assert.equal((await engine.container(name)).Config.Labels.version, 'second');
});

test('FIELDS 3.3 Never: an absent image is a condition and no pull', async () => {
  const asked = registry.requests.length;
  const name = `${prefix}-never`;
  agent.write('never.json', single(name, offer('never'), { pullPolicy: 'Never' }));
  await agent.until(({ blueprints }) => {
    const waiting = blueprints.find((report) => report.name === name)?.waiting[0];
    return waiting?.reason === 'ImageUnavailable' && /pullPolicy is Never/.test(waiting.message);
  }, 'the missing image is said');
  assert.equal(registry.requests.length, asked);
});

test('FIELDS 3.3 offline: an image that cannot be pulled is ImageUnavailable and Degraded, the others go on', async () => {
  const name = `${prefix}-offline`;
  agent.write('offline.json', single(name, '127.0.0.1:1/nobody/there:1'));
  const status = await agent.until(({ blueprints }) => {
    const report = blueprints.find((one) => one.name === name);
    return report?.phase === 'Degraded' && report.waiting[0]?.reason === 'ImageUnavailable';
  }, 'the pull has failed');
  const report = status.blueprints.find((one) => one.name === name);
  assert.match(report?.waiting[0]?.nextTryAt ?? '', /^\d{4}-/);
  assert.equal((await agent.blueprint(`${prefix}-other`))?.phase, 'Running');
});

test("FIELDS 3.3 replacement: nothing is removed until the successor's image is there", async () => {
  const name = `${prefix}-careful`;
  agent.write('careful.json', single(name, plain));
  await agent.until(running(name), 'the first version runs');
  const { Id } = await engine.container(name);
  registry.hangs = true;
  const image = offer('careful', 'slow');
  agent.write('careful.json', single(name, image));
  await agent.until(
    ({ pulls }) => pulls.some((pull) => pull.image === image && pull.state === 'running'),
    'it is pulled',
  );
  assert.deepEqual(
    [(await engine.container(name)).Id, (await engine.container(name)).State.Running],
    [Id, true],
  );
  const report = await agent.blueprint(name);
  assert.match(report?.doing.join() ?? '', /pull .*careful/);
  registry.release();
  await agent.until(
    async () => (await engine.inspect(name))?.Config.Image === image,
    'the new version is in place',
  );
});

test('FIELDS 3.3 platform: an image for another machine is a PlatformMismatch and no container', async () => {
  const name = `${prefix}-foreign`;
  agent.write('foreign.json', single(name, await ground.foreignImage()));
  await agent.until(({ blueprints }) => {
    const waiting = blueprints.find((report) => report.name === name)?.waiting[0];
    return (
      waiting?.reason === 'PlatformMismatch' &&
      /is for linux\/s390x|is for linux\/ppc64le/.test(waiting.message)
    );
  }, 'the mismatch is said');
  assert.equal(await engine.inspect(name), undefined);
});

test('FIELDS 3.3: images that are missing or wrong cause no changing call beside the pull', async () => {
  for (const file of ['offline.json']) agent.remove(file);
  await agent.until(
    ({ blueprints }) => !blueprints.some(({ name }) => name === `${prefix}-offline`),
    'it is gone',
  );
  agent.relay.reset();
  const before = (await agent.status()).counters.ticks;
  await engine.kill(`${prefix}-other`);
  await agent.until(({ counters }) => counters.ticks > before, 'it looks again');
  await agent.until(running(`${prefix}-other`), 'it is healed');
  assert.deepEqual([...agent.relay.mutating], ['POST /containers/{id}/start']);
  await agent.stop();
});
