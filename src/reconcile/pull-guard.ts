import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { bytesText, type DiskUse, imageIdOf, type LayerSize, type StockImage, sumOf } from '../model/disk.ts';
import type { EngineDisk } from '../model/ports.ts';
import { familiar } from './wanted.ts';

/** What stays free beside the image: a share of the disk, and this at most. */
const RESERVE_SHARE = 0.05;
const MOST_RESERVE_BYTES = 2 ** 30;

/** Most other images of one change that are asked about. */
const MOST_TOGETHER = 32;

/** A pull under way: what it and the rest of its change take in all, and what was free when it began. */
interface Promised {
  layers: readonly LayerSize[];
  freeBytes: number;
}

/** Layers to load of an image, and of each other one of its change of which a registry tells. */
type Need = Map<string, readonly LayerSize[]>;

/** An image to be pulled, and what the same change has still to pull beside it. */
export interface PullRequest {
  image: string;
  together: readonly string[];
}

/**
 * Stands before every pull: refuses one that cannot fit, alone or with the rest of its change, and notes whether it brought
 * an image that was not there before. It is a help and no gate: what the disk or a registry does not tell does not count.
 */
export class PullGuard {
  readonly #disk: EngineDisk | undefined;
  readonly #log: Logger;
  readonly #promised = new Map<string, Promised>();

  constructor(disk: EngineDisk | undefined, log: Logger) {
    this.#disk = disk;
    this.#log = log;
  }

  /** Runs a pull; `id` of the image when nobody had brought it before. Throws `DISK_FULL` with numbers before anything
   *  is touched, and as the pull does. */
  async pull(request: PullRequest, signal: AbortSignal, pull: () => Promise<void>): Promise<{ id?: string }> {
    const { image } = request;
    const disk = this.#disk;
    if (disk === undefined) {
      await pull();
      return {};
    }
    await this.#admit(disk, request, signal);
    try {
      const before = await this.#stock(disk, signal);
      await pull();
      if (before === undefined) return {};
      const id = idOf(image, (await this.#stock(disk, signal)) ?? []);
      return id === undefined || before.some((one) => one.id === id) ? {} : { id };
    } finally {
      await this.#release(disk, image, signal);
    }
  }

  async #admit(disk: EngineDisk, { image, together }: PullRequest, signal: AbortSignal): Promise<void> {
    try {
      let use = await disk.use(signal);
      if (use === undefined) return;
      let need: Need = new Map([[image, (await disk.sizeOf(image, false, signal)).layers]]);
      for (const other of together.slice(0, MOST_TOGETHER)) {
        const layers = await this.#layersOf(disk, other, false, signal);
        if (layers !== undefined) need.set(other, layers);
      }
      if (this.#missing(need, use) > 0) {
        need = await this.#exactly(disk, need, signal);
        use = (await disk.use(signal)) ?? use;
      }
      // Nothing is awaited from here to the promise: two pulls must not take the same room.
      if (this.#missing(need, use) > 0) throw this.#tooLarge(image, need, use);
      this.#promised.set(image, { layers: [...need.values()].flat(), freeBytes: use.freeBytes });
    } catch (error) {
      if (signal.aborted || errorCode(error) === 'DISK_FULL') throw error;
      this.#log.debug('space for a pull is not known', { image, detail: errorText(error) });
    }
  }

  /** The same without layers that the engine has, where that can be told. */
  async #exactly(disk: EngineDisk, need: Need, signal: AbortSignal): Promise<Need> {
    const exact: Need = new Map();
    for (const [image, layers] of need)
      exact.set(image, (await this.#layersOf(disk, image, true, signal)) ?? layers);
    return exact;
  }

  /** Undefined when its registry does not tell. */
  async #layersOf(
    disk: EngineDisk,
    image: string,
    isExact: boolean,
    signal: AbortSignal,
  ): Promise<readonly LayerSize[] | undefined> {
    try {
      return (await disk.sizeOf(image, isExact, signal)).layers;
    } catch (error) {
      if (signal.aborted) throw error;
      this.#log.debug('space for a pull is not known', { image, detail: errorText(error) });
      return undefined;
    }
  }

  /** Bytes short of what this need takes beside the reserve and what pulls under way have still to take; layers that they
   *  share count once. */
  #missing(need: Need, { totalBytes, freeBytes }: DiskUse): number {
    const promised = [...this.#promised.values()];
    const layers = promised.flatMap((one) => one.layers);
    const { neededBytes } = sumOf([...[...need.values()].flat(), ...layers]);
    const taken = Math.max(0, ...promised.map((one) => one.freeBytes - freeBytes));
    return neededBytes - Math.min(taken, sumOf(layers).neededBytes) - (freeBytes - reserveBytes(totalBytes));
  }

  /** What others have taken meanwhile, and not this one, is not known: they count from here on. */
  async #release(disk: EngineDisk, image: string, signal: AbortSignal): Promise<void> {
    this.#promised.delete(image);
    if (this.#promised.size === 0) return;
    const use = await disk.use(signal).catch(() => undefined);
    if (use === undefined) return;
    for (const promised of this.#promised.values())
      promised.freeBytes = Math.min(promised.freeBytes, use.freeBytes);
  }

  #tooLarge(image: string, need: Need, use: DiskUse): EdgeError {
    const own = sumOf(need.get(image) ?? []);
    const others = [...need.keys()].filter((other) => other !== image);
    const all = bytesText(sumOf([...need.values()].flat()).neededBytes);
    const more =
      others.length === 0
        ? ''
        : `, and with ${listText(others)}, which the same change has still to pull, ${all} in all`;
    const reserve = bytesText(reserveBytes(use.totalBytes));
    const rest =
      this.#promised.size === 0
        ? `, of which ${reserve} stay free`
        : `; ${reserve} stay free, and other pulls need the rest`;
    return new EdgeError(
      `image ${image} needs ${bytesText(own.neededBytes)} (${bytesText(own.compressedBytes)} to load, and unpacked)${more}, ` +
        `${bytesText(use.freeBytes, 'down')} are free on ${use.path}${rest}; nothing was touched`,
      { code: 'DISK_FULL', retry: 'transient', target: image },
    );
  }

  /** Whose image it was can then not be said, and so it is nobody's to remove. */
  async #stock(disk: EngineDisk, signal: AbortSignal): Promise<readonly StockImage[] | undefined> {
    try {
      return await disk.stock(signal);
    } catch (error) {
      this.#log.debug('images cannot be listed', { detail: errorText(error) });
      return undefined;
    }
  }
}

function reserveBytes(totalBytes: number): number {
  return Math.min(MOST_RESERVE_BYTES, totalBytes * RESERVE_SHARE);
}

/** The image that a reference stands for. */
function idOf(reference: string, stock: readonly StockImage[]): string | undefined {
  const name = familiar(reference);
  const digest = reference.includes('@') ? familiar(reference.replace(/:[^:/@]*@/, '@')) : undefined;
  const found = stock.find(
    ({ tags, digests }) =>
      tags.some((tag) => familiar(tag) === name) || digests.some((one) => familiar(one) === digest),
  );
  return found === undefined ? undefined : imageIdOf(found.id);
}

/** "a:1 and b:1", "a:1, b:1 and 3 more" */
function listText(names: readonly string[]): string {
  const shown = names.slice(0, names.length > 3 ? 2 : 3);
  const rest = names.length - shown.length;
  const parts = rest === 0 ? shown : [...shown, `${rest} more`];
  return [parts.slice(0, -1).join(', '), ...parts.slice(-1)].filter((part) => part !== '').join(' and ');
}
