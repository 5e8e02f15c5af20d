import assert from 'node:assert/strict';
import { test } from 'node:test';
import { displayWidth } from '../../../src/base/text.ts';
import { renderBlueprint } from '../../../src/cli/render-blueprint.ts';
import { type Look, progressText, renderStatus } from '../../../src/cli/render-status.ts';
import type { AgentStatus, Waiting } from '../../../src/model/status.ts';
import { ago, NOW, sampleDocument, sampleReport, sampleStatus } from '../../fakes/sample-status.ts';

const look: Look = { columns: 80, nowMs: NOW, paint: (_style, text) => text };
const coloured: Look = { ...look, paint: (style, text) => `<${style}>${text}</>` };

function linesOf(status: AgentStatus, how: Look = look): string[] {
  const lines = renderStatus(status, how).trimEnd().split('\n');
  if (how === look)
    for (const line of lines) assert.ok(displayWidth(line) <= 80, `${displayWidth(line)}: ${line}`);
  return lines;
}

test('a converged agent is a head line and a row for each blueprint', () => {
  assert.deepEqual(linesOf(sampleStatus()), [
    'gw-7 (default)  agent 0.1.0  docker 20.10.24  up 2h5m  converged',
    '',
    'NAME         PHASE    GEN  READY  SINCE  WAITS FOR',
    'c1-database  Running    3    1/1  3m12s',
  ]);
});

test('a row says what its blueprint waits for and until when, the lines below say why', () => {
  const report = sampleReport({
    name: 'c1-gatekeeper',
    phase: 'Degraded',
    ready: 0,
    waiting: [
      {
        name: 'c1-gatekeeper',
        reason: 'BindSourceMissing',
        message: 'bind source /opt/c1/run.sh does not exist',
        nextTryAt: ago(-252),
        attempts: 3,
        since: ago(600),
      },
    ],
    lastError: 'BindSourceMissing: bind source /opt/c1/run.sh does not exist',
    warnings: [{ severity: 'warning', reason: 'SpecWarning', path: 'spec.x', message: 'is unknown' }],
  });
  assert.deepEqual(linesOf(sampleStatus({ converged: false, blueprints: [report] })).slice(2), [
    'NAME           PHASE     GEN  READY  SINCE  WAITS FOR',
    'c1-gatekeeper  Degraded    3    0/1  3m12s  BindSourceMissing, next try in 4m12s',
    '  c1-gatekeeper: bind source /opt/c1/run.sh does not exist (tried 3 times, for',
    '    10m)',
    '  1 warning: colonies-edge status c1-gatekeeper',
  ]);
});

test('an engine, a source and a checkpoint that are in trouble come first', () => {
  const status = sampleStatus({
    converged: false,
    engine: { ...sampleStatus().engine, state: 'away', since: ago(75), lastError: 'no such socket' },
    source: { ...sampleStatus().source, state: 'away', since: ago(30), lastError: 'ENOENT' },
    checkpoint: { state: 'failed', note: 'disk is full' },
    strays: ['old-1'],
  });
  const text = linesOf(status).slice(1, 9).join('\n');
  assert.match(text, /^engine away for 1m15s at unix:\/\/\/var\/run\/docker.sock \(no such socket\)$/m);
  assert.match(text, /^blueprints away for 30s at \/etc\/colonies-edge\/blueprints \(ENOENT\)/m);
  assert.match(text, /^checkpoint cannot be saved: disk is full$/m);
  assert.match(text, /left alone: old-1/);
});

test('the disk shows its use, and from which use down to which images go', () => {
  const disk = {
    ...{ path: '/var/lib/docker', totalBytes: 2 ** 36, freeBytes: 12.5 * 2 ** 30, usedPercent: 80.9 },
    ...{ checkedAt: ago(1), gcStartPercent: 85, gcTargetPercent: 75, isCollecting: false },
  };
  const textOf = (shown: AgentStatus['disk']) =>
    linesOf(sampleStatus(shown === undefined ? {} : { disk: shown }))
      .slice(1, 3)
      .join(' ')
      .replace(/\s+/g, ' ')
      .trim();
  const head = 'disk 80% used, 12.5 GiB free at /var/lib/docker; unused images go';
  assert.equal(textOf(disk), `${head} from 85% down to 75%`);
  assert.equal(textOf({ ...disk, isCollecting: true }), `${head} until it is down to 75%`);
  const { gcStartPercent: _gcStartPercent, ...asked } = disk;
  assert.equal(textOf(asked), `${head} only when asked for`);
});

test('an agent without a directory says nothing of one', () => {
  const status = sampleStatus({
    source: { ...sampleStatus().source, state: 'unknown', path: '' },
  });
  assert.equal(linesOf(status)[1], '');
});

test('a refused version shows with file, field and value, once', () => {
  const problem = {
    severity: 'error',
    reason: 'SpecInvalid',
    path: 'spec.instances[0].image',
    value: '5',
    message: 'must be a non-empty string',
  } as const;
  const status = sampleStatus({
    blueprints: [sampleReport({ refused: [problem] })],
    refusals: [
      { name: 'c1-database', file: '/b/db.json', document: 0, problems: [problem] },
      { file: '/b/broken.yaml', document: 2, problems: [{ ...problem, path: '', message: 'is no YAML' }] },
    ],
  });
  assert.deepEqual(linesOf(status).slice(3), [
    'c1-database  Running    3    1/1  3m12s',
    '  newer version refused (/b/db.json): spec.instances[0].image must be a',
    '    non-empty string, got 5',
    '',
    'Refused:',
    '  /b/broken.yaml #3',
    '    is no YAML, got 5',
  ]);
});

test('pulls show their progress', () => {
  const pull = { image: 'nginx:1.27', currentBytes: 12_300_000, totalBytes: 40_100_000, since: ago(12) };
  const lines = linesOf(
    sampleStatus({
      pulls: [
        { ...pull, state: 'running' },
        { ...pull, image: `registry.example/${'x'.repeat(200)}:1`, state: 'queued' },
      ],
    }),
  );
  assert.equal(lines[5], 'Pulling:');
  assert.equal(lines[6], '  nginx:1.27  12.3 of 40.1 MB (30%) for 12s');
  assert.match(lines[7] ?? '', /x… {2}waits for a lane$/);
  assert.equal(progressText(5_000_000, 0), '5.0 MB');
  assert.equal(progressText(50, 40), '0.0 of 0.0 MB (100%)');
});

test('nasty names and messages neither break the table nor reach the terminal', () => {
  const status = sampleStatus({
    converged: false,
    blueprints: [
      sampleReport({
        name: 'x'.repeat(200),
        phase: 'Reconciling',
        generation: 123456789,
        ready: 99,
        desired: 1000,
      }),
      sampleReport({ name: '東京'.repeat(30), doing: ['pulling\u001b[2J\nimage'] }),
      sampleReport({
        name: 'Running',
        phase: 'Failed',
        since: 'never',
        waiting: [
          { name: 'a\rb', reason: 'CrashLoop', message: 'w'.repeat(500), nextTryAt: ago(5) },
          { name: 'c', reason: 'PortConflict', message: '\u202eevil' },
        ],
      }),
    ],
    refusals: [{ file: `/${'d'.repeat(300)}`, problems: [] }, { problems: [] }],
    warnings: ['\u0007bell'],
  });
  const lines = linesOf(status);
  const text = lines.join('\n');
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  assert.match(text, /CrashLoop \(\+1\), next …/);
  const heads = lines.filter((line) => /^(NAME|x+…|東|Running) /.test(line) || line.startsWith('東'));
  assert.equal(heads.length, 4, text);
});

const WAITS: [what: string, waiting: Waiting, cell: RegExp, line: RegExp, detail: RegExp][] = [
  [
    'a gate',
    {
      name: 'w',
      reason: 'WaitingForDependency',
      message: 'waits for db',
      since: ago(90),
      decidedAt: ago(-30),
    },
    /WaitingForDependency, overdue in 30s$/,
    /w: waits for db \(for 1m30s\)$/,
    /waits for db \(for 1m30s\), starts as soon as that is so; overdue at \S+$/,
  ],
  [
    'an overdue gate',
    { name: 'w', reason: 'WaitingForDependency', message: 'waits for db (overdue)', since: ago(90) },
    /WaitingForDependency$/,
    /\(overdue\) \(for 1m30s\)$/,
    /, starts as soon as that is so$/,
  ],
  [
    'an update in progress',
    { name: 'w', reason: 'Working', message: 'is being watched', since: ago(5), decidedAt: ago(-55) },
    /Working, decided in 55s$/,
    /is being watched \(for 5s\)$/,
    /\(for 5s\), decided at \S+$/,
  ],
  [
    'a rollback',
    { name: 'w', reason: 'RolledBack', message: 'until the blueprint changes', since: ago(60) },
    /RolledBack$/,
    /changes \(for 1m\)$/,
    /until the blueprint changes \(for 1m\)$/,
  ],
  [
    'a pause',
    { name: 'w', reason: 'Paused', message: 'colonies-edge resume w goes on', since: ago(60) },
    /Paused$/,
    /goes on \(for 1m\)$/,
    /goes on \(for 1m\)$/,
  ],
  [
    'a sick container',
    {
      name: 'w',
      reason: 'Unhealthy',
      message: 'check fails',
      since: ago(9),
      attempts: 3,
      nextTryAt: ago(-20),
    },
    /Unhealthy, next try in 20s$/,
    /check fails \(restarted 3 times, for 9s\)$/,
    /\(restarted 3 times, for 9s\), next try at \S+$/,
  ],
  [
    'a full disk',
    {
      name: 'w',
      reason: 'DiskFull',
      message: 'needs 3 MiB',
      since: ago(9),
      attempts: 1,
      nextTryAt: ago(-20),
    },
    /DiskFull, next try in 20s$/,
    /needs 3 MiB \(tried once, for 9s\)$/,
    /\(tried once, for 9s\), next try at \S+$/,
  ],
  [
    'an image that nobody may pull',
    { name: 'w', reason: 'ImageUnavailable', message: 'is not present', since: ago(9) },
    /ImageUnavailable$/,
    /is not present \(for 9s\)$/,
    /\(for 9s\), until something changes$/,
  ],
];
for (const [what, waiting, cell, line, detail] of WAITS)
  test(`${what} says what is wrong, since when, what is done about it, and what comes next`, () => {
    const report = sampleReport({ phase: 'Degraded', ready: 0, waiting: [waiting] });
    const wide = { ...look, columns: 200 };
    const [, , , row, below] = renderStatus(sampleStatus({ blueprints: [report] }), wide).split('\n');
    assert.match(row ?? '', cell);
    assert.match(below ?? '', line);
    const [told] = renderBlueprint(report, wide).split('Waits for:\n')[1]?.split('\n') ?? [];
    assert.match(told ?? '', detail);
  });

test('only the phase is coloured, also when the name reads the same', () => {
  const report = sampleReport({ name: 'Running' });
  const text = linesOf(sampleStatus({ blueprints: [report] }), coloured).join('\n');
  assert.match(text, /^Running {3}<green>Running<\/> /m);
});

test('an agent with no blueprints says where it looked', () => {
  assert.equal(
    linesOf(sampleStatus({ blueprints: [] })).at(-1),
    'no blueprints (looked in /etc/colonies-edge/blueprints)',
  );
});

test('one blueprint is shown in full', () => {
  const report = sampleReport({
    waiting: [{ name: 'c1-database', reason: 'PortConflict', message: 'port 3306 is taken', attempts: 2 }],
    status: sampleDocument({
      instances: [
        {
          id: '0123456789ab',
          name: 'c1-database',
          type: 'container',
          state: 'stopped',
          created: ago(60),
          image: 'aitiaiiot/arrowhead-database:4.6.1',
          lastCheck: ago(1),
          ready: false,
          restartCount: 4,
          exitCode: 137,
          oomKilled: true,
          imageId: 'sha256:00',
          ports: ['3306:3306/tcp'],
        },
      ],
      conditions: [
        { type: 'Ready', status: 'False', reason: 'PortConflict', message: '', lastTransitionTime: ago(60) },
      ],
    }),
  });
  const text = renderBlueprint(report, look);
  for (const line of text.split('\n')) assert.ok(displayWidth(line) <= 80, line);
  assert.match(text, /^Phase: {7}Running, for 3m12s$/m);
  assert.match(text, /port 3306 is taken \(tried 2 times\), until\s+something\s+changes/);
  assert.match(text, /stopped \(exit code 137\), not ready/);
  assert.match(text, /restarted\s+4\s+times,\s+was\s+killed\s+for\s+lack\s+of\s+memory/);
  assert.match(text, /^ {2}Ready False for 1m, PortConflict$/m);
});
