import type { Blueprint, JsonObject } from './blueprint.ts';
import type { ContainerSpec } from './container.ts';
import type { Problem } from './problem.ts';
import type { Reason } from './reason.ts';
import type { HooksSpec, LockFileSpec } from './update.ts';
import type { Windows } from './window.ts';

/**
 * What all blueprints ask of this node, validated and hashed. `known: false` is not an empty state: it means that
 * nobody has told us yet, and the planner then does nothing at all.
 */
export type DesiredState =
  | { known: false }
  | { known: true; owner: Owner; blueprints: readonly DesiredBlueprint[]; refusals: readonly Refusal[] };

/** Whose containers we may touch: those labelled with this node (and colony, where both sides name one). */
export interface Owner {
  node: string;
  /** Empty when the agent has no colony. */
  colony: string;
}

/** One blueprint that is ours, resolved into the containers it asks for. */
export interface DesiredBlueprint {
  name: string;
  kind: string;
  blueprintId: string;
  generation: number;
  /** The document it came from, for status and the checkpoint. */
  blueprint: Blueprint;
  /** Fingerprint over all its services' spec hashes; what status reports. */
  specHash: string;
  /** One per instance and replica, in blueprint order. Empty with `replicas: 0`, and while deleting. */
  services: readonly Service[];
  /** What is odd about it: unknown fields, fields not acted on yet, doubtful values. */
  warnings: readonly Problem[];
  /** true: the blueprint was removed; its containers go (gracefully), its volumes stay unless listed. */
  deleting: boolean;
  /** Named volumes to remove once a deleted blueprint's containers are gone (`volumeReclaim: "Delete"`). */
  reclaimVolumes: readonly string[];
  /** Networks made for it alone, removed with it; never the default one. */
  reclaimNetworks: readonly string[];
  /** What instances that it no longer asks for depended on, by instance: their containers are stopped in this order, the
   *  dependants first. Absent: none of them depended on anything. */
  order?: Readonly<Record<string, readonly string[]>>;
  /** When this blueprint may change, in the place of the node's windows. */
  windows?: Windows;
  /** ExecutorDeployment only. */
  executors?: ExecutorWish;
}

/** What the identities of an ExecutorDeployment are registered with, and how many there should be. */
export interface ExecutorWish {
  executorType: string;
  location: string;
  /** As the server keeps them (PROTOCOL.md 5.1 `capabilities`). */
  capabilities: JsonObject;
  /** Replicas and spare ones; their indices count from 0. */
  identities: number;
  /** Those that are there, from whichever file, by index. */
  known: readonly { index: number; id: string }[];
}

/** One container that should run. */
export interface Service {
  /** `blueprint/instance/replica`: stable over generations; names lanes, setbacks and actions. */
  key: string;
  blueprint: string;
  instance: string;
  replica: number;
  containerName: string;
  /** Fingerprint of `container` without what can be changed in place. */
  specHash: string;
  container: ContainerSpec;
  /** The `colonies.*` labels of a new container. `colonies.generation` is not part of the hash. */
  managedLabels: Readonly<Record<string, string>>;
  pullPolicy: 'IfNotPresent' | 'Always' | 'Never';
  /** Registered executor name; ExecutorDeployment only. */
  executorName?: string;
  /** Set: leave this one alone, and say so. */
  hold?: { reason: Reason; message: string };
  /** What must be there before it is started. */
  dependsOn: readonly Dependency[];
  probe?: ProbeSpec;
  update?: UpdateSpec;
  /** Volumes and binds that only one container may hold, as clauses: "volume data"; absent: none. */
  exclusive?: readonly string[];
  onUnhealthy: 'restart' | 'ignore';
  /** A relay holds its fixed host ports; absent: the container itself does. */
  handover?: HandoverSpec;
  /** This one is a relay. */
  relay?: RelaySpec;
}

export interface HandoverSpec {
  /** Key of the relay. */
  relay: string;
  /** How long connections in use keep a container of before, milliseconds. */
  drainMs: number;
}

export interface RelaySpec {
  /** Key of the service whose connections it passes on. */
  to: string;
  /** Its folder below the agent's own. */
  folder: string;
}

export interface Dependency {
  /** An instance of the same blueprint, else a blueprint, else `blueprint/instance`. */
  name: string;
  /** `auto`: healthy if the target has a health check or probe, otherwise started. */
  condition: 'auto' | 'started' | 'healthy' | 'completed';
  /** Waiting for longer is a fault to be shown; it is waited on. */
  timeoutMs: number;
}

/** A check run by the agent on the container's own address. */
export interface ProbeSpec {
  tcp?: { port: number };
  http?: { port: number; path: string; tls: boolean; status: number };
  intervalMs: number;
  timeoutMs: number;
  retries: number;
  startPeriodMs: number;
  /** true: while it passes, the same is asked of the published port on the host. Absent in older checkpoints. */
  published?: boolean;
}

export interface UpdateSpec {
  strategy: 'auto' | 'start-first' | 'stop-first' | 'recreate';
  parallelism: number;
  healthyAfterMs: number;
  deadlineMs: number;
  onFailure: 'rollback' | 'pause' | 'continue';
  lockFile?: LockFileSpec;
  hooks?: HooksSpec;
}

/** A document, or a version of a blueprint, that was not taken. Its last valid version, if any, stays in force. */
export interface Refusal {
  /** Blueprint name where it is known; otherwise the file stands for it. */
  name: string | undefined;
  file?: string;
  /** 0-based position in a file with several documents. */
  document?: number;
  generation?: number;
  problems: readonly Problem[];
}

/** `spec.replicas` x instances of one blueprint: its services' count. */
export function serviceKey(blueprint: string, instance: string, replica: number): string {
  return `${blueprint}/${instance}/${replica}`;
}
