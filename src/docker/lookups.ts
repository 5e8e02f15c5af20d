import { lru } from 'tiny-lru';
import type { Clock } from '../base/clock.ts';
import { engineError } from './errors.ts';

/** What came of one lookup. */
export type Found<T> = { ok: true; value: T } | { ok: false; error: unknown };

/** A lookup under way. */
interface Flight<T> {
  tag: string;
  /** The thing changed meanwhile: use the result, but do not keep it. */
  stale: boolean;
  /** Nobody waits for it any more: announce its result. */
  late: boolean;
  abort: AbortController;
  done: Promise<Found<T>>;
}

export interface LookupsOptions<T> {
  clock: Clock;
  /** Lookups at the same time. */
  most: number;
  /** A caller stops waiting when nothing has come back for this long. */
  patienceMs: number;
  /** One lookup, with a deadline of its own. */
  run(key: string, signal: AbortSignal): Promise<T>;
  /** A result that may be kept. */
  keep(key: string, tag: string, value: T): void;
  /** A result that came after its caller had gone on. */
  announce(key: string): void;
}

/**
 * Lookups that a caller waits for only as long as they make progress: the slow ones go on alone and are announced. The
 * same lookup is never made twice at the same time, and one that was slow last time is not waited for again.
 */
export class Lookups<T> {
  readonly #options: LookupsOptions<T>;
  readonly #flights = new Map<string, Flight<T>>();
  readonly #slow = lru<true>(256);
  #free: number;
  #queue: (() => void)[] = [];

  constructor(options: LookupsOptions<T>) {
    this.#options = options;
    this.#free = options.most;
  }

  /** Results by key; those that did not come in time are missing. `tag` is the version of the thing that is looked up.
   *  `patient`: nobody would hear of a late result, so all are waited for, each as long as its own deadline. */
  async gather(
    wants: readonly { key: string; tag: string }[],
    patient: boolean,
    signal: AbortSignal,
  ): Promise<Map<string, Found<T>>> {
    const found = new Map<string, Found<T>>();
    const pending = new Map<string, Flight<T>>();
    for (const { key, tag } of wants) {
      const flight = this.#start(key, tag);
      pending.set(key, flight);
      if (patient) flight.late = false;
      else if (this.#slow.has(key)) flight.late = true;
    }
    const awaited = new Set([...pending.values()].filter((flight) => !flight.late));
    let wake = () => {};
    for (const [key, flight] of pending)
      void flight.done.then((result) => {
        // Late may also mean that another caller began it anew: there is nothing left to wait for.
        if (!flight.late) found.set(key, result);
        awaited.delete(flight);
        wake();
      });
    while (awaited.size > 0 && !signal.aborted) {
      const before = awaited.size;
      const timer = new AbortController();
      const progress = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const patience = this.#options.clock
        .sleep(this.#options.patienceMs, timer.signal)
        .catch(() => undefined);
      const onAbort = () => wake();
      signal.addEventListener('abort', onAbort, { once: true });
      await Promise.race([progress, patience]);
      signal.removeEventListener('abort', onAbort);
      timer.abort();
      if (awaited.size === before && !patient) break;
    }
    for (const flight of awaited) flight.late = true;
    signal.throwIfAborted();
    return found;
  }

  /** The thing changed: a lookup of it under way does not count for later. */
  drop(key: string): void {
    const flight = this.#flights.get(key);
    if (flight !== undefined) flight.stale = true;
  }

  dropAll(): void {
    for (const flight of this.#flights.values()) flight.stale = true;
  }

  /** Gives up everything under way. */
  close(): void {
    for (const flight of this.#flights.values())
      flight.abort.abort(engineError('CANCELLED', 'the engine connection is closed'));
  }

  #start(key: string, tag: string): Flight<T> {
    const present = this.#flights.get(key);
    if (present !== undefined) {
      if (present.tag === tag && !present.stale) return present;
      present.stale = true;
      present.late = true;
      present.abort.abort(engineError('CANCELLED', 'looked up anew'));
    }
    const flight: Flight<T> = {
      tag,
      stale: false,
      late: false,
      abort: new AbortController(),
      done: Promise.resolve({ ok: false, error: undefined }),
    };
    this.#flights.set(key, flight);
    flight.done = this.#fly(key, flight);
    return flight;
  }

  async #fly(key: string, flight: Flight<T>): Promise<Found<T>> {
    await this.#enter();
    let result: Found<T>;
    try {
      result = { ok: true, value: await this.#options.run(key, flight.abort.signal) };
      if (!flight.stale) this.#options.keep(key, flight.tag, result.value);
    } catch (error) {
      result = { ok: false, error };
    } finally {
      this.#leave();
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    }
    if (result.ok) this.#slow.delete(key);
    else if (flight.late && !flight.abort.signal.aborted) this.#slow.set(key, true);
    if (flight.late && result.ok) this.#options.announce(key);
    return result;
  }

  async #enter(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  #leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
