import { createHash } from 'node:crypto';
import type { StockImage } from '../../src/model/disk.ts';
import type { ObservedNetwork } from '../../src/model/observed.ts';
import type { EngineEvent } from '../../src/model/ports.ts';
import type { ManualClock } from './clock.ts';
import { type Box, engineError, type FakeImage, normalReference } from './engine-types.ts';

/** What lies around on a host beside processes: images, networks, volumes, paths, and the containers as records. */
export class EngineStock {
  readonly clock: ManualClock;
  readonly boxes = new Map<string, Box>();
  /** Normalised reference to image. */
  readonly tags = new Map<string, FakeImage>();
  /** Images that no reference names any more, by id. */
  readonly nameless = new Map<string, FakeImage>();
  readonly networks = new Map<string, ObservedNetwork>();
  readonly volumes = new Set<string>();
  /** Volumes ever removed, for tests that none is. */
  readonly removedVolumes: string[] = [];
  /** Host paths that exist; a bind source below one of them does not count. */
  readonly hostPaths = new Set<string>();
  /** Ports held by processes that are no containers, as "8080/tcp". */
  readonly foreignPorts = new Set<string>();
  onEvent: (event: EngineEvent) => void = () => {};
  #serial = 0;

  constructor(clock: ManualClock) {
    this.clock = clock;
    for (const name of ['bridge', 'host', 'none'])
      this.networks.set(name, {
        id: this.newId(),
        name,
        driver: name === 'none' ? 'null' : name,
        labels: {},
      });
  }

  newId(): string {
    this.#serial += 1;
    return createHash('sha256').update(`object ${this.#serial}`).digest('hex');
  }

  createNetwork(name: string, driver: string, labels: Readonly<Record<string, string>>): ObservedNetwork {
    const present = this.networks.get(name);
    if (present !== undefined) return present;
    const network = { id: this.newId(), name, driver, labels: { ...labels } };
    this.networks.set(name, network);
    this.onEvent({ type: 'network', action: 'create', id: network.id, name });
    return network;
  }

  removeNetwork(name: string): void {
    const network = this.networks.get(name);
    if (network === undefined) return;
    for (const box of this.boxes.values())
      if (box.state === 'running' && box.networks.has(name))
        throw engineError('ENGINE_CONFLICT', name, `network ${name} has active endpoints`);
    this.networks.delete(name);
    this.onEvent({ type: 'network', action: 'destroy', id: network.id, name });
  }

  removeVolume(name: string): void {
    if (!this.volumes.has(name)) return;
    for (const box of this.boxes.values())
      if (box.spec.mounts.some((mount) => mount.type === 'volume' && mount.source === name))
        throw engineError('VOLUME_IN_USE', name, `volume is in use - [${box.id}]`);
    this.volumes.delete(name);
    this.removedVolumes.push(name);
    this.onEvent({ type: 'volume', action: 'destroy', id: name });
  }

  findImage(reference: string): FakeImage | undefined {
    const tagged = this.tags.get(normalReference(reference));
    if (tagged !== undefined) return tagged;
    for (const found of this.tags.values()) if (found.id === reference) return found;
    return undefined;
  }

  /** All images as the engine lists them. */
  stock(): StockImage[] {
    const all = new Map<string, StockImage & { tags: string[] }>();
    const add = (found: FakeImage) => {
      const entry = all.get(found.id) ?? {
        id: found.id,
        tags: [],
        digests: [],
        sizeBytes: found.sizeBytes ?? 10_000_000,
      };
      all.set(found.id, entry);
      return entry;
    };
    for (const found of this.nameless.values()) add(found);
    for (const [reference, found] of this.tags) add(found).tags.push(reference);
    return [...all.values()];
  }

  /** `DELETE /images/{id}` without force. */
  removeImage(id: string): void {
    for (const box of this.boxes.values())
      if (box.image.id === id)
        throw engineError('IMAGE_IN_USE', id, `unable to delete, image is being used by ${box.name}`);
    this.nameless.delete(id);
    for (const [reference, found] of this.tags)
      if (found.id === id) {
        this.tags.delete(reference);
        this.onEvent({ type: 'image', action: 'untag', id });
      }
    this.onEvent({ type: 'image', action: 'delete', id });
  }

  /** Gives an image a name; the image that had it before loses it. */
  tag(reference: string, found: FakeImage): void {
    this.setTag(reference, found);
    this.onEvent({ type: 'image', action: 'tag', id: reference });
  }

  /** The same without an event of its own, as part of a pull. */
  setTag(reference: string, found: FakeImage): void {
    const name = normalReference(reference);
    const before = this.tags.get(name);
    this.tags.set(name, found);
    if (before !== undefined && ![...this.tags.values()].some(({ id }) => id === before.id))
      this.nameless.set(before.id, before);
    this.nameless.delete(found.id);
  }
}
