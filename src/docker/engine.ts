import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { ObservedContainer } from '../model/observed.ts';
import type { Engine, EngineDisk, EngineEvent } from '../model/ports.ts';
import { readContainerFile } from './archive.ts';
import { DEFAULT_DEADLINES, type Deadlines } from './deadlines.ts';
import { decodeListing } from './decode.ts';
import { createEngineDisk } from './engine-disk.ts';
import { watchEvents } from './events.ts';
import { execIn } from './exec.ts';
import { listAt, numberAt, objectAt } from './json.ts';
import { type LogLine, type LogOptions, readLogs } from './logs.ts';
import { Observer } from './observer.ts';
import { performAction } from './perform.ts';
import { pullChecked } from './pull-checked.ts';
import type { CredentialSources } from './registry-auth.ts';
import { createThrottling } from './throttling.ts';
import { createTransport } from './transport.ts';
import { createVersions, type EngineVersion, type FullInfo } from './version.ts';

export interface DockerEngineOptions {
  /** `unix:///path` as in DOCKER_HOST; absent or empty: `unix:///var/run/docker.sock`. */
  endpoint?: string | undefined;
  clock: Clock;
  random: Random;
  log: Logger;
  deadlines?: Partial<Deadlines>;
  /** Credentials for registries; absent: pulls are anonymous, and sizes of images are asked for so. */
  registryAuth?: Pick<CredentialSources, 'find' | 'credentialsFor'> | undefined;
  /** Where certificates of private registries are; default: Docker's own folder. */
  certsDir?: string | undefined;
  /** Most that all pulls together take of the link; absent or without a number: all there is. What was left by pulls with a
   *  bandwidth is removed in either case. */
  bandwidth?: { node: string; bytesPerSecond: number | undefined } | undefined;
}

/** Bytes the engine's things take on its disk. */
export interface DiskUsage {
  imagesBytes: number;
  containersBytes: number;
  volumesBytes: number;
  buildCacheBytes: number;
}

/** The engine port, and what the command line asks beside it. */
export interface DockerEngine extends Engine {
  /** The disk it keeps its images on. */
  readonly storage: EngineDisk;
  /** Registries whose images are pulled without the bandwidth, and why; one line each. */
  warnings(): readonly string[];
  /** One cheap call; throws one of the outage codes when the engine does not answer. */
  ping(signal: AbortSignal): Promise<void>;
  version(signal: AbortSignal): Promise<EngineVersion>;
  info(signal: AbortSignal): Promise<FullInfo>;
  /** Slow on a full disk: the engine counts everything. */
  disk(signal: AbortSignal): Promise<DiskUsage>;
  /** Lines of a container, by id or name. */
  logs(container: string, options: LogOptions): AsyncIterable<LogLine>;
  /** Containers, running or not, that carry all of these labels; an empty value matches any. Without details. */
  findContainers(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<ObservedContainer[]>;
}

/** Connects to nothing until the first call. Throws `BAD_ENDPOINT` when the endpoint is no unix socket. */
export function createDockerEngine(options: DockerEngineOptions): DockerEngine {
  const { clock, log } = options;
  const deadlines: Deadlines = { ...DEFAULT_DEADLINES, ...options.deadlines };
  const transport = createTransport({
    endpoint: options.endpoint,
    clock,
    // The next engine at this socket may be another version.
    onBroken: () => versions.forget(),
  });
  const versions = createVersions(transport, deadlines.versionMs);
  const listeners = new Set<(event: EngineEvent) => void>();
  const tell = (event: EngineEvent) => {
    for (const listener of listeners) listener(event);
  };
  const closing = new AbortController();
  const observer = new Observer(transport, versions, clock, deadlines, tell, () => listeners.size > 0);
  const get = async (path: string, deadlineMs: number, signal: AbortSignal): Promise<unknown> => {
    const { api } = await versions.version(signal);
    const call = { method: 'GET', path: `/v${api}${path}`, deadlineMs, signal, subject: 'engine' } as const;
    return (await transport.send(call)).json;
  };

  const storage = createEngineDisk({
    clock,
    info: (signal) => versions.info(signal),
    get: (path, signal) => get(path, deadlines.listMs, signal),
    auth: options.registryAuth,
    certsDir: options.certsDir,
  });

  const throttling = createThrottling({ ...options, transport, deadlines, versions });

  return {
    storage,
    warnings: throttling.warnings,
    endpoint: transport.endpoint,
    snapshot: (wanted, signal) => observer.snapshot(wanted, signal),
    async perform(action, signal) {
      const { api } = await versions.version(signal);
      const id = 'id' in action ? action.id : '';
      const stopTimeoutOf = (container: string) => observer.stopTimeoutOf(container);
      try {
        return await performAction({ transport, api, deadlines, stopTimeoutOf }, action, signal);
      } finally {
        // Its event may come later than the next look.
        if (id !== '') observer.containerChanged(id);
      }
    },
    async readFile(id, path, headBytes, signal) {
      const { api } = await versions.version(signal);
      return readContainerFile({ transport, api, deadlines }, { id, path, headBytes }, signal);
    },
    async exec(id, command, signal) {
      const { api } = await versions.version(signal);
      return execIn({ transport, api, deadlines, clock }, id, command, signal);
    },
    async pull(image, { signal, onProgress }) {
      const { api } = await versions.version(signal);
      try {
        const { registryAuth: auth } = options;
        const throttle = await throttling.throttle();
        await pullChecked({ transport, api, deadlines, auth, throttle }, image, { signal, onProgress });
      } finally {
        observer.imageChanged();
      }
    },
    async watch(onEvent, signal) {
      const ended = new AbortController();
      const end = () => ended.abort();
      for (const one of [signal, closing.signal])
        if (one.aborted) end();
        else one.addEventListener('abort', end, { once: true });
      listeners.add(onEvent);
      const parts = { transport, versions, clock, random: options.random, openMs: deadlines.eventsOpenMs };
      try {
        await watchEvents(
          {
            ...parts,
            onUp: () => {
              observer.streamUp();
              void throttling.tidy();
              log.debug('engine events connected', { endpoint: transport.endpoint });
              onEvent({ type: 'connected', action: '', id: '' });
            },
            onDown: (cause) => {
              observer.streamDown();
              log.debug('engine events lost', { code: cause.code, cause: cause.message });
              onEvent({ type: 'disconnected', action: cause.message, id: '' });
            },
            onEvent: ({ event, containers }) => {
              for (const id of containers) observer.containerChanged(id);
              if (event.type === 'image') observer.imageChanged();
              onEvent(event);
            },
          },
          ended.signal,
        );
      } finally {
        for (const one of [signal, closing.signal]) one.removeEventListener('abort', end);
        listeners.delete(onEvent);
        observer.streamDown();
      }
    },
    async close() {
      closing.abort();
      observer.close();
      await throttling.close();
      await transport.close();
    },
    async ping(signal) {
      const call = { method: 'GET', path: '/version', deadlineMs: deadlines.versionMs, signal } as const;
      await transport.send({ ...call, subject: 'engine' });
    },
    version: (signal) => versions.version(signal),
    info: (signal) => versions.info(signal),
    async disk(signal) {
      return decodeDisk(await get('/system/df', deadlines.createMs, signal));
    },
    async *logs(container, logOptions) {
      const { api } = await versions.version(logOptions.signal);
      yield* readLogs(transport, api, container, logOptions, deadlines.listMs);
    },
    async findContainers(labels, signal) {
      const label = Object.entries(labels).map(([key, value]) => (value === '' ? key : `${key}=${value}`));
      const filters = encodeURIComponent(JSON.stringify({ label }));
      const json = await get(`/containers/json?all=1&filters=${filters}`, deadlines.listMs, signal);
      return decodeListing(json).map(({ container }) => container);
    },
  };
}

/** Decodes `GET /system/df`, whose shape changed with API 1.52 (totals instead of lists). */
function decodeDisk(json: unknown): DiskUsage {
  const sum = (list: string, size: (item: unknown) => number) =>
    listAt(json, list).reduce<number>((total, item) => total + Math.max(0, size(item)), 0);
  const total = (key: string) => numberAt(objectAt(json, key), 'TotalSize');
  return {
    imagesBytes: numberAt(json, 'LayersSize') || total('ImageUsage'),
    containersBytes: sum('Containers', (item) => numberAt(item, 'SizeRw')) || total('ContainerUsage'),
    volumesBytes:
      sum('Volumes', (item) => numberAt(objectAt(item, 'UsageData'), 'Size')) || total('VolumeUsage'),
    buildCacheBytes: sum('BuildCache', (item) => numberAt(item, 'Size')) || total('BuildCacheUsage'),
  };
}
