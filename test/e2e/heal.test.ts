import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../fakes/engine-fixture.ts';
import type { AgentUnderTest } from './support/agent.ts';
import { deployment, single } from './support/blueprints.ts';
import { Ground, WAIT_CMD } from './support/ground.ts';
import { healed, type Life, livesOf, running } from './support/healing.ts';

// No test here may be rescued by the resync.
const RARELY = ['--resync', '10m'];

/** Waits like the plain image does, but ends with code 3 when told to by a file. */
const MORTAL = ['sh', '-c', 'rm -f /tmp/die; until [ -e /tmp/die ]; do sleep 0.1; done; exit 3'];

const ground = new Ground('heal');
const { engine, prefix } = ground;
const ten = Array.from({ length: 10 }, (_, index) => `${prefix}-ten-${index}`);
const policies = ['no', 'on-failure', 'always', 'unless-stopped'] as const;
const mortal = (policy: string) => `${prefix}-${policy}`;
let image: string;
let agent: AgentUnderTest;

before(async () => {
  image = await ground.plainImage();
  agent = await ground.startAgent({
    flags: RARELY,
    blueprints: {
      'ten.json': deployment(
        'ten',
        ten.map((name) => ({ name, image })),
      ),
      'mortal.json': deployment(
        'mortal',
        policies.map((restartPolicy) => ({
          name: mortal(restartPolicy),
          image,
          restartPolicy,
          command: MORTAL,
        })),
      ),
    },
  });
  await agent.converged();
});

after(() => ground.close());

const [first = ''] = ten;

/** Does something to a container and waits until it is back, while nothing else changes. */
async function backAfter(name: string, work: (life: Life) => Promise<unknown>) {
  const others = ten.filter((other) => other !== name);
  const untouched = await livesOf(engine, others);
  const life = await running(engine, name);
  await work(life);
  const again = await healed(engine, name, life);
  await agent.converged();
  assert.deepEqual(await livesOf(engine, others), untouched, 'another container changed');
  return { life, again };
}

test('a killed container runs again, and is the same one', async (t) => {
  const { life, again } = await backAfter(first, ({ id }) => engine.kill(id));
  assert.equal(again.id, life.id);
  t.diagnostic(`back after ${again.tookMs} ms`);
});

test('a container removed by force is made anew', async (t) => {
  const { life, again } = await backAfter(first, ({ id }) => engine.remove(id));
  assert.notEqual(again.id, life.id);
  t.diagnostic(`back after ${again.tookMs} ms`);
});

test('a paused container goes on, and is the same one', async () => {
  const life = await running(engine, first);
  await engine.pause(life.id);
  assert.deepEqual(await running(engine, first), life);
});

test('a container stopped by hand is started again', async () => {
  const { life, again } = await backAfter(first, ({ id }) => engine.stop(id, 5));
  assert.equal(again.id, life.id);
});

for (const policy of policies)
  test(`a container with restart policy ${policy} that ended by itself runs again`, async () => {
    const life = await running(engine, mortal(policy));
    await engine.exec(life.id, 'touch', '/tmp/die');
    const again = await healed(engine, mortal(policy), life);
    assert.equal(again.id, life.id);
  });

test('of ten containers killed at once all are back, each the same one', async (t) => {
  const lives = await livesOf(engine, ten);
  await Promise.all([...lives.values()].map(({ id }) => engine.kill(id)));
  const took: number[] = [];
  for (const [name, life] of lives) {
    const again = await healed(engine, name, life);
    assert.equal(again.id, life.id);
    took.push(again.tookMs);
  }
  t.diagnostic(`all back after ${took.reduce((sum, ms) => sum + ms, 0)} ms`);
});

test('of ten containers removed at once all are back', async () => {
  const lives = await livesOf(engine, ten);
  await Promise.all([...lives.values()].map(({ id }) => engine.remove(id)));
  for (const [name, life] of lives) await healed(engine, name, life);
  await agent.converged();
});

/** Waits until the blueprint's only hold has this reason, and returns its text. */
async function waitingFor(blueprint: string, reason: string): Promise<string> {
  const status = await agent.until(
    ({ blueprints }) =>
      blueprints.some(
        ({ name, waiting }) => name === blueprint && waiting.some((one) => one.reason === reason),
      ),
    `${blueprint} waits with ${reason}`,
  );
  const report = status.blueprints.find(({ name }) => name === blueprint);
  return report?.waiting.map(({ message }) => message).join('; ') ?? '';
}

/** Whatever fails meanwhile, a killed container is back soon. */
async function othersHeal(): Promise<void> {
  const life = await running(engine, first);
  await engine.kill(life.id);
  const again = await healed(engine, first, life, 10_000);
  assert.ok(again.tookMs < 5_000, `it took ${again.tookMs} ms`);
}

/** Takes a blueprint away and waits until nothing is left of it. */
async function drop(name: string): Promise<void> {
  agent.remove(`${name}.json`);
  await agent.until(({ blueprints }) => !blueprints.some((one) => one.name === name), `${name} is gone`);
}

/** A server on a port of its choice; closed by the returned function, which cuts what is connected. */
async function listen(server: Server): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { port: address.port, close };
}

test('a pull from a registry that never answers delays no healing, and is shown', async () => {
  let callers = 0;
  const registry = await listen(
    createServer(() => {
      callers += 1;
    }),
  );
  const wanted = `127.0.0.1:${registry.port}/silent/app:1`;
  agent.write('silent.json', single('silent', wanted, { name: `${prefix}-silent` }));
  await agent.until(({ pulls }) => pulls.some((pull) => pull.image === wanted), 'the pull is under way');
  await eventually('the engine calls the registry', () => callers > 0);
  await othersHeal();
  const { pulls } = await agent.status();
  assert.equal(pulls.find((pull) => pull.image === wanted)?.state, 'running');
  await registry.close();
  await waitingFor('silent', 'ImageUnavailable');
  await drop('silent');
});

test('a port that a foreign process holds is PortConflict with its number, delays nobody, and is used when it is free', async () => {
  const foreign = await listen(createServer());
  const name = `${prefix}-port`;
  const ports = [{ container: 80, host: foreign.port, protocol: 'tcp' }];
  agent.write('port.json', single('port', image, { name, ports }));
  assert.match(await waitingFor('port', 'PortConflict'), new RegExp(String(foreign.port)));
  await othersHeal();
  await eventually('nothing is left in created', async () => {
    const found = await engine.byName(name);
    return found === undefined;
  });
  await foreign.close();
  await running(engine, name, 60_000);
  await drop('port');
});

test('a missing bind source is BindSourceMissing, nothing is made on the host, and it runs once it is there', async () => {
  const source = join(ground.dir, 'late', 'certificates');
  const name = `${prefix}-bind`;
  const volumes = [{ type: 'bind', hostPath: source, mountPath: '/certificates', readOnly: true }];
  agent.write('bind.json', single('bind', image, { name, volumes }));
  assert.ok((await waitingFor('bind', 'BindSourceMissing')).includes(source));
  await othersHeal();
  assert.equal(existsSync(source), false, 'it was made on the host');
  assert.equal(await engine.byName(name), undefined, 'a container was left behind');
  mkdirSync(source, { recursive: true });
  // The next look at something that can only fail the same way is minutes away; a restart makes it seconds.
  await agent.restart();
  await running(engine, name, 40_000);
  await drop('bind');
});

test('a missing image is ImageUnavailable, delays nobody, and is used once it is there', async () => {
  const wanted = `127.0.0.1:1/${prefix}-late:1`;
  const name = `${prefix}-late`;
  agent.write('late.json', single('late', wanted, { name }));
  await waitingFor('late', 'ImageUnavailable');
  await othersHeal();
  await ground.makeImage(wanted, [WAIT_CMD]);
  await running(engine, name);
  await drop('late');
});

test('a name held by a foreign container is NameConflict; that one is untouched, and the name used when it is free', async () => {
  const name = `${prefix}-name`;
  await engine.make(name, { Image: image, HostConfig: { NetworkMode: 'none' } });
  const foreign = await running(engine, name);
  agent.write('name.json', single('name', image, { name }));
  assert.match(await waitingFor('name', 'NameConflict'), new RegExp(foreign.id.slice(0, 12)));
  await othersHeal();
  assert.deepEqual(await running(engine, name), foreign);
  await engine.remove(foreign.id);
  await healed(engine, name, foreign);
  await drop('name');
});

test("another node's containers are untouched, also when they are dead", async () => {
  const name = `${prefix}-other`;
  const labels = { 'colonies.managed': 'true', 'colonies.deployment': 'ten', 'colonies.node': 'elsewhere' };
  const HostConfig = { NetworkMode: 'none' };
  const id = await engine.make(name, { Image: image, Labels: labels, HostConfig });
  await engine.kill(id);
  await othersHeal();
  const found = await engine.container(id);
  assert.equal(found.State.Status, 'exited');
  await engine.remove(id);
});

test('two agents with different node names look after one engine side by side', async () => {
  const name = `${prefix}-second`;
  const second = await ground.startAgent({
    flags: RARELY,
    blueprints: { 'ten.json': deployment('ten', [{ name, image }]) },
  });
  await second.converged();
  await agent.converged();
  const [mine, theirs] = [await running(engine, first), await running(engine, name)];
  await Promise.all([engine.kill(mine.id), engine.remove(theirs.id)]);
  const [one, other] = await Promise.all([healed(engine, first, mine), healed(engine, name, theirs)]);
  await Promise.all([agent.converged(), second.converged()]);
  const nodeOf = async (id: string) => (await engine.container(id)).Config.Labels['colonies.node'];
  assert.deepEqual([await nodeOf(one.id), await nodeOf(other.id)], [agent.node, second.node]);
  // The second one's blueprint of the same name goes; the first one's containers stay.
  const lives = await livesOf(engine, ten);
  second.remove('ten.json');
  await second.until(({ blueprints }) => blueprints.length === 0, 'its blueprint is gone');
  assert.equal(await engine.byName(name), undefined);
  assert.deepEqual(await livesOf(engine, ten), lives);
  await second.stop();
});

test('the agent stops with code 0 and leaves every container running', async () => {
  const lives = await livesOf(engine, ten);
  await agent.stop();
  assert.deepEqual(await livesOf(engine, ten), lives);
});

test('all that the agent has written are lines of its log, also with many calls under way', () => {
  for (const line of agent.log.trim().split('\n'))
    assert.equal(typeof JSON.parse(line).message, 'string', line);
});
