import type { Command } from './commands.ts';

/** Commands with which an operator has a hand in updates. */
export const UPDATE_COMMANDS: readonly Command[] = [
  {
    name: 'rollback',
    summary: 'Go back to the version of a blueprint that proved good before.',
    args: 'NAME',
    maxArgs: 1,
    minArgs: 1,
    flags: [],
    options: ['socket', 'config'],
    examples: [['colonies-edge rollback web', 'the present version is not tried again until it changes']],
    notes: 'Kept over restarts. Exit code 1 when there is nothing to go back to.',
    run: async (call) => (await import('./rollout.ts')).rollout(call, 'rollback'),
  },
  {
    name: 'retry',
    summary: 'Try again now: a version that was rolled back or waits for a window, or whatever failed.',
    args: 'NAME',
    maxArgs: 1,
    minArgs: 1,
    flags: [
      {
        name: 'override-locks',
        help: 'Also replace its containers once whatever locks say, lock files too.',
      },
    ],
    options: ['socket', 'config'],
    examples: [
      ['colonies-edge retry web', 'after what was in its way has been mended'],
      ['colonies-edge retry web --override-locks', 'the update does not wait for who is busy'],
    ],
    run: async (call) => (await import('./rollout.ts')).rollout(call, 'retry'),
  },
  {
    name: 'pause',
    summary: 'Replace no container of a blueprint until it is resumed.',
    args: 'NAME',
    maxArgs: 1,
    minArgs: 1,
    flags: [],
    options: ['socket', 'config'],
    examples: [['colonies-edge pause web', 'new versions wait; what dies is started again all the same']],
    notes: 'Kept over restarts, and shown in status.',
    run: async (call) => (await import('./rollout.ts')).rollout(call, 'pause'),
  },
  {
    name: 'resume',
    summary: 'Go on with the versions of a blueprint that was paused.',
    args: 'NAME',
    maxArgs: 1,
    minArgs: 1,
    flags: [],
    options: ['socket', 'config'],
    examples: [['colonies-edge resume web', 'also after a version that failed with onFailure: pause']],
    run: async (call) => (await import('./rollout.ts')).rollout(call, 'resume'),
  },
  {
    name: 'lock',
    summary: 'Hold off new versions of a blueprint or instance: for a time, or while a command runs.',
    args: 'NAME [-- COMMAND...]',
    maxArgs: Number.POSITIVE_INFINITY,
    minArgs: 1,
    flags: [
      {
        name: 'ttl',
        placeholder: 'DURATION',
        help: 'When it ends by itself. [1h; with a command: when that ends]',
      },
      { name: 'reason', placeholder: 'TEXT', help: 'Shown in status.' },
    ],
    options: ['socket', 'config'],
    examples: [
      [
        'colonies-edge lock web --ttl 10m --reason "shift change"',
        'no container of it is replaced meanwhile',
      ],
      ['colonies-edge lock plant/db -- ./backup.sh', 'ends with the command, however that ends'],
    ],
    notes:
      'NAME is BLUEPRINT or BLUEPRINT/INSTANCE. Healing and the way back to the last good version go on. Kept over restarts ' +
      'of the agent. With a command its exit code is given, 1 when there is no lock.',
    run: async (call) => (await import('./lock.ts')).lock(call),
  },
  {
    name: 'unlock',
    summary: 'End the locks on a blueprint or instance, whoever made them.',
    args: 'NAME',
    maxArgs: 1,
    minArgs: 1,
    flags: [],
    options: ['socket', 'config'],
    examples: [['colonies-edge unlock web', 'and those on its instances']],
    notes: 'Lock files in containers are passed over with: colonies-edge retry NAME --override-locks',
    run: async (call) => (await import('./lock.ts')).unlock(call),
  },
];
