import { EdgeError } from '../../src/base/errors.ts';
import { RELAY_FOLDER, type RelayState, type Relays, shortId } from '../../src/model/relay.ts';
import type { ManualClock } from './clock.ts';
import type { FakeEngine } from './engine.ts';
import type { Box } from './engine-types.ts';
import type { Life } from './life.ts';

/** Until the agent hears what a relay has to say, milliseconds. */
const EAR_MS = 100;
const POINT_MS = 10;

/** The `Relays` port over the fake engine: a relay is up while its container runs, and keeps its target in its folder. */
export class FakeRelays {
  readonly #clock: ManualClock;
  readonly #engine: FakeEngine;
  /** Folders on the disk, with the target in each. */
  readonly folders = new Map<string, string | undefined>();
  /** By the short id of their container. */
  readonly #inUse = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  readonly #leftAtMs = new Map<string, number>();
  #isSilent = false;
  /** Set: folders cannot be made. */
  refuse: string | undefined;

  constructor(clock: ManualClock, engine: FakeEngine) {
    this.#clock = clock;
    this.#engine = engine;
    const { onEvent } = engine.world;
    engine.world.onEvent = (event) => {
      onEvent(event);
      this.#tell();
    };
  }

  /** true: no relay answers, although it runs. */
  set isSilent(isSilent: boolean) {
    this.#isSilent = isSilent;
    this.#tell();
  }

  /** So many connections of this container are in use. */
  use(id: string, connections: number): void {
    if (connections === 0) this.#inUse.delete(shortId(id));
    else this.#inUse.set(shortId(id), connections);
    this.#tell();
  }

  /** The port, for one life of the agent. */
  open(life: Life): Relays {
    return {
      prepare: (name) => life.guard(() => this.#prepare(name)),
      follow: (name, onState, signal) =>
        life.guard(() => this.#follow(name, (state) => life.over || onState(state), signal, life)),
      point: (name, target, signal) => life.guard(() => this.#point(name, target, signal)),
      tidy: (kept) => life.guard(() => this.#tidy(kept)),
    };
  }

  /** The relay's container while it runs. */
  boxOf(folder: string): Box | undefined {
    return [...this.#engine.world.boxes.values()].find(
      ({ state, spec }) =>
        state === 'running' &&
        spec.mounts.some(
          (mount) =>
            mount.target === RELAY_FOLDER && 'source' in mount && mount.source.endsWith(`/${folder}`),
        ),
    );
  }

  /** true: a new connection gets through to a running container. */
  serves(folder: string): boolean {
    const target = this.folders.get(folder);
    if (this.boxOf(folder) === undefined || target === undefined) return false;
    return [...this.#engine.world.boxes.values()].some(
      ({ id, state }) => shortId(id) === target && state === 'running',
    );
  }

  async #prepare(name: string): Promise<void> {
    if (this.refuse !== undefined) throw this.#unreachable(name, this.refuse);
    if (!this.folders.has(name)) this.folders.set(name, undefined);
  }

  async #follow(
    name: string,
    onState: (state: RelayState | undefined) => void,
    signal: AbortSignal,
    life: Life,
  ): Promise<void> {
    let said = '';
    const listen = () => {
      if (life.over) this.#listeners.delete(listen);
      const isUp = this.boxOf(name) !== undefined && !this.#isSilent;
      const state = isUp ? this.#stateOf(name) : undefined;
      const { target, draining = [] } = state ?? {};
      const text = JSON.stringify([isUp, target, draining.map(({ id, inUse }) => [id, inUse])]);
      if (text !== said) onState(state);
      said = text;
    };
    this.#listeners.add(listen);
    signal.addEventListener('abort', () => this.#listeners.delete(listen), { once: true });
    await this.#clock.sleep(EAR_MS, signal).catch(() => undefined);
    listen();
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  }

  #tell(): void {
    for (const listen of [...this.#listeners])
      this.#clock.after(EAR_MS, () => this.#listeners.has(listen) && listen());
  }

  #stateOf(name: string): RelayState {
    const target = this.folders.get(name);
    const now = this.#clock.monoMs();
    const draining = [...this.#inUse]
      .filter(([id, inUse]) => id !== target && inUse > 0 && this.#leftAtMs.has(id))
      .map(([id, inUse]) => ({ id, inUse, sinceMs: now - (this.#leftAtMs.get(id) ?? now) }));
    return { ...(target === undefined ? {} : { target }), draining };
  }

  async #point(name: string, target: string, signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(POINT_MS, signal);
    if (this.boxOf(name) === undefined || this.#isSilent) throw this.#unreachable(name, 'it does not answer');
    const before = this.folders.get(name);
    if (before !== undefined) this.#leftAtMs.set(before, this.#clock.monoMs());
    this.folders.set(name, target);
    this.#tell();
    this.#engine.countCall();
    await this.#clock.sleep(POINT_MS, signal);
  }

  async #tidy(kept: readonly string[]): Promise<void> {
    for (const name of this.folders.keys()) if (!kept.includes(name)) this.folders.delete(name);
  }

  #unreachable(name: string, text: string): EdgeError {
    return new EdgeError(`relay ${name}: ${text}`, {
      code: 'RELAY_UNREACHABLE',
      retry: 'transient',
      target: name,
    });
  }
}
