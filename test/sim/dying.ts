import assert from 'node:assert/strict';
import { LABEL } from '../../src/model/container.ts';
import { Harness } from './harness.ts';

/** What is going on when the agent dies: a state to start from, and a change that leads to engine calls. */
export interface Story {
  title: string;
  prepare(sim: Harness): Promise<void>;
  change(sim: Harness): void;
  /** What has to come about; default: the goal, and the agent calls it converged. */
  isOver?(sim: Harness): boolean;
  /** What else has to hold at the end. */
  check?(sim: Harness): void;
}

export interface Death {
  /** Whether the blueprints can still be read afterwards; without them it goes on from the checkpoint. */
  directory?: 'there' | 'gone';
  /** Who dies: the agent, or the engine with all containers while the agent goes on. */
  who?: 'agent' | 'engine';
}

/** No story takes more engine calls than this; reaching it means that the agent never comes to rest. */
const MOST_CALLS = 160;

/** Tells the story again and again, with a death after its first, second, ... engine call, until it is over before. */
export async function dieAfterEach(story: Story, death: Death): Promise<void> {
  let survived = false;
  for (let calls = 1; !survived; calls += 1) {
    assert.ok(calls < MOST_CALLS, 'the story ends');
    survived = await dieAfter(calls, story, death);
  }
}

/** One run that dies after so many calls; true when the story was over before. */
async function dieAfter(
  calls: number,
  { prepare, change, check, isOver = isConverged }: Story,
  { directory = 'there', who = 'agent' }: Death,
): Promise<boolean> {
  const sim = new Harness({ seed: calls });
  try {
    await prepare(sim);
    const volumes = [...sim.world.volumes];
    let died = false;
    sim.engine.crashAfter(calls, () => {
      died = true;
      if (who === 'agent') sim.crashAgent();
      else {
        sim.engine.outage();
        sim.world.shutDown(255);
      }
    });
    change(sim);
    await sim.clock.runUntil(() => died || isOver(sim), 30_000);
    if (!died) {
      sim.engine.cancelCrash();
      await sim.until(() => isOver(sim), 'the end of the story');
      check?.(sim);
      return true;
    }
    await sim.run(calls % 3 === 0 ? 0 : calls * 37);
    if (who === 'agent') {
      // Without a checkpoint of the change only the directory knows of it.
      const saved = JSON.stringify(sim.store.checkpoint()?.blueprints ?? []);
      if (directory === 'gone' && knows(sim, saved)) sim.directory.takeAway();
      sim.start();
    } else {
      sim.world.boot();
      sim.engine.recover();
    }
    await sim.until(() => isOver(sim), 'the end of the story');
    for (const volume of volumes) assert.ok(sim.world.volumes.has(volume), `volume ${volume} is kept`);
    assert.deepEqual(sim.world.removedVolumes, []);
    check?.(sim);
    await sim.expectQuiet();
    return false;
  } catch (error) {
    throw new Error(`died after ${calls} calls: ${error}`, { cause: error });
  } finally {
    sim.close();
  }
}

function isConverged(sim: Harness): boolean {
  return sim.goal.met() && sim.status().converged;
}

/** true when the saved desired state is the one the goal asks for: every wanted hash is in it, and no other. */
function knows(sim: Harness, saved: string): boolean {
  const wanted = sim.goal.services().map((service) => service.specHash);
  const found = [...saved.matchAll(new RegExp(`"${LABEL.specHash}":"([0-9a-f]+)"`, 'g'))].map(
    (match) => match[1] ?? '',
  );
  return JSON.stringify([...new Set(found)].sort()) === JSON.stringify([...new Set(wanted)].sort());
}
