import { EdgeError } from '../../src/base/errors.ts';
import type { KindContext } from '../../src/kinds/context.ts';
import { DEFAULT_POLICY } from '../../src/kinds/policy.ts';
import { resolveBlueprint } from '../../src/kinds/resolve.ts';
import type { Resolve } from '../../src/model/ports.ts';

/** The node that simulated agents run on. */
export const SIM_NODE = 'sim-node';

/** What relays need of the host. */
export const RELAY_MOUNTS = ['/opt/colonies-edge.cjs', '/usr'];

const CONTEXT: KindContext = {
  node: SIM_NODE,
  executorName: SIM_NODE,
  location: 'default',
  colony: '',
  unlocatedPolicy: 'always',
  hostName: 'sim-host',
  timeZone: 'UTC',
  defaultNetwork: 'colonies_default',
  agentEnvironment: {},
  policy: DEFAULT_POLICY,
  overlays: [],
  bindPrefixMap: [],
  slots: [],
  slotsRequired: 'simulations have no identities',
  protectedPaths: ['/state'],
  relay: {
    command: ['/usr/bin/node', '/opt/colonies-edge.cjs'],
    env: {},
    mounts: RELAY_MOUNTS,
    folder: '/state/relays',
  },
  hasOwnerKey: false,
  readFile: (path) => {
    throw new EdgeError(`no file ${path} in a simulation`, {
      code: 'ENV_FILE_MISSING',
      retry: 'permanent',
      target: path,
    });
  },
};

/** The real resolver of both kinds, in surroundings that never change. */
export function resolver(change: Partial<KindContext> = {}): Resolve {
  const context = { ...CONTEXT, ...change };
  return (blueprint) => resolveBlueprint(blueprint, context);
}
