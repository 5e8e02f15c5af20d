import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { quantile, summary, table } from '../../../build/bench/figures.mjs';
import { callName, Relay, RequestCounter } from '../../../build/bench/relay.mjs';

/** Requests counted when the bytes come in pieces of the given length. */
function counted(text: string, piece: number): string[] {
  const found: string[] = [];
  const counter = new RequestCounter((method, path) => found.push(`${method} ${path}`));
  for (let at = 0; at < text.length; at += piece) counter.take(Buffer.from(text.slice(at, at + piece)));
  return found;
}

it('counts requests and never their bodies, however the bytes are cut', () => {
  const text =
    'GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n' +
    'POST /a HTTP/1.1\r\nContent-Length: 25\r\n\r\nGET /fake HTTP/1.1\r\n\r\nabc' +
    'POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n' +
    'DELETE /c HTTP/1.1\r\n\r\n';
  for (const piece of [1, 2, 3, 7, 1000])
    assert.deepEqual(
      counted(text, piece),
      ['GET /_ping', 'POST /a', 'POST /b', 'DELETE /c'],
      `pieces of ${piece}`,
    );
});

it('names calls without versions, ids and queries', () => {
  assert.equal(callName('GET', '/v1.41/containers/json?all=1'), 'GET /containers/json');
  assert.equal(callName('GET', '/v1.41/containers/4f2a/json'), 'GET /containers/{id}/json');
  assert.equal(callName('POST', '/containers/4f2a/start'), 'POST /containers/{id}/start');
  assert.equal(callName('POST', '/v1.50/containers/create?name=x'), 'POST /containers/create');
  assert.equal(callName('GET', '/images/registry/a/b:1/json'), 'GET /images/{id}/json');
  assert.equal(callName('DELETE', '/containers/4f2a?force=1'), 'DELETE /containers/{id}');
});

it('relays between two sockets unchanged and tells reading calls from changing ones', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'relay-'));
  const engine = createServer((call, answer) => call.pipe(answer));
  await new Promise<void>((done) => engine.listen(join(folder, 'engine.sock'), done));
  const relay = await new Relay(join(folder, 'relay.sock'), join(folder, 'engine.sock')).listen();
  try {
    const ask = (method: string, body: string) =>
      new Promise<string>((done, fail) => {
        const call = request({ socketPath: relay.path, method, path: '/x', agent: false }, (answer) => {
          let text = '';
          answer.on('data', (chunk) => {
            text += chunk;
          });
          answer.on('end', () => done(text));
        });
        call.on('error', fail);
        call.end(body);
      });
    assert.equal(await ask('GET', ''), '');
    assert.equal(await ask('POST', 'hello'), 'hello');
    assert.deepEqual(relay.counts(), { total: 2, mutating: 1 });
    relay.reset();
    assert.deepEqual(relay.counts(), { total: 0, mutating: 0 });
  } finally {
    relay.close();
    engine.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

it('sums figures up by nearest rank', () => {
  const values = Array.from({ length: 20 }, (_, index) => index + 1);
  assert.equal(quantile(values, 0.95), 19);
  assert.deepEqual(summary([3, 1, 2]), { runs: 3, min: 1, median: 2, p95: 3, max: 3 });
  assert.match(
    table([{ name: 'a', unit: 'ms', values, target: { text: 'at most 5', met: false } }]),
    /MISSED: at most 5/,
  );
});
