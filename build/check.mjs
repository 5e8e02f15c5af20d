// `npm run check`: types, lint and format, shell scripts, architecture and unit tests, at the same time, in seconds.
import { duration } from './lib/project.mjs';
import { killRunning } from './lib/run.mjs';
import { ensurePackages, runScript } from './setup.mjs';

await runScript(async () => {
  const began = performance.now();
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => {
      killRunning();
      process.exit(130);
    });
  await ensurePackages();
  const { runPart, staticParts, testPart, total } = await import('./lib/parts.mjs');
  const parts = [
    ...staticParts(),
    testPart('architecture', ['test/arch'], 60_000, { processes: 1 }),
    testPart('unit', ['test/unit'], 120_000, { processes: 2, concurrency: 2 }),
  ];
  const { passed, failed, skipped } = total(await Promise.all(parts.map((part) => runPart(part))));
  const took = duration(performance.now() - began);
  console.log(
    failed === 0
      ? `check: all good in ${took} (${passed} passed, ${skipped} skipped)`
      : `check: ${failed} failed, ${passed} passed, ${skipped} skipped, in ${took}`,
  );
  return failed === 0 ? 0 : 1;
});
