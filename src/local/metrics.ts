import type { AgentStatus } from '../model/status.ts';

/** The agent's figures as Prometheus text. Source: Prometheus exposition format 0.0.4. */
export function metricsText(status: AgentStatus): string {
  const lines: string[] = [];
  const metric = (
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    samples: readonly [labels: string, value: number][],
  ) => {
    lines.push(`# HELP colonies_edge_${name} ${help}`, `# TYPE colonies_edge_${name} ${type}`);
    for (const [labels, value] of samples) lines.push(`colonies_edge_${name}${labels} ${value}`);
  };
  const one = (value: number): [string, number][] => [['', value]];
  const { counters, engine, agent } = status;
  metric('info', 'gauge', 'What runs here.', [
    [
      labelText({
        version: agent.version,
        node: agent.node,
        engine: engine.name,
        engine_version: engine.version,
      }),
      1,
    ],
  ]);
  metric('ticks_total', 'counter', 'Passes of observe, plan, apply.', one(counters.ticks));
  metric('actions_total', 'counter', 'Engine calls that changed something.', one(counters.actions));
  metric('failures_total', 'counter', 'Engine calls that failed.', one(counters.failures));
  metric('healed_total', 'counter', 'Containers brought back.', one(counters.healed));
  metric('engine_up', 'gauge', '1 when the engine answers.', one(engine.state === 'ok' ? 1 : 0));
  metric(
    'source_up',
    'gauge',
    '1 when the desired state can be read.',
    one(status.source.state === 'ok' ? 1 : 0),
  );
  metric('converged', 'gauge', '1 when nothing is to do and nothing is held.', one(status.converged ? 1 : 0));
  const perBlueprint = (value: (report: AgentStatus['blueprints'][number]) => number) =>
    status.blueprints.map((report): [string, number] => [
      labelText({ blueprint: report.name }),
      value(report),
    ]);
  metric(
    'desired_containers',
    'gauge',
    'Containers a blueprint asks for.',
    perBlueprint((r) => r.desired),
  );
  metric(
    'ready_containers',
    'gauge',
    'Containers of a blueprint that are ready.',
    perBlueprint((r) => r.ready),
  );
  metric('refusals', 'gauge', 'Documents that were not taken.', one(status.refusals.length));
  const memory = process.memoryUsage();
  metric('process_resident_bytes', 'gauge', 'Resident memory.', one(memory.rss));
  metric('process_heap_bytes', 'gauge', 'Heap in use.', one(memory.heapUsed));
  const cpu = process.cpuUsage();
  metric('process_cpu_seconds_total', 'counter', 'Processor time used.', one((cpu.user + cpu.system) / 1e6));
  return `${lines.join('\n')}\n`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return `{${parts.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
