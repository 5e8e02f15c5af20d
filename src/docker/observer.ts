import { lru } from 'tiny-lru';
import type { Clock } from '../base/clock.ts';
import { EdgeError, errorCode } from '../base/errors.ts';
import { LABEL, type NetworkSpec } from '../model/container.ts';
import { isEngineOutage } from '../model/engine-codes.ts';
import { canonicalJson } from '../model/hash.ts';
import type { ContainerDetail, EngineSnapshot, ObservedContainer, ObservedImage } from '../model/observed.ts';
import type { EngineEvent, Wanted } from '../model/ports.ts';
import type { Deadlines } from './deadlines.ts';
import { decodeDetail, decodeImage, decodeListing, decodeNetworks, decodeStock } from './decode.ts';
import { carriesDigest, pinnedDigest } from './digest.ts';
import { listAt, requireList, textAt, textsAt } from './json.ts';
import { Lookups } from './lookups.ts';
import type { Call, Transport } from './transport.ts';
import type { Versions } from './version.ts';

interface KeptDetail {
  tag: string;
  detail: ContainerDetail;
  atMs: number;
}

/** Most containers and images whose inspections are kept. */
const MOST_KEPT = 1024;
/** Least time between two repeated inspections of containers that did not seem to change. */
const SCRUB_MS = 20_000;
/** While no events vouch for it, an inspection counts this long: enough for one that came late to be looked at. */
const FRESH_MS = 2_000;

/**
 * Looks at the engine. Listings are always made anew; inspections are kept as long as the event stream is up, the
 * listing's entry stays the same and no event names the container. Everything kept is bounded.
 */
export class Observer {
  readonly #transport: Transport;
  readonly #versions: Versions;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #details = lru<KeptDetail>(MOST_KEPT);
  readonly #refs = lru<ObservedImage | null>(MOST_KEPT);
  readonly #inspections: Lookups<ContainerDetail>;
  readonly #images: Lookups<ObservedImage | null>;
  #tags = '';
  #live = false;
  #scrubbedMs = Number.NEGATIVE_INFINITY;
  readonly #watched: () => boolean;

  constructor(
    transport: Transport,
    versions: Versions,
    clock: Clock,
    deadlines: Deadlines,
    announce: (event: EngineEvent) => void,
    /** Whether anybody would hear an announcement. */
    watched: () => boolean,
  ) {
    this.#watched = watched;
    this.#transport = transport;
    this.#versions = versions;
    this.#clock = clock;
    this.#deadlines = deadlines;
    this.#inspections = new Lookups({
      clock,
      most: 8,
      patienceMs: 250,
      run: (id, signal) => this.#inspect(id, signal),
      keep: (id, tag, detail) => this.#details.set(id, { tag, detail, atMs: clock.monoMs() }),
      announce: (id) => announce({ type: 'container', action: 'inspected', id }),
    });
    this.#images = new Lookups({
      clock,
      most: 4,
      patienceMs: 1_000,
      run: (ref, signal) => this.#inspectImage(ref, signal),
      keep: (ref, _tag, image) => this.#refs.set(ref, image),
      announce: (ref) => announce({ type: 'image', action: 'inspected', id: ref }),
    });
  }

  /** One complete look. Throws when one of the listings fails, or when the engine goes away in the middle. */
  async snapshot(wanted: Wanted, signal: AbortSignal): Promise<EngineSnapshot> {
    const { api } = await this.#versions.version(signal);
    const get = async (path: string, signal: AbortSignal) => {
      const deadlineMs = this.#deadlines.listMs;
      const call: Call = { method: 'GET', path: `/v${api}${path}`, deadlineMs, signal, subject: 'engine' };
      return (await this.#transport.send(call)).json;
    };
    const [info, listed, networks, { tags, stock }, volumes] = await together(signal, (inner) => [
      this.#versions.info(inner),
      get('/containers/json?all=1', inner).then(decodeListing),
      get('/networks', inner).then(decodeNetworks),
      get('/images/json', inner).then((json) => ({ tags: imageTags(json), stock: decodeStock(json) })),
      wanted.volumes.length === 0
        ? new Set<string>()
        : get('/volumes', inner).then((json) => pick(json, wanted.volumes)),
    ]);
    if (tags !== this.#tags) this.#forgetImages();
    this.#tags = tags;
    const [details, images] = await together(signal, (inner) => [
      this.#detailsOf(listed, inner),
      this.#imagesOf(wanted.images, inner),
    ]);
    const names = new Map(listed.map(({ container }) => [container.id, container.name]));
    const asWanted = info.name === 'podman' ? familiarNames(wanted.images) : new Map<string, string>();
    const containers = listed.map(({ container }): ObservedContainer => {
      const image = asWanted.get(container.image) ?? container.image;
      const detail = details.get(container.id);
      if (detail === undefined) return { ...container, image };
      const { spec } = detail;
      const network = namedNetwork(spec.network, names);
      const named = { ...spec, network, image: asWanted.get(spec.image) ?? spec.image };
      return { ...container, image, detail: { ...detail, spec: named } };
    });
    const { hostname: _hostname, ...engine } = info;
    return { engine, containers, images, networks, volumes, stock };
  }

  /** The event stream is up: what happened before is unknown, what happens from now on is told. */
  streamUp(): void {
    this.#forgetAll();
    this.#live = true;
  }

  streamDown(): void {
    this.#forgetAll();
    this.#live = false;
  }

  /** Something happened to this container; the id may be unknown here. */
  containerChanged(id: string): void {
    this.#details.delete(id);
    this.#inspections.drop(id);
  }

  imageChanged(): void {
    this.#forgetImages();
  }

  /** Seconds a container was told to get for stopping, where an inspection said so. */
  stopTimeoutOf(id: string): number | undefined {
    return this.#details.peek(id)?.detail.spec.stopTimeoutS;
  }

  close(): void {
    this.#inspections.close();
    this.#images.close();
  }

  #forgetAll(): void {
    this.#details.clear();
    this.#inspections.dropAll();
    this.#forgetImages();
  }

  #forgetImages(): void {
    this.#refs.clear();
    this.#images.dropAll();
  }

  async #detailsOf(
    listed: readonly { container: ObservedContainer; fingerprint: string }[],
    signal: AbortSignal,
  ): Promise<Map<string, ContainerDetail>> {
    const details = new Map<string, ContainerDetail>();
    const now = this.#clock.monoMs();
    const wants: { key: string; tag: string }[] = [];
    let oldest: { key: string; tag: string; atMs: number } | undefined;
    for (const { container, fingerprint } of listed) {
      if (container.labels[LABEL.managed] !== 'true') continue;
      const kept = this.#details.get(container.id);
      const vouched = kept !== undefined && (this.#live || now - kept.atMs < FRESH_MS);
      if (!vouched || kept.tag !== fingerprint) {
        wants.push({ key: container.id, tag: fingerprint });
        continue;
      }
      details.set(container.id, kept.detail);
      if (oldest === undefined || kept.atMs < oldest.atMs)
        oldest = { key: container.id, tag: fingerprint, atMs: kept.atMs };
    }
    // Drift that no event and no listing shows is found in the end, at a price an idle agent can pay.
    if (oldest !== undefined && now - oldest.atMs >= SCRUB_MS && now - this.#scrubbedMs >= SCRUB_MS) {
      this.#scrubbedMs = now;
      wants.push(oldest);
    }
    for (const [id, found] of await this.#inspections.gather(wants, !this.#watched(), signal)) {
      if (found.ok) details.set(id, found.value);
      else throwOutage(found.error);
    }
    return details;
  }

  async #imagesOf(
    references: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, ObservedImage | null>> {
    const images = new Map<string, ObservedImage | null>();
    const wants: { key: string; tag: string }[] = [];
    for (const ref of new Set(references)) {
      const kept = this.#live ? this.#refs.get(ref) : undefined;
      if (kept === undefined) wants.push({ key: ref, tag: '' });
      else images.set(ref, kept);
    }
    for (const [ref, found] of await this.#images.gather(wants, !this.#watched(), signal)) {
      if (found.ok) images.set(ref, found.value);
      else throwOutage(found.error);
    }
    return images;
  }

  async #inspect(id: string, signal: AbortSignal): Promise<ContainerDetail> {
    const { api } = await this.#versions.version(signal);
    const answer = await this.#transport.send({
      method: 'GET',
      path: `/v${api}/containers/${encodeURIComponent(id)}/json`,
      deadlineMs: this.#deadlines.inspectMs,
      signal,
      subject: 'container',
      target: id,
    });
    const { hostname, name } = await this.#versions.info(signal);
    return decodeDetail(answer.json, { hostname, podman: name === 'podman' });
  }

  /** `null`: not there, or nothing that could ever be there; a pull then says what is wrong with it. */
  async #inspectImage(ref: string, signal: AbortSignal): Promise<ObservedImage | null> {
    const { api } = await this.#versions.version(signal);
    try {
      const answer = await this.#transport.send({
        method: 'GET',
        path: `/v${api}/images/${encodeReference(ref)}/json`,
        deadlineMs: this.#deadlines.inspectMs,
        signal,
        subject: 'image',
        target: ref,
      });
      const pin = pinnedDigest(ref);
      if (pin !== undefined && !carriesDigest(answer.json, pin)) return null;
      return decodeImage(answer.json);
    } catch (error) {
      if (errorCode(error) === 'IMAGE_NOT_FOUND' || errorCode(error) === 'BAD_REFERENCE') return null;
      throw error;
    }
  }
}

/** A reference as part of a path: its slashes stay, everything odd is escaped. */
export function encodeReference(ref: string): string {
  return ref.split('/').map(encodeURIComponent).join('/').replaceAll('%3A', ':').replaceAll('%40', '@');
}

/** The engine went away in the middle: nothing of this look can be relied on. One slow or broken thing is no reason. */
function throwOutage(error: unknown): void {
  if (error instanceof EdgeError && isEngineOutage(error.code) && error.code !== 'ENGINE_TIMEOUT')
    throw error;
}

/** All of them, or the first failure; the others are then given up. */
async function together<T extends readonly unknown[] | []>(
  outer: AbortSignal,
  make: (inner: AbortSignal) => T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const controller = new AbortController();
  const onAbort = () => controller.abort(outer.reason);
  if (outer.aborted) onAbort();
  outer.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.all(make(controller.signal));
  } catch (error) {
    controller.abort(error);
    throw error;
  } finally {
    outer.removeEventListener('abort', onAbort);
  }
}

/** Ids, tags and digests of `GET /images/json` as one text: it changes when a tag moves. */
function imageTags(json: unknown): string {
  return canonicalJson(
    requireList(json, 'GET /images/json', 'Id').map((item) => [
      textAt(item, 'Id'),
      textsAt(item, 'RepoTags'),
      textsAt(item, 'RepoDigests'),
    ]),
  );
}

/** Those of the wanted names that `GET /volumes` lists. */
function pick(json: unknown, wanted: readonly string[]): Set<string> {
  const present = new Set(listAt(json, 'Volumes').map((item) => textAt(item, 'Name')));
  return new Set(wanted.filter((name) => present.has(name)));
}

/** The engine stores `container:<id>` for `container:<name>`; the name is what was asked for. */
function namedNetwork(network: NetworkSpec, names: ReadonlyMap<string, string>): NetworkSpec {
  const name = network.mode === 'container' ? names.get(network.container) : undefined;
  return name === undefined || name === '' ? network : { mode: 'container', container: name };
}

/** Podman stores a reference in full; the wanted one it stands for, by each full form it may have. */
function familiarNames(references: readonly string[]): Map<string, string> {
  const familiar = new Map<string, string>();
  for (const ref of references) {
    const tagged = ref.includes('@') || ref.lastIndexOf(':') > ref.lastIndexOf('/') ? ref : `${ref}:latest`;
    const prefixes = ref.includes('/')
      ? ['docker.io/', 'localhost/', '']
      : ['docker.io/library/', 'localhost/', ''];
    for (const prefix of prefixes) familiar.set(prefix + tagged, ref);
  }
  return familiar;
}
