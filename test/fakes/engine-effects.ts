import type { EngineAction } from '../../src/model/ports.ts';
import { image } from './engine-types.ts';
import type { EngineWorld } from './engine-world.ts';

/** What an action does to the world; "already so" is success, as the port promises. */
export async function carryOut(
  world: EngineWorld,
  action: EngineAction,
): Promise<{ id?: string; warnings?: readonly string[] }> {
  switch (action.kind) {
    case 'createNetwork':
      return { id: world.createNetwork(action.name, action.driver, action.labels).id };
    case 'createContainer':
      return { id: world.create(action.name, action.spec, action.labels).id, warnings: [] };
    case 'startContainer':
      world.start(world.need(action.id));
      return {};
    case 'unpauseContainer':
      world.unpause(world.need(action.id));
      return {};
    case 'stopContainer':
      await world.stop(world.need(action.id), (action.timeoutS ?? 10) * 1_000);
      return {};
    case 'restartContainer':
      await world.restart(world.need(action.id), (action.timeoutS ?? 10) * 1_000);
      return {};
    case 'renameContainer':
      world.rename(world.need(action.id), action.name);
      return {};
    case 'updateContainer':
      world.update(world.need(action.id), action.restart, action.limits);
      return {};
    case 'connectNetwork':
      world.connect(world.need(action.id), action.network, action.aliases);
      return {};
    case 'disconnectNetwork':
      world.disconnect(world.need(action.id), action.network);
      return {};
    case 'removeContainer': {
      const box = world.boxes.get(action.id);
      if (box !== undefined) world.remove(box, action.force);
      return {};
    }
    case 'removeNetwork':
      world.removeNetwork(action.name);
      return {};
    case 'removeVolume':
      world.removeVolume(action.name);
      return {};
    case 'removeImage':
      world.removeImage(action.id);
      return {};
    case 'importImage':
      world.setTag(action.name, image(`image-of-${action.name}`, { env: {}, command: [] }));
      return {};
    default:
      throw new Error(`unknown action ${JSON.stringify(action satisfies never)}`);
  }
}
