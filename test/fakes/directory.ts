import { EdgeError } from '../../src/base/errors.ts';
import type { DirectoryListing, DirectorySource, SourceDocument } from '../../src/model/ports.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { Life } from './life.ts';

/** A directory of blueprints in memory. A file holds documents, or a text that does not parse. */
export class FakeDirectory {
  readonly path = '/blueprints';
  identity = 'dev1:ino1';
  available = true;
  confirmedEmpty = false;
  /** false: changes are not announced. */
  announces = true;
  reads = 0;
  readonly #files = new Map<string, { documents: unknown[]; broken?: Problem }>();
  readonly #listeners = new Set<() => void>();

  /** The port, for one life of the agent. */
  open(life: Life): DirectorySource {
    return {
      path: this.path,
      read: () => life.guard(async () => this.#read()),
      watch: (onChange, signal) => life.guard(() => this.#watch(() => life.over || onChange(), signal)),
    };
  }

  /** Writes a file with these documents, one or several. */
  write(file: string, ...documents: unknown[]): void {
    this.#files.set(file, { documents: structuredClone(documents) });
    this.#changed();
  }

  /** A file that does not parse, for example half written. */
  writeBroken(file: string, message = 'is not JSON'): void {
    const broken: Problem = { severity: 'error', reason: 'SpecInvalid', path: '', message };
    this.#files.set(file, { documents: [], broken });
    this.#changed();
  }

  remove(file: string): void {
    this.#files.delete(file);
    this.#changed();
  }

  /** Everything is deleted, the directory itself stays. */
  clear(): void {
    this.#files.clear();
    this.#changed();
  }

  /** The directory is moved away, or its disk unmounted with nothing in its place. */
  takeAway(): void {
    this.available = false;
    this.#changed();
  }

  bringBack(): void {
    this.available = true;
    this.#changed();
  }

  /** Another, empty directory appears under the same path: an unmounted disk. */
  swapForEmpty(identity = 'dev2:ino2'): void {
    this.identity = identity;
    this.clear();
  }

  #changed(): void {
    if (this.announces) for (const listener of [...this.#listeners]) queueMicrotask(listener);
  }

  #read(): DirectoryListing {
    this.reads += 1;
    if (!this.available)
      throw new EdgeError(`cannot read ${this.path}: no such directory`, {
        code: 'SOURCE_UNAVAILABLE',
        retry: 'transient',
        target: this.path,
      });
    const files = [...this.#files.keys()].sort();
    const documents: SourceDocument[] = [];
    const broken: { file: string; problem: Problem }[] = [];
    for (const file of files) {
      const entry = this.#files.get(file);
      const path = `${this.path}/${file}`;
      if (entry?.broken !== undefined) broken.push({ file: path, problem: entry.broken });
      entry?.documents.forEach((value, document) => {
        documents.push({ file: path, document, value: structuredClone(value) });
      });
    }
    return {
      path: this.path,
      identity: this.identity,
      files: files.map((file) => `${this.path}/${file}`),
      documents,
      broken,
      confirmedEmpty: this.confirmedEmpty,
    };
  }

  #watch(onChange: () => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      this.#listeners.add(onChange);
      signal.addEventListener(
        'abort',
        () => {
          this.#listeners.delete(onChange);
          resolve();
        },
        { once: true },
      );
    });
  }
}
