import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorCode } from '../../src/base/errors.ts';
import type { Call } from '../../src/colony/call.ts';
import { decodeReply, encodeRequest } from '../../src/colony/envelope.ts';
import type { Executor } from '../../src/colony/messages-executor.ts';
import type { Process } from '../../src/colony/messages-process.ts';
import type { JsonObject } from '../../src/model/blueprint.ts';
import { callOf } from './support/colony-calls.ts';
import { CODES, NOT_AS_SENT } from './support/colony-outcomes.ts';

interface Recording {
  name: string;
  signer: string | null;
  request: { body: string };
  request_decoded?: { payloadtype: string; payload: JsonObject };
  response: { status: number; headers: Record<string, string>; body: string };
  response_decoded?: { payload: unknown };
}

const FOLDER = 'test/vectors/wire';
const keys: Record<string, { prvkey: string }> = JSON.parse(
  readFileSync('test/vectors/colonyos.json', 'utf8'),
).dev_keys;
const recordings = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.json'))
  .map((file): Recording => JSON.parse(readFileSync(`${FOLDER}/${file}`, 'utf8')));

function recording(name: string): Recording {
  return recordings.find((one) => one.name === name) ?? assert.fail(`there is no recording ${name}`);
}

function callFor({ name, request_decoded: sent }: Recording): Call<unknown> {
  // Answers to broken envelopes belong to no message of ours.
  if (sent === undefined) return { type: name, message: {}, purpose: 'info', decode: (payload) => payload };
  return callOf(sent.payloadtype, sent.payload);
}

function outcomeOf(one: Recording): { code: string; value?: unknown } {
  try {
    return { code: 'ok', value: decodeReply(callFor(one), one.response, 0) };
  } catch (error) {
    return { code: errorCode(error) };
  }
}

function answerOf<T>(name: string): T {
  const { code, value } = outcomeOf(recording(name));
  assert.equal(code, 'ok', name);
  return value as T;
}

test('every recorded answer leads to its code, and every code is told by a recording', () => {
  assert.ok(recordings.length > 130);
  const wrong = recordings
    .map((one) => ({ name: one.name, got: outcomeOf(one).code, expected: CODES[one.name] ?? 'ok' }))
    .filter(({ got, expected }) => got !== expected);
  assert.deepEqual(wrong, []);
  for (const name of Object.keys(CODES)) recording(name);
});

test('our request is the recorded one, byte by byte, signature and all', () => {
  let compared = 0;
  for (const one of recordings) {
    if (one.name.startsWith('transport-') || NOT_AS_SENT.has(one.name)) continue;
    const call = callFor(one);
    const key = keys[one.signer ?? '']?.prvkey;
    assert.ok(key !== undefined, one.name);
    const request = JSON.parse(encodeRequest(call.type, call.message, key));
    const text = Buffer.from(request.payload, 'base64').toString();
    const recorded = JSON.parse(one.request.body);
    assert.equal(text, Buffer.from(recorded.payload, 'base64').toString(), one.name);
    assert.deepEqual(request, recorded, one.name);
    compared += 1;
  }
  assert.ok(compared > 110, `${compared} compared`);
});

test('a decoded list holds every entry of the recorded one, by its id', () => {
  const idsOf = (value: unknown) =>
    JSON.stringify(value).match(/"(?:processid|executorid|functionid|blueprintid)":"\w+"/g);
  let lists = 0;
  for (const one of recordings) {
    const { value } = outcomeOf(one);
    if (!Array.isArray(value)) continue;
    lists += 1;
    const recorded = one.response_decoded?.payload ?? [];
    assert.ok(Array.isArray(recorded));
    assert.equal(value.length, recorded.length, one.name);
    const documents = value.map((entry) => entry.document ?? entry);
    assert.deepEqual(idsOf(documents), idsOf(recorded), one.name);
  }
  assert.ok(lists > 15);
});

test('a process tells what to do, for whom, and when', () => {
  const cron = answerOf<Process>('assign-cron-reconcile');
  assert.deepEqual(cron.spec.kwargs, { kind: 'DockerDeployment' });
  assert.equal(cron.spec.funcname, 'reconcile');
  assert.equal(cron.state, 'running');
  assert.equal(cron.starttime, Date.parse('2026-11-22T16:49:55.922Z'));
  assert.equal(cron.endtime, undefined);
  assert.equal(cron.execdeadline, undefined);
  assert.deepEqual(cron.spec.conditions.executornames, []);
  assert.equal(cron.spec.conditions.locationname, 'barn');
  assert.notEqual(cron.processgraphid, '');
  assert.equal(answerOf<Process>('assign-cleanup').spec.funcname, 'cleanup');
  assert.deepEqual(answerOf<Process>('process-get-failed').state, 'failed');
  const held = answerOf<Process[]>('process-hist-own-running');
  assert.ok(held.length > 0 && held.every((one) => one.state === 'running'));
});

test('an executor sees its own state in every state', () => {
  const states = (name: string) => new Set(answerOf<Executor[]>(name).map((one) => one.state));
  assert.ok(states('executor-pending-get-all').has('pending'));
  assert.ok(states('executor-unregistered-get-all').has('unregistered'));
  assert.ok(states('executor-stale-get-all').has('unregistered'));
  const own = answerOf<Executor>('executor-get');
  assert.equal(own.state, 'approved');
  assert.equal(own.lastheardfromtime, undefined);
  assert.deepEqual(own.capabilities, { hardware: null, software: null });
});

test('a blueprint comes decoded, with its status beside it', () => {
  const { blueprint, status } = answerOf<{ blueprint: JsonObject; status: JsonObject }>(
    'blueprint-get-with-status',
  );
  assert.equal(blueprint.name, 'web');
  assert.equal(blueprint.location, 'barn');
  assert.deepEqual(blueprint.annotations, { note: 'x' });
  assert.deepEqual(blueprint.origin, { source: 'server' });
  assert.equal(status.phase, 'Running');
  assert.deepEqual(answerOf('blueprint-list-none'), []);
  assert.equal(answerOf('pause-status-paused'), true);
  assert.equal(answerOf('pause-status'), false);
});
