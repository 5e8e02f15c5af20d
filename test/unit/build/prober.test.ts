import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { it } from 'node:test';
import { findingsOf, probe, watch } from '../../../build/bench/prober.mjs';

/** A server that answers each connection with these bytes. */
async function serving(answer: string) {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(answer));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { port: address.port, close: () => new Promise((done) => server.close(done)) };
}

it('counts what failed, what another address answered, and the longest time between two answers', () => {
  const findings = findingsOf(
    [
      { atMs: 0, body: '1' },
      { atMs: 20, why: 'ECONNREFUSED' },
      { atMs: 40, why: 'TIMEOUT' },
      { atMs: 60, body: '2', first: 'ECONNREFUSED' },
      { atMs: 80, body: '2' },
    ],
    3,
  );
  assert.deepEqual(findings, {
    asked: 5,
    failed: 2,
    again: 1,
    longestMs: 60,
    lateMs: 3,
    why: { ECONNREFUSED: 2, TIMEOUT: 1 },
    changes: [
      { atMs: 0, what: '1' },
      { atMs: 20, what: 'failed' },
      { atMs: 60, what: '2' },
    ],
  });
});

it('what never answered again has been away until the end', () => {
  const { longestMs, failed } = findingsOf(
    [
      { atMs: 100, body: '1' },
      { atMs: 120, why: 'X' },
      { atMs: 900, why: 'X' },
    ],
    0,
  );
  assert.deepEqual([longestMs, failed], [800, 2]);
});

it('only a whole answer with status 200 counts', async () => {
  const cases = [
    ['HTTP/1.0 200 OK\r\n\r\n7\n', { body: '7' }],
    ['HTTP/1.0 503 Sorry\r\n\r\nno', { why: 'NOT_200' }],
    ['HTTP/1.0 200 OK\r\n', { why: 'NOT_200' }],
    ['', { why: 'NO_ANSWER' }],
  ] as const;
  for (const [answer, expected] of cases) {
    const server = await serving(answer);
    const { atMs, ...found } = await probe('127.0.0.1', server.port);
    assert.deepEqual(found, expected);
    await server.close();
  }
});

it('a port that nobody has is a failure with its code', async () => {
  const server = await serving('');
  await server.close();
  assert.equal((await probe('127.0.0.1', server.port)).why, 'ECONNREFUSED');
});

it('asks on a schedule that answers which do not come do not hold up', async () => {
  const silent = createServer((socket) => socket.on('error', () => undefined));
  await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
  const address = silent.address();
  assert.ok(typeof address === 'object' && address !== null);
  const over = new AbortController();
  const watching = watch('127.0.0.1', address.port, over.signal);
  // Less than the time an answer may take: one after the other it could not have asked twice.
  setTimeout(() => over.abort(), 300);
  const { asked, failed, why } = await watching;
  assert.ok(asked > 3, `${asked} were asked`);
  assert.deepEqual([failed, why], [asked, { TIMEOUT: asked }]);
  silent.close();
});
