import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bandwidthText, decodeBandwidth } from '../../../src/config/table-bandwidth.ts';

test('a bandwidth is a number with its unit, decimal, binary or in bits', () => {
  const rates: [string, number][] = [
    ['500kB/s', 500_000],
    ['2 MB/s', 2_000_000],
    ['1.5MiB/s', 1_572_864],
    ['64KiB/s', 65_536],
    ['256kbit/s', 32_000],
    ['2.5Mbit/s', 312_500],
    ['1kB/s', 1_000],
    ['10000MB/s', 10_000_000_000],
  ];
  for (const [text, value] of rates) assert.deepEqual(decodeBandwidth(text), { ok: true, value }, text);
  assert.deepEqual(decodeBandwidth('none'), { ok: true, value: undefined });
});

test('anything else is refused with what would be right', () => {
  for (const raw of [
    '500',
    '500kb/s',
    '500KB/s',
    '0kB/s',
    '999B/s',
    '-1MB/s',
    '20000MB/s',
    '1e3kB/s',
    '',
    500,
    true,
  ]) {
    const decoded = decodeBandwidth(raw);
    assert.ok(!decoded.ok, `${raw}`);
    assert.match(decoded.expected, /must be a number with kB\/s, .*such as "500kB\/s"/);
  }
});

test('a bandwidth is shown as it can be given', () => {
  for (const text of ['500kB/s', '2MB/s', '3MiB/s', '1001B/s', '1500kB/s', '65536B/s']) {
    const decoded = decodeBandwidth(text);
    assert.ok(decoded.ok && decoded.value !== undefined, text);
    assert.deepEqual(decodeBandwidth(bandwidthText(decoded.value)), decoded);
  }
});
