import { blueprintOf } from '../../../src/model/blueprint.ts';
import type { DesiredBlueprint } from '../../../src/model/desired.ts';
import type { Checkpoint, Slot } from '../../../src/model/ports.ts';

/** A checkpoint that uses every kind of field; `mark` makes two of them differ. */
export function checkpointOf(mark: string, savedAt = 1000): Checkpoint {
  return { savedAt, directoryIdentity: '1:2', blueprints: [desiredOf('c1-db', mark)] };
}

export function desiredOf(name: string, mark: string): DesiredBlueprint {
  const blueprint = blueprintOf(
    { kind: 'DockerDeployment', metadata: { name, generation: 3 }, spec: { instances: [{ image: mark }] } },
    { source: 'directory', file: '/b/db.json', document: 0 },
  );
  const problem = { severity: 'warning', reason: 'SpecWarning', path: 'spec.x', message: 'is odd' } as const;
  return {
    name,
    kind: 'DockerDeployment',
    blueprintId: '',
    generation: 3,
    blueprint: { ...blueprint, warnings: [problem] },
    specHash: '0011223344556677',
    services: [
      {
        key: `${name}/db/0`,
        blueprint: name,
        instance: 'db',
        replica: 0,
        containerName: name,
        specHash: '0011223344556677',
        container: {
          image: mark,
          env: { PASSWORD: 'åäö' },
          command: ['a'],
          labels: {},
          ports: [{ containerPort: 1, protocol: 'tcp', publish: true, hostPort: 1, hostIp: '' }],
          mounts: [
            { type: 'volume', source: 'v', target: '/v', readOnly: false },
            { type: 'tmpfs', target: '/t', readOnly: false, sizeBytes: 5 },
          ],
          network: { mode: 'network', name: 'n', aliases: ['x'], create: true, driver: 'bridge' },
          privileged: false,
          healthcheck: {
            test: ['NONE'],
            intervalMs: 1,
            timeoutMs: 1,
            retries: 1,
            startPeriodMs: 0,
          },
          restart: { name: 'unless-stopped', maxRetries: 0 },
          limits: { memoryBytes: 1 },
        },
        managedLabels: { 'colonies.managed': 'true' },
        pullPolicy: 'IfNotPresent',
        hold: { reason: 'EnvFileMissing', message: 'no file' },
        dependsOn: [{ name: 'x', condition: 'auto', timeoutMs: 1 }],
        probe: { tcp: { port: 1 }, intervalMs: 1, timeoutMs: 1, retries: 1, startPeriodMs: 1 },
        onUnhealthy: 'restart',
      },
    ],
    warnings: [problem],
    deleting: false,
    reclaimVolumes: [],
    reclaimNetworks: [],
    order: { gone: ['x', 'shop/y'] },
    executors: {
      executorType: 'runner',
      location: 'yard',
      capabilities: { hardware: [{ model: 'box', network: ['eth0'] }] },
      identities: 2,
      known: [{ index: 0, id: 'f'.repeat(64) }],
    },
  };
}

export function slotOf(index: number): Slot {
  return {
    blueprint: 'exec',
    index,
    key: `${index + 1}`.repeat(64).slice(0, 64),
    id: 'f'.repeat(64),
    executorName: `exec-${index}`,
    containerName: `exec-${index}`,
    registered: true,
    approved: false,
  };
}
