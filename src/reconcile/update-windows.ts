import { type Clock, isoTime, machineZone } from '../base/clock.ts';
import type { DesiredBlueprint, DesiredState } from '../model/desired.ts';
import type { ObservedState } from '../model/observed.ts';
import type { GoodVersion, Notice, Rollout, WindowView } from '../model/rollout.ts';
import {
  type Opening,
  openingAt,
  type Window,
  type Windows,
  windowsText,
  type Zone,
} from '../model/window.ts';
import { ClockWatch } from './clock-watch.ts';
import type { Journal } from './journal.ts';
import { contentHash, versionText, wayBack } from './plan-version.ts';
import { hasBegun, lackingImages, replaces } from './plan-window.ts';

/** What the node says of windows. */
export interface WindowSettings extends Windows {
  /** Wall time before which the clock cannot be right, epoch milliseconds; absent: it is always believed. */
  clockFrom?: number;
}

export interface UpdateWindowsParts {
  clock: Clock;
  settings: { windows?: WindowSettings };
  journal: Pick<Journal, 'add'>;
  /** Absent: the machine's. */
  zone?: Zone;
  /** The wall clock was set while something waits for it. */
  ring(): void;
}

/** A version that waits, and what is said of it. */
interface Waiting {
  blueprint: DesiredBlueprint;
  hash: string;
  /** Wall time, epoch milliseconds. */
  since: number;
  /** References pulled anew meanwhile. */
  got: Set<string>;
  notices: Notice[];
}

/** A window that is closed: the notice that something waits for it. */
type Closed = (what: string) => Notice;

/**
 * Keeps versions waiting for their windows. While one waits, the last good version stands in for it, whole: what is healed is
 * healed to that. Where none is known the planner keeps from it what would be replaced.
 */
export class UpdateWindows {
  readonly #parts: UpdateWindowsParts;
  readonly #zone: Zone;
  readonly #watch: ClockWatch;
  readonly #openings = new WeakMap<readonly Window[], { from: number; until: number; opening: Opening }>();
  #waiting = new Map<string, Waiting>();
  #view = new Map<string, WindowView>();

  constructor(parts: UpdateWindowsParts) {
    this.#parts = parts;
    this.#zone = parts.zone ?? machineZone;
    this.#watch = new ClockWatch(parts.clock, () => parts.ring());
  }

  /** What the planner gets to see, by blueprint. */
  get view(): ReadonlyMap<string, WindowView> {
    return this.#view;
  }

  /** Versions that wait, by blueprint. */
  get waiting(): ReadonlyMap<string, { blueprint: DesiredBlueprint; notices: readonly Notice[] }> {
    return this.#waiting;
  }

  /** true while a window of this blueprint is closed, whether or not something waits for it. */
  isClosed({ name, windows }: DesiredBlueprint): boolean {
    const { update, download }: Windows = { ...this.#parts.settings.windows, ...windows };
    return (
      this.#closed(update, 'update', name) !== undefined ||
      this.#closed(download, 'download', name) !== undefined
    );
  }

  /** A blueprint waits for nothing until the next look. */
  forget(name: string): void {
    this.#waiting.delete(name);
    this.#view.delete(name);
  }

  /** Ends the watch over the clock. */
  stop(): void {
    this.#watch.need(false);
  }

  /** After a look: which versions have to wait now. true: they are others than before. */
  review(
    asked: DesiredState & { known: true },
    observed: ObservedState,
    recordOf: (blueprint: string) => Rollout | undefined,
  ): boolean {
    const before = [...this.#waiting].map(([name, { hash }]) => `${name} ${hash}`).join();
    const waiting = new Map<string, Waiting>();
    this.#view = new Map();
    for (const blueprint of asked.blueprints) {
      if (blueprint.deleting) continue;
      const record = recordOf(blueprint.name);
      const one = this.#look(blueprint, record, observed, asked);
      if (one !== undefined) waiting.set(blueprint.name, one);
    }
    this.#waiting = waiting;
    // Where the last good version is in force nothing waits, but for an image that has moved: the next look is soon enough.
    this.#watch.need([...waiting, ...[...this.#view].filter(([, view]) => !view.isStandIn)].length > 0);
    return before !== [...waiting].map(([name, { hash }]) => `${name} ${hash}`).join();
  }

  /** Notes what windows keep from a blueprint; returns the version that waits, if one does. */
  #look(
    blueprint: DesiredBlueprint,
    record: Rollout | undefined,
    observed: ObservedState,
    { owner }: DesiredState & { known: true },
  ): Waiting | undefined {
    const windows: Windows = { ...this.#parts.settings.windows, ...blueprint.windows };
    const update = this.#closed(windows.update, 'update', blueprint.name);
    const download = this.#closed(windows.download, 'download', blueprint.name);
    const hash = contentHash(blueprint);
    if ((update === undefined && download === undefined) || record?.now === hash) return undefined;
    const isBad = record?.bad.some((bad) => bad.hash === hash) === true;
    const good = wayBack(record, hash);
    const isGood = record?.good[0] !== undefined && contentHash(record.good[0].version) === hash;
    const isStandIn = isGood || (isBad && good !== undefined);
    const view = {
      ...(update === undefined ? {} : { update: update('another version waits') }),
      isThrifty: download !== undefined,
      isStandIn,
      proven: provenBy(record),
      toPull: [],
    };
    if (isStandIn) {
      this.#view.set(blueprint.name, view);
      return undefined;
    }
    if (hasBegun(blueprint, good?.version, observed, owner)) return undefined;
    const one = this.#waitingOf(blueprint, good, { update, download, hash, observed });
    const pulls = download === undefined ? {} : { download: download('images wait') };
    this.#view.set(blueprint.name, {
      ...view,
      ...pulls,
      isStandIn: one !== undefined,
      toPull: one === undefined || download !== undefined ? [] : one.lacking,
    });
    return one;
  }

  #waitingOf(
    blueprint: DesiredBlueprint,
    good: GoodVersion | undefined,
    now: { update: Closed | undefined; download: Closed | undefined; hash: string; observed: ObservedState },
  ): (Waiting & { lacking: string[] }) | undefined {
    const { update, download, hash, observed } = now;
    if (good === undefined) return undefined;
    const previous = this.#waiting.get(blueprint.name);
    const same = previous?.hash === hash ? previous : undefined;
    const got = same?.got ?? new Set<string>();
    if (same !== undefined) for (const ref of observed.fresh) got.add(ref);
    const { absent, stale } = lackingImages(blueprint, observed.images, got);
    const isHeld = update !== undefined && replaces(blueprint, good.version);
    const isLacking = download !== undefined && absent.length > 0;
    if (!isHeld && !isLacking) return undefined;
    const since = same?.since ?? this.#parts.clock.now();
    const who = `${versionText(blueprint)} waits since ${isoTime(since)}`;
    const notices = [
      ...(isHeld ? [update(who)] : []),
      ...(isLacking ? [download(isHeld ? 'its images wait' : `${who}, for its images`)] : []),
    ];
    if (same === undefined)
      this.#parts.journal.add('info', 'version waits for its window', {
        blueprint: blueprint.name,
        detail: notices.map(({ message }) => message).join('; '),
      });
    return { blueprint, hash, since, got, notices, lacking: [...absent, ...stale] };
  }

  /** Undefined while one of the windows is open. */
  #closed(
    windows: readonly Window[] | undefined,
    kind: 'update' | 'download',
    name: string,
  ): Closed | undefined {
    if (windows === undefined || windows.length === 0) return undefined;
    const { clock, settings } = this.#parts;
    const now = clock.now();
    const opening = this.#openingAt(windows, now);
    // What is open all week is so by any clock.
    if (opening.isOpen && opening.closesAt === undefined) return undefined;
    const { clockFrom = -Infinity } = settings.windows ?? {};
    const way = `colonies-edge retry ${name} does not wait`;
    if (now < clockFrom)
      return (what) => ({
        reason: 'ClockNotSet',
        message: `${what} until the clock is set, for the ${kind} window: it shows ${isoTime(now)}, before this program was built (${isoTime(clockFrom)}); ${way}`,
      });
    if (opening.isOpen) return undefined;
    const { opensAt } = opening;
    const times =
      opensAt === undefined ? {} : { untilMs: clock.monoMs() + opensAt - now, nextTryAt: opensAt };
    const message = (what: string) => `${what} for the ${kind} window (${windowsText(windows)}); ${way}`;
    return (what) => ({ reason: 'OutsideWindow', message: message(what), ...times });
  }

  #openingAt(windows: readonly Window[], now: number): Opening {
    const known = this.#openings.get(windows);
    if (known !== undefined && known.from <= now && now < known.until) return known.opening;
    const opening = openingAt(windows, now, this.#zone);
    const until = (opening.isOpen ? opening.closesAt : opening.opensAt) ?? now + HOUR_MS;
    this.#openings.set(windows, { from: now, until, opening });
    return opening;
  }
}

const HOUR_MS = 3_600_000;

/** Images of good versions: whatever pulls them heals. */
function provenBy(record: Rollout | undefined): ReadonlySet<string> {
  const good = record?.good.flatMap(({ version }) => version.services) ?? [];
  return new Set(good.map(({ container }) => container.image));
}
