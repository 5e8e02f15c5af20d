import assert from 'node:assert/strict';
import { aside } from './aside.ts';
import { deployment, type InstanceInput } from './blueprints.ts';
import { dieAfterEach, type Story } from './dying.ts';
import type { Harness } from './harness.ts';

/** The gate is short, so that a death falls into each part of the replacement and not only into the wait. */
const version = (value: string, change: Partial<InstanceInput> = {}) =>
  deployment('app', [
    {
      name: 'web',
      ports: [{ container: 80, host: 8080, handover: true }],
      update: { healthyAfter: '1s' },
      environment: { V: value },
      ...change,
    },
  ]);

/** How long the guard watches, milliseconds: longer than a replacement with a death in it. */
const GUARDED_MS = 20_000;

/** From now on no moment passes in which a new connection would not get through to a running container. */
function guard(sim: Harness): void {
  const end = sim.clock.monoMs() + GUARDED_MS;
  const look = () => {
    if (sim.clock.monoMs() > end) return;
    for (const folder of sim.relays.folders.keys())
      assert.ok(sim.relays.serves(folder), `somebody serves at ${sim.clock.monoMs()} ms\n${sim.account()}`);
    sim.clock.after(10, look);
  };
  look();
}

async function prepare(sim: Harness): Promise<void> {
  sim.world.tag('bad:1', { ...sim.offer('bad:1'), program: () => ({ exitsAfterMs: 200, exitCode: 1 }) });
  sim.deploy(version('1'));
  sim.start();
  await sim.settle();
  // The first version is past its own gate.
  await sim.run(3_000);
}

const STORIES: Story[] = [
  {
    title: 'a port with handover, a new version',
    prepare: async (sim) => {
      await prepare(sim);
      guard(sim);
    },
    change: (sim) => sim.deploy(version('2')),
  },
  {
    title: 'a port with handover, a new version while a connection is in use',
    prepare: async (sim) => {
      await prepare(sim);
      const old = sim.box('web').id;
      sim.relays.use(old, 1);
      sim.clock.after(6_000, () => sim.relays.use(old, 0));
      guard(sim);
    },
    change: (sim) => sim.deploy(version('2')),
  },
  {
    title: 'a port with handover, a bad version',
    prepare: async (sim) => {
      await prepare(sim);
      guard(sim);
    },
    change: (sim) => sim.directory.write('app.json', version('2', { image: 'bad:1' })),
    isOver: (sim) => sim.goal.met() && sim.waits('app').join() === 'RolledBack',
  },
];

/** The first deployment, and the way to a relay and from it, have a gap. */
const GAPS: Story[] = [
  {
    title: 'a port with handover, made first',
    prepare: async (sim) => {
      sim.start();
      await sim.run(100);
    },
    change: (sim) => sim.deploy(version('1')),
  },
  {
    title: 'handover switched on',
    prepare: async (sim) => {
      sim.deploy(version('1', { ports: [{ container: 80, host: 8080 }] }));
      sim.start();
      await sim.settle();
      await sim.run(3_000);
    },
    change: (sim) => sim.deploy(version('1')),
  },
  {
    title: 'handover switched off',
    prepare,
    change: (sim) => sim.deploy(version('1', { ports: [{ container: 80, host: 8080 }] })),
  },
];

/** The relay points to the container that runs, wherever there is one. */
function check(sim: Harness): void {
  for (const { relay } of sim.goal.services())
    if (relay !== undefined) assert.ok(sim.relays.serves(relay.folder), 'it serves at the end');
}

for (const story of STORIES)
  aside(
    import.meta.url,
    `${story.title}: an agent that dies after any call ends at the goal, and nobody notices`,
    () => dieAfterEach({ check, ...story }, {}),
  );

for (const story of [...STORIES.map((one) => ({ ...one, prepare })), ...GAPS]) {
  aside(import.meta.url, `${story.title}: an engine that dies after any of its calls ends at the goal`, () =>
    dieAfterEach({ check, ...story }, { who: 'engine' }),
  );
}

for (const story of GAPS)
  aside(import.meta.url, `${story.title}: an agent that dies after any call ends at the goal`, () =>
    dieAfterEach({ check, ...story }, {}),
  );
