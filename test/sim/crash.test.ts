import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LABEL } from '../../src/model/container.ts';
import { deployment, type InstanceInput } from './blueprints.ts';
import { Harness } from './harness.ts';

const INSTANCES: readonly InstanceInput[] = [
  { name: 'web', ports: [{ container: 80, host: 8080 }] },
  { name: 'db', image: 'db:1', volumes: [{ type: 'named', name: 'data', mountPath: '/data' }] },
];

/** What is going on when the agent dies: a state to start from, and a change that leads to engine calls. */
interface Story {
  title: string;
  prepare(sim: Harness): Promise<void>;
  change(sim: Harness): void;
}

async function deployed(sim: Harness): Promise<void> {
  sim.deploy(deployment('app', INSTANCES));
  sim.start();
  await sim.settle();
}

const STORIES: readonly Story[] = [
  {
    title: 'deploying',
    prepare: async (sim) => {
      sim.offer('late:1', { takesMs: 3_000 });
      sim.start();
      await sim.run(1_000);
    },
    change: (sim) =>
      sim.deploy(
        deployment('app', INSTANCES),
        deployment('more', [{ name: 'more-1', image: 'late:1' }], { network: { name: 'own-net' } }),
      ),
  },
  {
    title: 'healing a killed and a removed container',
    prepare: deployed,
    change: (sim) => {
      sim.byHand.kill('web');
      sim.byHand.remove('db');
    },
  },
  {
    title: 'replacing both containers',
    prepare: deployed,
    change: (sim) =>
      sim.deploy(
        deployment(
          'app',
          INSTANCES.map((instance) => ({ ...instance, environment: { V: '2' } })),
        ),
      ),
  },
  {
    title: 'scaling down',
    prepare: async (sim) => {
      sim.deploy(deployment('app', [{ name: 'many' }], { replicas: 3 }));
      sim.start();
      await sim.settle();
    },
    change: (sim) => sim.deploy(deployment('app', [{ name: 'many' }], { replicas: 2 })),
  },
  {
    title: 'going from many replicas to one',
    prepare: async (sim) => {
      sim.deploy(deployment('app', [{ name: 'many' }], { replicas: 3 }));
      sim.start();
      await sim.settle();
    },
    change: (sim) => sim.deploy(deployment('app', [{ name: 'many' }], { replicas: 1 })),
  },
  {
    title: 'deleting a blueprint',
    prepare: async (sim) => {
      await deployed(sim);
      sim.deploy(deployment('stays', [{ name: 'stays' }]));
      await sim.settle();
    },
    change: (sim) => sim.undeploy('app'),
  },
  {
    title: 'mending a network and limits',
    prepare: deployed,
    change: (sim) => {
      sim.byHand.disconnect('web', 'colonies_default');
      sim.byHand.update('db', { restart: { name: 'no', maxRetries: 0 } });
    },
  },
];

/** No story takes more engine calls than this; reaching it means that the agent never comes to rest. */
const MOST_CALLS = 80;

for (const { title, prepare, change } of STORIES)
  for (const directory of ['there', 'gone'] as const)
    test(`an agent that dies after any engine call while ${title} (directory then ${directory}) ends at the goal`, async () => {
      let survived = false;
      for (let calls = 1; !survived; calls += 1) {
        assert.ok(calls < MOST_CALLS, 'the story ends');
        survived = await dieAfter(calls, prepare, change, directory);
      }
    });

/** One run that dies after so many calls; true when the story was over before. */
async function dieAfter(
  calls: number,
  prepare: Story['prepare'],
  change: Story['change'],
  directory: 'there' | 'gone',
): Promise<boolean> {
  const sim = new Harness({ seed: calls });
  try {
    await prepare(sim);
    const volumes = [...sim.world.volumes];
    let died = false;
    sim.engine.crashAfter(calls, () => {
      died = true;
      sim.crashAgent();
    });
    change(sim);
    await sim.clock.runUntil(() => died || (sim.goal.met() && sim.status().converged), 30_000);
    if (!died) {
      sim.engine.cancelCrash();
      await sim.settle();
      return true;
    }
    await sim.run(calls % 3 === 0 ? 0 : calls * 37);
    // Without a checkpoint of the change only the directory knows of it.
    const saved = JSON.stringify(sim.store.checkpoint()?.blueprints ?? []);
    if (directory === 'gone' && knows(sim, saved)) sim.directory.takeAway();
    sim.start();
    await sim.settle();
    for (const volume of volumes) assert.ok(sim.world.volumes.has(volume), `volume ${volume} is kept`);
    assert.deepEqual(sim.world.removedVolumes, []);
    await sim.expectQuiet();
    return false;
  } catch (error) {
    throw new Error(`died after ${calls} calls: ${error}`, { cause: error });
  } finally {
    sim.close();
  }
}

/** true when the saved desired state is the one the goal asks for: every wanted hash is in it, and no other. */
function knows(sim: Harness, saved: string): boolean {
  const wanted = sim.goal.services().map((service) => service.specHash);
  const found = [...saved.matchAll(new RegExp(`"${LABEL.specHash}":"([0-9a-f]+)"`, 'g'))].map(
    (match) => match[1] ?? '',
  );
  return JSON.stringify([...new Set(found)].sort()) === JSON.stringify([...new Set(wanted)].sort());
}
