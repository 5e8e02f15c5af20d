import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { RELAY_IMAGE } from '../../src/model/relay.ts';
import type { AgentUnderTest } from './support/agent.ts';
import { single } from './support/blueprints.ts';
import { Ground } from './support/ground.ts';
import { ask, Load, SLOW_BYTES, type Toll, webServer } from './support/load.ts';

const ground = new Ground('hnd');
const { engine, prefix } = ground;
const port = 21_200 + (process.pid % 90);
const name = `${prefix}-web`;
let agent: AgentUnderTest;
let image = '';

before(async () => {
  image = await ground.plainImage();
  ground.alsoRemove({ images: [RELAY_IMAGE] });
  agent = await ground.startAgent({ flags: ['--resync', '5s'] });
  agent.write('web.json', version('1'));
  await agent.converged();
  await proven('1');
});
after(() => ground.close());

function version(value: string, change: object = {}): object {
  const ports = [{ container: 80, host: port, protocol: 'tcp', handover: true }];
  const probe = { http: { port: 80 }, interval: '1s' };
  return single(name, image, {
    ...webServer(value),
    ports,
    probe,
    update: { healthyAfter: '1s' },
    ...change,
  });
}

/** Waits until this version serves alone. */
async function proven(value: string): Promise<void> {
  await agent.until(async ({ converged }) => {
    const found = await engine.inspect(name);
    return converged && found?.Config.Env.includes(`VERSION=${value}`) === true;
  }, `version ${value} serves alone`);
  assert.equal(await ask(port), value);
}

function check(
  t: TestContext,
  { asked, failures, answers }: Toll,
  least: number,
  expected: readonly string[],
): void {
  t.diagnostic(`${asked} requests, ${failures.length} failed; by version: ${JSON.stringify([...answers])}`);
  assert.deepEqual(failures.slice(0, 5), []);
  assert.ok(asked >= least, `${asked} requests are no load`);
  assert.deepEqual([...answers.keys()].sort(), [...expected].sort());
}

/** Goes on until so many requests were made. */
async function enough(load: Load, requests: number): Promise<void> {
  await agent.until(() => load.asked >= requests, `${requests} requests`);
}

test('an update fails none of thousands of requests, nor a download that is under way', async (t) => {
  const relay = (await engine.container(`${name}.relay`)).Id;
  const load = new Load(port);
  await enough(load, 500);
  agent.write('web.json', version('2'));
  await agent.until(
    async () => (await engine.containers({ name: [`${name}.next`] })).length > 0,
    'it is made',
  );
  // Begun by the old version, and still going on when the new one takes over.
  const downloads: Promise<string>[] = [];
  for (let i = 0; i < 4; i += 1) {
    downloads.push(ask(port, '/slow'));
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  await proven('2');
  await enough(load, 3_000);
  check(t, await load.stop(), 3_000, ['1', '2']);
  assert.deepEqual(
    (await Promise.all(downloads)).map((text) => text.length),
    downloads.map(() => SLOW_BYTES),
  );
  assert.equal((await engine.container(`${name}.relay`)).Id, relay, 'the relay is the same one');
});

test('the way back to the version before fails no request', async (t) => {
  const load = new Load(port);
  await enough(load, 300);
  const { code, stderr } = await agent.cli('rollback', name, '--socket', agent.socket);
  assert.equal(code, 0, stderr);
  await agent.until(async () => {
    const found = await engine.inspect(name);
    return found?.Config.Env.includes('VERSION=1') === true && (await ask(port)) === '1';
  }, 'version 1 serves');
  await enough(load, 2_000);
  check(t, await load.stop(), 2_000, ['1', '2']);
  assert.equal((await agent.cli('retry', name, '--socket', agent.socket)).code, 0);
  await proven('2');
});

test('a version that is not healthy fails no request', async (t) => {
  const load = new Load(port);
  await enough(load, 300);
  agent.write('web.json', version('bad', { entrypoint: ['sh', '-c', 'sleep 3; exit 3'] }));
  await agent.until(
    async () => (await agent.blueprint(name))?.waiting[0]?.reason === 'RolledBack',
    'it is rolled back',
  );
  await enough(load, 1_000);
  check(t, await load.stop(), 1_000, ['2']);
});

test('an agent that is killed in the middle of an update fails no request, before and after it is back', async (t) => {
  const load = new Load(port);
  await enough(load, 300);
  agent.write('web.json', version('3'));
  await agent.until(async () => (await ask(port)) === '3', 'the relay has gone over');
  await agent.kill('SIGKILL');
  const asked = load.asked;
  while (load.asked < asked + 500) await new Promise((resolve) => setTimeout(resolve, 50));
  await agent.start();
  await proven('3');
  check(t, await load.stop(), 1_000, ['2', '3']);
});

test('without an agent a relay finds its container again, after a restart of either', async () => {
  await agent.stop();
  const { Id } = await engine.container(`${name}.relay`);
  for (const restarted of [name, `${name}.relay`]) {
    await engine.call('POST', `/containers/${restarted}/restart?t=1`);
    let answer = '';
    const end = performance.now() + 15_000;
    while (answer !== '3' && performance.now() < end) answer = await ask(port).catch(() => '');
    assert.equal(answer, '3', `after a restart of ${restarted}`);
  }
  assert.equal((await engine.container(`${name}.relay`)).Id, Id);
  await agent.start();
  await proven('3');
});

test('a relay has no rights, no files of its own and no other user', async () => {
  const { HostConfig, Config } = await engine.container(`${name}.relay`);
  assert.deepEqual(
    [HostConfig.ReadonlyRootfs, HostConfig.CapDrop, HostConfig.SecurityOpt, Config.User],
    [true, ['ALL'], ['no-new-privileges'], '65534:65534'],
  );
  assert.equal(HostConfig.RestartPolicy.Name, 'always');
  assert.deepEqual(await agent.quiet(1), []);
});

test('what goes with the blueprint: the relay, its port and its folder', async () => {
  agent.remove('web.json');
  await agent.until(({ blueprints }) => blueprints.length === 0, 'gone');
  assert.deepEqual(await engine.containers({ label: [`colonies.node=${agent.node}`] }), []);
  await assert.rejects(ask(port));
});
