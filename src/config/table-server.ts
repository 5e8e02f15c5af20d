import { join } from 'node:path';
import { formatDuration } from '../base/duration.ts';
import { type Decoded, decodeDuration, decodeOneOf, decodePath, decodeText } from './option.ts';
import { duration, MINUTE_MS, option, optionalFile } from './rows.ts';
import { decodeServer, SERVER_NAMES, serverFromEnv } from './server.ts';

const group = 'ColonyOS server';
const HOUR_MS = 60 * MINUTE_MS;

/** undefined: it goes with the link and with what there is to list. */
function decodeListEvery(raw: unknown): Decoded<number | undefined> {
  if (raw === 'auto') return { ok: true, value: undefined };
  const every = decodeDuration(30_000, 24 * HOUR_MS)(raw);
  return every.ok ? every : { ok: false, expected: `${every.expected}, or "auto"` };
}

/** A name in the colony. A colon in an executor's name breaks listings for everybody (PROTOCOL.md 5.2). */
export const EXECUTOR_NAME = /^[^\s:\u0000-\u001f\u007f]+$/;

/** What the link may cost. */
const PACE_OPTIONS = {
  linkClass: option<'normal' | 'metered'>({
    flag: 'link-class',
    key: 'linkClass',
    placeholder: 'WORD',
    group,
    help: 'normal, or metered: ask the server just often enough to stay registered.',
    defaultText: 'normal',
    fallback: () => 'normal',
    decode: decodeOneOf(['normal', 'metered']),
  }),
  pollWaitMs: duration(
    {
      flag: 'poll-wait',
      key: 'pollWait',
      group,
      help: 'How long the server may hold a request for work back; shorter than proxies on the way allow.',
    },
    [30_000, 50_000, 55_000],
  ),
  listEveryMs: option<number | undefined>({
    flag: 'list-every',
    key: 'listEvery',
    placeholder: 'DURATION',
    group,
    help: 'Time between two listings of the blueprints when nothing else asks for one.',
    defaultText: 'auto: 5m; on a metered link 30m; up to twice that for large colonies',
    example: 'auto',
    fallback: () => undefined,
    decode: decodeListEvery,
    show: (ms) => (ms === undefined ? 'auto' : formatDuration(ms)),
  }),
  statusHeartbeatMs: duration(
    {
      flag: 'status-heartbeat',
      key: 'statusHeartbeat',
      group,
      help:
        'Longest time between two status reports of a blueprint that does not change, and so between two ' +
        'renewals of a claim on one that several nodes may run; on a metered link 16 times as long.',
    },
    [MINUTE_MS, 15 * MINUTE_MS, 24 * HOUR_MS],
  ),
  staleAfterMs: duration(
    {
      flag: 'stale-after',
      key: 'staleAfter',
      group,
      help:
        'The time after which the server unregisters silent executors (its COLONIES_STALE_EXECUTOR_DURATION); ' +
        'the agent is heard at least three times in it.',
    },
    [2 * MINUTE_MS, 10 * MINUTE_MS, 168 * HOUR_MS],
  ),
};
/** The rows about the server: the address, who we are there, keys, TLS and the price of the link. */
export const SERVER_OPTIONS = {
  server: option<string | undefined>({
    flag: 'server',
    key: 'server',
    parts: { names: SERVER_NAMES, compose: serverFromEnv },
    placeholder: 'URL',
    group,
    help: 'Address of the ColonyOS server, http(s)://host:port. Without it blueprints come from the directory only.',
    defaultText: 'none',
    example: 'https://colony.example:443',
    fallback: () => undefined,
    decode: decodeServer,
    show: (url) => url ?? 'none',
  }),
  executorName: option<string>({
    flag: 'executor-name',
    key: 'executorName',
    alsoEnv: ['COLONIES_EXECUTOR_NAME'],
    placeholder: 'NAME',
    group,
    help: 'Name under which this node is registered in the colony, and which spec.executorName of a blueprint may ask for.',
    defaultText: "the node's name",
    fallback: (_, others) => String(others.node ?? ''),
    decode: decodeText('a name without spaces and ":"', EXECUTOR_NAME),
  }),
  executorType: option<string>({
    flag: 'executor-type',
    key: 'executorType',
    alsoEnv: ['COLONIES_EXECUTOR_TYPE'],
    placeholder: 'TYPE',
    group,
    help: "Executor type that the colony's blueprint definitions name as their handler.",
    defaultText: 'docker-reconciler',
    fallback: () => 'docker-reconciler',
    decode: decodeText('a name without spaces', /^[^\s\u0000-\u001f\u007f]+$/),
  }),
  keyFile: option<string>({
    flag: 'key-file',
    key: 'keyFile',
    placeholder: 'FILE',
    group,
    help:
      "This node's private key, mode 0600; made by colonies-edge register. COLONIES_PRVKEY and the systemd " +
      'credential executor-key win over it.',
    defaultText: 'executor.key in the state directory',
    fallback: (_, others) => join(String(others.stateDir), 'executor.key'),
    decode: decodePath,
  }),
  userKeyFile: optionalFile({
    flag: 'user-key-file',
    key: 'userKeyFile',
    group,
    help:
      "Key of a colony user, with which blueprints still come while this node's registration has lapsed. Also " +
      'COLONIES_USER_PRVKEY or the systemd credential user-key.',
  }),
  ownerKeyFile: optionalFile({
    flag: 'owner-key-file',
    key: 'ownerKeyFile',
    group,
    help:
      "The colony owner's key, to register executors and renew registrations; dangerous to leave on a node. Also " +
      'COLONIES_COLONY_PRVKEY or the systemd credential owner-key.',
  }),
  caFile: optionalFile({
    flag: 'ca-file',
    key: 'caFile',
    group,
    help: "Certificates (PEM) to trust instead of the system's.",
  }),
  clientCertFile: optionalFile({
    flag: 'client-cert-file',
    key: 'clientCertFile',
    group,
    help: 'Client certificate with its chain (PEM), for servers that ask for one.',
  }),
  clientKeyFile: optionalFile({
    flag: 'client-key-file',
    key: 'clientKeyFile',
    group,
    help: 'Key of the client certificate (PEM).',
  }),
  ...PACE_OPTIONS,
};
