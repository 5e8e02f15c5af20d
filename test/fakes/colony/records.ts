import { goTime, sorted } from './reply.ts';

export const EXECUTOR_STATES = { pending: 0, approved: 1, rejected: 2, unregistered: 3 } as const;
export const PROCESS_STATES = { waiting: 0, running: 1, success: 2, failed: 3, cancelled: 4 } as const;
export type JsonMap = Record<string, unknown>;

/** An executor as the server keeps it; times are epoch milliseconds, 0 when unset. */
export interface ExecutorRecord {
  id: string;
  type: string;
  name: string;
  state: number;
  commissionedAt: number;
  heardAt: number;
  location: string;
  hardware: unknown;
  software: unknown;
  projects: unknown;
  blueprintId: string;
  blueprintGen: number;
}

export interface FunctionRecord {
  id: string;
  executorName: string;
  document: JsonMap;
}

export interface AttributeRecord {
  id: string;
  processId: string;
  graphId: string;
  type: number;
  key: string;
  value: string;
}

/** A process; times are epoch milliseconds, 0 when unset. */
export interface ProcessRecord {
  id: string;
  /** Order of submission. */
  seq: number;
  initiatorId: string;
  initiatorName: string;
  assignedTo: string;
  state: number;
  submittedAt: number;
  startedAt: number;
  endedAt: number;
  waitDeadline: number;
  execDeadline: number;
  retries: number;
  spec: SpecRecord;
  graphId: string;
  in: readonly unknown[];
  out: readonly unknown[];
  errors: readonly string[];
  attributes: AttributeRecord[];
}

/** What is to be done where, as members of the wire are called. */
export interface SpecRecord {
  nodename: string;
  funcname: string;
  args: readonly unknown[];
  kwargs: JsonMap;
  priority: number;
  /** Seconds; up to 0: no limit. */
  maxwaittime: number;
  maxexectime: number;
  maxretries: number;
  executornames: readonly string[] | null;
  executortype: string;
  locationname: string;
  label: string;
  env: JsonMap;
}

export interface LogRecord {
  processId: string;
  executorName: string;
  message: string;
  at: number;
  /** Tells entries of one millisecond apart. */
  seq: number;
}

/** A blueprint as sent, without what the server drops. */
export interface BlueprintRecord {
  id: string;
  kind: string;
  name: string;
  location: string;
  labels: unknown;
  annotations: unknown;
  generation: number;
  /** Times are the client's own texts. */
  createdAt: unknown;
  updatedAt: unknown;
  lastReconciliationProcess: unknown;
  lastReconciliationTime: unknown;
  spec: JsonMap;
  status: JsonMap;
  /** Spec or name hold a NUL, which breaks lists with a location. */
  hasNul: boolean;
}

export function executorView(one: ExecutorRecord, colony: string): JsonMap {
  return {
    executorid: one.id,
    executortype: one.type,
    executorname: one.name,
    colonyname: colony,
    state: one.state,
    requirefuncreg: false,
    commissiontime: goTime(one.commissionedAt),
    lastheardfromtime: goTime(one.heardAt),
    ...(one.location === '' ? {} : { locationname: one.location }),
    capabilities: { hardware: one.hardware, software: one.software },
    allocations: { projects: one.projects },
    ...(one.blueprintId === '' ? {} : { blueprintid: one.blueprintId, blueprintgen: one.blueprintGen }),
  };
}

export function processView(one: ProcessRecord, colony: string): JsonMap {
  return {
    processid: one.id,
    initiatorid: one.initiatorId,
    initiatorname: one.initiatorName,
    assignedexecutorid: one.assignedTo,
    isassigned: one.assignedTo !== '',
    state: one.state,
    // Every unit of priority counts as a day. As on the wire this is past 2^53 and gets rounded.
    prioritytime: (one.submittedAt - one.spec.priority * 86_400_000) * 1_000_000,
    submissiontime: goTime(one.submittedAt),
    starttime: goTime(one.startedAt),
    endtime: goTime(one.endedAt),
    waitdeadline: goTime(one.waitDeadline),
    execdeadline: goTime(one.execDeadline),
    retries: one.retries,
    attributes: one.attributes.map((attribute) => attributeView(attribute, one.state, colony)),
    spec: specView(one.spec, colony),
    waitforparents: false,
    parents: [],
    children: [],
    processgraphid: one.graphId,
    in: one.in,
    out: one.out,
    errors: one.errors,
  };
}

/** An attribute learns its process's state only when that ends. */
export function attributeView(one: AttributeRecord, processState: number, colony: string): JsonMap {
  return {
    attributeid: one.id,
    targetid: one.processId,
    targetcolonyname: colony,
    targetprocessgraphid: one.graphId,
    state: processState > PROCESS_STATES.running ? processState : 0,
    attributetype: one.type,
    key: one.key,
    value: one.value,
  };
}

function specView(spec: SpecRecord, colony: string): JsonMap {
  return {
    nodename: spec.nodename,
    funcname: spec.funcname,
    args: spec.args,
    kwargs: sorted(spec.kwargs),
    priority: spec.priority,
    maxwaittime: spec.maxwaittime,
    maxexectime: spec.maxexectime,
    maxretries: spec.maxretries,
    conditions: {
      colonyname: colony,
      executornames: spec.executornames,
      executortype: spec.executortype,
      ...(spec.locationname === '' ? {} : { locationname: spec.locationname }),
      dependencies: [],
      nodes: 0,
      cpu: '0m',
      processes: 0,
      processespernode: 0,
      mem: '0Mi',
      storage: '0Mi',
      gpu: { name: '', mem: '0Mi', count: 0, nodecount: 0 },
      walltime: 0,
    },
    label: spec.label,
    fs: { mount: '', snapshots: null, dirs: null },
    env: sorted(spec.env),
  };
}

export function blueprintView(one: BlueprintRecord, colony: string): JsonMap {
  const unset = goTime(0);
  return {
    blueprintid: one.id,
    kind: one.kind,
    metadata: {
      name: one.name,
      colonyname: colony,
      ...(one.location === '' ? {} : { locationname: one.location }),
      ...(isEmpty(one.labels) ? {} : { labels: sorted(one.labels) }),
      ...(isEmpty(one.annotations) ? {} : { annotations: sorted(one.annotations) }),
      ...(one.generation === 0 ? {} : { generation: one.generation }),
      createdAt: one.createdAt ?? unset,
      updatedAt: one.updatedAt ?? unset,
      ...(one.lastReconciliationProcess === undefined
        ? {}
        : { lastReconciliationProcess: one.lastReconciliationProcess }),
      lastReconciliationTime: one.lastReconciliationTime ?? unset,
    },
    spec: sorted(one.spec),
    ...(isEmpty(one.status) ? {} : { status: sorted(one.status) }),
  };
}

function isEmpty(value: unknown): boolean {
  return typeof value !== 'object' || value === null || Object.keys(value).length === 0;
}
