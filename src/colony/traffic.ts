import type { Traffic } from '../model/colony.ts';
import type { Purpose } from './call.ts';

/** Counters per purpose since the client was made. */
export class TrafficCounter {
  readonly #byPurpose = new Map<Purpose, Traffic>();

  /** One request is on its way. */
  sent(purpose: Purpose, bytes: number): void {
    const traffic = this.#of(purpose);
    traffic.requests += 1;
    traffic.sentBytes += bytes;
  }

  /** Part of an answer came. */
  received(purpose: Purpose, bytes: number): void {
    this.#of(purpose).receivedBytes += bytes;
  }

  /** A copy; purposes that were never used are absent. */
  read(): Partial<Record<Purpose, Traffic>> {
    return Object.fromEntries([...this.#byPurpose].map(([purpose, traffic]) => [purpose, { ...traffic }]));
  }

  #of(purpose: Purpose): Traffic {
    const known = this.#byPurpose.get(purpose);
    if (known !== undefined) return known;
    const fresh = { requests: 0, sentBytes: 0, receivedBytes: 0 };
    this.#byPurpose.set(purpose, fresh);
    return fresh;
  }
}

/** Bytes of an HTTP head as it is written: a first line and one line per header. */
export function headBytes(
  firstLine: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): number {
  let bytes = firstLine.length + 4;
  for (const [key, value] of Object.entries(headers))
    for (const one of Array.isArray(value) ? value : [value ?? '']) bytes += key.length + one.length + 4;
  return bytes;
}
