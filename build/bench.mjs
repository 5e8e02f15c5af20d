// `npm run bench`: what the agent costs and how fast it is, on the real engine; a table, and .build/bench.json.
// Usage: node build/bench.mjs [heal deploy coldstart updates idle probes growth link handover] [--rounds=20] [--idle-seconds=300] [--cycles=500] [--sizes=1,10,50]
//        [--node-flags='--max-semi-space-size=1 ...'] for the agent's node
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { bold, duration, errorText, red, root } from './lib/project.mjs';
import { killRunning } from './lib/run.mjs';
import { ensurePackages, runScript, setUp } from './setup.mjs';

const flag = (/** @type {string} */ name, /** @type {string} */ usual) =>
  process.argv.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3) ?? usual;

/** @typedef {import('./bench/figures.mjs').Figure} Figure */
/** @typedef {import('./bench/ground.mjs').Ground} Ground */
/** @typedef {import('./bench/parts.mjs').BenchOptions} BenchOptions */
/** @typedef {(ground: Ground, options: BenchOptions) => Promise<Figure[]>} BenchPart */

/**
 * Runs the parts one after another; one that fails does not stop the next.
 * @param {readonly [string, BenchPart][]} parts @param {Ground} ground @param {BenchOptions} options
 */
async function measure(parts, ground, options) {
  const { table } = await import('./bench/figures.mjs');
  /** @type {Figure[]} */
  const figures = [];
  let failed = 0;
  for (const [name, part] of parts) {
    const began = performance.now();
    console.log(bold(`${name} ...`));
    try {
      const found = await part(ground, options);
      figures.push(...found);
      console.log(`${table(found)}\n(${duration(performance.now() - began)})\n`);
    } catch (error) {
      failed += 1;
      const logs = [...ground.agents].map((agent) => agent.log()).join('\n');
      console.error(red(`${name}: ${errorText(error)}`), `\n${logs}`);
    }
    // Only a part that failed leaves something standing.
    for (const agent of ground.agents) await ground.undo(agent);
  }
  return { figures, failed };
}

/** @param {readonly Figure[]} figures @param {BenchOptions} options @param {string} engine its version */
async function report(figures, options, engine) {
  const { summary, table } = await import('./bench/figures.mjs');
  const { buildFacts } = await import('./bundle.mjs');
  const machine = { cpu: cpus()[0]?.model ?? '', cpus: cpus().length, node: process.version, engine };
  const document = {
    at: new Date().toISOString(),
    program: buildFacts(),
    machine,
    options,
    figures: figures.map(({ values, ...rest }) => ({ ...rest, ...summary(values), values })),
  };
  mkdirSync(join(root, '.build'), { recursive: true });
  writeFileSync(join(root, '.build', 'bench.json'), `${JSON.stringify(document, null, 2)}\n`);
  const missed = figures.filter((figure) => figure.target?.met === false);
  console.log(table(figures));
  console.log(
    `\n${machine.cpus} x ${machine.cpu}, Node ${machine.node}, engine ${engine}; also in .build/bench.json`,
  );
  if (missed.length > 0)
    console.log(red(`targets missed: ${missed.map((figure) => figure.name).join('; ')}`));
  return missed.length;
}

await runScript(async () => {
  const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
  const options = {
    rounds: Number(flag('rounds', '20')),
    idleSeconds: Number(flag('idle-seconds', '300')),
    cycles: Number(flag('cycles', '500')),
    sizes: flag('sizes', '1,10,50').split(',').map(Number),
    nodeFlags: flag('node-flags', '').split(' ').filter(Boolean),
  };
  await ensurePackages();
  const { heal, deploy, idle, growth } = await import('./bench/parts.mjs');
  const { coldstart } = await import('./bench/coldstart.mjs');
  const { updates } = await import('./bench/updates.mjs');
  const { probes } = await import('./bench/probes.mjs');
  const { link } = await import('./bench/colony.mjs');
  const { handover } = await import('./bench/handover.mjs');
  const all = Object.entries({ heal, deploy, coldstart, updates, idle, probes, growth, link, handover });
  const unknown = wanted.filter((name) => !all.some(([part]) => part === name));
  if (unknown.length > 0) {
    console.error(
      `no part is named ${unknown.join(', ')}; there are: ${all.map(([name]) => name).join(', ')}`,
    );
    return 2;
  }
  const { Ground } = await import('./bench/ground.mjs');
  const { bundle } = await import('./bundle.mjs');
  const engine = await setUp({ tools: ['busybox'] });
  await bundle();
  const ground = await new Ground(options.nodeFlags).open();
  const leave = async () => {
    killRunning();
    await ground.close();
    await engine.stop();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.once(signal, () => leave().then(() => process.exit(130)));
  const chosen = all.filter(([name]) => wanted.length === 0 || wanted.includes(name));
  const { figures, failed } = await measure(chosen, ground, options);
  const { Version } = await ground.client.call('GET', '/version');
  await leave();
  return failed + (await report(figures, options, Version)) === 0 ? 0 : 1;
});
