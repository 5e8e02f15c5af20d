import type { Traffic } from '../model/colony.ts';
import type { LinkState, LinkStatus } from '../model/link.ts';
import type { AgentStatus } from '../model/status.ts';

type Samples = readonly [labels: string, value: number][];

/** Writes one metric with its samples. */
type Metric = (name: string, type: 'counter' | 'gauge', help: string, samples: Samples) => void;

const LINK_STATES: readonly LinkState[] = [
  'Connected',
  'Connecting',
  'Offline',
  'PendingApproval',
  'Unregistered',
  'UnknownKey',
];

const one = (value: number): Samples => [['', value]];

/** The agent's figures as Prometheus text. Source: Prometheus exposition format 0.0.4. */
export function metricsText(status: AgentStatus): string {
  const lines: string[] = [];
  const metric: Metric = (name, type, help, samples) => {
    lines.push(`# HELP colonies_edge_${name} ${help}`, `# TYPE colonies_edge_${name} ${type}`);
    for (const [labels, value] of samples) lines.push(`colonies_edge_${name}${labels} ${value}`);
  };
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
  if (status.server !== undefined) linkMetrics(status.server, metric);
  const memory = process.memoryUsage();
  metric('process_resident_bytes', 'gauge', 'Resident memory.', one(memory.rss));
  metric('process_heap_bytes', 'gauge', 'Heap in use.', one(memory.heapUsed));
  const cpu = process.cpuUsage();
  metric('process_cpu_seconds_total', 'counter', 'Processor time used.', one((cpu.user + cpu.system) / 1e6));
  return `${lines.join('\n')}\n`;
}

/** The link to the server; nothing of this is there without one. Ages are left to the reader: `time() - x`. */
function linkMetrics(server: LinkStatus, metric: Metric): void {
  const { listing, claims, traffic } = server;
  metric(
    'link_state',
    'gauge',
    '1 for the state the link to the server is in.',
    LINK_STATES.map((state) => [labelText({ state }), server.state === state ? 1 : 0]),
  );
  metric('link_since_timestamp_seconds', 'gauge', 'Since when.', seconds(server.since));
  metric('link_metered', 'gauge', '1 when every byte costs.', one(server.linkClass === 'metered' ? 1 : 0));
  metric(
    'link_contact_timestamp_seconds',
    'gauge',
    'Last answer of the server.',
    seconds(server.lastContactAt),
  );
  metric(
    'listing_timestamp_seconds',
    'gauge',
    'Last complete listing of the blueprints.',
    seconds(listing.at),
  );
  metric('listing_blueprints', 'gauge', 'Blueprints in the last listing.', one(listing.blueprints));
  metric('open_processes', 'gauge', 'Processes taken and not closed yet.', one(server.openProcesses));
  metric('unsent_statuses', 'gauge', 'Statuses the server has not accepted yet.', one(server.unsentStatuses));
  metric('claims', 'gauge', 'Blueprints that any node may take, by who has them.', [
    [labelText({ held: 'true' }), claims?.held ?? 0],
    [labelText({ held: 'false' }), claims?.others ?? 0],
  ]);
  const perPurpose = (value: (one: Traffic) => number): Samples =>
    Object.entries(traffic).map(([purpose, counts]) => [labelText({ purpose }), value(counts)]);
  metric(
    'server_requests_total',
    'counter',
    'Requests to the server.',
    perPurpose((t) => t.requests),
  );
  metric(
    'server_sent_bytes_total',
    'counter',
    'Bytes sent to the server, heads included.',
    perPurpose((t) => t.sentBytes),
  );
  metric(
    'server_received_bytes_total',
    'counter',
    'Bytes received from the server, heads included.',
    perPurpose((t) => t.receivedBytes),
  );
}

/** The seconds since 1970 of an RFC 3339 time; no sample when there is none. */
function seconds(time: string | undefined): Samples {
  const ms = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(ms) ? [] : one(ms / 1000);
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return `{${parts.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
