import { errorCode, errorText } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { createColony, createColonyOwner, newKey } from '../colony/port.ts';
import { TrafficCounter } from '../colony/traffic.ts';
import type { Config } from '../config/table.ts';
import { ownAddresses } from '../link/addresses.ts';
import { createLink } from '../link/link.ts';
import type { LinkParts, LinkSettings } from '../link/parts.ts';
import type { Link } from '../model/link.ts';
import type { OpenStore } from '../store/store.ts';
import { requireColony } from './colony-settings.ts';
import type { Io } from './io.ts';
import type { FoundKey } from './key-sources.ts';
import { knownKey } from './known-key.ts';

/** What the link is made of besides the settings. */
export interface LinkRoomParts {
  io: Pick<Io, 'clock' | 'random' | 'env' | 'signal'>;
  log: Logger;
  store: OpenStore;
  version: string;
}

/** The link, and how to let go of all its connections. */
export interface OpenLink {
  link: Link;
  close(): Promise<void>;
}

/**
 * The link to the configured server. Connects to nothing yet, and a key or certificate that is missing or wrong is no
 * error here: containers are healed without, and what is mended is taken up at the next attempt. Throws
 * `CONFIG_INVALID` without a server, and `BAD_PROXY`.
 */
export async function openLink(config: Config, parts: LinkRoomParts): Promise<OpenLink> {
  const { io, log, store } = parts;
  const { clock, random, env } = io;
  const settings = requireColony(config, env);
  const { server, colony, executorName, keys, tls } = settings;
  const options = { server, colony, executorName, env, clock, tls, traffic: new TrafficCounter() };
  const told = new Set<string>();
  const accepted = ({ key, exposed }: FoundKey) => {
    if (exposed !== undefined && !told.has(exposed)) log.warn('key file is doubtful', { detail: exposed });
    if (exposed !== undefined) told.add(exposed);
    return key;
  };
  /** A key that a node can do without. */
  const spare = async (what: string, load: () => Promise<FoundKey | undefined>) => {
    try {
      const found = await load();
      return found === undefined ? undefined : accepted(found);
    } catch (error) {
      log.error('key cannot be used', { key: what, code: errorCode(error), error: errorText(error) });
      return undefined;
    }
  };
  const own = await keys.executor().catch(() => undefined);
  let id = own?.id;
  const findKey = async () => {
    const found = await keys.executor();
    id = found.id;
    return accepted(found);
  };
  const [userKey, ownerKey] = [await spare('user', keys.user), await spare('owner', keys.owner)];
  const user = userKey === undefined ? undefined : createColony({ ...options, key: userKey });
  const owner = ownerKey === undefined ? undefined : createColonyOwner({ ...options, key: ownerKey });
  const linkParts: LinkParts = {
    colony: createColony({ ...options, key: own === undefined ? findKey : accepted(own) }),
    async reloadKey() {
      const found = await knownKey(settings, io);
      if (found.id === id) return undefined;
      id = found.id;
      return createColony({ ...options, key: accepted(found) });
    },
    ...(user === undefined ? {} : { user }),
    ...(owner === undefined ? {} : { owner }),
    asSlot: (key) => createColony({ ...options, key }),
    newKey,
    slots: { load: () => store.loadSlots(), save: (slots) => store.saveSlots(slots) },
    outbox: store,
    addresses: ownAddresses,
    clock,
    random,
    log,
    settings: linkSettings(config, parts.version),
  };
  const link = createLink(linkParts);
  return {
    link,
    async close() {
      await link.close();
      await Promise.all([user?.close(), owner?.close()]);
    },
  };
}

function linkSettings(config: Config, version: string): LinkSettings {
  return {
    colony: config.colony,
    executorName: config.executorName,
    executorType: config.executorType,
    node: config.executorName,
    location: config.location,
    version,
    unlocatedPolicy: config.unlocatedPolicy,
    linkClass: config.linkClass,
    pollWaitS: Math.round(config.pollWaitMs / 1000),
    listEveryMs: config.listEveryMs,
    statusHeartbeatMs: config.statusHeartbeatMs,
    staleAfterMs: config.staleAfterMs,
  };
}
