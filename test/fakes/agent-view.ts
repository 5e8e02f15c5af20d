import { Ring } from '../../src/base/ring.ts';
import type { GcReport } from '../../src/model/disk.ts';
import type { LinkClass } from '../../src/model/link.ts';
import type { AgentEvent, AgentStatus, AgentView } from '../../src/model/status.ts';
import type { LockCommand } from '../../src/model/update.ts';
import { sampleStatus } from './sample-status.ts';

/** An agent's interface whose status is given and whose events are pushed by the test. */
export interface FakeView extends AgentView {
  current: AgentStatus;
  push(message: string): AgentEvent;
  /** undefined: no server is configured. */
  linkClass: LinkClass | undefined;
  /** What a collection answers. */
  garbage: GcReport | Error;
  /** Names that are missing, until somebody confirms it. */
  suspects: readonly string[];
  /** What was asked of roll-outs. */
  commands: string[];
  /** What was asked about locks. */
  lockCommands: LockCommand[];
  /** Listeners for events at this moment. */
  listening(): number;
}

export function fakeView(ringSize = 100): FakeView {
  const ring = new Ring<AgentEvent>(ringSize);
  const listeners = new Set<(event: AgentEvent) => void>();
  return {
    current: sampleStatus(),
    status() {
      return this.current;
    },
    suspects: [],
    confirmRemoval() {
      const names = this.suspects;
      this.suspects = [];
      return names;
    },
    garbage: { dryRun: false, targetPercent: 75, images: [], containers: [], kept: [], failed: [] },
    collectGarbage(dryRun) {
      if (this.garbage instanceof Error) return Promise.reject(this.garbage);
      return Promise.resolve({ ...this.garbage, dryRun });
    },
    commands: [],
    commandLock(command) {
      this.lockCommands.push(command);
      const id = command.command === 'lock' ? { id: command.id ?? 'id-1' } : {};
      const isUnknown = command.command !== 'release' && command.name === 'unknown';
      return isUnknown
        ? { ok: false, text: 'unknown is not in force on this node' }
        : { ok: true, text: `${command.command} done`, ...id };
    },
    lockCommands: [],
    commandRollout(command, blueprint) {
      this.commands.push(`${command} ${blueprint}`);
      return blueprint === 'unknown'
        ? { ok: false, text: 'unknown is not in force on this node' }
        : { ok: true, text: `${blueprint}: ${command}` };
    },
    linkClass: undefined,
    setLinkClass(linkClass) {
      if (this.linkClass === undefined) return false;
      this.linkClass = linkClass;
      return true;
    },
    plan: () => ({ converged: true, actions: [], holds: [], text: '' }),
    events: (after) => ring.after(after),
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    push(message) {
      const event = ring.push((seq) => ({ seq, time: '2026-01-02T03:04:05.678Z', level: 'info', message }));
      for (const listener of listeners) listener(event);
      return event;
    },
    listening: () => listeners.size,
  };
}
