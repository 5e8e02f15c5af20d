// The part `handover`: what a relay in front of a fixed host port costs, and what an update behind it does to requests.
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { get, Agent as HttpAgent } from 'node:http';
import { join } from 'node:path';
import { errorText, pause, until } from '../lib/project.mjs';
import { IMAGE } from './ground.mjs';
import { memory } from './proc.mjs';

/** @typedef {import('./figures.mjs').Figure} Figure */
/** @typedef {import('./ground.mjs').Ground} Ground */

const NAME = 'bench-handover';
/** Through the relay, and the same server's port published by the engine. */
const PORT = 21_390;
const DIRECT = 21_391;
const UPDATES = 5;
/** Requests a second while versions change. */
const RATE = 50;
const DOWNLOAD_MB = 200;

/** Serves its version, and as many megabytes as the path says. */
const SERVER = `
const block = Buffer.alloc(1 << 20);
const server = require('node:http').createServer((request, response) => {
  let left = Number(request.url.slice(1));
  if (!(left > 0)) return response.end(process.env.VERSION);
  const more = () => { while (left-- > 0) if (!response.write(block)) return response.once('drain', more); response.end(); };
  more();
}).listen(80);
// Only updates are to close connections here.
server.keepAliveTimeout = 120_000;
process.on('SIGTERM', () => { server.close(() => process.exit(0)); server.closeIdleConnections(); });
`;

/** @param {string} name @param {string} version @param {object} port */
function document(name, version, port) {
  const folders = ['/usr', '/lib', '/lib64'].filter((path) => existsSync(path));
  const paths = folders.some((path) => process.execPath.startsWith(`${path}/`))
    ? folders
    : [...folders, process.execPath];
  const volumes = paths.map((path) => ({ type: 'bind', hostPath: path, mountPath: path, readOnly: true }));
  const instance = {
    name,
    type: 'container',
    image: IMAGE,
    entrypoint: [process.execPath, '-e', SERVER],
    environment: { VERSION: version },
    volumes,
    ports: [{ container: 80, protocol: 'tcp', ...port }],
    probe: { http: { port: 80 }, interval: '1s' },
  };
  return { kind: 'DockerDeployment', metadata: { name }, spec: { instances: [instance] } };
}

/** @param {number} port @param {HttpAgent | false} [agent] @param {string} [path] @returns {Promise<string>} body, or only its size for a download */
function ask(port, agent = false, path = '/') {
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', path, agent, timeout: 30_000 }, (response) => {
      let text = '';
      let bytes = 0;
      response.on('data', (/** @type {Buffer} */ chunk) => {
        bytes += chunk.length;
        if (path === '/') text += chunk.toString();
      });
      response.on('end', () => resolve(path === '/' ? text : String(bytes)));
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', reject);
  });
}

/** Latencies of 500 requests, one after another, on new connections, milliseconds. @param {number} port */
async function latencies(port) {
  const values = [];
  for (let i = 0; i < 600; i++) {
    const began = performance.now();
    await ask(port);
    // The first hundred warm both sides up.
    if (i >= 100) values.push(performance.now() - began);
  }
  return values;
}

/** Megabytes a second of large downloads. @param {number} port */
async function throughput(port) {
  const values = [];
  for (let i = 0; i < 3; i++) {
    const began = performance.now();
    const bytes = Number(await ask(port, false, `/${DOWNLOAD_MB}`));
    if (bytes !== DOWNLOAD_MB * 2 ** 20) throw new Error(`the download has ${bytes} bytes`);
    values.push(DOWNLOAD_MB / ((performance.now() - began) / 1000));
  }
  return values;
}

/** Requests at a steady rate, every second one on a connection that is kept open, until stopped. @param {number} port */
function steady(port) {
  const keeping = new HttpAgent({ keepAlive: true });
  /** @type {Set<Promise<void>>} */
  const open = new Set();
  let asked = 0;
  /** @type {string[]} */
  const failed = [];
  const timer = setInterval(() => {
    const one = ask(port, asked++ % 2 === 0 ? false : keeping).then(
      () => undefined,
      (error) => void failed.push(`${new Date().toISOString()} ${errorText(error)}`),
    );
    open.add(one);
    void one.finally(() => open.delete(one));
  }, 1000 / RATE);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(open);
      keeping.destroy();
      return { asked, failed };
    },
  };
}

/** @param {Ground} ground @returns {Promise<Figure[]>} */
export async function handover(ground) {
  const agent = ground.agent();
  /** @param {string} name @param {string} version @param {object} port */
  const write = (name, version, port) => {
    writeFileSync(join(agent.blueprints, '.new'), JSON.stringify(document(name, version, port)));
    renameSync(join(agent.blueprints, '.new'), join(agent.blueprints, `${name}.json`));
  };
  const relayed = { host: PORT, handover: true };
  write(NAME, '0', relayed);
  write(`${NAME}-direct`, '0', { host: DIRECT });
  agent.start();
  await agent.converged(120_000);
  const figures = [
    ...pair('request on a new connection', 'ms', await latencies(DIRECT), await latencies(PORT)),
    ...pair(`download of ${DOWNLOAD_MB} MB`, 'MB/s', await throughput(DIRECT), await throughput(PORT)),
  ];
  const load = steady(PORT);
  for (let version = 1; version <= UPDATES; version++) {
    write(NAME, String(version), relayed);
    await until(`version ${version}`, async () => (await ask(PORT)) === String(version), {
      withinMs: 120_000,
      everyMs: 100,
    });
    await agent.converged(120_000);
    await pause(500);
  }
  const { asked, failed } = await load.stop();
  for (const line of failed) console.log(`failed request: ${line}`);
  const name = `failed of ${asked} requests at ${RATE} Hz over ${UPDATES} updates`;
  figures.push({ name, unit: '', values: [failed.length], target: { text: '0', met: failed.length === 0 } });
  const found = await ground.client.byName(`${NAME}.relay`);
  const { State } = await ground.client.call('GET', `/containers/${found?.Id}/json`);
  const { anonymous, pss, rss } = memory(State.Pid);
  figures.push({ name: 'relay: anonymous memory', unit: 'MiB', values: [anonymous] });
  figures.push(
    { name: 'relay: PSS', unit: 'MiB', values: [pss] },
    { name: 'relay: RSS', unit: 'MiB', values: [rss] },
  );
  await ground.undo(agent);
  return figures;
}

/** @param {string} name @param {string} unit @param {number[]} direct @param {number[]} through @returns {Figure[]} */
function pair(name, unit, direct, through) {
  return [
    { name: `${name}, direct`, unit, values: direct },
    { name: `${name}, through a relay`, unit, values: through },
  ];
}
