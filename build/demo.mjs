// `npm run demo`: all set-up, then the main job on a small embedded example, told in plain words with measured times.
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CONTAINERS,
  editBlueprints,
  IMAGE,
  NETWORK,
  NODE,
  VOLUME,
  writeBlueprints,
} from './demo/blueprints.mjs';
import { Agent } from './lib/agent.mjs';
import { EngineClient } from './lib/engine.mjs';
import { EventLog } from './lib/events.mjs';
import { bold, dim, duration, errorText, green, red, until } from './lib/project.mjs';
import { killRunning } from './lib/run.mjs';
import { ensurePackages, runScript, setUp } from './setup.mjs';

/** An expectation was not met; the demo ends with 1. */
class Unmet extends Error {}

let step = 0;
const title = (/** @type {string} */ text) => console.log(`\n${bold(`${++step}. ${text}`)}`);
const say = (/** @type {string} */ text) => console.log(`   ${text}`);
const good = (/** @type {string} */ text) => console.log(`   ${green('✓')} ${text}`);
const show = (/** @type {string} */ text) => console.log(dim(text.trimEnd().replace(/^/gm, '   | ')));

/** @param {unknown} condition @param {string} otherwise @returns {asserts condition} */
function expect(condition, otherwise) {
  if (!condition) throw new Unmet(otherwise);
}

/** @typedef {{ agent: Agent, client: EngineClient, events: EventLog }} Stage */

/** Ids of the demo's containers by name; all of them must run. @param {EngineClient} client @returns {Promise<Map<string, string>>} */
async function runningIds(client) {
  const found = await client.containers({ label: [`colonies.node=${NODE}`], status: ['running'] });
  return new Map(found.map((one) => [(one.Names[0] ?? '').replace(/^\//, ''), one.Id]));
}

/** Waits until all three run and the agent says so. @param {Stage} stage */
async function allRunning({ agent, client }) {
  await agent.converged();
  const ids = await runningIds(client);
  for (const name of CONTAINERS) expect(ids.has(name), `${name} should run, but only ${[...ids.keys()]} do`);
  return ids;
}

/** Kills one container's process and tells when it runs again. @param {Stage} stage @param {string} name */
async function killAndWatch({ client, events }, name) {
  const before = (await runningIds(client)).get(name);
  expect(before !== undefined, `${name} does not run`);
  say(`docker kill ${name}`);
  const from = Date.now();
  await client.kill(before);
  const died = await events.wait('die', name, from);
  const back = await events.wait('start', name, died.atMs).catch((error) => {
    throw new Unmet(errorText(error));
  });
  good(`${name} runs again ${bold(duration(back.atMs - died.atMs))} after it died`);
}

/** @param {Stage} stage */
async function deploy(stage) {
  title('A directory with two blueprints is all the agent gets: no server, no registry, no network');
  writeBlueprints(stage.agent.blueprints);
  say('sensors.yaml asks for demo-temperature and demo-humidity, page.json for demo-page');
  const began = Date.now();
  stage.agent.start();
  const last = await Promise.all(CONTAINERS.map((name) => stage.events.wait('start', name, began)));
  good(
    `all three run ${bold(duration(Math.max(...last.map((one) => one.atMs)) - began))} after "colonies-edge run"`,
  );
  await allRunning(stage);
  show(await stage.agent.table());
  const status = await stage.agent.status();
  const port = status?.blueprints
    .flatMap((one) => one.status.instances)
    .flatMap((one) => one.ports)[0]
    ?.split(':')[0];
  const answer = await fetchStatus(Number(port));
  expect(answer !== undefined, `demo-page does not answer on port ${port}`);
  good(`demo-page answers on the port the engine chose for it: http://127.0.0.1:${port} (status ${answer})`);
}

/** @param {number} port @returns {Promise<number | undefined>} */
async function fetchStatus(port) {
  const ask = async () => (await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined))?.status;
  return until('the page', ask, { withinMs: 5000, everyMs: 100 }).catch(() => undefined);
}

/** @param {Stage} stage */
async function edit(stage) {
  title('A blueprint is edited: one line of one of its two instances');
  const before = await runningIds(stage.client);
  const began = Date.now();
  editBlueprints(stage.agent.blueprints);
  say('sensors.yaml: EVERY_SECONDS of demo-humidity is now "5" instead of "60"');
  const changed = async () =>
    (await runningIds(stage.client)).get('demo-humidity') !== before.get('demo-humidity');
  await until('demo-humidity to be replaced', changed, { withinMs: 20_000 });
  const after = await allRunning(stage);
  const took = duration(Date.now() - began);
  for (const name of CONTAINERS) {
    const [old, now] = [before.get(name)?.slice(0, 12), after.get(name)?.slice(0, 12)];
    say(`${name.padEnd(17)} ${old} ${old === now ? dim('untouched') : `-> ${bold(now ?? '')}`}`);
    expect(
      (old !== now) === (name === 'demo-humidity'),
      `${name} should ${old === now ? '' : 'not '}have been replaced`,
    );
  }
  const { Config } = await stage.client.inspect(after.get('demo-humidity') ?? '');
  expect(Config.Env.includes('EVERY_SECONDS=5'), 'demo-humidity does not have its new setting');
  good(`only demo-humidity was replaced, all is as wanted again after ${bold(took)}`);
}

/** @param {Stage} stage */
async function withoutDirectory(stage) {
  title('The directory goes away, as a disk or a server does');
  renameSync(stage.agent.blueprints, `${stage.agent.blueprints}.away`);
  expect(!existsSync(stage.agent.blueprints), 'the directory is still there');
  await killAndWatch(stage, 'demo-page');
  await allRunning(stage);
  show(await stage.agent.table());
}

/** @param {Stage} stage */
async function powerCut(stage) {
  title(
    'The agent is killed as by a power cut, a container is removed meanwhile, and the directory is still away',
  );
  await stage.agent.stop('SIGKILL');
  const gone = await stage.client.byName('demo-temperature');
  expect(gone !== undefined, 'demo-temperature should have survived its agent');
  await stage.client.remove(gone.Id);
  say('kill -9 of the agent; docker rm -f demo-temperature; then "colonies-edge run" again');
  const began = Date.now();
  stage.agent.start();
  const back = await stage.events.wait('start', 'demo-temperature', began).catch((error) => {
    throw new Unmet(errorText(error));
  });
  await allRunning(stage);
  good(
    `the checkpoint on disk was enough: demo-temperature runs ${bold(duration(back.atMs - began))} after the start`,
  );
}

/** @param {Stage} stage */
async function goodbye(stage) {
  title('The agent is stopped; what it started keeps running');
  await stage.agent.stop('SIGTERM');
  const ids = await runningIds(stage.client);
  expect(ids.size === CONTAINERS.length, `only ${ids.size} containers still run`);
  good(`${ids.size} containers run without it`);
}

/** Removes everything of this and of an interrupted earlier demo. @param {EngineClient} client */
async function removeAll(client) {
  const mine = await client.containers({ label: [`colonies.node=${NODE}`] });
  await Promise.all(mine.map((one) => client.remove(one.Id)));
  await client.removeNetwork(NETWORK);
  await client.removeVolume(VOLUME);
  await client.removeImage(IMAGE);
}

/** Returns the exit code. @param {AbortSignal} interrupted */
async function play(interrupted) {
  const client = new EngineClient();
  const folder = mkdtempSync(join(tmpdir(), 'colonies-edge-demo-'));
  const agent = new Agent({ folder, node: NODE, network: NETWORK });
  const events = new EventLog(client.socketPath);
  const stage = { agent, client, events };
  let code = 0;
  try {
    const { makeTinyImage } = await import('./tiny-image.mjs');
    const { bundle } = await import('./bundle.mjs');
    await removeAll(client);
    await bundle();
    await makeTinyImage({
      name: IMAGE,
      files: [{ path: 'srv/index.html', content: '<h1>hello from the edge</h1>\n' }],
    });
    await events.open();
    const cut = new Promise((_, fail) =>
      interrupted.addEventListener('abort', () => fail(new Unmet('interrupted'))),
    );
    cut.catch(() => {});
    await Promise.race([story(stage), cut]);
  } catch (error) {
    code = 1;
    console.error(`\n   ${red('✗')} ${error instanceof Unmet ? error.message : errorText(error)}`);
    if (!interrupted.aborted) console.error(dim(`   The agent's log ends with:\n${agent.log()}`));
  }
  events.close();
  await agent.stop('SIGKILL');
  killRunning();
  await removeAll(client);
  rmSync(folder, { recursive: true, force: true });
  say(dim('cleaned up: containers, network, volume, image and temporary files of the demo are gone'));
  return code;
}

/** @param {Stage} stage */
async function story(stage) {
  await deploy(stage);
  title('A container dies');
  await killAndWatch(stage, 'demo-temperature');
  await edit(stage);
  await withoutDirectory(stage);
  await powerCut(stage);
  await goodbye(stage);
}

await runScript(async () => {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => interrupted.abort());
  await ensurePackages();
  const engine = await setUp({ tools: ['busybox'] });
  const began = performance.now();
  console.log(
    bold('colonies-edge: the containers of a node, kept as its blueprints say, with or without a server'),
  );
  const code = await play(interrupted.signal).finally(() => engine.stop());
  if (interrupted.signal.aborted) return 130;
  const took = duration(performance.now() - began);
  console.log(
    code === 0 ? `\n${green('The demo did all it promised')}, in ${took}.` : `\n${red('The demo failed.')}`,
  );
  return code;
});
