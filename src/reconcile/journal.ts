import { lru } from 'tiny-lru';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Ring } from '../base/ring.ts';
import type { Action, ActionKind, Outcome } from '../model/action.ts';
import type { Setback } from '../model/observed.ts';
import type { AgentEvent } from '../model/status.ts';
import { targetOf } from './text.ts';

/** Events kept for `colonies-edge events`. */
const EVENTS_KEPT = 500;

/** Lines remembered so that a repeated failure is logged when it starts and when it changes, not each time. */
const LINES_REMEMBERED = 500;

const DONE: Record<ActionKind, string> = {
  pullImage: 'image pulled',
  createNetwork: 'network created',
  createContainer: 'container created',
  startContainer: 'container started',
  unpauseContainer: 'container unpaused',
  stopContainer: 'container stopped',
  restartContainer: 'container restarted',
  renameContainer: 'container renamed',
  updateContainer: 'container updated in place',
  connectNetwork: 'container connected to network',
  disconnectNetwork: 'container disconnected from network',
  removeContainer: 'container removed',
  removeNetwork: 'network removed',
  removeVolume: 'volume removed',
  removeImage: 'image removed',
  checkLock: 'lock looked for',
  runHook: 'hook run',
  importImage: 'image made',
  pointRelay: 'relay points to another container',
};

/** Steps of a service on its way to a start, which do not end a row of failures. */
const ATTEMPTS: ReadonlySet<ActionKind> = new Set<ActionKind>([
  'createContainer',
  'startContainer',
  'removeContainer',
]);

type EventFields = Omit<AgentEvent, 'seq' | 'time' | 'level' | 'message'>;

/** What the agent did: a bounded list in memory for the operator, and one log line each. */
export class Journal {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #ring = new Ring<AgentEvent>(EVENTS_KEPT);
  readonly #listeners = new Set<(event: AgentEvent) => void>();
  readonly #failing = lru<string>(LINES_REMEMBERED);

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Keeps an event, tells whoever follows, and logs it unless it is quiet: one more of a row, or logged elsewhere. */
  add(level: AgentEvent['level'], message: string, fields: EventFields, isQuiet = false): void {
    const event = this.#keep(level, message, fields);
    if (!isQuiet) this.#log[level](message, { ...fields });
    for (const listener of this.#listeners) listener(event);
  }

  /** An action that takes long and begins now, unless it is one more try of what fails. */
  begun(action: Action): void {
    if (action.kind !== 'pullImage' || this.#failing.get(action.lane) !== undefined) return;
    this.add('info', 'image pull started', fieldsOf(action, ''));
  }

  /**
   * An action that worked; the end of a row of failures of its lane is said too. Making and clearing away a container
   * that cannot start belongs to the row: it is an event each time, but no line in the log.
   */
  done({ action, tookMs, output = '' }: Outcome & { ok: true }, isHealed = false): void {
    if (action.kind === 'checkLock') return;
    const failing = this.#failing.get(action.lane);
    const isEnd = failing?.startsWith(`${action.kind} failed`) === true;
    if (isEnd) this.#failing.delete(action.lane);
    const what = action.kind === 'runHook' ? `${action.hook}, ` : '';
    const said = output === '' ? '' : `: ${output}`;
    const detail = `${what}${(tookMs / 1000).toFixed(2)} s${isEnd ? ', after failures' : ''}${said}`;
    const fields = { ...fieldsOf(action, detail), ...(isHealed ? { healed: true as const } : {}) };
    const isAttempt = failing !== undefined && !isEnd && ATTEMPTS.has(action.kind);
    this.add('info', DONE[action.kind], fields, isAttempt || this.#isOneMore(action));
  }

  /** true: a restart of what was restarted before and has not been well for long since. */
  #isOneMore({ kind, lane }: Action): boolean {
    if (kind !== 'restartContainer') return false;
    const row = `health:${lane}`;
    const isMore = this.#failing.get(row) !== undefined;
    this.#failing.set(row, 'restarted');
    return isMore;
  }

  /** The checks of a service's container pass again, for long where it had to be restarted. */
  well(key: string, fields: EventFields): void {
    this.#failing.delete(`health:${key}`);
    this.add('info', 'container is healthy again', fields);
  }

  /** An action that failed; logged when the failure is new or another one than before. */
  failed({ action, reason, message }: Outcome & { ok: false }, setback: Setback | undefined): void {
    // Status says so while it matters.
    if (action.kind === 'checkLock') return;
    const next =
      setback === undefined
        ? ''
        : `, next try in ${Math.round((setback.notBeforeMs - this.#clock.monoMs()) / 1000)} s`;
    const fields = { ...fieldsOf(action, `${message}${next}`), reason };
    const text = `${action.kind} failed`;
    const isRepeated = this.#failing.get(action.lane) === `${text}:${message}`;
    this.#failing.set(action.lane, `${text}:${message}`);
    this.add('warn', text, fields, isRepeated);
  }

  /** A service whose container starts and does not stay up; logged when that is new or another end than before. */
  crashed({ key, reason, message }: Setback): void {
    const blueprint = key.split('/')[0] ?? key;
    const isRepeated = this.#failing.get(key) === `crashed:${message}`;
    this.#failing.set(key, `crashed:${message}`);
    this.add('warn', 'container does not stay up', { blueprint, reason, detail: message }, isRepeated);
  }

  /** A service has been fine for long after failures. */
  recovered(key: string): void {
    if (this.#failing.get(key) === undefined) return;
    this.#failing.delete(key);
    this.add('info', 'container stays up again', { blueprint: key.split('/')[0] ?? key });
  }

  after(seq: number): readonly AgentEvent[] {
    return this.#ring.after(seq);
  }

  subscribe(listener: (event: AgentEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #keep(level: AgentEvent['level'], message: string, fields: EventFields): AgentEvent {
    const time = new Date(this.#clock.now()).toISOString();
    return this.#ring.push((seq) => ({ seq, time, level, message, ...fields }));
  }
}

/** What an action was done to: a container has a field of its own, everything else begins the detail. */
function fieldsOf(action: Action, detail: string): EventFields {
  const blueprint = action.blueprint === '' ? {} : { blueprint: action.blueprint };
  const { cause } = action;
  if ('specHash' in action) return { ...blueprint, container: action.name, cause, detail };
  const target = targetOf(action);
  const isNamed = detail.includes(target);
  const named = isNamed ? detail : detail === '' ? target : `${target}, ${detail}`;
  return { ...blueprint, cause, detail: named };
}
