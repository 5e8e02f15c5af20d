import type { Clock } from '../base/clock.ts';
import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import { Limiter } from '../base/lanes.ts';
import type { Action, Outcome } from '../model/action.ts';
import { isEngineOutage, isPermanentCode, reasonOf } from '../model/engine-codes.ts';
import type { PullProgress } from '../model/observed.ts';
import type { Engine } from '../model/ports.ts';
import type { Relays } from '../model/relay.ts';
import type { PullGuard } from './pull-guard.ts';

/** Carries out actions, each in its lane, and tells what came of them. Decides nothing. */
export class Apply {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #calls: Limiter;
  readonly #pulls: Limiter;
  readonly #progress: Map<string, PullProgress>;
  readonly #guard: PullGuard;
  readonly #relays: Relays;

  constructor(
    { engine, clock, relays }: { engine: Engine; clock: Clock; relays: Relays },
    lanes: { actions: number; pulls: number },
    progress: Map<string, PullProgress>,
    guard: PullGuard,
  ) {
    this.#engine = engine;
    this.#clock = clock;
    this.#calls = new Limiter(lanes.actions);
    this.#pulls = new Limiter(lanes.pulls);
    this.#progress = progress;
    this.#guard = guard;
    this.#relays = relays;
  }

  /** Settles with the outcome; never rejects. */
  async perform(action: Action, signal: AbortSignal): Promise<Outcome> {
    const begun = this.#clock.monoMs();
    try {
      const result = await this.#call(action, signal);
      return { ok: true, action, tookMs: this.#clock.monoMs() - begun, ...result };
    } catch (error) {
      const code = errorCode(error);
      return {
        ok: false,
        action,
        tookMs: this.#clock.monoMs() - begun,
        code,
        reason: reasonOf(code, action.kind),
        message: errorText(error),
        permanent: isPermanentCode(code) || (error instanceof EdgeError && error.retry === 'permanent'),
        engineOutage: isEngineOutage(code),
      };
    }
  }

  async #call(action: Action, signal: AbortSignal): Promise<{ id?: string; warnings?: readonly string[] }> {
    switch (action.kind) {
      case 'pullImage':
        return this.#pull(action.image, signal);
      case 'pointRelay':
        await this.#relays.point(action.folder, action.target, signal);
        return {};
      case 'stopContainer':
      case 'restartContainer':
        // A stop only waits; it must not keep others from their turn.
        return this.#engine.perform(action, signal);
      case 'createNetwork':
      case 'createContainer':
      case 'startContainer':
      case 'unpauseContainer':
      case 'renameContainer':
      case 'updateContainer':
      case 'connectNetwork':
      case 'disconnectNetwork':
      case 'removeContainer':
      case 'removeNetwork':
      case 'removeVolume':
      case 'removeImage':
      case 'importImage':
        return this.#calls.run(signal, () => this.#engine.perform(action, signal));
      default:
        return action satisfies never;
    }
  }

  async #pull(image: string, signal: AbortSignal): Promise<{ id?: string }> {
    const entry: PullProgress = {
      image,
      state: 'queued',
      currentBytes: 0,
      totalBytes: 0,
      since: this.#clock.now(),
    };
    this.#progress.set(image, entry);
    try {
      return await this.#pulls.run(signal, () => {
        entry.state = 'running';
        return this.#guard.pull(image, signal, () =>
          this.#engine.pull(image, {
            signal,
            onProgress: (currentBytes, totalBytes) => Object.assign(entry, { currentBytes, totalBytes }),
          }),
        );
      });
    } finally {
      this.#progress.delete(image);
    }
  }
}
