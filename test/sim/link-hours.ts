import type { LinkClass, LinkStatus } from '../../src/model/link.ts';
import { ColonySim, SITE } from './colony-harness.ts';

const HOUR_MS = 3_600_000;
const GROUND = { location: SITE, image: 'app:1', command: ['sleep', '3600'], folder: '/srv/systems/c1' };

/** What one hour cost: the agent's own count, per purpose and in all, heads included. */
export interface HourCost {
  requests: number;
  bytes: number;
  purposes: Record<string, { requests: number; bytes: number }>;
}

/**
 * The cost of each of some hours in which nothing happens, on the fake clock: a whole agent, seven deployments and one
 * executor of the mission's size, and the server's schedules of both kinds.
 */
export async function idleHours(linkClass: LinkClass, hours: number, seed = 1): Promise<HourCost[]> {
  const sim = new ColonySim();
  try {
    const node = sim.node({ seed, settings: { linkClass }, withOwner: true });
    for (const document of idleBlueprints(GROUND)) sim.world.addBlueprint(document);
    for (const name of MOUNTED) node.world.hostPaths.add(`${GROUND.folder}/${name}`);
    node.start();
    const isDone = () =>
      node.world.boxes.size === 8 && node.status().converged && node.link.unsentStatuses === 0;
    await node.until(isDone, 'eight containers run, and the server knows');
    await node.run(HOUR_MS / 2);
    const costs: HourCost[] = [];
    for (let hour = 0; hour < hours; hour += 1) {
      const before = node.link.traffic;
      await node.run(HOUR_MS);
      costs.push(costOf(before, node.link.traffic));
    }
    return costs;
  } finally {
    sim.close();
  }
}

type Counters = LinkStatus['traffic'];

/** What was added between two readings of the counters. */
function costOf(before: Counters, after: Counters): HourCost {
  const cost: HourCost = { requests: 0, bytes: 0, purposes: {} };
  for (const [purpose, now] of Object.entries(after)) {
    const was = before[purpose] ?? { requests: 0, sentBytes: 0, receivedBytes: 0 };
    const requests = now.requests - was.requests;
    const bytes = now.sentBytes + now.receivedBytes - was.sentBytes - was.receivedBytes;
    cost.purposes[purpose] = { requests, bytes };
    cost.requests += requests;
    cost.bytes += bytes;
  }
  return cost;
}

const SIZE = 1_700;
const MOUNTED = ['application.properties', 'certificates', 'log4j2.xml', 'run.sh'];

/** What idle blueprints are made of. */
export interface IdleGround {
  location: string;
  image: string;
  command: readonly string[];
  /** Of bind mounts; each names a file below it. */
  folder: string;
}

/** Eight blueprints of 1.7 kB as files, in the shape of the mission's own: seven deployments and one executor. */
export function idleBlueprints(ground: IdleGround): Record<string, unknown>[] {
  const { location: locationname, image, command, folder } = ground;
  const volumes = MOUNTED.map((name) => ({
    hostPath: `${folder}/${name}`,
    mountPath: `/opt/system/${name}`,
  }));
  const systems = Array.from({ length: 7 }, (_, index) => {
    const name = `idle-system-${index}`;
    const environment = { SYSTEM_NAME: `system-${index}`, TZ: 'Europe/Amsterdam', PASSWORD: '123456' };
    const labels = { cloud: 'c1', component: `system-${index}`, arrowhead: 'true', updated: '2025-11-09' };
    const instance = {
      name,
      type: 'container',
      image,
      command,
      environment,
      volumes: volumes.map((volume) => ({ type: 'bind', ...volume, readOnly: true })),
    };
    const metadata = { name, locationname, labels };
    return padded(
      { metadata, kind: 'DockerDeployment', spec: { replicas: 1, instances: [instance] } },
      environment,
    );
  });
  const env = { EXECUTOR_LOCATION_DESC: 'barn', EXECUTOR_FS_DIR: '/tmp/colonies' };
  const metadata = { name: 'idle-executor', locationname };
  const spec = { image, executorType: 'container-executor', replicas: 1, command, env };
  return [...systems, padded({ metadata, kind: 'ExecutorDeployment', spec }, env)];
}

/** The document with a variable that nobody reads, so that it has the size as a file. */
function padded(document: object, variables: Record<string, string>): Record<string, unknown> {
  variables.PADDING = '';
  variables.PADDING = 'x'.repeat(Math.max(0, SIZE - JSON.stringify(document, null, 2).length));
  return { ...document };
}
