import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { bytesText, type DiskUse, type ImageSize, imageIdOf, type StockImage } from '../model/disk.ts';
import type { EngineDisk } from '../model/ports.ts';
import { familiar } from './wanted.ts';

/** What stays free beside the image: a share of the disk, and this at most. */
const RESERVE_SHARE = 0.05;
const MOST_RESERVE_BYTES = 2 ** 30;

/** A pull under way: what it takes in all, and what was free when it began. */
interface Promised {
  neededBytes: number;
  freeBytes: number;
}

/**
 * Stands before every pull: refuses one that cannot fit, and notes whether it brought an image that was not there before.
 * It is a help and no gate: when the disk or the size cannot be known the pull goes on.
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
  async pull(image: string, signal: AbortSignal, pull: () => Promise<void>): Promise<{ id?: string }> {
    const disk = this.#disk;
    if (disk === undefined) {
      await pull();
      return {};
    }
    await this.#admit(disk, image, signal);
    try {
      const before = await this.#stock(disk, signal);
      await pull();
      if (before === undefined) return {};
      const id = idOf(image, (await this.#stock(disk, signal)) ?? []);
      return id === undefined || before.some((one) => one.id === id) ? {} : { id };
    } finally {
      this.#promised.delete(image);
    }
  }

  async #admit(disk: EngineDisk, image: string, signal: AbortSignal): Promise<void> {
    try {
      const use = await disk.use(signal);
      if (use === undefined) return;
      let size = await disk.sizeOf(image, false, signal);
      const room = this.#roomOf(use);
      if (size.neededBytes > room) size = await disk.sizeOf(image, true, signal).catch(() => size);
      if (size.neededBytes > room) throw tooLarge(image, size, use, room);
      this.#promised.set(image, { neededBytes: size.neededBytes, freeBytes: use.freeBytes });
    } catch (error) {
      if (signal.aborted || errorCode(error) === 'DISK_FULL') throw error;
      this.#log.debug('space for a pull is not known', { image, detail: errorText(error) });
    }
  }

  /** What is free, without the reserve and what pulls under way have still to take. */
  #roomOf({ totalBytes, freeBytes }: DiskUse): number {
    let room = freeBytes - reserveBytes(totalBytes);
    for (const promised of this.#promised.values()) {
      const taken = Math.max(0, promised.freeBytes - freeBytes);
      room -= Math.max(0, promised.neededBytes - taken);
    }
    return Math.max(0, room);
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

function tooLarge(image: string, size: ImageSize, use: DiskUse, room: number): EdgeError {
  const reserve = bytesText(reserveBytes(use.totalBytes));
  const spared = use.freeBytes - room > reserveBytes(use.totalBytes) + 1;
  const rest = spared
    ? `; ${reserve} stay free, and other pulls need the rest`
    : `, of which ${reserve} stay free`;
  return new EdgeError(
    `image ${image} needs ${bytesText(size.neededBytes)} (${bytesText(size.compressedBytes)} to load, and unpacked), ` +
      `${bytesText(use.freeBytes, 'down')} are free on ${use.path}${rest}; nothing was touched`,
    { code: 'DISK_FULL', retry: 'transient', target: image },
  );
}
