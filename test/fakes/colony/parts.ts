import { Assigner } from './assign.ts';
import { Blueprints } from './blueprints.ts';
import { Crons } from './crons.ts';
import { Definitions } from './definitions.ts';
import { Executors } from './executors.ts';
import type { Handler, Parts } from './handler.ts';
import { blueprintHandlers, definitionHandlers } from './handlers-blueprint.ts';
import { executorHandlers, functionHandlers } from './handlers-executor.ts';
import { logHandlers, processHandlers } from './handlers-process.ts';
import { serverHandlers } from './handlers-server.ts';
import { Logs } from './logs.ts';
import { Processes } from './processes.ts';
import { ColonyState, type Settings } from './state.ts';
import { Timers } from './timers.ts';
import { Waiters } from './waiters.ts';

/** Every type of message that is understood. */
export const HANDLERS: Readonly<Record<string, Handler>> = {
  ...serverHandlers,
  ...executorHandlers,
  ...functionHandlers,
  ...blueprintHandlers,
  ...definitionHandlers,
  ...processHandlers,
  ...logHandlers,
};

/** A server's insides, put together. */
export function createParts(settings: Settings): { parts: Parts; timers: Timers } {
  const state = new ColonyState(settings);
  const waiters = new Waiters(settings.clock);
  const timers: Timers = new Timers(settings.clock, () => {
    const now = state.now();
    const next = [executors.sweepIfDue(), crons.check(), processes.checkDeadlines()];
    const due = next.filter((at) => at !== undefined);
    return due.length === 0 ? undefined : Math.max(0, Math.min(...due) - now);
  });
  const processes: Processes = new Processes(state, waiters, timers);
  const executors: Executors = new Executors(state, processes, timers);
  const crons: Crons = new Crons(state, processes, timers);
  const parts: Parts = {
    state,
    executors,
    processes,
    blueprints: new Blueprints(state, processes, crons),
    definitions: new Definitions(state),
    assigner: new Assigner(state, processes, waiters, executors),
    waiters,
    logs: new Logs(state),
  };
  return { parts, timers };
}
