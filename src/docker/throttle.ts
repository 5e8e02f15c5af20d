import { lru } from 'tiny-lru';
import type { Clock } from '../base/clock.ts';
import { EdgeError, errorText } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { deadlineOf } from './deadline.ts';
import type { Deadlines } from './deadlines.ts';
import { engineError } from './errors.ts';
import { MANIFEST_TYPES } from './manifest.ts';
import { pullImage, splitReference } from './pull.ts';
import { Registry } from './registry.ts';
import type { RegistryCredentials } from './registry-auth.ts';
import { decodeRegistries, type RegistryImage, registryImage } from './registry-host.ts';
import { Relay, type Route } from './relay.ts';
import { relayRepository } from './relay-references.ts';
import { removeRelayReferences } from './relay-tidy.ts';
import { TokenBucket } from './token-bucket.ts';
import type { Transport } from './transport.ts';
import { CERTS_DIR, trustedBy } from './trusted.ts';

export interface ThrottleParts {
  transport: Transport;
  clock: Clock;
  random: Random;
  deadlines: Deadlines;
  /** `GET /info` of the engine. */
  info(signal: AbortSignal): Promise<unknown>;
  /** podman speaks to no registry without TLS, also not on loopback. */
  isPodman(signal: AbortSignal): Promise<boolean>;
  /** The node's part in the relay's references. */
  owner: string;
  bytesPerSecond: number;
  certsDir?: string | undefined;
}

/** One pull that is to be held to the bandwidth. */
export interface ThrottledPull {
  api: string;
  reference: string;
  credentials: RegistryCredentials | undefined;
  signal: AbortSignal;
  onProgress(currentBytes: number, totalBytes: number): void;
}

type Progress = ThrottledPull['onProgress'];

/** Longest time for the question whether the registry can be asked at all, milliseconds. */
const ASK_MS = 30_000;
/** The engine's own limit on layers at once is three; one more for what it asks beside. */
const CONNECTIONS = 4;
const MOST_WARNINGS = 20;

/**
 * Holds all pulls together to one bandwidth, which no engine can: it has the engine load an image's layers from a relay of its
 * own, and then pull the image by its true name, of which only the manifest is still missing. Where this is impossible the
 * pull goes on without a limit, and `warnings` says so: an image that never comes is worse.
 */
export class Throttle {
  readonly #parts: ThrottleParts;
  readonly #bucket: TokenBucket;
  readonly #running = new Set<string>();
  readonly #warnings = lru<string>(MOST_WARNINGS);
  #relay: Promise<Relay> | undefined;
  #users = 0;

  constructor(parts: ThrottleParts) {
    this.#parts = parts;
    this.#bucket = new TokenBucket(parts.bytesPerSecond);
  }

  /** Which registries' images are pulled without the limit, and why; one line each. */
  warnings(): readonly string[] {
    return [...this.#warnings.values()].filter((text) => text !== undefined);
  }

  /** Whether a pull (route) still needs its reference. */
  isRunning(route: string): boolean {
    return this.#running.has(route);
  }

  /** Pulls with the limit; `direct` is the pull by the true name. Throws as a pull does. */
  async pull(pull: ThrottledPull, direct: (onProgress: Progress) => Promise<void>): Promise<void> {
    const image = registryImage(pull.reference);
    if (image === undefined) return direct(pull.onProgress);
    const route = this.#parts.random.hex(16);
    this.#running.add(route);
    try {
      const obstacle = await this.#load(pull, image, route);
      // All layers are there: what the engine tells of the rest is not the progress of the pull.
      await direct(obstacle === undefined ? () => undefined : pull.onProgress);
      if (obstacle === undefined) this.#warnings.delete(image.registry);
      else
        this.#warnings.set(
          image.registry,
          `images from ${image.registry} are pulled without the limit of --bandwidth: ${obstacle}`,
        );
      this.#running.delete(route);
      // Only now: until the image has its true name, this one keeps the layers.
      await this.#tidy(pull.api);
    } finally {
      this.#running.delete(route);
    }
  }

  async close(): Promise<void> {
    await (await this.#relay?.catch(() => undefined))?.close();
  }

  async #tidy(api: string): Promise<void> {
    const { transport, deadlines, owner } = this.#parts;
    const isRunning = (route: string) => this.isRunning(route);
    await removeRelayReferences({ transport, api, deadlines }, owner, isRunning).catch(() => undefined);
  }

  /** Loads the layers through the relay; what stood in the way of that, if anything. */
  async #load(pull: ThrottledPull, image: RegistryImage, name: string): Promise<string | undefined> {
    const { signal, credentials } = pull;
    const { info, isPodman, certsDir = CERTS_DIR } = this.#parts;
    if (await isPodman(signal)) return 'podman loads images from no relay without TLS';
    const registries = decodeRegistries(await info(signal));
    if (registries.isBehindProxy(image.registry))
      return 'the engine goes through a proxy, which is not gone round';
    const ended = new AbortController();
    const end = () => ended.abort(signal.reason);
    signal.addEventListener('abort', end, { once: true });
    const registry = new Registry({
      image,
      isInsecure: registries.isInsecure(image.registry),
      credentials: async () => credentials,
      trusted: () => trustedBy(image.registry, certsDir),
      connections: CONNECTIONS,
      signal: ended.signal,
    });
    try {
      signal.throwIfAborted();
      const obstacle = await this.#ask(registry, image, pull);
      return obstacle ?? (await this.#through(registry, ended.signal, pull, name));
    } finally {
      signal.removeEventListener('abort', end);
      ended.abort(engineError('CANCELLED', 'the pull is over', pull.reference));
      await registry.close();
    }
  }

  /** What the registry refuses, it is left to refuse to the engine, in its own words. */
  async #ask(registry: Registry, image: RegistryImage, pull: ThrottledPull): Promise<string | undefined> {
    const { clock, deadlines } = this.#parts;
    const { signal, reference } = pull;
    const late = () => engineError('REGISTRY_UNREACHABLE', 'the registry did not say in time', reference);
    const limitMs = Math.min(ASK_MS, deadlines.pullStallMs);
    const deadline = deadlineOf(clock, limitMs, signal, `pull of ${reference}`, late);
    try {
      const asked = registry.check(`manifests/${image.version}`, MANIFEST_TYPES);
      await Promise.race([asked, rejected(deadline.signal)]);
      return undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      return errorText(error);
    } finally {
      deadline.done();
    }
  }

  async #through(
    registry: Registry,
    signal: AbortSignal,
    pull: ThrottledPull,
    name: string,
  ): Promise<string | undefined> {
    const { transport, clock, deadlines, owner } = this.#parts;
    const relay = await this.#enter(owner, clock);
    if (!(relay instanceof Relay)) return relay;
    const route: Route = { registry, signal, moved: () => undefined, requests: 0, failure: undefined };
    relay.add(name, route);
    const repository = `${relay.host}/${relayRepository(owner, name)}`;
    const { fromImage, tag } = splitReference(pull.reference);
    try {
      await pullImage(transport, pull.api, `${repository}${tag.includes(':') ? '@' : ':'}${tag}`, {
        signal: pull.signal,
        stallMs: deadlines.pullStallMs,
        onProgress: pull.onProgress,
        // The engine tells of every hundredth part of a layer: at a low rate that may take minutes.
        onOpen: (moved) => {
          route.moved = moved;
        },
      });
      return undefined;
    } catch (error) {
      if (pull.signal.aborted || !(error instanceof EdgeError)) throw error;
      if (route.requests === 0 && error.code === 'REGISTRY_UNREACHABLE')
        return `the engine does not reach this agent on loopback (${error.message})`;
      throw route.failure ?? renamed(error, pull.reference, [repository, fromImage]);
    } finally {
      relay.remove(name);
      await this.#leave(relay);
    }
  }

  /** The relay, open until everybody has left it; or why there is none. */
  async #enter(owner: string, clock: Clock): Promise<Relay | string> {
    this.#users += 1;
    this.#relay ??= Relay.open(owner, this.#bucket, clock);
    const opened = this.#relay;
    try {
      return await opened;
    } catch (error) {
      this.#users -= 1;
      if (this.#relay === opened) this.#relay = undefined;
      return `no relay could be opened (${errorText(error)})`;
    }
  }

  async #leave(relay: Relay): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#relay = undefined;
    await relay.close();
  }
}

/** The same error about the image by its true name. */
function renamed(error: EdgeError, target: string, [from, to]: readonly [string, string]): EdgeError {
  const { code, retry, cause } = error;
  return new EdgeError(error.message.replaceAll(from, to), { code, retry, target, cause });
}

function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
