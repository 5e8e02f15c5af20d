import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from './clock.ts';

/** Garbage that is worth a collection, bytes. */
const WORTH_BYTES = 3 * 2 ** 20;

/** At least this long between two collections, milliseconds: on a slow core one takes a third of a second. */
const APART_MS = 30_000;

/** The heap as a process sees it from inside. */
export interface Heap {
  usedBytes(): number;
  /** A complete collection, which gives what is free back to the system. Blocks meanwhile. */
  collect(): void;
}

/**
 * Keeps the heap as small as what is in it. V8 lets garbage lie until the heap has grown by half, and after bursts of work
 * a quiet process may hold it for days: on a gateway that memory belongs to the containers.
 */
export class HeapKeeper {
  readonly #clock: Clock;
  readonly #heap: Heap;
  #nextMs: number;
  #leanBytes = 0;

  constructor(clock: Clock, heap: Heap = createHeap()) {
    this.#clock = clock;
    this.#heap = heap;
    this.#nextMs = clock.monoMs() + APART_MS;
  }

  /** To be called whenever there is nothing to do: collects when it is worth it and not too soon. */
  tidy(): void {
    const nowMs = this.#clock.monoMs();
    if (nowMs < this.#nextMs || this.#heap.usedBytes() < this.#leanBytes + WORTH_BYTES) return;
    this.#heap.collect();
    this.#leanBytes = this.#heap.usedBytes();
    this.#nextMs = nowMs + APART_MS;
  }
}

/** This process's own. The collector is V8's, made reachable the only way there is without a command line. */
function createHeap(): Heap {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  return { usedBytes: () => getHeapStatistics().used_heap_size, collect };
}
