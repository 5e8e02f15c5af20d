// What the link to a server costs, and how fast it is (`npm run bench -- link`).
import { pause } from '../lib/project.mjs';
import { ColonyBench } from './colony-ground.mjs';
import { quantile } from './figures.mjs';
import { healOnce } from './parts.mjs';

/** @typedef {import('./figures.mjs').Figure} Figure */
/** @typedef {import('./ground.mjs').Ground} Ground */
/** @typedef {import('./parts.mjs').BenchOptions} BenchOptions */

/** Simulated hours: a whole cycle of a metered link's rare calls. */
const HOURS = { normal: 3, metered: 8 };
const KILOBYTES = { normal: 500, metered: 60 };

const median = (/** @type {number[]} */ values) => quantile(values, 0.5);
const mean = (/** @type {number[]} */ values) => values.reduce((sum, one) => sum + one, 0) / values.length;

/** Costs of an idle link, and times from the server to the containers. @param {Ground} ground @param {BenchOptions} options @returns {Promise<Figure[]>} */
export async function link(ground, { rounds }) {
  const bench = await new ColonyBench(ground).open();
  try {
    const figures = await idleHours(bench);
    const own = [];
    for (let round = 0; round < rounds; round++) own.push(await ground.createAndStart());
    figures.push({ name: "engine's own create and start", unit: 'ms', values: own });
    const names = await bench.addIdle();
    bench.agent?.start();
    await bench.caughtUp();
    figures.push(...(await changes(bench, names, Math.ceil(rounds / 2), median(own))));
    figures.push(await counted(bench));
    figures.push(...(await returns(bench, names, Math.ceil(rounds / 7))));
    figures.push(...(await heals(bench, names, rounds)));
    // After a failure it stays for a moment, for its log.
    if (bench.agent !== undefined) await ground.undo(bench.agent);
    return figures;
  } finally {
    bench.close();
  }
}

/** @param {ColonyBench} bench @returns {Promise<Figure[]>} */
async function idleHours(bench) {
  const hours = await bench.hours();
  /** @type {Figure[]} */
  const figures = [];
  for (const word of /** @type {const} */ (['normal', 'metered'])) {
    /** @type {import('../../test/sim/link-hours.ts').HourCost[]} */
    const costs = await hours.idleHours(word, HOURS[word]);
    const values = costs.map(({ bytes }) => bytes / 1000);
    const most = KILOBYTES[word];
    // The mean: reports and the schedule's processes come in groups, some hours apart.
    const target = { text: `mean ${mean(values).toFixed(1)}, at most ${most}`, met: mean(values) <= most };
    figures.push({ name: `idle link, ${word}: traffic an hour`, unit: 'kB', values, target });
    figures.push({
      name: `idle link, ${word}: requests an hour`,
      unit: '',
      values: costs.map(({ requests }) => requests),
    });
    for (const purpose of Object.keys(costs[0]?.purposes ?? {})) {
      const some = costs.map(({ purposes }) => (purposes[purpose]?.bytes ?? 0) / 1000);
      if (mean(some) >= 0.5) console.log(`  ${word}: ${purpose} ${mean(some).toFixed(1)} kB an hour`);
    }
  }
  return figures;
}

/** From a change on the server to the new container running. @param {ColonyBench} bench @param {string[]} names @param {number} rounds @param {number} ownMs @returns {Promise<Figure[]>} */
async function changes(bench, names, rounds, ownMs) {
  const values = [];
  for (let round = 0; round < rounds; round++) {
    const name = names[round % names.length] ?? '';
    values.push(await changed(bench, name, `${round}`));
    await bench.agent?.converged();
  }
  const most = ownMs + 1500;
  const target = { text: `p95 at most ${Math.round(most)} ms`, met: quantile(values, 0.95) <= most };
  return [{ name: 'blueprint changed on the server to container running', unit: 'ms', values, target }];
}

/** @param {ColonyBench} bench @param {string} name @param {string} value @returns {Promise<number>} milliseconds */
async function changed(bench, name, value) {
  const began = Date.now();
  await bench.call('setVariable', name, 'ROUND', value);
  const atMs = await bench.started(name, began, 60_000);
  bench.ground.events.clear();
  return atMs - began;
}

/** From the link being back to the containers as they should be; three blueprints changed meanwhile. @param {ColonyBench} bench @param {string[]} names @param {number} rounds @returns {Promise<Figure[]>} */
async function returns(bench, names, rounds) {
  const waits = [];
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const { relay, ground, agent } = bench;
    // What failed in the round before would make the agent wait longer in this one.
    await agent?.stop();
    agent?.start();
    await bench.caughtUp();
    relay?.cut();
    await bench.link('Offline');
    const some = names.slice(0, 3);
    for (const name of some) await bench.call('setVariable', name, 'RETURN', `${round}`);
    await pause(3_000);
    const backAt = relay?.restore() ?? 0;
    const starts = await Promise.all(some.map((name) => bench.started(name, backAt, 330_000)));
    const firstAt = relay?.firstAt ?? backAt;
    waits.push(firstAt - backAt);
    times.push(Math.max(...starts) - firstAt);
    ground.events.clear();
    await bench.caughtUp();
  }
  const target = { text: 'at most 5000 ms', met: Math.max(...times) <= 5000 };
  return [
    { name: 'link back to the first attempt (backoff and jitter)', unit: 'ms', values: waits },
    { name: 'first attempt to converged, 3 blueprints changed', unit: 'ms', values: times, target },
  ];
}

/** @param {ColonyBench} bench @param {string[]} names @param {number} rounds @returns {Promise<Figure[]>} */
async function heals(bench, names, rounds) {
  /** @type {{ online: number[], offline: number[] }} */
  const values = { online: [], offline: [] };
  // In turns, so that an engine that gets slower or faster meanwhile does not decide.
  for (const block of [0, 1])
    for (const word of /** @type {const} */ (['online', 'offline'])) {
      if (word === 'offline') {
        bench.relay?.cut();
        await bench.link('Offline');
      }
      for (let round = block; round < rounds; round += 2) {
        values[word].push(await healOnce(bench.ground, names[round % names.length] ?? '', 'kill'));
        await bench.agent?.converged();
      }
      bench.relay?.restore();
      await bench.link('Connected', 330_000);
    }
  const ratio = median(values.offline) / median(values.online);
  const target = { text: `${ratio.toFixed(2)} of online's median, at most 1.1`, met: ratio <= 1.1 };
  return [
    { name: 'heal after docker kill, connected', unit: 'ms', values: values.online },
    { name: 'heal after docker kill, offline', unit: 'ms', values: values.offline, target },
  ];
}

/** The agent's own count against the wire. @param {ColonyBench} bench @returns {Promise<Figure>} */
async function counted(bench) {
  const status = await bench.agent?.status();
  const own = Object.values(status?.server?.traffic ?? {}).reduce(
    (sum, { sentBytes, receivedBytes }) => sum + sentBytes + receivedBytes,
    0,
  );
  const percent = (100 * own) / (bench.relay?.bytes ?? 0);
  const target = { text: 'within 5 % of the wire', met: Math.abs(percent - 100) <= 5 };
  return { name: "agent's count of bytes against the wire", unit: '%', values: [percent], target };
}
