// `npm run test:colony`: a gateway's life in a colony, end to end, against the real server that COLONIES_* name.
// Usage: npm run test:colony [-- --only=PATTERN]. Without a server it fails, and says what is missing; it never skips.
import { errorText } from './lib/project.mjs';
import { killRunning, run } from './lib/run.mjs';
import { ensurePackages, runScript, setUp } from './setup.mjs';

/** What has to be said, and what for. COLONIES_SERVER_PORT (50080) and COLONIES_TLS (false) have the usual defaults. */
const NEEDED = {
  COLONIES_SERVER_HOST: "the server's name or address",
  COLONIES_COLONY_NAME: 'a colony that may be used for tests',
  COLONIES_COLONY_PRVKEY: "that colony's owner key; it registers, approves and loads definitions",
};

/** The schedule alone takes minutes. */
const DEADLINE_MS = 20 * 60_000;

await runScript(async () => {
  const missing = Object.entries(NEEDED).filter(([name]) => !process.env[name]);
  if (missing.length > 0) {
    console.error(
      'npm run test:colony needs a real ColonyOS server, told by environment variables. Missing:',
    );
    for (const [name, what] of missing) console.error(`  ${name}  ${what}`);
    return 2;
  }
  const only = process.argv.find((arg) => arg.startsWith('--only='))?.slice('--only='.length);
  await ensurePackages();
  const engine = await setUp({ tools: ['busybox'] });
  const stop = async () => {
    killRunning();
    await engine.stop().catch((error) => console.error(errorText(error)));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.once(signal, () => stop().then(() => process.exit(130)));
  try {
    const built = await run(process.execPath, ['build/bundle.mjs'], { deadlineMs: 120_000 });
    if (built.code !== 0) return 1;
    const { runTests } = await import('./run-tests.mjs');
    const { code, passed, failed, skipped } = await runTests(['test/e2e/colony.test.ts'], {
      concurrency: 1,
      deadlineMs: DEADLINE_MS,
      env: { EDGE_TEST_REAL_COLONY: '1' },
      ...(only === undefined ? {} : { only }),
    });
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    return code;
  } finally {
    await stop();
  }
});
