import { access, constants, readFile, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { buildInfo } from '../base/build-info.ts';
import { isoTime } from '../base/clock.ts';
import { errorCode } from '../base/errors.ts';
import type { Check } from './doctor-check.ts';
import { checkSpace } from './doctor-engine.ts';

/** Linux's magic numbers of file systems that live in memory (statfs(2)). */
const IN_MEMORY: Readonly<Record<number, string>> = { 16914836: 'tmpfs', 2240043254: 'ramfs' };
const DAY_MS = 86_400_000;
/** What is built now is not in use then. */
const TOO_LATE_MS = 50 * 365 * DAY_MS;

/** Can memory be limited here? Version 2 lists its controllers; version 1 has one tree for each. */
export async function checkCgroup(): Promise<Check> {
  const name = 'cgroup';
  const controllers = await readFile('/sys/fs/cgroup/cgroup.controllers', 'utf8').catch(() => undefined);
  if (controllers?.split(/\s+/).includes('memory'))
    return { name, state: 'ok', message: 'version 2 with the memory controller' };
  if (controllers === undefined) {
    const isThere = await stat('/sys/fs/cgroup/memory').then(
      () => true,
      () => false,
    );
    if (isThere) return { name, state: 'ok', message: 'version 1 with the memory controller' };
  }
  return {
    name,
    state: 'warn',
    message: 'the memory controller is off: limits of blueprints have no effect',
    advice: 'add cgroup_enable=memory cgroup_memory=1 to the kernel command line and reboot',
  };
}

/** A clock before our own build date is wrong: certificates fail, and ages in the status lie. */
export function checkClock(nowMs: number): Check {
  const name = 'clock';
  const builtMs = Date.parse(buildInfo.buildDate);
  // An unbundled run has no build date; this line was written after that day.
  const earliestMs = Number.isNaN(builtMs) || builtMs <= 0 ? Date.UTC(2025, 0, 1) : builtMs;
  const isPlausible = nowMs >= earliestMs - DAY_MS && nowMs < earliestMs + TOO_LATE_MS;
  if (isPlausible) return { name, state: 'ok', message: isoTime(nowMs) };
  return {
    name,
    state: 'warn',
    message: `ClockSuspect: ${isoTime(nowMs)}, but this program was built on ${isoTime(earliestMs).slice(0, 10)}`,
    advice: 'set the clock (timedatectl set-ntp true); containers are kept running all the same',
  };
}

/** Can state be kept, and does it survive a reboot? A directory that is still to be made is judged by its parent. */
export async function checkStateDir(dir: string): Promise<Check[]> {
  const name = 'state dir';
  const there = await nearest(dir);
  const canWrite = await access(there, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!canWrite)
    return [
      {
        name,
        state: 'fail',
        message: `${there} cannot be written`,
        advice: 'run as root, make the file system writable, or set --state-dir',
      },
    ];
  const found = await statfs(there);
  const memory = IN_MEMORY[found.type];
  if (memory !== undefined)
    return [
      {
        name,
        state: 'warn',
        message: `${there} is on ${memory}: what it holds is gone after a reboot`,
        advice:
          'set --state-dir to a directory on a disk; without it nothing runs before the blueprints are there',
      },
    ];
  const mode = there === dir ? (await stat(dir)).mode & 0o077 : 0;
  const isOpen = mode !== 0;
  const first: Check = isOpen
    ? { name, state: 'warn', message: `${dir} is open to other users`, advice: `chmod 0700 ${dir}` }
    : { name, state: 'ok', message: there === dir ? dir : `${dir} will be made` };
  return [first, await checkSpace('state disk', there)];
}

/** The path itself, or the nearest directory above it that exists. */
async function nearest(path: string): Promise<string> {
  try {
    await stat(path);
    return path;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) return path;
    return nearest(dirname(path));
  }
}
