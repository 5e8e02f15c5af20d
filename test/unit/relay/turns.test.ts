import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beginsRequest, Turns } from '../../../src/relay/turns.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const head = (...lines: string[]) => `${['HTTP/1.1 200 OK', ...lines].join('\r\n')}\r\n\r\n`;

/** Plays what was said, `>` to the server and `<` to the client; true: the connection may be moved now. */
function idleAfter(...said: string[]): boolean {
  const turns = new Turns();
  for (const one of said) {
    const chunk = Buffer.from(one.slice(1), 'latin1');
    if (one.startsWith('>')) turns.fromClient(chunk);
    else turns.fromServer(chunk);
  }
  return turns.isIdle;
}

const CASES: [title: string, isIdle: boolean, ...said: string[]][] = [
  ['nothing was said', true],
  ['a request without an answer', false, `>${GET}`],
  ['a whole answer by its length', true, `>${GET}`, `<${head('Content-Length: 2')}ok`],
  ['a whole answer in pieces', true, `>${GET}`, `<${head('Content-Length: 4')}`, '<ok', '<ok'],
  ['half an answer', false, `>${GET}`, `<${head('Content-Length: 4')}ok`],
  ['an empty answer', true, `>${GET}`, `<${head('content-length: 0')}`],
  [
    'a chunked answer to its end',
    true,
    `>${GET}`,
    `<${head('Transfer-Encoding: chunked')}2\r\nok\r\n0\r\n\r\n`,
  ],
  [
    'the end of a chunked answer over two packets',
    true,
    `>${GET}`,
    `<${head('Transfer-Encoding: chunked')}2\r\nok\r\n0`,
    '<\r\n\r\n',
  ],
  ['an empty chunked answer', true, `>${GET}`, `<${head('Transfer-Encoding: chunked')}0\r\n\r\n`],
  ['a chunked answer that goes on', false, `>${GET}`, `<${head('Transfer-Encoding: chunked')}2\r\nok\r\n`],
  ['an answer that ends with the connection', false, `>${GET}`, `<${head()}ok`],
  [
    'an answer after which the server closes',
    false,
    `>${GET}`,
    `<${head('Connection: close', 'Content-Length: 2')}ok`,
  ],
  ['HTTP/1.0', false, `>${GET}`, '<HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
  ['the answer to HEAD', true, '>HEAD / HTTP/1.1\r\n\r\n', `<${head('Content-Length: 200')}`],
  ['304', true, `>${GET}`, '<HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n'],
  ['100 before the body', false, '>PUT / HTTP/1.1\r\n\r\n', '<HTTP/1.1 100 Continue\r\n\r\n'],
  [
    '100, the body, the answer',
    true,
    '>PUT / HTTP/1.1\r\n\r\n',
    '<HTTP/1.1 100 Continue\r\n\r\n',
    '>body',
    `<${head('Content-Length: 0')}`,
  ],
  ['a second request', false, `>${GET}`, `<${head('Content-Length: 0')}`, `>${GET}`],
  [
    'a second answer',
    true,
    `>${GET}`,
    `<${head('Content-Length: 0')}`,
    `>${GET}`,
    `<${head('Content-Length: 0')}`,
  ],
  ['a WebSocket', false, `>${GET}`, '<HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\n\r\n'],
  [
    'two answers at once: requests were sent ahead',
    false,
    `>${GET}${GET}`,
    `<${head('Content-Length: 0')}${head('Content-Length: 0')}`,
  ],
  [
    'something else after an answer',
    false,
    `>${GET}`,
    `<${head('Content-Length: 0')}`,
    '>\x16\x03\x01',
    `<${head('Content-Length: 0')}`,
  ],
  ['TLS', false, '>\x16\x03\x01\x02\x00', '<\x16\x03\x03'],
  ['HTTP/2', false, '>PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '<\x00\x00\x00'],
  ['a server that speaks first', false, '<220 ready\r\n'],
];

for (const [title, isIdle, ...said] of CASES)
  test(`${title}: ${isIdle ? 'may be moved' : 'stays'}`, () => assert.equal(idleAfter(...said), isIdle));

test('a request begins with a method, a path and HTTP/1', () => {
  for (const [text, expected] of [
    [GET, true],
    ['POST /x HTTP/1.0\r\n', true],
    [`GET /${'x'.repeat(5_000)}`, true],
    ['get / HTTP/1.1\r\n', false],
    ['GET / HTTP/2\r\n', false],
    ['\x81\x05hello', false],
    ['', false],
  ] as const)
    assert.equal(beginsRequest(Buffer.from(text, 'latin1')), expected, text.slice(0, 40));
});
