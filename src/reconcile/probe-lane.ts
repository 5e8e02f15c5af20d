import type { Clock } from '../base/clock.ts';
import { Limiter } from '../base/lanes.ts';
import type { ProbeReport } from '../model/observed.ts';
import type { ProbeResult, Prober } from '../model/ports.ts';
import {
  type Address,
  checkText,
  newCheck,
  nextCheck,
  type ProbeTarget,
  pauseAfter,
} from './readiness-probe.ts';

/** Probes under way at the same time; of many that hang, others wait at most for one's timeout. */
const MOST_PROBES = 32;

/** A reason made once: the default one is an exception with a stack trace, for each container. */
const NO_LONGER_NEEDED = 'no longer needed';

interface Watched {
  /** All that a target is; another one is another target. */
  signature: string;
  report: ProbeReport;
  stop: AbortController;
}

/** Probes containers of ours, each at its own pace. Without anything to probe there is neither work nor a timer. */
export class ProbeLane {
  readonly #prober: Prober;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  readonly #room = new Limiter(MOST_PROBES);
  readonly #watched = new Map<string, Watched>();
  /** Rejects the run; undefined: it does not run. */
  #broken: ((error: unknown) => void) | undefined;

  /** `onChange`: a check has come to another state. */
  constructor(prober: Prober, clock: Clock, onChange: () => void) {
    this.#prober = prober;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** Runs until aborted; rejects when a probe fails in a way that no probe may. */
  run(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#broken = undefined;
        for (const id of [...this.#watched.keys()]) this.#drop(id);
        resolve();
      };
      if (signal.aborted) return end();
      this.#broken = reject;
      signal.addEventListener('abort', end, { once: true });
    });
  }

  /** What is to be probed from now on; `unknown`: ids of containers where all stays as it is. */
  aim(targets: readonly ProbeTarget[], unknown: ReadonlySet<string>): void {
    if (this.#broken === undefined) return;
    const ids = new Set(targets.map(({ id }) => id));
    for (const id of [...this.#watched.keys()]) if (!ids.has(id) && !unknown.has(id)) this.#drop(id);
    for (const target of targets) {
      const signature = JSON.stringify(target);
      if (this.#watched.get(target.id)?.signature === signature) continue;
      this.#drop(target.id);
      this.#begin(target, signature);
    }
  }

  /** What is known now, by container id. */
  view(): ReadonlyMap<string, ProbeReport> {
    return new Map([...this.#watched].map(([id, { report }]) => [id, report]));
  }

  #begin(target: ProbeTarget, signature: string): void {
    const { id, startedAt } = target;
    const stop = new AbortController();
    const report: ProbeReport = { startedAt, own: { state: 'starting', message: '' } };
    const watched: Watched = { signature, report, stop };
    this.#watched.set(id, watched);
    this.#watch(target, watched).catch((error: unknown) => {
      if (!stop.signal.aborted) this.#broken?.(error);
    });
  }

  #drop(id: string): void {
    this.#watched.get(id)?.stop.abort(NO_LONGER_NEEDED);
    this.#watched.delete(id);
  }

  /** Probes one run of one container until it is dropped. */
  async #watch(target: ProbeTarget, watched: Watched): Promise<never> {
    const { spec } = target;
    const { signal } = watched.stop;
    const sinceMs = this.#clock.monoMs();
    let own = newCheck(sinceMs);
    let published = target.published === undefined ? undefined : newCheck(sinceMs);
    for (;;) {
      const result = await this.#ask(target, signal);
      own = nextCheck(own, result, spec, this.#clock.monoMs(), sinceMs);
      // A port says nothing of its own while what is behind it does not answer.
      if (published !== undefined && target.published !== undefined && result.ok) {
        const there = await this.#askPublished(target, target.published, signal);
        published = nextCheck(published, there, spec, this.#clock.monoMs(), sinceMs);
      }
      this.#note(watched, own, published);
      const states = published === undefined || !result.ok ? [own.state] : [own.state, published.state];
      await this.#clock.sleep(pauseAfter(states, spec), signal);
    }
  }

  /**
   * Without its proxies an engine listens on a published port only to keep it for itself: connections are made there also when
   * nothing leads on to the container. So over tcp an answer is asked for, as long as the container itself gives one.
   */
  async #askPublished(target: ProbeTarget, at: Address, signal: AbortSignal): Promise<ProbeResult> {
    const there = await this.#ask(target, signal, { at, mustAnswer: true });
    if (there.ok || target.spec.http !== undefined) return there;
    const own = await this.#ask(target, signal, { mustAnswer: true });
    return own.ok ? there : this.#ask(target, signal, { at });
  }

  async #ask(
    { spec, host }: ProbeTarget,
    signal: AbortSignal,
    { at, mustAnswer = false }: { at?: Address; mustAnswer?: boolean } = {},
  ): Promise<ProbeResult> {
    if (at?.port === 0) return { ok: false, message: 'the engine publishes no port for it' };
    if (at === undefined && host === '') return { ok: false, message: 'the container has no address' };
    const { http, tcp, timeoutMs } = spec;
    const port = tcp?.port ?? http?.port ?? 0;
    const web = http === undefined ? {} : { http };
    const result = await this.#room.run(signal, () =>
      this.#prober.probe({ host, port, ...at, ...web, mustAnswer, timeoutMs }, signal),
    );
    return result.ok ? result : { ok: false, message: `${checkText(spec, at)}: ${result.message}` };
  }

  #note(watched: Watched, own: ProbeReport['own'], published: ProbeReport['published']): void {
    const before = watched.report;
    const copy = ({ state, message }: ProbeReport['own']) => ({ state, message });
    watched.report = {
      startedAt: before.startedAt,
      own: copy(own),
      ...(published === undefined ? {} : { published: copy(published) }),
    };
    if (before.own.state !== own.state || before.published?.state !== published?.state) this.#onChange();
  }
}
