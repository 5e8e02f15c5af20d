import { eventually } from '../../fakes/engine-fixture.ts';
import type { TestEngine } from './engine.ts';

/** One life of a container: a new id is a new container, another start time the same one started again. */
export interface Life {
  id: string;
  startedAt: string;
}

/** The life of a running container; undefined while there is none of that name, or it is not running. */
export async function lifeOf(engine: TestEngine, name: string): Promise<Life | undefined> {
  const found = await engine.inspect(name);
  const state = found?.State;
  if (found === undefined || state.Running !== true || state.Paused === true || state.Restarting === true)
    return undefined;
  return { id: String(found.Id), startedAt: String(state.StartedAt) };
}

/** Waits until the container runs. */
export function running(engine: TestEngine, name: string, deadlineMs = 20_000): Promise<Life> {
  return eventually(`${name} runs`, () => lifeOf(engine, name), deadlineMs);
}

/** Waits until the container runs in another life than before. */
export function healed(
  engine: TestEngine,
  name: string,
  before: Life,
  deadlineMs = 20_000,
): Promise<Life & { tookMs: number }> {
  const began = performance.now();
  return eventually(
    `${name} runs again`,
    async () => {
      const life = await lifeOf(engine, name);
      if (life === undefined || (life.id === before.id && life.startedAt === before.startedAt)) return false;
      return { ...life, tookMs: Math.round(performance.now() - began) };
    },
    deadlineMs,
  );
}

/** The lives of all these containers, which must run. */
export async function livesOf(engine: TestEngine, names: readonly string[]): Promise<Map<string, Life>> {
  const lives = new Map<string, Life>();
  for (const name of names) lives.set(name, await running(engine, name));
  return lives;
}
