import assert from 'node:assert/strict';
import { errorCode } from '../../src/base/errors.ts';
import type { ContainerSpec } from '../../src/model/container.ts';
import type { ContainerDetail, EngineSnapshot, ObservedContainer } from '../../src/model/observed.ts';
import type { Engine, EngineAction, EngineEvent } from '../../src/model/ports.ts';

/** What a host lets a case do around the port; one for the engine in memory, one for a real one. */
export interface EngineHost {
  engine: Engine;
  /** In front of every name of container, network and volume. */
  prefix: string;
  /** `sleeper` ignores SIGTERM, `graceful` ends at once with 0, `defaults` brings `IMAGE_DEFAULTS`. */
  images: { sleeper: string; graceful: string; defaults: string };
  /** Lets time pass until the promise settles. */
  drive<T>(promise: Promise<T>): Promise<T>;
  /** Lets time pass until the condition holds; fails when it takes too long. */
  until(condition: () => Promise<boolean> | boolean, what: string): Promise<void>;
  /** `docker kill`, `docker pause`, by container id. */
  kill(id: string): Promise<void>;
  pause(id: string): Promise<void>;
  /** A directory on the host that exists. */
  makeDirectory(): Promise<string>;
  /** A path on the host that does not exist. */
  missingPath(): string;
  removePath(path: string): Promise<void>;
  pathExists(path: string): boolean;
  /** A TCP port of the host that nothing listens on. */
  freePort(): Promise<number>;
  /** A process that is no container listens on this port. */
  occupyPort(port: number): Promise<void>;
}

/** What the image `defaults` brings along, in the form of an observed image. */
export const IMAGE_DEFAULTS = {
  env: { FROM_IMAGE: 'yes', SHARED: 'image' },
  labels: { 'image.vendor': 'somebody' },
  command: ['sleep', '100000'],
  workingDir: '/srv',
  user: 'app',
  exposedPorts: ['7000/tcp'],
  volumes: ['/data'],
} as const;

/** One case's view of the host: typed shorthand for calls, and the events since it began. */
export class EngineBench {
  readonly host: EngineHost;
  readonly events: EngineEvent[] = [];
  readonly #abort = new AbortController();
  #serial = 0;

  constructor(host: EngineHost) {
    this.host = host;
  }

  /** Starts to collect events; returns when the stream is connected. */
  async listen(): Promise<void> {
    void this.host.engine.watch((event) => this.events.push(event), this.#abort.signal);
    await this.host.until(() => this.events.some((event) => event.type === 'connected'), 'connected');
  }

  close(): void {
    this.#abort.abort();
  }

  name(word: string): string {
    this.#serial += 1;
    return `${this.host.prefix}${word}-${this.#serial}`;
  }

  /** A description that runs anywhere, with changes. */
  spec(change: Partial<ContainerSpec> = {}): ContainerSpec {
    return {
      image: this.host.images.sleeper,
      env: { MODE: 'test' },
      labels: {},
      ports: [],
      mounts: [],
      network: { mode: 'bridge' },
      privileged: false,
      restart: { name: 'no', maxRetries: 0 },
      limits: {},
      ...change,
    };
  }

  perform(action: EngineAction): Promise<{ id?: string; warnings?: readonly string[] }> {
    return this.host.drive(this.host.engine.perform(action, new AbortController().signal));
  }

  async create(name: string, change: Partial<ContainerSpec> = {}): Promise<string> {
    const { id } = await this.perform({
      ...BASE,
      kind: 'createContainer',
      name,
      spec: this.spec(change),
      labels: { 'colonies.managed': 'true', 'colonies.spec-hash': 'aaaa', ...change.labels },
      replaces: false,
    });
    assert.match(id ?? '', /^[0-9a-f]{64}$/, 'create answers the id');
    return id ?? '';
  }

  start(id: string, name = 'x'): Promise<unknown> {
    return this.perform({ ...BASE, kind: 'startContainer', id, name, replaces: false });
  }

  stop(id: string, timeoutS = 1): Promise<unknown> {
    return this.perform({ ...BASE, kind: 'stopContainer', id, name: 'x', timeoutS });
  }

  restart(id: string, timeoutS = 1): Promise<unknown> {
    return this.perform({ ...BASE, kind: 'restartContainer', id, name: 'x', timeoutS });
  }

  remove(id: string, force = false): Promise<unknown> {
    return this.perform({ ...BASE, kind: 'removeContainer', id, name: 'x', force });
  }

  unpause(id: string): Promise<unknown> {
    return this.perform({ ...BASE, kind: 'unpauseContainer', id, name: 'x' });
  }

  rename(id: string, from: string, name: string): Promise<unknown> {
    return this.perform({ ...BASE, kind: 'renameContainer', id, from, name });
  }

  async createNetwork(name: string): Promise<string> {
    const { id } = await this.perform({
      ...BASE,
      kind: 'createNetwork',
      name,
      driver: 'bridge',
      labels: { 'colonies.managed': 'true' },
    });
    return id ?? '';
  }

  connect(id: string, network: string, aliases: readonly string[] = []): Promise<unknown> {
    return this.perform({ ...BASE, kind: 'connectNetwork', id, name: 'x', network, aliases });
  }

  disconnect(id: string, network: string): Promise<unknown> {
    return this.perform({ ...BASE, kind: 'disconnectNetwork', id, name: 'x', network });
  }

  removeNetwork(id: string, name: string): Promise<unknown> {
    return this.perform({ ...BASE, kind: 'removeNetwork', id, name });
  }

  removeVolume(name: string): Promise<unknown> {
    return this.perform({ ...BASE, kind: 'removeVolume', name });
  }

  removeImage(id: string): Promise<unknown> {
    return this.perform({ ...BASE, kind: 'removeImage', id, name: 'x' });
  }

  snapshot(images: readonly string[] = [], volumes: readonly string[] = []): Promise<EngineSnapshot> {
    return this.host.drive(this.host.engine.snapshot({ images, volumes }, new AbortController().signal));
  }

  /** The container as the next look shows it, inspected; undefined when it is gone. */
  async look(id: string): Promise<(ObservedContainer & { detail: ContainerDetail }) | undefined> {
    let seen: ObservedContainer | undefined;
    await this.host.until(async () => {
      seen = (await this.snapshot()).containers.find((container) => container.id === id);
      return seen === undefined || seen.detail !== undefined;
    }, `container ${id} to be inspected`);
    if (seen?.detail === undefined) return undefined;
    return { ...seen, detail: seen.detail };
  }

  /** As `look`, and fails when it is gone. */
  async see(id: string): Promise<ObservedContainer & { detail: ContainerDetail }> {
    const seen = await this.look(id);
    assert.ok(seen !== undefined, `container ${id} is there`);
    return seen;
  }

  /** Waits for an event of this object. */
  saw(action: string, id: string): Promise<void> {
    return this.host.until(
      () => this.events.some((event) => event.id === id && event.action === action),
      `event ${action} of ${id}; seen: ${this.events.map((event) => `${event.action} ${event.id}`).join(', ')}`,
    );
  }
}

const BASE = { lane: 'test', blueprint: 'test', cause: 'test', specHash: 'aaaa', liveHash: 'bbbb' } as const;

/** Asserts that the call is refused with one of these codes. */
export async function refused(call: Promise<unknown>, ...codes: string[]): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    assert.ok(codes.includes(errorCode(error)), `refused with ${errorCode(error)} (${error}), not ${codes}`);
    return error;
  }
  assert.fail(`not refused; expected ${codes}`);
}
