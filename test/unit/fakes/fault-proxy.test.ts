import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../../fakes/clock.ts';
import { TokenBucket } from '../../fakes/fault-proxy/bucket.ts';
import type { LinkShape } from '../../fakes/fault-proxy/fault.ts';
import { Lane, stallMs } from '../../fakes/fault-proxy/lane.ts';
import { HttpSplitter, type Part } from '../../fakes/fault-proxy/splitter.ts';
import { seededRandom } from '../../fakes/random.ts';

/** A lane on a clock of its own, with what came out of it and when. */
function laneWith(shape: LinkShape, options: { rate?: number; isOpening?: boolean } = {}) {
  const clock = new ManualClock();
  const startMs = clock.monoMs();
  const bucket = new TokenBucket(clock, options.rate);
  const over = new AbortController();
  const out: { atMs: number; bytes: number }[] = [];
  const texts: string[] = [];
  let endedAtMs: number | undefined;
  const lane = new Lane(
    {
      ...{ clock, bucket, random: seededRandom(1), shape: () => shape, signal: over.signal },
      deliver: (bytes) => {
        out.push({ atMs: clock.monoMs() - startMs, bytes: bytes.length });
        texts.push(bytes.toString('latin1'));
      },
      finish: () => {
        endedAtMs = clock.monoMs() - startMs;
      },
      onRoom: () => undefined,
    },
    options.isOpening,
  );
  return { clock, bucket, lane, out, text: () => texts.join(''), endedAtMs: () => endedAtMs, over };
}

test('a piece takes half of the round trip, and the first one of a connection a whole round more', async () => {
  const { lane, clock, out } = laneWith({ latencyMs: 600 }, { isOpening: true });
  lane.push(Buffer.from('a'));
  await clock.advance(2_000);
  lane.push(Buffer.from('b'));
  await clock.advance(2_000);
  assert.deepEqual(
    out.map(({ atMs }) => atMs),
    [900, 2_300],
  );
});

test('a lane keeps the order whatever the jitter and the losses, and ends after its last byte', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 0, max: 100 }),
      async (texts, jitterMs, lossPercent) => {
        const one = laneWith({ latencyMs: 50, jitterMs, lossPercent }, { rate: 100_000 });
        const all = Buffer.from(texts.join(''));
        for (const text of texts) one.lane.push(Buffer.from(text));
        one.lane.end();
        await one.clock.advance(3_600_000);
        assert.equal(one.text(), all.toString('latin1'));
        assert.equal(one.lane.backlog, 0);
        assert.ok((one.endedAtMs() ?? -1) >= (one.out.at(-1)?.atMs ?? 0));
        assert.equal(one.clock.sleeping, 0);
      },
    ),
    { numRuns: 50 },
  );
});

test('a rate is kept over time, by all who share it together', async () => {
  const { lane, clock, out } = laneWith({}, { rate: 80_000 });
  lane.push(Buffer.alloc(50_000));
  await clock.advance(1_000);
  const sent = out.reduce((sum, { bytes }) => sum + bytes, 0);
  assert.ok(sent > 9_500 && sent < 10_500, `${sent} bytes in a second`);
  const bucket = new TokenBucket(clock, 80_000);
  const takers = new AbortController();
  const taken = [0, 0];
  const take = async (index: number) => {
    for (;;) taken[index] = (taken[index] ?? 0) + (await bucket.take(10_000, takers.signal));
  };
  const ended = [take(0), take(1)].map((one) => assert.rejects(one, /enough/));
  await clock.advance(10_000);
  const total = (taken[0] ?? 0) + (taken[1] ?? 0);
  assert.ok(total > 95_000 && total < 105_000, `${taken} bytes in 10 s`);
  takers.abort(new Error('enough'));
  await Promise.all(ended);
});

test('nothing moves at rate 0, not even the end, and what waited goes on when the rate is back', async () => {
  const { lane, bucket, clock, text, endedAtMs } = laneWith({}, { rate: 0 });
  lane.push(Buffer.from('abc'));
  lane.end();
  await clock.advance(86_400_000);
  assert.equal(text(), '');
  assert.equal(endedAtMs(), undefined);
  bucket.setRate(8);
  await clock.advance(2_500);
  assert.equal(text(), 'ab');
  bucket.setRate(undefined);
  await clock.advance(0);
  assert.equal(text(), 'abc');
  assert.notEqual(endedAtMs(), undefined);
});

test('a lane that is over delivers nothing more and sleeps no more', async () => {
  const { lane, clock, out, over } = laneWith({ latencyMs: 100 }, { rate: 80 });
  lane.push(Buffer.alloc(100));
  await clock.advance(500);
  const before = out.length;
  over.abort(new Error('over'));
  await clock.advance(100_000);
  assert.equal(out.length, before);
  assert.equal(clock.sleeping, 0);
});

test('losses stall as often as they are said to come, and each repetition waits longer', () => {
  const random = seededRandom(5);
  const stalls = Array.from({ length: 20_000 }, () =>
    stallMs(100, { lossPercent: 2, latencyMs: 50 }, random),
  );
  const share = stalls.filter((ms) => ms > 0).length / stalls.length;
  assert.ok(share > 0.015 && share < 0.025, `${share}`);
  assert.deepEqual([...new Set(stalls)].sort((a, b) => a - b).slice(0, 3), [0, 250, 750]);
  assert.equal(stallMs(1e6, { lossPercent: 0 }, random), 0);
  // Of many packets one is lost nearly always.
  assert.ok(stallMs(1e6, { lossPercent: 2 }, random) > 0);
});

const MESSAGES: [kind: 'request' | 'answer', head: string, sent: string, body: string][] = [
  ['request', 'POST /api HTTP/1.1\r\ncontent-length: 5', 'hello', 'hello'],
  ['request', 'GET / HTTP/1.1\r\nhost: x', '', ''],
  ['answer', 'HTTP/1.1 200 OK\r\nContent-Length: 3', 'abc', 'abc'],
  [
    'answer',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked',
    '3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n',
    'abc0123456789',
  ],
  ['answer', 'HTTP/1.1 204 No Content\r\nserver: x', '', ''],
];

test('messages are told apart however they are cut, and not a byte is changed', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('request', 'answer'),
      fc.array(fc.nat({ max: 99 }), { minLength: 1, maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 }),
      (kind, picks, cuts) => {
        const known = MESSAGES.filter((one) => one[0] === kind);
        const chosen = picks.map((pick) => known[pick % known.length] ?? assert.fail());
        const stream = Buffer.from(chosen.map(([, head, sent]) => `${head}\r\n\r\n${sent}`).join(''));
        const splitter = new HttpSplitter(kind);
        const parts: Part[] = [];
        for (let at = 0, cut = 0; at < stream.length; cut++) {
          const size = cuts[cut % cuts.length] ?? 1;
          parts.push(...splitter.take(stream.subarray(at, at + size)));
          at += size;
        }
        assert.deepEqual(splitter.flush(), []);
        assert.deepEqual(Buffer.concat(parts.map(({ raw }) => raw)), stream);
        assert.deepEqual(
          parts.flatMap(({ head }) => (head === undefined ? [] : [head])),
          chosen.map(([, head]) => head),
        );
        assert.equal(parts.filter(({ isEnd }) => isEnd).length, chosen.length);
        const body = Buffer.concat(parts.map((part) => part.body)).toString();
        assert.equal(body, chosen.map((one) => one[3]).join(''));
      },
    ),
  );
});

test('what is no HTTP passes as it is, and a body without a length ends with its connection', () => {
  const tls = Buffer.from([22, 3, 1, 0, 200, 1]);
  assert.deepEqual(new HttpSplitter('request').take(tls), [
    { raw: tls, body: tls, isEnd: false, isOpaque: true },
  ]);
  const splitter = new HttpSplitter('answer');
  const parts = splitter.take(Buffer.from('HTTP/1.1 200 OK\r\nx: y\r\n\r\nab'));
  assert.equal(parts.at(-1)?.isEnd, false);
  assert.deepEqual(
    splitter.flush().map(({ isEnd }) => isEnd),
    [true],
  );
  const broken = new HttpSplitter('answer');
  broken.take(Buffer.from('HTTP/1.1 200 OK\r\ncon'));
  assert.deepEqual(
    broken.flush().map(({ raw, isOpaque }) => [raw.length, isOpaque]),
    [[20, true]],
  );
});
