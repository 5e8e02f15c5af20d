import { LABEL } from '../model/container.ts';
import type { Store } from '../model/ports.ts';
import type { PlanReport } from '../model/status.ts';
import type { AgentParts } from './agent-parts.ts';
import { WorkingMemory } from './memory.ts';
import { plan } from './plan.ts';
import { Rollouts } from './rollouts.ts';
import { SourceLane } from './source-lane.ts';
import { planReport } from './text.ts';
import { wantedOf } from './wanted.ts';

/** One look without an agent: reads the directory (or the checkpoint), observes, plans, changes nothing. */
export async function planOnce(parts: AgentParts, signal: AbortSignal): Promise<PlanReport> {
  const { engine, clock, random, settings } = parts;
  const lane = new SourceLane({
    ...parts,
    store: readOnly(parts.store),
    owner: { node: settings.node, colony: settings.colony },
    defaultNetwork: settings.defaultNetwork,
    resyncMs: settings.resyncMs,
    onEvent: () => undefined,
    onChange: () => undefined,
  });
  await lane.restore(signal);
  const quiet = { journal: { add: () => undefined }, onTurn: () => undefined, ring: () => undefined };
  const rollouts = new Rollouts({ ...parts, ...quiet, store: readOnly(parts.store) });
  await rollouts.restore();
  const memory = new WorkingMemory(clock, random, settings.startConcurrency);
  memory.load(await parts.store.loadMemory());
  const asked = lane.desired;
  // Also what stands in for a version that has to wait.
  const look = () => wantedOf(rollouts.inForce(asked), asked.known ? asked.blueprints : []);
  const first = await engine.snapshot(look(), signal);
  // Inspections that were late the first time are there the second time.
  const isLate = first.containers.some(
    ({ labels, detail }) => labels[LABEL.managed] === 'true' && detail === undefined,
  );
  const isHeld = asked.known && rollouts.reviewWindows(asked, memory.observe(first, new Set()));
  const snapshot = isLate || isHeld ? await engine.snapshot(look(), signal) : first;
  const observed = { ...memory.observe(snapshot, new Set()), ...rollouts.view(asked) };
  await rollouts.idle();
  return planReport(plan(rollouts.inForce(asked), observed, clock.monoMs()));
}

function readOnly(store: Store): Store {
  return {
    loadCheckpoint: () => store.loadCheckpoint(),
    saveCheckpoint: async () => false,
    loadMemory: () => store.loadMemory(),
    saveMemory: async () => false,
    loadRollouts: () => store.loadRollouts(),
    saveRollouts: async () => false,
    loadSlots: () => store.loadSlots(),
    saveSlots: async () => false,
  };
}
