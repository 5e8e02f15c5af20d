import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../fakes/engine-fixture.ts';
import { deployment, single } from '../support/blueprints.ts';
import type { ColonyStage } from '../support/colony-stage.ts';
import { WAIT } from '../support/ground.ts';
import { healed, lifeOf, running } from '../support/healing.ts';
import { TestRegistry } from '../support/registry.ts';

/** Waits until there is no container of this name. */
function gone(stage: ColonyStage, name: string): Promise<boolean> {
  return eventually(`${name} is gone`, async () => (await stage.engine.inspect(name)) === undefined, 30_000);
}

/** How a gateway gets into a colony. */
export function registrationCases(stage: ColonyStage): void {
  const local = () => `${stage.prefix}-local`;

  test('register makes a key; until the owner approves, the agent waits and runs what its directory asks for', async () => {
    const { colony, agent } = stage;
    const first = await stage.cli(agent, 'register', '--json');
    assert.equal(first.code, 3, first.stderr);
    const { id, executorName, executorType, location } = JSON.parse(first.stdout);
    assert.equal(executorName, agent.node);
    await colony.register({ id, name: executorName, type: executorType, location });
    agent.write('local.json', single(local(), stage.image));
    await agent.start();
    await stage.linked(agent, 'PendingApproval');
    await running(stage.engine, local());
    const me = await stage.cli(agent, 'whoami', '--json');
    assert.equal(me.code, 3, me.stderr);
    assert.equal(JSON.parse(me.stdout).state, 'pending');
  });

  test('once approved it is connected, without a restart of anything', async () => {
    const { colony, agent } = stage;
    const life = await running(stage.engine, local());
    const { pid } = agent;
    await colony.approve(agent.node);
    await stage.linked(agent, 'Connected');
    assert.equal(agent.pid, pid);
    assert.deepEqual(await lifeOf(stage.engine, local()), life);
    assert.equal((await stage.cli(agent, 'register')).code, 0);
  });
}

/** What becomes of blueprints on the server. */
export function lifeCases(stage: ColonyStage): void {
  const web = () => `${stage.prefix}-web`;
  const volume = () => `${stage.prefix}-data`;

  test('a blueprint that is added on the server becomes a running container, and its status there is the truth', async (t) => {
    const volumes = [{ type: 'named', name: volume(), mountPath: '/srv/data' }];
    const began = performance.now();
    await stage.colony.add(single(web(), stage.image, { type: 'container', volumes }));
    await running(stage.engine, web());
    t.diagnostic(`it ran ${Math.round(performance.now() - began)} ms after it was added`);
    const status = await stage.truthful(web(), [web()]);
    assert.equal(status.node, stage.agent.node);
    assert.equal(status.readyInstances, 1);
  });

  test('its process is closed with a useful output, and has log lines to follow', async () => {
    const process = await stage.closed(web());
    assert.equal(process.state, 'success');
    assert.match(String(process.out[0]), /running/);
    const lines = await stage.colony.logs({ processId: process.processid });
    assert.ok(
      lines.some((line) => line.includes(stage.agent.node)),
      lines.join('; '),
    );
  });

  test('a changed spec replaces the container, and the status follows', async () => {
    const before = await running(stage.engine, web());
    const { metadata } = await stage.colony.changeSpec(web(), (spec) =>
      withFirst(spec, { environment: { V: '2' } }),
    );
    const after = await healed(stage.engine, web(), before);
    assert.notEqual(after.id, before.id);
    const status = await stage.truthful(web(), [web()]);
    assert.equal(status.observedGeneration, metadata.generation);
  });

  test('more replicas leave the first container as it is, fewer remove the others', async () => {
    const many = () => `${stage.prefix}-many`;
    await stage.colony.add(deployment(many(), [{ name: many(), type: 'container', image: stage.image }]));
    const life = await running(stage.engine, many());
    await stage.colony.changeSpec(many(), (spec) => ({ ...spec, replicas: 3 }));
    const names = [0, 1, 2].map((number) => `${many()}-${number}`);
    for (const name of names) await running(stage.engine, name);
    assert.deepEqual(await lifeOf(stage.engine, `${many()}-0`), life);
    await stage.truthful(many(), names);
    await stage.colony.changeSpec(many(), (spec) => ({ ...spec, replicas: 1 }));
    await gone(stage, `${many()}-2`);
    await gone(stage, `${many()}-1`);
    assert.deepEqual(await running(stage.engine, many()), life);
    await stage.colony.remove(many());
    await gone(stage, many());
  });

  test('a version that is refused leaves the last good one running, and the server is told why', async () => {
    const before = await running(stage.engine, web());
    // The server's schema lets it pass.
    const ports = [{ host: 99_999, container: 80, protocol: 'tcp' }];
    await stage.colony.changeSpec(web(), (spec) => withFirst(spec, { ports }));
    const process = await stage.closed(web());
    assert.equal(process.state, 'failed');
    assert.match(process.errors.join(), /refused.*ports\[0\]\.host/);
    const status = await stage.colony.reported(web(), 'says SpecInvalid', ({ conditions }) =>
      (conditions ?? []).some(({ type, status: on }) => type === 'SpecInvalid' && on === 'True'),
    );
    assert.equal(status.runningInstances, 1);
    assert.deepEqual(await lifeOf(stage.engine, web()), before);
    await stage.colony.changeSpec(web(), (spec) => withFirst(spec, { ports: [] }));
    await stage.colony.reported(web(), 'is well again', ({ conditions }) =>
      (conditions ?? []).every(({ type, status: on }) => type !== 'SpecInvalid' || on !== 'True'),
    );
  });

  test('what is killed is healed, and the status follows', async () => {
    const before = await running(stage.engine, web());
    await stage.engine.kill(before.id);
    await healed(stage.engine, web(), before);
    await stage.truthful(web(), [web()]);
  });

  test('an agent that is restarted leaves everything running as it is', async () => {
    const lives = await stage.engine.lives(`colonies.node=${stage.agent.node}`);
    assert.ok(lives.size >= 2, [...lives.keys()].join());
    await stage.agent.restart();
    await stage.linked(stage.agent, 'Connected');
    await stage.agent.converged();
    assert.deepEqual(await stage.agent.quiet(), []);
    assert.deepEqual(await stage.engine.lives(`colonies.node=${stage.agent.node}`), lives);
  });

  test('a blueprint that is removed on the server takes its container away and leaves the volume', async () => {
    await stage.colony.remove(web());
    await gone(stage, web());
    const process = await stage.closed(web());
    assert.equal(process.spec.funcname, 'cleanup');
    assert.equal(process.state, 'success');
    assert.ok(await stage.engine.call('GET', `/volumes/${volume()}`), 'the volume is there');
  });
}

/** What else a colony asks of a node. */
export function colonyCases(stage: ColonyStage): void {
  test('a forced run pulls the image anew and replaces the container', async () => {
    const registry = await new TestRegistry().listen();
    const name = `${stage.prefix}-forced`;
    const offer = (version: string) =>
      registry.offer(`${stage.prefix}/forced`, '1', { Cmd: [...WAIT], Labels: { version } });
    try {
      const image = offer('first');
      await stage.colony.add(single(name, image, { type: 'container' }));
      const before = await running(stage.engine, name);
      await stage.closed(name);
      offer('second');
      stage.ground.alsoRemove({ images: [image, ...registry.imageIds] });
      const processId = await stage.colony.reconcile(name, true);
      await healed(stage.engine, name, before);
      assert.equal((await stage.engine.container(name)).Config.Labels.version, 'second');
      const process = await stage.closed(name);
      assert.deepEqual([process.processid, process.state], [processId, 'success']);
      await stage.truthful(name, [name]);
      await stage.colony.remove(name);
      await gone(stage, name);
    } finally {
      await registry.close();
    }
  });

  test('the directory and the server combine, and the directory wins by name', async () => {
    const [both, other] = [`${stage.prefix}-both`, `${stage.prefix}-other`];
    const of = (V: string) => single(both, stage.image, { type: 'container', environment: { V } });
    await stage.colony.add(of('server'));
    await stage.colony.add(single(other, stage.image, { type: 'container' }));
    await runsWith(stage, both, 'V=server');
    await running(stage.engine, other);
    stage.agent.write('both.json', of('directory'));
    await runsWith(stage, both, 'V=directory');
    const status = await stage.agent.until(
      ({ blueprints, warnings }) =>
        /director/.test(JSON.stringify([blueprints.find(({ name }) => name === both), warnings])),
      'the status says who has won',
    );
    assert.ok(status.blueprints.length >= 3, 'the local one is there, too');
    stage.agent.remove('both.json');
    await runsWith(stage, both, 'V=server');
    for (const name of [both, other]) {
      await stage.colony.remove(name);
      await gone(stage, name);
    }
  });

  test("the schedule's first processes are closed one by one, so that the schedule goes on", async () => {
    const { colony } = stage;
    const name = `${stage.prefix}-steady`;
    await colony.add(single(name, stage.image, { type: 'container' }));
    await running(stage.engine, name);
    const ended = () => colony.processes('success', 'failed');
    const scheduled = await eventually(
      'two processes of the schedule are closed',
      async () => {
        const all = (await ended()).filter(({ processgraphid }) => processgraphid !== '');
        return all.length >= 2 && all;
      },
      colony.scheduleMs * 2.5 + 20_000,
    );
    for (const { state, out } of scheduled) {
      assert.equal(state, 'success');
      assert.match(String(out[0]), /^(Docker|Executor)Deployment: \d+ blueprint/);
    }
  });

  test('a blueprint without a location is claimed by this node, and the server knows', async () => {
    const name = `${stage.prefix}-anywhere`;
    const before = (await stage.agent.status()).server?.claims?.held ?? 0;
    const document = single(name, stage.image, { type: 'container' });
    await stage.colony.add({ ...document, metadata: { name, locationname: '' } });
    // The server wakes nobody at a location for it (PROTOCOL.md 7.1): it is seen when a long poll ends or is woken.
    await running(stage.engine, name, 90_000);
    const status = await stage.truthful(name, [name]);
    assert.equal(status.node, stage.agent.node);
    await stage.agent.until(({ server }) => server?.claims?.held === before + 1, 'the claim is shown');
    await stage.colony.remove(name);
    await gone(stage, name);
  });

  test('status, whoami, doctor and events show the truth', async () => {
    const { agent, colony } = stage;
    const name = `${stage.prefix}-steady`;
    await agent.until(({ converged }) => converged, 'everything is as it should be');
    const shown = await agent.cli('status', '--socket', agent.socket);
    assert.equal(shown.code, 0, shown.stdout);
    assert.match(shown.stdout, new RegExp(`server Connected .* as ${agent.node}`));
    assert.match(shown.stdout, new RegExp(`^${name} +Running`, 'm'));
    const me = await stage.cli(agent, 'whoami', '--json');
    assert.equal(me.code, 0, me.stderr);
    const { id, state } = JSON.parse(me.stdout);
    assert.deepEqual([id, state], [(await colony.executor(agent.node))?.executorid, 'approved']);
    const doctor = await stage.cli(agent, 'doctor', '--json');
    assert.equal(doctor.code, 0, doctor.stdout);
    const checks: { name: string; state: string }[] = JSON.parse(doctor.stdout).checks;
    for (const check of ['server', 'key', 'registration'])
      assert.equal(checks.find((one) => one.name === check)?.state, 'ok', doctor.stdout);
    const events = await agent.cli('events', '--socket', agent.socket);
    assert.match(events.stdout, /link is up/);
    assert.match(events.stdout, new RegExp(`container started +${name}`));
    await eventually(
      "the executor's log on the server has the agent's own events",
      async () => (await colony.logs({ executorName: agent.node })).some((line) => line.includes(name)),
      REPORT_MS,
    );
  });

  test('in the end no process is left unclosed', async () => {
    const { colony } = stage;
    await colony.remove(`${stage.prefix}-steady`);
    await gone(stage, `${stage.prefix}-steady`);
    await eventually(
      'no process is open but those of the schedule, which the agent may hold for a while',
      async () => (await colony.openProcesses()).every(({ processgraphid }) => processgraphid !== ''),
      20_000,
    );
    const { server } = await stage.agent.until(
      ({ server }) => server?.unsentStatuses === 0,
      'the agent owes the server no status',
    );
    assert.equal(server?.state, 'Connected');
    await stage.agent.stop();
  });
}

/** The agent's log on the server is sent in batches. */
const REPORT_MS = 40_000;

/** Waits until the container runs with this variable. */
function runsWith(stage: ColonyStage, name: string, variable: string): Promise<boolean> {
  return eventually(
    `${name} runs with ${variable}`,
    async () => {
      const found = await stage.engine.inspect(name);
      return found?.State.Running === true && found.Config.Env.includes(variable);
    },
    30_000,
  );
}

/** The spec with its first instance changed. */
function withFirst(spec: Record<string, unknown>, change: object): Record<string, unknown> {
  const [first, ...rest] = spec.instances as object[];
  return { ...spec, instances: [{ ...first, ...change }, ...rest] };
}
