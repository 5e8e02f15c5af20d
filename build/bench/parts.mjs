// The parts of the bench; each returns its figures (targets: the product's own, printed beside them).
import { join } from 'node:path';
import { duration, pause, until } from '../lib/project.mjs';
import { findCommand, run } from '../lib/run.mjs';
import { quantile } from './figures.mjs';
import { COMMAND, IMAGE, NETWORK } from './ground.mjs';
import { cpuSeconds, folderState, memory, writtenBytes } from './proc.mjs';
import { Relay } from './relay.mjs';

/** @typedef {import('./figures.mjs').Figure} Figure */
/** @typedef {import('./ground.mjs').Ground} Ground */
/** @typedef {{ rounds: number, idleSeconds: number, cycles: number, sizes: number[], nodeFlags: string[] }} BenchOptions */

/**
 * Kills or removes one container and waits until its name runs again.
 * @param {Ground} ground @param {string} name @param {'kill' | 'remove'} how @returns {Promise<number>} milliseconds
 * from the moment its end was asked for
 */
export async function healOnce(ground, name, how) {
  const found = await ground.client.byName(name);
  if (found === undefined) throw new Error(`${name} is gone`);
  const began = Date.now();
  await (how === 'kill' ? ground.client.kill(found.Id) : ground.client.remove(found.Id));
  const died = await ground.events.wait(how === 'kill' ? 'die' : 'destroy', name, began);
  const back = await ground.events.wait('start', name, died.atMs, 330_000);
  ground.events.clear();
  return back.atMs - began;
}

/** Heal times with 1, 10 and 50 managed containers. @param {Ground} ground @param {BenchOptions} options @returns {Promise<Figure[]>} */
export async function heal(ground, { rounds, sizes }) {
  const own = [];
  for (let round = 0; round < rounds; round++) own.push(await ground.createAndStart());
  /** @type {Figure[]} */
  const figures = [{ name: "engine's own create and start", unit: 'ms', values: own }];
  const limit = quantile(own, 0.5) + 1000;
  for (const size of sizes) {
    const { agent, names } = await ground.deployed(size);
    for (const how of /** @type {const} */ (['kill', 'remove'])) {
      const values = [];
      for (let round = 0; round < rounds; round++) {
        values.push(await healOnce(ground, names[round % size] ?? '', how));
        // One failure after another is answered with a growing delay on purpose; here each is to count by itself.
        await agent.converged();
      }
      const name = `heal after docker ${how === 'kill' ? 'kill' : 'rm -f'}, ${size} containers`;
      const target = { text: `p95 at most ${Math.round(limit)} ms`, met: quantile(values, 0.95) <= limit };
      figures.push({ name, unit: 'ms', values, target });
    }
    await ground.undo(agent);
  }
  return figures;
}

/** Time to deploy 1, 10 and 50, and a shell loop for comparison. @param {Ground} ground @param {BenchOptions} options @returns {Promise<Figure[]>} */
export async function deploy(ground, { sizes, rounds }) {
  const few = Math.max(1, Math.min(3, rounds));
  /** @type {Figure[]} */
  const figures = [];
  for (const size of sizes) {
    const ours = [];
    const loop = [];
    for (let round = 0; round < few; round++) {
      loop.push(await shellLoop(ground, size));
      const agent = ground.agent();
      agent.start();
      await until('the agent to answer', () => agent.status(), { withinMs: 15_000, everyMs: 100 });
      const began = Date.now();
      const names = ground.ask(agent, size);
      const starts = await Promise.all(
        names.map((name) => ground.events.wait('start', name, began, 180_000)),
      );
      ours.push(Math.max(...starts.map((one) => one.atMs)) - began);
      await ground.undo(agent);
    }
    const ratio = quantile(ours, 0.5) / quantile(loop, 0.5);
    const text = `${ratio.toFixed(2)} of the loop's median, at most 1.3`;
    figures.push({ name: `shell loop of docker run -d, ${size}`, unit: 'ms', values: loop });
    figures.push({
      name: `deploy ${size} from a blueprint`,
      unit: 'ms',
      values: ours,
      ...(size >= 50 ? { target: { text, met: ratio <= 1.3 } } : {}),
    });
  }
  return figures;
}

/** Milliseconds for `docker run -d` in a loop; through the API, one after another, where there is no CLI. @param {Ground} ground @param {number} size */
async function shellLoop(ground, size) {
  const docker = findCommand('docker');
  const began = performance.now();
  if (docker === undefined) {
    const body = {
      Image: IMAGE,
      Cmd: COMMAND,
      Labels: { 'colonies-edge.bench': '1' },
      HostConfig: { NetworkMode: NETWORK },
    };
    for (let index = 0; index < size; index++) {
      const { Id } = await ground.client.call('POST', '/containers/create', body);
      await ground.client.call('POST', `/containers/${Id}/start`);
    }
  } else {
    const one = `"$0" run -d --label colonies-edge.bench=1 --network ${NETWORK} --restart unless-stopped`;
    const script = `i=0; while [ $i -lt ${size} ]; do ${one} --name bench-loop-$i ${IMAGE} "$@" >/dev/null || exit 1; i=$((i+1)); done`;
    const result = await run('sh', ['-c', script, docker, ...COMMAND], {
      output: 'capture',
      deadlineMs: 180_000,
    });
    if (result.code !== 0) throw new Error(`the shell loop failed: ${result.output}`);
  }
  const took = performance.now() - began;
  await ground.removeContainers();
  ground.events.clear();
  return took;
}

/** An agent with 10 containers that has nothing to do. @param {Ground} ground @param {BenchOptions} options @returns {Promise<Figure[]>} */
export async function idle(ground, { idleSeconds }) {
  const relay = await new Relay(join(ground.folder, 'relay.sock'), ground.client.socketPath).listen();
  try {
    const { agent } = await ground.deployed(10, { dockerHost: `unix://${relay.path}` });
    await pause(10_000);
    const stateDir = join(agent.options.folder, 'state');
    const windows = Math.max(1, Math.round(idleSeconds / 60));
    const windowMs = (idleSeconds * 1000) / windows;
    const before = { written: writtenBytes(agent.pid), state: folderState(stateDir) };
    /** @type {Record<'cpu' | 'rss' | 'pss' | 'anonymous' | 'calls' | 'mutating', number[]>} */
    const seen = { cpu: [], rss: [], pss: [], anonymous: [], calls: [], mutating: [] };
    for (let window = 0; window < windows; window++) {
      relay.reset();
      const cpu = cpuSeconds(agent.pid);
      await pause(windowMs);
      const perMinute = 60_000 / windowMs;
      seen.cpu.push((cpuSeconds(agent.pid) - cpu) * perMinute);
      seen.calls.push(relay.counts().total * perMinute);
      seen.mutating.push(relay.counts().mutating);
      const used = memory(agent.pid);
      for (const word of /** @type {const} */ (['rss', 'pss', 'anonymous'])) seen[word].push(used[word]);
      console.log(
        `  minute ${window + 1}: ${[...relay.calls].map(([name, count]) => `${count} x ${name}`).join(', ') || 'no call'}`,
      );
    }
    const written = writtenBytes(agent.pid) - before.written;
    const untouched = folderState(stateDir) === before.state;
    await ground.undo(agent);
    return idleFigures(seen, written, untouched);
  } finally {
    relay.close();
  }
}

/**
 * @param {Record<'cpu' | 'rss' | 'pss' | 'anonymous' | 'calls' | 'mutating', number[]>} seen
 * @param {number} written @param {boolean} untouched @returns {Figure[]}
 */
function idleFigures(seen, written, untouched) {
  const most = (
    /** @type {readonly number[]} */ values,
    /** @type {number} */ limit,
    /** @type {string} */ text,
  ) => ({
    text,
    met: Math.max(...values) <= limit,
  });
  const of = 'idle, 10 containers:';
  return [
    {
      name: `${of} CPU per minute`,
      unit: 's',
      values: seen.cpu,
      target: most(seen.cpu, 0.1, 'at most 0.1 s'),
    },
    { name: `${of} RSS`, unit: 'MiB', values: seen.rss },
    { name: `${of} PSS`, unit: 'MiB', values: seen.pss },
    {
      name: `${of} anonymous`,
      unit: 'MiB',
      values: seen.anonymous,
      target: most(seen.anonymous, 26, 'at most 26 MiB'),
    },
    {
      name: `${of} engine calls per minute`,
      unit: '',
      values: seen.calls,
      target: most(seen.calls, 6, 'at most 6'),
    },
    { name: `${of} mutating calls`, unit: '', values: seen.mutating, target: most(seen.mutating, 0, 'none') },
    {
      name: `${of} bytes written to disk`,
      unit: 'B',
      values: [written],
      target: {
        text: `0, state directory ${untouched ? 'untouched' : 'CHANGED'}`,
        met: written === 0 && untouched,
      },
    },
  ];
}

/** Memory after many kill-and-heal cycles against memory after a tenth of them. @param {Ground} ground @param {BenchOptions} options @returns {Promise<Figure[]>} */
export async function growth(ground, { cycles }) {
  const size = 10;
  const { agent, names } = await ground.deployed(size);
  const early = Math.round(cycles / 10);
  /** @type {{ rss: number[], anonymous: number[] }[]} */
  const samples = [];
  const began = performance.now();
  for (let cycle = 1; cycle <= cycles; cycle++) {
    await healOnce(ground, names[cycle % size] ?? '', 'kill');
    if (cycle !== early && cycle !== cycles) continue;
    await agent.converged(330_000);
    /** @type {{ rss: number[], anonymous: number[] }} */
    const sample = { rss: [], anonymous: [] };
    for (let count = 0; count < 5; count++) {
      await pause(1000);
      const used = memory(agent.pid);
      sample.rss.push(used.rss);
      sample.anonymous.push(used.anonymous);
    }
    samples.push(sample);
    console.log(`  ${cycle} cycles after ${duration(performance.now() - began)}`);
  }
  await ground.undo(agent);
  const [first, last] = samples;
  if (first === undefined || last === undefined) throw new Error('at least 10 cycles are needed');
  const grown = quantile(last.anonymous, 0.5) - quantile(first.anonymous, 0.5);
  // The collector's own swing between two samples of an idle agent is about 2 MiB.
  const target = { text: `grown by ${grown.toFixed(1)} MiB, noise is 3`, met: grown <= 3 };
  return [
    { name: `RSS after ${early} cycles`, unit: 'MiB', values: first.rss },
    { name: `RSS after ${cycles} cycles`, unit: 'MiB', values: last.rss },
    { name: `anonymous after ${early} cycles`, unit: 'MiB', values: first.anonymous },
    { name: `anonymous after ${cycles} cycles`, unit: 'MiB', values: last.anonymous, target },
  ];
}
