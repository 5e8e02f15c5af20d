import * as v from 'valibot';
import { decodeBlueprint, encodeBlueprint, type JsonObject } from '../model/blueprint.ts';
import type { Outbox } from '../model/colony.ts';
import type { DesiredBlueprint } from '../model/desired.ts';
import type { Checkpoint, Memory, Slot } from '../model/ports.ts';
import { type Problem, problemText } from '../model/problem.ts';
import type { Reason } from '../model/reason.ts';
import type { Rollout } from '../model/rollout.ts';
import { containerSpec, count, strings, text, textMap } from './schema-container.ts';

// Reasons only describe: one that a later agent has invented is shown as it stands.
const reason = v.custom<Reason>((input) => typeof input === 'string', 'must be a reason');

const problem = v.looseObject({
  severity: v.picklist(['error', 'warning']),
  reason,
  path: text,
  value: v.exactOptional(text),
  message: text,
});

const probe = v.looseObject({
  tcp: v.exactOptional(v.looseObject({ port: count })),
  http: v.exactOptional(v.looseObject({ port: count, path: text, tls: v.boolean(), status: count })),
  intervalMs: count,
  timeoutMs: count,
  retries: count,
  startPeriodMs: count,
  published: v.exactOptional(v.boolean()),
});

const hook = v.exactOptional(
  v.union([
    v.looseObject({ exec: strings, timeoutMs: count }),
    v.looseObject({ run: text, timeoutMs: count }),
  ]),
);

const service = v.looseObject({
  key: text,
  blueprint: text,
  instance: text,
  replica: count,
  containerName: text,
  specHash: text,
  container: containerSpec,
  managedLabels: textMap,
  pullPolicy: v.picklist(['IfNotPresent', 'Always', 'Never']),
  executorName: v.exactOptional(text),
  hold: v.exactOptional(v.looseObject({ reason, message: text })),
  dependsOn: v.array(
    v.looseObject({
      name: text,
      condition: v.picklist(['auto', 'started', 'healthy', 'completed']),
      timeoutMs: count,
    }),
  ),
  probe: v.exactOptional(probe),
  update: v.exactOptional(
    v.looseObject({
      strategy: v.picklist(['auto', 'start-first', 'stop-first', 'recreate']),
      parallelism: count,
      healthyAfterMs: count,
      deadlineMs: count,
      onFailure: v.picklist(['rollback', 'pause', 'continue']),
      lockFile: v.exactOptional(v.looseObject({ path: text, ttlMs: count })),
      hooks: v.exactOptional(v.looseObject({ beforeUpdate: hook, afterUpdate: hook, onRollback: hook })),
    }),
  ),
  exclusive: v.exactOptional(strings),
  onUnhealthy: v.picklist(['restart', 'ignore']),
  handover: v.exactOptional(v.looseObject({ relay: text, drainMs: count })),
  relay: v.exactOptional(v.looseObject({ to: text, folder: text })),
});

const windowList = v.array(
  v.looseObject({
    days: v.array(count),
    fromMinute: count,
    toMinute: count,
    utc: v.exactOptional(v.literal(true)),
  }),
);

const desiredBlueprint = v.looseObject({
  name: text,
  kind: text,
  blueprintId: text,
  generation: count,
  blueprint: v.looseObject({
    document: v.unknown(),
    origin: v.looseObject({
      source: v.picklist(['directory', 'server']),
      file: v.exactOptional(text),
      document: v.exactOptional(count),
    }),
    warnings: v.array(problem),
  }),
  specHash: text,
  services: v.array(service),
  warnings: v.array(problem),
  deleting: v.boolean(),
  reclaimVolumes: strings,
  reclaimNetworks: strings,
  order: v.exactOptional(v.record(text, strings)),
  windows: v.exactOptional(
    v.looseObject({ download: v.exactOptional(windowList), update: v.exactOptional(windowList) }),
  ),
  executors: v.exactOptional(
    v.looseObject({
      executorType: text,
      location: text,
      capabilities: v.custom<JsonObject>(
        (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
      ),
      identities: count,
      known: v.array(v.looseObject({ index: count, id: text })),
    }),
  ),
});

const checkpoint = v.looseObject({
  savedAt: v.number(),
  directoryIdentity: text,
  blueprints: v.array(desiredBlueprint),
});

const memory = v.looseObject({
  setbacks: v.array(
    v.looseObject({
      key: text,
      specHash: text,
      reason,
      message: text,
      attempts: count,
      permanent: v.boolean(),
      since: v.number(),
      nextTryAt: v.number(),
    }),
  ),
  adopted: v.array(v.looseObject({ id: text, specHash: text })),
  keptImages: v.exactOptional(v.array(v.looseObject({ id: text, imageId: text }))),
  pulledImages: v.exactOptional(
    v.array(
      v.looseObject({
        id: text,
        refs: strings,
        pulledAt: v.number(),
        lastUsedAt: v.exactOptional(v.number()),
      }),
    ),
  ),
  locks: v.exactOptional(
    v.array(
      v.looseObject({
        id: text,
        name: text,
        owner: text,
        reason: text,
        since: v.number(),
        ttlMs: v.exactOptional(count),
        isHeld: v.exactOptional(v.literal(true)),
      }),
    ),
  ),
  replacing: v.exactOptional(
    v.array(
      v.looseObject({
        key: text,
        from: text,
        fromHash: text,
        fromImage: text,
        toHash: text,
        toImage: text,
      }),
    ),
  ),
});

const rollouts = v.array(
  v.looseObject({
    blueprint: text,
    good: v.array(
      v.looseObject({
        version: desiredBlueprint,
        imageIds: strings,
        arrivedAt: v.exactOptional(v.number()),
      }),
    ),
    bad: v.array(
      v.looseObject({
        hash: text,
        label: text,
        reason,
        message: text,
        since: v.number(),
        with: v.exactOptional(v.looseObject({ blueprint: text, hash: text })),
      }),
    ),
    arrived: v.exactOptional(v.looseObject({ hash: text, at: v.number() })),
    pause: v.exactOptional(
      v.looseObject({
        by: v.picklist(['operator', 'failure']),
        hash: text,
        message: text,
        since: v.number(),
      }),
    ),
    now: v.exactOptional(text),
  }),
);

const slots = v.array(
  v.looseObject({
    blueprint: text,
    index: count,
    key: v.pipe(text, v.regex(/^[0-9a-f]{64}$/i, 'must be 64 hexadecimal digits')),
    id: text,
    executorName: text,
    containerName: text,
    registered: v.boolean(),
    approved: v.boolean(),
  }),
);

const outbox = v.looseObject({
  processes: v.array(
    v.looseObject({
      id: text,
      startedAt: v.nullable(v.number()),
      retries: count,
      funcName: text,
      kind: text,
      blueprintName: text,
      force: v.boolean(),
      result: v.exactOptional(v.looseObject({ ok: v.boolean(), texts: strings })),
    }),
  ),
  deregister: v.array(v.looseObject({ id: text, name: text })),
});

/** The checkpoint as JSON: blueprints as the documents they came from, everything else as it is. */
export function encodeCheckpoint(value: Checkpoint): unknown {
  return { ...value, blueprints: value.blueprints.map(encodeDesired) };
}

function encodeDesired(desired: DesiredBlueprint): unknown {
  const { blueprint } = desired;
  const document = encodeBlueprint(blueprint);
  return { ...desired, blueprint: { document, origin: blueprint.origin, warnings: blueprint.warnings } };
}

function decodeDesired(desired: v.InferOutput<typeof desiredBlueprint>, at: string): DesiredBlueprint {
  const { document, origin, warnings } = desired.blueprint;
  const decoded = decodeBlueprint(document, origin);
  if (!decoded.ok) throw new Error(`${at}.blueprint: ${firstOf(decoded.problems)}`);
  return { ...desired, blueprint: { ...decoded.blueprint, warnings } };
}

/** Decodes what `encodeCheckpoint` made; throws an `Error` that names path and fault, never the value. */
export function decodeCheckpoint(content: unknown): Checkpoint {
  const raw = parse(checkpoint, content);
  const blueprints = raw.blueprints.map((desired, index) => decodeDesired(desired, `blueprints[${index}]`));
  return { ...raw, blueprints };
}

/** A checkpoint's content without the time it was saved, which alone is no reason to write. */
export function checkpointEssence(content: unknown): unknown {
  return typeof content === 'object' && content !== null ? { ...content, savedAt: 0 } : content;
}

/** Decodes remembered failures and adoptions; throws an `Error` that names path and fault. */
export function decodeMemory(content: unknown): Memory {
  return parse(memory, content);
}

/** Good and bad versions as JSON, versions as in the checkpoint. */
export function encodeRollouts(value: readonly Rollout[]): unknown {
  return value.map((rollout) => {
    const good = rollout.good.map((one) => ({ ...one, version: encodeDesired(one.version) }));
    return { ...rollout, good };
  });
}

/** Decodes what `encodeRollouts` made; throws an `Error` that names path and fault. */
export function decodeRollouts(content: unknown): readonly Rollout[] {
  return parse(rollouts, content).map((rollout) => {
    const good = rollout.good.map((one, index) => {
      return { ...one, version: decodeDesired(one.version, `${rollout.blueprint}.good[${index}]`) };
    });
    return { ...rollout, good };
  });
}

/** Decodes what the server has not accepted yet; throws an `Error` that names path and fault. */
export function decodeOutbox(content: unknown): Outbox {
  return parse(outbox, content);
}

/** Decodes identity slots; throws an `Error` that names path and fault, never a key. */
export function decodeSlots(content: unknown): readonly Slot[] {
  return parse(slots, content);
}

function parse<const S extends v.GenericSchema>(schema: S, content: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, content, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  // valibot's own texts show the received value, which may be a secret.
  const message = /^Invalid (type|key)/.test(issue.message) ? `must be ${issue.expected}` : 'is not valid';
  throw new Error(`${v.getDotPath(issue) ?? 'content'} ${message}`);
}

function firstOf(problems: readonly Problem[]): string {
  const [first] = problems;
  return first === undefined ? 'is not valid' : problemText({ ...first, value: '(hidden)' });
}
