import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EventLog } from '../../../build/lib/events.mjs';
import { until } from '../../../build/lib/project.mjs';
import type { JsonObject } from '../../../src/model/blueprint.ts';
import { createFaultProxy, type FaultProxy } from '../../fakes/fault-proxy/proxy.ts';
import type { AgentUnderTest } from './agent.ts';
import {
  AUTHORS_TREE,
  CONTAINERS,
  ensureRoom,
  healthOverlay,
  makeStandIns,
  makeTree,
  SEED,
  VOLUME,
} from './arrowhead.ts';
import { openFakeColony } from './colony-grounds.ts';
import { Ground, WAIT_CMD } from './ground.ts';

/** How long a new version may take to become healthy; the stand-ins need some seconds. */
const GATE = { overlays: [{ match: { arrowhead: 'true' }, instance: { update: { deadline: '12s' } } }] };

const SLOW_MS = 60_000;

type Colony = Awaited<ReturnType<typeof openFakeColony>>;

/** The local cloud c1 of the seed, asked for by a colony of its own through a link that can be taken away. */
export class Cloud {
  readonly ground: Ground;
  readonly agent: AgentUnderTest;
  readonly colony: Colony;
  readonly proxy: FaultProxy;
  readonly log: EventLog;
  /** Images of a version that ends at once, and of one that never serves. */
  readonly crashing: string;
  readonly silent: string;

  private constructor(parts: Pick<Cloud, 'ground' | 'agent' | 'colony' | 'proxy' | 'log'>) {
    this.ground = parts.ground;
    this.agent = parts.agent;
    this.colony = parts.colony;
    this.proxy = parts.proxy;
    this.log = parts.log;
    this.crashing = `${this.ground.prefix}-crashing:1`;
    this.silent = `${this.ground.prefix}-silent:1`;
  }

  get engine() {
    return this.ground.engine;
  }

  /** Images and colony are there with the seven blueprints, the agent is registered and not started. */
  static async open(): Promise<Cloud> {
    const ground = new Ground('cloud');
    await ensureRoom(ground.engine);
    ground.alsoRemove({ volumes: [VOLUME] });
    await makeStandIns(ground);
    const tree = ground.folder('tree');
    makeTree(tree);
    const overlays = Object.entries({ checks: healthOverlay(), gate: GATE }).flatMap(([name, overlay]) => {
      const path = join(ground.dir, `${name}.json`);
      writeFileSync(path, JSON.stringify(overlay));
      return ['--overlays', path];
    });
    const colony = await openFakeColony(ground.prefix, { cronEveryMs: 4_000 });
    const proxy = await createFaultProxy({ target: { host: '127.0.0.1', port: colony.fake.port } });
    const agent = await ground.agent({
      flags: [
        ...['--location', colony.ground.location, '--blueprints', 'none', '--resync', '10s'],
        ...['--owner-key-file', colony.ground.ownerKeyFile(ground.dir)],
        ...[...overlays, '--overlays', 'builtin:arrowhead', '--bind-prefix-map', `${AUTHORS_TREE}=${tree}`],
      ],
      env: { ...colony.ground.env, COLONIES_SERVER_PORT: String(proxy.port) },
    });
    const log = await new EventLog(ground.engine.socketPath).open();
    const cloud = new Cloud({ ground, agent, colony, proxy, log });
    await ground.makeImage(cloud.crashing, ['CMD ["sh","-c","exit 3"]']);
    await ground.makeImage(cloud.silent, [WAIT_CMD]);
    const { code, stdout, stderr } = await agent.cli('register', ...agent.flags());
    assert.equal(code, 0, stdout + stderr);
    for (const name of CONTAINERS) await colony.ground.add(seedOf(name));
    return cloud;
  }

  async close(): Promise<void> {
    this.log.close();
    await this.proxy.close();
    await this.ground.close();
    await this.colony.close();
  }

  /** Takes the server away, which the agent is to have noticed. */
  async goOffline(): Promise<void> {
    await this.proxy.set({ mode: 'refuse' });
    await this.agent.until(({ server }) => server?.state === 'Offline', 'the server is away');
  }

  async goOnline(): Promise<void> {
    await this.proxy.set({ mode: 'pass' });
    this.agent.signal('SIGHUP');
    await this.agent.until(({ server }) => server?.state === 'Connected', 'the server is back', SLOW_MS);
  }

  /** SIGKILL for the agent as soon as this is so, and its next life. `meanwhile`: between the two. */
  async dieWhen(what: string, isSo: () => boolean, meanwhile?: () => Promise<void>): Promise<void> {
    await until(what, isSo, { withinMs: SLOW_MS, everyMs: 5 });
    await this.agent.kill('SIGKILL');
    await meanwhile?.();
    await this.agent.start();
  }

  /** A new version on the server, which the agent has read when this is over. */
  async change(name: string, instance: JsonObject): Promise<void> {
    const seq = await this.agent.lastEvent();
    await this.colony.ground.changeSpec(name, (spec) => ({
      ...spec,
      instances: (spec.instances as JsonObject[]).map((one) => ({ ...one, ...instance })),
    }));
    await this.agent.until(async () => {
      const events = await this.agent.events(seq);
      return events.some(({ message, blueprint }) => blueprint === name && message === 'blueprint changed');
    }, `the new version of ${name} is read`);
  }

  /** Engine's times of what happened to a container, or to its next version, since the log was cleared, epoch milliseconds. */
  times(action: string, name: string): number[] {
    const isIts = (one: { action: string; name: string }) =>
      one.action === action && (one.name === name || one.name.startsWith(`${name}.next-`));
    return this.log.events.filter(isIts).map(({ atMs }) => atMs);
  }

  /** Names of all containers of this node. */
  async names(): Promise<string[]> {
    const listed = await this.engine.containers({ label: [`colonies.node=${this.agent.node}`] });
    return listed.map(({ Names }) => Names[0]?.slice(1) ?? '').sort();
  }
}

/** A blueprint of the seed as it is. */
function seedOf(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(SEED, `arrowhead-${name}.json`), 'utf8'));
}
