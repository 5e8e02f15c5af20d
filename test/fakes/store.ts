import { EdgeError } from '../../src/base/errors.ts';
import type { Outbox, OutboxStore } from '../../src/model/colony.ts';
import { canonicalJson } from '../../src/model/hash.ts';
import type { Checkpoint, Memory, Slot, Store } from '../../src/model/ports.ts';
import type { Rollout } from '../../src/model/rollout.ts';
import type { Life } from './life.ts';

type Name = 'checkpoint' | 'memory' | 'slots' | 'outbox' | 'rollouts';

const EMPTY_OUTBOX: Outbox = { processes: [], deregister: [] };
const EMPTY_MEMORY: Memory = { setbacks: [], adopted: [] };

/** The state directory in memory: survives lives of the agent, writes only what changed, can refuse or lose writes. */
export class FakeStore {
  /** What is "on disk", as text, so that nothing is shared with the agent's objects. */
  readonly disk = new Map<Name, string>();
  /** Writes that reached the disk. */
  writes = 0;
  /** Writes asked for that did not change anything. */
  unchanged = 0;
  /** Set: every write fails with this code. */
  refuseWrites: 'STORE_FULL' | 'STORE_READONLY' | 'STORE_FAILED' | undefined;
  /** Set: every load of a checkpoint fails with this code. */
  refuseLoads: string | undefined;
  /** What the next load reports as damaged. */
  notes: string[] = [];

  /** The port, for one life of the agent. */
  open(life: Life): Store & OutboxStore {
    return {
      loadCheckpoint: () => life.guard(() => this.#loadCheckpoint()),
      saveCheckpoint: (checkpoint) => life.guard(() => this.#save('checkpoint', checkpoint)),
      loadMemory: () => life.guard(async () => this.#load<Memory>('memory') ?? EMPTY_MEMORY),
      saveMemory: (memory) => life.guard(() => this.#save('memory', memory)),
      loadRollouts: () => life.guard(async () => this.#load<readonly Rollout[]>('rollouts') ?? []),
      saveRollouts: (rollouts) => life.guard(() => this.#save('rollouts', rollouts)),
      loadSlots: () => life.guard(async () => this.#load<readonly Slot[]>('slots') ?? []),
      saveSlots: (slots) => life.guard(() => this.#save('slots', slots)),
      loadOutbox: () => life.guard(async () => this.#load<Outbox>('outbox') ?? EMPTY_OUTBOX),
      saveOutbox: (outbox) => life.guard(() => this.#save('outbox', outbox)),
    };
  }

  checkpoint(): Checkpoint | undefined {
    return this.#load<Checkpoint>('checkpoint');
  }

  /** The disk is gone or unreadable: no checkpoint is found, and the next load says why. */
  lose(note: string): void {
    this.disk.clear();
    this.notes = [note];
  }

  async #loadCheckpoint(): Promise<{ checkpoint: Checkpoint | undefined; notes: readonly string[] }> {
    if (this.refuseLoads !== undefined) throw storeError(this.refuseLoads);
    const notes = this.notes;
    this.notes = [];
    return { checkpoint: this.checkpoint(), notes };
  }

  #load<T>(name: Name): T | undefined {
    const text = this.disk.get(name);
    return text === undefined ? undefined : JSON.parse(text);
  }

  async #save(name: Name, value: object): Promise<boolean> {
    const text = JSON.stringify(value);
    const before = this.disk.get(name);
    if (before !== undefined && content(before) === content(text)) {
      this.unchanged += 1;
      return false;
    }
    if (this.refuseWrites !== undefined) throw storeError(this.refuseWrites);
    this.disk.set(name, text);
    this.writes += 1;
    return true;
  }
}

/** What counts as content: all but the time of saving. */
function content(text: string): string {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return canonicalJson(value);
  return canonicalJson({ ...value, savedAt: undefined });
}

function storeError(code: string): EdgeError {
  return new EdgeError(`the fake store answers ${code}`, { code, retry: 'transient', target: 'fake store' });
}
