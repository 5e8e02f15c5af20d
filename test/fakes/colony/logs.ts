import type { JsonMap, LogRecord } from './records.ts';
import { Refusal } from './reply.ts';
import type { ColonyState } from './state.ts';

/** Log lines of processes and executors (PROTOCOL.md 7.3). */
export class Logs {
  readonly #state: ColonyState;

  constructor(state: ColonyState) {
    this.#state = state;
  }

  add(processId: string, executorName: string, message: string): void {
    // The handler answers, and then answers again for the same failure.
    if (message.includes('\0'))
      throw new Refusal(400, 'pq: invalid byte sequence for encoding "UTF8": 0x00', 500);
    const { logs, settings } = this.#state;
    logs.push({ processId, executorName, message, at: this.#state.now(), seq: this.#state.seq() });
    if (logs.length > settings.keepEnded * 2) logs.splice(0, settings.keepEnded);
  }

  /** With an executor's name the process is ignored; oldest first. */
  get(query: {
    processId: string;
    executorName: string;
    count: number;
    sinceNs: number;
    latest: boolean;
  }): LogRecord[] {
    if (query.count > 500) throw new Refusal(403, 'Count exceeds max log count (500)');
    const found = this.#state.logs.filter(
      (one) =>
        (query.executorName !== ''
          ? one.executorName === query.executorName
          : one.processId === query.processId) && stampOf(one) > query.sinceNs,
    );
    if (query.count <= 0) return [];
    return query.latest ? found.slice(-query.count) : found.slice(0, query.count);
  }
}

/** Nanoseconds of UTC; past 2^53, so that it gets rounded on the way. */
function stampOf(one: LogRecord): number {
  return one.at * 1_000_000 + (one.seq % 1000) * 1000;
}

export function logView(one: LogRecord, colony: string): JsonMap {
  return {
    processid: one.processId,
    colonyname: colony,
    executorname: one.executorName,
    message: one.message,
    timestamp: stampOf(one),
  };
}
