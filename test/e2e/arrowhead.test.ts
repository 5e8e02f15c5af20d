import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { EventLog } from '../../build/lib/events.mjs';
import { eventually } from '../fakes/engine-fixture.ts';
import { seededRandom } from '../fakes/random.ts';
import type { AgentUnderTest } from './support/agent.ts';
import {
  AUTHORS_TREE,
  CONTAINERS,
  copyBlueprints,
  ensureRoom,
  FIRST_START_MS,
  healthOverlay,
  makeStandIns,
  makeTree,
  SEED,
  SYSTEMS,
  VOLUME,
} from './support/arrowhead.ts';
import { Ground } from './support/ground.ts';
import { healed, type Life, livesOf, running } from './support/healing.ts';

const ROUNDS = 8;
const SLOW_MS = 60_000;

const ground = new Ground('arrow');
const { engine } = ground;
let agent: AgentUnderTest;
let files: string[];
let log: EventLog;

before(async () => {
  await ensureRoom(engine);
  ground.alsoRemove({ volumes: [VOLUME] });
  await makeStandIns(ground);
  const tree = ground.folder('tree');
  makeTree(tree);
  const checks = join(ground.dir, 'checks.json');
  writeFileSync(checks, JSON.stringify(healthOverlay()));
  log = await new EventLog(engine.socketPath).open();
  agent = await ground.agent({
    flags: [
      ...['--overlays', checks, '--overlays', 'builtin:arrowhead'],
      '--bind-prefix-map',
      `${AUTHORS_TREE}=${tree}`,
      '--resync',
      '10m',
    ],
  });
  files = copyBlueprints(agent.blueprintDir);
  await agent.start();
});

after(async () => {
  log.close();
  await ground.close();
});

/** Engine's times of what happened to a container, epoch milliseconds. */
function times(action: string, name: string): number[] {
  return log.events.filter((one) => one.action === action && one.name === name).map(({ atMs }) => atMs);
}

/** What the systems answer on the ports that the blueprints publish. */
async function echoes(): Promise<void> {
  for (const [system, port] of Object.entries(SYSTEMS))
    await eventually(
      `${system} answers`,
      async () => {
        // A connection kept from before a container's death would wait for ever.
        const options = { signal: AbortSignal.timeout(2_000), headers: { connection: 'close' } };
        const text = fetch(`http://127.0.0.1:${port}/${system}/echo`, options).then((answer) =>
          answer.text(),
        );
        return (await text.catch(() => '')) === 'Got it!';
      },
      SLOW_MS,
    );
}

/** All seven and nothing else, under their own names, with the database's data. */
async function allIsWell(): Promise<void> {
  await agent.converged(SLOW_MS);
  await echoes();
  const listed = await engine.containers({ label: [`colonies.node=${agent.node}`] });
  const names = listed.map(({ Names }) => Names[0]?.slice(1) ?? '').sort();
  assert.deepEqual(names, [...CONTAINERS].sort());
  const { output } = await engine.exec(
    'c1-database',
    'cat',
    '/var/lib/mysql/baked',
    '/var/lib/mysql/precious',
  );
  assert.equal(output, 'tables\nprecious data');
  const volumes = await engine.call('GET', '/volumes');
  assert.equal(volumes.Volumes.filter(({ Name }: { Name: string }) => Name === VOLUME).length, 1);
}

/** Does it to each of the seven, one after the other; each is back, and no other one is another container. */
async function eachInTurn(work: (life: Life) => Promise<void>, sameId: boolean): Promise<void> {
  for (const name of CONTAINERS) {
    const before = await livesOf(engine, CONTAINERS);
    const life = await running(engine, name);
    await work(life);
    const again = await healed(engine, name, life, SLOW_MS);
    assert.equal(again.id === life.id, sameId);
    const now = await livesOf(engine, CONTAINERS);
    for (const other of CONTAINERS.filter((one) => one !== name))
      assert.equal(now.get(other)?.id, before.get(other)?.id, `${other} is another container`);
  }
}

test("the seven unchanged blueprints of the seed run on a machine that is not their author's", async () => {
  await agent.until(
    ({ blueprints }) =>
      blueprints.some(({ name, phase, waiting }) => {
        const [wait] = waiting;
        return name === 'c1-authorization' && phase === 'Pending' && wait?.reason === 'WaitingForDependency';
      }),
    'authorization waits',
    SLOW_MS,
  );
  for (const file of files)
    assert.deepEqual(readFileSync(join(agent.blueprintDir, file)), readFileSync(join(SEED, file)));
  assert.equal(files.length, 7);
  await agent.converged(SLOW_MS);
  await echoes();
  const { code } = await engine.exec(
    'c1-database',
    'sh',
    '-c',
    'echo precious data > /var/lib/mysql/precious',
  );
  assert.equal(code, 0);
  await allIsWell();
});

test('they have started in order: each once, and none before what it needs is healthy', async () => {
  const start = (name: string) => times('start', `c1-${name}`)[0] ?? 0;
  for (const name of CONTAINERS) {
    assert.equal(times('start', name).length, 1, name);
    assert.equal((await engine.container(name)).RestartCount, 0, name);
  }
  assert.ok(start('serviceregistry') - start('database') > FIRST_START_MS, 'the database is not waited for');
  assert.ok(start('authorization') > start('serviceregistry'));
  for (const system of ['orchestrator', 'eventhandler', 'gateway'])
    assert.ok(start(system) > start('authorization'), system);
  assert.ok(start('gatekeeper') > start('gateway'));
});

test('the files are mounted from the mapped tree, and cannot be written', async () => {
  const { Mounts } = await engine.container('c1-gateway');
  const sources = Mounts.map(({ Source }: { Source: string }) => Source);
  assert.equal(sources.length, 4);
  for (const source of sources) assert.ok(source.startsWith(join(ground.dir, 'tree')), source);
  const write = await engine.exec('c1-gateway', 'sh', '-c', 'echo x >> /opt/arrowhead/run.sh');
  assert.notEqual(write.code, 0);
});

test('each of the seven is killed once and is back, the same container', async () => {
  await eachInTurn(({ id }) => engine.kill(id), true);
  await allIsWell();
});

test('each of the seven is removed by force once and is made anew, the data stays', async () => {
  await eachInTurn(({ id }) => engine.remove(id), false);
  await allIsWell();
});

test('with the directory gone a restarted agent finds everything as it was and changes nothing', async () => {
  const lives = await livesOf(engine, CONTAINERS);
  await agent.stop();
  renameSync(agent.blueprintDir, `${agent.blueprintDir}.away`);
  agent.relay.reset();
  await agent.start();
  await agent.until(
    ({ source, blueprints }) => source.state === 'away' && blueprints.length === 7,
    'it knows',
  );
  await allIsWell();
  assert.deepEqual(await livesOf(engine, CONTAINERS), lives);
  assert.deepEqual(agent.relay.mutating, []);
});

test('a container killed while the directory is away is healed from the checkpoint', async () => {
  const life = await running(engine, 'c1-orchestrator');
  await engine.kill(life.id);
  const again = await healed(engine, 'c1-orchestrator', life);
  assert.equal(again.id, life.id);
  await allIsWell();
  renameSync(`${agent.blueprintDir}.away`, agent.blueprintDir);
  await agent.until(({ source }) => source.state === 'ok', 'the directory is back');
});

/** A version of a seed blueprint with another environment, as an author would edit it. */
function edited(file: string, round: number): unknown {
  const document = JSON.parse(readFileSync(join(SEED, file), 'utf8'));
  document.spec.instances[0].environment.ROUND = round;
  return document;
}

async function isOriginal(name: string): Promise<boolean> {
  const env: readonly string[] | undefined = (await engine.inspect(name))?.Config.Env;
  return env?.some((text) => text.startsWith('ROUND=')) === false;
}

test('an agent that is killed at random moments of its work ends with the seven, their data, and nothing else', async (t) => {
  const seed = Number(process.env.COLONIES_EDGE_SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`COLONIES_EDGE_SEED=${seed}`);
  const random = seededRandom(seed);
  const one = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const idOf = async (name: string) => (await engine.byName(name))?.Id ?? 'none';
  const missing: string[] = [];
  const deeds: Record<string, (round: number) => Promise<void>> = {
    'kill two': async () => {
      for (const name of [one(CONTAINERS), one(CONTAINERS)]) await engine.kill(await idOf(name));
    },
    'remove two': async () => {
      for (const name of [one(CONTAINERS), one(CONTAINERS)]) await engine.remove(await idOf(name));
    },
    'edit two': async (round) => {
      for (const file of [one(files), one(files)]) agent.write(file, edited(file, round));
    },
    'take one away': async () => {
      const file = one(files);
      agent.remove(file);
      missing.push(file);
    },
  };
  for (let round = 1; round <= ROUNDS; round += 1) {
    const deed = round === 1 ? 'edit two' : one(Object.keys(deeds));
    await deeds[deed]?.(round);
    const afterMs = random.below(1_500);
    t.diagnostic(`round ${round}: ${deed}, agent killed after ${afterMs} ms`);
    // The moment itself is what varies: nothing is waited for here.
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    await agent.kill('SIGKILL');
    for (const file of missing.splice(0)) agent.write(file, edited(file, round));
    await agent.start();
  }
  copyBlueprints(agent.blueprintDir);
  for (const name of CONTAINERS)
    await agent.until(() => isOriginal(name), `${name} is as the seed says`, SLOW_MS);
  await allIsWell();
});

test('when all of them go, the systems are stopped before the registry, and the database last', async () => {
  await agent.stop();
  for (const file of files) agent.remove(file);
  log.clear();
  await agent.start();
  const isEmpty = async () =>
    (await engine.containers({ label: [`colonies.node=${agent.node}`] })).length === 0;
  await agent.until(
    async ({ blueprints }) => blueprints.length === 0 && (await isEmpty()),
    'all of them are gone',
    SLOW_MS,
  );
  const die = (name: string) => times('die', name)[0] ?? 0;
  const systems = CONTAINERS.filter((name) => !['c1-database', 'c1-serviceregistry'].includes(name));
  for (const system of systems) assert.ok(die(system) < die('c1-serviceregistry'), system);
  assert.ok(die('c1-serviceregistry') < die('c1-database'));
  copyBlueprints(agent.blueprintDir);
  await allIsWell();
});

test('the agent stops with code 0, and a removed blueprint takes its container but not its volume', async () => {
  agent.remove('arrowhead-c1-database.json');
  await agent.until(({ blueprints }) => blueprints.length === 6, 'the database is gone');
  assert.equal(await engine.byName('c1-database'), undefined);
  const volumes = await engine.call('GET', '/volumes');
  assert.ok(
    volumes.Volumes.some(({ Name }: { Name: string }) => Name === VOLUME),
    'the data is gone',
  );
  await agent.stop();
});
