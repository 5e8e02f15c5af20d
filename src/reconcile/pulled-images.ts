import type { Clock } from '../base/clock.ts';
import { imageIdOf, type PulledImage, type WatchedImage } from '../model/disk.ts';
import type { EngineSnapshot } from '../model/observed.ts';

/** Most images that are remembered; those that would come after them are never removed. */
const MOST = 500;

/**
 * The images that this agent pulled, and since when nothing needs them. Only an image in here is ever removed, so what is
 * lost here costs space and nothing else. What is kept on disk changes when an image comes, goes out of use, is used
 * again or is gone: not with time.
 */
export class PulledImages {
  readonly #clock: Clock;
  readonly #images = new Map<string, WatchedImage>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  load(images: readonly PulledImage[] = []): void {
    for (const image of images.slice(0, MOST)) this.#images.set(image.id, image);
  }

  /** What must outlive a restart, in a fixed order. */
  save(): readonly PulledImage[] {
    return [...this.#images.values()]
      .map(({ unusedSinceMs: _unusedSinceMs, ...image }) => image)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  view(): readonly WatchedImage[] {
    return [...this.#images.values()];
  }

  /** An image that was not on the engine before this agent pulled it, or one of those under one more reference. */
  add(id: string, ref: string): void {
    const known = this.#images.get(id);
    if (known === undefined && this.#images.size >= MOST) return;
    const refs = [...new Set([...(known?.refs ?? []), ref])].sort();
    this.#images.set(id, { ...known, id, refs, pulledAt: known?.pulledAt ?? this.#clock.now() });
  }

  has(id: string): boolean {
    return this.#images.has(id);
  }

  forget(id: string): void {
    this.#images.delete(id);
  }

  /** After a look with a known desired state: which are in use, and which are gone. An age counts from what was seen
   *  here: a clock that jumps, or a time without the agent, makes no image older. */
  review({ containers, images, stock }: EngineSnapshot): void {
    if (stock === undefined || this.#images.size === 0) return;
    const present = new Set(stock.map(({ id }) => id));
    const used = new Set(containers.map(({ imageId }) => imageIdOf(imageId)));
    for (const image of images.values()) if (image !== null) used.add(imageIdOf(image.id));
    for (const [id, image] of this.#images) {
      if (!present.has(id)) this.#images.delete(id);
      else if (used.has(id)) {
        const { lastUsedAt: _lastUsedAt, unusedSinceMs, ...rest } = image;
        if (image.lastUsedAt !== undefined || unusedSinceMs !== undefined) this.#images.set(id, rest);
      } else if (image.unusedSinceMs === undefined) {
        const lastUsedAt = image.lastUsedAt ?? this.#clock.now();
        this.#images.set(id, { ...image, lastUsedAt, unusedSinceMs: this.#clock.monoMs() });
      }
    }
  }
}
