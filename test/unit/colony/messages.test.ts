import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getBlueprint, getBlueprints, getDefinitions } from '../../../src/colony/messages-blueprint.ts';
import { addExecutor, getExecutors } from '../../../src/colony/messages-executor.ts';
import { assign, getProcess, heartbeat } from '../../../src/colony/messages-process.ts';
import { getPauseStatus, getServerInfo } from '../../../src/colony/messages-server.ts';

test('work is asked for in whole seconds, and not waiting is a negative number', () => {
  assert.deepEqual([assign('dev', 30).message.timeout, assign('dev', 30).waitMs], [30, 30_000]);
  assert.deepEqual([assign('dev', 0.2).message.timeout, assign('dev', 0.2).waitMs], [1, 1_000]);
  assert.deepEqual([assign('dev', 0).message.timeout, assign('dev', 0).waitMs], [-1, undefined]);
});

test('a heartbeat offers less than nothing and does not wait', () => {
  const { message, purpose, waitMs } = heartbeat('dev');
  assert.deepEqual(message, { colonyname: 'dev', timeout: -1, availablecpu: '-1m', availablemem: '' });
  assert.deepEqual([purpose, waitMs], ['heartbeat', undefined]);
});

test('a process needs an id and a state, and everything else may be absent, null or unknown', () => {
  const { decode } = getProcess('p');
  const bare = decode({ processid: 'p', state: 0, spec: { kwargs: null, novelty: 1 }, novelty: {} });
  assert.equal(bare.state, 'waiting');
  assert.deepEqual(bare.spec.kwargs, {});
  assert.deepEqual([bare.out, bare.errors, bare.attributes, bare.spec.args], [[], [], [], []]);
  assert.equal(bare.starttime, undefined);
  assert.equal(bare.spec.conditions.locationname, '');
  assert.deepEqual(bare.spec.conditions.executornames, []);
  const wrong: [unknown, RegExp][] = [
    [null, /getprocessmsg: the answer/],
    [{ state: 0, spec: {} }, /processid/],
    [{ processid: 'p', state: 7, spec: {} }, /state: must be a state from 0 to 4 \(7\)/],
    [{ processid: 'p', state: 0, spec: { funcname: 5 } }, /spec\.funcname.*5/],
    [{ processid: 'p', state: 0 }, /spec/],
  ];
  for (const [payload, message] of wrong)
    assert.throws(() => decode(payload), { code: 'COLONY_PROTOCOL', message });
});

test('a list may be null but not anything else', () => {
  const { decode } = getExecutors('dev');
  assert.deepEqual(decode(null), []);
  for (const payload of [{}, 'none', 5, [null], [{ executorid: '' }]])
    assert.throws(() => decode(payload), { code: 'COLONY_PROTOCOL' }, JSON.stringify(payload));
});

test('a blueprint that does not decode keeps its place and its name, and the others are not lost', () => {
  const good = { kind: 'DockerDeployment', metadata: { name: 'a' }, spec: {}, status: { phase: 'Running' } };
  const bad = { kind: 'DockerDeployment', metadata: { name: 'b' }, spec: 'none' };
  const [first, second, ...more] = getBlueprints('dev', { kind: '', location: '' }).decode([good, bad]);
  assert.deepEqual(more, []);
  assert.ok(first?.ok === true && first.blueprint.name === 'a' && first.status.phase === 'Running');
  assert.ok(second?.ok === false && second.name === 'b' && second.problems.length > 0);
  assert.deepEqual(second.document, bad);
  const noStatus = getBlueprint('dev', 'a').decode({ ...good, status: 'odd' });
  assert.ok(noStatus.ok && Object.keys(noStatus.status).length === 0);
});

test('a new executor sends neither an empty location nor a time of its own', () => {
  const { message } = addExecutor({ id: 'i', type: 't', name: 'n', colony: 'dev', location: '' });
  assert.deepEqual(message, {
    executor: { executorid: 'i', executortype: 't', executorname: 'n', colonyname: 'dev' },
  });
});

test('a definition may lack its handler, and the server its backends', () => {
  const definition = { metadata: { name: 'd' }, spec: { names: { kind: 'Plain' } } };
  const [decoded] = getDefinitions('dev').decode([definition]);
  assert.equal(decoded?.spec.names.kind, 'Plain');
  assert.equal(decoded?.spec.handler, undefined);
  assert.deepEqual(getServerInfo().decode({}), { buildversion: '', buildtime: '', backends: [] });
  assert.equal(getPauseStatus('dev').decode({}), false);
});
