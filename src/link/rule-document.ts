import { bounded } from '../base/text.ts';
import type { JsonObject } from '../model/blueprint.ts';
import { fingerprint } from '../model/hash.ts';
import type { Condition, InstanceStatus, StatusDocument } from '../model/status.ts';

/** Characters of a condition's message, and of `lastError`. What is sent comes back with every listing. */
const MOST_MESSAGE = 200;
const MOST_ERROR = 300;

/** What is added to a status on its way to the server. */
export interface DocumentExtras {
  /** RFC 3339: since when the link is in its present state. */
  connected: { isUp: boolean; reason: string; since: string };
  /** The last disconnected period, once. */
  offline?: JsonObject | undefined;
  /** Members that renew a claim. */
  stamp?: JsonObject | undefined;
  /** What the server has now: times at which conditions changed live on in it, over restarts of the agent. */
  known?: JsonObject | undefined;
}

/**
 * A status as it goes to the server (FIELDS.md section 11): complete, but without members that say nothing. Conditions
 * that are False are left out, but for `Ready` and `Connected`; ids of images are cut like the engine's command line
 * cuts them.
 */
export function serverDocument(status: StatusDocument, extras: DocumentExtras): JsonObject {
  const { connected, offline, stamp, known } = extras;
  const { lastError, instances, conditions, ...rest } = status;
  const said: Condition[] = [
    ...conditions.filter(({ type, status: on }) => type === 'Ready' || on !== 'False'),
    {
      type: 'Connected',
      status: connected.isUp ? 'True' : 'False',
      reason: connected.reason,
      message: '',
      lastTransitionTime: connected.since,
    },
  ];
  return clean({
    ...rest,
    instances: instances.map(shortInstance),
    conditions: said.map((condition) => shortCondition(condition, known)),
    ...(lastError === undefined ? {} : { lastError: bounded(lastError, MOST_ERROR) }),
    ...(offline === undefined ? {} : { offline }),
    ...stamp,
  }) as JsonObject;
}

function shortInstance(instance: InstanceStatus): JsonObject {
  const { imageId, ports, restartCount, oomKilled, ...rest } = instance;
  return {
    ...rest,
    ...(imageId === '' ? {} : { imageId: imageId.replace(/^(sha256:)?([0-9a-f]{12})[0-9a-f]*$/, '$1$2') }),
    ...(ports.length === 0 ? {} : { ports }),
    ...(restartCount === 0 ? {} : { restartCount }),
    ...(oomKilled === true ? { oomKilled } : {}),
  };
}

function shortCondition(condition: Condition, known: JsonObject | undefined): JsonObject {
  const { type, status, reason, message, lastTransitionTime } = condition;
  // Everything is ready: the counts say so already.
  const isPlain = message === '' || (type === 'Ready' && status === 'True');
  const before = type === 'Connected' ? undefined : conditionOf(known, type);
  const isSame = before?.status === status && typeof before.lastTransitionTime === 'string';
  return {
    type,
    status,
    reason,
    ...(isPlain ? {} : { message: bounded(message, MOST_MESSAGE) }),
    lastTransitionTime: isSame ? before.lastTransitionTime : lastTransitionTime,
  };
}

function conditionOf(known: JsonObject | undefined, type: string): JsonObject | undefined {
  return listOf(known?.conditions).find((condition) => condition.type === type);
}

/**
 * What of a status makes it worth sending: all but times, the course of work under way, claims, and what is sent once. The
 * same for our own document and for the server's copy of it, whatever that holds.
 */
export function essenceOf(document: JsonObject): string {
  const {
    lastUpdated: _at,
    offline: _offline,
    claimedAt: _claimed,
    claimIntervalS: _every,
    ...rest
  } = document;
  return fingerprint({
    ...rest,
    instances: listOf(document.instances).map(({ lastCheck: _check, ...instance }) => instance),
    conditions: listOf(document.conditions).map(({ lastTransitionTime: _since, message, ...condition }) =>
      condition.type === 'Progressing' ? condition : { ...condition, message },
    ),
  });
}

/** The node that wrote a status; undefined when there is none or it does not say. */
export function writerOf(status: JsonObject): string | undefined {
  return typeof status.node === 'string' && status.node !== '' ? status.node : undefined;
}

function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value)
    ? value.filter((item): item is JsonObject => typeof item === 'object' && item !== null)
    : [];
}

/** The same value with every text free of U+0000 and of halves of characters, which do not come back as they were sent. */
export function clean(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\u0000', '').replace(/\p{Surrogate}/gu, '\ufffd');
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([key, member]) => [clean(key), clean(member)]),
  );
}
