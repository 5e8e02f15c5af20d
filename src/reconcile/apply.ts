import type { Clock } from '../base/clock.ts';
import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import { Limiter } from '../base/lanes.ts';
import type { Action, Outcome } from '../model/action.ts';
import { isEngineOutage, isPermanentCode, reasonOf } from '../model/engine-codes.ts';
import type { PullProgress } from '../model/observed.ts';
import type { Engine, HookRunner } from '../model/ports.ts';
import type { Relays } from '../model/relay.ts';
import type { ContainerFile } from '../model/update.ts';
import type { AgentParts } from './agent-parts.ts';
import { PullGuard } from './pull-guard.ts';
import { runHook } from './run-hook.ts';

/** What of a lock file is read, bytes. */
const LOCK_HEAD_BYTES = 1_024;

/** What an action that worked has to tell. */
interface Told {
  id?: string;
  warnings?: readonly string[];
  file?: ContainerFile | undefined;
  output?: string;
}

type ApplyParts = Pick<AgentParts, 'engine' | 'clock' | 'settings' | 'storage' | 'log' | 'hooks' | 'relays'>;

/** Carries out actions, each in its lane, and tells what came of them. Decides nothing. */
export class Apply {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #calls: Limiter;
  readonly #pulls: Limiter;
  readonly #progress: Map<string, PullProgress>;
  readonly #guard: PullGuard;
  readonly #runner: HookRunner | undefined;
  readonly #hooks: Limiter;
  readonly #relays: Relays;

  constructor(
    { engine, clock, settings, storage, log, hooks, relays }: ApplyParts,
    progress: Map<string, PullProgress>,
  ) {
    this.#engine = engine;
    this.#clock = clock;
    this.#calls = new Limiter(settings.actionLanes);
    this.#pulls = new Limiter(settings.pullLanes);
    this.#progress = progress;
    this.#guard = new PullGuard(storage, log);
    this.#runner = hooks;
    // Beside the calls, which must not wait for a hook that takes its time.
    this.#hooks = new Limiter(settings.actionLanes);
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

  async #call(action: Action, signal: AbortSignal): Promise<Told> {
    switch (action.kind) {
      case 'pullImage':
        return this.#pull(action, signal);
      case 'pointRelay':
        await this.#relays.point(action.folder, action.target, signal);
        return {};
      case 'stopContainer':
      case 'restartContainer':
        // A stop only waits; it must not keep others from their turn.
        return this.#engine.perform(action, signal);
      case 'checkLock':
        return {
          file: await this.#engine.readFile(action.id, action.path, LOCK_HEAD_BYTES, signal),
        };
      case 'runHook': {
        const parts = { engine: this.#engine, hooks: this.#runner };
        return this.#hooks.run(signal, () => runHook(parts, action, signal));
      }
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

  async #pull(
    { image, together = [] }: Action & { kind: 'pullImage' },
    signal: AbortSignal,
  ): Promise<{ id?: string }> {
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
        return this.#guard.pull({ image, together }, signal, () =>
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
