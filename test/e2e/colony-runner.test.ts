import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../../build/lib/project.mjs';
import { run } from '../../build/lib/run.mjs';
import { deriveId } from '../../src/colony/identity.ts';
import { createFakeColony, EXECUTOR_STATES, type FakeColony } from '../fakes/colony/index.ts';

// `npm run test:colony` itself, with the fake colony in the part of the real server.
const ownerKey = randomBytes(32).toString('hex');
let fake: FakeColony;

before(async () => {
  fake = await createFakeColony({ colony: 'yard', ownerId: deriveId(ownerKey) });
});
after(() => fake.stop());

const SERVER = ['COLONIES_SERVER_HOST', 'COLONIES_COLONY_NAME', 'COLONIES_COLONY_PRVKEY'];

/** Runs the script with these variables; empty ones count as absent. */
function runner(env: Record<string, string>, ...args: string[]) {
  const none = Object.fromEntries(SERVER.map((name) => [name, '']));
  // Node's test runner does nothing below another one.
  const command = ['-u', 'NODE_TEST_CONTEXT', process.execPath, join(root, 'build/test-colony.mjs')];
  return run('env', [...command, ...args], {
    output: 'capture',
    deadlineMs: 150_000,
    env: { ...none, ...env },
  });
}

test('without a server it fails, and says what is missing', async () => {
  const { code, output } = await runner({ COLONIES_COLONY_NAME: 'yard' });
  assert.equal(code, 2);
  assert.match(output, /COLONIES_SERVER_HOST/);
  assert.match(output, /COLONIES_COLONY_PRVKEY/);
  assert.doesNotMatch(output, /COLONIES_COLONY_NAME/);
});

test('it runs the cases against the server that is named, and leaves nothing there', async () => {
  const { world } = fake;
  const { code, output } = await runner(
    {
      COLONIES_SERVER_HOST: '127.0.0.1',
      COLONIES_SERVER_PORT: String(fake.port),
      COLONIES_TLS: 'false',
      COLONIES_COLONY_NAME: 'yard',
      COLONIES_COLONY_PRVKEY: ownerKey,
    },
    '--only=register adds and approves|an ExecutorDeployment registers',
  );
  assert.equal(code, 0, output);
  assert.match(output, /\b2 passed, 0 failed\b/);
  const names = world.executors().map(({ name }) => name);
  assert.ok(names.length >= 4, `an operator, a gateway and two executors: ${names.join()}`);
  assert.ok(world.countRequests('closesuccessfulmsg') > 0, 'the agent closed processes there');
  assert.ok(world.executors().every(({ state }) => state === EXECUTOR_STATES.unregistered));
  assert.deepEqual(world.blueprintNames(), []);
  assert.doesNotMatch(output, new RegExp(ownerKey));
});

test('with a key that does not own the colony it fails, and says so', async () => {
  const { code, output } = await runner(
    {
      COLONIES_SERVER_HOST: '127.0.0.1',
      COLONIES_SERVER_PORT: String(fake.port),
      COLONIES_COLONY_NAME: 'yard',
      COLONIES_COLONY_PRVKEY: '1'.repeat(64),
    },
    '--only=register adds and approves',
  );
  assert.notEqual(code, 0);
  assert.match(output, /cannot set up colony yard at http:\/\/127\.0\.0\.1/);
});
