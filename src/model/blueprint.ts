import * as v from 'valibot';
import { EdgeError } from '../base/errors.ts';
import { type Problem, showValue } from './problem.ts';

/** A JSON object as it came from outside; nothing in it is trusted. */
export type JsonObject = { readonly [key: string]: unknown };

/** Where a blueprint was read. */
export interface Origin {
  source: 'directory' | 'server';
  /** Absolute path of the file; directory only. */
  file?: string;
  /** 0-based position in a file with several documents; directory only. */
  document?: number;
}

/** The ColonyOS document, its envelope decoded and its `spec` still raw. */
export interface Blueprint {
  kind: string;
  name: string;
  /** `metadata.colonyname`; empty when absent. */
  colony: string;
  /** `metadata.locationname`; empty when absent. */
  location: string;
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
  /** `metadata.generation`; 0 when absent. */
  generation: number;
  /** Server-given id; empty for a blueprint that never met a server. */
  blueprintId: string;
  spec: JsonObject;
  origin: Origin;
  /** What is odd about the envelope, for example the `handler` member that the server drops. */
  warnings: readonly Problem[];
}

const text = v.nullish(v.string(), '');
const textMap = v.nullish(
  v.record(v.string(), v.string('must be a string (write numbers and booleans in quotes)')),
  {},
);

const envelope = v.looseObject(
  {
    kind: v.pipe(v.string('must be a kind such as "DockerDeployment"'), v.nonEmpty('must not be empty')),
    blueprintid: text,
    metadata: v.looseObject(
      {
        name: v.pipe(v.string('must be a non-empty string'), v.nonEmpty('must be a non-empty string')),
        colonyname: text,
        locationname: text,
        labels: textMap,
        annotations: textMap,
        generation: v.nullish(
          v.pipe(
            v.number('must be a whole number'),
            v.integer('must be a whole number'),
            v.minValue(0, 'must not be negative'),
          ),
          0,
        ),
      },
      'must be an object with at least a name',
    ),
    spec: v.record(v.string(), v.unknown(), 'must be an object'),
  },
  'must be an object with kind, metadata and spec',
);

/** Members of an envelope that are known, acted on or not; others are warned about. */
const KNOWN_TOP = new Set(['kind', 'blueprintid', 'metadata', 'spec', 'status', 'handler']);
const KNOWN_METADATA = new Set([
  'name',
  'colonyname',
  'locationname',
  'labels',
  'annotations',
  'generation',
  'createdAt',
  'updatedAt',
  'createdat',
  'updatedat',
  'createdby',
  'updatedby',
  'createdBy',
  'updatedBy',
  'lastReconciliationProcess',
  'lastReconciliationTime',
  'lastreconciliationprocess',
  'lastreconciliationtime',
]);

/**
 * Decodes one blueprint document (FIELDS.md section 1). The result's `spec` is an object, otherwise unchecked: the
 * blueprint's kind does that. Returns the problems instead when the envelope itself is wrong.
 */
export function decodeBlueprint(
  document: unknown,
  origin: Origin,
): { ok: true; blueprint: Blueprint } | { ok: false; name: string | undefined; problems: Problem[] } {
  const parsed = v.safeParse(envelope, document);
  if (!parsed.success) {
    const problems = parsed.issues.map((issue): Problem => {
      const path = issue.path?.map((step) => String(step.key)).join('.') ?? '';
      return {
        severity: 'error',
        reason: 'SpecInvalid',
        path,
        value: showValue(issue.input),
        message: issue.message,
      };
    });
    return { ok: false, name: peekName(document), problems };
  }
  const { metadata, spec, kind, blueprintid } = parsed.output;
  return {
    ok: true,
    blueprint: {
      kind,
      name: metadata.name,
      colony: metadata.colonyname ?? '',
      location: metadata.locationname ?? '',
      labels: metadata.labels ?? {},
      annotations: metadata.annotations ?? {},
      generation: metadata.generation ?? 0,
      blueprintId: blueprintid ?? '',
      spec,
      origin,
      warnings: envelopeWarnings(parsed.output),
    },
  };
}

function envelopeWarnings(document: { metadata: object; handler?: unknown }): Problem[] {
  const warnings: Problem[] = [];
  const warn = (path: string, message: string) =>
    warnings.push({ severity: 'warning', reason: 'SpecWarning', path, message });
  for (const key of Object.keys(document))
    if (!KNOWN_TOP.has(key)) warn(key, 'is not a known field and is ignored');
  for (const key of Object.keys(document.metadata))
    if (!KNOWN_METADATA.has(key)) warn(`metadata.${key}`, 'is not a known field and is ignored');
  if (document.handler !== undefined)
    warn(
      'handler',
      'belongs to the blueprint definition and is ignored; target a node with spec.executorName',
    );
  return warnings;
}

/** The name of a document that does not decode, for its refusal to be shown under; undefined when there is none. */
function peekName(document: unknown): string | undefined {
  const metadata =
    typeof document === 'object' && document !== null && 'metadata' in document
      ? document.metadata
      : undefined;
  const name =
    typeof metadata === 'object' && metadata !== null && 'name' in metadata ? metadata.name : undefined;
  return typeof name === 'string' && name !== '' ? name : undefined;
}

/** The document form of a blueprint, as `decodeBlueprint` takes it: for the checkpoint. */
export function encodeBlueprint(blueprint: Blueprint): JsonObject {
  return {
    kind: blueprint.kind,
    blueprintid: blueprint.blueprintId,
    metadata: {
      name: blueprint.name,
      colonyname: blueprint.colony,
      locationname: blueprint.location,
      labels: blueprint.labels,
      annotations: blueprint.annotations,
      generation: blueprint.generation,
    },
    spec: blueprint.spec,
  };
}

/** As `decodeBlueprint`, but throws `SPEC_INVALID` with every problem in its text. */
export function blueprintOf(document: unknown, origin: Origin): Blueprint {
  const decoded = decodeBlueprint(document, origin);
  if (decoded.ok) return decoded.blueprint;
  const name = decoded.name ?? '(unnamed)';
  const list = decoded.problems.map((p) => `${p.path} ${p.message}`).join('; ');
  throw new EdgeError(`Cannot decode blueprint ${name}: ${list}`, {
    code: 'SPEC_INVALID',
    retry: 'permanent',
    target: name,
  });
}
