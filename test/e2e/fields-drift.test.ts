import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { AgentEvent, AgentStatus } from '../../src/model/status.ts';
import { type Body, bodyOf, CHANGED, type DriftCase, RECREATED } from './cases/drift.ts';
import type { AgentUnderTest } from './support/agent.ts';
import { deployment } from './support/blueprints.ts';
import type { TestEngine } from './support/engine.ts';
import { whatFor } from './support/fields.ts';
import { Ground, inParallel, WAIT } from './support/ground.ts';

/** All that a drift could have changed: the container as it would be made once more, its name and state. */
async function looksOf(engine: TestEngine, name: string) {
  const { State, Image } = await engine.container(name);
  const body = await bodyOf(engine, name);
  // The order in which the engine was given things says nothing.
  body.Env.sort();
  body.HostConfig.PidsLimit ||= null;
  for (const end of Object.values<{ Aliases?: string[] }>(body.NetworkingConfig.EndpointsConfig))
    end.Aliases?.sort();
  return { ...body, state: State.Status, imageId: Image };
}

const CASES = [...RECREATED, ...CHANGED];
const ground = new Ground('fd');
const { engine } = ground;
let agent: AgentUnderTest;
const ids = new Map<DriftCase, string>();
const looks = new Map<DriftCase, Awaited<ReturnType<typeof looksOf>>>();
let events: AgentEvent[] = [];
let twin = '';
let twinId = '';

const nameOf = (one: DriftCase) => `${ground.prefix}-${CASES.indexOf(one)}`;

const blueprintOf = (one: DriftCase) => `${nameOf(one)}${one.blueprintSuffix ?? ''}`;

before(async () => {
  for (const folder of ['bind', 'other']) mkdirSync(join(ground.dir, folder));
  await ground.plainImage();
  await ground.plainImage('moving');
  await ground.richImage();
  await ground.makeImage(`${ground.prefix}-second:1`, ['LABEL second=1', `CMD ${JSON.stringify(WAIT)}`]);
  await engine.makeNetwork(`${ground.prefix}-theirs`);
  agent = await ground.agent({ flags: ['--resync', '1s'] });
  for (const one of CASES) {
    const name = nameOf(one);
    const instance = typeof one.instance === 'function' ? one.instance({ ground, name }) : one.instance;
    const image = `${ground.prefix}-${one.image ?? 'plain'}:1`;
    agent.write(`${name}.json`, deployment(blueprintOf(one), [{ name, image, ...instance }]));
  }
  twin = `${ground.prefix}-twin`;
  agent.write('twin.json', deployment(twin, [{ name: twin, image: `${ground.prefix}-plain:1` }]));
  await agent.start();
  await agent.converged(120_000);
  for (const one of CASES) {
    looks.set(one, await looksOf(engine, nameOf(one)));
    ids.set(one, (await engine.container(nameOf(one))).Id);
  }
  const seq = await agent.lastEvent();
  // Networks in a second round: an engine that attaches, detaches and replaces at the same time may lose count of a
  // network's endpoints, and then never lets it be removed.
  const isNetwork = (one: DriftCase) => one.title.startsWith('network: ');
  await change(CASES.filter((one) => !isNetwork(one)));
  await mended(seq, (one) => !isNetwork(one));
  await change(CASES.filter(isNetwork));
  await mended(seq, () => true);
});
after(() => ground.close());

/** All changes at one moment: the agent is held while they are made, so that none is mended halfway. */
async function change(cases: readonly DriftCase[]): Promise<void> {
  process.kill(agent.pid, 'SIGSTOP');
  try {
    await inParallel(4, cases, async (one) => {
      const name = nameOf(one);
      await one.change?.({ engine, ground, name, id: ids.get(one) ?? '' });
      if (one.recreate !== undefined) await makeAnew(name, (body) => one.recreate?.(body, ground));
    });
    if (twinId !== '') return;
    await makeAnew(twin, () => {});
    twinId = (await engine.container(twin)).Id;
  } finally {
    process.kill(agent.pid, 'SIGCONT');
  }
}

/** Waits until every one of these changes is mended; after a deadline each case says for itself what is missing. */
async function mended(after: number, which: (one: DriftCase) => boolean): Promise<void> {
  const isMended = async ({ converged }: AgentStatus) => {
    const before = CASES.filter(which).every((one) => mendedBy(one) !== undefined);
    events = await agent.events(after);
    // The status is older than these events; that of the next round is not.
    return before && converged;
  };
  await agent.until(isMended, 'every change is mended', 120_000).catch((error: unknown) => {
    if (events.length === 0) throw error;
  });
}

async function makeAnew(name: string, change: (body: Body) => void): Promise<void> {
  const body = await bodyOf(engine, name);
  change(body);
  await engine.remove(name);
  await engine.make(name, body);
}

function mendedBy(one: DriftCase): AgentEvent | undefined {
  const blueprint = blueprintOf(one);
  return events.find(
    (event) =>
      event.message === one.event && event.blueprint === blueprint && one.cause.test(event.cause ?? ''),
  );
}

for (const one of CASES)
  test(`drift of ${one.title} is found, named and mended${one.inPlace ? ' in place' : ''}`, async () => {
    const name = nameOf(one);
    const own = events.filter(({ blueprint }) => blueprint === blueprintOf(one));
    assert.ok(
      mendedBy(one),
      `no event says ${one.event} because of ${one.cause}:\n${JSON.stringify(own, null, 1)}`,
    );
    const wanted = looks.get(one);
    const now = await looksOf(engine, name);
    const moved = one.image === 'moving' ? { imageId: now.imageId, Labels: now.Labels } : {};
    assert.deepEqual(now, { ...wanted, ...moved });
    assert.equal((await engine.container(name)).Id === ids.get(one), one.inPlace);
  });

test('a container that was made anew by hand just as it was is kept', async () => {
  assert.equal((await engine.container(twin)).Id, twinId);
});

test('after all drift is mended, further looks and a restart make no changing call', async () => {
  await agent.converged();
  const seq = await agent.lastEvent();
  assert.deepEqual(await agent.quiet(2), [], await whatFor(agent, seq));
  await agent.stop();
  agent.relay.reset();
  await agent.start();
  await agent.converged();
  assert.deepEqual(await agent.quiet(2), [], await whatFor(agent, 0));
  await agent.stop();
});
