import assert from 'node:assert/strict';
import { createReporter } from '../../../src/link/reporter.ts';
import type { JsonObject } from '../../../src/model/blueprint.ts';
import type { ListedBlueprint } from '../../../src/model/colony.ts';
import type { ServerReading } from '../../../src/model/link.ts';
import type { AgentEvent, BlueprintReport } from '../../../src/model/status.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { HandConnection } from '../../fakes/link-connection.ts';
import { FakeColony, FakeHost, linkSettings } from '../../fakes/link-parts.ts';
import { CollectingLog } from '../../fakes/log.ts';
import { blueprintOf } from '../../fakes/planning.ts';
import { seededRandom } from '../../fakes/random.ts';
import { sampleDocument, sampleReport } from '../../fakes/sample-status.ts';

export const MINUTE = 60_000;

/** A report of a blueprint from the server. */
export function reportOf(name: string, change: Partial<BlueprintReport> = {}): BlueprintReport {
  const { file: _file, ...rest } = sampleReport({ name, ...change });
  const status = sampleDocument({ node: 'gw-1', phase: rest.phase, ...change.status });
  return { ...rest, status };
}

export const conditionsOf = (status: JsonObject | undefined) => (status?.conditions ?? []) as JsonObject[];

export const failing = (name: string, lastError = 'CrashLoop: exited 1') =>
  reportOf(name, {
    phase: 'Degraded',
    status: sampleDocument({ node: 'gw-1', phase: 'Degraded', lastError }),
  });

/** The reporter over a server and a link that the test moves by hand. */
export class Bench {
  readonly clock = new ManualClock();
  readonly colony = new FakeColony(this.clock);
  readonly connection = new HandConnection(this.colony);
  readonly host = new FakeHost();
  readonly log = new CollectingLog();
  readonly stop = new AbortController();
  /** Blueprints on the server, with the status it has; undefined: not listed yet. */
  server: Map<string, JsonObject> | undefined = new Map();
  reading: ServerReading = { listings: 0, blueprints: [], gone: new Map(), claims: new Map() };
  stamps = new Map<string, JsonObject>();
  others = new Set<string>();
  ids = new Map<string, string>();
  readonly sent: { name: string; atMs: number; status: JsonObject }[] = [];
  readonly reporter;
  failure: unknown;

  constructor(change: Parameters<typeof linkSettings>[0] = {}, hasUser = false) {
    this.connection.isUser = hasUser;
    const take = this.colony.updateStatus.bind(this.colony);
    this.colony.updateStatus = async (name, status, signal) => {
      await take(name, status, signal);
      this.sent.push({ name, atMs: this.clock.monoMs(), status });
      this.server?.set(name, status);
    };
    this.reporter = createReporter(
      {
        clock: this.clock,
        colony: this.colony,
        random: seededRandom(7),
        log: this.log,
        settings: linkSettings(change),
        ...(hasUser ? { user: new FakeColony(this.clock) } : {}),
      },
      this.connection,
      {
        reading: () => this.reading,
        claims: {
          stamp: (name) => this.stamps.get(name),
          mayReport: async (name) => !this.others.has(name),
        },
      },
    );
    this.reporter.run(this.host, this.stop.signal).catch((error: unknown) => {
      this.failure = error;
    });
  }

  /** The server is listed: all that is on it, as it is. */
  list(): void {
    const blueprints = [...(this.server ?? [])].map(([name, status]): ListedBlueprint => {
      const { blueprint } = blueprintOf(name, { blueprintId: this.ids.get(name) ?? 'id-1' });
      return { ok: true, blueprint, status: JSON.parse(JSON.stringify(status)) };
    });
    this.reading = { ...this.reading, listings: this.reading.listings + 1, blueprints };
    this.reporter.refresh();
  }

  /** Blueprints on the server that we run; listed while the link is up. */
  async run(...reports: BlueprintReport[]): Promise<void> {
    for (const { name } of reports) this.server?.set(name, {});
    this.host.reported = reports;
    this.connection.goUp();
    this.list();
    await this.pass(1_000);
  }

  report(...reports: BlueprintReport[]): void {
    this.host.reported = reports;
    this.host.looked();
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    assert.equal(this.failure, undefined);
  }

  names(): string[] {
    return this.sent.map(({ name }) => name);
  }

  end(): void {
    this.stop.abort(new Error('the test is over'));
  }
}

export const event = (change: Partial<AgentEvent> = {}): AgentEvent => ({
  seq: 1,
  time: '2026-01-02T03:04:05.678Z',
  level: 'info',
  message: 'container started',
  blueprint: 'web',
  ...change,
});
