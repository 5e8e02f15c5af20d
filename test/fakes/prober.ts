import type { ProbeCheck, ProbeResult, Prober } from '../../src/model/ports.ts';
import type { ManualClock } from './clock.ts';
import type { Box } from './engine-types.ts';
import type { EngineWorld } from './engine-world.ts';
import type { Life } from './life.ts';

/** Time until an address that answers does so, milliseconds. */
const ANSWER_MS = 2;

/** The `Prober` port over the fake engine's containers: reaches what their programs and ports allow. */
export class FakeProber implements Prober {
  readonly #clock: ManualClock;
  readonly #world: EngineWorld;
  /** Every check made, oldest first. */
  readonly checks: { atMs: number; host: string; port: number }[] = [];
  /** Checks under way. */
  open = 0;
  mostOpen = 0;

  constructor(clock: ManualClock, world: EngineWorld) {
    this.#clock = clock;
    this.#world = world;
  }

  /** For one life of the agent. */
  inLife(life: Life): Prober {
    return { probe: (check, signal) => life.guard(() => this.probe(check, signal)) };
  }

  async probe(check: ProbeCheck, signal: AbortSignal): Promise<ProbeResult> {
    const { host, port, timeoutMs } = check;
    this.checks.push({ atMs: this.#clock.monoMs(), host, port });
    this.open += 1;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    try {
      const box = this.#behind(host, port);
      const isReserved = host === '127.0.0.1' && box?.isCutOff === true;
      const isSilent = check.mustAnswer === true && box?.program.isSilent === true;
      if (
        isSilent ||
        box?.isHung === true ||
        (isReserved && (check.mustAnswer === true || check.http !== undefined))
      ) {
        await this.#clock.sleep(timeoutMs, signal);
        return { ok: false, message: `no answer within ${timeoutMs / 1000} s` };
      }
      await this.#clock.sleep(ANSWER_MS, signal);
      const isUp = box?.state === 'running' && this.#listens(box);
      return isUp ? { ok: true } : { ok: false, message: 'connection refused' };
    } finally {
      this.open -= 1;
    }
  }

  #listens({ program, startedMonoMs }: Box): boolean {
    return this.#clock.monoMs() - startedMonoMs >= (program.listensAfterMs ?? 0);
  }

  /** The container at an address of its own, or behind a published port. */
  #behind(host: string, port: number): Box | undefined {
    const boxes = [...this.#world.boxes.values()];
    if (host !== '127.0.0.1')
      return boxes.find(({ networks }) => [...networks.values()].some(({ ip }) => ip === host));
    return boxes.find(
      ({ ports, spec }) => spec.network.mode === 'host' || ports.some(({ hostPort }) => hostPort === port),
    );
  }
}
