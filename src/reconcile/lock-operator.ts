import { type Clock, isoTime } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { DesiredState } from '../model/desired.ts';
import type { ObservedContainer } from '../model/observed.ts';
import type { LockReport } from '../model/status.ts';
import type { LockAnswer, LockCommand, UpdateLock } from '../model/update.ts';
import type { Journal } from './journal.ts';
import { keyOf } from './ownership.ts';
import { MOST_LOCKS, type UpdateMemory } from './update-memory.ts';

/** What a command about locks is carried out with. */
export interface LockParts {
  memory: { readonly updates: UpdateMemory };
  journal: Pick<Journal, 'add'>;
  random: Random;
  clock: Clock;
}

/** Carries out what is asked about locks; `containers`: all of them, as they were last seen. */
export function commandLock(
  parts: LockParts,
  desired: DesiredState,
  containers: readonly ObservedContainer[] = [],
  command: LockCommand,
): LockAnswer {
  if (command.command === 'release') return release(parts, command.id);
  const { name } = command;
  if (command.command === 'unlock') return unlock(parts, name);
  if (!isKnown(desired, name)) {
    const text = `${name} is not in force on this node: it must be BLUEPRINT or BLUEPRINT/INSTANCE, see colonies-edge status`;
    return { ok: false, text };
  }
  return command.command === 'lock' ? lock(parts, command) : override(parts, containers, name);
}

function isKnown(desired: DesiredState, name: string): boolean {
  if (!desired.known) return false;
  return desired.blueprints.some(
    (one) =>
      !one.deleting &&
      (one.name === name || one.services.some(({ instance }) => `${one.name}/${instance}` === name)),
  );
}

/** The same owner's lock of before is renewed; a holder that comes back goes on with its own. */
function lock(parts: LockParts, asked: LockCommand & { command: 'lock' }): LockAnswer {
  const { journal, clock } = parts;
  const { updates } = parts.memory;
  const now = clock.now();
  const { name, owner, reason, ttlMs, isHeld } = asked;
  const standing = updates
    .locks()
    .find((one) => (isHeld ? one.id === asked.id : !one.isHeld && one.name === name && one.owner === owner));
  if (standing === undefined && updates.locks().length >= MOST_LOCKS)
    return { ok: false, text: `there are ${MOST_LOCKS} locks already; colonies-edge unlock NAME ends some` };
  const id = asked.id ?? standing?.id ?? newId(parts.random);
  const since = isHeld ? (standing?.since ?? now) : now;
  const made: UpdateLock = {
    id,
    name,
    owner,
    reason,
    since,
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(isHeld ? { isHeld } : {}),
  };
  updates.add(made);
  const end = ttlMs === undefined ? 'while the command runs' : `until ${isoTime(since + ttlMs)}`;
  const text = `${name} is locked ${end}: no container of it is replaced; healing and the way back go on`;
  if (standing === undefined || !isHeld) {
    const detail = `${name} by ${owner} ${end}${reason === '' ? '' : `: ${reason}`}`;
    journal.add('info', 'updates locked', { blueprint: blueprintOf(name), detail });
  }
  return { ok: true, id, text };
}

function release({ memory: { updates }, journal }: LockParts, id: string): LockAnswer {
  const lock = updates.locks().find((one) => one.id === id);
  updates.drop((one) => one.id === id);
  if (lock !== undefined)
    journal.add('info', 'updates unlocked', {
      blueprint: blueprintOf(lock.name),
      detail: `${lock.name}: ${lock.owner} has ended`,
    });
  return { ok: true, text: 'the lock has ended' };
}

function unlock({ memory: { updates }, journal }: LockParts, name: string): LockAnswer {
  // Those that are over do not count.
  updates.locks();
  const count = updates.drop((lock) => lock.name === name || lock.name.startsWith(`${name}/`));
  if (count === 0) return { ok: true, text: `${name} is not locked` };
  const what = `${count} lock${count === 1 ? '' : 's'} ended`;
  journal.add('info', 'updates unlocked', {
    blueprint: blueprintOf(name),
    detail: `${name}: ${what} by an operator`,
  });
  return { ok: true, text: `${name}: ${what}` };
}

function override(
  { memory: { updates }, journal }: LockParts,
  containers: readonly ObservedContainer[],
  name: string,
): LockAnswer {
  const own = containers.filter((container) => `${keyOf(container)}/`.startsWith(`${name}/`));
  updates.override(own.map(({ id }) => id));
  const names = own.map((container) => container.name).sort();
  journal.add('info', 'locks passed over', { blueprint: blueprintOf(name), detail: names.join(', ') });
  return {
    ok: true,
    text: `${name}: ${names.join(', ') || 'no container'} may be replaced once, locked or not`,
  };
}

function blueprintOf(name: string): string {
  return name.split('/')[0] ?? name;
}

function newId(random: Random): string {
  return Array.from({ length: 4 }, () =>
    Math.floor(random.next() * 0x10000)
      .toString(16)
      .padStart(4, '0'),
  ).join('');
}

/** Locks as status shows them: operators', and lock files that hold a replacement off. */
export function lockReports(updates: UpdateMemory): LockReport[] {
  const files = updates.lockedFiles().map(({ container, path, message, changedAt, until }) => ({
    name: container,
    owner: path,
    reason: message,
    since: isoTime(changedAt),
    ...(until === undefined ? {} : { until: isoTime(until) }),
  }));
  const own = updates.locks().map(({ name, owner, reason, since, until }) => ({
    name,
    owner,
    reason,
    since: isoTime(since),
    ...(until === undefined ? {} : { until: isoTime(until) }),
  }));
  return [...own, ...files];
}
