import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, createServer as createTcp, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { getVersion } from '../../src/colony/messages-server.ts';
import { makeCertificates, type Pair } from './support/colony-certs.ts';
import { answer, clientTo, httpServer, listen, tlsServer } from './support/colony-server.ts';

const never = new AbortController().signal;
const VERSION = { buildversion: 'v', buildtime: '' };
const made = makeCertificates();

function serving(t: TestContext, pair: Pair, more: { ca?: string; requestCert?: boolean } = {}) {
  return tlsServer(t, { ...pair, ...more }, (_request, response) => response.end(answer(VERSION)));
}

test('a server of a private authority is trusted by address and by name', async (t) => {
  const names: unknown[] = [];
  const port = await tlsServer(t, made.server, (request, response) => {
    names.push('servername' in request.socket ? request.socket.servername : undefined);
    response.end(answer(VERSION));
  });
  for (const host of ['127.0.0.1', 'localhost']) {
    const client = clientTo(t, `https://${host}:${port}`, { tls: { ca: made.ca } });
    assert.deepEqual(await client.send(getVersion(), never), VERSION);
  }
  // An address is never sent as a server name.
  assert.deepEqual(names, [false, 'localhost']);
});

test('certificates that cannot be trusted fail as TLS, and each later call again', async (t) => {
  const cases: [string, Pair, string | undefined][] = [
    ['unknown authority', made.server, made.otherCa],
    ['the system knows it not', made.server, undefined],
    ['expired', made.expired, made.ca],
    ['another name', made.misnamed, made.ca],
  ];
  for (const [name, pair, ca] of cases) {
    const port = await serving(t, pair);
    const client = clientTo(t, `https://127.0.0.1:${port}`, ca === undefined ? {} : { tls: { ca } });
    for (let round = 0; round < 2; round++)
      await assert.rejects(
        client.send(getVersion(), never),
        { code: 'COLONY_TLS', retry: 'transient' },
        name,
      );
  }
});

test('a certificate of the future is blamed on the clock', async (t) => {
  const port = await serving(t, made.future);
  const client = clientTo(t, `https://localhost:${port}`, { tls: { ca: made.ca } });
  await assert.rejects(client.send(getVersion(), never), { code: 'COLONY_CLOCK' });
});

test('a client certificate opens the door that stays shut without it', async (t) => {
  const port = await serving(t, made.server, { ca: made.ca, requestCert: true });
  const known = clientTo(t, `https://localhost:${port}`, { tls: { ca: made.ca, ...made.client } });
  assert.deepEqual(await known.send(getVersion(), never), VERSION);
  const unknown = clientTo(t, `https://localhost:${port}`, { tls: { ca: made.ca } });
  // This server hangs up without a TLS alert; with one it is COLONY_TLS (see the unit test of link errors).
  await assert.rejects(unknown.send(getVersion(), never), { code: 'COLONY_RESET' });
});

test('TLS to a port that speaks plain HTTP fails as TLS, and a silent one runs into the deadline', async (t) => {
  const plain = await httpServer(t, (_request, response) => response.end());
  const client = clientTo(t, `https://127.0.0.1:${plain}`);
  await assert.rejects(client.send(getVersion(), never), { code: 'COLONY_TLS' });
  const silent = await listen(t, createTcp());
  const waiting = clientTo(t, `https://127.0.0.1:${silent}`, { deadlines: { connectMs: 150 } });
  await assert.rejects(waiting.send(getVersion(), never), { code: 'COLONY_TIMEOUT' });
});

test('a connection that does not come about keeps no caller past its deadline or its patience', async (t) => {
  const port = await listen(t, createTcp());
  const client = clientTo(t, `https://127.0.0.1:${port}`, {
    deadlines: { connectMs: 60_000, answerMs: 100 },
  });
  await assert.rejects(client.send(getVersion(), never), { code: 'COLONY_TIMEOUT' });
  const patient = clientTo(t, `https://127.0.0.1:${port}`, { deadlines: { connectMs: 60_000 } });
  const caller = new AbortController();
  const given = assert.rejects(patient.send(getVersion(), caller.signal), { code: 'CANCELLED' });
  caller.abort();
  await given;
});

/** An HTTP proxy that tunnels to anywhere on this machine, with the given credentials. */
async function tunnelProxy(
  t: TestContext,
  credentials?: string,
  pair?: Pair,
): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const proxy = pair === undefined ? createServer() : createTlsServer(pair);
  proxy.on('connect', (request, socket: Socket) => {
    asked.push(`${request.method} ${request.url}`);
    const expected = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
    if (request.headers['proxy-authorization'] !== expected) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const port = Number(request.url?.split(':').at(-1));
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n'));
    socket.on('error', () => onward.destroy());
    socket.on('close', () => onward.destroy());
  });
  return { port: await listen(t, proxy), asked };
}

test('a TLS server is reached through the tunnel of a proxy, by the name it was given', async (t) => {
  const server = await serving(t, made.server);
  const proxy = await tunnelProxy(t, 'me:p@ss');
  const env = { HTTPS_PROXY: `http://me:p%40ss@127.0.0.1:${proxy.port}` };
  const tls = { ca: made.ca };
  const client = clientTo(t, `https://localhost:${server}`, { env, tls });
  assert.deepEqual(await client.send(getVersion(), never), VERSION);
  assert.deepEqual(await client.send(getVersion(), never), VERSION);
  assert.deepEqual(proxy.asked, [`CONNECT localhost:${server}`]);
  const exempt = clientTo(t, `https://localhost:${server}`, { env: { ...env, NO_PROXY: 'localhost' }, tls });
  assert.deepEqual(await exempt.send(getVersion(), never), VERSION);
  assert.equal(proxy.asked.length, 1);
});

test('the way to the proxy may be TLS itself, with TLS to the server inside', async (t) => {
  const server = await serving(t, made.server);
  const proxy = await tunnelProxy(t, undefined, made.server);
  const env = { HTTPS_PROXY: `https://localhost:${proxy.port}` };
  const client = clientTo(t, `https://127.0.0.1:${server}`, { env, tls: { ca: made.ca } });
  assert.deepEqual(await client.send(getVersion(), never), VERSION);
  assert.deepEqual(proxy.asked, [`CONNECT 127.0.0.1:${server}`]);
  const doubtful = clientTo(t, `https://127.0.0.1:${server}`, { env });
  await assert.rejects(doubtful.send(getVersion(), never), { code: 'COLONY_PROXY' });
});

test('what fails at the proxy is blamed on the proxy, what fails behind it on the server', async (t) => {
  const server = await serving(t, made.server);
  const proxy = await tunnelProxy(t, 'me:secret');
  const at = (url: string, https_proxy: string) => clientTo(t, url, { env: { https_proxy } });
  const cases: [string, string, string][] = [
    [`https://localhost:${server}`, 'http://127.0.0.1:1', 'COLONY_PROXY'],
    [`https://localhost:${server}`, `http://me:wrong@127.0.0.1:${proxy.port}`, 'COLONY_PROXY'],
    ['https://localhost:1', `http://me:secret@127.0.0.1:${proxy.port}`, 'COLONY_PROXY'],
    [`https://localhost:${server}`, `http://me:secret@127.0.0.1:${proxy.port}`, 'COLONY_TLS'],
  ];
  for (const [url, via, code] of cases)
    await assert.rejects(at(url, via).send(getVersion(), never), (error) => {
      assert.ok(error instanceof Error && 'code' in error);
      assert.equal(error.code, code, `${url} via ${via}: ${error.message}`);
      assert.ok(!error.message.includes('secret'));
      return true;
    });
});

test('a plain server is reached by handing the proxy the whole URL', async (t) => {
  const seen: unknown[] = [];
  const port = await httpServer(t, (request, response) => {
    seen.push([request.method, request.url, request.headers.host, request.headers['proxy-authorization']]);
    response.end(answer(VERSION));
  });
  const env = { http_proxy: `http://me@127.0.0.1:${port}` };
  const client = clientTo(t, 'http://colony.invalid:8080', { env });
  assert.deepEqual(await client.send(getVersion(), never), VERSION);
  assert.deepEqual(seen, [
    ['POST', 'http://colony.invalid:8080/api', 'colony.invalid:8080', `Basic ${btoa('me:')}`],
  ]);
  const lost = clientTo(t, 'http://colony.invalid', { env: { http_proxy: 'http://127.0.0.1:1' } });
  await assert.rejects(lost.send(getVersion(), never), { code: 'COLONY_PROXY' });
});
