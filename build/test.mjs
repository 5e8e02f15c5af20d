// `npm test`: all set-up, then everything that can be checked; every part runs even when an earlier one failed.
// Usage: node build/test.mjs [part ...], for example: npm test -- sim e2e
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { EngineClient } from './lib/engine.mjs';
import { Leftovers } from './lib/leftovers.mjs';
import { errorText, root } from './lib/project.mjs';
import { killRunning } from './lib/run.mjs';
import { ensurePackages, runScript, setUp, TEST_TOOLS } from './setup.mjs';

/** For everything together: a part that begins too late fails by its name instead of hanging the machine. */
const TOTAL_MS = 70 * 60_000;
const minutes = (/** @type {number} */ count) => count * 60_000;

/** Files that compare times, that have many agents at work already, or that need names and ports which another one needs. */
const ALONE = [
  'test/e2e/cloud-updates.test.ts',
  'test/e2e/colony-outages.test.ts',
  'test/e2e/engine-outage.test.ts',
];

/** All other end-to-end files. @param {readonly string[]} alone */
const besides = (alone) =>
  readdirSync(join(root, 'test/e2e'))
    .map((name) => `test/e2e/${name}`)
    .filter((path) => path.endsWith('.test.ts') && !alone.includes(path));

await runScript(async () => {
  const began = performance.now();
  const wanted = process.argv.slice(2);
  await ensurePackages();
  const { oneCheck, runPart, staticParts, testPart, total } = await import('./lib/parts.mjs');
  const leftovers = new Leftovers();
  let engine = { stop: async () => {} };
  const stop = async () => {
    killRunning();
    leftovers.removeFolder();
    await engine.stop().catch((error) => console.error(errorText(error)));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.once(signal, () => stop().then(() => process.exit(130)));

  const env = leftovers.environment();
  const shared = { env, concurrency: 2 };
  const parts = [
    ...staticParts(),
    testPart('architecture', ['test/arch'], minutes(2), shared),
    testPart('unit', ['test/unit'], minutes(3), shared),
    testPart('property', ['test/property'], minutes(4), shared),
    testPart('contract', ['test/contract'], minutes(8), shared),
    testPart('sim', ['test/sim'], minutes(14), shared),
    { name: 'bundle', deadlineMs: minutes(2), run: buildProgram },
    testPart('e2e', besides(ALONE), minutes(35), shared),
    testPart('e2e, alone', ALONE, minutes(12), { env, concurrency: 1 }),
    { name: 'leftovers', deadlineMs: minutes(1), run: () => leftovers.check() },
  ];
  const unknown = wanted.filter((name) => !parts.some((part) => part.name.startsWith(name)));
  if (unknown.length > 0) {
    console.error(
      `no part is named ${unknown.join(', ')}; there are: ${parts.map((part) => part.name).join(', ')}`,
    );
    return 2;
  }
  const chosen = parts.filter(
    (part) => wanted.length === 0 || wanted.some((name) => part.name.startsWith(name)),
  );
  const preparation = {
    name: 'set-up',
    deadlineMs: minutes(12),
    run: async () => {
      engine = await setUp({ tools: TEST_TOOLS });
      await leftovers.remember(new EngineClient());
      return oneCheck(true, '');
    },
  };
  const results = [await runPart(preparation)];
  // The time of a first installation does not count against the tests.
  const from = performance.now();
  for (const part of chosen) results.push(await runPart(part, TOTAL_MS - (performance.now() - from)));
  await stop();
  const { passed, failed, skipped } = total(results);
  console.log(`all of it took ${Math.round((performance.now() - began) / 1000)} s`);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed === 0 ? 0 : 1;
});

/** The bundle, and that its first breath works. @param {number} deadlineMs */
async function buildProgram(deadlineMs) {
  const { run } = await import('./lib/run.mjs');
  const { oneCheck } = await import('./lib/parts.mjs');
  const { program } = await import('./lib/project.mjs');
  const built = await run(process.execPath, ['build/bundle.mjs'], { output: 'capture', deadlineMs });
  if (built.code !== 0) return oneCheck(false, built.output);
  const said = await run(program, ['version', '--json'], { output: 'capture', deadlineMs: 20_000 });
  return oneCheck(said.code === 0, `${program} version --json ended with ${said.code}:\n${said.output}`);
}
