import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { deriveId } from '../../src/colony/identity.ts';
import type { AgentUnderTest } from './support/agent.ts';
import { SEED } from './support/arrowhead.ts';
import { Ground, WAIT_CMD } from './support/ground.ts';
import { healed, running } from './support/healing.ts';
import { PrivateEngine } from './support/private-engine.ts';

const IMAGE = 'colonyos/dockerexecutor:v1.0.7';
const FILE = 'local-docker-executor-deployment.json';
const BLUEPRINT = 'docker-executor';
/** The seed's blueprint has the engine make this one on the host. */
const SCRATCH = '/tmp/colonies';
const hadScratch = existsSync(SCRATCH);

// An engine of its own: the unchanged blueprint is privileged, which not every machine's engine can start.
const privateEngine = new PrivateEngine(mkdtempSync(join(tmpdir(), 'ce-x-')));
const ground = new Ground('exec', privateEngine.socket);
const { engine } = ground;
const key = randomBytes(32).toString('hex');
const id = deriveId(key);
const containerName = `${BLUEPRINT}-${id.slice(0, 5)}`;
const executorName = `${containerName}-0`;

/** What the agent's own environment has, and executors inherit (FIELDS 6.2 a). */
const INHERITED = {
  COLONIES_CLIENT_BACKENDS: 'http',
  COLONIES_SERVER_HOST: 'server.example',
  COLONIES_SERVER_PORT: '50080',
  COLONIES_TLS: 'true',
  AWS_S3_TLS: 'true',
  AWS_S3_SKIPVERIFY: 'false',
  AWS_S3_ENDPOINT: 's3.example:9000',
  AWS_S3_ACCESSKEY: 'access',
  AWS_S3_SECRETKEY: 'not-so-secret',
  AWS_S3_BUCKET: 'bucket',
  AWS_S3_REGION_KEY: 'eu-north-1',
};

/** Everything the seed's executor must find (FIELDS 6.2 a to d); PATH is the image's. */
const environment = (node: string) => ({
  ...INHERITED,
  COLONIES_CLIENT_HTTP_HOST: 'server.example',
  COLONIES_CLIENT_HTTP_PORT: '50080',
  AWS_S3_REGION: 'eu-north-1',
  COLONIES_COLONY_NAME: 'c1',
  LANG: 'en_US.UTF-8',
  LANGUAGE: 'en_US.UTF-8',
  LC_ALL: 'en_US.UTF-8',
  LC_CTYPE: 'UTF-8',
  TZ: 'Europe/Helsinki',
  EXECUTOR_TYPE: 'container-executor',
  EXECUTOR_ADD_DEBUG_LOGS: 'false',
  EXECUTOR_FS_DIR: '/tmp/colonies',
  EXECUTOR_HW_NODES: '1',
  EXECUTOR_HW_GPU_COUNT: '0',
  EXECUTOR_HW_GPU_NODES_COUNT: '0',
  EXECUTOR_LOCATION_LONG: '0',
  EXECUTOR_LOCATION_LAT: '0',
  EXECUTOR_SW_TYPE: 'docker',
  EXECUTOR_SW_NAME: IMAGE,
  EXECUTOR_SW_VERSION: IMAGE,
  COLONIES_DEPLOYMENT: BLUEPRINT,
  COLONIES_CONTAINER_NAME: containerName,
  COLONIES_PRVKEY: key,
  COLONIES_EXECUTOR_ID: id,
  COLONIES_EXECUTOR_NAME: executorName,
  COLONIES_NODE_NAME: node,
  COLONIES_NODE_LOCATION: 'hall-4',
});

const slots = join(ground.dir, 'slots.json');
const options = {
  blueprints: { [FILE]: readFileSync(join(SEED, FILE), 'utf8') },
  // The variables name a server; here only the executor is to hear of it.
  flags: [
    ...['--slots', slots, '--server', 'none'],
    ...['--colony', 'c1', '--location', 'hall-4', '--resync', '1s'],
  ],
  env: { ...INHERITED, TZ: 'Europe/Helsinki' },
};
let agent: AgentUnderTest;

function provision(...list: object[]): void {
  writeFileSync(slots, JSON.stringify({ slots: list }), { mode: 0o600 });
}

before(async () => {
  await privateEngine.start();
  await ground.makeImage(IMAGE, [WAIT_CMD]);
  provision();
  agent = await ground.startAgent(options);
});

after(async () => {
  await ground.close();
  await privateEngine.close();
  if (!hadScratch) rmSync(SCRATCH, { recursive: true, force: true });
});

async function envOf(name: string): Promise<Record<string, string>> {
  const { Config } = await engine.container(name);
  const pairs = Config.Env.map((text: string) => [
    text.slice(0, text.indexOf('=')),
    text.slice(text.indexOf('=') + 1),
  ]);
  const { PATH: _path, ...env } = Object.fromEntries(pairs);
  return env;
}

const mine = () => engine.containers({ label: [`colonies.node=${agent.node}`] });

test('without a slot the executor waits for registration, and no container is made', async () => {
  const status = await agent.until(
    ({ blueprints }) => blueprints[0]?.waiting[0]?.reason === 'WaitingForRegistration',
    'it waits for its identity',
  );
  const [report] = status.blueprints;
  assert.equal(report?.name, BLUEPRINT);
  assert.notEqual(report?.phase, 'Running');
  assert.match(report?.waiting[0]?.message ?? '', /slots\.json/);
  assert.equal(status.converged, false);
  assert.deepEqual(await mine(), []);
  const shown = await agent.cli('status', '--socket', agent.socket);
  assert.equal(shown.code, 3, shown.stderr);
  assert.match(shown.stdout, /WaitingForRegistration/);
});

test('when the slot file gets its identity the executor runs, without a restart of the agent', async () => {
  const { pid } = agent;
  provision({ blueprint: BLUEPRINT, index: 0, key, executorName });
  await agent.converged();
  await running(engine, containerName);
  assert.equal(agent.pid, pid);
});

test('its environment is complete, and its identity is derived from the key', async () => {
  assert.deepEqual(await envOf(containerName), environment(agent.node));
  const { Config, HostConfig } = await engine.container(containerName);
  assert.equal(Config.Labels['colonies.executor'], executorName);
  assert.equal(HostConfig.Privileged, true);
  const binds = [...HostConfig.Binds].map((bind: string) => bind.replace(/:rw$/, '')).sort();
  assert.deepEqual(binds, ['/tmp/colonies:/tmp/colonies', '/var/run/docker.sock:/var/run/docker.sock']);
});

/** Everything that leaves the agent, as one text. */
async function everythingTold(): Promise<string> {
  const told = [agent.log];
  for (const path of ['/v1/status', '/v1/plan', '/v1/events', '/metrics']) told.push(await agent.ask(path));
  for (const args of [['status', '--json'], ['status', BLUEPRINT], ['plan'], ['events', '--json']])
    told.push(Object.values(await agent.cli(...args, '--socket', agent.socket)).join());
  told.push(Object.values(await agent.cli('plan', '--offline', '--json', ...agent.flags())).join());
  told.push(Object.values(await agent.cli('config', ...agent.flags())).join());
  for (const { Id } of await mine()) told.push(JSON.stringify((await engine.container(Id)).Config.Labels));
  return told.join('\n');
}

test('defect 16: the key is in no log, status, event, plan or label, and in no file that others can read', async () => {
  assert.doesNotMatch(await everythingTold(), new RegExp(key));
  assert.equal(statSync(agent.stateDir).mode & 0o077, 0);
  for (const file of readdirSync(agent.stateDir).map((name) => join(agent.stateDir, name)))
    if (statSync(file).isFile() && readFileSync(file, 'utf8').includes(key))
      assert.equal(statSync(file).mode & 0o077, 0, file);
});

test('a container that is removed comes back under the same identity', async () => {
  const life = await running(engine, containerName);
  await engine.remove(life.id);
  await healed(engine, containerName, life);
  assert.deepEqual(await envOf(containerName), environment(agent.node));
});

test('a replaced container has the same identity', async () => {
  const life = await running(engine, containerName);
  const document = JSON.parse(options.blueprints[FILE] ?? '');
  document.spec.env = { EXECUTOR_HW_MODEL: 'edge' };
  agent.write(FILE, document);
  const again = await healed(engine, containerName, life);
  assert.notEqual(again.id, life.id);
  await agent.converged();
  assert.deepEqual(await envOf(containerName), { ...environment(agent.node), EXECUTOR_HW_MODEL: 'edge' });
  assert.equal((await mine()).length, 1);
});

test('defect 14: a restarted agent leaves the container and its identity as they are', async () => {
  const life = await running(engine, containerName);
  await agent.restart();
  await agent.converged();
  assert.deepEqual(await agent.quiet(), []);
  assert.deepEqual(await running(engine, containerName), life);
});

test('a slot file that is broken or taken away leaves the container running, and is shown', async () => {
  const life = await running(engine, containerName);
  writeFileSync(slots, '{"slots": [');
  await agent.until(
    (status) => JSON.stringify(status.blueprints.map(({ warnings }) => warnings)).includes(slots),
    'the broken file is shown',
  );
  rmSync(slots);
  await agent.until(
    ({ blueprints }) => /ENOENT/.test(JSON.stringify(blueprints.map(({ warnings }) => warnings))),
    'the missing file is shown',
  );
  assert.deepEqual(await running(engine, containerName), life);
  await engine.kill(life.id);
  await healed(engine, containerName, life);
  provision({ blueprint: BLUEPRINT, index: 0, key, executorName });
  await agent.converged();
  assert.doesNotMatch(await everythingTold(), new RegExp(key));
  await agent.stop();
  for (const { Id } of await mine()) await engine.remove(Id);
});

test('with the slot there from the start the unchanged blueprint runs at once', async () => {
  const fresh = await ground.startAgent(options);
  const status = await fresh.converged();
  assert.equal(status.blueprints[0]?.phase, 'Running');
  assert.deepEqual(await envOf(containerName), environment(fresh.node));
  // `handler` is no part of a blueprint; the envelope's warning says so.
  assert.match(JSON.stringify(status.blueprints[0]?.warnings), /handler/);
  await fresh.stop();
});
