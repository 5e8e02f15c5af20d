import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../../build/lib/run.mjs';
import type { AgentEvent, BlueprintReport } from '../../src/model/status.ts';
import { eventually } from '../fakes/engine-fixture.ts';
import type { AgentUnderTest } from './support/agent.ts';
import { single } from './support/blueprints.ts';
import { Ground } from './support/ground.ts';
import { healed, type Life, running } from './support/healing.ts';
import { PrivateEngine } from './support/private-engine.ts';

/** Serves /tmp/www on port 80, and ends at once on SIGTERM; `first` runs before, at each start. */
const serve = (first: string) => [
  'sh',
  '-c',
  `trap 'exit 0' TERM; mkdir -p /tmp/www; ${first}; httpd -f -p 80 -h /tmp/www & wait $!`,
];

const SICK_CHECK = {
  test: 'if [ -e /tmp/sick ]; then echo it feels sick; exit 1; fi',
  interval: '1s',
  timeout: '10s',
  retries: 1,
};

const FAST = { interval: '1s', timeout: '10s', retries: 2 };

const ground = new Ground('health');
const { engine, prefix } = ground;
const at = (word: string) => `${prefix}-${word}`;
let image: string;
let agent: AgentUnderTest;

before(async () => {
  image = await ground.plainImage();
  agent = await ground.startAgent({ flags: ['--resync', '2s'] });
});

after(() => ground.close());

function deploy(word: string, instance: object): string {
  agent.write(`${word}.json`, single(at(word), image, instance));
  return at(word);
}

/** Waits until the report of a blueprint is as wanted. */
async function reported(
  name: string,
  predicate: (report: BlueprintReport) => boolean,
  what: string,
): Promise<BlueprintReport> {
  const status = await agent.until(
    ({ blueprints }) => blueprints.some((report) => report.name === name && predicate(report)),
    what,
    60_000,
  );
  return status.blueprints.find((report) => report.name === name) ?? assert.fail();
}

const isReady = ({ ready, desired }: BlueprintReport) => ready === desired;

async function restartsOf(name: string): Promise<AgentEvent[]> {
  return (await agent.events()).filter(
    ({ message, container }) => message === 'container restarted' && container === name,
  );
}

async function sameAs(name: string, life: Life): Promise<void> {
  assert.deepEqual(await running(engine, name), life);
}

test("a container that the engine's check finds unhealthy is restarted, and is the same one", async () => {
  const name = deploy('sick', { command: serve('rm -f /tmp/sick'), healthcheck: SICK_CHECK });
  await reported(name, isReady, 'it is ready');
  const life = await running(engine, name);
  await engine.exec(life.id, 'touch', '/tmp/sick');
  const again = await healed(engine, name, life, 60_000);
  assert.equal(again.id, life.id);
  const report = await reported(name, isReady, 'it is ready again');
  const [instance] = report.status.instances;
  assert.deepEqual([instance?.health, instance?.restartCount], ['healthy', 1]);
  const [event] = await restartsOf(name);
  assert.equal(event?.cause, 'health check fails (it feels sick)');
});

test('with onUnhealthy ignore an unhealthy container is left alone, and status says so', async () => {
  const healthcheck = { ...SICK_CHECK, onUnhealthy: 'ignore' };
  const name = deploy('ignored', { command: serve('true'), healthcheck });
  await reported(name, isReady, 'it is ready');
  const life = await running(engine, name);
  await engine.exec(life.id, 'touch', '/tmp/sick');
  const report = await reported(name, ({ waiting }) => waiting.length > 0, 'it is shown');
  assert.equal(report.waiting[0]?.reason, 'Unhealthy');
  assert.match(report.waiting[0]?.message ?? '', /it feels sick.*left alone/);
  assert.deepEqual(await agent.quiet(3), []);
  await sameAs(name, life);
  await engine.exec(life.id, 'rm', '/tmp/sick');
  await reported(name, isReady, 'it is well by itself');
  await sameAs(name, life);
});

for (const [word, probe] of [
  ['tcp', { tcp: { port: 80 } }],
  ['http', { http: { port: 80, path: '/fine.txt' } }],
] as const)
  test(`with a ${word} probe a service is ready when it answers, and not before`, async () => {
    const wait = 'rm -f /tmp/open; until [ -e /tmp/open ]; do sleep 0.1; done; echo fine > /tmp/www/fine.txt';
    const name = deploy(word, { command: serve(wait), probe: { ...probe, ...FAST, startPeriod: '5m' } });
    const life = await running(engine, name);
    await reported(name, (report) => report.status.instances[0]?.health === 'starting', 'it is starting');
    await agent.quiet(3);
    const early = await reported(name, () => true, 'it is reported');
    assert.deepEqual([early.ready, early.phase], [0, 'Reconciling']);
    await engine.exec(life.id, 'touch', '/tmp/open');
    const report = await reported(name, isReady, 'it is ready');
    assert.equal(report.status.instances[0]?.health, 'healthy');
    await sameAs(name, life);
  });

test('a service that does not answer is restarted again and again with growing waits, until it does', async (t) => {
  const first = '[ -e /tmp/once ] || { touch /tmp/once; echo fine > /tmp/www/fine.txt; }';
  const probe = { http: { port: 80, path: '/fine.txt' }, ...FAST };
  const name = deploy('broken', { command: serve(first), probe });
  await reported(name, isReady, 'it is ready');
  const { id } = await running(engine, name);
  await engine.exec(id, 'rm', '/tmp/www/fine.txt');
  const waits = await reported(
    name,
    ({ waiting }) => waiting.some(({ attempts, nextTryAt }) => attempts === 1 && nextTryAt !== undefined),
    'it waits for its second restart',
  );
  assert.equal(waits.waiting[0]?.reason, 'Unhealthy');
  assert.match(waits.waiting[0]?.message ?? '', /http 80\/fine\.txt: answered 404 instead of 200/);
  const [one, two] = await eventually(
    'it is restarted twice',
    async () => {
      const events = await restartsOf(name);
      return events.length >= 2 && events;
    },
    60_000,
  );
  const gapMs = Date.parse(two?.time ?? '') - Date.parse(one?.time ?? '');
  t.diagnostic(`second restart ${gapMs} ms after the first`);
  assert.ok(gapMs >= 10_000, `the second restart came after ${gapMs} ms`);
  await running(engine, name);
  await engine.exec(id, 'sh', '-c', 'echo fine > /tmp/www/fine.txt');
  const report = await reported(name, isReady, 'it is ready again');
  assert.equal(report.status.instances[0]?.restartCount, (await restartsOf(name)).length);
  assert.equal((await running(engine, name)).id, id);
});

test('a published port whose rules in the firewall were flushed answers again, and the process goes on', async (t) => {
  const firewalled = new PrivateEngine(mkdtempSync(join(tmpdir(), 'ce-h-')), { hasFirewall: true });
  let there: Ground | undefined;
  try {
    await firewalled.start();
    there = new Ground('flush', firewalled.socket);
    const name = `${there.prefix}-web`;
    const inside = (...words: string[]) => {
      const [command = '', ...args] = [...firewalled.inside, ...words];
      return run(command, args, { output: 'capture', deadlineMs: 20_000 });
    };
    const probe = { tcp: { port: 80 }, ...FAST, published: true };
    const ports = [{ container: 80, host: 18_080, protocol: 'tcp' }];
    const its = await there.startAgent({
      flags: ['--resync', '2s'],
      through: firewalled.inside,
      blueprints: {
        'web.json': single(name, await there.plainImage(), { command: serve('true'), ports, probe }),
      },
    });
    await its.converged();
    const life = await running(there.engine, name);
    const flushed = await inside('iptables', '-t', 'nat', '-F', 'DOCKER');
    assert.equal(flushed.code, 0, flushed.output);
    const began = performance.now();
    await its.until(
      ({ blueprints }) => blueprints[0]?.waiting[0]?.reason === 'PortUnreachable',
      'it is noticed',
      60_000,
    );
    await its.converged(60_000);
    t.diagnostic(`mended ${Math.round(performance.now() - began)} ms after the flush`);
    assert.deepEqual(await running(there.engine, name), life, 'the process went on');
    const messages = (await its.events()).map(({ message }) => message);
    assert.ok(messages.includes('container disconnected from network'), messages.join(', '));
    assert.ok(!messages.includes('container restarted'), messages.join(', '));
  } finally {
    await there?.close();
    await firewalled.close();
  }
});
