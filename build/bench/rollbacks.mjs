// How long a bad version is noticed: from its arrival until the last good one answers again.
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { duration, pause, until } from '../lib/project.mjs';
import { IMAGE } from './ground.mjs';
import { freePort, offer, PORT, SERVE, watchPort } from './watching.mjs';

/** @typedef {import('./figures.mjs').Figure} Figure */
/** @typedef {import('./ground.mjs').Ground} Ground */
/** @typedef {import('./parts.mjs').BenchOptions} BenchOptions */
/** @typedef {import('../lib/agent.mjs').Agent} Agent */

/** Time between the arrivals of bad versions that are on trial at the same time, milliseconds. */
const APART_MS = 3000;

/** What the version answers that is gone back to. */
const GOOD = 'good';

/**
 * @typedef {object} Bad
 * @property {string} name
 * @property {string[]} [command] default: the stand-in
 * @property {Record<string, unknown>} [environment]
 * @property {boolean} [hasCheck] its health is asked for
 * @property {Record<string, unknown>} update of the bad version
 * @property {number} withinMs by then it must be over
 */

/** @type {readonly Bad[]} */
const BADS = [
  {
    name: 'crash at once (gate: up for 5 s)',
    command: ['sh', '-c', 'exit 3'],
    update: { healthyAfter: '5s' },
    withinMs: 180_000,
  },
  {
    name: 'never healthy (gate: healthy within 10 s)',
    environment: { SICK: 1 },
    hasCheck: true,
    update: { deadline: '10s' },
    withinMs: 210_000,
  },
  {
    name: 'crash after 40 s (gate: up for 60 s)',
    environment: { ENDS_AFTER: 40 },
    update: { healthyAfter: '60s' },
    withinMs: 270_000,
  },
];

/** A service on a fixed host port, whose old version has to stop first. */
class Trial {
  /** @param {Ground} ground @param {Agent} agent @param {number} port @param {Bad} bad */
  constructor(ground, agent, port, bad) {
    this.ground = ground;
    this.agent = agent;
    this.name = `bench-back-${ground.count++}`;
    this.port = port;
    this.bad = bad;
  }

  /** @param {string} version @param {Partial<Bad>} how */
  document(version, { command, environment, update }) {
    const check = { http: { port: PORT, path: '/health' }, interval: '1s', timeout: '1s', retries: 3 };
    const instance = {
      name: this.name,
      type: 'container',
      image: IMAGE,
      command: command ?? ['sh', '-c', SERVE],
      environment: { VERSION: version, BOOT: 0, ...environment },
      ports: [{ container: PORT, host: this.port, protocol: 'tcp' }],
      ...(this.bad.hasCheck ? { probe: { ...check, startPeriod: '5s' } } : {}),
    };
    const spec = { instances: [instance], update };
    return { kind: 'DockerDeployment', metadata: { name: this.name }, spec };
  }

  /** The version that is gone back to. */
  begin() {
    offer(this.agent, this.document(GOOD, { update: { healthyAfter: '1s' } }));
  }

  /** Whether the agent keeps a version as good, by its own files. */
  isProven() {
    const state = join(this.agent.options.folder, 'state');
    return ['a', 'b'].some((side) => {
      try {
        return readFileSync(join(state, `rollouts.${side}`), 'utf8').includes(`"${this.name}"`);
      } catch {
        return false;
      }
    });
  }

  /** Milliseconds from the arrival of a bad version until the good one answers again. @returns {Promise<number>} */
  async once() {
    const watching = await watchPort(this.port);
    await pause(500);
    const arrivedMs = offer(this.agent, this.document('bad', this.bad));
    const isBack = async () => {
      const status = await this.agent.status();
      const mine = status?.blueprints.find(({ name }) => name === this.name);
      if (mine?.waiting[0]?.reason !== 'RolledBack' || mine.ready !== mine.desired) return false;
      // The bad one is removed when the good one serves.
      return (await this.ground.client.containers({ name: [`^/?${this.name}($|\\.)`] })).length === 1;
    };
    await until(`${this.name} to be taken back`, isBack, { withinMs: this.bad.withinMs, everyMs: 500 });
    await pause(500);
    const { changes } = await watching.stop();
    // A probe may fail by itself on a machine that is busy: what counts is what answers after the good one was stopped.
    const stopped = this.ground.events.events.find(
      ({ action, name, atMs }) => action === 'die' && name === this.name && atMs > arrivedMs,
    );
    const back = changes.find(({ what, atMs }) => what === GOOD && atMs > (stopped?.atMs ?? Infinity));
    if (back === undefined)
      throw new Error(`${this.name}: the good version did not go and come back: ${JSON.stringify(changes)}`);
    const tookMs = back.atMs - arrivedMs;
    console.log(`  ${this.bad.name}: good again after ${duration(tookMs)}, load ${loadavg()[0]?.toFixed(1)}`);
    return tookMs;
  }
}

/** @param {Ground} ground @param {BenchOptions} options @returns {Promise<Figure[]>} */
export async function rollbacks(ground, { rounds }) {
  const runs = Math.max(1, Math.min(5, rounds));
  /** @type {Figure[]} */
  const figures = [];
  for (const bad of BADS) {
    const agent = ground.agent();
    agent.start();
    /** @type {Trial[]} */
    const trials = [];
    for (let run = 0; run < runs; run++) trials.push(new Trial(ground, agent, await freePort(), bad));
    for (const trial of trials) trial.begin();
    await agent.converged(60_000);
    const isProven = () => trials.every((trial) => trial.isProven());
    await until('the good versions to have proved good', isProven, { withinMs: 60_000, everyMs: 100 });
    const values = await Promise.all(
      trials.map(async (trial, index) => {
        await pause(index * APART_MS);
        return trial.once();
      }),
    );
    figures.push({ name: `rollback, fixed host port: ${bad.name}`, unit: 'ms', values });
    await ground.undo(agent);
  }
  return figures;
}
