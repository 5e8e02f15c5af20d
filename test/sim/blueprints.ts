/** The parts of a DockerDeployment document that simulations vary; the shape is FIELDS.md sections 1 to 4. */
export interface InstanceInput {
  name: string;
  image?: string;
  environment?: Record<string, string>;
  ports?: readonly { container: number; host?: number; protocol?: 'tcp' | 'udp'; handover?: unknown }[];
  volumes?: readonly {
    type: 'named' | 'bind';
    name?: string;
    hostPath?: string;
    mountPath: string;
    readOnly?: boolean;
    exclusive?: boolean;
  }[];
  update?: UpdateInput;
  healthcheck?: { test: string } & Record<string, unknown>;
  restartPolicy?: string;
  resources?: { cpus?: string; memory?: string };
  stopTimeout?: string;
  pullPolicy?: 'IfNotPresent' | 'Always' | 'Never';
  labels?: Record<string, string>;
  dependsOn?: readonly unknown[];
  probe?: object;
  onUnhealthy?: 'restart' | 'ignore';
  networkMode?: string;
}

export interface UpdateInput {
  strategy?: 'auto' | 'start-first' | 'stop-first' | 'recreate';
  parallelism?: number;
  healthyAfter?: string;
  deadline?: string;
  onFailure?: 'rollback' | 'pause' | 'continue';
  lockFile?: string;
  lockTtl?: string;
  hooks?: Partial<Record<'beforeUpdate' | 'afterUpdate' | 'onRollback', HookInput>>;
}

export interface HookInput {
  exec?: readonly string[];
  run?: string;
  timeout?: string;
}

export interface DeploymentInput {
  replicas?: number;
  generation?: number;
  annotations?: Record<string, string>;
  blueprintId?: string;
  volumeReclaim?: 'Delete';
  network?: { name: string; create?: boolean };
  update?: UpdateInput;
  dependsOn?: readonly unknown[];
}

export interface DeploymentDocument {
  kind: string;
  blueprintid?: string;
  metadata: { name: string; generation?: number; annotations?: Record<string, string> };
  spec: { instances: InstanceInput[] } & Record<string, unknown>;
}

/** A blueprint document of kind DockerDeployment. */
export function deployment(
  name: string,
  instances: readonly InstanceInput[],
  input: DeploymentInput = {},
): DeploymentDocument {
  const { replicas, generation, annotations, blueprintId, volumeReclaim, network, update, dependsOn } = input;
  return {
    kind: 'DockerDeployment',
    ...(blueprintId === undefined ? {} : { blueprintid: blueprintId }),
    metadata: {
      name,
      ...(generation === undefined ? {} : { generation }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec: {
      instances: instances.map((instance) => ({ type: 'container', image: 'app:1', ...instance })),
      ...(replicas === undefined ? {} : { replicas }),
      ...(volumeReclaim === undefined ? {} : { volumeReclaim }),
      ...(network === undefined ? {} : { network }),
      ...(update === undefined ? {} : { update }),
      ...(dependsOn === undefined ? {} : { dependsOn }),
    },
  };
}
