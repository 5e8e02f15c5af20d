import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { AgentUnderTest } from './support/agent.ts';
import { single } from './support/blueprints.ts';
import { Ground } from './support/ground.ts';

const ground = new Ground('wi');
const { engine, prefix } = ground;
const name = `${prefix}-app`;
let agent: AgentUnderTest;
let plain = '';

/** A window of an hour, from two hours before now or after it. */
function windowOf(hoursFromNow: number): string {
  const clock = (hours: number) => {
    const at = new Date(Date.now() + (hoursFromNow + hours) * 3_600_000);
    return at.toISOString().slice(11, 16);
  };
  return `daily ${clock(0)}-${clock(1)} UTC`;
}

const versionOf = async () => {
  // Between the old one's end and the new one's name there is none.
  const { Config, State } = (await engine.inspect(name)) ?? {};
  if (State?.Running !== true) return 0;
  return Config.Env.includes('V=2') ? 2 : 1;
};

before(async () => {
  plain = await ground.plainImage();
  agent = await ground.startAgent({
    blueprints: { 'app.json': single(name, plain, { environment: { V: '1' } }) },
    flags: ['--update-windows', windowOf(2)],
  });
  await agent.until(async () => (await engine.inspect(name))?.State.Running === true, 'it runs');
});
after(() => ground.close());

test('outside its window a version waits, what is killed comes back, and retry does not wait', async () => {
  // Past its gate of 5 s, so that there is a good version to heal to.
  const isProven = async () =>
    Date.now() - Date.parse((await engine.container(name)).State.StartedAt) > 7_000;
  await agent.until(isProven, 'proven');
  const { Id } = await engine.container(name);
  agent.write('app.json', single(name, plain, { environment: { V: '2' } }));
  const waiting = async () => (await agent.blueprint(name))?.waiting[0];
  await agent.until(async () => (await waiting())?.reason === 'OutsideWindow', 'it waits');
  const { message, nextTryAt } = (await waiting()) ?? {};
  assert.match(message ?? '', /waits since \S+Z for the update window \(daily .* UTC\)/);
  const opensInMs = Date.parse(nextTryAt ?? '') - Date.now();
  assert.ok(opensInMs > 3_600_000 && opensInMs < 2 * 3_600_000 + 60_000, nextTryAt);
  await engine.call('POST', `/containers/${name}/kill`);
  await agent.until(async () => (await engine.inspect(name))?.State.Running === true, 'healed');
  assert.deepEqual([(await engine.container(name)).Id, await versionOf()], [Id, 1]);
  const { code, stdout, stderr } = await agent.cli('retry', name, '--socket', agent.socket);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /waits for no window/);
  await agent.until(async () => (await versionOf()) === 2, 'the new version runs');
});
