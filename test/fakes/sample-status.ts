import type { AgentStatus, BlueprintReport, StatusDocument } from '../../src/model/status.ts';

export const NOW = Date.UTC(2026, 0, 2, 3, 10, 0);

/** RFC 3339 time so many seconds before (or, negative, after) `NOW`. */
export const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString().replace('.000Z', 'Z');

export function sampleDocument(change: Partial<StatusDocument> = {}): StatusDocument {
  return {
    instances: [],
    runningInstances: 1,
    stoppedInstances: 0,
    totalInstances: 1,
    lastUpdated: ago(1),
    phase: 'Running',
    observedGeneration: 3,
    specHash: '0011223344556677',
    desiredInstances: 1,
    readyInstances: 1,
    conditions: [],
    node: 'gw-7',
    location: 'default',
    agentVersion: '0.1.0',
    engine: 'docker 20.10.24',
    ...change,
  };
}

export function sampleReport(change: Partial<BlueprintReport> = {}): BlueprintReport {
  return {
    name: 'c1-database',
    kind: 'DockerDeployment',
    generation: 3,
    phase: 'Running',
    ready: 1,
    desired: 1,
    since: ago(192),
    waiting: [],
    doing: [],
    warnings: [],
    file: '/etc/colonies-edge/blueprints/arrowhead-c1-database.json',
    status: sampleDocument(),
    ...change,
  };
}

export function sampleStatus(change: Partial<AgentStatus> = {}): AgentStatus {
  return {
    agent: {
      version: '0.1.0',
      node: 'gw-7',
      location: 'default',
      colony: 'dev',
      pid: 42,
      startedAt: ago(7500),
      stateDir: '/var/lib/colonies-edge',
    },
    engine: {
      state: 'ok',
      since: ago(7500),
      endpoint: 'unix:///var/run/docker.sock',
      name: 'docker',
      version: '20.10.24',
      apiVersion: '1.41',
    },
    source: {
      state: 'ok',
      since: ago(7500),
      kind: 'directory',
      path: '/etc/colonies-edge/blueprints',
      files: 8,
    },
    checkpoint: { state: 'saved', savedAt: ago(7000) },
    converged: true,
    nextLookAt: ago(-40),
    blueprints: [sampleReport()],
    refusals: [],
    pulls: [],
    strays: [],
    warnings: [],
    locks: [],
    counters: { ticks: 120, actions: 9, failures: 1, healed: 2 },
    ...change,
  };
}
