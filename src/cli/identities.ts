import { type BigIntStats, stat as statBigInt } from 'node:fs';
import { promisify } from 'node:util';
import { errorText } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { KindContext } from '../kinds/index.ts';
import type { Slot } from '../model/ports.ts';

const stat = promisify<string, { bigint: true }, BigIntStats>(statBigInt);

/** A text that changes whenever the file does, also when it is another file under the same name. Throws the system's error. */
export async function fileStamp(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join();
}

/** Where executor identities come from. */
export interface IdentitySources {
  /** The operator's slot file; absent: none. */
  file: string | undefined;
  /** Those kept in the state directory. */
  stored(): Promise<readonly Slot[]>;
  log: Logger;
}

/**
 * Reads the executor identities of all blueprints, the operator's first. Never throws for what cannot be read: executors
 * go on with the identities of the last reading, and all other blueprints do not care.
 */
export function createIdentities(
  sources: IdentitySources,
): () => Promise<Pick<KindContext, 'slots' | 'slotsFault'>> {
  const { file, stored, log } = sources;
  const readings = [
    ...(file === undefined ? [] : [new Reading('slot file', provisioned(file, log), log)]),
    new Reading('stored identities', stored, log),
  ];
  return async () => {
    for (const reading of readings) await reading.read();
    const slots = readings.flatMap(({ slots }) => slots ?? []);
    const faults = readings.flatMap(({ fault }) => fault ?? []);
    if (faults.length === 0) return { slots };
    const hadReading = readings.every((reading) => reading.slots !== undefined);
    return { slots, slotsFault: { text: faults.join('; '), hadReading } };
  };
}

/** One source with its last good reading. */
class Reading {
  slots: readonly Slot[] | undefined;
  fault: string | undefined;
  readonly #what: string;
  readonly #load: () => Promise<readonly Slot[]>;
  readonly #log: Logger;

  constructor(what: string, load: () => Promise<readonly Slot[]>, log: Logger) {
    this.#what = what;
    this.#load = load;
    this.#log = log;
  }

  async read(): Promise<void> {
    const before = this.fault;
    try {
      this.slots = await this.#load();
      this.fault = undefined;
      if (before !== undefined) this.#log.info('executor identities can be read again', { from: this.#what });
    } catch (error) {
      this.fault = errorText(error);
      if (before !== this.fault)
        this.#log.error('executor identities cannot be read', { from: this.#what, error: this.fault });
    }
  }
}

/** Reads the operator's file, again only when it changed. */
export function provisioned(path: string, log: Logger): () => Promise<readonly Slot[]> {
  let last: { stamp: string; slots: readonly Slot[] } | undefined;
  return async () => {
    const stamp = await fileStamp(path).catch(() => '');
    if (last !== undefined && stamp === last.stamp) return last.slots;
    // The curve's code is loaded only on nodes that run executors.
    const [{ readSlotFile }, { deriveId }] = await Promise.all([
      import('../store/provisioned.ts'),
      import('../colony/identity.ts'),
    ]);
    const { slots, warnings } = await readSlotFile(path, deriveId);
    for (const warning of warnings) log.warn('slot file is doubtful', { detail: warning });
    last = stamp === '' ? undefined : { stamp, slots };
    return slots;
  };
}
