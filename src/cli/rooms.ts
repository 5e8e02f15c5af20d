import { join } from 'node:path';
import { buildInfo } from '../base/build-info.ts';
import { errorCode, errorText } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/table.ts';
import { openDirectory } from '../directory/directory.ts';
import { createDockerEngine } from '../docker/engine.ts';
import { createRegistryAuth } from '../docker/registry-auth.ts';
import { checkGraph } from '../kinds/index.ts';
import type { AgentParts, AgentSettings } from '../reconcile/agent-parts.ts';
import { createRelays } from '../relay/relays.ts';
import { openStore } from '../store/store.ts';
import { configError, type Io } from './io.ts';
import type { LinkRoomParts, OpenLink } from './link-rooms.ts';
import { createResolver } from './resolver.ts';

/** The rooms, constructed and connected; the agent only needs settings and a logger more. */
export interface Rooms {
  parts: Omit<AgentParts, 'settings' | 'log'>;
  close(): Promise<void>;
}

/** Constructs the rooms. `read` takes no lock, writes nothing and has no link to the server. Throws `STATE_LOCKED`,
 *  `STORE_*`, `BAD_ENDPOINT` and `CONFIG_INVALID`. */
export async function openRooms(
  config: Config,
  options: { io: Pick<Io, 'clock' | 'random' | 'env' | 'signal'>; log: Logger; access: 'own' | 'read' },
): Promise<Rooms> {
  const { io, log, access } = options;
  const { clock, random } = io;
  const store = await openStore({ dir: config.stateDir, clock, log, random, access });
  try {
    const { registries: folder, dockerConfig } = config;
    const registryAuth = createRegistryAuth({ folder, dockerConfig, env: io.env, clock });
    const docker = createDockerEngine({
      endpoint: config.dockerHost,
      clock,
      random,
      log,
      deadlines: { pullStallMs: config.pullStallMs },
      registryAuth,
      ...(access === 'own' ? { bandwidth: { node: config.node, bytesPerSecond: config.bandwidth } } : {}),
    });
    const link = access === 'own' ? await linkOf(config, { io, log, store }) : undefined;
    const { blueprints } = config;
    const resolver = createResolver({
      config,
      env: io.env,
      log,
      storedSlots: () => store.loadSlots(),
      strict: access === 'read',
    });
    return {
      parts: {
        engine: docker,
        storage: docker.storage,
        // Loaded when the first probe runs: most nodes have none.
        prober: {
          probe: async (check, signal) => (await import('../probe/probe.ts')).probe(clock, check, signal),
        },
        hooks: {
          run: async (name, options, signal) => {
            const { createHookRunner } = await import('../hooks/run.ts');
            return createHookRunner(config.hooksDir, clock).run(name, options, signal);
          },
        },
        relays: createRelays({ dir: join(config.stateDir, 'relays'), clock }),
        store,
        source:
          blueprints === undefined ? undefined : openDirectory({ path: blueprints, clock, random, log }),
        ...(link === undefined ? {} : { link: link.link }),
        resolver,
        crossCheck: checkGraph,
        warnings: () => [...registryAuth.warnings(), ...docker.warnings()],
        clock,
        random,
      },
      close: async () => {
        await docker.close().catch(() => undefined);
        await link?.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** All that has to do with the server, loaded only where one is configured. */
async function linkOf(config: Config, parts: Omit<LinkRoomParts, 'version'>): Promise<OpenLink | undefined> {
  if (config.server === undefined) return undefined;
  const { openLink } = await import('./link-rooms.ts');
  try {
    return await openLink(config, { ...parts, version: buildInfo.version });
  } catch (error) {
    throw errorCode(error) === 'BAD_PROXY' ? configError([errorText(error)]) : error;
  }
}

/** The part of the settings that the agent itself needs. */
export function settingsOf(config: Config, version: string): AgentSettings {
  return {
    version,
    node: config.node,
    executorName: config.executorName,
    location: config.location,
    colony: config.colony,
    stateDir: config.stateDir,
    resyncMs: config.resyncMs,
    pullLanes: config.pullLanes,
    actionLanes: config.actionLanes,
    ...(config.startConcurrency === undefined ? {} : { startConcurrency: config.startConcurrency }),
    defaultNetwork: config.network,
    windows: {
      download: config.downloadWindows,
      update: config.updateWindows,
      ...(buildInfo.buildDate === '' ? {} : { clockFrom: Date.parse(buildInfo.buildDate) }),
    },
    gc: {
      startPercent: config.gcStartPercent,
      targetPercent: config.gcTargetPercent,
      minAgeMs: config.gcMinAgeMs,
    },
  };
}
