import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriveId } from '../../src/colony/identity.ts';
import { newKey } from '../../src/colony/port.ts';
import type { LinkSettings } from '../../src/link/parts.ts';
import type { Link, LinkStatus } from '../../src/model/link.ts';
import { type ColonyWorld, createColonyWorld, type ProcessRecord } from '../fakes/colony/index.ts';
import { bothDefinitions, LinkNode } from '../fakes/link-node.ts';
import { type DeploymentDocument, deployment, type InstanceInput } from './blueprints.ts';
import { Harness } from './harness.ts';

/** What a simulated node with a server may be given. */
export interface LinkBenchOptions {
  seed?: number;
  settings?: Partial<LinkSettings>;
  withOwner?: boolean;
  isRegistered?: boolean;
}

/** A whole agent with a whole colony: engine, disk, server, way to it and time are a test's to command. */
export class LinkBench extends Harness {
  readonly colony: ColonyWorld;
  readonly node: LinkNode;
  readonly #current: { link?: Link };

  constructor(options: LinkBenchOptions = {}) {
    const { seed = 1, settings = {}, withOwner = false, isRegistered = true } = options;
    const current: { link?: Link } = {};
    super({
      seed,
      settings: { colony: 'dev', location: 'default' },
      link: (life, linkSeed) => {
        current.link = this.node.link(life, linkSeed);
        return current.link;
      },
    });
    this.#current = current;
    const owner = newKey();
    this.colony = createColonyWorld({
      clock: this.clock,
      ownerId: deriveId(owner.key),
      definitions: bothDefinitions(),
    });
    this.node = new LinkNode({
      clock: this.clock,
      world: this.colony,
      store: this.store,
      log: this.log,
      settings: { location: 'default', ...settings },
      ...(withOwner ? { ownerKey: owner.key } : {}),
    });
    if (isRegistered) this.node.register();
  }

  get link(): LinkStatus {
    assert.ok(this.#current.link !== undefined, 'an agent was started');
    return this.#current.link.status();
  }

  /** Adds a blueprint on the server; it is what the node should come to. */
  publish(name: string, instances: readonly InstanceInput[]): void {
    const document = deployment(name, instances);
    this.goal.want(document);
    this.colony.addBlueprint(serverDocument(document));
  }

  /** Changes its spec, as the ecosystem's `set` does. */
  republish(name: string, instances: readonly InstanceInput[]): void {
    const document = deployment(name, instances);
    this.goal.want(document);
    this.colony.changeSpec(name, () => document.spec);
  }

  unpublish(name: string): void {
    this.goal.drop(name);
    this.colony.removeBlueprint(name);
  }

  async connected(limitMs = 600_000): Promise<void> {
    await this.until(() => this.link.state === 'Connected', 'connected', limitMs);
  }

  /** The engine is as the server asks, and every process that asked for something is closed. */
  async caughtUp(limitMs?: number): Promise<number> {
    const ms = await this.settle(limitMs);
    await this.until(() => this.openWork().length === 0, 'no process left open', limitMs);
    return ms;
  }

  /** Open processes that are no schedule's; those are made anew each minute. */
  openWork(): ProcessRecord[] {
    return this.colony.openProcesses().filter(({ graphId }) => graphId === '');
  }

  /** Container ids and how often each was started, to tell a restart. */
  bodies(): string[] {
    return [...this.world.boxes.values()]
      .map(({ name, id, startedAt }) => `${name} ${id} ${startedAt}`)
      .sort();
  }

  /** Runs through what the last stop or crash left, and ends the world's own timers. */
  override close(): void {
    super.close();
    this.colony.stop();
  }
}

/** A test with a bench of its own, which is put away however it ends. */
export function linkSimulation(
  title: string,
  body: (bench: LinkBench) => Promise<void>,
  options: LinkBenchOptions = {},
): void {
  test(title, async () => {
    const bench = new LinkBench(options);
    try {
      await body(bench);
    } finally {
      bench.close();
    }
  });
}

function serverDocument({ kind, metadata, spec }: DeploymentDocument): Record<string, unknown> {
  return { kind, metadata: { ...metadata, colonyname: 'dev', locationname: 'default' }, spec };
}
