import type { ContainerSpec } from './container.ts';
import type { StockImage } from './disk.ts';
import type { Reason } from './reason.ts';
import type { RelayView } from './relay.ts';
import type { RolloutView, WindowView } from './rollout.ts';
import type { UpdateView } from './update.ts';

/** One look at the engine plus our own memory of failures: everything `plan` may know of the world. */
export interface ObservedState extends EngineSnapshot {
  /** What is remembered of failures, by service key (or `image:ref`, `network:name`). */
  setbacks: ReadonlyMap<string, Setback>;
  /** Pulls that run or wait, by image reference. */
  pulls: ReadonlyMap<string, PullProgress>;
  /** Lanes with a call under way, by lane name (`Action.lane`); nothing new is planned for them. */
  busy: ReadonlySet<string>;
  /** Spec hash under which a container without a hash label was adopted, by container id. */
  adopted: ReadonlyMap<string, string>;
  /** In-place settings that the engine took and reports otherwise, by container id: `liveHash` sent, a colon,
   *  `liveHash` reported since. The same are not sent again. */
  updated: ReadonlyMap<string, string>;
  /** Since when each running container runs, by id; monotonic milliseconds, negative for a start before this process. */
  runningSince: ReadonlyMap<string, number>;
  /** Ids of containers this process created: what cannot change by hand need not be compared on them. */
  made: ReadonlySet<string>;
  /** References pulled lately by this process, for `pullPolicy: Always`. */
  fresh: ReadonlySet<string>;
  /** Forced runs under way, by blueprint name. */
  forced: ReadonlyMap<string, ForcedRun>;
  /** Containers that go on with the image they have, by id: a forced run that was given up had moved their reference to
   *  the image with this id. */
  keptImages: ReadonlyMap<string, string>;
  /** What order has to know over time. */
  order: OrderView;
  /** Blueprints that are not at their newest version, or on which an operator has put a hand; by name. */
  rollouts: ReadonlyMap<string, RolloutView>;
  /** What windows keep from blueprints now, by name; absent: nothing. */
  windows?: ReadonlyMap<string, WindowView>;
  /** References and ids of the images that a rollback would need: they are never removed. */
  protectedImages: ReadonlySet<string>;
  /** What the agent's own probes say, by container id; one that was not probed yet is absent. */
  probes: ReadonlyMap<string, ProbeReport>;
  /** Containers whose checks fail, or failed lately, by id. */
  ailing: ReadonlyMap<string, Ailing>;
  /** Locks and hooks. */
  updates: UpdateView;
  /** Relays that are asked for, by service key. */
  relays: ReadonlyMap<string, RelayView>;
}

/** What order has to know over time; a restart of the agent may lose all of it. */
export interface OrderView {
  /** How many services may be starting at the same time, at least 1. */
  startConcurrency: number;
  /** Since when starts have been under way, by service key; monotonic milliseconds. */
  starting: ReadonlyMap<string, number>;
  /** Keys of services that were seen up: what brings them back is healing. */
  beenUp: ReadonlySet<string>;
  /** Since when a service has waited for a dependency, by `waitKey` (`order.ts`): monotonic time, and wall time for people. */
  waiting: ReadonlyMap<string, { monoMs: number; at: number }>;
}

export type HealthState = 'starting' | 'healthy' | 'unhealthy';

/** One of the agent's checks. */
export interface CheckState {
  state: HealthState;
  /** Why the last try failed; empty when it did not. */
  message: string;
}

/** The agent's checks of one container. */
export interface ProbeReport {
  /** `ContainerDetail.startedAt` of the run they are about; of another run nothing is said. */
  startedAt: string;
  own: CheckState;
  /** Of the published port on the host; absent when it is not probed. */
  published?: CheckState;
}

/** A container whose checks fail, whatever they are, or that was restarted because of it. */
export interface Ailing {
  /** What was done about it in this row, how often; 0 again after ten minutes in health. */
  attempts: number;
  /** Restarts because of it of this container since the agent began. */
  restarts: number;
  /** Undefined while no check fails. */
  failing?: {
    /** Monotonic time from which on it is acted on. */
    notBeforeMs: number;
    /** The same as wall time, epoch milliseconds. */
    nextTryAt: number;
  };
}

/** One blueprint that is to be pulled and made anew, changed or not. */
export type ForcedRun =
  /** Nothing is touched until every image is there: no container is replaced because one of `refs` has moved. */
  | { phase: 'pulling'; refs: ReadonlySet<string>; toPull: ReadonlySet<string> }
  /** `containers`: ids of those that are to be replaced, each with its service's key. */
  | { phase: 'recreating'; containers: ReadonlyMap<string, string> };

/** What the engine says, at one moment. Complete: a listing that failed is thrown, never shortened. */
export interface EngineSnapshot {
  engine: EngineInfo;
  /** All containers of the engine, ours or not. */
  containers: readonly ObservedContainer[];
  /** Wanted images by reference; `null`: looked for and not there. A reference that was not asked for is absent. */
  images: ReadonlyMap<string, ObservedImage | null>;
  networks: readonly ObservedNetwork[];
  /** All images of the engine; absent when that is not known: then none is removed. */
  stock?: readonly StockImage[];
  /** Names of the named volumes that were asked for and exist. */
  volumes: ReadonlySet<string>;
}

export interface EngineInfo {
  /** For example "20.10.24" */
  version: string;
  apiVersion: string;
  name: 'docker' | 'podman';
  os: string;
  /** Go's names: amd64, arm64, arm. */
  arch: string;
  /** "v7" on arm where it is known. */
  variant: string;
  loggingDriver: string;
  memoryBytes: number;
  cpus: number;
  /** false: the kernel or the engine drops memory limits. */
  memoryLimit: boolean;
  rootDir: string;
}

export interface ObservedContainer {
  id: string;
  /** Without the leading slash. */
  name: string;
  /** As given at creation; an image that lost its tag shows as its id. */
  image: string;
  imageId: string;
  labels: Readonly<Record<string, string>>;
  state: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';
  /** From the listing's status text; only in state `exited`. */
  exitCode?: number;
  /** Epoch milliseconds. */
  createdAt: number;
  health?: 'starting' | 'healthy' | 'unhealthy';
  /** Published ports as the engine bound them. */
  ports: readonly BoundPort[];
  /** Absent while it has not been inspected (or the inspection hangs): then nothing is decided from it. */
  detail?: ContainerDetail;
}

export interface BoundPort {
  containerPort: number;
  protocol: 'tcp' | 'udp';
  hostPort: number;
  hostIp: string;
}

/** What an inspection adds, in the words of `ContainerSpec` and with the image's own defaults still mixed in. */
export interface ContainerDetail {
  /** ISO times as the engine gives them; the zero time means never. */
  startedAt: string;
  finishedAt: string;
  exitCode: number;
  oomKilled: boolean;
  error: string;
  restartCount: number;
  /** Last words of the engine's health check when it failed, one line; absent when it passed or there is none. */
  checkOutput?: string;
  /** The container as it is. `env` includes the image's variables, `labels` all labels, `command` and `entrypoint` the
   * effective ones (empty arrays when there is none), `network` the mode and, for a user network, the first one. */
  spec: ContainerSpec;
  /** Every attached network by name; aliases without the container id the engine adds itself. */
  networks: Readonly<Record<string, { aliases: readonly string[]; ip: string; networkId: string }>>;
}

export interface ObservedImage {
  id: string;
  os: string;
  arch: string;
  variant: string;
  /** The image's own defaults, which show up in every container made of it. */
  env: Readonly<Record<string, string>>;
  labels: Readonly<Record<string, string>>;
  command: readonly string[];
  entrypoint: readonly string[];
  workingDir: string;
  user: string;
  /** "80/tcp" */
  exposedPorts: readonly string[];
  volumes: readonly string[];
  healthcheck?: ContainerSpec['healthcheck'];
  stopSignal?: string;
}

export interface ObservedNetwork {
  id: string;
  name: string;
  driver: string;
  labels: Readonly<Record<string, string>>;
}

/** A remembered failure. It holds the service (or image, or network) until `notBeforeMs`, for the same spec hash only. */
export interface Setback {
  key: string;
  /** The version it was met with; a setback of another hash is void. */
  specHash: string;
  reason: Reason;
  message: string;
  /** 1 after the first failure. */
  attempts: number;
  /** true: the same call would fail the same way; looked at again only at the longest interval. */
  permanent: boolean;
  /** Wall time of the first failure in this row, epoch milliseconds. */
  since: number;
  /** Monotonic milliseconds. */
  notBeforeMs: number;
  /** Wall time of the next try, for people; epoch milliseconds. */
  nextTryAt: number;
}

export interface PullProgress {
  image: string;
  /** `queued`: waits for one of the lanes. */
  state: 'queued' | 'running';
  currentBytes: number;
  /** 0 while unknown. */
  totalBytes: number;
  /** Wall time, epoch milliseconds. */
  since: number;
}
