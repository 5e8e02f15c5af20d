import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLogger } from '../../src/base/log.ts';
import { createAgentClient } from '../../src/local/client.ts';
import { startLocalServer } from '../../src/local/server.ts';
import type { LockCommand } from '../../src/model/update.ts';
import { fakeView } from '../fakes/agent-view.ts';

const signal = AbortSignal.timeout(20_000);
const LOCK = { command: 'lock', name: 'web/db', owner: 'root', reason: 'a & b = c' } as const;

async function started(t: { after(fn: () => unknown): void }) {
  const dir = await mkdtemp(join(tmpdir(), 'ce-locks-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, 'agent.sock');
  const view = fakeView();
  const server = await startLocalServer({ path, view, log: silentLogger, idleMs: 300 });
  t.after(() => server.close());
  return { path, view, server, client: createAgentClient(path) };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10, undefined, { signal });
}

/** Status and body of one POST. */
function post(path: string, route: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: path, path: route, method: 'POST', agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += String(chunk);
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

test('commands arrive as they were given', async (t) => {
  const { view, client } = await started(t);
  const commands: LockCommand[] = [
    { ...LOCK, ttlMs: 600_000 },
    { command: 'unlock', name: 'web' },
    { command: 'override', name: 'web' },
  ];
  for (const command of commands) assert.equal((await client.commandLock(command, { signal })).ok, true);
  assert.deepEqual(view.lockCommands, commands);
  assert.deepEqual(await client.commandLock({ command: 'unlock', name: 'unknown' }, { signal }), {
    ok: false,
    text: 'unknown is not in force on this node',
  });
});

test('a lock that is held outlasts any silence, and is released when its holder goes', async (t) => {
  const { view, client } = await started(t);
  const held = await client.holdLock({ ...LOCK, isHeld: true }, { signal });
  assert.deepEqual([held.answer.ok, held.answer.id], [true, 'id-1']);
  await sleep(1_000, undefined, { signal });
  assert.equal(view.lockCommands.length, 1, 'still held');
  held.close();
  await held.ended;
  await until(() => view.lockCommands.length === 2);
  assert.deepEqual(view.lockCommands[1], { command: 'release', id: 'id-1' });
});

test('an agent that ends releases nothing, and tells the holder', async (t) => {
  const { view, server, client } = await started(t);
  const held = await client.holdLock({ ...LOCK, isHeld: true }, { signal });
  await server.close();
  await held.ended;
  assert.equal(view.lockCommands.length, 1);
});

test('a lock that is refused holds no connection', async (t) => {
  const { client } = await started(t);
  const held = await client.holdLock({ ...LOCK, name: 'unknown', isHeld: true }, { signal });
  assert.equal(held.answer.ok, false);
  await held.ended;
});

test('no more than sixteen are held at a time', async (t) => {
  const { client } = await started(t);
  const held = [];
  for (let i = 0; i < 16; i += 1) held.push(await client.holdLock({ ...LOCK, isHeld: true }, { signal }));
  await assert.rejects(client.holdLock({ ...LOCK, isHeld: true }, { signal }), {
    code: 'AGENT_REFUSED',
    message: /16 locks are held already/,
  });
  for (const one of held) one.close();
});

test('what is wrong is named', async (t) => {
  const { path, view } = await started(t);
  for (const [query, words] of [
    ['command=lock', /name must be BLUEPRINT/],
    ['name=web', /command must be lock, unlock or override/],
    ['command=lock&name=web', /ttl must be given/],
    ['command=lock&name=web&ttl=1.5', /ttl must be a number of milliseconds/],
    ['command=lock&name=web&hold=1&id=x', /id must be one that this agent gave/],
  ] as const) {
    const { status, body } = await post(path, `/v1/lock?${query}`);
    assert.equal(status, 400);
    assert.match(body, words);
  }
  assert.deepEqual(view.lockCommands, []);
});
