import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type PrivatePodman, startPodman } from '../fakes/private-podman.ts';
import type { AgentUnderTest } from './support/agent.ts';
import { deployment } from './support/blueprints.ts';
import { Ground } from './support/ground.ts';
import { healed, livesOf, running } from './support/healing.ts';

let podman: PrivatePodman;
let ground: Ground;
let agent: AgentUnderTest;
let names: string[];

before(async () => {
  podman = await startPodman();
  ground = new Ground('pod', podman.socket);
  const image = await ground.makeImage(`${ground.prefix}/tiny:latest`);
  names = [`${ground.prefix}-host`, `${ground.prefix}-none`];
  const [host = '', none = ''] = names;
  agent = await ground.startAgent({
    flags: ['--resync', '1s'],
    blueprints: {
      'two.json': deployment('two', [
        { name: host, image, networkMode: 'host', environment: { A: '1' }, restartPolicy: 'always' },
        {
          name: none,
          image,
          networkMode: 'none',
          user: '1000',
          workingDir: '/tmp',
          volumes: [{ type: 'named', name: `${ground.prefix}-data`, mountPath: '/data' }],
          tmpfs: ['/scratch:size=1m'],
        },
      ]),
    },
  });
});

after(async () => {
  await ground?.close().finally(() => podman.stop());
});

test('blueprints become running containers on podman, and the status says what engine it is', async () => {
  const status = await agent.converged(60_000);
  assert.equal(status.engine.name, 'podman');
  assert.equal(status.engine.state, 'ok');
  assert.equal(status.blueprints[0]?.phase, 'Running');
  assert.equal(status.blueprints[0]?.ready, 2);
  await livesOf(ground.engine, names);
});

test('further looks, and a restart of the agent, change nothing on podman', async () => {
  const lives = await livesOf(ground.engine, names);
  assert.deepEqual(await agent.quiet(), []);
  await agent.restart();
  await agent.converged();
  assert.deepEqual(await agent.quiet(), []);
  assert.deepEqual(await livesOf(ground.engine, names), lives);
});

test('a killed container runs again on podman', async (t) => {
  for (const name of names) {
    const life = await running(ground.engine, name);
    // The engine's own kill waits to see the container dead, which a healed one never is.
    process.kill((await ground.engine.container(name)).State.Pid, 'SIGKILL');
    const again = await healed(ground.engine, name, life, 30_000);
    assert.equal(again.id, life.id);
    t.diagnostic(`${name} back after ${again.tookMs} ms`);
  }
});

test('a removed container is made anew on podman', async () => {
  const [name = ''] = names;
  const life = await running(ground.engine, name);
  await ground.engine.remove(life.id);
  assert.notEqual((await healed(ground.engine, name, life, 30_000)).id, life.id);
  await agent.converged();
});

test('an edited instance is replaced on podman, the other one is left alone', async () => {
  const [host = '', none = ''] = names;
  const [changed, kept] = [await running(ground.engine, host), await running(ground.engine, none)];
  const image = `${ground.prefix}/tiny:latest`;
  const volumes = [{ type: 'named', name: `${ground.prefix}-data`, mountPath: '/data' }];
  agent.write(
    'two.json',
    deployment('two', [
      { name: host, image, networkMode: 'host', environment: { A: '2' }, restartPolicy: 'always' },
      {
        name: none,
        image,
        networkMode: 'none',
        user: '1000',
        workingDir: '/tmp',
        volumes,
        tmpfs: ['/scratch:size=1m'],
      },
    ]),
  );
  await healed(ground.engine, host, changed, 60_000);
  await agent.converged(60_000);
  assert.deepEqual(await running(ground.engine, none), kept);
  const { Config } = await ground.engine.container(host);
  assert.ok(Config.Env.includes('A=2'));
});

test('a blueprint that is taken away leaves no container on podman', async () => {
  agent.remove('two.json');
  await agent.until(({ blueprints }) => blueprints.length === 0, 'it is gone', 60_000);
  assert.deepEqual(await ground.engine.containers(), []);
  await agent.stop();
});
