// The part `probes`: what it costs to ask 50 containers every 10 s, beside the same containers unasked.
import { pause } from '../lib/project.mjs';
import { cpuSeconds, memory } from './proc.mjs';

/** @typedef {import('./figures.mjs').Figure} Figure */
/** @typedef {import('./ground.mjs').Ground} Ground */
/** @typedef {import('./parts.mjs').BenchOptions} BenchOptions */

const COUNT = 50;
const PORT = 8080;
const LISTENING = { command: ['httpd', '-f', '-p', String(PORT)] };
const PROBED = { ...LISTENING, probe: { tcp: { port: PORT }, interval: '10s', timeout: '5s' } };

/** CPU and memory without and with probes, of one agent. @param {Ground} ground @param {BenchOptions} options @returns {Promise<Figure[]>} */
export async function probes(ground, { idleSeconds }) {
  const { agent } = await ground.deployed(COUNT, {}, LISTENING);
  const without = await watch(agent, idleSeconds);
  // A probe is no reason for new containers.
  ground.ask(agent, COUNT, PROBED);
  await pause(2_000);
  await agent.converged(60_000);
  const probed = await watch(agent, idleSeconds);
  await ground.undo(agent);
  const median = (/** @type {readonly number[]} */ values) =>
    [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
  const more = median(probed.cpu) - median(without.cpu);
  const target = { text: `${more.toFixed(2)} s more, at most 0.1 s`, met: more <= 0.1 };
  return [
    { name: `${COUNT} containers, no probe: CPU per minute`, unit: 's', values: without.cpu },
    { name: `${COUNT} containers, tcp every 10 s: CPU per minute`, unit: 's', values: probed.cpu, target },
    { name: `${COUNT} containers, no probe: anonymous`, unit: 'MiB', values: without.anonymous },
    { name: `${COUNT} containers, tcp every 10 s: anonymous`, unit: 'MiB', values: probed.anonymous },
  ];
}

/** CPU seconds and anonymous memory of each of some minutes. @param {{ pid: number }} agent @param {number} seconds */
async function watch({ pid }, seconds) {
  await pause(20_000);
  /** @type {{ cpu: number[], anonymous: number[] }} */
  const seen = { cpu: [], anonymous: [] };
  for (let minute = 0; minute < Math.max(1, Math.round(seconds / 60)); minute += 1) {
    const before = cpuSeconds(pid);
    await pause(60_000);
    seen.cpu.push(cpuSeconds(pid) - before);
    seen.anonymous.push(memory(pid).anonymous);
  }
  return seen;
}
