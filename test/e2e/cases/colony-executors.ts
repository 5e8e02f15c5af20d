import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriveId } from '../../../src/colony/identity.ts';
import type { Executor } from '../../../src/colony/messages-executor.ts';
import { eventually } from '../../fakes/engine-fixture.ts';
import type { AgentUnderTest } from '../support/agent.ts';
import { executor } from '../support/blueprints.ts';
import type { ColonyStage } from '../support/colony-stage.ts';

/** Executors as blueprints, on a gateway that has the owner's key. */
export function executorCases(stage: ColonyStage): void {
  const blueprint = () => `${stage.prefix}-worker`;
  const type = () => `${stage.prefix}-type`;
  const yard = () => `${stage.prefix}-yard`;
  let agent: AgentUnderTest;

  /** Approved executors of the blueprint's type. */
  const workers = async (): Promise<Executor[]> =>
    (await stage.colony.executors()).filter(
      ({ executortype, state }) => executortype === type() && state === 'approved',
    );

  const untilWorkers = (count: number) =>
    eventually(
      `${count} executors are approved`,
      async () => {
        const all = await workers();
        return all.length === count && all;
      },
      30_000,
    );

  const containers = () => stage.engine.containers({ label: [`colonies.node=${agent.node}`] });

  const untilContainers = (count: number) =>
    eventually(
      `${count} executor containers run`,
      async () => {
        const all = await containers();
        return all.length === count && all.every(({ State }) => State === 'running') && all;
      },
      30_000,
    );

  test("with the owner's key register adds and approves in one go", async () => {
    const ownerKey = ['--owner-key-file', stage.colony.ownerKeyFile(stage.ground.dir)];
    agent = await stage.gateway(`${stage.prefix}-yardgw`, yard(), ownerKey);
    const { code, stdout, stderr } = await stage.cli(agent, 'register');
    assert.equal(code, 0, stdout + stderr);
    assert.equal((await stage.colony.executor(agent.node))?.state, 'approved');
    await agent.start();
    await stage.linked(agent, 'Connected');
  });

  test('an ExecutorDeployment registers its executors and starts them with a complete environment', async () => {
    const spec = {
      ...{ image: stage.image, executorType: type(), replicas: 2, executorName: agent.node },
      env: { HELLO: 'there' },
    };
    await stage.colony.add(executor(blueprint(), spec, { locationname: yard() }));
    const records = await untilWorkers(2);
    for (const { executorname } of records) stage.colony.alsoRemove(executorname);
    const found = await untilContainers(2);
    const { env } = stage.colony;
    const ids: string[] = [];
    for (const { Id } of found) {
      const { Config } = await stage.engine.container(Id);
      const pairs: [string, string][] = Config.Env.map((text: string) => text.split(/=(.*)/s));
      const have = Object.fromEntries(pairs);
      assert.equal(deriveId(have.COLONIES_PRVKEY ?? ''), have.COLONIES_EXECUTOR_ID);
      const record = records.find(({ executorid }) => executorid === have.COLONIES_EXECUTOR_ID);
      assert.equal(record?.executorname, have.COLONIES_EXECUTOR_NAME);
      assert.deepEqual(
        [have.EXECUTOR_TYPE, have.HELLO, have.COLONIES_COLONY_NAME, have.COLONIES_SERVER_HOST],
        [type(), 'there', env.COLONIES_COLONY_NAME, env.COLONIES_SERVER_HOST],
      );
      assert.equal(have.COLONIES_SERVER_PORT, env.COLONIES_SERVER_PORT);
      ids.push(String(have.COLONIES_EXECUTOR_ID));
    }
    assert.notEqual(ids[0], ids[1]);
    await stage.colony.reported(blueprint(), 'two run', ({ runningInstances }) => runningInstances === 2);
  });

  test('an executor that is replaced keeps its registration', async () => {
    const before = (await workers()).map(({ executorid }) => executorid).sort();
    await stage.colony.changeSpec(blueprint(), (spec) => ({ ...spec, env: { HELLO: 'again' } }));
    await eventually(
      'all executors have the new environment',
      async () => {
        const all = await containers();
        const envs = await Promise.all(
          all.map(async ({ Id }) => (await stage.engine.inspect(Id))?.Config.Env ?? []),
        );
        return envs.length === 2 && envs.every((env) => env.includes('HELLO=again'));
      },
      30_000,
    );
    assert.deepEqual((await workers()).map(({ executorid }) => executorid).sort(), before);
  });

  test('scaling down deregisters the executor that goes, and only that one', async () => {
    const before = await workers();
    await stage.colony.changeSpec(blueprint(), (spec) => ({ ...spec, replicas: 1 }));
    await untilContainers(1);
    const [left] = await untilWorkers(1);
    assert.ok(before.some(({ executorid }) => executorid === left?.executorid));
    assert.equal((await stage.colony.executor(agent.node))?.state, 'approved');
  });

  test('removing the blueprint deregisters the rest; stopping the agent deregisters nothing', async () => {
    await stage.colony.remove(blueprint());
    await untilContainers(0);
    await untilWorkers(0);
    await stage.closed(blueprint());
    await agent.stop();
    assert.equal((await stage.colony.executor(agent.node))?.state, 'approved');
  });
}
