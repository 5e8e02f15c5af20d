import type { TestContext } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { systemRandom } from '../../../src/base/random.ts';
import type { Deadlines } from '../../../src/docker/deadlines.ts';
import { createDockerEngine, type DockerEngine } from '../../../src/docker/engine.ts';
import type { EngineAction } from '../../../src/model/ports.ts';
import { type Answerer, type BadEngine, badEngine, reply, usual } from '../../fakes/bad-engine.ts';

export const signal = new AbortController().signal;
export const ID = 'a'.repeat(64);
export const base = { lane: 'test', blueprint: 'test', cause: 'test' };
export const nothing = { images: [], volumes: [] };
export const short: Partial<Deadlines> = {
  versionMs: 300,
  listMs: 300,
  inspectMs: 1_500,
  createMs: 300,
  startMs: 300,
  changeMs: 300,
  removeMs: 300,
  eventsOpenMs: 300,
  pullStallMs: 300,
};

export async function pair(
  t: TestContext,
  answer: Answerer,
  deadlines: Partial<Deadlines> = short,
): Promise<{ bad: BadEngine; engine: DockerEngine }> {
  const bad = await badEngine(answer);
  const engine = client(bad.endpoint, deadlines);
  t.after(async () => {
    await engine.close();
    await bad.close();
  });
  return { bad, engine };
}

export function client(endpoint: string, deadlines: Partial<Deadlines> = short): DockerEngine {
  return createDockerEngine({
    endpoint,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    deadlines,
  });
}

export const start: EngineAction = {
  ...base,
  kind: 'startContainer',
  id: ID,
  name: 'web',
  specHash: 'h',
  replaces: false,
};
export const listed = {
  Id: ID,
  Names: ['/web'],
  Image: 'x:1',
  ImageID: 'sha256:1',
  Created: 1_700_000_000,
  State: 'running',
  Status: 'Up 2 minutes',
  Labels: { 'colonies.managed': 'true' },
};

/** Listings as given, and an inspection for every container. */
export function listings(containers: () => unknown, inspect: Answerer): Answerer {
  return usual((socket, request) => {
    if (request.path.includes('/containers/json')) reply(socket, 200, containers());
    else if (request.path.endsWith('/networks') || request.path.endsWith('/images/json'))
      reply(socket, 200, []);
    else inspect(socket, request);
  });
}
