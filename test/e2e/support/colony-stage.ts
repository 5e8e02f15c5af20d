import assert from 'node:assert/strict';
import type { Process } from '../../../src/colony/messages-process.ts';
import type { AgentStatus } from '../../../src/model/status.ts';
import { eventually } from '../../fakes/engine-fixture.ts';
import type { AgentUnderTest } from './agent.ts';
import type { ColonyGround, Reported } from './colony-ground.ts';
import { type OpenColony, openColony } from './colony-grounds.ts';
import { Ground } from './ground.ts';

/** A status is sent at most every 10 s, and a claim takes some seconds more. */
export const REPORTED_WITHIN_MS = 30_000;

/** What the cases about one colony share: an engine, a colony, an image, and an agent on its own key only. */
export class ColonyStage {
  readonly ground: Ground;
  #open: OpenColony | undefined;
  #agent: AgentUnderTest | undefined;
  #image = '';

  constructor(room: string) {
    this.ground = new Ground(room);
  }

  get prefix(): string {
    return this.ground.prefix;
  }

  get engine() {
    return this.ground.engine;
  }

  get colony(): ColonyGround {
    assert.ok(this.#open, 'the colony is open');
    return this.#open.ground;
  }

  get agent(): AgentUnderTest {
    assert.ok(this.#agent, 'the agent is there');
    return this.#agent;
  }

  get image(): string {
    return this.#image;
  }

  /** The colony, the image, and an agent that has not been started. */
  async open(): Promise<void> {
    this.#image = await this.ground.plainImage();
    this.#open = await openColony(this.prefix);
    this.#agent = await this.gateway(`${this.prefix}-gw`, this.colony.location);
  }

  /** An agent of this name at a location of the colony, not started. */
  async gateway(name: string, location: string, flags: readonly string[] = []): Promise<AgentUnderTest> {
    this.colony.alsoRemove(name);
    return this.ground.agent({
      node: name,
      flags: [
        '--location',
        location,
        '--executor-type',
        this.colony.executorType,
        '--resync',
        '2s',
        ...flags,
      ],
      env: this.colony.env,
    });
  }

  async close(): Promise<void> {
    if (this.#agent?.alive) await this.#agent.kill('SIGKILL');
    await this.#open?.close();
    await this.ground.close();
  }

  /** Runs a command as this agent's machine would, with its settings. */
  cli(agent: AgentUnderTest, ...args: string[]) {
    return agent.cli(...args, ...agent.flags());
  }

  /** Waits until the link is in this state. */
  linked(agent: AgentUnderTest, state: string, deadlineMs = 40_000): Promise<AgentStatus> {
    return agent.until(({ server }) => server?.state === state, `the link is ${state}`, deadlineMs);
  }

  /** Waits until the server's status of a blueprint is what the engine says of these containers. */
  truthful(name: string, containers: readonly string[], deadlineMs = REPORTED_WITHIN_MS): Promise<Reported> {
    const isTrue = async (status: Reported) => {
      const said = [...(status.instances ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1));
      if (said.length !== containers.length || status.phase !== 'Running') return false;
      for (const [index, container] of [...containers].sort().entries()) {
        const found = await this.engine.inspect(container);
        const one = said[index];
        if (found === undefined || one === undefined || one.name !== container) return false;
        const isSame =
          found.Id.startsWith(one.id) &&
          one.id.length === 12 &&
          (one.state === 'running') === found.State.Running &&
          one.startedAt === found.State.StartedAt;
        if (!isSame) return false;
      }
      return true;
    };
    return this.colony.reported(name, 'is what the engine says', isTrue, deadlineMs);
  }

  /** Waits until every process of a blueprint is closed, and returns the newest one. */
  async closed(blueprint: string, deadlineMs = 20_000): Promise<Process> {
    const isOf = ({ spec }: Process) => spec.kwargs.blueprintName === blueprint;
    return eventually(
      `all processes of ${blueprint} are closed`,
      async () => {
        if ((await this.colony.openProcesses()).some(isOf)) return undefined;
        const ended = (await this.colony.processes('success', 'failed')).filter(isOf);
        return ended.sort((a, b) => (a.submissiontime ?? 0) - (b.submissiontime ?? 0)).at(-1);
      },
      deadlineMs,
    );
  }
}
