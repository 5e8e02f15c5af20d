import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createDockerEngine, type DockerEngine } from '../../src/docker/engine.ts';
import { type ContainerSpec, LABEL } from '../../src/model/container.ts';
import type { EngineAction, EngineEvent } from '../../src/model/ports.ts';
import { docker, ensureTinyImage, eventually, specOf } from '../fakes/engine-fixture.ts';
import { type PrivatePodman, startPodman } from '../fakes/private-podman.ts';

const base = { lane: 'test', blueprint: 'test', cause: 'test' };
const signal = new AbortController().signal;
// Podman drops the tag of an imported image.
const image = 'ce-podman/tiny:latest';
let podman: PrivatePodman;
let engine: DockerEngine;

before(async () => {
  podman = await startPodman();
  await ensureTinyImage(image, ['ENV FROM_IMAGE=1'], podman.socket);
  engine = createDockerEngine({
    endpoint: `unix://${podman.socket}`,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  });
});

after(async () => {
  await engine?.close();
  await podman?.stop();
});

const perform = (action: EngineAction) => engine.perform(action, signal);

async function create(
  spec: ContainerSpec,
  name: string,
): Promise<{ id: string; name: string; specHash: string }> {
  const labels = { ...spec.labels, [LABEL.managed]: 'true' };
  const made = await perform({
    ...base,
    kind: 'createContainer',
    name,
    specHash: 'h',
    spec,
    labels,
    replaces: false,
  });
  return { id: made.id ?? '', name, specHash: 'h' };
}

async function look(name: string) {
  const snapshot = await engine.snapshot({ images: [image], volumes: ['none'] }, signal);
  return snapshot.containers.find((one) => one.name === name);
}

test('podman is recognised and its version negotiated', async () => {
  const { engine: info } = await engine.snapshot({ images: [], volumes: [] }, signal);
  assert.equal(info.name, 'podman');
  assert.match(info.apiVersion, /^1\.\d+$/);
});

test('a container lives its life on podman, and events tell of it', async () => {
  const events: EngineEvent[] = [];
  const stop = new AbortController();
  const watching = engine.watch((event) => events.push(event), stop.signal);
  await eventually('connected', () => events.some((event) => event.type === 'connected'));
  const spec = specOf(image, {
    network: { mode: 'host' },
    env: { A: '1' },
    restart: { name: 'always', maxRetries: 0 },
  });
  const made = await create(spec, 'life');
  assert.equal((await look('life'))?.state, 'created');
  await perform({ ...base, kind: 'startContainer', ...made, replaces: false });
  await perform({ ...base, kind: 'startContainer', ...made, replaces: false });
  const running = await eventually('inspected', async () => {
    const seen = await look('life');
    return seen?.detail && seen;
  });
  assert.equal(running.state, 'running');
  const detail = running.detail?.spec;
  assert.equal(detail?.image, image);
  assert.equal(detail?.env.A, '1');
  assert.equal(detail?.env.FROM_IMAGE, '1');
  assert.deepEqual(detail?.limits, {});
  assert.deepEqual(detail?.network, { mode: 'host' });
  assert.deepEqual(detail?.restart, spec.restart);
  assert.equal(detail?.stopSignal, undefined);
  await perform({ ...base, kind: 'stopContainer', ...made, timeoutS: 1 });
  await perform({ ...base, kind: 'stopContainer', ...made, timeoutS: 1 });
  assert.equal((await look('life'))?.state, 'exited');
  await perform({ ...base, kind: 'unpauseContainer', ...made });
  await perform({ ...base, kind: 'removeContainer', ...made, force: false });
  await perform({ ...base, kind: 'removeContainer', ...made, force: false });
  assert.equal(await look('life'), undefined);
  for (const action of ['create', 'start', 'die', 'destroy'])
    await eventually(action, () => events.some((event) => event.action === action && event.id === made.id));
  stop.abort();
  await watching;
});

test('a killed container shows its exit code', async () => {
  const made = await create(specOf(image, { network: { mode: 'none' } }), 'killed');
  await perform({ ...base, kind: 'startContainer', ...made, replaces: false });
  await docker(podman.socket).kill(made.id);
  const seen = await eventually('exited', async () => {
    const one = await look('killed');
    return one?.state === 'exited' && one;
  });
  assert.equal(seen.exitCode, 137);
});

test('a network of its own is made once, attached with its aliases, and goes', async () => {
  const network = {
    mode: 'network',
    name: 'ce-net',
    aliases: ['db'],
    create: true,
    driver: 'bridge',
  } as const;
  const labels = { mark: '1' };
  await perform({ ...base, kind: 'createNetwork', name: network.name, driver: 'bridge', labels });
  await perform({ ...base, kind: 'createNetwork', name: network.name, driver: 'bridge', labels });
  const made = await create(specOf(image, { network }), 'networked');
  const { detail } = await eventually('inspected', async () => {
    const seen = await look('networked');
    return seen?.detail && seen;
  });
  assert.deepEqual(detail?.spec.network, network);
  await perform({ ...base, kind: 'removeContainer', ...made, force: true });
  await perform({ ...base, kind: 'removeNetwork', id: network.name, name: network.name });
  await perform({ ...base, kind: 'removeNetwork', id: network.name, name: network.name });
});

test('mounts come back as they were asked for', async () => {
  const mounts = [
    { type: 'bind', source: '/etc/hostname', target: '/bind-ro', readOnly: true },
    { type: 'tmpfs', target: '/t', readOnly: false, sizeBytes: 1024 * 1024 },
    { type: 'volume', source: 'ce-vol', target: '/v', readOnly: false },
  ] as const;
  await create(specOf(image, { mounts }), 'mounted');
  const seen = await eventually('inspected', async () => (await look('mounted'))?.detail);
  assert.deepEqual(seen.spec.mounts, mounts);
});

test('refusals have the same codes as on Docker', async () => {
  await assert.rejects(create(specOf('ce-podman/none:1'), 'x'), { code: 'IMAGE_NOT_FOUND' });
  await create(specOf(image), 'taken');
  await assert.rejects(create(specOf(image), 'taken'), { code: 'NAME_TAKEN' });
  const lost = await create(
    specOf(image, { command: ['no-such-program'], network: { mode: 'none' } }),
    'lost',
  );
  await assert.rejects(perform({ ...base, kind: 'startContainer', ...lost, replaces: false }), {
    code: 'COMMAND_NOT_FOUND',
  });
  await assert.rejects(
    perform({ ...base, kind: 'startContainer', id: 'nobody', name: 'nobody', specHash: '', replaces: false }),
    { code: 'ENGINE_NOT_FOUND' },
  );
});
