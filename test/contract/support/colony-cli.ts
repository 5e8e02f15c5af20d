import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { dispatch } from '../../../src/cli/dispatch.ts';
import { deriveId } from '../../../src/colony/identity.ts';
import { createFakeColony, type FakeColonyOptions } from '../../fakes/colony/index.ts';
import { fakeIo } from '../../fakes/io.ts';

export const freshKey = () => randomBytes(32).toString('hex');

/** Deadlines of the calls themselves; pauses never last exactly as long. */
const DEADLINES_MS = new Set([15_000, 30_000]);

/** Pauses between attempts take no time, and are over all the same; deadlines of calls stay as they are. */
export function hurriedClock(): Clock {
  let skippedMs = 0;
  return {
    now: () => systemClock.now() + skippedMs,
    monoMs: () => systemClock.monoMs() + skippedMs,
    sleep: async (ms, signal) => {
      if (DEADLINES_MS.has(ms)) return systemClock.sleep(ms, signal);
      signal?.throwIfAborted();
      skippedMs += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** A colony `plant` on loopback, and a machine `gw-7` with a state directory of its own that calls the program. */
export async function plant(t: TestContext, options: FakeColonyOptions = {}) {
  const ownerKey = freshKey();
  const userKey = freshKey();
  const dir = await mkdtemp(join(tmpdir(), 'ce-colony-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const colony = await createFakeColony({
    colony: 'plant',
    ownerId: deriveId(ownerKey),
    users: [{ id: deriveId(userKey), name: 'op' }],
    ...options,
  });
  t.after(() => colony.stop());
  const state = join(dir, 'state');
  const ownerFile = join(dir, 'owner.key');
  const userFile = join(dir, 'user.key');
  await writeFile(ownerFile, `${ownerKey}\n`, { mode: 0o600 });
  await writeFile(userFile, `${userKey}\n`, { mode: 0o600 });
  const base: Record<string, string> = {
    COLONIES_EDGE_CONFIG: 'none',
    COLONIES_EDGE_STATE_DIR: state,
    COLONIES_EDGE_SOCKET: join(dir, 'agent.sock'),
    COLONIES_SERVER_HOST: '127.0.0.1',
    COLONIES_SERVER_PORT: String(colony.port),
    COLONIES_COLONY_NAME: 'plant',
    COLONIES_NODE_NAME: 'gw-7',
    COLONIES_EXECUTOR_LOCATION: 'barn',
    DOCKER_HOST: `unix://${join(dir, 'no-engine.sock')}`,
  };
  /** Everything that any call wrote. */
  const said: string[] = [];
  const call = async (
    argv: readonly string[],
    change: { env?: Record<string, string>; signal?: AbortSignal; clock?: Clock } = {},
  ) => {
    const { env = {}, ...rest } = change;
    const { io, written } = fakeIo({ env: { ...base, ...env }, cwd: dir, ...rest });
    const code = await dispatch(argv, io);
    said.push(written.out, written.err);
    return { code, ...written };
  };
  return {
    colony,
    world: colony.world,
    dir,
    state,
    keyFile: join(state, 'executor.key'),
    ownerFile,
    userFile,
    ownerKey,
    userKey,
    call,
    said,
    env: base,
  };
}

export type Plant = Awaited<ReturnType<typeof plant>>;
