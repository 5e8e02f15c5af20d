// What callers notice of an update: probes that fail, by the agent's update and by stop, rm and run by hand.
import { loadavg } from 'node:os';
import { duration, pause } from '../lib/project.mjs';
import { IMAGE, NETWORK } from './ground.mjs';
import { rollbacks } from './rollbacks.mjs';
import { freePort, offer, PORT, SERVE, watchAlias, watchPort } from './watching.mjs';

/** @typedef {import('./figures.mjs').Figure} Figure */
/** @typedef {import('./ground.mjs').Ground} Ground */
/** @typedef {import('./parts.mjs').BenchOptions} BenchOptions */
/** @typedef {import('./prober.mjs').Findings} Findings */

/** Time before an update and after it that is watched too, milliseconds. */
const AROUND_MS = 500;

/** Most that a fixed port may be away beyond the container's own stop time, milliseconds. */
const BEYOND_STOP_MS = 1000;

/**
 * One way to update.
 * @typedef {object} Way
 * @property {string} name
 * @property {number} replicas
 * @property {number} bootS seconds from the start of a container until it serves
 * @property {boolean} isPort a fixed port of the host is asked, else the alias
 * @property {Record<string, unknown>} [update] of the blueprint
 * @property {'none' | 'stop time'} target what may fail: no probe, or those within the container's own stop time and a second
 */

/** @type {readonly Way[]} */
const WAYS = [
  { name: 'start-first, 2 replicas behind an alias', replicas: 2, bootS: 1, isPort: false, target: 'none' },
  { name: 'start-first, 1 container behind an alias', replicas: 1, bootS: 1, isPort: false, target: 'none' },
  { name: 'stop-first, fixed host port', replicas: 1, bootS: 0, isPort: true, target: 'stop time' },
];

/** One update as it was seen. @typedef {Findings & { stopMs: number }} Seen */

/** A way, with its names and port. */
class Stage {
  /** @param {Ground} ground @param {Way} way @param {number} hostPort */
  constructor(ground, way, hostPort) {
    this.ground = ground;
    this.way = way;
    this.hostPort = hostPort;
    this.name = `bench-update-${ground.count++}`;
    const { replicas } = way;
    this.containers =
      replicas === 1 ? [this.name] : Array.from({ length: replicas }, (_, index) => `${this.name}-${index}`);
    this.version = 0;
  }

  /** @returns {Promise<import('./watching.mjs').Watching>} */
  watch() {
    return this.way.isPort ? watchPort(this.hostPort) : watchAlias(this.ground, this.name);
  }

  document() {
    const { replicas, bootS, isPort, update } = this.way;
    const instance = {
      name: this.name,
      type: 'container',
      image: IMAGE,
      command: ['sh', '-c', SERVE],
      environment: { VERSION: this.version, BOOT: bootS },
      ...(isPort ? { ports: [{ container: PORT, host: this.hostPort, protocol: 'tcp' }] } : {}),
      probe: { tcp: { port: PORT }, interval: '1s', timeout: '5s', startPeriod: '1m' },
    };
    const spec = { replicas, instances: [instance], ...(update === undefined ? {} : { update }) };
    return { kind: 'DockerDeployment', metadata: { name: this.name }, spec };
  }

  /** `docker run` of one of the containers. @param {string} container */
  async run(container) {
    const { client } = this.ground;
    const { bootS, isPort } = this.way;
    const port = `${PORT}/tcp`;
    const body = {
      Image: IMAGE,
      Cmd: ['sh', '-c', SERVE],
      Env: [`VERSION=${this.version}`, `BOOT=${bootS}`],
      Labels: { 'colonies-edge.bench': '1' },
      ExposedPorts: { [port]: {} },
      HostConfig: {
        NetworkMode: NETWORK,
        ...(isPort ? { PortBindings: { [port]: [{ HostPort: String(this.hostPort) }] } } : {}),
      },
      NetworkingConfig: { EndpointsConfig: { [NETWORK]: { Aliases: [this.name] } } },
    };
    const { Id } = await client.call('POST', `/containers/create?name=${container}`, body);
    await client.call('POST', `/containers/${Id}/start`);
  }

  /** One update, watched. @param {() => Promise<void>} work @returns {Promise<Seen>} */
  async seen(work) {
    const { events } = this.ground;
    events.clear();
    this.version += 1;
    const watching = await this.watch();
    await pause(AROUND_MS);
    await work();
    await pause(AROUND_MS + this.way.bootS * 1000);
    const found = await watching.stop();
    const at = (/** @type {string} */ action, /** @type {string} */ name) =>
      events.events.find((one) => one.action === action && one.name === name)?.atMs ?? Number.NaN;
    const stops = this.containers.map((name) => at('die', name) - at('kill', name));
    return { ...found, stopMs: Math.max(...stops) };
  }
}

/** By the agent. @param {Stage} stage @param {number} runs @returns {Promise<Seen[]>} */
async function byAgent(stage, runs) {
  const { ground } = stage;
  const agent = ground.agent();
  offer(agent, stage.document());
  agent.start();
  await agent.converged();
  const seen = [];
  for (let run = 0; run < runs; run++) {
    const one = await stage.seen(async () => {
      const sinceMs = offer(agent, stage.document());
      for (const name of stage.containers) await ground.events.wait('destroy', name, sinceMs, 60_000);
    });
    seen.push(say(stage, 'the agent', one));
    await agent.converged();
  }
  await ground.undo(agent);
  return seen;
}

/** By `docker stop`, `docker rm` and `docker run`, one container after the other. @param {Stage} stage @param {number} runs @returns {Promise<Seen[]>} */
async function byHand(stage, runs) {
  const { ground } = stage;
  const { client } = ground;
  for (const name of stage.containers) await stage.run(name);
  await pause(AROUND_MS + stage.way.bootS * 1000);
  const seen = [];
  for (let run = 0; run < runs; run++) {
    const one = await stage.seen(async () => {
      for (const name of stage.containers) {
        await client.call('POST', `/containers/${name}/stop`);
        await client.call('DELETE', `/containers/${name}`);
        await stage.run(name);
      }
    });
    seen.push(say(stage, 'by hand', one));
  }
  await ground.removeContainers();
  return seen;
}

/** @param {Stage} stage @param {string} who @param {Seen} seen */
function say(stage, who, seen) {
  const { asked, failed, again, longestMs, stopMs, lateMs, why } = seen;
  const codes = Object.entries(why).map(([code, count]) => `${count} ${code}`);
  console.log(
    `  ${stage.way.name}, ${who}: ${failed} of ${asked} failed, ${again} answered by another address` +
      `${codes.length === 0 ? '' : ` (${codes.join(', ')})`}, longest ${duration(longestMs)}, stop ${duration(stopMs)}, ` +
      `probes at most ${lateMs} ms late, load ${loadavg()[0]?.toFixed(1)}`,
  );
  return seen;
}

/** @param {Way} way @param {string} who @param {readonly Seen[]} seen @returns {Figure[]} */
function figuresOf(way, who, seen) {
  const name = `${way.name}, ${who}:`;
  const ofAgent = who === 'agent';
  const failed = seen.map((one) => one.failed);
  const beyond = seen.map(({ longestMs, stopMs }) => longestMs - stopMs);
  const none = { text: '0', met: Math.max(...failed) === 0 };
  const within = {
    text: `stop time + ${BEYOND_STOP_MS} ms, is + ${Math.round(Math.max(...beyond))}`,
    met: Math.max(...beyond) <= BEYOND_STOP_MS,
  };
  return [
    {
      name: `${name} failed probes`,
      unit: '',
      values: failed,
      ...(ofAgent && way.target === 'none' ? { target: none } : {}),
    },
    ...(way.isPort
      ? []
      : [
          {
            name: `${name} refused by the first address only`,
            unit: '',
            values: seen.map(({ again }) => again),
          },
        ]),
    {
      name: `${name} longest time without an answer`,
      unit: 'ms',
      values: seen.map(({ longestMs }) => longestMs),
      ...(ofAgent && way.target === 'stop time' ? { target: within } : {}),
    },
    { name: `${name} stop signal to exit`, unit: 'ms', values: seen.map(({ stopMs }) => stopMs) },
  ];
}

/** @param {Ground} ground @param {BenchOptions} options @returns {Promise<Figure[]>} */
export async function updates(ground, options) {
  const runs = Math.max(1, Math.min(5, options.rounds));
  /** @type {Figure[]} */
  const figures = [];
  for (const way of WAYS) {
    const stage = () => freePort().then((port) => new Stage(ground, way, port));
    figures.push(...figuresOf(way, 'agent', await byAgent(await stage(), runs)));
    figures.push(...figuresOf(way, 'by hand', await byHand(await stage(), runs)));
  }
  return [...figures, ...(await rollbacks(ground, options))];
}
