import assert from 'node:assert/strict';
import { deployment } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

const web = (image: string) => deployment('web', [{ name: 'web', image }]);

async function proven(sim: Harness, ...images: string[]): Promise<void> {
  for (const image of images) {
    sim.deploy(web(image));
    if (sim.lives === 0) sim.start();
    await sim.settle();
    await sim.run(10_000);
  }
}

const say = (sim: Harness, command: 'rollback' | 'retry' | 'pause' | 'resume', name = 'web') =>
  sim.agent.commandRollout(command, name);

simulation('rollback: to the good version before, kept over restarts, until retry', async (sim) => {
  await proven(sim, 'app:1', 'app:2');
  assert.match(say(sim, 'rollback').text, /^web goes back from generation 0 \(spec \w+\) to generation 0/);
  sim.goal.want(web('app:1'));
  await sim.until(() => sim.goal.met(), 'back', 30_000);
  assert.match(say(sim, 'rollback').text, /already/);
  assert.match(sim.report('web').waiting[0]?.message ?? '', /an operator asked for it/);
  await sim.run(1_000);
  await sim.restartAgent();
  await sim.run(60_000);
  assert.ok(sim.goal.met(), sim.account());
  assert.match(say(sim, 'retry').text, /is tried again/);
  sim.goal.want(web('app:2'));
  await sim.settle();
});

simulation('rollback: with nothing to go back to nothing happens', async (sim) => {
  await proven(sim, 'app:1');
  assert.deepEqual(say(sim, 'rollback'), {
    ok: false,
    text: 'web has no other version that proved good here; nothing was touched',
  });
  assert.deepEqual(say(sim, 'pause', 'other'), { ok: false, text: 'other is not in force on this node' });
  await sim.expectQuiet();
});

simulation('pause: nothing is replaced, everything is healed, over restarts too', async (sim) => {
  await proven(sim, 'app:1');
  const { id } = sim.box('web');
  assert.equal(say(sim, 'pause').ok, true);
  await sim.run(1_000);
  assert.deepEqual([sim.report('web').phase, sim.waits('web')], ['Running', ['Paused']]);
  sim.directory.write('web.json', web('app:2'));
  await sim.run(60_000);
  await sim.restartAgent();
  await sim.run(60_000);
  assert.equal(sim.box('web').id, id);
  assert.deepEqual([...new Set(sim.waits('web'))], ['Paused']);
  sim.byHand.kill('web');
  await sim.until(() => sim.isRunning('web'), 'healed', 5_000);
  assert.equal(sim.box('web').id, id);
  assert.equal(say(sim, 'resume').ok, true);
  sim.goal.want(web('app:2'));
  await sim.settle();
  assert.match(say(sim, 'resume').text, /is not paused/);
});

simulation('pause in the middle of a replacement: both stay, and it goes on after resume', async (sim) => {
  await proven(sim, 'app:1');
  sim.deploy(web('app:2'));
  await sim.until(() => sim.world.boxes.size === 2, 'on its way', 5_000);
  say(sim, 'pause');
  await sim.run(120_000);
  assert.equal(sim.world.boxes.size, 2);
  assert.ok(sim.isRunning('web'));
  say(sim, 'resume');
  await sim.settle();
});

simulation('retry: what failed is tried now, and not at its time', async (sim) => {
  sim.world.foreignPorts.add('8080/tcp');
  const open = deployment('web', [{ name: 'web', ports: [{ container: 80, host: 8080 }] }]);
  sim.deploy(open);
  sim.start();
  await sim.run(900_000);
  sim.world.foreignPorts.clear();
  say(sim, 'retry');
  const took = await sim.settle();
  assert.ok(took < 5_000, `took ${took} ms`);
});
