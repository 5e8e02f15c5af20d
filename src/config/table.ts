import { join } from 'node:path';
import type { LogLevel } from '../base/log.ts';
import {
  decodeCount,
  decodeDockerHost,
  decodeFileList,
  decodeOneOf,
  decodePath,
  decodePathOrNone,
  decodePrefixMap,
  decodeText,
  type Option,
  type PrefixPair,
} from './option.ts';
import { count, duration, MINUTE_MS, option, optionalFile } from './rows.ts';
import { BANDWIDTH_OPTIONS } from './table-bandwidth.ts';
import { DISK_OPTIONS } from './table-disk.ts';
import { SERVER_OPTIONS } from './table-server.ts';
import { WINDOW_OPTIONS } from './table-windows.ts';

const ETC = '/etc/colonies-edge';
const DEFAULT_POLICY = `${ETC}/policy.yaml`;
const DEFAULT_BLUEPRINTS = `${ETC}/blueprints`;

/** THE table of options: it drives parsing, `--help`, the README and `colonies-edge config`. */
export const OPTIONS = {
  blueprints: option<string | undefined>({
    flag: 'blueprints',
    key: 'blueprints',
    placeholder: 'DIR',
    group: 'Desired state',
    help: 'Directory tree of blueprints (.json, .yaml, .yml), watched for change. "none": keep to the checkpoint.',
    defaultText: `${DEFAULT_BLUEPRINTS}; with a server: if it exists`,
    fallback: (around, others) =>
      others.server === undefined || around.exists(DEFAULT_BLUEPRINTS) ? DEFAULT_BLUEPRINTS : undefined,
    decode: decodePathOrNone,
    show: (path) => path ?? 'none',
  }),
  policy: option<string | undefined>({
    flag: 'policy',
    key: 'policy',
    placeholder: 'FILE',
    group: 'Desired state',
    help: 'What blueprints may do on this node. "none": the built-in policy.',
    defaultText: `${DEFAULT_POLICY} if it exists`,
    fallback: (around) => (around.exists(DEFAULT_POLICY) ? DEFAULT_POLICY : undefined),
    decode: decodePathOrNone,
    show: (path) => path ?? 'none',
  }),
  overlays: option<readonly string[]>({
    flag: 'overlays',
    key: 'overlays',
    placeholder: 'FILE',
    list: true,
    group: 'Desired state',
    help: 'File that fills in fields of blueprints by their labels, or builtin:arrowhead. May be repeated.',
    defaultText: '',
    fallback: () => [],
    decode: decodeFileList,
  }),
  bindPrefixMap: option<readonly PrefixPair[]>({
    flag: 'bind-prefix-map',
    key: 'bindPrefixMap',
    placeholder: 'FROM=TO',
    list: true,
    group: 'Desired state',
    help: 'Replaces the start of bind sources, for blueprints written on another machine. May be repeated.',
    defaultText: '',
    fallback: () => [],
    decode: decodePrefixMap,
    show: (pairs) => Object.fromEntries(pairs.map(({ from, to }) => [from, to])),
  }),
  slots: optionalFile({
    flag: 'slots',
    key: 'slots',
    group: 'Desired state',
    help: 'Identities provisioned for executors, mode 0600. Contains private keys.',
  }),
  unlocatedPolicy: option<'ignore' | 'claim' | 'always'>({
    flag: 'unlocated-policy',
    key: 'unlocatedPolicy',
    placeholder: 'WORD',
    group: 'Desired state',
    help:
      'Blueprints that name neither node nor location: ignore, claim (when no other node runs it) or always. ' +
      'For blueprints from a directory claim counts as always, as a directory belongs to one node.',
    defaultText: 'claim with a server, else always',
    example: 'claim',
    fallback: (_, others) => (others.server === undefined ? 'always' : 'claim'),
    decode: decodeOneOf(['ignore', 'claim', 'always']),
  }),
  node: option<string>({
    flag: 'node',
    key: 'node',
    alsoEnv: ['COLONIES_NODE_NAME'],
    placeholder: 'NAME',
    group: 'This node',
    help: 'Name of this node, on labels and in status.',
    defaultText: 'the host name',
    fallback: (around) => around.hostname,
    decode: decodeText('a name without spaces', /^[^\s\u0000-\u001f\u007f]+$/),
  }),
  location: option<string>({
    flag: 'location',
    key: 'location',
    alsoEnv: ['COLONIES_EXECUTOR_LOCATION', 'EXECUTOR_LOCATION_NAME'],
    placeholder: 'NAME',
    group: 'This node',
    help: "Location of this node, compared with a blueprint's metadata.locationname.",
    defaultText: 'default',
    fallback: () => 'default',
    decode: decodeText('a location name'),
  }),
  colony: option<string>({
    flag: 'colony',
    key: 'colony',
    alsoEnv: ['COLONIES_COLONY_NAME'],
    placeholder: 'NAME',
    group: 'This node',
    help: 'Colony of this node; blueprints of another colony are refused. Without it every colony is taken.',
    defaultText: '',
    fallback: () => '',
    decode: decodeText('a colony name'),
  }),
  dockerHost: option<string>({
    flag: 'docker-host',
    key: 'dockerHost',
    alsoEnv: ['DOCKER_HOST'],
    placeholder: 'unix://PATH',
    group: 'Engine',
    help: "The engine's socket: Docker 20.10 or newer, or Podman's compatible socket.",
    defaultText: 'unix:///var/run/docker.sock',
    fallback: () => 'unix:///var/run/docker.sock',
    decode: decodeDockerHost,
  }),
  network: option<string>({
    flag: 'network',
    key: 'network',
    alsoEnv: ['DOCKER_NETWORK'],
    placeholder: 'NAME',
    group: 'Engine',
    help: 'Network that containers join when their blueprint names none; made when missing.',
    defaultText: 'colonies_default',
    fallback: () => 'colonies_default',
    decode: decodeText('a network name: letters, digits and _.-', /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/),
  }),
  hooksDir: option<string | undefined>({
    flag: 'hooks-dir',
    key: 'hooksDir',
    placeholder: 'DIR',
    group: 'Desired state',
    help: 'Folder of the executables that blueprints may name as hooks of updates. "none": there are none.',
    defaultText: `${ETC}/hooks`,
    fallback: () => `${ETC}/hooks`,
    decode: decodePathOrNone,
    show: (path) => path ?? 'none',
  }),
  registries: option<string | undefined>({
    flag: 'registries',
    key: 'registries',
    placeholder: 'DIR',
    group: 'Engine',
    help: 'Folder of credentials for registries, one JSON file each, mode 0600, read anew for each pull. "none": no folder.',
    defaultText: `${ETC}/registries.d`,
    fallback: () => `${ETC}/registries.d`,
    decode: decodePathOrNone,
    show: (path) => path ?? 'none',
  }),
  dockerConfig: option<string | undefined>({
    flag: 'docker-config',
    key: 'dockerConfig',
    alsoEnv: ['DOCKER_CONFIG'],
    placeholder: 'DIR',
    group: 'Engine',
    help: 'Folder of Docker\'s config.json, whose credentials and helpers count after those of --registries. "none": do without.',
    defaultText: '~/.docker',
    example: '/root/.docker',
    fallback: (around) => (around.home === undefined ? undefined : join(around.home, '.docker')),
    decode: decodePathOrNone,
    show: (path) => path ?? 'none',
  }),
  ...DISK_OPTIONS,
  stateDir: option<string>({
    flag: 'state-dir',
    key: 'stateDir',
    placeholder: 'DIR',
    group: 'State',
    help: 'Where the checkpoint, identities and lasting failures are kept. One agent each.',
    defaultText: '/var/lib/colonies-edge',
    fallback: () => '/var/lib/colonies-edge',
    decode: decodePath,
  }),
  socket: option<string>({
    flag: 'socket',
    key: 'socket',
    placeholder: 'PATH',
    group: 'State',
    help: 'Unix socket (0660) on which the running agent answers status, plan and events.',
    defaultText: '/run/colonies-edge/agent.sock',
    fallback: () => '/run/colonies-edge/agent.sock',
    decode: decodePath,
  }),
  config: option<string | undefined>({
    flag: 'config',
    key: '',
    placeholder: 'FILE',
    group: 'State',
    help: 'Configuration file, YAML or JSON. "none": read no file.',
    defaultText: `${ETC}/config.yaml if it exists`,
    fallback: (around) => [`${ETC}/config.yaml`, `${ETC}/config.json`].find((path) => around.exists(path)),
    decode: decodePathOrNone,
    show: (path) => path ?? 'none',
  }),
  ...SERVER_OPTIONS,
  resyncMs: duration(
    {
      flag: 'resync',
      key: 'resync',
      group: 'Pace',
      help: 'Longest time between two looks at the engine; events make it look at once.',
    },
    [1000, MINUTE_MS, 1440 * MINUTE_MS],
  ),
  pullStallMs: duration(
    {
      flag: 'pull-stall',
      key: 'pullStall',
      group: 'Pace',
      help: 'A pull is given up, and tried again later, when nothing arrived for this long.',
    },
    [1000, 2 * MINUTE_MS, 1440 * MINUTE_MS],
  ),
  pullLanes: count(
    { flag: 'pull-lanes', key: 'pullLanes', group: 'Pace', help: 'Pulls at the same time.' },
    2,
    16,
  ),
  actionLanes: count(
    {
      flag: 'action-lanes',
      key: 'actionLanes',
      group: 'Pace',
      help: 'Engine calls that change something, at the same time.',
    },
    8,
    64,
  ),
  startConcurrency: option<number | undefined>({
    flag: 'start-concurrency',
    key: 'startConcurrency',
    placeholder: 'N',
    group: 'Pace',
    help:
      'Services that may be starting at the same time: until they run, or are healthy where they have a check, ' +
      'for 3 minutes at most. Healing waits for none of them.',
    defaultText: 'auto: 2 with less than 2 GiB of memory, else 8',
    example: 'auto',
    fallback: () => undefined,
    decode: (raw) => (raw === 'auto' ? { ok: true, value: undefined } : decodeCount(1, 64)(raw)),
    show: (count) => count ?? 'auto',
  }),
  ...BANDWIDTH_OPTIONS,
  ...WINDOW_OPTIONS,
  logLevel: option<LogLevel>({
    flag: 'log-level',
    key: 'logLevel',
    placeholder: 'LEVEL',
    group: 'Logging',
    help: 'Least level that is logged: debug, info, warn or error.',
    defaultText: 'info',
    fallback: () => 'info',
    decode: decodeOneOf(['debug', 'info', 'warn', 'error']),
  }),
  logFormat: option<'auto' | 'text' | 'json'>({
    flag: 'log-format',
    key: 'logFormat',
    placeholder: 'FORMAT',
    group: 'Logging',
    help: 'auto, text or json; auto is text on a terminal and JSON lines otherwise.',
    defaultText: 'auto',
    fallback: () => 'auto',
    decode: decodeOneOf(['auto', 'text', 'json']),
  }),
};

export type OptionName = keyof typeof OPTIONS;

/** All settings, decoded. */
export type Config = {
  [Name in OptionName]: (typeof OPTIONS)[Name] extends Option<infer T> ? T : never;
};

/** The table's rows in their order, each under its name in `Config`. */
export function optionRows(): readonly [OptionName, Option<unknown>][] {
  return Object.entries(OPTIONS) as [OptionName, Option<unknown>][];
}
