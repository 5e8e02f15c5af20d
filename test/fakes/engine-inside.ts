import type { HookCommand } from '../../src/model/ports.ts';
import type { ContainerFile, HookResult } from '../../src/model/update.ts';
import type { ManualClock } from './clock.ts';
import { engineError } from './engine-types.ts';
import type { EngineWorld } from './engine-world.ts';

/** A file in a container of the world, as far as it is read. */
export function fileIn(
  world: EngineWorld,
  id: string,
  path: string,
  headBytes: number,
): ContainerFile | undefined {
  const file = world.boxes.get(id)?.files.get(path);
  return file === undefined ? undefined : { ...file, head: file.head.slice(0, headBytes) };
}

/** A command in a container of the world; it takes its time there also when nobody waits any more. */
export async function execIn(
  world: EngineWorld,
  clock: ManualClock,
  id: string,
  { command, env, timeoutMs }: HookCommand,
): Promise<HookResult> {
  const box = world.need(id);
  if (box.state !== 'running')
    throw engineError('ENGINE_CONFLICT', box.name, `Container ${box.name} is not running`);
  const { exitCode = 0, output = '', takesMs = 0 } = box.program.exec?.(command, env) ?? {};
  world.executed.push({ container: box.name, id, command, env });
  await clock.sleep(Math.min(takesMs, timeoutMs));
  return takesMs > timeoutMs ? { output } : { exitCode, output };
}
