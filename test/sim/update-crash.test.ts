import { aside } from './aside.ts';
import { type DeploymentInput, deployment, type InstanceInput, type UpdateInput } from './blueprints.ts';
import { dieAfterEach, type Story } from './dying.ts';

const STRATEGIES: { title: string; instance: Partial<InstanceInput>; input?: DeploymentInput }[] = [
  { title: 'start-first', instance: {} },
  {
    title: 'start-first behind a health check',
    instance: { image: 'checked:1', healthcheck: { test: 'true' } },
  },
  { title: 'start-first of two replicas', instance: {}, input: { replicas: 2 } },
  { title: 'stop-first for a host port', instance: { ports: [{ container: 80, host: 8080 }] } },
  {
    title: 'stop-first for an exclusive volume',
    instance: { volumes: [{ type: 'named', name: 'data', mountPath: '/data', exclusive: true }] },
  },
  { title: 'recreate', instance: { update: { strategy: 'recreate' } } },
];

/** The gate is short, so that a death falls into each part of the replacement and not only into the wait. */
const QUICK: UpdateInput = { healthyAfter: '1s' };

function storyOf({ title, instance, input = {} }: (typeof STRATEGIES)[number]): Story {
  const version = (value: string) =>
    deployment(
      'app',
      [{ name: 'web', ...instance, update: { ...QUICK, ...instance.update }, environment: { V: value } }],
      input,
    );
  return {
    title,
    prepare: async (sim) => {
      sim.world.tag('checked:1', {
        ...sim.offer('checked:1'),
        program: () => ({ health: { becomes: 'healthy', afterMs: 500 } }),
      });
      sim.deploy(version('1'));
      sim.start();
      await sim.settle();
      // The first version is past its own gate.
      await sim.run(3_000);
    },
    change: (sim) => sim.deploy(version('2')),
  };
}

/** The same change, to a version that never proves good; the first version is what it ends with. */
function badStoryOf(strategy: (typeof STRATEGIES)[number]): Story {
  const { instance, input = {} } = strategy;
  const good = storyOf(strategy);
  return {
    title: `${strategy.title}, a bad version`,
    prepare: async (sim) => {
      await good.prepare(sim);
      sim.world.tag('bad:1', { ...sim.offer('bad:1'), program: () => ({ exitsAfterMs: 200, exitCode: 1 }) });
    },
    change: (sim) => {
      const { name } = deployment('app', []).metadata;
      const update = { ...QUICK, ...instance.update };
      const bad = { name: 'web', ...instance, image: 'bad:1', update };
      sim.directory.write(`${name}.json`, deployment(name, [bad], input));
    },
    isOver: (sim) => sim.goal.met() && sim.waits('app').join() === 'RolledBack',
  };
}

for (const strategy of STRATEGIES) {
  const bad = badStoryOf(strategy);
  aside(
    import.meta.url,
    `${bad.title}: an agent that dies after any engine call ends on the last good one`,
    () => dieAfterEach(bad, {}),
  );
  aside(import.meta.url, `${bad.title}: an engine that dies after any call ends on the last good one`, () =>
    dieAfterEach(bad, { who: 'engine' }),
  );
}

for (const strategy of STRATEGIES) {
  const story = storyOf(strategy);
  aside(import.meta.url, `${story.title}: an agent that dies after any engine call ends at the goal`, () =>
    dieAfterEach(story, {}),
  );
  aside(
    import.meta.url,
    `${story.title}: an agent that dies after any engine call, and finds no directory, ends at the goal`,
    () => dieAfterEach(story, { directory: 'gone' }),
  );
  aside(import.meta.url, `${story.title}: an engine that dies after any of its calls ends at the goal`, () =>
    dieAfterEach(story, { who: 'engine' }),
  );
}
