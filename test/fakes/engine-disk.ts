import type { DiskUse, ImageSize } from '../../src/model/disk.ts';
import type { EngineDisk } from '../../src/model/ports.ts';
import type { FakeEngine } from './engine.ts';
import { engineError, normalReference } from './engine-types.ts';
import type { Life } from './life.ts';

/** The disk of a fake engine: what its images take, what registries would bring, and what else lies on it. */
export class FakeDisk {
  totalBytes: number;
  /** Taken by everything but images. */
  otherBytes = 0;
  /** true: the engine's data folder is not to be seen. */
  isHidden = false;
  /** true: no registry tells sizes. */
  isMute = false;
  /** Bytes of layers that need not be loaded, by reference. */
  readonly shared = new Map<string, number>();
  /** Bytes of the layer that all these references have in common; it is in their sizes. */
  readonly common = new Map<string, number>();
  readonly asked: string[] = [];
  readonly #engine: FakeEngine;

  constructor(engine: FakeEngine, totalBytes: number) {
    this.#engine = engine;
    this.totalBytes = totalBytes;
  }

  open(life: Life): EngineDisk {
    return {
      use: () => life.guard(async () => this.use()),
      stock: () => life.guard(async () => this.#engine.world.stock()),
      sizeOf: (reference, isExact) => life.guard(async () => this.#sizeOf(reference, isExact)),
    };
  }

  use(): DiskUse | undefined {
    if (this.isHidden) return undefined;
    const images = this.#engine.world.stock().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const usedBytes = Math.min(this.totalBytes, images + this.otherBytes);
    return {
      path: '/var/lib/docker',
      totalBytes: this.totalBytes,
      freeBytes: this.totalBytes - usedBytes,
      usedPercent: (100 * usedBytes) / this.totalBytes,
    };
  }

  #sizeOf(reference: string, isExact: boolean): ImageSize {
    this.asked.push(`${reference}${isExact ? ' exactly' : ''}`);
    const offered = this.#engine.registry.get(normalReference(reference));
    if (this.isMute || !this.#engine.online || offered === undefined)
      throw engineError('REGISTRY_UNREACHABLE', reference);
    const all = offered.image.sizeBytes ?? 10_000_000;
    const bytes = isExact ? Math.max(0, all - (this.shared.get(reference) ?? 0)) : all;
    const common = Math.min(bytes, this.common.get(reference) ?? 0);
    const layer = (digest: string, neededBytes: number) => {
      return { digest, compressedBytes: Math.ceil(neededBytes / 3), neededBytes };
    };
    return { layers: [layer(`of ${reference}`, bytes - common), layer('common', common)] };
  }
}
