import { Resolver } from 'node:dns/promises';

/** How long an address counts: a container that was started anew may have another one, milliseconds. */
const FRESH_MS = 1_000;
const MOST_KEPT = 16;

/** Addresses of containers by the engine's own names, asked of the servers in /etc/resolv.conf and of nobody else. */
export class Addresses {
  readonly #resolver = new Resolver({ timeout: 1_000, tries: 2 });
  readonly #known = new Map<string, { address: Promise<string | undefined>; atMs: number }>();

  /** IPv4 where there is one, else IPv6; undefined when the name stands for nothing now. */
  of(name: string): Promise<string | undefined> {
    const known = this.#known.get(name);
    const atMs = performance.now();
    if (known !== undefined && atMs - known.atMs < FRESH_MS) return known.address;
    if (this.#known.size >= MOST_KEPT) this.#known.clear();
    const address = this.#ask(name);
    this.#known.set(name, { address, atMs });
    return address;
  }

  /** It does not answer there: the next one asks anew. */
  forget(name: string): void {
    this.#known.delete(name);
  }

  async #ask(name: string): Promise<string | undefined> {
    const four = await this.#resolver.resolve4(name).catch(() => []);
    if (four[0] !== undefined) return four[0];
    const [six] = await this.#resolver.resolve6(name).catch(() => []);
    return six;
  }
}
