import type { Random } from '../../src/base/random.ts';
import type { ManualClock } from './clock.ts';
import type { Answer, ColonyWorld } from './colony/index.ts';
import type { DrivenLink } from './outages/drive.ts';
import { seededRandom } from './random.ts';

type Mode = 'pass' | 'refuse' | 'reset' | 'blackHole' | 'halfOpen' | 'freeze';
type Direction = 'up' | 'down';
type Shape = Parameters<DrivenLink['shape']>[0];

const PACKET_BYTES = 1_400;
/** HTTP's own part of each message. */
const HEAD_BYTES = 150;
const RETRANSMIT_MS = 200;

/** One request under way. */
interface Flight {
  /** Bytes of it were lost: nothing more comes of it, and neither side hears of it. */
  isMute: boolean;
  /** The client waits no longer. */
  isOver: boolean;
  /** Ends it for the client. */
  fail(error: Error): void;
  /** Ends it for the server. */
  server: AbortController;
}

/**
 * A node's way to a world without sockets, on the fake clock, which fails as the fault proxy's connections do
 * (`fault-proxy/fault.ts` says what each mode means).
 */
export class MemoryLink implements DrivenLink {
  /** Requests that were sent, whatever became of them. */
  sent = 0;
  /** The machine's addresses, which change with each cut that nobody is told of. */
  address = 1;
  /** Set: what the client gets in place of an answer's body. */
  mangle: ((type: string, body: string) => string) | undefined;
  readonly #clock: ManualClock;
  readonly #world: ColonyWorld;
  readonly #random: Random;
  readonly #flights = new Set<Flight>();
  #thaw: (() => void)[] = [];
  #mode: Mode = 'pass';
  #shape: Shape = {};

  constructor(clock: ManualClock, world: ColonyWorld, seed = 1) {
    this.#clock = clock;
    this.#world = world;
    this.#random = seededRandom(seed);
  }

  get mode(): Mode {
    return this.#mode;
  }

  async set({ mode }: Parameters<DrivenLink['set']>[0]): Promise<void> {
    this.#mode = mode as Mode;
    if (mode === 'refuse' || mode === 'reset') this.cut({ tell: true });
    if (mode === 'pass') for (const flight of this.#flights) this.#release(flight);
    for (const go of this.#thaw.splice(0)) go();
  }

  shape(shape: Shape): void {
    this.#shape = shape;
  }

  cut({ tell }: { tell: boolean }): void {
    if (!tell) this.address += 1;
    for (const flight of [...this.#flights]) {
      if (!tell) flight.isMute = true;
      else {
        flight.fail(broken('ECONNRESET'));
        flight.server.abort(broken('ECONNRESET'));
      }
    }
  }

  /** The client is killed: its system closes what was open, which the server hears when the link lets it. */
  drop(): void {
    for (const flight of [...this.#flights]) flight.fail(broken('ECONNRESET'));
  }

  /** `callerId`: who signed it, as far as the client knows. */
  send(body: string, signal: AbortSignal, callerId?: string): Promise<Answer> {
    this.sent += 1;
    return new Promise((resolve, reject) => {
      const end = () => {
        flight.isOver = true;
        signal.removeEventListener('abort', onAbort);
        if (!flight.isMute && !this.#isSilent) this.#release(flight);
      };
      const onAbort = () => {
        end();
        reject(signal.reason);
      };
      const flight: Flight = {
        isMute: false,
        isOver: false,
        server: new AbortController(),
        fail: (error) => {
          end();
          reject(error);
        },
      };
      if (signal.aborted) return reject(signal.reason);
      this.#flights.add(flight);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#fly(flight, body, callerId).then(
        (answer) => {
          this.#flights.delete(flight);
          end();
          resolve(answer);
        },
        (error: Error) => {
          this.#flights.delete(flight);
          flight.fail(error);
        },
      );
    });
  }

  get #isSilent(): boolean {
    return this.#mode === 'freeze' || this.#mode === 'blackHole' || this.#mode === 'halfOpen';
  }

  /** The server hears of what is over for the client. */
  #release(flight: Flight): void {
    if (!flight.isOver && !flight.isMute) return;
    this.#flights.delete(flight);
    flight.server.abort(broken('ECONNRESET'));
  }

  async #fly(flight: Flight, body: string, callerId: string | undefined): Promise<Answer> {
    if (this.#mode === 'refuse') throw broken('ECONNREFUSED');
    if (this.#mode === 'reset') throw broken('ECONNRESET');
    await this.#pass(flight, 'up', body.length);
    const answer = await this.#world
      .handle(body, flight.server.signal, callerId)
      .catch((error) => this.#pass(flight, 'down', 0).then(() => Promise.reject(error)));
    await this.#pass(flight, 'down', answer.body.length);
    if (this.mangle === undefined) return answer;
    return { ...answer, body: this.mangle(typeOf(body), answer.body) };
  }

  /** Resolves when the bytes have arrived; never, when they are lost. */
  async #pass(flight: Flight, direction: Direction, bytes: number): Promise<void> {
    const ms = this.#delayMs(direction, bytes + HEAD_BYTES);
    if (ms > 0) await this.#clock.sleep(ms);
    while (this.#mode === 'freeze' && !flight.isMute)
      await new Promise<void>((resolve) => this.#thaw.push(resolve));
    if (this.#mode === 'blackHole') flight.isMute = true;
    if (this.#mode === 'halfOpen' && direction === 'down') flight.isMute = true;
    if (flight.isMute || (flight.isOver && direction === 'up')) await new Promise<never>(() => {});
  }

  #delayMs(direction: Direction, bytes: number): number {
    const { latencyMs = 0, lossPercent = 0, retransmitMs = RETRANSMIT_MS, rateDown, rateUp } = this.#shape;
    const rate = direction === 'up' ? rateUp : rateDown;
    let ms = latencyMs / 2 + (rate === undefined ? 0 : (8_000 * bytes) / rate);
    if (lossPercent > 0)
      for (let packets = Math.ceil(bytes / PACKET_BYTES); packets > 0; packets -= 1)
        if (this.#random.next() * 100 < lossPercent) ms += retransmitMs + latencyMs;
    return ms;
  }
}

/** One of each, for years of refused attempts: only their code is read. */
const BROKEN = new Map<string, Error>();

function broken(code: string): Error {
  const known = BROKEN.get(code) ?? Object.assign(new Error(code), { code });
  BROKEN.set(code, known);
  return known;
}

function typeOf(body: string): string {
  const { payloadtype } = JSON.parse(body) as { payloadtype: string };
  return payloadtype;
}
