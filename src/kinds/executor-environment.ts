import type { Slot } from '../model/ports.ts';
import type { KindContext } from './context.ts';
import { nodeLocation, nodeName } from './node.ts';
import type { Scope } from './scope.ts';

/** Variables that executors inherit from the agent as they are (FIELDS.md 6.2 a). */
const INHERITED = [
  'COLONIES_CLIENT_BACKENDS',
  'COLONIES_SERVER_HOST',
  'COLONIES_SERVER_PORT',
  'COLONIES_CLIENT_HTTP_HOST',
  'COLONIES_CLIENT_HTTP_PORT',
  'COLONIES_TLS',
  'AWS_S3_TLS',
  'AWS_S3_SKIPVERIFY',
  'AWS_S3_ENDPOINT',
  'AWS_S3_ACCESSKEY',
  'AWS_S3_SECRETKEY',
  'AWS_S3_BUCKET',
];

/** Names of (d), which a blueprint cannot override. */
export const FORCED: ReadonlySet<string> = new Set([
  'EXECUTOR_SW_NAME',
  'EXECUTOR_SW_VERSION',
  'COLONIES_DEPLOYMENT',
  'COLONIES_CONTAINER_NAME',
  'COLONIES_PRVKEY',
  'COLONIES_EXECUTOR_ID',
  'COLONIES_EXECUTOR_NAME',
  'COLONIES_NODE_NAME',
  'COLONIES_NODE_LOCATION',
]);

/** The complete environment of one executor, in the order (a) to (d) of FIELDS.md 6.2; later sources win. */
export function executorEnvironment(
  scope: Scope,
  executor: {
    image: string;
    executorType: string;
    containerName: string;
    own: ReadonlyMap<string, string>;
    /** Absent: it has no identity yet, and must not be started. */
    slot: Slot | undefined;
  },
): ReadonlyMap<string, string> {
  const { context, blueprint } = scope;
  const env = new Map(inherited(context));
  for (const [name, value] of defaults(scope, executor.executorType)) env.set(name, value);
  for (const [name, value] of executor.own) if (!FORCED.has(name)) env.set(name, value);
  env.set('EXECUTOR_SW_NAME', executor.image);
  env.set('EXECUTOR_SW_VERSION', executor.image);
  env.set('COLONIES_DEPLOYMENT', blueprint.name);
  env.set('COLONIES_CONTAINER_NAME', executor.containerName);
  if (executor.slot !== undefined) {
    env.set('COLONIES_PRVKEY', executor.slot.key);
    env.set('COLONIES_EXECUTOR_ID', executor.slot.id);
    env.set('COLONIES_EXECUTOR_NAME', executor.slot.executorName);
  }
  env.set('COLONIES_NODE_NAME', nodeName(context));
  env.set('COLONIES_NODE_LOCATION', nodeLocation(context));
  return env;
}

function inherited(context: KindContext): [string, string][] {
  const found = new Map<string, string>();
  const from = context.agentEnvironment;
  for (const name of INHERITED) {
    const value = from[name];
    if (value !== undefined && value !== '') found.set(name, value);
  }
  if (context.server !== undefined) {
    const { host, port, tls } = context.server;
    found.set('COLONIES_SERVER_HOST', host);
    found.set('COLONIES_SERVER_PORT', String(port));
    found.set('COLONIES_TLS', String(tls));
  }
  for (const part of ['HOST', 'PORT']) {
    const value = found.get(`COLONIES_SERVER_${part}`);
    if (value !== undefined && !found.has(`COLONIES_CLIENT_HTTP_${part}`))
      found.set(`COLONIES_CLIENT_HTTP_${part}`, value);
  }
  // The Go reconciler passes one name on, the client library reads the other.
  const region = from.AWS_S3_REGION_KEY || from.AWS_S3_REGION;
  if (region !== undefined && region !== '') {
    found.set('AWS_S3_REGION_KEY', region);
    found.set('AWS_S3_REGION', from.AWS_S3_REGION || region);
  }
  return [...found];
}

function defaults({ context, blueprint }: Scope, executorType: string): [string, string][] {
  return [
    ['COLONIES_COLONY_NAME', context.colony || blueprint.colony],
    ['LANG', 'en_US.UTF-8'],
    ['LANGUAGE', 'en_US.UTF-8'],
    ['LC_ALL', 'en_US.UTF-8'],
    ['LC_CTYPE', 'UTF-8'],
    ['TZ', context.agentEnvironment.TZ || context.timeZone || 'UTC'],
    ['EXECUTOR_TYPE', executorType],
    ['EXECUTOR_ADD_DEBUG_LOGS', 'false'],
    ['EXECUTOR_FS_DIR', '/tmp/colonies'],
    ['EXECUTOR_HW_NODES', '1'],
    ['EXECUTOR_HW_GPU_COUNT', '0'],
    ['EXECUTOR_HW_GPU_NODES_COUNT', '0'],
    ['EXECUTOR_LOCATION_LONG', '0'],
    ['EXECUTOR_LOCATION_LAT', '0'],
    ['EXECUTOR_SW_TYPE', 'docker'],
  ];
}
