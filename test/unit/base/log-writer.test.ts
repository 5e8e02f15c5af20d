import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../../../src/base/clock.ts';
import {
  createEpisodes,
  createLogger,
  isJournal,
  type LogWriterOptions,
} from '../../../src/base/log-writer.ts';

function fakeClock(): Clock & { passMs(ms: number): void } {
  let mono = 0;
  return {
    now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678) + mono,
    monoMs: () => mono,
    sleep: () => Promise.resolve(),
    passMs(ms) {
      mono += ms;
    },
  };
}

function setup(options: Partial<LogWriterOptions> = {}) {
  const lines: string[] = [];
  const clock = fakeClock();
  const write = (line: string) => lines.push(line);
  return { lines, clock, log: createLogger({ level: 'info', format: 'text', clock, write, ...options }) };
}

test('a text line carries time, level, message and fields that cannot disturb the terminal', () => {
  const { lines, log } = setup();
  log.info('container started', {
    container: 'c1-db',
    cause: 'not running \u001b[2J',
    tries: 2,
    none: undefined,
  });
  assert.deepEqual(lines, [
    '2026-01-02T03:04:05.678Z INFO  container started container=c1-db cause="not running ?[2J" tries=2\n',
  ]);
});

test('a JSON line is one object, and a field cannot replace its time, level or message', () => {
  const { lines, log } = setup({ format: 'json' });
  log.warn('tick slow', { level: 'spoof', line: 'a\nb' });
  assert.equal(lines.length, 1);
  assert.deepEqual(JSON.parse(lines[0] ?? ''), {
    time: '2026-01-02T03:04:05.678Z',
    level: 'warn',
    message: 'tick slow',
    level_: 'spoof',
    line: 'a\nb',
  });
});

test('the journal gets a priority in front of each line', () => {
  const { lines, log } = setup({ priority: true, level: 'debug' });
  log.debug('a');
  log.info('b');
  log.warn('c');
  log.error('d');
  assert.deepEqual(
    lines.map((line) => line.slice(0, 3)),
    ['<7>', '<6>', '<4>', '<3>'],
  );
});

test('lines below the level are left out', () => {
  const { lines, log } = setup({ level: 'warn' });
  log.info('quiet');
  log.debug('quieter');
  assert.deepEqual(lines, []);
});

test('a warning that repeats word for word is held back for five minutes and then counted', () => {
  const { lines, log, clock } = setup();
  for (let i = 0; i < 4; i += 1) log.warn('engine away', { code: 'ENGINE_DOWN' });
  log.warn('engine away', { code: 'ENGINE_SLOW' });
  assert.equal(lines.length, 2);
  clock.passMs(300_000);
  log.warn('engine away', { code: 'ENGINE_DOWN' });
  assert.match(lines[2] ?? '', /repeated=3/);
});

test('an episode is logged when it starts, changes and ends', () => {
  const { lines, log, clock } = setup();
  const episodes = createEpisodes(log, clock);
  episodes.working('pull', 'image pulled');
  assert.equal(lines.length, 0);
  for (let attempts = 1; attempts < 4; attempts += 1)
    episodes.failing('pull', 'pull failed', { code: 'X', attempts });
  assert.equal(lines.length, 1);
  clock.passMs(60_000);
  episodes.failing('pull', 'pull failed', { code: 'Y', attempts: 4 });
  assert.equal(lines.length, 2);
  episodes.working('pull', 'image pulled');
  assert.match(lines[2] ?? '', /image pulled failedSince=2026-01-02T03:04:05Z failedFor=1m failures=4/);
  episodes.working('pull', 'image pulled');
  assert.equal(lines.length, 3);
});

test('only the very stream that systemd announced is taken for the journal', () => {
  assert.equal(isJournal('9:42', { dev: 9, ino: 42 }), true);
  assert.equal(isJournal('9:42', { dev: 9, ino: 43 }), false);
  assert.equal(isJournal(undefined, { dev: 9, ino: 42 }), false);
});
