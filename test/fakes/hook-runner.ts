import type { HookCommand, HookRunner } from '../../src/model/ports.ts';
import type { HookResult } from '../../src/model/update.ts';
import type { ManualClock } from './clock.ts';
import type { Life } from './life.ts';

/** Executables of a hooks directory in memory: what they were run with, and what comes of them. */
export class FakeHooks {
  readonly runs: { name: string; env: HookCommand['env'] }[] = [];
  /** By name; absent: it ends well at once. */
  readonly results = new Map<string, HookResult & { takesMs?: number }>();
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  /** The port, for one life of the agent. */
  open(life: Life): HookRunner {
    return {
      run: (name, { env, timeoutMs }, signal) =>
        life.guard(async () => {
          this.runs.push({ name, env });
          const { takesMs = 0, ...result } = this.results.get(name) ?? { exitCode: 0, output: '' };
          await this.#clock.sleep(Math.min(takesMs, timeoutMs), signal);
          return takesMs > timeoutMs ? { output: result.output } : result;
        }),
    };
  }
}
