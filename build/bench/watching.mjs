// Probers at work, on the host or in the containers' network, and the stand-in that they ask.
import { spawn } from 'node:child_process';
import { realpathSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { engineCall } from '../lib/engine.mjs';
import { root, until } from '../lib/project.mjs';
import { IMAGE, NETWORK } from './ground.mjs';

/** @typedef {import('./ground.mjs').Ground} Ground */
/** @typedef {import('./prober.mjs').Findings} Findings */
/** @typedef {import('../lib/agent.mjs').Agent} Agent */

const PROBER = join(root, 'build', 'bench', 'prober.mjs');

/** Of the stand-in, in its container. */
export const PORT = 80;

/**
 * Serves its version on port 80, from BOOT seconds after its start on. Told to stop it takes no more connections and ends
 * 300 ms later, as programs do that finish what they have begun.
 */
export const SERVE = `
mkdir -p /tmp/w; echo "$VERSION" > /tmp/w/index.html
[ -n "$SICK" ] || echo fine > /tmp/w/health
sleep "$BOOT"
httpd -f -p ${PORT} -h /tmp/w & p=$!
trap 'kill $p; sleep 0.3; exit 0' TERM
[ -z "$ENDS_AFTER" ] || { sleep "$ENDS_AFTER"; exit 3; }
wait $p`;

/** Puts a blueprint where the agent finds it, all at once. @param {Agent} agent @param {any} document @returns {number} when it came, epoch milliseconds */
export function offer(agent, document) {
  const { name } = document.metadata;
  writeFileSync(join(agent.blueprints, `.${name}`), JSON.stringify(document));
  const atMs = Date.now();
  renameSync(join(agent.blueprints, `.${name}`), join(agent.blueprints, `${name}.json`));
  return atMs;
}

/** A port of the host that nobody has. @returns {Promise<number>} */
export function freePort() {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen(0, '0.0.0.0', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}

/** A prober at work; `stop` gives what it found. @typedef {{ stop(): Promise<Findings> }} Watching */

/** Of a port of this host. @param {number} port @returns {Promise<Watching>} */
export async function watchPort(port) {
  const child = spawn(process.execPath, [PROBER, '127.0.0.1', String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const ended = new Promise((done) => child.once('close', done));
  await until('the prober to begin', () => output.includes('began'));
  return {
    async stop() {
      child.kill('SIGTERM');
      await ended;
      return read(output);
    },
  };
}

/** Of a name in the containers' network, by this Node in a container of its own. @param {Ground} ground @param {string} alias @returns {Promise<Watching>} */
export async function watchAlias(ground, alias) {
  const libraries = /** @type {any} */ (process.report.getReport()).sharedObjects;
  const files = libraries.filter((/** @type {string} */ path) => path.startsWith('/'));
  const binds = files.map((/** @type {string} */ path) => `${realpathSync(path)}:${path}:ro`);
  binds.push(`${realpathSync(process.execPath)}:/node:ro`, `${PROBER}:/prober.mjs:ro`);
  const { client } = ground;
  const { Id } = await client.call('POST', '/containers/create', {
    Image: IMAGE,
    Entrypoint: ['/node', '/prober.mjs', alias, String(PORT)],
    Cmd: [],
    // Its output as it is, without the engine's frames.
    Tty: true,
    Labels: { 'colonies-edge.bench': '1' },
    HostConfig: { NetworkMode: NETWORK, Binds: binds },
  });
  await client.call('POST', `/containers/${Id}/start`);
  const output = async () => {
    const { body } = await engineCall(client.socketPath, 'GET', `/containers/${Id}/logs?stdout=1`);
    return body.toString();
  };
  await until('the prober to begin', async () => (await output()).includes('began'), { everyMs: 100 });
  return {
    async stop() {
      await client.call('POST', `/containers/${Id}/stop`);
      const found = read(await output());
      await client.remove(Id);
      return found;
    },
  };
}

/** @param {string} output @returns {Findings} */
function read(output) {
  const line = output.split('\n').find((one) => one.startsWith('{'));
  if (line === undefined) throw new Error(`the prober has said nothing but ${output}`);
  return JSON.parse(line);
}
