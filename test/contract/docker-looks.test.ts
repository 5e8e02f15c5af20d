import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createDockerEngine } from '../../src/docker/engine.ts';
import type { EngineEvent } from '../../src/model/ports.ts';
import { badEngine, chunk, reply, streamHead, usual } from '../fakes/bad-engine.ts';
import { eventually } from '../fakes/engine-fixture.ts';
import { ID, listed, listings, nothing, pair, short, signal } from './support/docker-faults.ts';

test('a slow inspection is left out, and announced when it is there', async (t) => {
  const { engine } = await pair(
    t,
    listings(
      () => [listed, { ...listed, Id: 'b'.repeat(64), Names: ['/fast'] }],
      (socket, { path }) => {
        const id = path.includes(ID) ? ID : 'b'.repeat(64);
        setTimeout(() => reply(socket, 200, { Id: id, Config: { Image: 'x:1' } }), id === ID ? 700 : 0);
      },
    ),
  );
  const events: EngineEvent[] = [];
  const stop = new AbortController();
  const watching = engine.watch((event) => events.push(event), stop.signal);
  const began = performance.now();
  const { containers } = await engine.snapshot(nothing, signal);
  assert.ok(performance.now() - began < 600);
  assert.deepEqual(
    containers.map((one) => `${one.name} ${one.state} ${one.detail?.spec.image}`),
    ['web running undefined', 'fast running x:1'],
  );
  await eventually('announced', () =>
    events.some((event) => event.action === 'inspected' && event.id === ID),
  );
  stop.abort();
  await watching;
});

test('a look that nobody watches for waits for slow inspections', async (t) => {
  const { engine } = await pair(
    t,
    listings(
      () => [listed],
      (socket) => {
        setTimeout(() => reply(socket, 200, { Id: ID, Config: { Image: 'x:1' } }), 600);
      },
    ),
  );
  assert.equal((await engine.snapshot(nothing, signal)).containers[0]?.detail?.spec.image, 'x:1');
});

test('an engine that goes away between listing and inspection fails the snapshot', async (t) => {
  const { engine } = await pair(
    t,
    listings(
      () => [listed],
      (socket) => socket.destroy(),
    ),
  );
  await assert.rejects(engine.snapshot(nothing, signal), { code: 'ENGINE_RESET' });
});

test('a container that vanished between listing and inspection has no detail', async (t) => {
  const { engine } = await pair(
    t,
    listings(
      () => [listed],
      (socket) => reply(socket, 404, { message: 'No such container' }),
    ),
  );
  assert.equal((await engine.snapshot(nothing, signal)).containers[0]?.detail, undefined);
});

test('an idle look asks for three listings, and again inspects only what changed', async (t) => {
  let status = 'Up 2 minutes';
  let stream: { write: (line: unknown) => void } | undefined;
  const { bad, engine } = await pair(
    t,
    listings(
      () => [{ ...listed, Status: status }],
      (socket, { path }) => {
        if (path.includes('/events')) {
          streamHead(socket);
          stream = { write: (line) => chunk(socket, `${JSON.stringify(line)}\n`) };
        } else if (path.includes('/images/')) reply(socket, 404, { message: 'No such image' });
        else reply(socket, 200, { Id: ID, Config: { Image: 'x:1' } });
      },
    ),
  );
  const events: EngineEvent[] = [];
  const stop = new AbortController();
  const watching = engine.watch((event) => events.push(event), stop.signal);
  await eventually('connected', () => events.some((event) => event.type === 'connected'));
  const wanted = { images: ['x:1'], volumes: [] };
  const calls = async () => {
    const before = bad.requests.length;
    const { containers } = await engine.snapshot(wanted, signal);
    assert.ok(containers[0]?.detail);
    return bad.requests.slice(before).map((request) => request.replace(/.*\/v1.41/, '').replace(ID, 'ID'));
  };
  await calls();
  const idle = ['/containers/json?all=1', '/networks', '/images/json'];
  assert.deepEqual((await calls()).sort(), [...idle].sort());
  status = 'Up 3 minutes';
  assert.deepEqual((await calls()).sort(), [...idle].sort());
  status = 'Up 3 minutes (unhealthy)';
  assert.ok((await calls()).includes('/containers/ID/json'));
  assert.deepEqual((await calls()).sort(), [...idle].sort());
  stream?.write({ Type: 'container', Action: 'exec_create: true', Actor: { ID } });
  stream?.write({
    Type: 'container',
    Action: 'update',
    Actor: { ID, Attributes: { name: 'web' } },
    timeNano: 1.7e18,
  });
  await eventually('update told', () =>
    events.some((event) => event.action === 'update' && event.name === 'web'),
  );
  assert.ok(!events.some((event) => event.action.startsWith('exec')));
  assert.ok((await calls()).includes('/containers/ID/json'));
  stream?.write({ Type: 'image', Action: 'tag', Actor: { ID: 'sha256:1' } });
  await eventually('tag told', () => events.some((event) => event.action === 'tag'));
  assert.ok((await calls()).includes('/images/x:1/json'));
  stop.abort();
  await watching;
});

test('the event stream comes back by itself, asks since the last event, and tells each turn once', async (t) => {
  const { bad } = await pair(
    t,
    usual((socket) => {
      streamHead(socket);
      chunk(
        socket,
        `${JSON.stringify({ Type: 'container', Action: 'die', Actor: { ID }, time: 1_700_000_000 })}\n`,
      );
    }),
  );
  // Waits between two tries are remembered and cut short; deadlines stay what they are.
  const waits: number[] = [];
  const clock = {
    ...systemClock,
    sleep(ms: number, until?: AbortSignal) {
      if (ms === 300) return systemClock.sleep(ms, until);
      waits.push(ms);
      return systemClock.sleep(Math.min(ms, 20), until);
    },
  };
  const options = { endpoint: bad.endpoint, clock, random: systemRandom, log: silentLogger };
  const engine = createDockerEngine({ ...options, deadlines: short });
  t.after(() => engine.close());
  const told: string[] = [];
  const note = (event: EngineEvent) => told.push(event.type === 'container' ? event.action : event.type);
  const watching = engine.watch(note, signal);
  await eventually('first event', () => told.includes('die'));
  await bad.stop();
  await eventually('many tries', () => waits.length >= 12);
  await bad.start();
  await eventually('connected again', () => told.filter((one) => one === 'connected').length === 2);
  assert.deepEqual(told.slice(0, 4), ['connected', 'die', 'disconnected', 'connected']);
  assert.ok(bad.requests.some((request) => request.includes('since=1700000000')));
  assert.ok((waits[0] ?? 0) < 300 && Math.max(...waits) > 1_000, waits.join(' '));
  assert.ok(Math.max(...waits) <= 1_500, 'the return must be noticed within two seconds');
  await engine.close();
  await watching;
});

test('an event stream whose headers never come counts as down', async (t) => {
  let hung = true;
  const { engine } = await pair(
    t,
    usual((socket) => {
      if (!hung) streamHead(socket);
    }),
  );
  const told: string[] = [];
  const stop = new AbortController();
  const watching = engine.watch((event) => told.push(event.type), stop.signal);
  await eventually('down', () => told.includes('disconnected'));
  hung = false;
  await eventually('up', () => told.includes('connected'));
  assert.deepEqual(told, ['disconnected', 'connected']);
  stop.abort();
  await watching;
});

test('what no event tells is found in the end, one inspection at a time', async (t) => {
  const ids = ['a', 'b', 'c'].map((digit) => digit.repeat(64));
  const bad = await badEngine(
    listings(
      () => ids.map((id) => ({ ...listed, Id: id, Names: [`/${id.slice(0, 4)}`] })),
      (socket, { path }) =>
        path.includes('/events')
          ? streamHead(socket)
          : reply(socket, 200, { Id: path.split('/')[3], Config: { Image: 'x:1' } }),
    ),
  );
  let laterMs = 0;
  const clock = { ...systemClock, monoMs: () => performance.now() + laterMs };
  const options = { endpoint: bad.endpoint, clock, random: systemRandom, log: silentLogger };
  const engine = createDockerEngine(options);
  const stop = new AbortController();
  let up = false;
  const watching = engine.watch((event) => {
    up ||= event.type === 'connected';
  }, stop.signal);
  t.after(async () => {
    stop.abort();
    await watching;
    await engine.close();
    await bad.close();
  });
  await eventually('connected', () => up);
  const inspected = async () => {
    const before = bad.requests.length;
    await engine.snapshot(nothing, signal);
    return bad.requests.slice(before).filter((request) => /containers\/[abc]+\/json/.test(request)).length;
  };
  assert.equal(await inspected(), 3);
  assert.equal(await inspected(), 0);
  laterMs = 20_500;
  assert.equal(await inspected(), 1);
  assert.equal(await inspected(), 0);
  laterMs = 41_000;
  assert.equal(await inspected(), 1);
});
