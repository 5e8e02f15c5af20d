import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, parseDurationMs } from '../../../src/base/duration.ts';
import { Ring } from '../../../src/base/ring.ts';
import { closest, displayWidth, fit, pad, printable, wrap } from '../../../src/base/text.ts';

test('text from outside cannot move the cursor, ring the bell or turn the writing around', () => {
  assert.equal(printable('a\u001b[2Jb\u0007c'), 'a?[2Jb?c');
  assert.equal(printable('one\r\ntwo\tthree'), 'one two three');
  assert.equal(printable('x\u202egnp.exe\u009b31m\u200bz'), 'x?gnp.exe?31m?z');
  assert.equal(printable('lone \ud800 half'), 'lone ? half');
  assert.equal(printable('Köping 東京 😀'), 'Köping 東京 😀');
});

test('wide characters count as two columns and combining marks as none', () => {
  assert.equal(displayWidth('東京'), 4);
  assert.equal(displayWidth('e\u0301'), 1);
  assert.equal(displayWidth('😀a'), 3);
});

test('a cut never leaves more columns than asked, also in the middle of a wide character', () => {
  assert.equal(fit('abcdef', 4), 'abc…');
  assert.equal(fit('東京都', 4), '東…');
  assert.equal(fit('abc', 3), 'abc');
  assert.equal(fit('abc', 0), '');
  assert.equal(pad('東', 4), '東  ');
  assert.equal(pad('7', 3, 'right'), '  7');
});

test('wrapping breaks at spaces, and inside a word that is too long', () => {
  assert.deepEqual(wrap('one two three', 7), ['one two', 'three']);
  assert.deepEqual(wrap('a bcdefghij', 4), ['a', 'bcde', 'fghi', 'j']);
  assert.deepEqual(wrap('東京東京', 3), ['東', '京', '東', '京']);
  assert.deepEqual(wrap('', 10), ['']);
});

test('a suggestion is made for a slip, a swap and a beginning, not for another word', () => {
  const words = ['status', 'validate', 'state-dir', 'events'];
  assert.equal(closest('satus', words), 'status');
  assert.equal(closest('tsatus', words), 'status');
  assert.equal(closest('statedir', words), 'state-dir');
  assert.equal(closest('valid', words), 'validate');
  assert.equal(closest('elephant', words), undefined);
});

test('durations are read as Go writes them', () => {
  assert.equal(parseDurationMs('1m30s'), 90_000);
  assert.equal(parseDurationMs('1.5h'), 5_400_000);
  assert.equal(parseDurationMs('300ms'), 300);
  assert.equal(parseDurationMs('0'), 0);
  for (const bad of ['', '10', '5 s', '1d', '-1s', 's', '1s2', '.s'])
    assert.equal(parseDurationMs(bad), undefined, bad);
});

test('durations are shown with their two largest units', () => {
  assert.equal(formatDuration(192_000), '3m12s');
  assert.equal(formatDuration(0), '0s');
  assert.equal(formatDuration(850), '850ms');
  assert.equal(formatDuration(7_500_000), '2h5m');
  assert.equal(formatDuration(3_600_000), '1h');
  assert.equal(formatDuration(349_200_000), '4d1h');
  assert.equal(formatDuration(-5), '0s');
});

test('the ring keeps the newest items under numbers that never repeat', () => {
  const ring = new Ring<string>(3);
  assert.deepEqual(ring.after(0), []);
  for (let i = 0; i < 5; i += 1) ring.push((seq) => `item ${seq}`);
  assert.equal(ring.lastSeq, 5);
  assert.deepEqual(ring.after(0), ['item 3', 'item 4', 'item 5']);
  assert.deepEqual(ring.after(4), ['item 5']);
  assert.deepEqual(ring.after(5), []);
  assert.deepEqual(ring.after(99), []);
});
