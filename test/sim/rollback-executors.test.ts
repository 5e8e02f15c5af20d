import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Slot } from '../../src/model/ports.ts';
import { Harness } from './harness.ts';
import { resolver } from './resolver.ts';

const OLD_KEY = 'ab'.repeat(32);
const NEW_KEY = 'ef'.repeat(32);

const slotWith = (key: string): Slot => ({
  blueprint: 'runner',
  index: 0,
  key,
  id: `12${key.slice(2)}`,
  executorName: `runner-${key.slice(0, 2)}`,
  containerName: 'runner-0',
  registered: true,
  approved: true,
});

const runner = (image: string, generation: number) => ({
  kind: 'ExecutorDeployment',
  metadata: { name: 'runner', generation },
  spec: { image, executorType: 'runner' },
});

test('an executor that is rolled back has the key of today, and no version keeps any', async () => {
  let slots = [slotWith(OLD_KEY)];
  const sim = new Harness({ resolver: async () => resolver({ slots }) });
  const runs = (image: string, key: string) => {
    const box = sim.world.byName('runner-0');
    return box?.imageRef === image && box.spec.env.COLONIES_PRVKEY === key && box.state === 'running';
  };
  const kept = () => sim.store.disk.get('rollouts') ?? '';
  try {
    sim.world.tag('app:bad', {
      ...sim.offer('app:bad'),
      program: () => ({ exitsAfterMs: 300, exitCode: 3 }),
    });
    sim.directory.write('runner.json', runner('app:1', 1));
    sim.start();
    await sim.until(() => runs('app:1', OLD_KEY), 'the first version runs');
    await sim.run(10_000);
    assert.ok(kept().includes('app:1'), 'the version is kept');
    sim.directory.write('runner.json', runner('app:bad', 2));
    await sim.until(() => sim.waits('runner').includes('RolledBack'), 'rolled back', 60_000);
    await sim.until(() => runs('app:1', OLD_KEY), 'the good version runs');

    slots = [slotWith(NEW_KEY)];
    sim.agent.refresh();
    await sim.until(() => runs('app:1', NEW_KEY), 'the good version runs with the new key', 60_000);
    await sim.run(120_000);
    assert.ok(sim.waits('runner').includes('RolledBack'), 'a new key is no new version');

    await sim.restartAgent();
    await sim.run(120_000);
    assert.ok(runs('app:1', NEW_KEY), sim.account());
    for (const key of [OLD_KEY, NEW_KEY]) assert.ok(!kept().includes(key));
  } finally {
    sim.close();
  }
});
