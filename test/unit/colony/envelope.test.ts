import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Call } from '../../../src/colony/call.ts';
import { decodeReply, encodeRequest, type HttpReply } from '../../../src/colony/envelope.ts';
import { ColonyError, retryAfterMs } from '../../../src/colony/errors.ts';

const call: Call<unknown> = { type: 'anymsg', message: {}, purpose: 'info', decode: (payload) => payload };
const NOW = Date.parse('2026-03-01T12:00:00Z');

function envelope(payload: unknown, error = false): string {
  const type = error ? 'error' : 'anymsg';
  const encoded = Buffer.from(JSON.stringify(payload)).toString('base64');
  return JSON.stringify({ payloadtype: type, payload: encoded, error });
}

function read(
  body: string,
  status = 200,
  headers: HttpReply['headers'] = {},
  other: Partial<Call<unknown>> = {},
) {
  return decodeReply({ ...call, ...other }, { status, headers, body }, NOW);
}

function codeOf(...args: Parameters<typeof read>): string {
  try {
    read(...args);
  } catch (error) {
    assert.ok(error instanceof ColonyError);
    return error.code;
  }
  return 'none';
}

function messageIn(request: string): unknown {
  return JSON.parse(Buffer.from(JSON.parse(request).payload, 'base64').toString());
}

test('a request repeats its type inside, and without a key its signature is empty', () => {
  const request = encodeRequest('versionmsg', {});
  assert.deepEqual(messageIn(request), { msgtype: 'versionmsg' });
  assert.equal(JSON.parse(request).signature, '');
});

test('no NUL leaves in any text or name, and a written-out escape stays', () => {
  const request = encodeRequest('anymsg', {
    'k\u0000': 'a\u0000b',
    deep: [{ text: '\u0000', list: ['x\u0000'] }],
    escaped: '\\u0000',
    number: 0,
    none: null,
  });
  assert.deepEqual(messageIn(request), {
    k: 'ab',
    deep: [{ text: '', list: ['x'] }],
    escaped: '\\u0000',
    number: 0,
    none: null,
    msgtype: 'anymsg',
  });
});

test('the error flag decides, whatever the HTTP status says', () => {
  assert.equal(codeOf(envelope({ status: 404, message: 'x' }, true), 200), 'COLONY_NOT_FOUND');
  assert.equal(codeOf(envelope({ status: 403, message: 'x' }, true), 500), 'COLONY_FORBIDDEN');
  assert.deepEqual(read(envelope({ fine: true })), { fine: true });
  assert.equal(read(envelope(null)), null);
});

test('a status without a meaning of its own is a failure of the server', () => {
  for (const status of [401, 418, 500, 599])
    assert.equal(codeOf(envelope({ status, message: 'x' }, true), status), 'COLONY_FAILED');
});

test('a call gives the same status its own meaning', () => {
  const refusals = [{ status: 404, code: 'COLONY_NO_PROCESS' }] as const;
  assert.equal(
    codeOf(envelope({ status: 404, message: 'x' }, true), 404, {}, { refusals }),
    'COLONY_NO_PROCESS',
  );
});

test('empty answers are told apart by status and call', () => {
  assert.equal(codeOf('', 500), 'COLONY_FAILED');
  assert.equal(codeOf(' \n', 200), 'COLONY_PROTOCOL');
  assert.equal(codeOf('', 200, {}, { onEmpty: 'COLONY_FORBIDDEN' }), 'COLONY_FORBIDDEN');
  assert.equal(codeOf('', 502), 'COLONY_GATEWAY');
});

test('of two errors back to back the first counts, and a second answer makes a good one doubtful', () => {
  const failed = envelope({ status: 400, message: 'one' }, true);
  assert.equal(codeOf(failed + envelope({ status: 500, message: 'two' }, true), 400), 'COLONY_REFUSED');
  assert.equal(codeOf(envelope({}) + envelope({})), 'COLONY_PROTOCOL');
});

test('what is no envelope is a web page, a gateway or nonsense, and never an answer', () => {
  const html = { 'content-type': 'text/html; charset=utf-8' };
  assert.equal(codeOf('<html>log in</html>', 200, html), 'COLONY_CAPTIVE_PORTAL');
  assert.equal(codeOf('<!DOCTYPE html><p>', 200), 'COLONY_CAPTIVE_PORTAL');
  assert.equal(codeOf('moved', 302), 'COLONY_CAPTIVE_PORTAL');
  assert.equal(codeOf('log in', 511), 'COLONY_CAPTIVE_PORTAL');
  assert.equal(codeOf('<html>bad gateway</html>', 502, html), 'COLONY_GATEWAY');
  assert.equal(codeOf('slow down', 429), 'COLONY_GATEWAY');
  assert.equal(codeOf('credentials', 407), 'COLONY_PROXY');
  assert.equal(codeOf('404 page not found', 404), 'COLONY_PROTOCOL');
  assert.equal(codeOf('<html>No required SSL certificate was sent</html>', 400, html), 'COLONY_TLS');
  assert.equal(codeOf('Client sent an HTTP request to an HTTPS server.', 400), 'COLONY_TLS');
  assert.equal(codeOf('The plain HTTP request was sent to HTTPS port', 400), 'COLONY_TLS');
  assert.equal(codeOf('oops', 400), 'COLONY_PROTOCOL');
  assert.equal(codeOf('oops', 500), 'COLONY_FAILED');
  for (const body of [
    '{}',
    '[]',
    'null',
    '7',
    '{"payloadtype":"anymsg","payload":"e3',
    '{"payload":5,"error":false}',
  ])
    assert.equal(codeOf(body), 'COLONY_PROTOCOL', body);
  assert.equal(codeOf(JSON.stringify({ payloadtype: 'x', payload: '%%%', error: false })), 'COLONY_PROTOCOL');
});

test('Retry-After is read in seconds and as a date, and reaches the error', () => {
  assert.equal(retryAfterMs('7', NOW), 7_000);
  assert.equal(retryAfterMs('Sun, 01 Mar 2026 12:00:30 GMT', NOW), 30_000);
  assert.equal(retryAfterMs('Sun, 01 Mar 2026 11:00:00 GMT', NOW), 0);
  assert.equal(retryAfterMs('Sun, 01 Mar 2026 12:00:30 GMT', 0), 3_600_000);
  assert.equal(retryAfterMs('soon', NOW), undefined);
  assert.equal(retryAfterMs(undefined, NOW), undefined);
  assert.throws(() => read('busy', 503, { 'retry-after': '120' }), {
    code: 'COLONY_GATEWAY',
    retry: 'transient',
    status: 503,
    retryAfterMs: 120_000,
  });
});
