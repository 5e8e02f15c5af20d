import type { Clock } from '../base/clock.ts';
import { errorText } from '../base/errors.ts';
import type { Outcome } from '../model/action.ts';
import type { DesiredState, Service } from '../model/desired.ts';
import type { EngineSnapshot, ObservedContainer, ObservedState } from '../model/observed.ts';
import { RELAY_FOLDER, RELAY_IMAGE, type RelayState, type Relays, type RelayView } from '../model/relay.ts';
import { isOurs, keyOf } from './ownership.ts';

/** A folder that cannot be made is tried again after this, milliseconds. */
const RETRY_MS = 5_000;

interface Row {
  folder: string;
  isPrepared: boolean;
  problem?: string;
  /** Monotonic time from which on its folder is made again. */
  retryAtMs: number;
  /** Of the container that is followed. */
  following?: { id: string; stop: AbortController };
  state?: NonNullable<RelayView['state']>;
  silentSinceMs?: number;
}

/** Has an ear at every relay that is asked for and runs. Nothing of it outlives the agent: relays tell it again. */
export class RelayKeeper {
  readonly #clock: Clock;
  readonly #relays: Relays;
  readonly #onChange: () => void;
  readonly #rows = new Map<string, Row>();
  readonly #end = new AbortController();
  #kept = '';

  /** `onChange`: a relay has said something, or its folder is there. */
  constructor({ clock, relays }: { clock: Clock; relays: Relays }, onChange: () => void) {
    this.#clock = clock;
    this.#relays = relays;
    this.#onChange = onChange;
  }

  /** Follows relays until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    this.#end.abort();
    for (const row of this.#rows.values()) row.following?.stop.abort();
  }

  /** After a look: aims at the relays that run, and gives what all of them have said. */
  observe(desired: DesiredState, { containers }: EngineSnapshot): Pick<ObservedState, 'relays'> {
    if (desired.known) {
      const services = desired.blueprints.flatMap((blueprint) => blueprint.services);
      const ours = containers.filter((container) => isOurs(container, desired.owner));
      const wanted = new Set<string>();
      for (const service of services) if (this.#aim(service, ours)) wanted.add(service.key);
      for (const [key, row] of this.#rows)
        if (!wanted.has(key)) {
          row.following?.stop.abort();
          this.#rows.delete(key);
        }
      this.#tidy(ours);
    }
    return { relays: new Map([...this.#rows].map(([key, row]) => [key, viewOf(row)])) };
  }

  /** false: it is no relay. */
  #aim({ key, relay }: Service, ours: readonly ObservedContainer[]): boolean {
    if (relay === undefined) return false;
    const row = this.#rows.get(key) ?? { folder: relay.folder, isPrepared: false, retryAtMs: 0 };
    this.#rows.set(key, row);
    if (!row.isPrepared && this.#clock.monoMs() >= row.retryAtMs) void this.#prepare(row);
    const running = ours.find((container) => keyOf(container) === key && container.state === 'running');
    if (running?.id === row.following?.id) return true;
    row.following?.stop.abort();
    delete row.following;
    delete row.state;
    delete row.silentSinceMs;
    if (running === undefined || this.#end.signal.aborted) return true;
    const following = { id: running.id, stop: new AbortController() };
    row.following = following;
    row.silentSinceMs = this.#clock.monoMs();
    void this.#relays.follow(row.folder, (state) => this.#hear(row, following, state), following.stop.signal);
    return true;
  }

  /** What a relay said before it was pointed is out of date; what it says since is on its way. */
  record({ ok, action }: Outcome): void {
    if (!ok || action.kind !== 'pointRelay') return;
    for (const row of this.#rows.values())
      if (row.folder === action.folder && row.state !== undefined && row.state.target !== action.target) {
        delete row.state;
        row.silentSinceMs = this.#clock.monoMs();
      }
  }

  async #prepare(row: Row): Promise<void> {
    row.retryAtMs = Number.POSITIVE_INFINITY;
    try {
      await this.#relays.prepare(row.folder);
      row.isPrepared = true;
      delete row.problem;
    } catch (error) {
      row.problem = errorText(error);
      row.retryAtMs = this.#clock.monoMs() + RETRY_MS;
    }
    this.#onChange();
  }

  #hear(row: Row, following: Row['following'], state: RelayState | undefined): void {
    if (row.following !== following) return;
    const monoMs = this.#clock.monoMs();
    const wasSilent = row.state === undefined;
    delete row.state;
    if (state === undefined) row.silentSinceMs ??= monoMs;
    else {
      delete row.silentSinceMs;
      const { target, draining } = state;
      row.state = {
        ...(target === undefined ? {} : { target }),
        draining: draining.map(({ id, inUse, sinceMs }) => ({ id, inUse, leftAtMs: monoMs - sinceMs })),
      };
    }
    if (state !== undefined || !wasSilent) this.#onChange();
  }

  /** Has folders removed that no relay uses, when that can be told. */
  #tidy(ours: readonly ObservedContainer[]): void {
    const relays = ours.filter(({ image, detail }) => (detail?.spec.image ?? image) === RELAY_IMAGE);
    const folders = new Set([...this.#rows.values()].map(({ folder }) => folder));
    for (const { detail } of relays) {
      const mount = detail?.spec.mounts.find(({ target }) => target === RELAY_FOLDER);
      if (mount === undefined || mount.type !== 'bind') return;
      folders.add(mount.source.slice(mount.source.lastIndexOf('/') + 1));
    }
    const kept = [...folders].sort();
    if (kept.join() === this.#kept) return;
    this.#kept = kept.join();
    this.#relays.tidy(kept).catch(() => {
      this.#kept = '';
    });
  }
}

function viewOf({ isPrepared: hasFolder, problem, state, silentSinceMs }: Row): RelayView {
  return {
    hasFolder,
    ...(problem === undefined ? {} : { problem }),
    ...(state === undefined ? {} : { state }),
    ...(silentSinceMs === undefined ? {} : { silentSinceMs }),
  };
}
