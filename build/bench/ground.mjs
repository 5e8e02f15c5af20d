// What all parts of the bench stand on: an image, a network, an agent with N containers, and the engine's own times.
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from '../lib/agent.mjs';
import { EngineClient } from '../lib/engine.mjs';
import { EventLog } from '../lib/events.mjs';
import { makeTinyImage } from '../tiny-image.mjs';

export const NODE = 'colonies-edge-bench';
export const NETWORK = 'colonies-edge-bench';
export const IMAGE = 'colonies-edge-bench/tiny:1';
const LABEL = 'colonies-edge.bench';

/** A process that ends at once when told to. */
export const COMMAND = ['sh', '-c', "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"];

/** Process id of the bench that has the names on this machine. */
const HOLDER = join(tmpdir(), 'colonies-edge-bench.pid');

/** Two benches at a time would remove each other's containers: throws while another one runs. */
function takePlace() {
  try {
    const holder = Number(readFileSync(HOLDER, 'utf8'));
    const command = readFileSync(`/proc/${holder}/cmdline`, 'utf8');
    if (holder !== process.pid && command.includes('bench.mjs'))
      throw new Error(`another bench runs on this machine (process ${holder}); wait for its end`);
  } catch (error) {
    // No file, or a process that is gone: the place is free.
    if (/** @type {NodeJS.ErrnoException} */ (error).code === undefined) throw error;
  }
  writeFileSync(HOLDER, String(process.pid));
}

/** One bench run's ground; `close` removes all of it. */
export class Ground {
  /** @param {string[]} [nodeFlags] for the agents' node, as a service would give them */
  constructor(nodeFlags = []) {
    this.nodeFlags = nodeFlags;
    this.client = new EngineClient();
    this.events = new EventLog(this.client.socketPath);
    /** @type {Set<Agent>} */
    this.agents = new Set();
    this.folder = mkdtempSync(join(tmpdir(), 'ceb-'));
    this.count = 0;
  }

  async open() {
    takePlace();
    await this.removeAll();
    await makeTinyImage({ name: IMAGE });
    await this.client.call('POST', '/networks/create', { Name: NETWORK, CheckDuplicate: true });
    await this.events.open();
    return this;
  }

  /** An agent that is not started yet, on a folder of its own. @param {{ dockerHost?: string, extra?: string[] }} [options] */
  agent(options = {}) {
    const folder = join(this.folder, `a${this.count++}`);
    mkdirSync(join(folder, 'blueprints'), { recursive: true });
    const agent = new Agent({ folder, node: NODE, network: NETWORK, nodeFlags: this.nodeFlags, ...options });
    this.agents.add(agent);
    return agent;
  }

  /** Asks an agent for `count` containers; returns their names. @param {Agent} agent @param {number} count @param {object} [fields] of each instance */
  ask(agent, count, fields = {}) {
    const names = Array.from({ length: count }, (_, index) => `bench-${this.count}-${index}`);
    const instances = names.map((name) => ({
      name,
      type: 'container',
      image: IMAGE,
      command: COMMAND,
      ...fields,
    }));
    const document = { kind: 'DockerDeployment', metadata: { name: 'bench' }, spec: { instances } };
    writeFileSync(join(agent.blueprints, '.new'), JSON.stringify(document));
    renameSync(join(agent.blueprints, '.new'), join(agent.blueprints, 'bench.json'));
    return names;
  }

  /** An agent that runs and has `count` containers. @param {number} count @param {{ dockerHost?: string }} [options] @param {object} [fields] of each instance */
  async deployed(count, options = {}, fields = {}) {
    const agent = this.agent(options);
    const names = this.ask(agent, count, fields);
    agent.start();
    await agent.converged(120_000);
    return { agent, names };
  }

  /** Stops an agent and removes its containers. @param {Agent} agent */
  async undo(agent) {
    await agent.stop();
    this.agents.delete(agent);
    await this.removeContainers();
    this.events.clear();
  }

  /** The engine's own time to create and start one container like ours, in milliseconds. @returns {Promise<number>} */
  async createAndStart() {
    const name = `bench-own-${this.count++}`;
    const body = {
      Image: IMAGE,
      Cmd: COMMAND,
      Labels: { [LABEL]: '1' },
      HostConfig: { NetworkMode: NETWORK, RestartPolicy: { Name: 'unless-stopped' } },
    };
    const began = performance.now();
    const { Id } = await this.client.call('POST', `/containers/create?name=${name}`, body);
    await this.client.call('POST', `/containers/${Id}/start`);
    const took = performance.now() - began;
    await this.client.remove(Id);
    return took;
  }

  async removeContainers() {
    const lists = await Promise.all(
      [`colonies.node=${NODE}`, LABEL].map((label) => this.client.containers({ label: [label] })),
    );
    const rest = lists.flat();
    const worker = async () => {
      for (let one = rest.pop(); one !== undefined; one = rest.pop()) await this.client.remove(one.Id);
    };
    await Promise.all(Array.from({ length: 6 }, worker));
  }

  async removeAll() {
    await this.removeContainers();
    await this.client.removeNetwork(NETWORK);
    await this.client.removeImage(IMAGE);
  }

  async close() {
    for (const agent of this.agents) await agent.stop('SIGKILL');
    this.events.close();
    await this.removeAll();
    rmSync(HOLDER, { force: true });
    rmSync(this.folder, { recursive: true, force: true });
  }
}
