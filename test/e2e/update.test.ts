import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import type { AgentUnderTest } from './support/agent.ts';
import { single } from './support/blueprints.ts';
import { Ground } from './support/ground.ts';

const ground = new Ground('upd');
const { engine, prefix } = ground;
const port = 21_100 + (process.pid % 90);
let agent: AgentUnderTest;
let image = '';

/** Serves its version on port 80, and ends at once on SIGTERM. */
const SERVE = [
  'sh',
  '-c',
  'mkdir -p /tmp/www && echo "$VERSION" > /tmp/www/index.html; httpd -f -p 80 -h /tmp/www & trap "exit 0" TERM; wait',
];

before(async () => {
  image = await ground.makeImage(`${prefix}-web:1`, [`CMD ${JSON.stringify(SERVE)}`]);
  agent = await ground.startAgent({ flags: ['--resync', '5s'] });
});
after(() => ground.close());

const of = (name: string, VERSION: string, more: object = {}, spec: object = {}) =>
  single(`${prefix}-${name}`, image, { environment: { VERSION }, ...more }, spec);

/** Writes a version and waits until the agent has read it. */
async function offer(name: string, document: object): Promise<void> {
  const seq = await agent.lastEvent();
  agent.write(`${name}.json`, document);
  await agent.until(async () => {
    const events = await agent.events(seq);
    return events.some(
      ({ message, blueprint }) =>
        blueprint === `${prefix}-${name}` && /^blueprint (added|changed|returned)$/.test(message),
    );
  }, `the new version of ${name} is read`);
}

/** Writes a version and waits until it is in force and has proved good. */
async function proven(name: string, document: object): Promise<void> {
  await offer(name, document);
  await agent.converged();
  const isKnown = () => {
    const path = ['a', 'b'].map((side) => join(agent.stateDir, `rollouts.${side}`));
    return path.some((file) => existsSync(file) && readFileSync(file, 'utf8').includes(`${prefix}-${name}`));
  };
  await agent.until(isKnown, 'it has proved good');
}

async function drop(name: string): Promise<void> {
  agent.remove(`${name}.json`);
  await agent.until(({ blueprints }) => blueprints.every((one) => one.name !== `${prefix}-${name}`), 'gone');
}

const names = async () =>
  (await engine.containers({ label: [`colonies.node=${agent.node}`] }))
    .map(({ Names }: { Names: string[] }) => Names[0]?.slice(1) ?? '')
    .sort();

/** Waits until the version answers inside a container of the blueprint. */
async function serves(container: string, version: string): Promise<void> {
  await agent.until(
    async () => (await engine.inspect(container))?.Config.Env.includes(`VERSION=${version}`) === true,
    `${container} is of version ${version}`,
  );
}

/** Asks an alias some 30 times a second from a container of its own until `stop`; as a client does that has several
 *  addresses of a name, it asks once more when one refuses. */
async function probe(
  alias: string,
): Promise<{ stop(): Promise<{ asked: number; again: number; failed: number }> }> {
  // A static busybox can resolve names in nslookup only.
  const names = `nslookup -type=a ${alias} 127.0.0.11 | awk 'NR > 2 && /^Address/ { print $NF }'`;
  const ask = `r=failed; n=ok; for a in $(${names}); do if printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 $a 80 | grep -q 200; then r=$n; break; fi; n=again; done; echo $r`;
  const loop = `while [ ! -e /stop ]; do ${ask}; sleep 0.02; done; echo end`;
  const id = await engine.make(`${prefix}-prober`, {
    Image: image,
    Cmd: ['sh', '-c', loop],
    HostConfig: { NetworkMode: agent.network },
  });
  return {
    async stop() {
      await engine.exec(id, 'touch', '/stop');
      await agent.until(async () => (await engine.output(id)).endsWith('end'), 'the prober ends');
      const lines = (await engine.output(id))
        .split('\n')
        .filter((line) => /^(ok|again|failed|end)$/.test(line));
      await engine.remove(id);
      const count = (what: string) => lines.filter((line) => line === what).length;
      return { asked: lines.length - 1, again: count('again'), failed: count('failed') };
    },
  };
}

/** Connects to a port every 5 ms until `stop`, which gives the longest time without a connection, milliseconds. */
function watchPort(): { stop(): Promise<number> } {
  let isOver = false;
  let longest = 0;
  let last = performance.now();
  const once = () =>
    new Promise<void>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' });
      socket.on('connect', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
      socket.on('data', () => {
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
        socket.destroy();
      });
      socket.on('error', () => undefined);
      socket.on('close', () => setTimeout(resolve, 5));
      socket.setTimeout(500, () => socket.destroy());
    });
  const running = (async () => {
    while (!isOver) await once();
  })();
  return {
    async stop() {
      isOver = true;
      await running;
      return longest;
    },
  };
}

test('start-first: replicas behind an alias are replaced and no probe of it fails', async (t: TestContext) => {
  const replicas = (version: string) =>
    of('roll', version, {}, { replicas: 2, update: { healthyAfter: '2s' } });
  await proven('roll', replicas('1'));
  const prober = await probe(`${prefix}-roll`);
  await offer('roll', replicas('2'));
  for (const replica of [0, 1]) await serves(`${prefix}-roll-${replica}`, '2');
  await agent.converged();
  const { asked, again, failed } = await prober.stop();
  t.diagnostic(
    `${asked} probes over the update, ${again} of them answered by the second address, ${failed} failed`,
  );
  assert.ok(asked > 50);
  assert.equal(failed, 0);
  assert.deepEqual(await names(), [`${prefix}-roll-0`, `${prefix}-roll-1`]);
  const [left] = Object.values((await engine.container(`${prefix}-roll-0`)).NetworkSettings.Networks) as {
    Aliases: string[];
  }[];
  assert.ok(left?.Aliases.includes(`${prefix}-roll-0`), 'the alias of its own name is there');
  await drop('roll');
});

test('stop-first: the gap of a fixed port is the stop and the start', async (t: TestContext) => {
  const ports = [{ container: 80, host: port, protocol: 'tcp' }];
  const gaps: number[] = [];
  await proven('gap', of('gap', '0', { ports }));
  for (const version of ['1', '2', '3']) {
    const watched = watchPort();
    await offer('gap', of('gap', version, { ports }));
    await serves(`${prefix}-gap`, version);
    await agent.converged();
    gaps.push(Math.round(await watched.stop()));
  }
  t.diagnostic(`longest gaps of the port over three updates: ${gaps.join(', ')} ms`);
  assert.deepEqual(await names(), [`${prefix}-gap`]);
  await drop('gap');
});

test('a version that crashes is rolled back, kept from being tried over SIGKILL, and tried again by retry', async () => {
  const bad = of('bad', '2', { command: ['sh', '-c', 'exit 3'] });
  await proven('bad', of('bad', '1'));
  const { Id } = await engine.container(`${prefix}-bad`);
  await offer('bad', bad);
  const isBack = async () =>
    (await agent.blueprint(`${prefix}-bad`))?.waiting[0]?.reason === 'RolledBack' &&
    (await names()).length === 1;
  await agent.until(isBack, 'rolled back');
  assert.equal((await engine.container(`${prefix}-bad`)).Id, Id);
  await agent.kill('SIGKILL');
  await agent.start();
  await agent.until(isBack, 'still rolled back');
  assert.deepEqual(await agent.quiet(1), []);
  const { code, stdout } = await agent.cli('retry', `${prefix}-bad`, '--socket', agent.socket);
  assert.deepEqual([code, /is tried again/.test(stdout)], [0, true]);
  await agent.until(async () => (await names()).length === 2, 'it is tried again');
  await agent.until(isBack, 'rolled back again');
  await drop('bad');
});

for (const [call, strategy] of [
  ['POST /containers/create', 'start-first'],
  ['POST /containers/{id}/start', 'start-first'],
  ['POST /containers/{id}/stop', 'start-first'],
  ['DELETE /containers/{id}', 'stop-first'],
  ['POST /containers/{id}/start', 'stop-first'],
  ['POST /containers/{id}/stop', 'recreate'],
] as const)
  test(`SIGKILL after ${call} of ${strategy}: one container under its name is left, of the new version`, async () => {
    const document = (version: string) =>
      of('kill', version, {}, { update: { strategy, healthyAfter: '1s' } });
    await proven('kill', document('1'));
    agent.relay.reset();
    await offer('kill', document('2'));
    await agent.until(() => agent.relay.mutating.includes(call), `${call} is made`);
    await agent.kill('SIGKILL');
    await agent.start();
    await serves(`${prefix}-kill`, '2');
    await agent.converged();
    assert.deepEqual(await names(), [`${prefix}-kill`]);
    assert.deepEqual(await agent.quiet(1), []);
    await drop('kill');
  });
