import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { deployment, single } from './support/blueprints.ts';
import { envOf, type FieldCase, testFields, warningsOf } from './support/fields.ts';

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/;

/** FIELDS.md 1: the envelope. */
const ENVELOPE: FieldCase[] = [
  {
    title: 'FIELDS 1 metadata.generation: missing is 0; blueprintid is kept; both are labels',
    document: ({ name, image }) => ({ ...single(name, image), blueprintid: 'ab12' }),
    check: ({ box, report }) => {
      assert.deepEqual([report.generation, report.status.observedGeneration], [0, 0]);
      const { Labels } = box.Config;
      assert.deepEqual([Labels['colonies.generation'], Labels['colonies.blueprintid']], ['0', 'ab12']);
    },
  },
  {
    title: 'FIELDS 1 metadata.annotations: pass into status untouched, and labels onto no container',
    document: ({ name, image }) =>
      deployment(
        name,
        [{ name, image }],
        {},
        {
          annotations: { 'org.etsi.osl.serviceId': 'x-1' },
          labels: { line: '4' },
        },
      ),
    check: ({ box, report }) => {
      assert.deepEqual(report.status.annotations, { 'org.etsi.osl.serviceId': 'x-1' });
      assert.ok(!('line' in box.Config.Labels));
    },
  },
  {
    title: 'FIELDS 1 handler: is ignored with a warning, what a server writes is not even warned about',
    document: ({ name, image }) => ({
      ...deployment(
        name,
        [{ name, image }],
        {},
        { createdAt: '2026-01-01T00:00:00Z', lastReconciliationProcess: 'p' },
      ),
      handler: { executorName: 'other' },
      status: { phase: 'Failed' },
    }),
    check: ({ box, report }) => {
      assert.ok(box.State.Running);
      assert.deepEqual(
        report.warnings.map(({ path }) => path),
        ['handler'],
      );
    },
  },
  {
    title: 'FIELDS 1 metadata.colonyname: that of the node is its own, and a label',
    document: ({ name, image }) => deployment(name, [{ name, image }], {}, { colonyname: 'plant' }),
    check: ({ box }) => assert.equal(box.Config.Labels['colonies.colony'], 'plant'),
  },
  {
    title: 'FIELDS 8 metadata.locationname: equal to that of the node without regard to case',
    document: ({ name, image }) => deployment(name, [{ name, image }], {}, { locationname: 'HALL-3' }),
    check: ({ box, report }) => {
      assert.ok(box.State.Running);
      assert.equal(report.status.location, 'hall-3');
    },
  },
  {
    title: 'FIELDS 8 executorName: beats the location',
    document: ({ name, image, ground }) =>
      deployment(
        name,
        [{ name, image }],
        { executorName: `${ground.prefix}-node` },
        { locationname: 'elsewhere' },
      ),
    check: ({ box }) => assert.ok(box.State.Running),
  },
];

/** FIELDS.md 7: labels and overlays. */
const LABELS: FieldCase[] = [
  {
    title: 'FIELDS 7 labels: every managed container carries all of them, and no secret',
    document: ({ name, image }) =>
      deployment(
        name,
        [{ name: `${name}-i`, image, environment: { PASSWORD: 'hush' } }],
        { replicas: 2 },
        { generation: 7 },
      ),
    check: async ({ engine, name, agent }) => {
      const { Labels } = (await engine.container(`${name}-i-1`)).Config;
      const { 'colonies.spec-hash': hash, ...rest } = Labels;
      assert.match(hash, /^[0-9a-f]{8,}$/);
      assert.deepEqual(rest, {
        'colonies.deployment': name,
        'colonies.managed': 'true',
        'colonies.generation': '7',
        'colonies.kind': 'DockerDeployment',
        'colonies.blueprintid': '',
        'colonies.instance': `${name}-i`,
        'colonies.replica': '1',
        'colonies.node': agent.node,
        'colonies.colony': 'plant',
      });
    },
  },
  {
    title: 'FIELDS 7 overlays: fill in fields of blueprints with the label, their own fields win',
    document: ({ name, image }) =>
      deployment(
        name,
        [{ name, image, environment: { MINE: 'blueprint' } }],
        {},
        {
          labels: { tier: 'edge', cloud: 'c1' },
        },
      ),
    check: ({ box }) => {
      const env = envOf(box);
      assert.deepEqual([env.ADDED, env.MINE], ['c1-overlay', 'blueprint']);
      assert.equal(box.HostConfig.Memory, 64 * 1024 ** 2);
      assert.deepEqual(box.Config.Healthcheck.Test, ['CMD-SHELL', 'true']);
    },
  },
  {
    title: 'FIELDS 7 overlays: a blueprint without the label is left as it is',
    document: ({ name, image }) => deployment(name, [{ name, image }], {}, { labels: { tier: 'core' } }),
    check: ({ box }) => assert.ok(!('ADDED' in envOf(box))),
  },
  {
    title: 'FIELDS 7 overlays: what does not fit the blueprint is a warning that names the overlay',
    document: ({ name, image }) => deployment(name, [{ name, image }], {}, { labels: { tier: 'edge' } }),
    check: ({ box, report }) => {
      assert.ok(box.State.Running);
      assert.match(warningsOf(report).join(), /lacks cloud, which overlay .*overlays\.yaml\[0\] needs/);
    },
  },
  {
    title: 'FIELDS 13 bindPrefixMap: sources of another machine are found on this one',
    instance: {
      volumes: [{ type: 'bind', hostPath: '/home/author/conf/a', mountPath: '/mnt/a', readOnly: true }],
    },
    check: async ({ inside }) => assert.equal(await inside('cat', '/mnt/a/file'), 'mapped'),
  },
];

/** FIELDS.md 11: the status document. */
const STATUS: FieldCase[] = [
  {
    title: 'FIELDS 11 instances: the members that the command line tool shows, with their types',
    check: ({ box, report, name, image }) => {
      const [one] = report.status.instances;
      assert.ok(one !== undefined);
      assert.equal(one.id, box.Id.slice(0, 12));
      assert.deepEqual([one.name, one.type, one.state, one.image], [name, 'container', 'running', image]);
      assert.match(one.created, RFC_3339);
      assert.match(one.lastCheck, RFC_3339);
    },
  },
  {
    title: 'FIELDS 11 instances: the members we add',
    check: ({ box, report }) => {
      const [one] = report.status.instances;
      assert.deepEqual([one?.ready, one?.restartCount, one?.ports], [true, 0, []]);
      assert.deepEqual([one?.startedAt, one?.imageId], [box.State.StartedAt, box.Image]);
    },
  },
  {
    title: 'FIELDS 11 counts: running, stopped and total; desired and ready',
    document: ({ name, image }) =>
      deployment(name, [
        { name: `${name}-a`, image },
        { name: `${name}-job`, image, command: ['true'], restartPolicy: 'no' },
      ]),
    check: ({ report: { status, phase } }) => {
      assert.deepEqual([status.runningInstances, status.stoppedInstances, status.totalInstances], [1, 1, 2]);
      assert.deepEqual([status.desiredInstances, status.readyInstances, phase], [2, 2, 'Running']);
      const job = status.instances.find(({ name }) => name.endsWith('-job'));
      assert.deepEqual([job?.state, job?.ready, job?.exitCode, job?.oomKilled], ['stopped', true, 0, false]);
    },
  },
  {
    title: 'FIELDS 11 conditions, phase, hash, node, location, version, engine',
    check: ({ report: { status }, agent }) => {
      const types = status.conditions.map(({ type, status: on }) => `${type} ${on}`);
      for (const wanted of ['Ready True', 'Progressing False', 'Degraded False', 'SpecInvalid False'])
        assert.ok(types.includes(wanted), types.join());
      for (const { lastTransitionTime } of status.conditions) assert.match(lastTransitionTime, RFC_3339);
      assert.match(status.specHash, /^[0-9a-f]{8,}$/);
      assert.deepEqual([status.phase, status.node, status.location], ['Running', agent.node, 'hall-3']);
      assert.match(status.agentVersion, /^\d+\.\d+\.\d+/);
      assert.match(status.engine, /^(docker|podman) \d+\./);
      assert.match(status.lastUpdated, RFC_3339);
      assert.ok(!('lastError' in status));
    },
  },
];

/** FIELDS.md 12: rules of the engine. */
const ENGINE: FieldCase[] = [
  {
    title: 'FIELDS 12 logging: a container without logging gets limits where the engine has none',
    check: ({ box }) =>
      assert.deepEqual(box.HostConfig.LogConfig, {
        Type: 'json-file',
        Config: { 'max-size': '10m', 'max-file': '3' },
      }),
  },
  {
    title: 'FIELDS 12 API version: is the highest that both sides know, in every call',
    check: async ({ agent, engine }) => {
      const { ApiVersion } = await engine.call('GET', '/version');
      const { engine: told } = await agent.status();
      assert.equal(told.apiVersion, ApiVersion);
      const versions = agent.relay.calls.flatMap(({ path }) => /^\/v([\d.]+)\//.exec(path)?.[1] ?? []);
      assert.deepEqual([...new Set(versions)], [ApiVersion]);
      assert.ok(agent.relay.calls.some(({ path }) => path === '/version'));
    },
  },
];

const run = testFields('fs', [...ENVELOPE, ...LABELS, ...STATUS, ...ENGINE], {
  flags: ({ dir }) => [
    ...['--location', 'hall-3', '--colony', 'plant', '--overlays', join(dir, 'overlays.yaml')],
    ...['--bind-prefix-map', `/home/author=${join(dir, 'mapped')}`],
  ],
  prepare: async ({ dir }) => {
    mkdirSync(join(dir, 'mapped', 'conf', 'a'), { recursive: true });
    writeFileSync(join(dir, 'mapped', 'conf', 'a', 'file'), 'mapped');
    const overlay = {
      match: { tier: 'edge' },
      instance: {
        environment: { ADDED: `${'$'}{cloud}-overlay`, MINE: 'overlay' },
        resources: { memory: '64Mi' },
        healthcheck: { test: 'true', interval: '2s' },
      },
    };
    writeFileSync(join(dir, 'overlays.yaml'), JSON.stringify({ overlays: [overlay] }));
  },
});

test('FIELDS 8: blueprints for another location or executor are left to it, without a container or a fault', async () => {
  const { agent, ground } = run;
  await agent.start();
  const image = `${ground.prefix}-plain:1`;
  const [there, theirs] = [`${ground.prefix}-there`, `${ground.prefix}-theirs`];
  const seq = await agent.lastEvent();
  agent.write('there.json', deployment(there, [{ name: there, image }], {}, { locationname: 'hall-4' }));
  agent.write('theirs.json', single(theirs, image, {}, { executorName: 'other' }));
  agent.write('mark.json', single(`${ground.prefix}-mark`, image));
  await agent.until(
    async () => (await ground.engine.inspect(`${ground.prefix}-mark`)) !== undefined,
    'the files are read',
  );
  const status = await agent.converged();
  assert.ok(!status.blueprints.some(({ name }) => name === there || name === theirs));
  assert.deepEqual(status.refusals, []);
  for (const name of [there, theirs]) assert.equal(await ground.engine.inspect(name), undefined);
  assert.ok((await agent.events(seq)).every(({ level }) => level === 'info'));
});

test('FIELDS 8: a blueprint that moves to another location loses its container here', async () => {
  const { agent, ground } = run;
  const name = `${ground.prefix}-mark`;
  const image = `${ground.prefix}-plain:1`;
  agent.write('mark.json', deployment(name, [{ name, image }], {}, { locationname: 'hall-4' }));
  await agent.until(async () => (await ground.engine.inspect(name)) === undefined, 'the container is gone');
});

/** The agent's warnings about everything together, after these blueprints were added. */
async function warnedOf(pattern: RegExp, ...documents: Record<string, unknown>[]): Promise<void> {
  const { agent } = run;
  for (const [index, document] of documents.entries()) agent.write(`together-${index}.json`, document);
  await agent.until(
    ({ warnings }) => warnings.some((line) => pattern.test(line)),
    `a warning says ${pattern}`,
  );
}

test('FIELDS 4.4 aliases: two blueprints that claim the same one are a warning', async () => {
  const { prefix } = run.ground;
  const [first, second] = [`${prefix}-front`, `${prefix}-back`];
  const image = `${prefix}-plain:1`;
  await warnedOf(
    new RegExp(`answers to "${second}" in network ${run.agent.network}, as ${second} does`),
    deployment(first, [{ name: second, image }], { replicas: 2 }),
    deployment(second, [{ name: `${second}-x`, image }]),
  );
});

test('FIELDS 5 dependsOn: a cycle through several blueprints is refused, and named', async () => {
  const { agent, ground } = run;
  const { prefix } = ground;
  const [first, second] = [`${prefix}-front`, `${prefix}-back`];
  const of = (name: string, other: string) =>
    deployment(name, [{ name: `${name}-x`, image: `${prefix}-plain:1` }], { dependsOn: [other] });
  const cycle = /cycle: \S+(front|back) -> \S+(front|back) -> \S+(front|back)$/;
  agent.write('together-0.json', of(first, second));
  agent.write('together-1.json', of(second, first));
  await agent.until(
    ({ refusals }) => refusals.some(({ problems }) => problems.some(({ message }) => cycle.test(message))),
    'one of them is refused',
  );
});

test('FIELDS 4.5 memory: limits that add up to more than the machine has are a warning', async () => {
  const { prefix, engine } = run.ground;
  const { MemTotal } = await engine.call('GET', '/info');
  const name = `${prefix}-front`;
  const resources = { memory: `${Math.round(MemTotal / 1024)}k` };
  await warnedOf(
    /memory limits add up to \d+ MiB, the machine has \d+ MiB/,
    single(name, `${prefix}-plain:1`, { resources }),
  );
  await run.agent.stop();
});
