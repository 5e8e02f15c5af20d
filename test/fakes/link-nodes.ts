import type { Clock } from '../../src/base/clock.ts';
import { resolveBlueprint } from '../../src/kinds/index.ts';
import { createClaimsLane } from '../../src/link/claim.ts';
import { createListingLane } from '../../src/link/listing.ts';
import type { LinkParts, LinkSettings } from '../../src/link/parts.ts';
import { decodeBlueprint, type JsonObject } from '../../src/model/blueprint.ts';
import type { ListedBlueprint } from '../../src/model/colony.ts';
import type { ServerReading } from '../../src/model/link.ts';
import type { DirectorySource } from '../../src/model/ports.ts';
import { SourceLane } from '../../src/reconcile/source-lane.ts';
import { context } from '../unit/kinds/support.ts';
import type { ManualClock } from './clock.ts';
import { Life } from './life.ts';
import { HandConnection } from './link-connection.ts';
import { FakeColony, FakeHost, linkSettings } from './link-parts.ts';
import { CollectingLog } from './log.ts';
import { seededRandom } from './random.ts';
import { FakeStore } from './store.ts';

/** The blueprints of one colony, for several nodes at once, each with its own view of it. */
export class BlueprintServer {
  readonly documents = new Map<string, { document: JsonObject; status: JsonObject }>();
  #ids = 0;

  /** Adds a blueprint, or changes it: its id stays, its status is wiped as an update does. */
  put(name: string, spec: JsonObject = {}, metadata: JsonObject = {}, kind = 'DockerDeployment'): void {
    const before = this.documents.get(name)?.document;
    this.#ids += 1;
    const document = {
      kind,
      blueprintid: before?.blueprintid ?? `id-${this.#ids}`,
      metadata: { name, colonyname: 'farm', generation: this.#ids, ...metadata },
      spec: { instances: [{ name: `${name}-app`, type: 'container', image: 'app:1' }], ...spec },
    };
    this.documents.set(name, { document, status: {} });
  }

  remove(name: string): void {
    this.documents.delete(name);
  }

  statusOf(name: string): JsonObject {
    return this.documents.get(name)?.status ?? {};
  }

  read(name: string): ListedBlueprint | undefined {
    const found = this.documents.get(name);
    if (found === undefined) return undefined;
    const decoded = decodeBlueprint(found.document, { source: 'server' });
    return decoded.ok ? { ...decoded, status: found.status } : decoded;
  }
}

/** One node's way to the server; each call takes its time there and back. */
class NodeColony extends FakeColony {
  constructor(
    clock: Clock,
    readonly server: BlueprintServer,
    readonly latencyMs: () => number,
  ) {
    super(clock);
  }

  override async listBlueprints(
    kind: string,
    location: string | undefined,
    signal: AbortSignal,
  ): Promise<readonly ListedBlueprint[]> {
    await this.#thither(signal);
    await super.listBlueprints(kind, location, signal);
    const found = [...this.server.documents].flatMap(([name, { document }]) => {
      const metadata = document.metadata as { locationname?: string } | undefined;
      const isThere = location === undefined || metadata?.locationname === location;
      const listed = document.kind === kind && isThere ? this.server.read(name) : undefined;
      return listed === undefined ? [] : [listed];
    });
    await this.#thither(signal);
    return found;
  }

  override async getBlueprint(name: string, signal: AbortSignal): Promise<ListedBlueprint | undefined> {
    await this.#thither(signal);
    await super.getBlueprint(name, signal);
    const found = this.server.read(name);
    await this.#thither(signal);
    return found;
  }

  override async updateStatus(name: string, status: JsonObject, signal: AbortSignal): Promise<void> {
    await this.#thither(signal);
    await super.updateStatus(name, status, signal);
    const found = this.server.documents.get(name);
    if (found !== undefined) found.status = structuredClone(status);
    await this.#thither(signal);
  }

  async #thither(signal: AbortSignal): Promise<void> {
    if (this.latencyMs() > 0) await this.clock.sleep(this.latencyMs(), signal);
    signal.throwIfAborted();
  }
}

export interface NodeOptions {
  settings?: Partial<LinkSettings>;
  seed?: number;
  source?: DirectorySource;
  /** One way. */
  latencyMs?: number;
}

/** A node's listing and claims over a hand-made connection, with the real keeper of the desired state. */
export class FakeNode {
  readonly store = new FakeStore();
  readonly colony: NodeColony;
  readonly connection: HandConnection;
  readonly log = new CollectingLog();
  readonly events: string[] = [];
  latencyMs: number;
  host = new FakeHost();
  listing!: ReturnType<typeof createListingLane>;
  claims!: ReturnType<typeof createClaimsLane>;
  source!: SourceLane;
  failure: unknown;
  #life = new Life();
  #stop = new AbortController();
  #lives = 0;

  constructor(
    readonly clock: ManualClock,
    readonly server: BlueprintServer,
    readonly name: string,
    readonly options: NodeOptions = {},
  ) {
    this.latencyMs = options.latencyMs ?? 0;
    this.colony = new NodeColony(clock, server, () => this.latencyMs);
    this.connection = new HandConnection(this.colony);
  }

  /** Starts on what is on disk; the connection is as it was left. */
  async start(): Promise<void> {
    const life = new Life();
    const stop = new AbortController();
    const settings = linkSettings({ node: this.name, executorName: this.name, ...this.options.settings });
    this.#lives += 1;
    const parts = {
      colony: this.colony,
      clock: life.clock(this.clock),
      random: seededRandom((this.options.seed ?? 1) + 100 * this.#lives),
      log: this.log,
      settings,
    } as unknown as LinkParts;
    const claims = createClaimsLane(parts, this.connection);
    const listing = createListingLane(parts, this.connection, claims);
    const host = new FakeHost();
    const { node, executorName, location, unlocatedPolicy } = settings;
    const here = { node, executorName, location, unlocatedPolicy, colony: 'farm' };
    const source = new SourceLane({
      source: this.options.source,
      link: { reading: (): ServerReading => listing.reading() },
      store: this.store.open(life),
      clock: parts.clock,
      owner: { node, colony: 'farm' },
      defaultNetwork: 'colonies_default',
      resyncMs: 60_000,
      resolver: async () => (blueprint) => resolveBlueprint(blueprint, context(here)),
      onEvent: (_level, message, { blueprint, detail }) =>
        this.events.push([message, blueprint, detail].filter((part) => part !== undefined).join(' ')),
      onChange: () => undefined,
    });
    host.desired = () => source.desired;
    host.claimable = () => [...source.claimable];
    host.elsewhere = () => new Map(source.elsewhere);
    host.onTake = () => source.take(stop.signal);
    Object.assign(this, { host, listing, claims, source });
    this.#life = life;
    this.#stop = stop;
    await source.restore(stop.signal);
    const fail = (error: unknown) => {
      if (!life.over) this.failure = error;
    };
    for (const lane of [listing, claims]) lane.run(host, stop.signal).catch(fail);
    if (this.options.source !== undefined) source.run(stop.signal).catch(fail);
    void this.#renew(claims, settings, life.clock(this.clock), stop.signal).catch(fail);
  }

  /** SIGKILL. */
  crash(): void {
    this.#life.end();
    this.#stop.abort(new Error('the test ended this life'));
  }

  /** Names in force here, with no regard to what the engine makes of them. */
  runs(): string[] {
    const { desired } = this.source;
    return desired.known
      ? desired.blueprints.filter(({ deleting }) => !deleting).map(({ name }) => name)
      : [];
  }

  /** The status of each blueprint in force, as the reporter sends it: every minute here, to see more of them. */
  async #renew(
    claims: ReturnType<typeof createClaimsLane>,
    settings: LinkSettings,
    clock: Clock,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(60_000, signal);
      if (this.connection.state !== 'Connected') continue;
      const { desired } = this.source;
      for (const { name, deleting } of desired.known ? desired.blueprints : []) {
        if (deleting || !(await claims.mayReport(name, signal))) continue;
        const status = { phase: 'Running', node: settings.node, ...claims.stamp(name) };
        await this.connection.memberCall((colony, stop) => colony.updateStatus(name, status, stop), signal);
      }
    }
  }
}
