import assert from 'node:assert/strict';
import { shortId } from '../../src/model/relay.ts';
import { type DeploymentInput, deployment, type InstanceInput } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

const PORTS = [{ container: 80, host: 8080, handover: true }];

/** A version of the service behind a relay. */
const version = (value: string, change: Partial<InstanceInput> = {}, input: DeploymentInput = {}) =>
  deployment(
    'app',
    [{ name: 'web', ports: PORTS, update: { healthyAfter: '1s' }, environment: { V: value }, ...change }],
    input,
  );

/** Folder of the one relay there is. */
function folderOf(sim: Harness): string {
  const [folder] = sim.relays.folders.keys();
  assert.ok(folder !== undefined, 'there is a relay');
  return folder;
}

/** Deploys the first version and waits until it has proved good. */
async function prepare(sim: Harness): Promise<string> {
  sim.deploy(version('1'));
  sim.start();
  await sim.settle();
  await sim.run(3_000);
  return folderOf(sim);
}

/** Longest time, in steps of 5 ms, in which a connection would not have got through, from now until `stop`. */
function watchRelay(sim: Harness, folder: string): () => number {
  let isOver = false;
  let longest = 0;
  let gap = 0;
  const look = () => {
    gap = sim.relays.serves(folder) ? 0 : gap + 5;
    longest = Math.max(longest, gap);
    if (!isOver) sim.clock.after(5, look);
  };
  look();
  return () => {
    isOver = true;
    return longest;
  };
}

simulation('a port with handover: a relay publishes it and is pointed to the container', async (sim) => {
  const folder = await prepare(sim);
  assert.deepEqual(
    sim.box('web.relay').ports.map(({ hostPort }) => hostPort),
    [8080],
  );
  assert.deepEqual(sim.box('web').ports, []);
  assert.equal(sim.relays.folders.get(folder), shortId(sim.box('web').id));
  await sim.expectQuiet();
});

simulation('a new version takes over without a moment in which nobody serves', async (sim) => {
  const folder = await prepare(sim);
  const relay = sim.box('web.relay').id;
  const gap = watchRelay(sim, folder);
  const { seq } = sim.mark();
  sim.deploy(version('2'));
  await sim.settle();
  assert.equal(gap(), 0);
  assert.equal(sim.box('web.relay').id, relay, 'the relay is not replaced with the version');
  assert.equal(sim.relays.folders.get(folder), shortId(sim.box('web').id));
  assert.deepEqual(
    sim.mutations(seq).filter((call) => call.includes('web.relay')),
    [],
  );
});

simulation('connections in use keep the old version until they are done', async (sim) => {
  const folder = await prepare(sim);
  const old = sim.box('web').id;
  sim.relays.use(old, 2);
  sim.deploy(version('2'));
  await sim.until(() => sim.relays.folders.get(folder) !== shortId(old), 'the relay goes over');
  await sim.run(20_000);
  assert.equal(sim.world.boxes.get(old)?.state, 'running');
  assert.match(
    sim.report('app').waiting[0]?.message ?? '',
    /^2 connections of web in use, for 30 s at most$/,
  );
  sim.relays.use(old, 0);
  await sim.run(1_000);
  assert.equal(sim.world.boxes.get(old), undefined);
  await sim.settle();
});

simulation('connections that never end keep the old version for the drain time only', async (sim) => {
  const ports = [{ container: 80, host: 8080, handover: { drain: '7s' } }];
  sim.deploy(version('1', { ports }));
  sim.start();
  await sim.settle();
  await sim.run(3_000);
  const folder = folderOf(sim);
  const old = sim.box('web').id;
  sim.relays.use(old, 1);
  sim.deploy(version('2', { ports }));
  await sim.until(() => sim.relays.folders.get(folder) !== shortId(old), 'the relay goes over');
  await sim.run(6_500);
  assert.equal(sim.world.boxes.get(old)?.state, 'running');
  await sim.run(1_000);
  assert.notEqual(sim.world.boxes.get(old)?.state, 'running');
  await sim.settle();
});

simulation('the drain time goes on over a death of the agent', async (sim) => {
  const folder = await prepare(sim);
  const old = sim.box('web').id;
  sim.relays.use(old, 1);
  sim.deploy(version('2'));
  await sim.until(() => sim.relays.folders.get(folder) !== shortId(old), 'the relay goes over');
  await sim.run(20_000);
  await sim.restartAgent();
  await sim.run(9_000);
  assert.equal(sim.world.boxes.get(old)?.state, 'running');
  await sim.run(2_000);
  assert.notEqual(sim.world.boxes.get(old)?.state, 'running');
  await sim.settle();
});

simulation('a version that fails its gate never becomes the target', async (sim) => {
  const folder = await prepare(sim);
  const old = sim.box('web').id;
  const gap = watchRelay(sim, folder);
  sim.world.tag('bad:1', { ...sim.offer('bad:1'), program: () => ({ exitsAfterMs: 500, exitCode: 1 }) });
  sim.directory.write('app.json', version('2', { image: 'bad:1' }));
  await sim.until(() => sim.waits('app').join() === 'RolledBack', 'it is rolled back');
  assert.equal(gap(), 0);
  assert.equal(sim.relays.folders.get(folder), shortId(old));
});

simulation('a version that crashes while the old one drains is left for the old one', async (sim) => {
  const folder = await prepare(sim);
  const old = sim.box('web').id;
  sim.relays.use(old, 1);
  sim.world.tag('late:1', { ...sim.offer('late:1'), program: () => ({ exitsAfterMs: 5_000, exitCode: 1 }) });
  sim.directory.write('app.json', version('2', { image: 'late:1' }));
  await sim.until(() => sim.relays.folders.get(folder) !== shortId(old), 'the relay goes over');
  await sim.until(() => sim.relays.folders.get(folder) === shortId(old), 'the relay goes back');
  assert.equal(sim.world.boxes.get(old)?.state, 'running');
  await sim.until(() => sim.waits('app').join() === 'RolledBack', 'it is rolled back');
  await sim.until(() => sim.relays.folders.get(folder) === shortId(old), 'it serves again');
});

simulation('a container made anew becomes the target, one started anew stays it', async (sim) => {
  const folder = await prepare(sim);
  sim.byHand.kill('web');
  await sim.settle();
  assert.equal(sim.relays.folders.get(folder), shortId(sim.box('web').id));
  sim.byHand.remove('web');
  await sim.settle();
  assert.equal(sim.relays.folders.get(folder), shortId(sim.box('web').id));
  sim.byHand.remove('web.relay');
  await sim.settle();
  assert.equal(sim.relays.serves(folder), true);
});

simulation('handover is switched on and off again with one gap each', async (sim) => {
  const plain = { ports: [{ container: 80, host: 8080 }] };
  sim.deploy(version('1', plain));
  sim.start();
  await sim.settle();
  await sim.run(3_000);
  sim.deploy(version('1'));
  await sim.settle(120_000);
  assert.equal(sim.relays.serves(folderOf(sim)), true);
  sim.deploy(version('2', plain));
  await sim.settle(120_000);
  await sim.run(2_000);
  assert.deepEqual([...sim.relays.folders.keys()], [], 'its folder is gone');
  assert.deepEqual(
    sim.box('web').ports.map(({ hostPort }) => hostPort),
    [8080],
  );
});

simulation(
  'a relay that never answers is shown and keeps an update waiting for half a minute',
  async (sim) => {
    await prepare(sim);
    const old = sim.box('web').id;
    sim.relays.isSilent = true;
    sim.byHand.kill('web.relay');
    await sim.run(1_000);
    sim.deploy(version('2'));
    await sim.run(20_000);
    assert.equal(sim.world.boxes.get(old)?.state, 'running');
    await sim.until(() => sim.world.boxes.get(old) === undefined, 'the update goes on', 60_000);
    await sim.run(1_000);
    assert.deepEqual(sim.waits('app'), ['RelayUnreachable']);
    sim.relays.isSilent = false;
    await sim.settle();
  },
);

simulation('a relay whose folder cannot be made says why', async (sim) => {
  sim.relays.refuse = 'no space left on device';
  sim.deploy(version('1'));
  sim.start();
  await sim.until(() => sim.isRunning('web'), 'the service runs');
  await sim.run(2_000);
  assert.match(sim.report('app').waiting[0]?.message ?? '', /its folder cannot be made: .*no space left/);
  sim.relays.refuse = undefined;
  await sim.settle();
});

simulation('stop-first and handover: the relay stays with what is coming', async (sim) => {
  const exclusive = {
    volumes: [{ type: 'named' as const, name: 'data', mountPath: '/data', exclusive: true }],
  };
  sim.deploy(version('1', exclusive));
  sim.start();
  await sim.settle();
  const folder = folderOf(sim);
  sim.deploy(version('2', exclusive));
  await sim.settle();
  assert.equal(sim.relays.serves(folder), true);
});
