import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LABEL } from '../../src/model/container.ts';
import { EXECUTOR_STATES } from '../fakes/colony/index.ts';
import { HOUR, MINUTE } from '../fakes/outages/profiles.ts';
import { type ColonyNode, ColonySim, seedFor } from './colony-harness.ts';

/** A blueprint of executors that any node may run. */
function executors(name: string, replicas: number, site?: string) {
  return {
    kind: 'ExecutorDeployment',
    metadata: { name, colonyname: 'dev', ...(site === undefined ? {} : { locationname: site }) },
    spec: { image: 'app:1', executorType: 'runner', replicas },
  };
}

/** Names of the executors that containers on the node are. */
function running(node: ColonyNode): string[] {
  return [...node.world.boxes.values()]
    .filter(({ state, labels }) => state === 'running' && labels[LABEL.executor] !== undefined)
    .map(({ labels }) => labels[LABEL.executor] ?? '')
    .sort();
}

function approved(sim: ColonySim): string[] {
  return sim.world
    .executors()
    .filter(({ type, state }) => type === 'runner' && state === EXECUTOR_STATES.approved)
    .map(({ name }) => name)
    .sort();
}

/** Every executor whose container runs asks for work, as it does once a minute. */
async function live(sim: ColonySim, minutes: number, isUp = () => true): Promise<void> {
  for (let minute = 0; minute < minutes; minute += 1) {
    for (const node of sim.nodes)
      for (const { name, id } of sim.world.executors())
        if (isUp() && running(node).includes(name)) await heartbeat(sim, id);
    await sim.clock.advance(MINUTE);
  }
}

async function heartbeat(sim: ColonySim, id: string): Promise<void> {
  const message = { msgtype: 'assignprocessmsg', colonyname: 'dev', timeout: -1, availablecpu: '-1m' };
  const payload = Buffer.from(JSON.stringify(message)).toString('base64');
  await sim.world.handle(
    JSON.stringify({ payloadtype: 'assignprocessmsg', payload, signature: '' }),
    undefined,
    id,
  );
}

async function colony(
  usual: number,
  names: readonly string[],
  body: (sim: ColonySim) => Promise<void>,
): Promise<void> {
  const seed = seedFor(usual);
  const sim = new ColonySim({ keepEnded: 2_000 });
  for (const name of names)
    sim.node({
      name,
      seed: seed + sim.nodes.length,
      withOwner: true,
      settings: { unlocatedPolicy: 'always' },
    });
  try {
    for (const node of sim.nodes) node.start();
    await body(sim);
  } catch (error) {
    const accounts = sim.nodes.map((node) => `${node.name}: ${node.account()}`).join('\n');
    throw new Error(`seed ${seed}: ${error}\n${accounts}`, { cause: error });
  } finally {
    sim.close();
  }
}

test('defect 7: two nodes with one executor blueprint without a place leave each other in peace', async () => {
  await colony(51, ['one', 'two'], async (sim) => {
    sim.world.addBlueprint(executors('runner', 2));
    await live(sim, 15);
    const [one, two] = sim.nodes as [ColonyNode, ColonyNode];
    const before = sim.nodes.map((node) => node.livesOfContainers());
    assert.deepEqual([running(one).length, running(two).length], [2, 2]);
    assert.deepEqual(approved(sim), [...running(one), ...running(two)].sort());
    await live(sim, 120);
    await one.restartAgent();
    await live(sim, 30);
    assert.deepEqual(
      sim.nodes.map((node) => node.livesOfContainers()),
      before,
      'no container was touched',
    );
    assert.deepEqual(approved(sim), [...running(one), ...running(two)].sort());
  });
});

test('defect 8: an executor that somebody removed is registered again, and its container stays', async () => {
  await colony(52, ['one'], async (sim) => {
    sim.world.addBlueprint(executors('runner', 2));
    await live(sim, 5);
    const [node] = sim.nodes as [ColonyNode];
    const before = node.livesOfContainers();
    const [name = ''] = running(node);
    const id = sim.world.executor(name)?.id;
    sim.world.removeExecutor(name);
    await live(sim, 30);
    assert.equal(sim.world.executor(name)?.state, EXECUTOR_STATES.approved);
    assert.equal(sim.world.executor(name)?.id, id, 'under the same key');
    assert.equal(node.livesOfContainers(), before);
  });
});

test('defect 19: executors that were swept while the node was away are revived, functions and all, and their containers stay', async () => {
  await colony(53, ['one'], async (sim) => {
    sim.world.addBlueprint(executors('runner', 3));
    await live(sim, 5);
    const [node] = sim.nodes as [ColonyNode];
    const before = node.livesOfContainers();
    const names = running(node);
    for (const minutes of [15, 50, 8 * 60]) {
      await node.way.set({ mode: 'blackHole' });
      await live(sim, minutes, () => false);
      assert.deepEqual(approved(sim), [], 'all are swept');
      await node.way.set({ mode: 'pass' });
      await live(sim, 12);
      assert.deepEqual(approved(sim), names);
      const functions = sim.world.functions().filter(({ executorName }) => names.includes(executorName));
      assert.deepEqual(
        functions.map(({ executorName, name }) => `${executorName} ${name}`).sort(),
        names.map((name) => `${name} execute`),
      );
      assert.equal(node.livesOfContainers(), before);
    }
  });
});

test('executors given up while the node is away are deregistered when it is back, after their containers', async () => {
  await colony(54, ['one'], async (sim) => {
    sim.world.addBlueprint(executors('runner', 3));
    await live(sim, 5);
    const [node] = sim.nodes as [ColonyNode];
    await node.way.set({ mode: 'refuse' });
    await live(sim, 3);
    sim.world.changeSpec('runner', (spec) => ({ ...spec, replicas: 1 }));
    await node.way.set({ mode: 'pass' });
    await live(sim, 10);
    assert.equal(running(node).length, 1);
    assert.deepEqual(approved(sim), running(node));
    await sim.clock.advance(HOUR / 60);
  });
});
