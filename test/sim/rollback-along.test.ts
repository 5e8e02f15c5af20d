import assert from 'node:assert/strict';
import { deployment, type InstanceInput } from './blueprints.ts';
import { type Harness, simulation } from './harness.ts';

const one = (name: string, image: string, more: Partial<InstanceInput> = {}) =>
  deployment(name, [{ name, image, ...more }]);

const db = (image: string) => one('db', image);
const app = (image: string, condition?: 'started') =>
  one('app', image, { dependsOn: [{ name: 'db', ...(condition === undefined ? {} : { condition }) }] });

/** A database, what depends on it, what depends on that, and what depends on nothing; all proved good. */
async function proven(sim: Harness, condition?: 'started'): Promise<void> {
  sim.offer('app:3');
  sim.deploy(db('db:1'), app('app:1', condition), edge('app:1'), one('alone', 'app:1'));
  sim.start();
  await sim.settle();
  await sim.run(20 * 60_000);
  sim.world.tag('db:bad', { ...sim.offer('db:bad'), program: () => ({ exitsAfterMs: 2_000, exitCode: 3 }) });
}

const edge = (image: string) => one('edge', image, { dependsOn: [{ name: 'app' }] });

/** Written, and not what the node should come to. */
function offer(sim: Harness, ...documents: ReturnType<typeof one>[]): void {
  for (const document of documents) sim.directory.write(`${document.metadata.name}.json`, document);
}

const isBack = (sim: Harness, name: string) => sim.waits(name).includes('RolledBack');

const imageOf = (sim: Harness, name: string) => sim.world.byName(name)?.imageRef;

simulation(
  'dependants that came along go back with a bad version, and come with its next one',
  async (sim) => {
    await proven(sim);
    offer(sim, app('app:2'), db('db:bad'), edge('app:2'), one('alone', 'app:2'));
    await sim.until(() => isBack(sim, 'db') && isBack(sim, 'app') && isBack(sim, 'edge'), 'all back', 60_000);
    await sim.run(60_000);
    assert.deepEqual(
      ['db', 'app', 'edge', 'alone'].map((name) => imageOf(sim, name)),
      ['db:1', 'app:1', 'app:1', 'app:2'],
    );
    assert.match(
      sim
        .report('edge')
        .waiting.map(({ message }) => message)
        .join(),
      /^from .* to .*: it came along with the version of db that went back; until it or db changes, or colonies-edge retry edge$/,
    );
    assert.equal(sim.report('alone').phase, 'Running');
    await sim.restartAgent();
    await sim.run(60_000);
    assert.equal(imageOf(sim, 'edge'), 'app:1', 'kept over a restart');
    sim.deploy(db('db:2'), app('app:2'), edge('app:2'), one('alone', 'app:2'));
    sim.world.tag('db:2', sim.offer('db:2'));
    await sim.settle();
    await sim.expectQuiet();
  },
);

simulation('a dependant that has proved good already goes back, too', async (sim) => {
  const slow = { update: { healthyAfter: '90s' } };
  await proven(sim, 'started');
  sim.world.tag('db:bad', { ...sim.offer('db:bad'), program: () => ({ exitsAfterMs: 60_000, exitCode: 3 }) });
  offer(sim, one('db', 'db:bad', slow), app('app:2', 'started'));
  await sim.until(() => imageOf(sim, 'app') === 'app:2', 'the dependant moves', 30_000);
  await sim.until(() => isBack(sim, 'db') && imageOf(sim, 'app') === 'app:1', 'both are back', 180_000);
  assert.ok(isBack(sim, 'app') && !isBack(sim, 'edge'));
});

simulation('a dependant that came long before stays, and so does one that is told to', async (sim) => {
  await proven(sim);
  sim.deploy(app('app:2'));
  await sim.settle();
  await sim.run(20 * 60_000);
  offer(
    sim,
    db('db:bad'),
    one('edge', 'app:2', { dependsOn: [{ name: 'app' }], update: { onFailure: 'continue' } }),
  );
  await sim.until(() => isBack(sim, 'db'), 'back', 60_000);
  await sim.run(60_000);
  assert.deepEqual(
    ['db', 'app', 'edge'].map((name) => imageOf(sim, name)),
    ['db:1', 'app:2', 'app:2'],
  );
  assert.ok(!isBack(sim, 'app') && !isBack(sim, 'edge'));
});

simulation('retry of what went back brings its dependants with it', async (sim) => {
  await proven(sim);
  offer(sim, db('db:bad'), app('app:2'));
  await sim.until(() => isBack(sim, 'db') && isBack(sim, 'app'), 'both are back', 60_000);
  // What loops still is judged anew, not left looping.
  sim.agent.commandRollout('retry', 'db');
  await sim.until(() => !isBack(sim, 'db') && !isBack(sim, 'app'), 'tried again', 10_000);
  await sim.until(() => isBack(sim, 'db') && isBack(sim, 'app') && sim.goal.met(), 'back again', 120_000);
  sim.world.tag('db:bad', sim.offer('db:bad'));
  assert.equal(sim.agent.commandRollout('retry', 'db').ok, true);
  sim.goal.want(db('db:bad'));
  sim.goal.want(app('app:2'));
  await sim.settle();
});

simulation('an operator takes back what came along, too', async (sim) => {
  await proven(sim);
  sim.deploy(app('app:2'), one('db', 'db:1', { environment: { V: '2' } }));
  await sim.settle();
  await sim.run(30_000);
  assert.match(sim.agent.commandRollout('rollback', 'db').text, /^db goes back from .*, and with it app$/);
  sim.goal.want(db('db:1'));
  sim.goal.want(app('app:1'));
  await sim.until(() => sim.goal.met(), 'both are back', 60_000);
  assert.equal(sim.agent.commandRollout('retry', 'app').ok, true);
  sim.goal.want(app('app:2'));
  await sim.until(() => sim.goal.met(), 'the dependant alone comes again', 60_000);
  assert.ok(isBack(sim, 'db'));
});
