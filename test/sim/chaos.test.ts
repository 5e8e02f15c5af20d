import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../fakes/random.ts';
import { type DeploymentDocument, deployment } from './blueprints.ts';
import { Harness } from './harness.ts';

const SEEDS = 200;
const FAULTS = 18;
const NAMES = ['alpha', 'beta', 'gamma'] as const;

type Dice = ReturnType<typeof seededRandom>;

for (let block = 0; block < 10; block += 1)
  test(`whatever happens in runs ${block * 20 + 1} to ${block * 20 + 20}, once it stops the goal is reached and foreign containers are untouched`, async () => {
    for (let seed = block * 20 + 1; seed <= block * 20 + 20 && seed <= SEEDS; seed += 1) await chaos(seed);
  });

async function chaos(seed: number): Promise<void> {
  const dice = seededRandom(seed * 7919);
  const sim = new Harness({ seed });
  const told: string[] = [];
  try {
    sim.byHand.addForeign('foreign-a');
    sim.byHand.addForeign('foreign-b', { start: false });
    sim.byHand.addForeign('foreign-c', {
      labels: { 'colonies.managed': 'true', 'colonies.node': 'elsewhere', 'colonies.deployment': 'alpha' },
    });
    sim.goal.protectForeign();
    sim.offer('late:1', { takesMs: 4_000 });
    sim.offer('late:2', { takesMs: 20_000 });
    for (const name of NAMES) sim.deploy(anyDeployment(name, dice));
    sim.start();
    for (let fault = 0; fault < FAULTS; fault += 1) {
      await sim.run(dice.below(4) === 0 ? dice.below(90_000) : dice.below(2_500));
      told.push(`${sim.clock.monoMs()} ${somethingHappens(sim, dice)}`);
    }
    sim.engine.clearFaults();
    sim.world.foreignPorts.clear();
    sim.store.refuseWrites = undefined;
    sim.directory.announces = true;
    sim.directory.bringBack();
    // A removal is forgotten when the disk was full and the agent died: what nobody knows any more is never touched.
    for (const name of NAMES) if (!sim.goal.wants(name)) sim.deploy(anyDeployment(name, dice));
    // A crash by hand in the middle of a gate condemns a version, as it must; an operator gives it another chance.
    const condemned = () => NAMES.filter((name) => sim.waits(name).includes('RolledBack'));
    await sim.until(() => sim.status().converged || condemned().length > 0, 'an end', 1_800_000);
    for (const name of condemned()) sim.agent.commandRollout('retry', name);
    await sim.settle(1_800_000);
    await sim.run(2_000);
    await sim.expectQuiet();
    assert.deepEqual(sim.world.removedVolumes, []);
    expectNoBusyLoop(sim);
  } catch (error) {
    throw new Error(`seed ${seed}\n${told.join('\n')}\n${error}`, { cause: error });
  } finally {
    sim.close();
  }
}

function anyDeployment(name: string, dice: Dice): DeploymentDocument {
  const pick = <T>(list: readonly T[]): T => list[dice.below(list.length)] as T;
  const instances = Array.from({ length: 1 + dice.below(2) }, (_, index) => ({
    name: `${name}-${'ab'[index]}`,
    image: pick(['app:1', 'app:2', 'db:1', 'late:1', 'late:2']),
    environment: { V: String(dice.below(3)) },
    restartPolicy: pick(['no', 'always', 'unless-stopped', 'on-failure:2']),
    ...(dice.below(3) === 0 && index === 0
      ? { ports: [{ container: 80, host: 8000 + NAMES.indexOf(name as 'alpha') }] }
      : {}),
    ...(dice.below(3) === 0
      ? { volumes: [{ type: 'named' as const, name: `${name}-data`, mountPath: '/d' }] }
      : {}),
    ...(dice.below(3) === 0 ? { resources: { memory: pick(['32Mi', '64Mi']) } } : {}),
  }));
  const replicas = instances.some((instance) => 'ports' in instance) ? 1 : dice.below(4);
  return deployment(name, instances, { replicas, generation: dice.below(5) });
}

/** One mishap or edit, chosen by the dice; returns what it was. */
function somethingHappens(sim: Harness, dice: Dice): string {
  const ours = sim.goal
    .services()
    .map((service) => service.containerName)
    .filter((name) => sim.world.byName(name) !== undefined);
  const victim = ours[dice.below(Math.max(1, ours.length))];
  const running = victim !== undefined && sim.isRunning(victim);
  const acts: [string, () => void][] = [
    [`kill ${victim}`, () => running && sim.byHand.kill(victim)],
    [`remove ${victim}`, () => victim !== undefined && sim.byHand.remove(victim)],
    [`pause ${victim}`, () => running && sim.byHand.pause(victim)],
    [`stop ${victim}`, () => running && void sim.byHand.stop(victim)],
    [`crash ${victim}`, () => running && sim.byHand.crash(victim, 1 + dice.below(3))],
    [`disconnect ${victim}`, () => victim !== undefined && sim.byHand.disconnect(victim, 'colonies_default')],
    [
      `rename ${victim}`,
      () => victim !== undefined && sim.byHand.rename(victim, `${victim}-moved-${dice.below(1e9)}`),
    ],
    [
      `recreate ${victim}`,
      () =>
        running &&
        sim.world.networks.has('colonies_default') &&
        tryTo(() => sim.byHand.recreate(victim, { env: { HAND: 'made' } })),
    ],
    ['remove network', () => sim.byHand.removeNetwork('colonies_default')],
    ['edit', () => sim.deploy(anyDeployment(NAMES[dice.below(3)] ?? 'alpha', dice))],
    ['edit', () => sim.deploy(anyDeployment(NAMES[dice.below(3)] ?? 'alpha', dice))],
    ['undeploy', () => sim.undeploy(NAMES[dice.below(3)] ?? 'alpha')],
    ['agent dies', () => reborn(sim)],
    ['agent dies after some calls', () => sim.engine.crashAfter(1 + dice.below(10), () => reborn(sim))],
    ['outage', () => sim.engine.outage()],
    ['hang', () => sim.engine.hang()],
    ['engine recovers', () => sim.engine.recover()],
    ['engine recovers', () => sim.engine.recover()],
    [
      'daemon dies',
      () => {
        sim.engine.outage();
        sim.world.shutDown(255);
        sim.world.boot();
      },
    ],
    [
      'calls fail',
      () => {
        const code = ['ENGINE_FAILED', 'ENGINE_RESET', 'ENGINE_TIMEOUT', 'ENGINE_CONFLICT', 'ENGINE_REFUSED'][
          dice.below(5)
        ];
        const afterEffect = dice.below(2) === 0;
        sim.engine.fail({ code: code ?? 'ENGINE_FAILED', afterEffect, times: 1 + dice.below(4) });
      },
    ],
    ['events are lost', () => (sim.engine.losesEvents = true)],
    ['events arrive', () => (sim.engine.losesEvents = false)],
    ['inspection hangs', () => victim !== undefined && sim.engine.hungInspections.add(victim)],
    ['inspections answer', () => [...sim.engine.hungInspections].map((name) => sim.engine.unhang(name))],
    ['slow', () => (sim.engine.slowMs = dice.below(3_000))],
    ['registry away', () => (sim.engine.online = false)],
    ['registry back', () => (sim.engine.online = true)],
    ['directory away', () => sim.directory.takeAway()],
    ['directory back', () => sim.directory.bringBack()],
    ['disk full', () => (sim.store.refuseWrites = 'STORE_FULL')],
    ['disk has room', () => (sim.store.refuseWrites = undefined)],
    ['port taken', () => sim.world.foreignPorts.add(`${8000 + dice.below(3)}/tcp`)],
    ['ports free', () => sim.world.foreignPorts.clear()],
    ['clock jumps', () => sim.clock.jumpWall((dice.next() - 0.5) * 1e10)],
  ];
  const [what, act] = acts[dice.below(acts.length)] ?? ['nothing', () => {}];
  act();
  return what;
}

/** Backoff allows some fifteen failures of one kind in the time of a run. */
function expectNoBusyLoop(sim: Harness): void {
  const failures = new Map<string, number>();
  for (const { mutating, kind, target, result } of sim.engine.calls)
    if (mutating && result !== 'ok') {
      const what = `${kind} ${target} ${result}`;
      const count = (failures.get(what) ?? 0) + 1;
      failures.set(what, count);
      assert.ok(count <= 30, `${what}: again and again`);
    }
}

function reborn(sim: Harness): void {
  sim.crashAgent();
  sim.start();
}

function tryTo(act: () => unknown): void {
  try {
    act();
  } catch {
    // the hand found the engine in no state for it
  }
}
