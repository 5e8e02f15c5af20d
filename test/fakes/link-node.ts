import assert from 'node:assert/strict';
import { Secret } from '../../src/base/secret.ts';
import { createColony, createColonyOwner, newKey } from '../../src/colony/port.ts';
import { createLink } from '../../src/link/link.ts';
import type { LinkSettings } from '../../src/link/parts.ts';
import type { Link } from '../../src/model/link.ts';
import type { ManualClock } from './clock.ts';
import type { ColonyWorld } from './colony/index.ts';
import type { Life } from './life.ts';
import { linkSettings } from './link-parts.ts';
import type { CollectingLog } from './log.ts';
import { seededRandom } from './random.ts';
import type { FakeStore } from './store.ts';

/** How the way to the server is at the moment. `silent`: nothing comes back and nothing is said. */
export type Way = 'open' | 'refused' | 'silent';

export interface NodeOptions {
  clock: ManualClock;
  world: ColonyWorld;
  store: FakeStore;
  log: CollectingLog;
  settings?: Partial<LinkSettings>;
  ownerKey?: string;
  userKey?: string;
  /** Default true. */
  watchesAddresses?: boolean;
}

const ADDRESS = 'http://colony.test:50080';

/** A node's identity and its way to a world: real messages, keys and lanes, without sockets. Survives the agent's lives. */
export class LinkNode {
  readonly key = newKey();
  way: Way = 'open';
  address = 'eth0 10.0.0.1';
  readonly #options: NodeOptions;
  readonly #cut = new Set<AbortController>();

  constructor(options: NodeOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.settings?.executorName ?? 'gw-1';
  }

  /** As an operator does it: added and approved. */
  register(): void {
    const { world, settings } = this.#options;
    const { id } = this.key;
    const { location = 'barn', executorType = 'docker-reconciler' } = settings ?? {};
    world.addExecutor({ id, name: this.name, type: executorType, location });
    world.approve(this.name);
  }

  /** The way breaks; `refused` tells the connections that are open, `silent` does not. */
  lose(way: 'refused' | 'silent'): void {
    this.way = way;
    if (way === 'refused') for (const call of this.#cut) call.abort(errno('ECONNRESET'));
  }

  restore(): void {
    this.way = 'open';
  }

  /** The link of one life of the agent. */
  link(life: Life, seed: number): Link {
    const { clock, store, log, settings, ownerKey, userKey, watchesAddresses = true } = this.#options;
    const own = life.clock(clock);
    const open = (key: string, id: string | undefined) => ({
      server: ADDRESS,
      colony: 'dev',
      executorName: this.name,
      clock: own,
      key: new Secret(key),
      transport: (request: { body: string }, signal: AbortSignal) =>
        life.guard(() => this.#send(request.body, signal, id)),
    });
    const disk = store.open(life);
    return createLink({
      colony: createColony(open(this.key.key, this.key.id)),
      ...(userKey === undefined ? {} : { user: createColony(open(userKey, undefined)) }),
      ...(ownerKey === undefined ? {} : { owner: createColonyOwner(open(ownerKey, undefined)) }),
      asSlot: (key) => createColony(open(key.reveal(), undefined)),
      newKey,
      slots: { load: () => disk.loadSlots(), save: (slots) => disk.saveSlots(slots) },
      outbox: disk,
      ...(watchesAddresses ? { addresses: () => this.address } : {}),
      clock: own,
      random: seededRandom(seed),
      log,
      settings: linkSettings({ colony: 'dev', unlocatedPolicy: 'always', ...settings }),
    });
  }

  /** One request; a call that was under way when the way broke is carried out, but its answer does not come. */
  async #send(body: string, signal: AbortSignal, id: string | undefined) {
    const { world } = this.#options;
    if (this.way === 'refused') throw errno('ECONNREFUSED');
    if (this.way === 'silent') return never(signal);
    const call = new AbortController();
    const onAbort = () => call.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#cut.add(call);
    try {
      const answer = await world.handle(body, call.signal, id);
      if (this.#isLost()) return await never(signal);
      return answer;
    } finally {
      this.#cut.delete(call);
      signal.removeEventListener('abort', onAbort);
    }
  }

  #isLost(): boolean {
    return this.way !== 'open';
  }
}

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function never(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** Definitions of both kinds, handled by executors of the default type. */
export function bothDefinitions(): Record<string, unknown>[] {
  return ['DockerDeployment', 'ExecutorDeployment'].map((kind) => ({
    kind,
    metadata: { name: kind.toLowerCase(), colonyname: 'dev' },
    spec: {
      group: 'compute.colonies.io',
      version: 'v1',
      names: {
        kind,
        listKind: `${kind}List`,
        singular: kind.toLowerCase(),
        plural: `${kind.toLowerCase()}s`,
      },
      scope: 'Namespaced',
      handler: { executorType: 'docker-reconciler', functionName: 'reconcile' },
    },
  }));
}

/** Every process of the world is closed, but those of schedules that wait for their next turn. */
export function assertNothingOpen(world: ColonyWorld): void {
  assert.deepEqual(
    world.openProcesses().map((process) => JSON.stringify(process)),
    [],
  );
}
