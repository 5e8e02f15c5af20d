import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logLine, logMessage, offlineLines } from '../../../src/link/rule-log.ts';
import type { AgentEvent } from '../../../src/model/status.ts';

const event = (change: Partial<AgentEvent> = {}): AgentEvent => ({
  seq: 1,
  time: '2026-01-02T03:04:05.678Z',
  level: 'info',
  message: 'container started',
  blueprint: 'web',
  ...change,
});

test('a line says when, how bad, what about, what, and why', () => {
  assert.equal(logLine(event()), '03:04:05 info web: container started');
  assert.equal(
    logLine(event({ level: 'warn', container: 'web-1', detail: 'exited 1\nafter\u0000 2 s', cause: 'x' })),
    '03:04:05 warn web/web-1: container started: exited 1 after 2 s',
  );
  assert.equal(
    logLine(event({ container: 'web', detail: '', cause: 'killed' })),
    '03:04:05 info web: container started: killed',
  );
  assert.ok(logLine(event({ detail: 'x'.repeat(9_000) })).length <= 240);
});

test('repeated lines are one, with their number', () => {
  const lines = ['03:04:05 info a', '03:04:06 info b', '03:04:07 info a'];
  assert.equal(logMessage(lines, 0, 1_000), '03:04:05 info a (2 times)\n03:04:06 info b');
});

test('what has no room is counted: the oldest first, lost ones too', () => {
  const lines = Array.from({ length: 30 }, (_, index) => `03:04:05 info line ${index}`);
  const text = logMessage(lines, 5, 200);
  assert.ok(text.length <= 200, `${text.length}`);
  const [first, ...rest] = text.split('\n');
  assert.equal(first, `${30 - rest.length + 5} earlier events left out`);
  assert.equal(rest.at(-1), '03:04:05 info line 29');
});

test('a disconnected period is one line and its last events; none when nothing happened', () => {
  const away = { since: Date.UTC(2026, 0, 2, 3), until: Date.UTC(2026, 0, 2, 4) };
  assert.deepEqual(offlineLines({ away, healedCount: 0, events: [], lost: 0 }), []);
  const events = Array.from({ length: 7 }, () => event());
  const lines = offlineLines({ away, healedCount: 7, events, lost: 93 });
  assert.equal(
    lines[0],
    'offline from 2026-01-02T03:00:00Z to 2026-01-02T04:00:00Z: 100 events, 7 containers healed; the last 5:',
  );
  assert.equal(lines.length, 6);
});
