import assert from 'node:assert/strict';
import type { Executed } from '../fakes/engine-types.ts';
import { deployment, type InstanceInput, type UpdateInput } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

/** All three hooks, each in the container; the command says which. */
const HOOKS: NonNullable<UpdateInput['hooks']> = {
  beforeUpdate: { exec: ['hook', 'before'] },
  afterUpdate: { exec: ['hook', 'after'] },
  onRollback: { exec: ['hook', 'back'] },
};

const version = (value: string, update: UpdateInput = {}, more: Partial<InstanceInput> = {}) =>
  deployment('web', [
    {
      name: 'web',
      environment: { V: value },
      update: { healthyAfter: '1s', hooks: HOOKS, ...update },
      ...more,
    },
  ]);

/** What commands in containers come to, by version and last word. */
function program(sim: Harness, answer: (version: string, word: string) => Executed): void {
  for (const reference of ['app:1', 'app:2'])
    sim.world.tag(reference, {
      ...sim.offer(reference),
      program: ({ env }) => ({ exec: (command) => answer(env.V ?? '', command.at(-1) ?? '') }),
    });
}

async function deployed(sim: Harness, update: UpdateInput = {}): Promise<string> {
  sim.deploy(version('1', update));
  sim.start();
  await sim.settle();
  await sim.run(3_000);
  return sim.box('web').id;
}

/** Hooks that were run, as "word version", versions by the container's id at that time. */
function ran(sim: Harness): string[] {
  return sim.world.executed.map(({ command, id, env }) => {
    const value = sim.world.boxes.get(id)?.spec.env.V ?? 'gone';
    return `${command.at(-1)} ${value === 'gone' ? env.COLONIES_CONTAINER : value}`;
  });
}

for (const strategy of ['start-first', 'stop-first', 'recreate'] as const) {
  simulation(`${strategy}: before in the old one, after in the new one, each once`, async (sim) => {
    const id = await deployed(sim, { strategy });
    assert.deepEqual(ran(sim), [], 'a first version replaces nothing');
    sim.deploy(version('2', { strategy }));
    await sim.settle();
    await sim.run(60_000);
    const [before, after] = sim.world.executed;
    assert.equal(sim.world.executed.length, 2);
    assert.deepEqual([before?.command.at(-1), before?.id], ['before', id]);
    assert.deepEqual([after?.command.at(-1), after?.id], ['after', sim.box('web').id]);
    assert.equal(before?.env.COLONIES_HOOK, 'before-update');
    assert.equal(before?.env.COLONIES_CONTAINER, 'web');
    assert.equal(after?.env.COLONIES_FROM_IMAGE, 'app:1');
    assert.notEqual(after?.env.COLONIES_FROM_HASH, after?.env.COLONIES_TO_HASH);
    assert.equal(sim.status().warnings.length, 0);
    await sim.expectQuiet();
  });
}

simulation('a before-update hook that fails holds the update, until it passes', async (sim) => {
  let isFailing = true;
  program(sim, (_version, word) =>
    word === 'before' && isFailing ? { exitCode: 3, output: 'dumping\nno space for the dump\n' } : {},
  );
  const id = await deployed(sim);
  sim.deploy(version('2'));
  await sim.run(600_000);
  assert.equal(sim.box('web').id, id);
  assert.equal(sim.world.boxes.size, 1, 'nothing else was touched');
  const [waiting] = sim.report('web').waiting;
  assert.equal(waiting?.reason, 'HookFailed');
  assert.match(
    waiting?.message ?? '',
    /^before-update hook \(exec hook\) failed with exit code 3: dumping \| no space for the dump$/,
  );
  assert.ok(waiting?.nextTryAt !== undefined && (waiting.attempts ?? 0) > 5);
  assert.ok(ran(sim).length < 30, `${ran(sim).length} runs in ten minutes`);
  isFailing = false;
  await sim.settle();
  assert.equal(ran(sim).at(-1), 'after 2');
});

simulation('while a hook holds the update what dies is healed', async (sim) => {
  program(sim, (_version, word) => (word === 'before' ? { exitCode: 1 } : {}));
  const id = await deployed(sim);
  sim.deploy(version('2'));
  await sim.run(60_000);
  for (let death = 0; death < 20; death += 1) {
    sim.world.kill(sim.box('web'));
    await sim.until(() => sim.isRunning('web'), 'it is back', 15_000);
    assert.equal(sim.box('web').id, id, 'a death lets the update through');
    await sim.run(7_000);
  }
  assert.equal(sim.world.boxes.size, 1);
});

simulation('a hook that does not end in time has failed', async (sim) => {
  program(sim, (_version, word) => (word === 'before' ? { takesMs: 3_600_000, output: 'waits' } : {}));
  const id = await deployed(sim);
  const slow = { hooks: { beforeUpdate: { exec: ['hook', 'before'], timeout: '5s' } } };
  sim.deploy(version('2', slow));
  await sim.run(20_000);
  assert.equal(sim.box('web').id, id);
  assert.match(
    sim.report('web').lastError ?? '',
    /did not end within 5 s \(it may still run in the container\): waits/,
  );
});

simulation('an after-update hook that fails is shown, and changes nothing', async (sim) => {
  program(sim, (_version, word) => (word === 'after' ? { exitCode: 7, output: 'no mail' } : {}));
  await deployed(sim);
  sim.deploy(version('2'));
  await sim.settle();
  await sim.run(60_000);
  assert.deepEqual(ran(sim), ['before web', 'after 2']);
  assert.equal(sim.status().converged, true);
  assert.match(
    sim.status().warnings.join(),
    /web: after-update hook \(exec hook\) failed with exit code 7: no mail/,
  );
  const events = sim.agent.events(0).filter(({ reason }) => reason === 'HookFailed');
  assert.equal(events.length, 1);
  assert.match(events[0]?.detail ?? '', /no mail/);
});

for (const strategy of ['start-first', 'stop-first', 'recreate'] as const) {
  simulation(`${strategy}: on-rollback in the one that serves again, once, and no after`, async (sim) => {
    await deployed(sim, { strategy });
    sim.world.tag('bad:1', { ...sim.offer('bad:1'), program: () => ({ exitsAfterMs: 200, exitCode: 1 }) });
    sim.directory.write('web.json', version('2', { strategy }, { image: 'bad:1' }));
    await sim.until(() => sim.goal.met() && sim.waits('web').join() === 'RolledBack', 'it is back');
    await sim.until(() => ran(sim).length >= 2, 'the hook has run');
    await sim.run(600_000);
    const words = sim.world.executed.map(({ command }) => command.at(-1));
    assert.deepEqual(words, ['before', 'back']);
    assert.equal(sim.world.executed.at(-1)?.id, sim.box('web').id);
    assert.equal(sim.world.executed.at(-1)?.env.COLONIES_HOOK, 'on-rollback');
  });
}

simulation('onFailure pause: on-rollback runs in the old one, which goes on', async (sim) => {
  const id = await deployed(sim, { onFailure: 'pause' });
  sim.world.tag('bad:1', { ...sim.offer('bad:1'), program: () => ({ exitsAfterMs: 200, exitCode: 1 }) });
  sim.directory.write('web.json', version('2', { onFailure: 'pause' }, { image: 'bad:1' }));
  await sim.run(600_000);
  const words = sim.world.executed.map(({ command }) => command.at(-1));
  assert.deepEqual(words, ['before', 'back']);
  assert.equal(sim.world.executed.at(-1)?.id, id);
});

simulation('an executable of the hooks directory is run with the facts, and must be there', async (sim) => {
  const hooks = { beforeUpdate: { run: 'drain' }, afterUpdate: { run: 'undrain' } };
  const id = await deployed(sim, { hooks });
  sim.hooks.results.set('drain', { exitCode: 1, output: 'still 3 sessions' });
  sim.deploy(version('2', { hooks }));
  await sim.run(30_000);
  assert.equal(sim.box('web').id, id);
  assert.match(sim.report('web').lastError ?? '', /hook \(run drain\) failed with exit code 1: still 3 sess/);
  sim.hooks.results.delete('drain');
  await sim.settle();
  const last = sim.hooks.runs.at(-1);
  assert.deepEqual([last?.name, last?.env.COLONIES_HOOK], ['undrain', 'after-update']);
  assert.deepEqual([last?.env.COLONIES_BLUEPRINT, last?.env.COLONIES_REPLICA], ['web', '0']);
});

simulation(
  'each replica is asked before it goes, and an instance that did not change is not',
  async (sim) => {
    const of = (value: string) =>
      deployment('web', [{ name: 'web', environment: { V: value } }, { name: 'other' }], {
        replicas: 2,
        update: { healthyAfter: '1s', hooks: HOOKS },
      });
    sim.deploy(of('1'));
    sim.start();
    await sim.settle();
    sim.deploy(of('2'));
    await sim.settle();
    const lines = sim.world.executed.map(({ command, env }) => `${command.at(-1)} ${env.COLONIES_REPLICA}`);
    assert.deepEqual(lines, ['before 0', 'after 0', 'before 1', 'after 1']);
    assert.ok(sim.world.executed.every(({ env }) => env.COLONIES_INSTANCE === 'web'));
  },
);

simulation('what does not run is replaced without its exec hook', async (sim) => {
  let isBlocked = false;
  const program = () => (isBlocked ? { startFails: 'PORT_CONFLICT' } : {});
  sim.world.tag('app:1', { ...sim.offer('app:1'), program });
  await deployed(sim);
  isBlocked = true;
  sim.world.kill(sim.box('web'));
  await sim.run(5_000);
  sim.deploy(version('2', {}, { image: 'app:2' }));
  await sim.settle();
  assert.deepEqual(ran(sim), ['after 2']);
});
