import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { relayOwner } from '../../src/docker/relay-references.ts';
import type { AgentUnderTest } from './support/agent.ts';
import { single } from './support/blueprints.ts';
import { Ground, WAIT } from './support/ground.ts';
import { PrivateRegistry } from './support/private-registry.ts';
import { ballast, TestRegistry } from './support/registry.ts';

const ground = new Ground('bw');
const { engine, prefix } = ground;
const plain = new TestRegistry();
const USER = 'edge';
const PASSWORD = 'the secret of the bandwidth';
const BYTES_PER_SECOND = 800_000;
let registry: PrivateRegistry;
let agent: AgentUnderTest;

before(async () => {
  const bridge = await engine.call('GET', '/networks/bridge');
  registry = new PrivateRegistry(ground.folder('registry'), bridge.IPAM.Config[0].Gateway);
  await registry.open(USER, PASSWORD);
  await plain.listen();
  const folder = ground.folder('registries.d');
  mkdirSync(folder, { recursive: true });
  const text = JSON.stringify({ registry: registry.host, username: USER, password: PASSWORD });
  writeFileSync(join(folder, 'test.json'), text, { mode: 0o600 });
  agent = await ground.startAgent({
    flags: ['--registries', folder, '--bandwidth', '800kB/s', '--gc-start', 'none', '--gc-min-age', '0s'],
  });
});
after(async () => {
  plain.release();
  await ground.close().finally(async () => {
    await registry?.close();
    await plain.close();
  });
});

/** Puts an image with an own layer of so many bytes into the registry with TLS, an own authority and basic auth. */
async function offer(name: string, bytes: number) {
  const auth = [USER, PASSWORD] as const;
  const layer = ballast(bytes, `${prefix}-${name}`);
  const pushed = await registry.push(`${prefix}/${name}`, '1', { Cmd: WAIT }, auth, [layer]);
  const tagged = `${pushed.name}:1`;
  const pinned = `${pushed.name}@${pushed.digest}`;
  ground.alsoRemove({ images: [tagged, pinned, pushed.id] });
  return { ...pushed, tagged, pinned };
}

/** The same from the registry that tells what it was asked for. */
function offerPlain(name: string, bytes: number): string {
  const layer = ballast(bytes, `${prefix}-${name}`);
  const reference = plain.offer(`${prefix}/${name}`, '1', { Cmd: WAIT }, [layer]);
  ground.alsoRemove({ images: [reference, ...plain.imageIds] });
  return reference;
}

const blobsOf = (name: string) =>
  plain.requests.filter((one) => one.startsWith(`GET /v2/${prefix}/${name}/blobs/`));

/** Asks for these images, each in a container of its own; seconds until all of them run. */
async function seconds(images: Readonly<Record<string, string>>): Promise<number> {
  const begun = performance.now();
  for (const [name, image] of Object.entries(images))
    agent.write(`${name}.json`, single(`${prefix}-${name}`, image));
  const isRunning = async (name: string) =>
    (await engine.inspect(`${prefix}-${name}`))?.State.Running === true;
  const all = async () => (await Promise.all(Object.keys(images).map(isRunning))).every(Boolean);
  await agent.until(all, 'all of them run', 60_000);
  return (performance.now() - begun) / 1000;
}

/** At least four fifths of the time that the bandwidth asks for; every layer came through the relay. */
async function isHeld(bytes: number, tookSeconds: number): Promise<void> {
  const relayed = agent.relay.calls.filter(({ path }) => path.includes('colonies-edge-pull'));
  assert.ok(
    relayed.some(({ path }) => path.includes('/images/create')),
    'nothing was pulled through the relay',
  );
  agent.relay.reset();
  const atLeast = (0.8 * bytes) / BYTES_PER_SECOND;
  assert.ok(tookSeconds >= atLeast, `${bytes} bytes in ${tookSeconds} s, less than ${atLeast} s`);
  assert.deepEqual((await agent.status()).warnings, []);
}

/** Every name on the engine that a relay of this node made. */
async function relayNames(): Promise<string[]> {
  const mine = `/colonies-edge-pull/${relayOwner(agent.node)}/`;
  const images: { RepoTags?: string[]; RepoDigests?: string[] }[] = await engine.call('GET', '/images/json');
  return images
    .flatMap(({ RepoTags, RepoDigests }) => [...(RepoTags ?? []), ...(RepoDigests ?? [])])
    .filter((name) => name.includes(mine));
}

test('a pull from a private registry takes what the bandwidth asks for, and leaves only its true names', async () => {
  const { tagged, pinned } = await offer('timed', 2_000_000);
  await isHeld(2_000_000, await seconds({ timed: tagged }));
  await agent.until(async () => (await relayNames()).length === 0, 'no name of the relay is left');
  const image = await engine.call('GET', `/images/${tagged}/json`);
  assert.deepEqual([image.RepoTags, image.RepoDigests], [[tagged], [pinned]]);
});

test('an image by its digest is held to it, and carries the digest', async () => {
  const { pinned } = await offer('pinned', 700_000);
  await isHeld(700_000, await seconds({ pinned }));
  await agent.until(async () => (await relayNames()).length === 0, 'no name of the relay is left');
  const image = await engine.call('GET', `/images/${pinned}/json`);
  assert.deepEqual(image.RepoDigests, [pinned]);
});

test('two pulls at the same time share it, and no blob is loaded twice', async () => {
  const images = { one: offerPlain('one', 1_000_000), two: offerPlain('two', 1_000_000) };
  await isHeld(2_000_000, await seconds(images));
  for (const name of ['one', 'two']) {
    const asked = blobsOf(name);
    assert.equal(new Set(asked).size, asked.length, asked.join(', '));
  }
});

test('a layer whose connection breaks goes on where it was', async () => {
  plain.cuts = { overBytes: 500_000, times: 1 };
  await seconds({ cut: offerPlain('cut', 600_000) });
  assert.equal(plain.cuts.times, 0, 'a connection was cut');
  assert.match(blobsOf('cut').join('\n'), / bytes=[1-9]\d*-/);
});

test('what the registry refuses is said of it as without a bandwidth', async () => {
  const name = `${prefix}-refused`;
  const said = async (image: string, reason: string, message: RegExp) => {
    agent.write('refused.json', single(name, image));
    const isSaid = async () => {
      const waiting = (await agent.blueprint(name))?.waiting[0];
      return waiting?.reason === reason && message.test(waiting.message);
    };
    await agent.until(isSaid, `${reason} is said: ${message}`);
    assert.ok(!agent.log.includes('colonies-edge-pull'), 'a name of the relay is shown');
  };
  await said(`${registry.host}/${prefix}/timed:never`, 'ImageNotFound', /has no .*timed:never: push it/);
  const { pinned, digest } = await offer('damaged', 1_000);
  registry.damage(digest);
  await said(pinned, 'DigestMismatch', /is not what .* asks for/);
  agent.remove('refused.json');
});

test('an agent that is killed in the middle of a pull brings it to its end afterwards, and leaves nothing', async () => {
  agent.write('killed.json', single(`${prefix}-killed`, offerPlain('killed', 500_000)));
  await agent.until(() => blobsOf('killed').length > 0, 'the pull is under way');
  await agent.kill('SIGKILL');
  await agent.start();
  await seconds({ killed: `${plain.host}/${prefix}/killed:1` });
  await agent.until(async () => (await relayNames()).length === 0, 'no name of the relay is left');
});

test('a name that a killed agent has left goes at the next start; the image stays', async () => {
  const reference = offerPlain('left', 1_000);
  await seconds({ left: reference });
  await agent.kill('SIGKILL');
  const left = `127.0.0.1:1/colonies-edge-pull/${relayOwner(agent.node)}/0123456789abcdef`;
  await engine.call('POST', `/images/${reference}/tag?repo=${encodeURIComponent(left)}&tag=1`);
  assert.equal((await relayNames()).length, 1);
  await agent.start();
  await agent.until(async () => (await relayNames()).length === 0, 'the name is gone');
  assert.deepEqual((await engine.call('GET', `/images/${reference}/json`)).RepoTags, [reference]);
});

test('garbage collection removes an image that was pulled so', async () => {
  const reference = offerPlain('gone', 1_000);
  await seconds({ gone: reference });
  agent.remove('gone.json');
  await agent.until(async () => (await engine.inspect(`${prefix}-gone`)) === undefined, 'it is gone');
  const isGone = async () => {
    await agent.cli('gc', '--socket', agent.socket, '--config', 'none');
    const images: { RepoTags?: string[] }[] = await engine.call('GET', '/images/json');
    return !images.some(({ RepoTags }) => RepoTags?.includes(reference));
  };
  await agent.until(isGone, 'the image is gone');
  await agent.stop();
});
