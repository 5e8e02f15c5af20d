import { test } from 'node:test';
import { deployment, type InstanceInput } from './blueprints.ts';
import { dieAfterEach, type Story } from './dying.ts';
import type { Harness } from './harness.ts';

const INSTANCES: readonly InstanceInput[] = [
  { name: 'web', ports: [{ container: 80, host: 8080 }] },
  { name: 'db', image: 'db:1', volumes: [{ type: 'named', name: 'data', mountPath: '/data' }] },
];

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

for (const story of STORIES)
  for (const directory of ['there', 'gone'] as const)
    test(`an agent that dies after any engine call while ${story.title} (directory then ${directory}) ends at the goal`, () =>
      dieAfterEach(story, { directory }));
