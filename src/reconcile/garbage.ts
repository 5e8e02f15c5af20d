import { lru } from 'tiny-lru';
import { type Clock, isoTime } from '../base/clock.ts';
import { EdgeError } from '../base/errors.ts';
import { within } from '../base/lanes.ts';
import type { Action, Outcome } from '../model/action.ts';
import type { DesiredState } from '../model/desired.ts';
import type { DiskUse, GcReport, GcSettings } from '../model/disk.ts';
import type { ObservedState } from '../model/observed.ts';
import type { EngineDisk } from '../model/ports.ts';
import type { AgentStatus } from '../model/status.ts';
import type { AgentParts } from './agent-parts.ts';
import type { Journal } from './journal.ts';
import type { WorkingMemory } from './memory.ts';
import { type GcPlan, isShort, planGc, shouldCollect } from './plan-gc.ts';

export const DEFAULT_GC: GcSettings = { startPercent: 85, targetPercent: 75, minAgeMs: 3_600_000 };

/** How often the use of the disk is looked at when nothing has changed it, and when it is too high, milliseconds. */
const EVERY_MS = 600_000;
const WHEN_FULL_MS = 30_000;
/** What could not be removed is left alone this long. */
const SKIP_MS = 3_600_000;
/** This much more room is worth trying again a pull that did not fit. */
const WORTH_BYTES = 16 * 2 ** 20;
/** Longest time for a collection that somebody asked for. */
const ASKED_MS = 300_000;

/** A collection that somebody asked for. */
interface Asked {
  images: GcReport['images'][number][];
  containers: string[];
  failed: GcReport['failed'][number][];
  /** Lanes of what is being removed. */
  waiting: Set<string>;
  done: Promise<void>;
  end(): void;
}

/**
 * Makes room on the engine's disk. Looks at its use now and then, at looks that happen anyway; when it is too high one image
 * after the other goes, each followed by another look at the disk, since shared layers stay.
 */
export class Garbage {
  readonly #storage: EngineDisk | undefined;
  readonly #clock: Clock;
  readonly #settings: GcSettings;
  readonly #memory: WorkingMemory;
  readonly #journal: Journal;
  readonly #ring: () => void;
  readonly #skipped = lru<number>(500);
  readonly #abort = new AbortController();
  #disk: DiskUse | undefined;
  #measuredAt = 0;
  #measuredMs: number | undefined;
  #isMeasuring = false;
  #isStale = true;
  #isCollecting = false;
  #asked: Asked | undefined;
  #seen: { desired: DesiredState; observed: ObservedState } | undefined;

  /** `ring` asks for a look. */
  constructor(
    { storage, clock, settings }: Pick<AgentParts, 'storage' | 'clock' | 'settings'>,
    memory: WorkingMemory,
    journal: Journal,
    ring: () => void,
  ) {
    this.#storage = storage;
    this.#clock = clock;
    this.#settings = settings.gc ?? DEFAULT_GC;
    this.#memory = memory;
    this.#journal = journal;
    this.#ring = ring;
  }

  /** After a look: what is to be removed now, besides what `planned` does. */
  next(desired: DesiredState, observed: ObservedState, planned: readonly Action[]): readonly Action[] {
    if (this.#storage === undefined) return [];
    this.#seen = { desired, observed };
    const isBusy = (action: Action) =>
      observed.busy.has(action.lane) || planned.some(({ lane }) => lane === action.lane);
    if (this.#asked !== undefined) return this.#nextAsked(this.#asked, isBusy);
    if (this.#isDue(observed)) void this.#measure();
    // One at a time: what the last one has freed is not known yet.
    if (this.#isMeasuring || [...observed.busy].some((lane) => lane.startsWith('image:sha256:'))) return [];
    this.#isCollecting = this.#shouldCollect(observed);
    if (!this.#isCollecting) return [];
    const plan = this.#plan(false);
    const [first] = [...plan.containers, ...plan.images.map(({ action }) => action)].filter(
      (action) => !isBusy(action),
    );
    return first === undefined ? [] : [first];
  }

  /** Notes what came of an action. true: it was a removal that failed, and is told and remembered here. */
  settled(outcome: Outcome): boolean {
    const { action } = outcome;
    if (action.kind === 'pullImage') this.#isStale = true;
    if (action.kind !== 'removeImage' && action.kind !== 'removeContainer') return false;
    if (action.kind === 'removeImage') this.#isStale = true;
    const asked = this.#asked;
    if (asked?.waiting.delete(action.lane) === true && !outcome.ok)
      asked.failed.push({ name: action.name, message: outcome.message });
    if (asked !== undefined && asked.waiting.size === 0 && asked.images.length + asked.containers.length > 0)
      asked.end();
    if (outcome.ok || action.kind === 'removeContainer') return false;
    if (outcome.engineOutage) return true;
    this.#skipped.set(action.id, this.#clock.monoMs() + SKIP_MS);
    // Somebody has begun to use it: nothing is wrong.
    if (outcome.code !== 'IMAGE_IN_USE') this.#journal.failed(outcome, undefined);
    return true;
  }

  view(): AgentStatus['disk'] {
    if (this.#disk === undefined) return undefined;
    const { startPercent, targetPercent } = this.#settings;
    return {
      ...this.#disk,
      checkedAt: isoTime(this.#measuredAt),
      ...(startPercent === undefined ? {} : { gcStartPercent: startPercent }),
      gcTargetPercent: targetPercent,
      isCollecting: this.#isCollecting,
    };
  }

  /** Removes all that may go, or says what would. Throws `GC_IMPOSSIBLE`. */
  async collect(dryRun: boolean, awayBecause: string | undefined): Promise<GcReport> {
    if (this.#storage === undefined || this.#seen?.desired.known !== true)
      throw impossible('nothing is known yet of what is wanted and what is there');
    if (awayBecause !== undefined) throw impossible(`the engine cannot be reached (${awayBecause})`);
    await this.#measure();
    const { images, containers, kept } = this.#plan(true);
    const before = {
      images: images.map(({ id, name, sizeBytes }) => ({ id, name, sizeBytes })),
      containers: containers.map(({ name }) => name),
    };
    if (dryRun || images.length + containers.length === 0)
      return this.#report(dryRun, { ...before, kept, failed: [] });
    this.#asked ??= newAsked();
    const asked = this.#asked;
    this.#ring();
    await within(this.#clock, ASKED_MS, asked.done);
    this.#asked = undefined;
    await this.#measure();
    const failed = new Set(asked.failed.map(({ name }) => name));
    return this.#report(false, {
      images: asked.images.filter(({ name }) => !failed.has(name)),
      containers: asked.containers.filter((name) => !failed.has(name)),
      kept: this.#plan(true).kept,
      failed: asked.failed,
    });
  }

  #nextAsked(asked: Asked, isBusy: (action: Action) => boolean): readonly Action[] {
    if (asked.waiting.size > 0) return [];
    const { images, containers } = this.#plan(true);
    const free = images.filter(({ action }) => !isBusy(action));
    for (const { id, name, sizeBytes, action } of free) {
      asked.images.push({ id, name, sizeBytes });
      asked.waiting.add(action.lane);
    }
    const stopped = containers.filter((action) => !isBusy(action));
    for (const { name, lane } of stopped) {
      asked.containers.push(name);
      asked.waiting.add(lane);
    }
    if (asked.waiting.size === 0) asked.end();
    return [...stopped, ...free.map(({ action }) => action)];
  }

  #plan(isAsked: boolean): GcPlan {
    const { desired, observed } = this.#seen ?? { desired: { known: false }, observed: undefined };
    if (observed === undefined) return { isCollecting: false, containers: [], images: [], kept: [] };
    const monoMs = this.#clock.monoMs();
    const skip = new Set(
      [...this.#skipped.entries()].flatMap(([id, untilMs]) => ((untilMs ?? 0) > monoMs ? [String(id)] : [])),
    );
    const settings = this.#settings;
    const isCollecting = this.#isCollecting;
    const { pulled } = this.#memory;
    const disk = this.#disk;
    return planGc({ desired, observed, pulled, disk, settings, monoMs, isAsked, isCollecting, skip });
  }

  #shouldCollect(observed: ObservedState): boolean {
    return shouldCollect({
      observed,
      disk: this.#disk,
      settings: this.#settings,
      isCollecting: this.#isCollecting,
      monoMs: this.#clock.monoMs(),
    });
  }

  #isDue(observed: ObservedState): boolean {
    const monoMs = this.#clock.monoMs();
    if (this.#isMeasuring) return false;
    if (this.#isStale || this.#measuredMs === undefined) return true;
    const isFull = this.#isCollecting || isShort(observed, monoMs);
    return monoMs - this.#measuredMs >= (isFull ? WHEN_FULL_MS : EVERY_MS);
  }

  /** Looks at the disk, without the loop waiting for it; asks for a look when there is something to do then. */
  async #measure(): Promise<void> {
    this.#isMeasuring = true;
    this.#isStale = false;
    const before = this.#disk?.freeBytes ?? 0;
    this.#disk = await this.#storage?.use(this.#abort.signal).catch(() => undefined);
    this.#measuredMs = this.#clock.monoMs();
    this.#measuredAt = this.#clock.now();
    this.#isMeasuring = false;
    const isMore = (this.#disk?.freeBytes ?? 0) >= before + WORTH_BYTES;
    const isRetried = isMore && this.#memory.retryDiskFull();
    const { isCollecting, images, containers } = this.#plan(false);
    if (isRetried || (isCollecting && images.length + containers.length > 0)) this.#ring();
  }

  #report(dryRun: boolean, parts: Pick<GcReport, 'images' | 'containers' | 'kept' | 'failed'>): GcReport {
    const { startPercent, targetPercent } = this.#settings;
    return {
      dryRun,
      ...(this.#disk === undefined ? {} : { disk: this.#disk }),
      ...(startPercent === undefined ? {} : { startPercent }),
      targetPercent,
      ...parts,
    };
  }
}

function newAsked(): Asked {
  let end = () => {};
  const done = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { images: [], containers: [], failed: [], waiting: new Set(), done, end };
}

function impossible(why: string): EdgeError {
  return new EdgeError(`nothing was removed: ${why}`, { code: 'GC_IMPOSSIBLE', retry: 'transient' });
}
