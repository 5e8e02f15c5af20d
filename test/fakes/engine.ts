import { errorCode } from '../../src/base/errors.ts';
import type { EngineInfo, EngineSnapshot } from '../../src/model/observed.ts';
import type { Engine, EngineAction, EngineEvent, HookCommand, Wanted } from '../../src/model/ports.ts';
import type { ContainerFile, HookResult } from '../../src/model/update.ts';
import type { ManualClock } from './clock.ts';
import { carryOut } from './engine-effects.ts';
import { ByHand } from './engine-hands.ts';
import { execIn, fileIn } from './engine-inside.ts';
import {
  type Call,
  type CallKind,
  engineError,
  type Fault,
  normalReference,
  type Pullable,
} from './engine-types.ts';
import { viewOf } from './engine-view.ts';
import { EngineWorld } from './engine-world.ts';
import type { Life } from './life.ts';

/** How long a call takes on an engine in good health, in milliseconds; half before its effect, half after. */
const LATENCY_MS: Partial<Record<CallKind, number>> = {
  snapshot: 6,
  createContainer: 40,
  startContainer: 120,
};
const OTHER_LATENCY_MS = 20;
/** The adapter's deadlines, which turn a hung engine into `ENGINE_TIMEOUT`. */
const SNAPSHOT_DEADLINE_MS = 10_000;
const ACTION_DEADLINE_MS = 60_000;
/** The real watcher's first retry after a lost stream. */
const RECONNECT_MS = 200;
const STALL_MS = 120_000;
/** Calls the journal keeps. */
const JOURNAL_LIMIT = 20_000;

interface Watcher {
  deliver(event: EngineEvent): void;
  connected: boolean;
}

/**
 * The `Engine` port in memory: behaves as Docker 20.10 does as far as reconciling can see, takes virtual time, fails
 * on command, and keeps a journal. `world` is the host; it goes on while agents live and die.
 */
export class FakeEngine implements Engine {
  readonly endpoint = 'unix:///fake/engine.sock';
  readonly clock: ManualClock;
  readonly world: EngineWorld;
  readonly byHand: ByHand;
  /** Every call of the port, oldest first; bounded, see `callCount` and `mutationCount` for totals. */
  readonly calls: Call[] = [];
  callCount = 0;
  /** Ids of everything a mutating call ever named. */
  readonly touched = new Set<string>();
  mutationCount = 0;
  /** What registries have; a reference that is not here is not found. */
  readonly registry = new Map<string, Pullable>();
  /** false: no registry can be reached. */
  online = true;
  /** Names of containers whose inspection does not answer. */
  readonly hungInspections = new Set<string>();
  /** true: events are not delivered. */
  losesEvents = false;
  /** Added to every call. */
  slowMs = 0;
  info: EngineInfo = {
    version: '20.10.24',
    apiVersion: '1.41',
    name: 'docker',
    os: 'linux',
    arch: 'amd64',
    variant: '',
    loggingDriver: 'json-file',
    memoryBytes: 2 ** 31,
    cpus: 2,
    memoryLimit: true,
    rootDir: '/var/lib/docker',
  };
  #condition: 'up' | 'down' | 'hung' = 'up';
  #faults: (Fault & { left: number })[] = [];
  readonly #watchers = new Set<Watcher>();
  /** Events of a hung engine, delivered when it goes on. */
  #held: EngineEvent[] = [];
  #crash: { left: number; onCrash: () => void } | undefined;

  constructor(clock: ManualClock) {
    this.clock = clock;
    this.world = new EngineWorld(clock);
    this.world.onEvent = (event) => this.#deliver(event);
    this.byHand = new ByHand(this.world);
  }

  /** The port for one life of the agent: after it ended, calls have no effect and never settle. */
  open(life: Life): Engine {
    return {
      endpoint: this.endpoint,
      snapshot: (wanted, signal) => life.guard(() => this.snapshot(wanted, signal)),
      perform: (action, signal) => life.guard(() => this.perform(action, signal)),
      pull: (image, options) =>
        life.guard(() =>
          this.pull(image, {
            signal: options.signal,
            onProgress: (now, all) => life.over || options.onProgress(now, all),
          }),
        ),
      readFile: (id, path, headBytes, signal) => life.guard(() => this.readFile(id, path, headBytes, signal)),
      exec: (id, command, signal) => life.guard(() => this.exec(id, command, signal)),
      watch: (onEvent, signal) =>
        life.guard(() => this.watch((event) => life.over || onEvent(event), signal)),
      close: () => life.guard(() => this.close()),
    };
  }

  // --- what can go wrong -------------------------------------------------------------------------------------------

  /** Calls that match fail, see `Fault`; returns a function that ends it. */
  fail(fault: Fault): () => void {
    const entry = { ...fault, left: fault.times ?? 1 };
    this.#faults.push(entry);
    return () => {
      this.#faults = this.#faults.filter((other) => other !== entry);
    };
  }

  clearFaults(): void {
    this.#faults = [];
    this.slowMs = 0;
    this.losesEvents = false;
    this.hungInspections.clear();
    this.online = true;
    this.recover();
  }

  /** The socket answers no more (`ENGINE_UNREACHABLE`); processes go on, as with live-restore. */
  outage(): void {
    this.#condition = 'down';
    this.#disconnect();
  }

  /** The engine accepts calls and never answers, as after SIGSTOP; the streams stay open. */
  hang(): void {
    this.#condition = 'hung';
  }

  /** Ends an outage or a hang. */
  recover(): void {
    if (this.#condition === 'up') return;
    this.#condition = 'up';
    this.#reconnect();
  }

  get condition(): 'up' | 'down' | 'hung' {
    return this.#condition;
  }

  /** The daemon restarts and with it all containers, as without live-restore; 255: the power was cut. */
  async restart(downMs = 2_000, exitCode = 255): Promise<void> {
    this.outage();
    this.world.shutDown(exitCode);
    await this.clock.advance(downMs);
    this.world.boot();
    this.recover();
  }

  /** After the n-th call from now took effect, before its answer arrives: `onCrash`, once. */
  crashAfter(calls: number, onCrash: () => void): void {
    this.#crash = { left: calls, onCrash };
  }

  /** One more call has taken effect, of whoever is no engine and dies like one. */
  countCall(): void {
    this.#countDown();
  }

  /** true: a crash was set and has not come. */
  get crashPending(): boolean {
    return this.#crash !== undefined;
  }

  cancelCrash(): void {
    this.#crash = undefined;
  }

  /** The inspection answers again, which the adapter announces. */
  unhang(name: string): void {
    this.hungInspections.delete(name);
    const box = this.world.byName(name);
    if (box !== undefined)
      this.#deliver({ type: 'container', action: 'inspected', id: box.id, name: box.name });
  }

  /** Calls that change something, from number `after` on. */
  mutations(after = 0): Call[] {
    return this.calls.filter((call) => call.mutating && call.seq > after);
  }

  // --- the port ----------------------------------------------------------------------------------------------------

  snapshot(wanted: Wanted, signal: AbortSignal): Promise<EngineSnapshot> {
    return this.#call('snapshot', '', '', signal, async () =>
      viewOf(this.world, this.info, wanted, this.hungInspections),
    );
  }

  perform(action: EngineAction, signal: AbortSignal): Promise<{ id?: string; warnings?: readonly string[] }> {
    const id = 'id' in action ? action.id : '';
    return this.#call(action.kind, action.name, id, signal, () => carryOut(this.world, action));
  }

  async pull(
    reference: string,
    options: { signal: AbortSignal; onProgress(currentBytes: number, totalBytes: number): void },
  ): Promise<void> {
    await this.#call('pullImage', reference, '', options.signal, async () => {
      if (!this.online) throw engineError('REGISTRY_UNREACHABLE', reference);
      const pullable = this.registry.get(normalReference(reference));
      if (pullable === undefined)
        throw engineError('IMAGE_NOT_FOUND', reference, `manifest unknown: ${reference}`);
      const total = pullable.sizeBytes ?? 1_000_000;
      const takesMs = pullable.takesMs ?? 1_000;
      const steps = Math.max(1, Math.ceil(takesMs / 1_000));
      for (let step = 1; step <= steps; step += 1) {
        await this.clock.sleep(takesMs / steps, options.signal);
        if (!this.online || this.#condition === 'hung' || step / steps > (pullable.stallsAt ?? 2)) {
          await this.clock.sleep(STALL_MS, options.signal);
          throw engineError('PULL_STALLED', reference);
        }
        if (this.#condition === 'down') throw engineError('ENGINE_RESET', reference);
        options.onProgress(Math.round((total * step) / steps), total);
      }
      if (pullable.code !== undefined) throw engineError(pullable.code, reference);
      this.world.setTag(reference, pullable.image);
      this.#deliver({ type: 'image', action: 'pull', id: reference });
    });
  }

  readFile(
    id: string,
    path: string,
    headBytes: number,
    signal: AbortSignal,
  ): Promise<ContainerFile | undefined> {
    const target = this.world.boxes.get(id)?.name ?? id;
    return this.#call('readFile', target, id, signal, async () => fileIn(this.world, id, path, headBytes));
  }

  exec(id: string, command: HookCommand, signal: AbortSignal): Promise<HookResult> {
    const target = this.world.boxes.get(id)?.name ?? id;
    return this.#call('exec', target, id, signal, () => execIn(this.world, this.clock, id, command));
  }

  watch(onEvent: (event: EngineEvent) => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const watcher: Watcher = {
        connected: false,
        deliver: (event) => queueMicrotask(() => signal.aborted || onEvent(event)),
      };
      this.#watchers.add(watcher);
      signal.addEventListener(
        'abort',
        () => {
          this.#watchers.delete(watcher);
          resolve();
        },
        { once: true },
      );
      if (this.#condition === 'up') this.#greet(watcher);
    });
  }

  async close(): Promise<void> {}

  // --- inside ------------------------------------------------------------------------------------------------------

  async #call<T>(
    kind: CallKind,
    target: string,
    id: string,
    signal: AbortSignal,
    effect: () => Promise<T>,
  ): Promise<T> {
    this.callCount += 1;
    const call: Call = {
      seq: this.callCount,
      atMs: this.clock.monoMs(),
      kind,
      target,
      id,
      mutating: kind !== 'snapshot' && kind !== 'readFile',
    };
    if (call.mutating) {
      this.mutationCount += 1;
      this.touched.add(id);
    }
    this.calls.push(call);
    if (this.calls.length > JOURNAL_LIMIT) this.calls.splice(0, JOURNAL_LIMIT / 2);
    try {
      signal.throwIfAborted();
      const result = await this.#answer(call, signal, effect);
      call.result = 'ok';
      return result;
    } catch (error) {
      const failure = signal.aborted ? engineError('CANCELLED', target, 'given up by the caller') : error;
      call.result = errorCode(failure);
      throw failure;
    }
  }

  async #answer<T>(call: Call, signal: AbortSignal, effect: () => Promise<T>): Promise<T> {
    const target = call.target === '' ? this.endpoint : call.target;
    const deadlineMs = call.kind === 'snapshot' ? SNAPSHOT_DEADLINE_MS : ACTION_DEADLINE_MS;
    const latencyMs = (LATENCY_MS[call.kind] ?? OTHER_LATENCY_MS) + this.slowMs;
    if (this.#condition === 'down') throw engineError('ENGINE_UNREACHABLE', this.endpoint);
    if (this.#condition === 'hung' || latencyMs > deadlineMs) {
      await this.clock.sleep(deadlineMs, signal);
      throw engineError('ENGINE_TIMEOUT', target);
    }
    await this.clock.sleep(latencyMs / 2, signal);
    this.#resetIfDown();
    const fault = this.#faults.find((entry) => entry.left > 0 && (entry.when?.(call) ?? true));
    if (fault !== undefined) {
      fault.left -= 1;
      if (!fault.afterEffect) throw engineError(fault.code, target);
    }
    const result = await effect();
    this.#countDown();
    await this.clock.sleep(latencyMs / 2, signal);
    if (fault !== undefined) throw engineError(fault.code, target);
    this.#resetIfDown();
    return result;
  }

  #resetIfDown(): void {
    if (this.#condition === 'down') throw engineError('ENGINE_RESET', this.endpoint);
  }

  #countDown(): void {
    if (this.#crash === undefined) return;
    this.#crash.left -= 1;
    if (this.#crash.left > 0) return;
    const { onCrash } = this.#crash;
    this.#crash = undefined;
    onCrash();
  }

  #deliver(event: EngineEvent): void {
    if (this.losesEvents || this.#condition === 'down') return;
    if (this.#condition === 'hung') {
      this.#held.push(event);
      return;
    }
    for (const watcher of this.#watchers) if (watcher.connected) watcher.deliver(event);
  }

  #greet(watcher: Watcher): void {
    if (watcher.connected || !this.#watchers.has(watcher)) return;
    watcher.connected = true;
    watcher.deliver({ type: 'connected', action: '', id: '' });
  }

  #disconnect(): void {
    for (const watcher of this.#watchers) {
      if (watcher.connected) watcher.deliver({ type: 'disconnected', action: 'ENGINE_UNREACHABLE', id: '' });
      watcher.connected = false;
    }
  }

  #reconnect(): void {
    for (const event of this.#held.splice(0)) this.#deliver(event);
    for (const watcher of this.#watchers)
      this.clock.after(RECONNECT_MS, () => {
        if (this.#condition === 'up') this.#greet(watcher);
      });
  }
}
