import assert from 'node:assert/strict';
import { Secret } from '../../src/base/secret.ts';
import { type ColonyOptions, createColony, createColonyOwner, newKey } from '../../src/colony/port.ts';
import { createLink } from '../../src/link/link.ts';
import type { LinkParts, LinkSettings } from '../../src/link/parts.ts';
import type { Link, LinkState, LinkStatus } from '../../src/model/link.ts';
import type { Slot } from '../../src/model/ports.ts';
import type { AgentSettings } from '../../src/reconcile/agent-parts.ts';
import { ManualClock } from '../fakes/clock.ts';
import {
  type ColonyWorld,
  createColonyWorld,
  type FakeColonyOptions,
  type JsonMap,
  type ProcessRecord,
} from '../fakes/colony/index.ts';
import type { Life } from '../fakes/life.ts';
import { bothDefinitions } from '../fakes/link-node.ts';
import { linkSettings } from '../fakes/link-parts.ts';
import { MemoryLink } from '../fakes/memory-link.ts';
import { drive } from '../fakes/outages/drive.ts';
import type { LinkChange } from '../fakes/outages/schedule.ts';
import { seededRandom } from '../fakes/random.ts';
import type { DeploymentDocument } from './blueprints.ts';
import { Harness } from './harness.ts';
import { resolver, SIM_NODE } from './resolver.ts';

/** `COLONIES_EDGE_SEED` runs a simulation again as it was; without it the given one is used. */
export function seedFor(usual: number): number {
  return Number(process.env.COLONIES_EDGE_SEED ?? usual);
}

/** Where simulated nodes and their blueprints are. */
export const SITE = 'default';

/** Takes the place of signing: every link says itself who sends through it. */
const UNSIGNED = '0'.repeat(130);

export const OWNER = newKey();
export const USER = newKey();

/** One server and one clock for any number of nodes. */
export class ColonySim {
  readonly clock = new ManualClock();
  readonly world: ColonyWorld;
  readonly nodes: ColonyNode[] = [];

  constructor(options: Partial<FakeColonyOptions> = {}) {
    this.world = createColonyWorld({
      clock: this.clock,
      ownerId: OWNER.id,
      users: [{ id: USER.id, name: 'operator' }],
      definitions: bothDefinitions(),
      ...options,
    });
  }

  node(options: NodeOptions = {}): ColonyNode {
    const node = new ColonyNode(this, options);
    this.nodes.push(node);
    return node;
  }

  close(): void {
    for (const node of this.nodes) node.close();
    this.world.stop();
  }
}

export interface NodeOptions {
  /** Default: the node that `Goal` judges. */
  name?: string;
  seed?: number;
  settings?: Partial<LinkSettings>;
  agent?: Partial<AgentSettings>;
  withOwner?: boolean;
  withUser?: boolean;
  /** false: its key is known to nobody. */
  isRegistered?: boolean;
  key?: { key: string; id: string };
  /** false: nobody looks at the machine's addresses, which is done so often that years take minutes. */
  hasAddresses?: boolean;
  /** Default: where blueprints are. */
  site?: string;
}

/** A whole agent on fakes with its own way to the server; keys, disk, engine and way outlive the agent. */
export class ColonyNode extends Harness {
  readonly sim: ColonySim;
  readonly name: string;
  readonly way: MemoryLink;
  key: { key: string; id: string };
  readonly site: string;
  readonly #given: NodeOptions;
  readonly #current: { link?: Link };
  #driving = new AbortController();

  constructor(sim: ColonySim, given: NodeOptions) {
    const { name = SIM_NODE, seed = 1, agent = {}, site = SITE } = given;
    const current: { link?: Link } = {};
    super({
      seed,
      clock: sim.clock,
      hasDirectory: false,
      settings: { node: name, colony: 'dev', location: site, ...agent },
      link: (life, linkSeed) => {
        current.link = this.#link(life, linkSeed);
        return current.link;
      },
      resolver: async () => this.#resolve(),
    });
    this.sim = sim;
    this.name = name;
    this.site = site;
    this.#given = given;
    this.#current = current;
    this.key = given.key ?? newKey();
    this.way = new MemoryLink(sim.clock, sim.world, seed);
    if (given.isRegistered !== false) this.register();
  }

  register(): void {
    this.sim.world.addExecutor({
      id: this.key.id,
      name: this.name,
      type: 'docker-reconciler',
      location: this.site,
    });
    this.sim.world.approve(this.name);
  }

  #resolve() {
    const slots: readonly Slot[] = JSON.parse(this.store.disk.get('slots') ?? '[]');
    const { settings, withOwner = false } = this.#given;
    return resolver({
      node: this.name,
      location: this.site,
      colony: 'dev',
      unlocatedPolicy: settings?.unlocatedPolicy ?? 'claim',
      server: { host: 'colony.test', port: 50080, tls: false },
      hasOwnerKey: withOwner,
      slots,
    });
  }

  #link(life: Life, seed: number): Link {
    const { settings, withOwner = false, withUser = false, hasAddresses = true } = this.#given;
    const clock = life.clock(this.clock);
    const as = ({ key, id }: { key: string; id: string }): ColonyOptions => ({
      server: 'http://colony.test:50080',
      colony: 'dev',
      executorName: this.name,
      clock,
      key: new Secret(key),
      sign: () => UNSIGNED,
      transport: ({ body }, signal) => life.guard(() => this.way.send(body, signal, id)),
    });
    const disk = this.store.open(life);
    const parts: LinkParts = {
      colony: createColony(as(this.key)),
      ...(withUser ? { user: createColony(as(USER)) } : {}),
      ...(withOwner ? { owner: createColonyOwner(as(OWNER)) } : {}),
      asSlot: (key) => createColony(as(this.#slotKey(key.reveal()))),
      newKey,
      slots: { load: () => disk.loadSlots(), save: (slots) => disk.saveSlots(slots) },
      outbox: disk,
      addresses: () => `eth0 10.0.0.${this.way.address}`,
      clock,
      random: seededRandom(seed),
      log: this.log,
      settings: linkSettings({
        colony: 'dev',
        executorName: this.name,
        node: this.name,
        location: this.site,
        ...settings,
      }),
    };
    return createLink(hasAddresses ? parts : Object.assign(parts, { addresses: undefined }));
  }

  #slotKey(key: string): { key: string; id: string } {
    const slots: readonly Slot[] = JSON.parse(this.store.disk.get('slots') ?? '[]');
    return slots.find((slot) => slot.key === key) ?? { key, id: 'nobody' };
  }

  // --- the agent ---------------------------------------------------------------------------------------------------

  override crashAgent(): void {
    super.crashAgent();
    this.way.drop();
  }

  override close(): void {
    this.#driving.abort(new Error('the test is over'));
    super.close();
  }

  get link(): LinkStatus {
    assert.ok(this.#current.link !== undefined, 'an agent was started');
    return this.#current.link.status();
  }

  async reaches(state: LinkState, limitMs?: number): Promise<number> {
    return this.until(() => this.link.state === state, `link ${state}`, limitMs);
  }

  override account(): string {
    const { traffic: _, ...link } = this.link;
    const open = this.openWork().map(({ id, state, spec }) => `${id.slice(0, 6)} ${state} ${spec.funcname}`);
    const events = this.agent
      .events(0)
      .slice(-30)
      .map(({ time, message, blueprint, detail }) => `${time} ${message} ${blueprint ?? ''} ${detail ?? ''}`);
    return [
      super.account(),
      `link over a way that is ${this.way.mode}: ${JSON.stringify(link)}`,
      `open processes: ${open.join('; ')}`,
      `events:\n  ${events.join('\n  ')}`,
    ].join('\n');
  }

  // --- the server --------------------------------------------------------------------------------------------------

  /** Adds a blueprint on the server, or changes its spec; it is what the node should come to. */
  publish(...documents: DeploymentDocument[]): void {
    for (const document of documents) {
      const { name } = document.metadata;
      this.goal.want(document);
      if (this.sim.world.blueprintNames().includes(name))
        this.sim.world.changeSpec(name, () => document.spec);
      else this.sim.world.addBlueprint(onServer(document));
    }
  }

  unpublish(name: string): void {
    this.goal.drop(name);
    this.sim.world.removeBlueprint(name);
  }

  /** Open processes that are no schedule's; a schedule makes the next one a minute after the last. */
  openWork(): ProcessRecord[] {
    return this.sim.world.openProcesses().filter(({ graphId }) => graphId === '');
  }

  /** Engine, agent and server are of one mind: the goal is met, all is closed, and each status says what runs. */
  async caughtUp(limitMs?: number): Promise<number> {
    const met = () =>
      this.goal.met() &&
      this.link.state === 'Connected' &&
      this.agent.status().converged &&
      this.openWork().length === 0 &&
      this.statusProblems().length === 0;
    return this.until(met, `caught up (${this.statusProblems().join('; ')})`, limitMs);
  }

  /** In what the server's statuses differ from the engine, one clause each. */
  statusProblems(): string[] {
    const found: string[] = [];
    for (const name of this.sim.world.blueprintNames()) {
      const status = this.sim.world.statusOf(name);
      const boxes = [...this.world.boxes.values()].filter(
        ({ labels }) => labels['colonies.deployment'] === name && labels['colonies.node'] === this.name,
      );
      const told = ((status.instances ?? []) as JsonMap[])
        .map((one) => `${one.id} ${one.name} ${one.state}`)
        .sort();
      const real = boxes
        .map((box) => `${box.id.slice(0, 12)} ${box.name} ${box.state === 'running' ? 'running' : 'stopped'}`)
        .sort();
      if (told.join() !== real.join()) found.push(`${name}: told ${told.join()}, is ${real.join()}`);
      if (status.phase !== 'Running' && real.length > 0) found.push(`${name}: ${status.phase}`);
      if (real.length > 0 && status.observedGeneration !== this.sim.world.generationOf(name))
        found.push(`${name}: told of generation ${status.observedGeneration}`);
    }
    return found;
  }

  /** Ids and start times of what runs: the same text as long as nothing was restarted. */
  livesOfContainers(): string {
    return [...this.world.boxes.values()]
      .map(({ id, name, startedAt, restartCount }) => `${name} ${id} ${startedAt} ${restartCount}`)
      .sort()
      .join('\n');
  }

  /** Has the link change as scheduled, from now on; `onChange` hears of each change when it holds. */
  follow(changes: readonly LinkChange[], onChange?: (change: LinkChange) => void): Promise<void> {
    const { signal } = this.#driving;
    return drive(this.way, changes, {
      clock: this.clock,
      signal,
      onChange: (change) => onChange?.(change),
    }).catch((error) => {
      if (!signal.aborted) throw error;
    });
  }
}

/** A deployment as it is added to the server; without a site any node may take it. */
export function onServer(document: DeploymentDocument, site = SITE): JsonMap {
  const { kind, metadata, spec } = document;
  return {
    kind,
    metadata: { ...metadata, colonyname: 'dev', ...(site === '' ? {} : { locationname: site }) },
    spec,
  };
}
