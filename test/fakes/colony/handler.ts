import type { Assigner } from './assign.ts';
import type { Blueprints } from './blueprints.ts';
import type { Definitions } from './definitions.ts';
import type { Executors } from './executors.ts';
import type { Logs } from './logs.ts';
import type { Processes } from './processes.ts';
import type { JsonMap } from './records.ts';
import type { ColonyState } from './state.ts';
import type { Waiters } from './waiters.ts';

/** Everything a handler may work with. */
export interface Parts {
  state: ColonyState;
  executors: Executors;
  processes: Processes;
  blueprints: Blueprints;
  definitions: Definitions;
  assigner: Assigner;
  waiters: Waiters;
  logs: Logs;
}

export interface Incoming {
  callerId: string;
  fields: Fields;
  signal: AbortSignal;
}

/** How one type of message is answered. */
export interface Handler {
  /** For the texts of malformed messages: "Failed to get executors, invalid JSON". */
  what: string;
  /** The payload is written over several lines. */
  indent?: boolean;
  /** Where the answer has another type than the request. */
  replyType?: string;
  /** The payload; `undefined` stands for `{}`. */
  run(parts: Parts, incoming: Incoming): unknown;
}

/** The message is no JSON of the right shape. */
export class BadMessage extends Error {}

/** Members of a message; absent and null are the empty value, a wrong type is a malformed message. */
export class Fields {
  readonly #members: Record<string, unknown>;

  constructor(members: Record<string, unknown>) {
    this.#members = members;
  }

  text(name: string): string {
    const value = this.#members[name] ?? '';
    if (typeof value !== 'string') throw new BadMessage();
    return value;
  }

  integer(name: string): number {
    const value = this.#members[name] ?? 0;
    if (typeof value !== 'number' || !Number.isInteger(value)) throw new BadMessage();
    return value;
  }

  flag(name: string): boolean {
    const value = this.#members[name] ?? false;
    if (typeof value !== 'boolean') throw new BadMessage();
    return value;
  }

  list(name: string): readonly unknown[] {
    const value = this.#members[name] ?? [];
    if (!Array.isArray(value)) throw new BadMessage();
    return value;
  }

  texts(name: string): readonly string[] {
    return this.list(name).map((one) => {
      if (typeof one !== 'string') throw new BadMessage();
      return one;
    });
  }

  /** Undefined where absent or null. */
  map(name: string): JsonMap | undefined {
    const value = this.#members[name] ?? undefined;
    if (value === undefined) return undefined;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new BadMessage();
    return { ...value };
  }
}

/** Most empty lists are written `null`. */
export function listOrNull<T>(items: readonly T[]): readonly T[] | null {
  return items.length === 0 ? null : items;
}
