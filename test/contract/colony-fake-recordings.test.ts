import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { test } from 'node:test';
import { createFakeColony, type JsonMap } from '../fakes/colony/index.ts';
import { compare, RECORDINGS, type Recording, replayed, Stage } from './support/colony-replay.ts';

const SEEDS = 'test/fixtures/seed-blueprints';
const DEFINITIONS: JsonMap[] = ['docker-deployment', 'executor-deployment'].map((name) =>
  JSON.parse(readFileSync(`${SEEDS}/${name}-definition.json`, 'utf8')),
);
const WIDGET = {
  kind: 'BlueprintDefinition',
  metadata: { name: 'widget-deployment', colonyname: 'dev' },
  spec: {
    group: 'example.dev',
    version: 'v1',
    names: {
      kind: 'WidgetDeployment',
      listKind: 'WidgetDeploymentList',
      singular: 'widgetdeployment',
      plural: 'widgetdeployments',
    },
    scope: 'Namespaced',
    schema: {
      type: 'object',
      properties: {
        size: { type: 'string', enum: ['s', 'm'] },
        count: { type: 'integer' },
        cfg: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
      },
      required: ['size'],
    },
    handler: {
      executorType: 'widget-reconciler',
      executorName: 'w',
      functionName: 'reconcile',
      reconcileInterval: 5,
    },
  },
};

function web(more: { image?: string; metadata?: JsonMap } = {}): JsonMap {
  return {
    kind: 'DockerDeployment',
    metadata: { name: 'web', colonyname: 'dev', locationname: 'barn', ...more.metadata },
    spec: {
      instances: [
        {
          name: 'web',
          type: 'container',
          image: more.image ?? 'docker.io/library/nginx:1.27',
          ports: [{ container: 80, host: 8080, protocol: 'tcp' }],
        },
      ],
    },
    handler: { executorName: 'edge-node-1' },
  };
}
const FIRST = web({ metadata: { labels: { app: 'web' }, annotations: { note: 'x' } } });

/** A spec as the recorded client submits it. */
function submitted(
  limits: { maxwaittime?: number; maxexectime?: number; maxretries?: number } = {},
): JsonMap {
  return {
    nodename: 'n',
    funcname: 'reconcile',
    args: [],
    kwargs: { kind: 'DockerDeployment' },
    priority: 0,
    maxwaittime: -1,
    maxexectime: -1,
    maxretries: -1,
    label: '',
    env: {},
    ...limits,
    conditions: {
      colonyname: 'dev',
      executornames: [],
      executortype: 'docker-reconciler',
      locationname: 'barn',
      dependencies: [],
    },
  };
}

const UNASSIGNED = { colonyname: 'dev', timeout: -1, availablecpu: '', availablemem: '' };

async function assigned(stage: Stage, role: string): Promise<string> {
  const process = (await stage.send(role, 'assignprocessmsg', UNASSIGNED)) as { processid: string };
  return process.processid;
}

test('envelopes and signatures are answered as recorded', async () => {
  const stage = new Stage();
  stage.approved('executor-1', 'edge-node-1');
  for (const name of RECORDINGS.keys())
    if (name.startsWith('transport-') && !name.startsWith('transport-wrong-')) await stage.replay(name);
});

test('every variant of a signature gets the answer of the real server', async () => {
  const { payloadtype, payload, cases } = JSON.parse(
    readFileSync('test/vectors/colonyos.json', 'utf8'),
  ).server_answers_to_signatures;
  const stage = new Stage();
  for (const { name, signature, http_status, message } of cases) {
    const answer = await stage.world.handle(JSON.stringify({ payloadtype, payload, signature }));
    const inner = JSON.parse(Buffer.from(JSON.parse(answer.body).payload, 'base64').toString());
    assert.deepEqual([answer.status, inner?.message], [http_status, message], name);
  }
});

test('an executor is added, seen in every state, approved and updated as recorded', async () => {
  const stage = new Stage();
  await stage.replayAll('executor-get-all-none', 'executor-add-unknown-colony');
  await stage.replayAll('executor-add', 'executor-add-with-own-key-forbidden');
  await stage.replayAll('executor-pending-get-all', 'executor-pending-assign');
  await stage.replayAll('executor-pending-get-blueprints', 'executor-pending-get-self');
  await stage.replayAll('executor-approve-forbidden', 'executor-approve-unknown', 'executor-approve');
  await stage.replayAll('executor-get', 'executor-get-unknown');
  await stage.replayAll('executor-get-by-id', 'executor-get-by-id-unknown', 'executor-remove-unknown');
  stage.approved('executor-2', 'edge-node-2');
  await stage.replayAll('executor-update-capabilities', 'executor-update-other-forbidden');
  await stage.replayAll('executor-update-unknown');
  await stage.send('executor-1', 'reportallocationmsg', {
    colonyname: 'dev',
    executorname: 'edge-node-1',
    allocations: {
      projects: {
        web: {
          allocatedcpu: 1000,
          usedcpu: 200,
          allocatedgpu: 0,
          usedgpu: 0,
          allocatedstorage: 0,
          usedstorage: 0,
        },
      },
    },
  });
  await stage.replayAll('executor-get-after-update');
  stage.world.reject('edge-node-2');
  await stage.replayAll('executor-rejected-assign');
});

test('functions are added, listed and removed as recorded', async () => {
  const stage = new Stage();
  stage.approved('executor-1', 'edge-node-1');
  stage.approved('executor-2', 'edge-node-2');
  await stage.replayAll('function-get-none', 'function-add', 'function-add-again', 'function-get');
  await stage.replayAll('function-add-for-other', 'function-add-unknown-executor', 'function-remove-unknown');
  const [first] = (await stage.send('user', 'getfunctionsmsg', {
    colonyname: 'dev',
    executorname: '',
  })) as { functionid: string }[];
  await stage.replayAbout(first?.functionid ?? '', 'function-remove', 'function-remove-unknown');
});

test('a key is changed, removed and added again as recorded', async () => {
  const stage = new Stage({ allowReregister: true });
  stage.approved('executor-1', 'edge-node-1');
  stage.approved('executor-2', 'edge-node-2');
  stage.world.reject('edge-node-2');
  await stage.replayAll('executor-readd', 'executor-readd-assign');
  stage.world.approve('edge-node-1');
  await stage.replayAll('executor-change-id', 'executor-change-id-old-key', 'executor-change-id-new-key');
  await stage.replayAll('executor-change-id-bad', 'executor-remove-forbidden', 'executor-remove');
  await stage.replayAll('executor-unregistered-assign', 'executor-unregistered-get-all');
  await stage.replayAll('executor-unregistered-reapprove', 'executor-revived-assign');
});

test('without re-registration a name is taken for ever, and approval is the only way back', async () => {
  const stage = new Stage();
  stage.approved('executor-1', 'edge-node-1');
  stage.world.removeExecutor('edge-node-1');
  await stage.replayAll('executor-readd-reregister-off', 'executor-reapprove-reregister-off');
  await stage.replayAll('executor-assign-reregister-off');
});

test('asking for work is refused and answered as recorded', async () => {
  const stage = new Stage();
  stage.approved('executor-1', 'edge-node-1');
  await stage.replayAll('assign-zero-timeout', 'assign-bad-cpu', 'assign-bad-mem', 'assign-stranger');
  await stage.replayAll('assign-unknown-colony', 'assign-user-key', 'assign-no-process-nowait');
  await stage.replay('assign-no-process-longpoll', { meanwhile: () => stage.clock.advance(2_000) });
  stage.world.submit(submitted());
  await stage.replayAll('assign-heartbeat-only');
  await stage.replayAll('pause-status');
  await stage.send('colony-owner', 'pauseassignmentsmsg', { colonyname: 'dev' });
  await stage.replayAll('assign-paused-nowait', 'pause-status-paused');
  await stage.replay('assign-paused-longpoll', { meanwhile: () => stage.clock.advance(1_000) });
});

test('a node that does not lead answers assign calls with status 200 and the truth inside', async () => {
  const stage = new Stage({ follower: true });
  stage.approved('executor-1', 'edge-node-1');
  await stage.replayAll('cluster-follower-assign-forbidden', 'cluster-follower-assign-no-process');
  await stage.replayAll('cluster-follower-get-blueprint-unknown');
});

test('definitions and blueprints are listed and got as recorded', async () => {
  const stage = new Stage();
  stage.approved('executor-1', 'edge-node-1');
  for (const definition of [...DEFINITIONS, WIDGET]) stage.world.addDefinition(definition);
  await stage.replayAll('definition-get-all', 'definition-get', 'definition-get-unknown');
  await stage.replayAll('blueprint-list-none');
  stage.world.addBlueprint(FIRST);
  await stage.replayAll('blueprint-get', 'blueprint-get-as-owner', 'blueprint-get-unknown');
  await stage.replayAll('blueprint-list-by-kind', 'blueprint-list-by-kind-location');
  await stage.replayAll('blueprint-list-kind-case', 'blueprint-list-location-without-kind');
  await stage.replayAll('blueprint-status-update', 'blueprint-get-with-status', 'blueprint-status-as-owner');
  await stage.replayAll('blueprint-status-unknown', 'blueprint-status-nul-byte');
  stage.world.updateBlueprint(web({ metadata: { labels: { app: 'web2' }, generation: 42 } }));
  await stage.replayAll('blueprint-get-after-metadata-update');
});

test('one NUL in one blueprint breaks every list with a location, as recorded', async () => {
  const stage = new Stage({ definitions: DEFINITIONS });
  stage.approved('executor-1', 'edge-node-1');
  const simple = (name: string, locationname: string, instance: JsonMap) => ({
    kind: 'DockerDeployment',
    metadata: { name, colonyname: 'dev', locationname },
    spec: { instances: [{ type: 'container', ...instance }] },
  });
  stage.world.addBlueprint(
    simple('owned', 'silo', { name: 'web', image: 'docker.io/library/nginx:1.27' }),
    'owner',
  );
  stage.world.addBlueprint(simple('nul', 'barn', { name: 'a\0', image: 'x' }));
  await stage.replayAll('blueprint-list-broken-by-nul', 'blueprint-list-by-kind-with-nul');
});

test('a process is found, worked on and closed as recorded', async () => {
  const stage = new Stage({ definitions: DEFINITIONS });
  stage.approved('executor-1', 'edge-node-1');
  stage.approved('executor-2', 'edge-node-2');
  stage.world.addBlueprint(FIRST);
  await stage.replayAll('process-list-waiting', 'process-list-bad-state', 'process-list-count-too-big');
  const first = await stage.replay('assign-immediate-reconcile');
  await stage.replayAbout(first, 'attribute-add', 'output-set');
  await stage.replayAll(
    'process-hist-own-running',
    'process-list-running',
    'process-hist-forbidden',
    'process-get-unknown',
  );
  await stage.replayAbout(first, 'output-set-not-owner', 'log-add', 'log-add-not-owner', 'log-add-nul-byte');
  await stage.replayAll('log-executor-add', 'log-executor-add-wrong-name', 'log-get-by-executor');
  await stage.replayAbout(first, 'log-get-by-process', 'log-get-too-many');
  await stage.replayAbout(first, 'close-successful-not-owner', 'close-failed-not-owner');
  await stage.replayAll('close-successful-unknown', 'close-failed-unknown');
  await stage.replayAbout(first, 'close-successful', 'output-set-after-close', 'log-add-after-close');
  await stage.replayAbout(first, 'close-successful-again', 'close-failed-after-success');
  await stage.replayAbout(first, 'process-get-success');
  const failed = await stage.replay('assign-longpoll-woken', {
    async meanwhile() {
      await stage.clock.advance(1_000);
      stage.world.updateBlueprint(web({ image: 'docker.io/library/nginx:1.28' }));
    },
  });
  await stage.replayAbout(failed, 'close-failed', 'close-failed-again', 'close-successful-after-failed');
  await stage.replayAbout(failed, 'process-get-failed');
});

test('attributes are for the assigned executor only, as recorded', async () => {
  const stage = new Stage();
  stage.approved('executor-1', 'edge-node-1');
  stage.world.submit(submitted());
  const id = await assigned(stage, 'executor-1');
  await stage.replayAbout(id, 'attribute-add-not-owner');
  const attribute = (await stage.send('executor-1', 'addattributemsg', {
    attribute: { targetid: id, targetcolonyname: 'dev', attributetype: 1, key: 'k', value: 'v' },
  })) as { attributeid: string };
  await stage.replayAbout(attribute.attributeid, 'attribute-get');
});

test('work piles up while nobody comes for it, and cancelled work stays cancelled, as recorded', async () => {
  const stage = new Stage({ definitions: DEFINITIONS });
  stage.approved('executor-1', 'edge-node-1');
  stage.world.addBlueprint(FIRST);
  const { id } = stage.world.openProcesses()[0] ?? assert.fail();
  stage.world.cancel(id);
  stage.world.updateBlueprint(web({ image: 'docker.io/library/nginx:1.28' }));
  stage.world.reconcile('web');
  stage.world.reconcile('web', { force: true });
  await stage.send('executor-1', 'reconcileblueprintmsg', { namespace: 'dev', name: 'web', force: false });
  await stage.replayAll('process-list-piled-up');
  for (const process of stage.world.openProcesses()) stage.world.cancel(process.id);
  stage.world.submit(submitted());
  const cancelled = await assigned(stage, 'executor-1');
  await stage.send('user', 'cancelprocessmsg', { processid: cancelled });
  await stage.replayAbout(cancelled, 'close-successful-after-cancel', 'close-failed-after-cancel');
  await stage.replayAbout(cancelled, 'process-get-cancelled');
});

test('the schedule and the removal of a blueprint make their processes as recorded', async () => {
  const stage = new Stage({ definitions: DEFINITIONS });
  stage.approved('executor-1', 'edge-node-1');
  stage.world.addBlueprint(FIRST);
  const { id } = stage.world.openProcesses()[0] ?? assert.fail();
  stage.world.cancel(id);
  const cron = await stage.replay('assign-cron-reconcile', { meanwhile: () => stage.clock.advance(62_000) });
  await stage.send('executor-1', 'closesuccessfulmsg', { processid: cron, out: [] });
  stage.world.removeBlueprint('web');
  await stage.replayAll('assign-cleanup');
});

test('a blueprint added with the owner key makes one process and a dead schedule, as recorded', async () => {
  const stage = new Stage({ definitions: DEFINITIONS });
  stage.approved('executor-3', 'edge-node-3', 'silo');
  const owned = web({ metadata: { name: 'owned', locationname: 'silo' } });
  stage.world.addBlueprint(owned, 'owner');
  await stage.replayAll('assign-owner-added-reconcile');
  await stage.clock.advance(600_000);
  assert.equal(stage.world.processes().length, 1);
});

test('time limits take processes back and end them as recorded', async () => {
  const stage = new Stage();
  stage.approved('executor-1', 'edge-node-1');
  const id = stage.world.submit(submitted({ maxexectime: 1, maxretries: 1 })).id;
  await assigned(stage, 'executor-1');
  await stage.clock.advance(2_001);
  await stage.replayAbout(id, 'process-get-after-maxexectime', 'output-set-not-assigned');
  await stage.replayAbout(id, 'close-successful-not-assigned', 'close-failed-not-assigned');
  await assigned(stage, 'executor-1');
  await stage.clock.advance(2_001);
  await stage.replayAbout(id, 'process-get-after-maxretries');
  const waiting = stage.world.submit(submitted({ maxwaittime: 1 })).id;
  await stage.clock.advance(2_001);
  await stage.replayAbout(waiting, 'process-get-after-maxwaittime');
});

test('silent executors lose registration and process, and come back by approval, as recorded', async () => {
  const stage = new Stage({ staleAfterMs: 20_000, cleanupEveryMs: 2_000, allowReregister: true });
  // A client with a slow clock that sends the time it was last heard of.
  await stage.clock.advance(1_000);
  stage.approved('executor-1', 'edge-node-1');
  await stage.replayAll('executor-add-clock-behind');
  stage.world.approve('edge-node-2');
  // The recorded time is that of the recorded server, which is a moment away from this one's.
  await stage.clock.advance(4_000);
  await stage.replayAll('executor-get-all-after-clock-behind');
  const held = stage.world.submit(submitted()).id;
  assert.equal(await assigned(stage, 'executor-1'), held);
  await stage.clock.advance(24_000);
  await stage.replayAll('executor-stale-get-all', 'executor-stale-assign');
  await stage.replayAbout(held, 'executor-stale-close', 'process-get-after-stale');
  await stage.replayAll('executor-stale-reapprove');
  assert.equal(await stage.replay('executor-stale-assign-after-reapprove'), held);
  await stage.replayAbout(held, 'executor-stale-close-after-reapprove');
  const late = await stage.replay('assign-longpoll-longer-than-stale', {
    async meanwhile() {
      await stage.clock.advance(25_000);
      stage.world.submit(submitted());
    },
  });
  await stage.replayAbout(late, 'close-after-longpoll-longer-than-stale');
  stage.approved('executor-1', 'edge-node-1');
  await stage.replayAbout(late, 'process-get-after-readd');
});

test('one key under two names shows the older record, as recorded', async () => {
  const stage = new Stage();
  await stage.replayAll('executor-add-clock-behind');
  stage.world.removeExecutor('edge-node-2');
  stage.approved('executor-1', 'edge-node-1');
  stage.approved('executor-3', 'edge-node-3', 'silo');
  for (const role of ['executor-1', 'executor-3'])
    await assert.rejects(stage.send(role, 'assignprocessmsg', UNASSIGNED), /No process/);
  stage.world.removeExecutor('edge-node-3');
  await stage.replayAll('executor-add-same-key-new-name', 'executor-add-same-key-new-name-list');
});

test('paths and methods that are not there are answered as recorded, over HTTP', async (t) => {
  const colony = await createFakeColony();
  t.after(() => colony.stop());
  for (const name of ['transport-wrong-method', 'transport-wrong-path', 'transport-version']) {
    const one = RECORDINGS.get(name) ?? assert.fail(name);
    compare(one, await overHttp(colony.port, one.request));
    replayed.add(name);
  }
});

function overHttp(port: number, sent: Recording['request']): Promise<Recording['response']> {
  return new Promise((resolve, reject) => {
    const call = request({ port, host: '127.0.0.1', method: sent.method, path: sent.path, agent: false });
    call.on('error', reject);
    call.on('response', async (response) => {
      let body = '';
      for await (const chunk of response.setEncoding('utf8')) body += chunk;
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers as Record<string, string>,
        body,
      });
    });
    call.end(sent.body);
  });
}

test('no recording is left out', () => {
  const missing = [...RECORDINGS.keys()].filter((name) => !replayed.has(name));
  assert.deepEqual(missing, []);
});
