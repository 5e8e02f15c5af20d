import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEvent } from '../../../src/docker/events.ts';
import { jsonLines } from '../../../src/docker/json-lines.ts';
import { frames, lines } from '../../../src/docker/logs.ts';

/** The bytes in pieces of `size`. */
async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

function frame(type: number, text: string): Buffer {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

test('JSON lines come out whole however the chunks are cut', async () => {
  const bytes = Buffer.from('{"a":"ä€😀"}\r\n\n{"b":[1,2]}\n{"c":3}');
  for (let size = 1; size <= bytes.length; size++)
    assert.deepEqual(await all(jsonLines(cut(bytes, size))), [{ a: 'ä€😀' }, { b: [1, 2] }, { c: 3 }]);
});

test('an empty stream has no lines', async () => {
  assert.deepEqual(await all(jsonLines(cut(Buffer.alloc(0), 1))), []);
});

test('a line that is not JSON, and one without end, are nonsense', async () => {
  await assert.rejects(all(jsonLines(cut(Buffer.from('{"a"\n'), 3))), { code: 'ENGINE_PROTOCOL' });
  await assert.rejects(all(jsonLines(cut(Buffer.alloc(100, 0x61), 10), 50)), { code: 'ENGINE_PROTOCOL' });
});

test('log frames are taken apart however the chunks are cut', async () => {
  const bytes = Buffer.concat([
    frame(1, 'hä'),
    frame(2, 'bad\n'),
    frame(1, 'lf\r\nnext\n'),
    frame(1, ''),
    frame(0, 'in'),
  ]);
  for (let size = 1; size <= bytes.length; size++)
    assert.deepEqual(await all(lines(frames(cut(bytes, size)))), [
      { stream: 'stderr', line: 'bad' },
      { stream: 'stdout', line: 'hälf' },
      { stream: 'stdout', line: 'next' },
      { stream: 'stdout', line: 'in' },
    ]);
});

test('a character cut by a frame of the other stream comes out whole', async () => {
  const euro = Buffer.from('€');
  async function* pieces() {
    yield { stream: 'stdout' as const, bytes: euro.subarray(0, 1) };
    yield { stream: 'stderr' as const, bytes: Buffer.from('x\n') };
    yield { stream: 'stdout' as const, bytes: euro.subarray(1) };
  }
  assert.deepEqual(await all(lines(pieces())), [
    { stream: 'stderr', line: 'x' },
    { stream: 'stdout', line: '€' },
  ]);
});

test('a bad frame header and a frame without end are errors', async () => {
  await assert.rejects(all(frames(cut(Buffer.from('plain text, no frames'), 5))), {
    code: 'ENGINE_PROTOCOL',
  });
  await assert.rejects(all(frames(cut(frame(1, 'half').subarray(0, 10), 4))), { code: 'ENGINE_RESET' });
});

test('a line without end comes in pieces and does not fill the memory', async () => {
  async function* endless() {
    for (let i = 0; i < 20; i++) yield { stream: 'stdout' as const, bytes: Buffer.alloc(10_000, 0x61) };
  }
  const seen = await all(lines(endless()));
  assert.ok(seen.length >= 2 && seen.every(({ line }) => line.length <= 80_000));
});

test('an event names the container it changed, a network event too', () => {
  const die = { Type: 'container', Action: 'die', Actor: { ID: 'c1', Attributes: { name: 'web' } }, time: 5 };
  assert.deepEqual(decodeEvent(die), {
    event: { type: 'container', action: 'die', id: 'c1', name: 'web', isForeign: true },
    containers: ['c1'],
    time: '5',
  });
  const left = {
    Type: 'network',
    Action: 'disconnect',
    Actor: { ID: 'n1', Attributes: { container: 'c1' } },
  };
  assert.deepEqual(decodeEvent(left)?.containers, ['c1']);
  assert.equal(decodeEvent(left)?.event.container, 'c1');
  const ours = { ...die, Actor: { ID: 'c1', Attributes: { 'colonies.managed': 'true' } } };
  assert.equal(decodeEvent(ours)?.event.isForeign, undefined);
});

test('health is told, execs and foreign kinds are not', () => {
  const event = (Type: string, Action: string) => decodeEvent({ Type, Action, Actor: { ID: 'x' } });
  assert.equal(event('container', 'health_status: unhealthy')?.event.action, 'health_status: unhealthy');
  assert.equal(event('container', 'exec_start: sh -c true'), undefined);
  assert.equal(event('plugin', 'enable'), undefined);
  assert.equal(decodeEvent(null), undefined);
});
