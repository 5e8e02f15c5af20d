import assert from 'node:assert/strict';
import { createConnection } from 'node:net';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { errorCode } from '../../src/base/errors.ts';
import { type ColonyClient, type ColonyClientOptions, parseServer } from '../../src/colony/client.ts';
import { getVersion } from '../../src/colony/messages-server.ts';
import { ManualClock, turn } from '../fakes/clock.ts';
import { type Fault, isBreaking } from '../fakes/fault-proxy/fault.ts';
import { nameWithoutAddress } from '../fakes/fault-proxy/name.ts';
import { createFaultProxy, type FaultProxy } from '../fakes/fault-proxy/proxy.ts';
import { drive } from '../fakes/outages/drive.ts';
import { PROFILES } from '../fakes/outages/profiles.ts';
import { schedule, timeScaled } from '../fakes/outages/schedule.ts';
import { seededRandom } from '../fakes/random.ts';
import { makeCertificates } from './support/colony-certs.ts';
import { answer, clientTo, httpServer, tlsServer } from './support/colony-server.ts';

const never = new AbortController().signal;
const REFUSE: Fault = { mode: 'refuse' };
const VERSION = { buildversion: 'v', buildtime: '' };
/** Of the client, on a clock that only the test moves: what is slow here is slow, and fails nothing. */
const DEADLINES = { connectMs: 10_000, answerMs: 20_000 };

/** Ends when it holds; a test that waits for ever is ended by the runner. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

/** Time enough for bytes to come through, had they been let through. */
async function meanwhile(): Promise<void> {
  for (let round = 0; round < 100; round++) await turn();
}

interface Bench {
  proxy: FaultProxy;
  client: ColonyClient;
  /** Requests that reached the server. */
  served(): number;
  ask(): Promise<unknown>;
  /** Asks, and lets the deadline pass once the question is on its way. */
  askInVain(): Promise<unknown>;
}

async function proxyTo(t: TestContext, port: number): Promise<FaultProxy> {
  const proxy = await createFaultProxy({ target: { host: '127.0.0.1', port }, random: seededRandom(7) });
  t.after(() => proxy.close());
  return proxy;
}

async function inVain(ask: () => Promise<unknown>, proxy: FaultProxy, clock: ManualClock): Promise<unknown> {
  const before = proxy.counters().bytesUp;
  const asked = ask();
  asked.catch(() => undefined);
  await until(() => proxy.counters().bytesUp > before);
  await meanwhile();
  await clock.advance(DEADLINES.answerMs);
  return asked;
}

async function bench(t: TestContext, more: Partial<ColonyClientOptions> = {}): Promise<Bench> {
  let served = 0;
  const port = await httpServer(t, (request, response) => {
    request.resume();
    request.on('end', () => {
      served += 1;
      response.end(answer(VERSION));
    });
  });
  const proxy = await proxyTo(t, port);
  const clock = new ManualClock();
  const client = clientTo(t, proxy.url, { clock, deadlines: DEADLINES, ...more });
  const ask = () => client.send(getVersion(), never);
  return { proxy, client, served: () => served, ask, askInVain: () => inVain(ask, proxy, clock) };
}

test('a link that passes changes nothing, keeps connections, and counts', async (t) => {
  const { proxy, client, ask } = await bench(t);
  for (let round = 0; round < 3; round++) assert.deepEqual(await ask(), VERSION);
  const { connections, bytesUp, bytesDown, requests } = proxy.counters();
  assert.deepEqual([connections, requests], [1, { pass: 3 }]);
  const { sentBytes = 0, receivedBytes = 0 } = client.traffic().info ?? {};
  assert.ok(Math.abs(bytesUp - sentBytes) < 300 && bytesUp > 300, `${bytesUp} against ${sentBytes}`);
  assert.ok(Math.abs(bytesDown - receivedBytes) < 300 && bytesDown > 300);
});

/** The next call fails like this. One that follows a reset may still find its old connection, and fail by that. */
async function failsWith(
  ask: () => Promise<unknown>,
  fault: Fault,
  expected: { code: string; retry?: string },
): Promise<void> {
  if (isBreaking(fault)) {
    const first = await ask().then(() => 'no error', errorCode);
    assert.ok(first.startsWith('COLONY_'), first);
  }
  await assert.rejects(ask(), expected, fault.mode);
}

interface Case {
  name: string;
  fault: Fault;
  code: string;
  more?: object;
  /** Requests that the server got of two that failed. */
  served: number;
}

const CASES: Case[] = [
  { name: 'a closed port', fault: { mode: 'refuse' }, code: 'COLONY_REFUSED_CONNECTION', served: 0 },
  { name: 'a reset', fault: { mode: 'reset' }, code: 'COLONY_RESET', served: 0 },
  { name: 'a black hole', fault: { mode: 'blackHole' }, code: 'COLONY_TIMEOUT', served: 0 },
  { name: 'a link that loses all answers', fault: { mode: 'halfOpen' }, code: 'COLONY_TIMEOUT', served: 2 },
  { name: 'a frozen link', fault: { mode: 'freeze' }, code: 'COLONY_TIMEOUT', served: 0 },
  { name: 'one byte a second', fault: { mode: 'slow' }, code: 'COLONY_TIMEOUT', served: 2 },
  { name: 'half an answer', fault: { mode: 'truncate' }, code: 'COLONY_RESET', served: 2 },
  {
    name: 'half an answer under a fitting length',
    fault: { mode: 'truncate', isFitting: true },
    code: 'COLONY_PROTOCOL',
    served: 2,
  },
  { name: 'a double body', fault: { mode: 'duplicate' }, code: 'COLONY_PROTOCOL', served: 2 },
  { name: 'a captive portal', fault: { mode: 'captivePortal' }, code: 'COLONY_CAPTIVE_PORTAL', served: 0 },
  {
    name: 'a gateway without a server',
    fault: { mode: 'status', status: 502 },
    code: 'COLONY_GATEWAY',
    more: { status: 502, retryAfterMs: undefined },
    served: 0,
  },
  {
    name: 'a gateway that wants to be left alone',
    fault: { mode: 'status', status: 503, retryAfterS: 17 },
    code: 'COLONY_GATEWAY',
    more: { status: 503, retryAfterMs: 17_000 },
    served: 0,
  },
];

for (const { name, fault, code, more, served } of CASES)
  test(`${name} is ${code}, on new and on open connections, and is over when the link is back`, async (t) => {
    const one = await bench(t);
    const ask = code === 'COLONY_TIMEOUT' ? one.askInVain : one.ask;
    const fails = () => failsWith(ask, fault, { code, retry: 'transient', ...more });
    await one.proxy.set(fault);
    await fails();
    await one.proxy.set({ mode: 'pass' });
    assert.deepEqual(await one.ask(), VERSION);
    await one.proxy.set(fault);
    await fails();
    await one.proxy.set({ mode: 'pass' });
    assert.deepEqual(await one.ask(), VERSION);
    // A frozen request is served late, once for each that waited; how soon, nobody knows.
    if (fault.mode !== 'freeze') assert.equal(one.served(), 2 + served);
  });

test('TLS that nobody trusts, or that is none, is COLONY_TLS', async (t) => {
  const made = makeCertificates();
  const port = await tlsServer(t, made.server, (_request, response) => response.end(answer(VERSION)));
  const proxy = await proxyTo(t, port);
  const url = proxy.url.replace('http:', 'https:');
  const clock = new ManualClock();
  const client = clientTo(t, url, { clock, deadlines: DEADLINES, tls: { ca: made.ca } });
  const ask = () => client.send(getVersion(), never);
  assert.deepEqual(await ask(), VERSION);
  for (const certificate of [undefined, made.expired, made.misnamed]) {
    const fault: Fault = { mode: 'tlsFailure', ...(certificate === undefined ? {} : { certificate }) };
    await proxy.set(fault);
    for (let round = 0; round < 2; round++) await failsWith(ask, fault, { code: 'COLONY_TLS' });
    await proxy.set({ mode: 'pass' });
    assert.deepEqual(await ask(), VERSION);
  }
  // What is inside TLS cannot be seen, but it can be cut short, held back and lost.
  for (const [fault, code] of [
    [{ mode: 'truncate' }, 'COLONY_RESET'],
    [{ mode: 'blackHole' }, 'COLONY_TIMEOUT'],
    [{ mode: 'reset' }, 'COLONY_RESET'],
  ] as const) {
    await proxy.set(fault);
    const asked = code === 'COLONY_TIMEOUT' ? inVain(ask, proxy, clock) : ask();
    await assert.rejects(asked, { code }, fault.mode);
    await proxy.set({ mode: 'pass' });
    assert.deepEqual(await ask(), VERSION);
  }
  assert.deepEqual(proxy.counters().requests, {});
});

test('a name without an address is COLONY_DNS', async (t) => {
  const client = clientTo(t, `http://${nameWithoutAddress()}:8080`);
  await assert.rejects(client.send(getVersion(), never), { code: 'COLONY_DNS' });
});

test('a port that was closed opens again at the same place, as often as it is asked to', async (t) => {
  const { proxy, ask } = await bench(t);
  const { port } = proxy;
  for (let round = 0; round < 20; round++) {
    await proxy.set(REFUSE);
    await failsWith(ask, REFUSE, { code: 'COLONY_REFUSED_CONNECTION' });
    await proxy.set({ mode: 'pass' });
    assert.deepEqual(await ask(), VERSION);
  }
  assert.equal(Number(parseServer(proxy.url).port), port);
  assert.equal(proxy.counters().connections, 20);
});

/** Of a connection over which a request is under way, the time when the server has it. */
async function halted(t: TestContext) {
  let arrived = () => {};
  const arriving = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  let hungUp = () => {};
  const hangingUp = new Promise<void>((resolve) => {
    hungUp = resolve;
  });
  let release = () => {};
  let isHungUp = false;
  const port = await httpServer(t, (request, response) => {
    release = () => response.end(answer(VERSION));
    request.socket.once('close', () => {
      isHungUp = true;
      hungUp();
    });
    arrived();
  });
  const proxy = await proxyTo(t, port);
  const clock = new ManualClock();
  const client = clientTo(t, proxy.url, { clock, deadlines: DEADLINES });
  const asked = client.send(getVersion(), never);
  asked.catch(() => undefined);
  await arriving;
  /** The answer has had its time to come, and the deadline passes. */
  const giveUp = async () => {
    await meanwhile();
    await clock.advance(DEADLINES.answerMs);
  };
  return { proxy, asked, release: () => release(), giveUp, hangingUp, isHungUp: () => isHungUp };
}

test('cutting with a word ends a call at once, cutting without one leaves it to its deadline', async (t) => {
  const told = await halted(t);
  told.proxy.cut({ tell: true });
  await assert.rejects(told.asked, { code: 'COLONY_RESET' });
  await told.hangingUp;
  const untold = await halted(t);
  untold.proxy.cut({ tell: false });
  untold.release();
  await untold.giveUp();
  await assert.rejects(untold.asked, { code: 'COLONY_TIMEOUT' });
});

test('in a silent outage the server does not learn that its client has gone, until the link is back', async (t) => {
  for (const fault of [{ mode: 'blackHole' }, { mode: 'freeze' }] as const) {
    const { proxy, asked, release, giveUp, isHungUp, hangingUp } = await halted(t);
    await proxy.set(fault);
    await giveUp();
    await assert.rejects(asked, { code: 'COLONY_TIMEOUT' });
    release();
    await meanwhile();
    assert.equal(isHungUp(), false, fault.mode);
    await proxy.set({ mode: 'pass' });
    await hangingUp;
  }
});

test('where only answers are lost, the server does learn that its client has gone', async (t) => {
  const { proxy, asked, release, giveUp, hangingUp } = await halted(t);
  await proxy.set({ mode: 'halfOpen' });
  release();
  await giveUp();
  await assert.rejects(asked, { code: 'COLONY_TIMEOUT' });
  await hangingUp;
});

test('what was frozen arrives when the link thaws', async (t) => {
  const { proxy, asked, release } = await halted(t);
  await proxy.set({ mode: 'freeze' });
  release();
  await meanwhile();
  await proxy.set({ mode: 'pass' });
  assert.deepEqual(await asked, VERSION);
});

test('a slow, late and lossy link still carries everything, whole and in order', async (t) => {
  const long = { ...VERSION, buildtime: 'long '.repeat(20_000) };
  const port = await httpServer(t, (_request, response) => response.end(answer(long)));
  const proxy = await proxyTo(t, port);
  proxy.shape({
    ...{ latencyMs: 4, jitterMs: 3, lossPercent: 3, retransmitMs: 2 },
    ...{ rateDown: 8_000_000, rateUp: 800_000 },
  });
  const client = clientTo(t, proxy.url);
  for (let round = 0; round < 3; round++) assert.deepEqual(await client.send(getVersion(), never), long);
  assert.equal(proxy.counters().connections, 1);
});

test('a link too slow for an answer is COLONY_TIMEOUT, and better again as soon as its shape is', async (t) => {
  const { proxy, ask, askInVain } = await bench(t);
  for (const shape of [{ rateUp: 800 }, { rateDown: 800 }, { latencyMs: 5_000 }]) {
    proxy.shape(shape);
    await assert.rejects(askInVain(), { code: 'COLONY_TIMEOUT' }, JSON.stringify(shape));
    proxy.shape({});
    assert.deepEqual(await ask(), VERSION);
  }
});

test('after a thousand outages of all kinds no connection is left over', async (t) => {
  const { proxy, ask } = await bench(t, {
    clock: systemClock,
    deadlines: { connectMs: 20, answerMs: 20 },
  });
  const faults = [...CASES.map(({ fault }) => fault), { mode: 'pass' } as const];
  for (let round = 0; round < 1_000; round++) {
    await proxy.set(faults[round % faults.length] ?? { mode: 'pass' });
    if (round % 5 === 0) proxy.cut({ tell: round % 2 === 0 });
    if (round % 4 === 0) await ask().catch(() => undefined);
  }
  await proxy.set({ mode: 'pass' });
  await ask().catch(() => undefined);
  // The client keeps four connections at most; the others end when they are through.
  await until(() => proxy.open <= 4);
  await proxy.close();
  assert.equal(proxy.open, 0);
});

test('through every profile in miniature each call ends, some well and some not, and the last one well', async (t) => {
  const days = { train: 0.2, mine: 1, satellite: 4, belt: 0.2 } as const;
  const runs = Object.values(PROFILES).map(async (profile) => {
    const { proxy, ask } = await bench(t, {
      clock: systemClock,
      deadlines: { connectMs: 30, answerMs: 30 },
    });
    const hours = days[profile.name] * 24;
    const changes = timeScaled(schedule(profile, { seed: 11, hours }), (hours * 3_600_000) / 1_500);
    const codes = new Set<string>();
    let isOver = false;
    const driving = drive(proxy, changes, { clock: systemClock, signal: never }).then(() => {
      isOver = true;
    });
    while (!isOver) {
      codes.add(await ask().then(() => 'ok', errorCode));
      await turn();
    }
    await driving;
    assert.ok(codes.has('ok'), profile.name);
    for (const code of codes) assert.match(code, /^(?:ok|COLONY_(?:TIMEOUT|RESET|REFUSED_CONNECTION))$/);
    // The connections of before may have died with the last outage.
    while ((await ask().then(() => 'ok', errorCode)) !== 'ok') await turn();
    return codes.size;
  });
  const sizes = await Promise.all(runs);
  assert.ok(Math.max(...sizes) > 2, `${sizes} kinds of ends`);
});

test('a proxy that was closed leaves nothing behind, also in the middle of a request', async (t) => {
  const { proxy, asked } = await halted(t);
  await proxy.close();
  await assert.rejects(asked, { code: 'COLONY_RESET' });
  await new Promise<void>((resolve) => {
    createConnection({ host: '127.0.0.1', port: proxy.port }).once('error', () => resolve());
  });
  await proxy.set({ mode: 'pass' });
  await new Promise<void>((resolve) => {
    createConnection({ host: '127.0.0.1', port: proxy.port }).once('error', () => resolve());
  });
});
