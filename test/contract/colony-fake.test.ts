import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.ts';
import { deriveId } from '../../src/colony/identity.ts';
import * as executors from '../../src/colony/messages-executor.ts';
import * as processes from '../../src/colony/messages-process.ts';
import * as server from '../../src/colony/messages-server.ts';
import { createFakeColony } from '../fakes/colony/index.ts';
import { clientTo } from './support/colony-server.ts';

test('the product talks to the fake over HTTP', async (t) => {
  const owner = '5'.repeat(64);
  const colony = await createFakeColony({ ownerId: deriveId(owner) });
  t.after(() => colony.stop());
  const client = clientTo(t, colony.url);
  const own = clientTo(t, colony.url, { key: new Secret(owner) });
  const { signal } = new AbortController();
  await client.send(server.getVersion(), signal);
  await assert.rejects(client.send(executors.getExecutors('dev'), signal), { code: 'COLONY_FORBIDDEN' });
  await own.send(
    executors.addExecutor({
      id: deriveId('1'.repeat(64)),
      type: 't',
      name: 'n',
      colony: 'dev',
      location: 'barn',
    }),
    signal,
  );
  await own.send(executors.approveExecutor('dev', 'n'), signal);
  await assert.rejects(client.send(processes.assign('dev', 0), signal), { code: 'COLONY_NO_PROCESS' });
  const poll = client.send(processes.assign('dev', 5), signal);
  while (colony.world.waitingPolls === 0) await client.send(server.getVersion(), signal);
  colony.world.submit({ funcname: 'f', conditions: { executortype: 't', locationname: 'barn' } });
  const process = await poll;
  assert.equal(process.state, 'running');
  await client.send(processes.closeSuccessful(process.processid, ['x']), signal);
  assert.equal(colony.world.openProcesses().length, 0);
  await colony.restart();
  await client.send(server.getVersion(), signal);
});
