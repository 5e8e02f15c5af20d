import { Secret } from '../../../src/base/secret.ts';
import type { ColonyClientOptions } from '../../../src/colony/client.ts';
import { createColony, createColonyOwner, newKey } from '../../../src/colony/port.ts';
import { resolveBlueprint } from '../../../src/kinds/index.ts';
import type { DeregisterQueue } from '../../../src/link/parts.ts';
import { createSlotsLane, type SlotsLane } from '../../../src/link/slots-lane.ts';
import { blueprintOf, type JsonObject } from '../../../src/model/blueprint.ts';
import type { DesiredBlueprint } from '../../../src/model/desired.ts';
import type { Slot } from '../../../src/model/ports.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { type ColonyWorld, createColonyWorld, EXECUTOR_STATES } from '../../fakes/colony/index.ts';
import { HandConnection } from '../../fakes/link-connection.ts';
import { FakeHost, linkSettings } from '../../fakes/link-parts.ts';
import { CollectingLog } from '../../fakes/log.ts';
import { seededRandom } from '../../fakes/random.ts';
import { context } from '../kinds/support.ts';

const COLONY = 'trains';

/** The lane between the fake server, over the real client without sockets, and an agent that resolves for real. */
export class SlotsBench {
  readonly clock = new ManualClock();
  world: ColonyWorld;
  readonly host = new FakeHost();
  readonly connection: HandConnection;
  readonly queue = new MemoryQueue();
  /** What is on disk. */
  disk: readonly Slot[] = [];
  /** Set: nothing can be written. */
  failure: Error | undefined;
  /** Slots of the operator's file. */
  file: readonly Slot[] = [];
  /** Calls with the owner's key or a slot's, and whether they were answered: the hook may throw. */
  onOwnerCall: (type: string) => void = () => undefined;
  hasOwner = true;
  readonly #own = newKey();
  readonly #owner = newKey();
  readonly #ownerId: string;
  readonly #blueprints = new Map<string, ReturnType<typeof blueprintOf>>();
  readonly #leaving = new Map<string, DesiredBlueprint>();
  readonly #random = seededRandom(7);
  #stop = new AbortController();
  lane: SlotsLane;

  constructor(options: { hasOwner?: boolean; ownerId?: string } = {}) {
    this.hasOwner = options.hasOwner ?? true;
    this.#ownerId = options.ownerId ?? this.#owner.id;
    this.world = this.#emptyWorld();
    const colony = createColony({ ...this.#client(this.#own.key), colony: COLONY, executorName: 'gw7' });
    this.connection = new HandConnection(colony);
    this.host.onTake = async () => this.resolve();
    this.lane = this.#lane();
  }

  #emptyWorld(): ColonyWorld {
    const world = createColonyWorld({ clock: this.clock, colony: COLONY, ownerId: this.#ownerId });
    world.addExecutor({ id: this.#own.id, name: 'gw7', type: 'docker-reconciler', location: 'yard' });
    world.approve('gw7');
    return world;
  }

  /** The server was restored from an empty database. */
  forgetAll(): void {
    this.world.stop();
    this.world = this.#emptyWorld();
  }

  /** An executor's program asks for work, as its container would. */
  async poll(key: string): Promise<void> {
    const colony = createColony({ ...this.#client(key), colony: COLONY, executorName: 'slot' });
    await colony.heartbeat(this.#stop.signal);
    await colony.close();
  }

  /** Back after 50 minutes. */
  async comeBack(): Promise<void> {
    this.connection.goTo('Offline');
    this.connection.goUp({ since: this.clock.now() - 3_000_000, until: this.clock.now() });
    await this.run(1_000);
  }

  #client(key: string, hears: (type: string) => void = () => undefined): ColonyClientOptions {
    return {
      server: 'http://colony.example',
      key: new Secret(key),
      clock: this.clock,
      env: {},
      transport: async ({ body }, signal) => {
        const envelope: { payloadtype: string } = JSON.parse(body);
        const answer = await this.world.handle(body, signal);
        hears(envelope.payloadtype);
        return { status: answer.status, headers: { 'content-type': 'application/json' }, body: answer.body };
      },
    };
  }

  #lane(): SlotsLane {
    const parts = {
      ...(this.hasOwner
        ? {
            owner: createColonyOwner({
              ...this.#client(this.#owner.key, (type) => this.onOwnerCall(type)),
              colony: COLONY,
            }),
          }
        : {}),
      asSlot: (key: Secret) =>
        createColony({ ...this.#client(key.reveal()), colony: COLONY, executorName: 'slot' }),
      newKey,
      slots: {
        load: async () => this.disk,
        save: async (slots: readonly Slot[]) => {
          if (this.failure !== undefined) throw this.failure;
          this.disk = JSON.parse(JSON.stringify(slots));
          return true;
        },
      },
      clock: this.clock,
      random: this.#random,
      log: new CollectingLog(),
      settings: linkSettings({ colony: COLONY }),
    };
    return createSlotsLane(parts, this.connection, this.queue);
  }

  /** Runs the lane; the link is up unless said otherwise. */
  async start(isUp = true): Promise<void> {
    this.resolve();
    void this.lane.run(this.host, this.#stop.signal);
    if (isUp) this.connection.goUp();
    await this.run(1_000);
  }

  /** SIGKILL and a new life on the same disk. */
  async restart(): Promise<void> {
    this.#stop.abort(new Error('over'));
    await this.run(10);
    this.#stop = new AbortController();
    this.lane = this.#lane();
    await this.start();
  }

  async run(ms: number): Promise<void> {
    await this.clock.advance(ms);
  }

  /** Puts an ExecutorDeployment `shop` (or another name) into force. */
  async deploy(spec: JsonObject = {}, name = 'shop', generation = 3): Promise<void> {
    const document = {
      kind: 'ExecutorDeployment',
      blueprintid: `id-of-${name}`,
      metadata: { name, generation },
      spec: { image: 'colonyos/dockerexecutor:v1.0.7', executorType: 'runner', ...spec },
    };
    this.#leaving.delete(name);
    this.#blueprints.set(name, blueprintOf(document, { source: 'server' }));
    await this.look();
  }

  /** The blueprint is removed; what is left of it goes when `gone` is called. */
  async remove(name = 'shop'): Promise<void> {
    const before = this.host.current.known
      ? this.host.current.blueprints.find((one) => one.name === name)
      : undefined;
    this.#blueprints.delete(name);
    if (before !== undefined) this.#leaving.set(name, { ...before, services: [], deleting: true });
    await this.look();
  }

  async gone(name = 'shop'): Promise<void> {
    this.#leaving.delete(name);
    await this.look();
  }

  /** The agent looks: what is wanted is resolved, and the lane hears of it. */
  async look(): Promise<void> {
    this.resolve();
    this.host.looked();
    await this.run(1_000);
  }

  /** Containers of everything that may run now, and of nothing else. */
  async contain(): Promise<void> {
    this.host.containers = new Set(this.running().map(({ executorName = '' }) => executorName));
    await this.look();
  }

  resolve(): void {
    const slots = [...this.file, ...this.disk];
    const server = { host: 'colony.example', port: 443, tls: true };
    const over = { slots, server, hasOwnerKey: this.hasOwner };
    const blueprints = [...this.#blueprints.values()].flatMap((blueprint) => {
      const resolution = resolveBlueprint(blueprint, context(over));
      return resolution.result === 'ours' ? [resolution.desired] : [];
    });
    this.host.current = {
      known: true,
      owner: { node: 'gw7', colony: COLONY },
      blueprints: [...blueprints, ...this.#leaving.values()],
      refusals: [],
    };
  }

  services() {
    const desired = this.host.current;
    return desired.known ? desired.blueprints.flatMap(({ services }) => services) : [];
  }

  running() {
    return this.services().filter(({ hold }) => hold === undefined);
  }

  /** "shop-1a2b3-3 approved" for each executor but the agent's own. */
  registered(): string[] {
    const others = this.world.executors().filter(({ name }) => name !== 'gw7');
    return others.map(({ name, state }) => `${name} ${nameOf(state)}`).sort();
  }

  states(): string[] {
    return this.registered().map((line) => line.split(' ')[1] ?? '');
  }

  stop(): void {
    this.#stop.abort(new Error('over'));
    this.world.stop();
  }
}

function nameOf(state: number): string {
  return Object.entries(EXECUTOR_STATES).find(([, value]) => value === state)?.[0] ?? '';
}

/** The outbox's part, on a disk of its own. */
class MemoryQueue implements DeregisterQueue {
  deregister: readonly { id: string; name: string }[] = [];

  async queueDeregister(executor: { id: string; name: string }): Promise<void> {
    this.deregister = [...this.deregister, executor];
  }

  async dropDeregister(id: string): Promise<void> {
    this.deregister = this.deregister.filter((one) => one.id !== id);
  }
}
