// A fake colony in a process of its own, for measuring agents from outside. Its parent commands it over IPC:
// { id, call, args } is answered with { id, value } or { id, error }.
import { newKey } from '../../../src/colony/port.ts';
import { bothDefinitions } from '../link-node.ts';
import { createFakeColony, type JsonMap } from './index.ts';

const owner = newKey();
const colony = await createFakeColony({ ownerId: owner.id, definitions: bothDefinitions() });
const { world } = colony;

const CALLS = {
  place: () => ({ port: colony.port, colony: 'dev', ownerKey: owner.key }),
  /** A new key, registered and approved under this name. */
  register(name: string, location: string): string {
    const { key, id } = newKey();
    world.addExecutor({ id, name, type: 'docker-reconciler', location });
    world.approve(name);
    return key;
  },
  add(document: JsonMap): void {
    world.addBlueprint(document);
  },
  /** Sets one variable of the first instance, as an operator's `set` does. */
  setVariable(name: string, variable: string, value: string): void {
    world.changeSpec(name, (spec) => {
      const [first, ...others] = spec.instances as JsonMap[];
      const environment = { ...(first?.environment as JsonMap), [variable]: value };
      return { ...spec, instances: [{ ...first, environment }, ...others] };
    });
  },
  remove(name: string): void {
    world.removeBlueprint(name);
  },
  statuses: () => Object.fromEntries(world.blueprintNames().map((name) => [name, world.statusOf(name)])),
  /** Processes that somebody asked for and that are not closed. */
  openWork: () => world.openProcesses().filter(({ graphId }) => graphId === '').length,
} as const;

process.on('message', ({ id, call, args }: { id: number; call: keyof typeof CALLS; args: never[] }) => {
  try {
    const value: unknown = (CALLS[call] as (...given: never[]) => unknown)(...args);
    process.send?.({ id, value });
  } catch (error) {
    process.send?.({ id, error: String(error) });
  }
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
