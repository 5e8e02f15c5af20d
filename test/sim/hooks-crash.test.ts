import assert from 'node:assert/strict';
import { aside } from './aside.ts';
import { type DeploymentInput, deployment, type UpdateInput } from './blueprints.ts';
import { dieAfterEach, type Story } from './dying.ts';
import type { Harness } from './harness.ts';

const BUSY = '/data/busy';

const HOOKS: NonNullable<UpdateInput['hooks']> = {
  beforeUpdate: { exec: ['hook', 'before'] },
  afterUpdate: { exec: ['hook', 'after'] },
  onRollback: { exec: ['hook', 'back'] },
};

const STRATEGIES = ['start-first', 'stop-first', 'recreate'] as const;
type Strategy = (typeof STRATEGIES)[number];

const version = (strategy: Strategy, value: string, image = 'app:1', input: DeploymentInput = {}) =>
  deployment(
    'app',
    [
      {
        name: 'web',
        image,
        environment: { V: value },
        update: { strategy, healthyAfter: '1s', lockFile: BUSY, hooks: HOOKS },
      },
    ],
    input,
  );

const words = (sim: Harness) => sim.world.executed.map(({ command }) => command.at(-1));

async function prepare(sim: Harness, strategy: Strategy): Promise<void> {
  sim.deploy(version(strategy, '1'));
  sim.start();
  await sim.settle();
  await sim.run(3_000);
  // Busy for the first looks, and then not any more.
  sim.box('web').files.set(BUSY, { changedAt: sim.clock.now(), head: 'job 4711' });
}

/** It is busy for three seconds after the change; no container was replaced while it was. */
function free(sim: Harness): void {
  const { id } = sim.box('web');
  sim.clock.after(3_000, () => {
    assert.equal(sim.world.boxes.get(id)?.state, 'running', 'who is busy is not stopped');
    sim.world.boxes.get(id)?.files.clear();
  });
}

function storyOf(strategy: Strategy): Story {
  return {
    title: strategy,
    prepare: (sim) => prepare(sim, strategy),
    change: (sim) => {
      sim.deploy(version(strategy, '2'));
      free(sim);
    },
    check: (sim) => {
      const ran = words(sim);
      assert.equal(ran[0], 'before', 'asked before');
      assert.equal(ran.at(-1), 'after', 'told afterwards');
      assert.ok(!ran.includes('back'), 'nothing was taken back');
      assert.equal(sim.world.executed.at(-1)?.id, sim.box('web').id, 'in the new one');
      assert.ok(ran.length <= 4, `one death repeats a hook once: ${ran.join()}`);
    },
  };
}

function badStoryOf(strategy: Strategy): Story {
  return {
    title: `${strategy}, a bad version`,
    prepare: async (sim) => {
      sim.world.tag('bad:1', { ...sim.offer('bad:1'), program: () => ({ exitsAfterMs: 200, exitCode: 1 }) });
      await prepare(sim, strategy);
    },
    change: (sim) => {
      sim.directory.write('app.json', version(strategy, '2', 'bad:1'));
      free(sim);
    },
    isOver: (sim) =>
      sim.goal.met() && sim.waits('app').join() === 'RolledBack' && words(sim).at(-1) === 'back',
    check: (sim) => {
      assert.ok(!words(sim).includes('after'), 'nothing has passed its gate');
      assert.equal(sim.world.executed.at(-1)?.id, sim.box('web').id, 'in the one that serves again');
    },
  };
}

for (const strategy of STRATEGIES) {
  const story = storyOf(strategy);
  const bad = badStoryOf(strategy);
  aside(
    import.meta.url,
    `${story.title} with hooks and a lock: an agent that dies after any engine call runs each of them at least once`,
    () => dieAfterEach(story, {}),
  );
  aside(
    import.meta.url,
    `${story.title} with hooks and a lock: so does one that finds no directory afterwards`,
    () => dieAfterEach(story, { directory: 'gone' }),
  );
  aside(
    import.meta.url,
    `${bad.title} with hooks and a lock: an agent that dies after any engine call runs on-rollback at the end`,
    () => dieAfterEach(bad, {}),
  );
}
