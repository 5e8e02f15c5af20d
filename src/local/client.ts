import { type IncomingMessage, request } from 'node:http';
import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import type { GcReport } from '../model/disk.ts';
import type { LinkClass } from '../model/link.ts';
import type { RolloutAnswer, RolloutCommand } from '../model/rollout.ts';
import type { AgentEvent, AgentStatus, PlanReport } from '../model/status.ts';
import type { LockAnswer, LockCommand } from '../model/update.ts';

/** No answer is larger, unless something else listens there. */
const MAX_ANSWER_LENGTH = 64 * 1024 * 1024;
const ANSWER_MS = 10_000;
/** Removing many images takes its time. */
const COLLECT_MS = 600_000;

export interface AskOptions {
  signal: AbortSignal;
  /** Longest silence before it is given up; 10 s when absent. */
  timeoutMs?: number;
}

/** A line of the event stream: an event, or the number of events that were lost to a slow reader. */
export type EventLine = { event: AgentEvent } | { dropped: number };

/**
 * The running agent behind its socket. Codes of everything it throws: `AGENT_NOT_RUNNING` (no socket, or nobody behind
 * it), `AGENT_FORBIDDEN` (no permission), `AGENT_SILENT` (no answer in time), `AGENT_REFUSED` (it cannot do it now),
 * `AGENT_ANSWER` (something else answers).
 */
export interface AgentClient {
  status(options: AskOptions): Promise<AgentStatus>;
  plan(options: AskOptions): Promise<PlanReport>;
  /** Says that the blueprints missing on the server are really meant to go; their names. */
  confirmRemoval(options: AskOptions): Promise<readonly string[]>;
  /** Asks something of the roll-out of a blueprint; what came of it. */
  commandRollout(command: RolloutCommand, name: string, options: AskOptions): Promise<RolloutAnswer>;
  /** Locks for a time, unlocks, or passes over locks. */
  commandLock(command: LockCommand, options: AskOptions): Promise<LockAnswer>;
  /** Locks for as long as this process, or the connection, lasts. */
  holdLock(command: LockCommand, options: AskOptions): Promise<HeldLock>;
  /** Switches what the link may cost, until the agent ends. */
  setLinkClass(linkClass: LinkClass, options: AskOptions): Promise<void>;
  /** Has the agent remove what it may, or only say what. */
  collectGarbage(dryRun: boolean, options: AskOptions): Promise<GcReport>;
  /** Events with `seq` greater than `after`; with `follow` it ends only when the agent or the signal does. */
  events(after: number, options: AskOptions & { follow: boolean }): AsyncGenerator<EventLine>;
}

/** A lock that ends with its connection. */
export interface HeldLock {
  answer: LockAnswer;
  /** Resolves when the agent has gone, or the lock was closed. */
  ended: Promise<void>;
  close(): void;
}

export function createAgentClient(path: string): AgentClient {
  return {
    async status(options) {
      const answer = await askJson(path, '/v1/status', options);
      if (isStatus(answer)) return answer;
      throw strange(path, 'its status has another form; is the agent of another version?');
    },
    async plan(options) {
      const answer = await askJson(path, '/v1/plan', options);
      if (isPlan(answer)) return answer;
      throw strange(path, 'its plan has another form; is the agent of another version?');
    },
    async confirmRemoval(options) {
      const { names } = membersOf(await askJson(path, '/v1/confirm-removal', options, 'POST'));
      if (isTexts(names)) return names;
      throw strange(path, 'its answer has another form; is the agent of another version?');
    },
    async commandRollout(command, name, options) {
      const route = `/v1/rollout?command=${command}&name=${encodeURIComponent(name)}`;
      const { ok, text } = membersOf(await askJson(path, route, options, 'POST'));
      if (typeof ok === 'boolean' && typeof text === 'string') return { ok, text };
      throw strange(path, 'its answer has another form; is the agent of another version?');
    },
    async commandLock(command, options) {
      return lockAnswer(await askJson(path, lockRoute(command), options, 'POST'), path);
    },
    async holdLock(command, options) {
      const response = await ask(path, lockRoute(command), options, 'POST');
      response.socket.setTimeout(0);
      const ended = new Promise<void>((resolve) => response.on('close', () => resolve()));
      const close = () => response.destroy();
      const read = lines(response, path, options);
      const { value } = await read.next();
      const answer = lockAnswer(value === undefined ? undefined : parseJson(value, path), path);
      // Nothing more comes; the end of the stream is the end of the connection.
      read.next().then(close, close);
      return { answer, ended, close };
    },
    async setLinkClass(linkClass, options) {
      await askJson(path, `/v1/link-class?to=${linkClass}`, options, 'POST');
    },
    async collectGarbage(dryRun, options) {
      const route = `/v1/gc${dryRun ? '?dry-run=1' : ''}`;
      const answer = await askJson(path, route, { timeoutMs: COLLECT_MS, ...options }, 'POST');
      if (isReport(answer)) return answer;
      throw strange(path, 'its report has another form; is the agent of another version?');
    },
    async *events(after, options) {
      const follow = options.follow ? '&follow=1' : '';
      const response = await ask(path, `/v1/events?after=${after}${follow}`, options);
      if (options.follow) response.socket.setTimeout(0);
      for await (const line of lines(response, path, options)) yield decodeLine(line, path);
    },
  };
}

function lockRoute(command: LockCommand): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(command))
    query.set(LOCK_WORDS[key] ?? key, value === true ? '1' : String(value));
  return `/v1/lock?${query.toString()}`;
}

/** Members of a command about locks as the interface calls them, where that is another word. */
const LOCK_WORDS: Readonly<Record<string, string>> = { ttlMs: 'ttl', isHeld: 'hold' };

function lockAnswer(value: unknown, path: string): LockAnswer {
  const { ok, text, id } = membersOf(value);
  if (typeof ok === 'boolean' && typeof text === 'string')
    return { ok, text, ...(typeof id === 'string' ? { id } : {}) };
  throw strange(path, 'its answer has another form; is the agent of another version?');
}

type Members = Readonly<Record<string, unknown>>;

function membersOf(value: unknown): Members {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** The agent is our own program: checked is what tells another program, or a far other version, from it. */
function isStatus(value: unknown): value is AgentStatus {
  const status = membersOf(value);
  const objects = ['agent', 'engine', 'source', 'checkpoint', 'counters'];
  const lists = ['blueprints', 'refusals', 'pulls', 'strays', 'warnings'];
  return (
    typeof status.converged === 'boolean' &&
    objects.every((name) => typeof status[name] === 'object' && status[name] !== null) &&
    lists.every((name) => Array.isArray(status[name]))
  );
}

function isPlan(value: unknown): value is PlanReport {
  const plan = membersOf(value);
  return (
    typeof plan.converged === 'boolean' &&
    typeof plan.text === 'string' &&
    Array.isArray(plan.actions) &&
    Array.isArray(plan.holds)
  );
}

function isReport(value: unknown): value is GcReport {
  const report = membersOf(value);
  return ['images', 'containers', 'kept', 'failed'].every((name) => Array.isArray(report[name]));
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function isEvent(value: unknown): value is AgentEvent {
  const event = membersOf(value);
  return typeof event.seq === 'number' && typeof event.message === 'string';
}

function decodeLine(line: string, path: string): EventLine {
  const value = parseJson(line, path);
  if (isEvent(value)) return { event: value };
  const { dropped } = membersOf(value);
  if (typeof dropped === 'number') return { dropped };
  throw strange(path, 'its events have another form; is the agent of another version?');
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw strange(path, 'the answer is no JSON');
  }
}

async function askJson(path: string, route: string, options: AskOptions, method = 'GET'): Promise<unknown> {
  const response = await ask(path, route, options, method);
  const parts: string[] = [];
  let length = 0;
  response.setEncoding('utf8');
  try {
    for await (const chunk of response) {
      const part = String(chunk);
      length += part.length;
      if (length > MAX_ANSWER_LENGTH) throw strange(path, 'the answer does not end');
      parts.push(part);
    }
  } catch (error) {
    throw translate(error, path, options.signal);
  }
  return parseJson(parts.join(''), path);
}

async function* lines(response: IncomingMessage, path: string, options: AskOptions): AsyncGenerator<string> {
  let rest = '';
  response.setEncoding('utf8');
  try {
    for await (const chunk of response) {
      const parts = (rest + String(chunk)).split('\n');
      rest = parts.pop() ?? '';
      if (rest.length > MAX_ANSWER_LENGTH) throw strange(path, 'the answer has no lines');
      yield* parts.filter((part) => part !== '');
    }
  } catch (error) {
    throw translate(error, path, options.signal);
  }
}

function ask(path: string, route: string, options: AskOptions, method = 'GET'): Promise<IncomingMessage> {
  const timeoutMs = options.timeoutMs ?? ANSWER_MS;
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: path, path: route, method, signal: options.signal, agent: false });
    const silence = () =>
      asked.destroy(
        new EdgeError(`the agent does not answer on ${path} within ${timeoutMs / 1000} s`, {
          code: 'AGENT_SILENT',
          retry: 'transient',
          target: path,
        }),
      );
    asked.setTimeout(timeoutMs, silence);
    asked.on('error', (error) => reject(translate(error, path, options.signal)));
    asked.on('response', (response) => {
      if (response.statusCode === 200) return resolve(response);
      refusal(response, path, route).then(reject, reject);
    });
    asked.end();
  });
}

/** The agent's own words for why it cannot do something now; any other status is a stranger's. */
async function refusal(response: IncomingMessage, path: string, route: string): Promise<EdgeError> {
  const unexpected = strange(path, `status ${response.statusCode} for ${route}`);
  if (response.statusCode !== 503) {
    response.resume();
    return unexpected;
  }
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > 65_536) return unexpected;
  }
  const { error } = membersOf(parseJson(text, path));
  if (typeof error !== 'string') return unexpected;
  return new EdgeError(error, { code: 'AGENT_REFUSED', retry: 'transient', target: path });
}

function strange(path: string, why: string): EdgeError {
  return new EdgeError(`${path} gives no answer of a colonies-edge agent: ${why}`, {
    code: 'AGENT_ANSWER',
    retry: 'permanent',
    target: path,
  });
}

function translate(error: unknown, path: string, signal: AbortSignal): EdgeError {
  if (error instanceof EdgeError) return error;
  const fail = (code: string, message: string, retry: 'transient' | 'permanent' | 'cancelled') =>
    new EdgeError(message, { code, retry, target: path, cause: error });
  // An answer that is cut off by ourselves reads like one that broke.
  if (signal.aborted) return fail('CANCELLED', 'cancelled', 'cancelled');
  switch (errorCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return fail('AGENT_NOT_RUNNING', `no agent is running: there is no socket ${path}`, 'transient');
    case 'ECONNREFUSED':
      return fail(
        'AGENT_NOT_RUNNING',
        `no agent is running: ${path} is left from one that ended`,
        'transient',
      );
    case 'EACCES':
    case 'EPERM':
      return fail(
        'AGENT_FORBIDDEN',
        `no permission for ${path}: run as root, or as a member of the socket's group`,
        'permanent',
      );
    default:
      return fail('AGENT_ANSWER', `the agent on ${path} broke off: ${errorText(error)}`, 'transient');
  }
}
