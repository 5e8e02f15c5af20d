import type { Call } from './call.ts';
import { UPDATE_COMMANDS } from './commands-update.ts';

/** A command's own flag. */
export interface Flag {
  name: string;
  short?: string;
  /** Present: it takes a value, shown so in help. */
  placeholder?: string;
  help: string;
}

/** One row of the command table. */
export interface Command {
  name: string;
  summary: string;
  /** Arguments as help shows them; empty: none are taken. */
  args: string;
  /** Largest number of arguments. */
  maxArgs: number;
  minArgs?: number;
  flags: readonly Flag[];
  /** Options of the configuration that help lists; all are accepted everywhere. */
  options: readonly string[] | 'all';
  examples: readonly (readonly [command: string, what: string])[];
  notes?: string;
  /** true: called by the agent, not by people. */
  isHidden?: true;
  /** Loads the command's own file, and runs it; gives the exit code. */
  run(call: Call): Promise<number>;
}

const RESOLVING = ['policy', 'overlays', 'bind-prefix-map', 'slots', 'node', 'location', 'colony', 'network'];
const SERVER = [
  ...['server', 'colony', 'executor-name', 'executor-type', 'location', 'node', 'key-file', 'state-dir'],
  ...['ca-file', 'client-cert-file', 'client-key-file', 'config'],
];

/** All commands in the order in which help lists them. Each is loaded only when it runs. */
export const COMMANDS: readonly Command[] = [
  {
    name: 'run',
    summary: 'Keep the containers of the blueprints running, until told to stop.',
    args: '',
    maxArgs: 0,
    flags: [],
    options: 'all',
    examples: [
      ['colonies-edge run --blueprints ./blueprints', 'blueprints from a directory'],
      ['colonies-edge run --overlays builtin:arrowhead --log-level debug', 'order and probes for Arrowhead'],
    ],
    notes: 'SIGTERM and SIGINT stop the agent, not the containers; a second one ends it at once.',
    run: async (call) => (await import('./run.ts')).run(call),
  },
  {
    name: 'plan',
    summary: 'Show what would be done now and why; change nothing.',
    args: '',
    maxArgs: 0,
    flags: [
      { name: 'offline', help: 'Compute it here, also when an agent is running. --blueprints implies it.' },
    ],
    options: ['blueprints', ...RESOLVING, 'docker-host', 'state-dir', 'socket', 'config'],
    examples: [
      ['colonies-edge plan', 'ask the running agent'],
      ['colonies-edge plan --blueprints ./new', 'try other blueprints: not asked of the agent'],
    ],
    notes: 'Exit code 3 when there is something to do or to wait for.',
    run: async (call) => (await import('./plan.ts')).plan(call),
  },
  {
    name: 'status',
    summary: 'Show each blueprint: phase, ready containers, what it waits for.',
    args: '[NAME]',
    maxArgs: 1,
    flags: [{ name: 'watch', short: 'w', help: 'Keep it on the screen until interrupted.' }],
    options: ['socket', 'config'],
    examples: [
      ['colonies-edge status', 'one row for each blueprint'],
      ['colonies-edge status c1-database', 'everything about one'],
      ['colonies-edge status --json | jq .converged', 'for programs'],
    ],
    notes: 'Exit code 3 when something is not as wanted, 1 when no agent answers.',
    run: async (call) => (await import('./status.ts')).status(call),
  },
  {
    name: 'validate',
    summary: 'Check blueprint files without an engine or an agent.',
    args: 'PATH...',
    maxArgs: Number.POSITIVE_INFINITY,
    minArgs: 1,
    flags: [],
    options: [...RESOLVING, 'config'],
    examples: [
      ['colonies-edge validate blueprints/', 'a directory tree'],
      ['colonies-edge validate a.json b.yaml --policy policy.yaml', 'files, under a policy'],
    ],
    notes: 'Exit code 1 when a file has a problem; warnings alone give 0.',
    run: async (call) => (await import('./validate.ts')).validate(call),
  },
  {
    name: 'events',
    summary: 'Show what the running agent did, newest last.',
    args: '',
    maxArgs: 0,
    flags: [
      { name: 'follow', short: 'f', help: 'Go on with each new event until interrupted.' },
      { name: 'number', short: 'n', placeholder: 'N', help: 'Only the last N events first.' },
    ],
    options: ['socket', 'config'],
    examples: [
      ['colonies-edge events -n 20', 'the last twenty'],
      ['colonies-edge events -f --json', 'each new one as a line of JSON'],
    ],
    run: async (call) => (await import('./events.ts')).events(call),
  },
  ...UPDATE_COMMANDS,
  {
    name: 'confirm-removal',
    summary: 'Let the blueprints go that went missing on the server all at once.',
    args: '',
    maxArgs: 0,
    flags: [],
    options: ['socket', 'config'],
    examples: [['colonies-edge confirm-removal', 'after status has said that all went missing at once']],
    notes:
      'Their containers are stopped and removed once the server has been asked again; named volumes stay unless a blueprint says otherwise.',
    run: async (call) => (await import('./confirm-removal.ts')).confirmRemoval(call),
  },
  {
    name: 'gc',
    summary: 'Remove the images that the agent pulled and nothing needs any more.',
    args: '',
    maxArgs: 0,
    flags: [{ name: 'dry-run', help: 'Only say which; change nothing.' }],
    options: ['socket', 'config'],
    examples: [
      ['colonies-edge gc --dry-run', 'what would go, what stays, and why'],
      ['colonies-edge gc', 'now, however full the disk is'],
    ],
    notes:
      'The running agent is asked. Images that are in use, wanted, or brought by somebody else stay; so do those out of ' +
      'use for less than --gc-min-age. Exit code 1 when something could not be removed.',
    run: async (call) => (await import('./gc.ts')).gc(call),
  },
  {
    name: 'link-class',
    summary: 'Show what the link to the server may cost, or switch it.',
    args: '[normal|metered]',
    maxArgs: 1,
    flags: [],
    options: ['socket', 'config'],
    examples: [
      ['colonies-edge link-class', 'show it'],
      ['colonies-edge link-class metered', 'poll just often enough to stay registered'],
    ],
    notes: 'Holds until the agent ends; --link-class or the configuration file make it last.',
    run: async (call) => (await import('./link-class.ts')).linkClass(call),
  },
  {
    name: 'logs',
    summary: 'Show the output of the containers of a blueprint.',
    args: 'NAME',
    maxArgs: 1,
    minArgs: 1,
    flags: [
      { name: 'follow', short: 'f', help: 'Go on with new lines until interrupted.' },
      { name: 'tail', placeholder: 'N', help: 'Only the last N lines of each container first. [100]' },
      {
        name: 'since',
        placeholder: 'TIME',
        help: 'Only lines since a time (2026-01-02T03:04:05Z) or for a duration (10m).',
      },
    ],
    options: ['docker-host', 'config'],
    examples: [
      ['colonies-edge logs c1-database -f', 'follow a blueprint'],
      ['colonies-edge logs c1-database --since 10m --tail 1000', 'the last ten minutes'],
    ],
    notes: 'NAME is a blueprint or a container. The engine is asked, no agent is needed.',
    run: async (call) => (await import('./logs.ts')).logs(call),
  },
  {
    name: 'doctor',
    summary: 'Check this machine, and say what to do about each failing line.',
    args: '',
    maxArgs: 0,
    flags: [],
    options: 'all',
    examples: [['colonies-edge doctor', 'check with the settings that `run` would use']],
    notes: 'Exit code 1 when a check fails; warnings alone give 0.',
    run: async (call) => (await import('./doctor.ts')).doctor(call),
  },
  {
    name: 'register',
    summary: 'Make a key for this node, and get it into the colony.',
    args: '',
    maxArgs: 0,
    flags: [
      { name: 'wait', help: 'Ask until the owner has approved it, and be heard once.' },
      {
        name: 'timeout',
        placeholder: 'DURATION',
        help: 'With --wait: no longer than this, for example 10m.',
      },
    ],
    options: [...SERVER, 'owner-key-file', 'user-key-file'],
    examples: [
      ['colonies-edge register', "make the key, and print the owner's commands"],
      ['colonies-edge register --owner-key-file owner.key', 'add and approve it in one go'],
      ['colonies-edge register --wait --timeout 1h', 'wait for the approval of somebody else'],
    ],
    notes:
      'May be repeated: an existing key is kept, an approved node left alone. Exit code 3 while it is not approved.',
    run: async (call) => (await import('./register.ts')).register(call),
  },
  {
    name: 'whoami',
    summary: 'Show who this node is in the colony, and what the server makes of it.',
    args: '',
    maxArgs: 0,
    flags: [],
    options: SERVER,
    examples: [['colonies-edge whoami --json | jq -r .state', 'for programs']],
    notes: 'Exit code 3 when this node is not approved, 1 when it has no key or the server cannot be asked.',
    run: async (call) => (await import('./whoami.ts')).whoami(call),
  },
  {
    name: 'rotate-key',
    summary: 'Exchange the key of this node for a new one; name and approval stay.',
    args: '',
    maxArgs: 0,
    flags: [],
    options: SERVER,
    examples: [['colonies-edge rotate-key', 'also while the agent is running']],
    notes:
      'What is cut off is carried on by the next call. A key from the environment or a credential cannot be exchanged here.',
    run: async (call) => (await import('./rotate-key.ts')).rotateKey(call),
  },
  {
    name: 'config',
    summary: 'Show every setting and where it comes from.',
    args: '',
    maxArgs: 0,
    flags: [
      { name: 'example', help: 'Print a commented configuration file instead.' },
      { name: 'markdown', help: 'Print the table of options for the README instead.' },
    ],
    options: 'all',
    examples: [
      ['colonies-edge config --example > /etc/colonies-edge/config.yaml', 'start a configuration file'],
    ],
    run: async (call) => (await import('./config.ts')).config(call),
  },
  {
    name: 'relay',
    summary: 'Pass connections on to a container; the agent makes containers that run this.',
    args: 'FOLDER LISTEN:TO...',
    maxArgs: Number.POSITIVE_INFINITY,
    minArgs: 2,
    flags: [],
    options: [],
    examples: [['colonies-edge relay /relay 10000:80', 'in the container of a port with handover']],
    isHidden: true,
    run: async (call) => (await import('./relay.ts')).relay(call),
  },
  {
    name: 'version',
    summary: 'Show the version and what it was built from.',
    args: '',
    maxArgs: 0,
    flags: [],
    options: [],
    examples: [['colonies-edge version --json', 'for programs']],
    run: async (call) => (await import('./version.ts')).version(call),
  },
  {
    name: 'help',
    summary: 'Show this, or the help of a command.',
    args: '[COMMAND]',
    maxArgs: 1,
    flags: [],
    options: [],
    examples: [['colonies-edge help run', 'the same as colonies-edge run --help']],
    run: async (call) => (await import('./help.ts')).help(call),
  },
];
