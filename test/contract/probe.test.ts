import assert from 'node:assert/strict';
import { createServer as createWeb, type RequestListener, type Server } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { reset } from '../../build/lib/reset.mjs';
import { systemClock } from '../../src/base/clock.ts';
import type { ProbeCheck } from '../../src/model/ports.ts';
import { probe } from '../../src/probe/probe.ts';
import { makeCertificates } from './support/colony-certs.ts';

const HOST = '127.0.0.1';
const FOREVER = new AbortController().signal;
const sockets = new Set<Socket>();
const servers: (NetServer | Server)[] = [];

after(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
});

/** The port of a server that is closed at the end. */
function listening(server: NetServer | Server): Promise<number> {
  servers.push(server);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  return new Promise((resolve) => {
    server.listen(0, HOST, () => resolve((server.address() as AddressInfo).port));
  });
}

const raw = (onSocket: (socket: Socket) => void) => listening(createServer(onSocket));
const web = (answer: RequestListener) => listening(createWeb(answer));

/** A port on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, HOST, () => resolve((server.address() as AddressInfo).port));
  });
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function ask(port: number, change: Partial<ProbeCheck> = {}, signal = FOREVER) {
  return probe(systemClock, { host: HOST, port, timeoutMs: 20_000, ...change }, signal);
}

const http = (change: Partial<NonNullable<ProbeCheck['http']>> = {}) => ({
  http: { path: '/health', tls: false, status: 200, ...change },
});

/** The text of a probe that must fail. */
async function failure(result: ReturnType<typeof ask>): Promise<string> {
  const found = await result;
  assert.ok(!found.ok, 'it should have failed');
  return found.message;
}

describe('a tcp probe', () => {
  test('passes when the port takes a connection, and leaves none open', async () => {
    const ended = new Promise((resolve, reject) => {
      raw((socket) => socket.resume().once('close', resolve)).then((port) =>
        ask(port).then((result) => assert.deepEqual(result, { ok: true }), reject),
      );
    });
    await ended;
  });

  test('says that a closed port refuses', async () => {
    assert.equal(await failure(ask(await closedPort())), 'connection refused');
  });

  test('says that an address does not answer when its time is up', async () => {
    const port = await raw(() => undefined);
    const impatient = { ...systemClock, sleep: async () => undefined };
    const check = { host: HOST, port, timeoutMs: 5_000 };
    assert.equal(await failure(probe(impatient, check, FOREVER)), 'no answer within 5 s');
  });

  test('fails, and does not throw, for an address that is none', async () => {
    assert.notEqual(await failure(ask(80, { host: 'not an address' })), '');
    assert.notEqual(await failure(ask(1_000_000)), '');
  });
});

describe('a tcp probe that wants an answer', () => {
  const answering = { mustAnswer: true };

  test('passes when the other side greets, ends, or breaks off', async () => {
    const silent = await raw((socket) => socket.resume());
    const greeting = await listening(
      createServer({ allowHalfOpen: true }, (socket) => {
        socket.write('hello');
      }),
    );
    const rude = await raw((socket) => reset(socket));
    for (const port of [silent, greeting, rude]) assert.deepEqual(await ask(port, answering), { ok: true });
  });

  test('fails when a connection is made and nobody is behind it', async () => {
    const port = await listening(createServer({ allowHalfOpen: true, pauseOnConnect: true }));
    assert.deepEqual(await ask(port), { ok: true });
    assert.equal(await failure(ask(port, { ...answering, timeoutMs: 100 })), 'no answer within 0.1 s');
  });

  test('says that a closed port refuses', async () => {
    assert.equal(await failure(ask(await closedPort(), answering)), 'connection refused');
  });
});

describe('an http probe', () => {
  test('passes with the status that it asks for, and asks for the path', async () => {
    const port = await web((request, response) => {
      response.statusCode = request.url === '/health' && request.method === 'GET' ? 204 : 500;
      response.end();
    });
    assert.deepEqual(await ask(port, http({ status: 204 })), { ok: true });
    assert.equal(await failure(ask(port, http({ path: '/', status: 204 }))), 'answered 500 instead of 204');
  });

  test('does not follow a redirect', async () => {
    const port = await web((_request, response) => {
      response.writeHead(302, { location: '/elsewhere' });
      response.end();
    });
    assert.equal(await failure(ask(port, http())), 'answered 302 instead of 200');
  });

  test('passes with the head of an answer whose body never ends', async () => {
    const port = await web((_request, response) => {
      response.write('begin');
    });
    assert.deepEqual(await ask(port, http()), { ok: true });
  });

  test('fails when there is no answer in time', async () => {
    const port = await raw(() => undefined);
    assert.equal(await failure(ask(port, { ...http(), timeoutMs: 50 })), 'no answer within 0.05 s');
  });

  test('fails when the connection breaks, when nobody listens, and when what comes is not HTTP', async () => {
    const broken = await raw((socket) => socket.once('data', () => reset(socket)));
    assert.match(await failure(ask(broken, http())), /reset|hang up/);
    assert.equal(await failure(ask(await closedPort(), http())), 'connection refused');
    const other = await raw((socket) => socket.end('SSH-2.0-nothing\r\n'));
    assert.match(await failure(ask(other, http())), /Parse Error|Expected HTTP/);
  });

  test('fails, and does not throw, for a path that cannot be sent', async () => {
    assert.notEqual(await failure(ask(await closedPort(), http({ path: '/a b' }))), '');
  });

  test('over TLS takes whatever certificate the container has, and needs TLS to be there', async () => {
    const { server } = makeCertificates();
    const port = await listening(
      createSecure({ key: server.key, cert: server.cert }, (_request, response) => {
        response.end('fine');
      }),
    );
    assert.deepEqual(await ask(port, http({ tls: true })), { ok: true });
    const plain = await web((_request, response) => {
      response.end('fine');
    });
    assert.notEqual(await failure(ask(plain, http({ tls: true }))), '');
  });
});

describe('a probe that is given up', () => {
  test('ends at once with the reason, over tcp as over http', async () => {
    const port = await raw(() => undefined);
    for (const change of [{}, http()]) {
      const controller = new AbortController();
      const going = ask(port, change, controller.signal);
      controller.abort(new Error('enough'));
      await assert.rejects(going, /enough/);
    }
  });

  test('is not begun when it was given up before', async () => {
    const signal = AbortSignal.abort(new Error('too late'));
    await assert.rejects(ask(1, {}, signal), /too late/);
  });
});
