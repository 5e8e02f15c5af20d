import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { EngineClient } from '../../build/lib/engine.mjs';
import { makeTinyImage } from '../../build/tiny-image.mjs';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createDockerEngine } from '../../src/docker/engine.ts';
import { EngineBench, type EngineHost, IMAGE_DEFAULTS } from './engine-bench.ts';
import { ENGINE_CASES } from './engine-cases.ts';

const PATIENCE_MS = 30_000;
const PREFIX = `ce-case-${systemRandom.hex(6)}-`;
const IMAGES = {
  sleeper: `${PREFIX}sleeper:1`,
  graceful: `${PREFIX}graceful:1`,
  defaults: `${PREFIX}defaults:1`,
};

const client = new EngineClient();
const folder = mkdtempSync(join(tmpdir(), PREFIX));
const listeners: Server[] = [];
const engine = createDockerEngine({
  endpoint: `unix://${client.socketPath}`,
  clock: systemClock,
  random: systemRandom,
  log: silentLogger,
});

before(async () => {
  assert.ok(await client.answers(), `an engine answers at ${client.socketPath} (these cases need one)`);
  const defaults = IMAGE_DEFAULTS;
  await makeTinyImage({ name: IMAGES.sleeper, changes: ['CMD ["sleep","100000"]'] });
  await makeTinyImage({
    name: IMAGES.graceful,
    changes: [`CMD ["sh","-c","trap 'exit 0' TERM; while :; do sleep 0.05; done"]`],
  });
  await makeTinyImage({
    name: IMAGES.defaults,
    changes: [
      ...Object.entries(defaults.env).map(([key, value]) => `ENV ${key}=${value}`),
      ...Object.entries(defaults.labels).map(([key, value]) => `LABEL ${key}=${value}`),
      `CMD ${JSON.stringify(defaults.command)}`,
      `WORKDIR ${defaults.workingDir}`,
      `USER ${defaults.user}`,
      ...defaults.exposedPorts.map((port) => `EXPOSE ${port}`),
      ...defaults.volumes.map((path) => `VOLUME ${path}`),
    ],
  });
});

after(async () => {
  await engine.close();
  for (const listener of listeners) listener.close();
  await clearAway();
  for (const reference of Object.values(IMAGES)) await client.removeImage(reference);
  rmSync(folder, { recursive: true, force: true });
});

for (const { title, run } of ENGINE_CASES)
  test(`the real engine: ${title}`, { timeout: 60_000 }, async () => {
    const bench = new EngineBench(host);
    try {
      await run(bench);
    } finally {
      bench.close();
      await clearAway();
    }
  });

/** Removes what a case made, by the prefix of its name. */
async function clearAway(): Promise<void> {
  const containers = await client.containers({ name: [PREFIX] });
  await Promise.all(containers.map(({ Id }) => client.remove(Id)));
  const networks: { Name: string }[] = await client.call('GET', '/networks');
  for (const { Name } of networks) if (Name.startsWith(PREFIX)) await client.removeNetwork(Name);
  const volumes: { Volumes: { Name: string }[] | null } = await client.call('GET', '/volumes');
  for (const { Name } of volumes.Volumes ?? []) if (Name.startsWith(PREFIX)) await client.removeVolume(Name);
}

let serial = 0;

const host: EngineHost = {
  engine,
  prefix: PREFIX,
  images: IMAGES,
  drive: (promise) => promise,
  until: async (condition, what) => {
    const deadline = performance.now() + PATIENCE_MS;
    while (!(await condition())) {
      assert.ok(performance.now() < deadline, `in time: ${what}`);
      await pause(25);
    }
  },
  kill: async (id) => {
    await client.call('POST', `/containers/${id}/kill`);
  },
  pause: async (id) => {
    await client.call('POST', `/containers/${id}/pause`);
  },
  makeDirectory: async () => {
    serial += 1;
    const path = join(folder, `made-${serial}`);
    mkdirSync(path);
    return path;
  },
  missingPath: () => {
    serial += 1;
    return join(folder, `missing-${serial}`);
  },
  removePath: async (path) => rmSync(path, { recursive: true, force: true }),
  pathExists: existsSync,
  freePort: async () => {
    const { server, port } = await listenOn(0);
    await new Promise((resolve) => server.close(resolve));
    return port;
  },
  occupyPort: async (port) => {
    listeners.push((await listenOn(port)).server);
  },
};

function listenOn(port: number): Promise<{ server: Server; port: number }> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '0.0.0.0', () => {
      const address = server.address();
      resolve({ server, port: typeof address === 'object' && address !== null ? address.port : port });
    });
  });
}
