import { type Clock, systemClock } from '../../../src/base/clock.ts';
import type { Random } from '../../../src/base/random.ts';
import { seededRandom } from '../random.ts';
import { ColonyHttp } from './http.ts';
import type { Settings } from './state.ts';
import { ColonyWorld } from './world.ts';

export type { By } from './operator.ts';
export type { BlueprintRecord, ExecutorRecord, JsonMap, LogRecord, ProcessRecord } from './records.ts';
export { EXECUTOR_STATES, PROCESS_STATES } from './records.ts';
export { type Answer, Refusal } from './reply.ts';
export { ColonyWorld } from './world.ts';

/** What a test may set; the rest is as a server comes out of the box. */
export interface FakeColonyOptions {
  clock?: Clock;
  random?: Random;
  /** Default `dev`. */
  colony?: string;
  /** Id of the colony owner's key; without one nobody is the owner on the wire. */
  ownerId?: string;
  /** The first one is whom the world's own hands act for. Default: one `myuser` with an id nobody has the key of. */
  users?: readonly { id: string; name: string }[];
  /** Default 10 minutes. */
  staleAfterMs?: number;
  /** Default 1 minute. */
  cleanupEveryMs?: number;
  /** Default 1 minute. */
  cronEveryMs?: number;
  /** How often due schedules and deadlines are looked at. Default 1 s. */
  checkEveryMs?: number;
  allowReregister?: boolean;
  follower?: boolean;
  /** Ended processes, log lines and journal entries that are kept. Default 20 000. */
  keepEnded?: number;
  /** Blueprint definitions that are there from the start. */
  definitions?: readonly Record<string, unknown>[];
}

/** A colony without sockets: `world.handle` answers request bodies, on whatever clock it is given. */
export function createColonyWorld(options: FakeColonyOptions = {}): ColonyWorld {
  const settings: Settings = {
    clock: options.clock ?? systemClock,
    random: options.random ?? seededRandom(1),
    colony: options.colony ?? 'dev',
    ownerId: options.ownerId ?? 'no-owner',
    users: options.users ?? [{ id: '0'.repeat(64), name: 'myuser' }],
    staleAfterMs: options.staleAfterMs ?? 600_000,
    cleanupEveryMs: options.cleanupEveryMs ?? 60_000,
    cronEveryMs: options.cronEveryMs ?? 60_000,
    checkEveryMs: options.checkEveryMs ?? 1_000,
    allowReregister: options.allowReregister ?? false,
    keepEnded: options.keepEnded ?? 20_000,
  };
  const world = new ColonyWorld(settings);
  world.isFollower = options.follower ?? false;
  for (const definition of options.definitions ?? []) world.addDefinition(definition);
  return world;
}

/** A colony behind HTTP on a port of loopback. */
export interface FakeColony {
  /** `http://127.0.0.1:port`, the same after a restart. */
  readonly url: string;
  readonly port: number;
  readonly world: ColonyWorld;
  /** Connections that are open now. */
  readonly connections: number;
  /** Refuses connections and breaks those there are; what the colony knows stays. */
  stop(): Promise<void>;
  /** Listens again on the same port; stops before that if need be. */
  restart(): Promise<void>;
}

export async function createFakeColony(options: FakeColonyOptions = {}): Promise<FakeColony> {
  const world = createColonyWorld(options);
  const http = new ColonyHttp(world);
  await http.listen();
  const stop = async () => {
    world.stop();
    await http.close();
  };
  return {
    url: `http://127.0.0.1:${http.port}`,
    port: http.port,
    world,
    get connections() {
      return http.connections;
    },
    stop,
    async restart() {
      await stop();
      world.start();
      await http.listen();
    },
  };
}
