import { join } from 'node:path';
import type { TestEngine } from '../support/engine.ts';
import { type Ground, WAIT } from '../support/ground.ts';

const MIB = 1024 ** 2;

/** The body of a container as the engine's API takes it. */
export type Body = Awaited<ReturnType<typeof bodyOf>>;

export interface Hand {
  engine: TestEngine;
  ground: Ground;
  name: string;
  id: string;
}

/** A change made by hand, and what must come of it. */
export interface DriftCase {
  title: string;
  instance?: object | ((hand: Pick<Hand, 'ground' | 'name'>) => object);
  /** Changes the running container, or something around it. */
  change?: (hand: Hand) => Promise<void>;
  /** Makes it anew by hand, under the same name and labels, with this done to its body. */
  recreate?: (body: Body, ground: Ground) => void;
  /** The event that mends it, and what it gives as the cause. */
  event: string;
  cause: RegExp;
  /** false: it needs a new container. */
  inPlace: boolean;
  image?: 'rich' | 'moving';
  blueprintSuffix?: string;
}

const replaced = { event: 'container created', inPlace: false } as const;
const updated = { event: 'container updated in place', inPlace: true } as const;

/** Every field that only a new container can change. */
export const RECREATED: DriftCase[] = [
  {
    title: 'environment: another value',
    instance: { environment: { MODE: 'right' } },
    recreate: (body) => {
      body.Env = body.Env.map((line: string) => line.replace('MODE=right', 'MODE=wrong'));
    },
    cause: /environment variable MODE differs/,
    ...replaced,
  },
  {
    title: 'environment: one variable more',
    recreate: (body) => void body.Env.push('EXTRA=1'),
    cause: /environment variable EXTRA is not in the blueprint/,
    ...replaced,
  },
  {
    title: 'environment: a variable of the image replaced',
    image: 'rich',
    recreate: (body) => {
      body.Env = body.Env.map((line: string) => line.replace('IMAGE_OWN=from-image', 'IMAGE_OWN=by-hand'));
    },
    cause: /environment variable IMAGE_OWN differs/,
    ...replaced,
  },
  {
    title: 'ports: another host address',
    instance: { ports: [{ container: 80 }] },
    recreate: (body) => {
      body.HostConfig.PortBindings['80/tcp'][0].HostIp = '127.0.0.1';
    },
    cause: /ports differs/,
    ...replaced,
  },
  {
    title: 'ports: one port more',
    recreate: (body) => {
      body.HostConfig.PortBindings = { '81/tcp': [{ HostIp: '', HostPort: '' }] };
      body.ExposedPorts = { '81/tcp': {} };
    },
    cause: /ports differs/,
    ...replaced,
  },
  {
    title: 'mounts: a volume that is read-only now',
    instance: ({ name }) => ({ volumes: [{ type: 'named', name: `${name}-v`, mountPath: '/srv/data' }] }),
    recreate: (body) => {
      body.HostConfig.Binds = body.HostConfig.Binds.map((line: string) => `${line}:ro`);
    },
    cause: /mounts differs/,
    ...replaced,
  },
  {
    title: 'mounts: another source of a bind',
    instance: ({ ground }) => ({
      volumes: [{ type: 'bind', hostPath: join(ground.dir, 'bind'), mountPath: '/mnt/x', readOnly: true }],
    }),
    recreate: (body, { dir }) => {
      body.HostConfig.Mounts[0].Source = join(dir, 'other');
    },
    cause: /mounts differs/,
    ...replaced,
  },
  {
    title: 'mounts: another size of a tmpfs',
    instance: { tmpfs: { '/run': 'size=1m' } },
    recreate: (body) => {
      body.HostConfig.Tmpfs['/run'] = 'size=2m';
    },
    cause: /mounts differs/,
    ...replaced,
  },
  {
    title: 'user',
    recreate: (body) => {
      body.User = '1000';
    },
    cause: /user differs/,
    ...replaced,
  },
  {
    title: 'user: that of the image overridden',
    image: 'rich',
    recreate: (body) => {
      body.User = 'nobody';
    },
    cause: /user differs/,
    ...replaced,
  },
  {
    title: 'command',
    recreate: (body) => {
      body.Cmd = ['sleep', '100001'];
    },
    cause: /command differs/,
    ...replaced,
  },
  {
    title: 'entrypoint',
    instance: { entrypoint: WAIT },
    recreate: (body) => {
      body.Entrypoint = ['sleep', '100001'];
    },
    cause: /entrypoint differs/,
    ...replaced,
  },
  {
    title: 'working directory',
    recreate: (body) => {
      body.WorkingDir = '/srv';
    },
    cause: /working directory differs/,
    ...replaced,
  },
  {
    title: 'hostname',
    instance: { hostname: 'plc-1' },
    recreate: (body) => {
      body.Hostname = 'plc-2';
    },
    cause: /hostname differs/,
    ...replaced,
  },
  {
    title: 'labels: another value',
    instance: { labels: { line: '1' } },
    recreate: (body) => {
      body.Labels.line = '2';
    },
    cause: /label line differs/,
    ...replaced,
  },
  {
    title: 'labels: one label more',
    recreate: (body) => {
      body.Labels['by.hand'] = 'yes';
    },
    cause: /label by\.hand is not in the blueprint/,
    ...replaced,
  },
  {
    title: 'log options',
    recreate: (body) => {
      body.HostConfig.LogConfig = { Type: 'json-file', Config: { 'max-size': '99m' } };
    },
    cause: /log options differs/,
    ...replaced,
  },
  {
    title: 'health check',
    instance: { healthcheck: { test: 'true', interval: '2s' } },
    recreate: (body) => {
      body.Healthcheck.Interval = 9e9;
    },
    cause: /health check differs/,
    ...replaced,
  },
  {
    title: 'health check: that of the image switched off',
    image: 'rich',
    recreate: (body) => {
      body.Healthcheck = { Test: ['NONE'] };
    },
    cause: /health check differs/,
    ...replaced,
  },
  {
    title: 'stop signal',
    recreate: (body) => {
      body.StopSignal = 'SIGINT';
    },
    cause: /stop signal differs/,
    ...replaced,
  },
  {
    title: 'privileged',
    instance: { user: '1000' },
    recreate: (body) => {
      body.HostConfig.Privileged = true;
    },
    cause: /privileged differs/,
    ...replaced,
  },
  {
    title: 'init',
    instance: { init: false },
    recreate: (body) => {
      body.HostConfig.Init = true;
    },
    cause: /init differs/,
    ...replaced,
  },
  {
    title: 'devices',
    recreate: (body) => {
      const device = { PathOnHost: '/dev/null', PathInContainer: '/dev/x', CgroupPermissions: 'r' };
      body.HostConfig.Devices = [device];
    },
    cause: /devices differs/,
    ...replaced,
  },
  {
    title: 'added and dropped capabilities',
    instance: { capAdd: ['NET_ADMIN'] },
    recreate: (body) => {
      body.HostConfig.CapAdd = [];
      body.HostConfig.CapDrop = ['CHOWN'];
    },
    cause: /added capabilities differs; dropped capabilities differs/,
    ...replaced,
  },
  {
    title: 'extra hosts',
    recreate: (body) => {
      body.HostConfig.ExtraHosts = ['plc:192.0.2.1'];
    },
    cause: /extra hosts differs/,
    ...replaced,
  },
  {
    title: 'read-only root',
    recreate: (body) => {
      body.HostConfig.ReadonlyRootfs = true;
    },
    cause: /read-only root differs/,
    ...replaced,
  },
  {
    title: 'network mode',
    recreate: (body) => {
      body.HostConfig.NetworkMode = 'host';
      body.NetworkingConfig = {};
    },
    cause: /network mode is host instead of network/,
    ...replaced,
  },
  {
    title: 'image: another one',
    recreate: (body, { prefix }) => {
      body.Image = `${prefix}-second:1`;
    },
    cause: /image is \S+-second:1 instead of \S+-plain:1/,
    ...replaced,
  },
  {
    title: 'a limit that the blueprint does not ask for, which no call takes away',
    recreate: (body) => {
      body.HostConfig.Memory = 64 * MIB;
    },
    cause: /memory limit 67108864 must go/,
    ...replaced,
  },
];

/** Everything that the engine can change on a container that exists. */
export const CHANGED: DriftCase[] = [
  {
    title: 'limits: memory changed with docker update',
    instance: { resources: { memory: '64Mi' } },
    change: ({ engine, id }) => engine.update(id, { Memory: 96 * MIB, MemorySwap: 192 * MIB }),
    cause: /memory limit is 100663296 instead of 67108864/,
    ...updated,
  },
  {
    title: 'limits: CPU changed with docker update',
    instance: { resources: { cpus: '0.5' } },
    change: ({ engine, id }) => engine.update(id, { NanoCpus: 1e9 }),
    cause: /CPU limit is 1000000000 instead of 500000000/,
    ...updated,
  },
  {
    title: 'limits: a limit of processes set with docker update',
    change: ({ engine, id }) => engine.update(id, { PidsLimit: 77 }),
    cause: /process limit is 77 instead of none/,
    ...updated,
  },
  {
    title: 'limits: swap changed with docker update',
    instance: { resources: { memory: '64Mi', memorySwap: '64Mi' } },
    change: ({ engine, id }) => engine.update(id, { MemorySwap: 128 * MIB }),
    cause: /swap limit is 134217728 instead of 67108864/,
    ...updated,
  },
  {
    title: 'restart policy changed with docker update',
    change: ({ engine, id }) => engine.update(id, { RestartPolicy: { Name: 'no' } }),
    cause: /restart policy is no instead of unless-stopped/,
    ...updated,
  },
  {
    title: 'restart policy: another number of tries',
    instance: { restartPolicy: 'on-failure:3' },
    change: ({ engine, id }) =>
      engine.update(id, { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 5 } }),
    cause: /restart policy is on-failure:5 instead of on-failure:3/,
    ...updated,
  },
  {
    title: 'network: disconnected',
    change: ({ engine, id, ground }) => engine.disconnect(`${ground.prefix}-net`, id),
    cause: /not attached to network \S+-net/,
    event: 'container connected to network',
    inPlace: true,
  },
  {
    title: 'network: connected to another one as well',
    change: ({ engine, id, ground }) => engine.connect(`${ground.prefix}-theirs`, id),
    cause: /attached to network \S+-theirs, which the blueprint does not ask for/,
    event: 'container disconnected from network',
    inPlace: true,
  },
  {
    title: 'network: connected without its aliases',
    // Its own name it has in any case; the blueprint's is another one here.
    blueprintSuffix: '-b',
    change: async ({ engine, id, ground }) => {
      await engine.disconnect(`${ground.prefix}-net`, id);
      await engine.connect(`${ground.prefix}-net`, id);
    },
    cause: /alias \S+ is missing on network \S+-net/,
    event: 'container disconnected from network',
    inPlace: true,
  },
  {
    title: 'name: renamed',
    change: ({ engine, id, name }) => engine.rename(id, `${name}-renamed`),
    cause: /container is named \S+-renamed/,
    event: 'container renamed',
    inPlace: true,
  },
  {
    title: 'state: paused',
    change: ({ engine, id }) => engine.pause(id),
    cause: /container is paused/,
    event: 'container unpaused',
    inPlace: true,
  },
  {
    title: 'state: stopped',
    change: ({ engine, id }) => engine.stop(id),
    cause: /container is not running \(exited \d+\)/,
    event: 'container started',
    inPlace: true,
  },
  {
    title: 'state: removed',
    change: ({ engine, id }) => engine.remove(id),
    cause: /no container exists/,
    ...replaced,
  },
  {
    title: 'image: its name moved to another image',
    image: 'moving',
    change: ({ engine, ground }) => engine.tag(`${ground.prefix}-second:1`, `${ground.prefix}-moving:1`),
    cause: /image \S+-moving:1 is now [0-9a-f]{12}, container runs [0-9a-f]{12}/,
    ...replaced,
  },
];

/** A body that makes the same container once more. */
export async function bodyOf(engine: TestEngine, id: string) {
  const { Config, HostConfig, NetworkSettings, Id } = await engine.container(id);
  const { Hostname, ...config } = Config;
  const networks = Object.entries<{ Aliases: string[] | null }>(NetworkSettings.Networks);
  const ends = networks
    .filter(([, end]) => end.Aliases !== null)
    .map(([name, end]) => [name, { Aliases: end.Aliases?.filter((alias) => !Id.startsWith(alias)) }]);
  return {
    ...config,
    ...(Id.startsWith(Hostname) ? {} : { Hostname }),
    HostConfig,
    NetworkingConfig: { EndpointsConfig: Object.fromEntries(ends) },
  };
}
