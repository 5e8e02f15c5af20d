import { randomBytes } from 'node:crypto';
import { deriveId } from '../../../src/colony/identity.ts';
import { createFakeColony, type FakeColony, type FakeColonyOptions } from '../../fakes/colony/index.ts';
import { ColonyGround, type ColonyPlace } from './colony-ground.ts';

/** Set by `npm run test:colony`: the cases run against the server that COLONIES_* name. */
export const REAL_COLONY = 'EDGE_TEST_REAL_COLONY';

/** A ground, and what ends it. */
export interface OpenColony {
  ground: ColonyGround;
  /** Only where it is the fake one. */
  fake?: FakeColony;
  close(): Promise<void>;
}

/** The real server when asked for, else a fake one of this process with a schedule of some seconds. */
export async function openColony(prefix: string): Promise<OpenColony> {
  if (process.env[REAL_COLONY] !== '1') return openFakeColony(prefix, { cronEveryMs: 4_000 });
  const ground = await new ColonyGround(placeFromEnv(process.env), prefix).open();
  return { ground, close: () => ground.close() };
}

/** A fake colony of one's own behind HTTP on loopback. */
export async function openFakeColony(
  prefix: string,
  options: FakeColonyOptions = {},
): Promise<OpenColony & { fake: FakeColony; place: ColonyPlace }> {
  const ownerKey = randomBytes(32).toString('hex');
  const colony = options.colony ?? 'plant';
  const fake = await createFakeColony({ ...options, colony, ownerId: deriveId(ownerKey) });
  const place = { server: fake.url, colony, ownerKey, scheduleMs: options.cronEveryMs ?? 60_000 };
  const ground = await new ColonyGround(place, prefix).open();
  const close = async () => {
    await ground.close();
    await fake.stop();
  };
  return { ground, fake, place, close };
}

/** The colony that the ecosystem's own variables name; the owner's key is for set-up only. */
function placeFromEnv(env: NodeJS.ProcessEnv): ColonyPlace {
  const need = (name: string) => {
    const value = env[name];
    if (!value) throw new Error(`${name} must be set to test against a real server`);
    return value;
  };
  const isTls = ['1', 'true', 'yes', 'on'].includes((env.COLONIES_TLS ?? '').toLowerCase());
  const host = need('COLONIES_SERVER_HOST').replace(/^\[|\]$/g, '');
  const authority = host.includes(':') ? `[${host}]` : host;
  const caFile = env.COLONIES_EDGE_CA_FILE;
  return {
    server: `${isTls ? 'https' : 'http'}://${authority}:${env.COLONIES_SERVER_PORT || '50080'}`,
    colony: need('COLONIES_COLONY_NAME'),
    ownerKey: need('COLONIES_COLONY_PRVKEY'),
    scheduleMs: 60_000,
    ...(caFile ? { caFile } : {}),
  };
}
