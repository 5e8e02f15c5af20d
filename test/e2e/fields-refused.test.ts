import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { REFUSED, type Refused } from './cases/refused.ts';
import type { AgentUnderTest } from './support/agent.ts';
import { single } from './support/blueprints.ts';
import { Ground } from './support/ground.ts';

const ground = new Ground('fr');
let agent: AgentUnderTest;
const nameOf = (one: Refused) => `${ground.prefix}-${REFUSED.indexOf(one)}`;

before(async () => {
  const policy = {
    allowPrivileged: false,
    allowHostNetwork: false,
    allowedBindPrefixes: ['/srv', '/nowhere', ground.dir],
    allowedImages: ['x', 'UPPER/Case'],
    allowedCapabilities: ['NET_ADMIN'],
  };
  writeFileSync(join(ground.dir, 'policy.json'), JSON.stringify(policy));
  agent = await ground.agent({ flags: ['--policy', join(ground.dir, 'policy.json'), '--colony', 'plant'] });
  for (const one of REFUSED) {
    const document = one.document?.(nameOf(one)) ?? single(nameOf(one), 'x:1', one.instance, one.spec);
    const text = JSON.stringify(document).replaceAll('STATE', agent.stateDir);
    agent.write(`${nameOf(one)}.json`, text);
  }
  await agent.start();
  await agent.until(({ refusals }) => refusals.length > 0, 'the directory is read');
});
after(() => ground.close());

for (const one of REFUSED)
  test(`refused: ${one.title}`, async () => {
    const { refusals, blueprints } = await agent.status();
    const refusal = refusals.find(({ file }) => file?.endsWith(`/${nameOf(one)}.json`));
    assert.ok(refusal, `${nameOf(one)}.json is not refused`);
    const problems = refusal.problems.filter(({ severity }) => severity === 'error');
    const problem = problems.find(({ path, message }) => path === one.path && one.message.test(message));
    assert.ok(problem, `no fault at ${one.path} says ${one.message}: ${JSON.stringify(problems)}`);
    assert.equal(problem.reason, one.reason ?? 'SpecInvalid');
    if (one.value !== undefined) assert.match(problem.value ?? '', one.value);
    // Only what is wrong is said to be wrong.
    assert.equal(problems.length, 1, JSON.stringify(problems));
    const report = blueprints.find(({ name }) => name === refusal.name);
    assert.equal(report?.phase, 'Failed');
    assert.equal(report.status.conditions.find(({ type }) => type === 'SpecInvalid')?.status, 'True');
  });

test('nothing of what is refused reaches the engine', async () => {
  assert.deepEqual(agent.relay.mutating, []);
  assert.deepEqual(await ground.engine.containers({ label: [`colonies.node=${agent.node}`] }), []);
});
