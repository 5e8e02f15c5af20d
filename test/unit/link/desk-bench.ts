import { setMaxListeners } from 'node:events';
import { createConnection, type LiveConnection } from '../../../src/link/connection.ts';
import { createDesk, type Desk } from '../../../src/link/desk.ts';
import { OutboxKeeper } from '../../../src/link/outbox.ts';
import type { Looks } from '../../../src/link/parts.ts';
import type { ColonyProcess, Outbox } from '../../../src/model/colony.ts';
import type { BlueprintReport } from '../../../src/model/status.ts';
import { ManualClock, turn } from '../../fakes/clock.ts';
import { Life } from '../../fakes/life.ts';
import { FakeColony, FakeHost, linkSettings } from '../../fakes/link-parts.ts';
import { CollectingLog } from '../../fakes/log.ts';
import { seededRandom } from '../../fakes/random.ts';
import { FakeStore } from '../../fakes/store.ts';

export const MINUTE = 60_000;

/** The listing lane as the desk sees it. */
export class FakeLooks implements Looks {
  readonly looked: string[][] = [];
  readonly cleaned: string[] = [];
  /** Set: a look takes until this resolves. */
  hold: Promise<void> | undefined;

  async lookNow(names: readonly string[]): Promise<void> {
    this.looked.push([...names]);
    await this.hold;
  }

  async cleanup(name: string): Promise<string> {
    this.cleaned.push(name);
    await this.hold;
    return `${name} is gone`;
  }
}

export interface World {
  clock: ManualClock;
  colony: FakeColony;
  store: FakeStore;
  seed: number;
}

export interface Bench extends World {
  /** As after SIGTERM. */
  end(): Promise<void>;
  host: FakeHost;
  looks: FakeLooks;
  desk: Desk;
  connection: LiveConnection;
  outbox(): Outbox;
  /** Assigns and hands over, as the poll lane does. */
  give(process: ColonyProcess): Promise<void>;
  closes(): string[];
}

export function newWorld(): World {
  const clock = new ManualClock();
  return { clock, colony: new FakeColony(clock), store: new FakeStore(), seed: 3 };
}

/** One run of the agent over a world that outlives it; it ends as after SIGKILL: nothing more is written. */
export async function life(world: World, body: (bench: Bench) => Promise<void>): Promise<void> {
  const { clock, colony, store } = world;
  const being = new Life();
  const host = new FakeHost();
  host.current = { known: true, owner: { node: 'gw-1', colony: 'farm' }, blueprints: [], refusals: [] };
  const looks = new FakeLooks();
  world.seed += 1;
  const parts = {
    colony,
    clock,
    random: seededRandom(world.seed),
    log: new CollectingLog(),
    settings: linkSettings(),
  };
  const connection = createConnection(parts);
  const keeper = new OutboxKeeper(store.open(being));
  const desk = createDesk(parts, connection, keeper, looks);
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  await keeper.restore(host);
  const running = Promise.all([desk.run(host, stop.signal), connection.run(host, stop.signal)]);
  running.catch(() => undefined);
  const read = () => JSON.parse(store.disk.get('outbox') ?? '{"processes":[],"deregister":[]}') as Outbox;
  try {
    await clock.runUntil(() => connection.state !== 'Connecting', MINUTE);
    await clock.advance(1_000);
    await body({
      ...world,
      host,
      looks,
      desk,
      connection,
      outbox: read,
      async give(process) {
        colony.held.push(process);
        desk.take(process);
        await clock.advance(0);
      },
      async end() {
        stop.abort();
        await running;
      },
      closes: () => colony.calls.filter((call) => call.startsWith('close')),
    });
  } finally {
    being.end();
    stop.abort(new Error('killed'));
    // What waits for a killed store, or for the test's own gates, never ends.
    await Promise.race([running, turn()]);
  }
}

export const once = (body: (bench: Bench) => Promise<void>) => life(newWorld(), body);

export function report(name: string, change: Partial<BlueprintReport> = {}): BlueprintReport {
  return {
    name,
    kind: 'DockerDeployment',
    generation: 4,
    phase: 'Reconciling',
    ready: 1,
    desired: 2,
    since: '2026-03-01T12:00:00Z',
    waiting: [],
    doing: ['replacing c1-db'],
    warnings: [],
    ...change,
  } as BlueprintReport;
}

/** The agent runs these blueprints. */
export function runs(host: FakeHost, ...names: string[]): void {
  const blueprints = names.map((name) => ({ name, generation: 4 }));
  host.current = { known: true, owner: { node: 'gw-1', colony: 'farm' }, blueprints, refusals: [] } as never;
  host.reported = names.map((name) => report(name));
}

/** A promise and how to resolve it. */
export function gate(): { opened: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
